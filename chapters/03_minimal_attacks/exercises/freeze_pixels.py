"""C&W-L0: succeed, freeze the pixels that matter least, succeed again."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 9, 3
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "A pixel that hardly moved matters little. One that moved far, where the network hardly feels it, matters little too. Which number is small in both cases?",
    "Size of the change times size of the slope, at the last picture that fooled. A frozen pixel has not moved, so it would come first again: "
    "give it infinity before you sort.",
    "`matters = (best - image).abs() * slope(best).abs()`; `matters[~free] = torch.inf`; `least = matters.flatten().argsort()[:count]`. "
    "Then `free.view(-1)[least] = False`.",
]
after = ("Nothing here ever minimized a count: its slope is 0 nearly everywhere. An attack on lengths was run again and again, and between two runs a pixel "
         "lost its license. It is greedy: what was frozen early never comes back.")


def freeze_pixels(image, find, slope, share=0.2):
    """The L0 attack of Carlini and Wagner: fewer pixels each round.

    image: (1, height, width) in [0, 1], a gray picture.
    find(free, start): an attack that begins at `start` and moves only
      pixels where `free` (booleans of the image's shape) is True. It
      returns a picture that fools the network, or None if it fails.
    slope(picture): the gradient of f at this picture, of its shape.
    A pixel matters as much as |its change| * |the slope there|. Each
    round freezes the `count` free pixels that matter least.
    Returns the last picture that fooled (the image, if none did).

    x.flatten() is a picture as one row, and row.argsort() its places,
    smallest value first. x.view(-1)[places] = False sets these places
    in the picture itself. ~free is True where a pixel is frozen.
    """
    free = torch.ones_like(image, dtype=torch.bool)
    best, changed = image, find(free, image)
    while changed is not None:
        best = changed
        count = max(1, int(share * free.sum()))
        # BEGIN SOLUTION
        matters = (best - image).abs() * slope(best).abs()
        matters[~free] = torch.inf
        least = matters.flatten().argsort()[:count]
        free.view(-1)[least] = False
        # END SOLUTION
        changed = find(free, best)
    return best


class Staged:
    """find and slope from tables: what each search changes, and the slopes at what it found, are drawn beforehand."""

    def __init__(self, random, rounds=5, shape=(1, 5, 4)):
        self.image, self.rounds, self.pixels = random.tensor(*shape, low=0.4, high=0.6), rounds, shape[1] * shape[2]
        self.changes, self.slopes = [], []
        for _ in range(rounds):
            ladder = torch.tensor([float(k) for k in random.sample(range(1, self.pixels + 1), self.pixels)]).reshape(shape)
            far = random.tensor(*shape, low=0.05, high=0.4)
            self.changes.append(far * (random.tensor(*shape) - 0.5).sign())
            self.slopes.append(5 * ladder / far * (random.tensor(*shape) - 0.5).sign())         # |change| * |slope| is 5 * ladder: no two are close
        self.asked, self.felt, self.found, self.endless = [], [], [], False

    def find(self, free, start):
        self.asked.append(free.bool().reshape(self.image.shape) if torch.is_tensor(free) and free.numel() == self.pixels else None)
        k = len(self.found)
        if len(self.asked) > 2 * self.pixels:
            self.endless = True
        if k >= self.rounds or self.asked[-1] is None or not bool(self.asked[-1].any()) or self.endless:
            return None
        self.found.append(self.image + self.changes[k] * self.asked[-1])
        return self.found[-1]

    def slope(self, picture):
        self.felt.append(picture)
        return self.slopes[max(len(self.found) - 1, 0)]

    def free_sets(self, share, value, count=None):
        """Pixel by pixel: what is free in each search if each round freezes the free pixels whose value(change, slope) is smallest."""
        free, sets = [True] * self.pixels, []
        for k in range(self.rounds):
            sets.append(torch.tensor(free).reshape(self.image.shape))
            change, slope = (x[k].flatten().tolist() for x in (self.changes, self.slopes))
            places = sorted((value(change[i], slope[i]), i) for i in range(self.pixels) if free[i])
            for _, i in places[:count or max(1, int(share * sum(free)))]:
                free[i] = False
        return [*sets, torch.tensor(free).reshape(self.image.shape)]

    def by_picture(self, share):
        """What is free in the second search if the picture itself is multiplied by the slope, instead of its change."""
        free = torch.ones(self.pixels, dtype=torch.bool)
        free[((self.image + self.changes[0]) * self.slopes[0]).abs().flatten().argsort()[:int(share * self.pixels)]] = False
        return free.reshape(self.image.shape)


def same(asked, sets):
    return len(asked) == len(sets) and all(a is not None and torch.equal(a, b) for a, b in zip(asked, sets))


class Linear:
    """f(x) = w . (x - image) + lead, below 0 where it fools; find is exact: the shortest change of free pixels inside the box."""

    def __init__(self, random, shape=(1, 4, 4)):
        self.image, n = torch.full(shape, 0.5), shape[1] * shape[2]
        sizes = torch.tensor([0.2 + 0.1 * k for k in random.sample(range(n), n)]).reshape(shape)
        self.w = sizes * (random.tensor(*shape) - 0.5).sign()
        # The fewest pixels of a linear model, by sorting: each can lower f by |w| times its room, 0.5; the largest go first.
        gains = sorted((0.5 * sizes).flatten().tolist(), reverse=True)
        self.fewest = random.choice([4, 5, 6])
        self.lead = sum(gains[:self.fewest - 1]) + 0.5 * gains[self.fewest - 1]
        self.calls = 0

    def find(self, free, start):
        self.calls += 1
        w = self.w * free.reshape(self.w.shape)
        if self.calls > 60 or float(0.5 * w.abs().sum()) <= self.lead:
            return None
        low, high = 0.0, 100.0
        for _ in range(60):
            middle = (low + high) / 2
            change = (-middle * w).clamp(-0.5, 0.5)
            low, high = (middle, high) if float((self.w * change).sum()) + self.lead > 0 else (low, middle)
        return (self.image + (-high * w).clamp(-0.5, 0.5)).clamp(0, 1)


def check(answer, random):
    """Carlini and Wagner 2017, section VI.B. First on tables, in which size of change, size of slope and their product rank the pixels in three ways; then
    on a linear model, whose fewest pixels are known by sorting."""
    world = Staged(random)
    while torch.equal(world.by_picture(0.25), world.free_sets(0.25, lambda change, slope: abs(change * slope))[1]):
        world = Staged(random)
    result = answer(world.image, world.find, world.slope, share=0.25)
    expect_like(result, world.image)
    asked, whole = world.asked, torch.ones_like(world.image, dtype=torch.bool)
    suspect(any(a is None for a in asked), "find was handed something else than booleans of the image's shape: change the entries of `free`, not its shape.")
    suspect(not world.felt, "You never asked for the slope: how far a pixel moved says nothing yet about whether the network felt it.")
    again = [k for k in range(1, len(asked)) if bool((asked[k] & ~asked[k - 1]).any())]
    suspect(len(asked) > 1 and torch.equal(asked[1], whole), "No pixel was frozen after the first round: set places of `free` itself to False. `free.flatten()[places] = False` "
            "may set them in a copy.")
    by_row = whole.clone()
    by_row.view(-1)[:whole.shape[2]] = False
    suspect(len(asked) > 1 and torch.equal(asked[1], by_row), "You sorted each row of the picture by itself, and its places count from 0 in each: `.flatten()` the picture first.")
    rules = {
        "the least": lambda change, slope: abs(change * slope), "the most": lambda change, slope: -abs(change * slope),
        "change": lambda change, slope: abs(change), "slope": lambda change, slope: abs(slope), "signed": lambda change, slope: change * slope,
        "signed change": lambda change, slope: change * abs(slope), "signed slope": lambda change, slope: abs(change) * slope}
    sets = {name: world.free_sets(0.25, rule) for name, rule in rules.items()}
    stuck = len(asked) > 2 and not again and torch.equal(asked[2], asked[1])
    suspect(stuck and not any(torch.equal(asked[1], each[1]) for each in sets.values()), "The pixels that freeze are not the `count` that matter least, and in the second round they are the same ones again. "
            "Did infinity go to the free pixels? It belongs to the frozen, `~free`.")
    suspect(stuck, "The second round freezes the pixels that the first one froze: they have not moved, so their product is 0, "
            "and they come first. Take them out of the race, by infinity for instance.")
    suspect(len(asked) > 1 and torch.equal(asked[1], world.by_picture(0.25)), "You multiply the slope by the picture itself. "
            "How far each pixel moved is its *change*: subtract the image.")
    suspect(any(close(x, world.image) for x in world.felt), "You took the slope at the image. Take it where the attack arrived, at `best`.")
    first = asked[1] if len(asked) > 1 else whole
    suspect(torch.equal(first, ~sets["the least"][1]), "You freeze all but the `count` pixels that matter least: the wrong side of the cut.")
    suspect(torch.equal(first, ~sets["the most"][1]), "You keep only `count` pixels, those that matter most. Freeze only `count` of them: the search must adapt between rounds.")
    suspect(torch.equal(first, sets["the most"][1]), "You freeze the pixels that matter most. They carry the attack: freeze the others.")
    suspect(same(asked, sets["change"]), "You rank by the size of the change alone. A pixel may move far where the network does not feel it: multiply by the size of the slope.")
    suspect(same(asked, sets["slope"]), "You rank by the slope alone. A pixel that has hardly moved contributes nothing, however steep it is: multiply by the size of the change.")
    suspect(any(same(asked, sets[name]) for name in ("signed", "signed change", "signed slope")), "You multiply with a sign left on. Where the attack works, change and slope differ in sign: the smallest products would be the most useful "
            "pixels. Take the size of both.")
    suspect(same(asked, world.free_sets(0.25, rules["the least"], count=1)), lambda: f"You freeze one pixel a round, {len(asked)} searches so far; `count` says how many.")
    suspect(bool(again), "A frozen pixel became free again: each round adds to the frozen ones and lets none go.")
    expect("each round freezes the pixels that matter least", same(asked, sets["the least"]),
           "These are not the free pixels with the smallest |change| * |slope|.", points=2)
    expect("returns the last picture that fooled", close(result, world.found[-1]), "That is not the last picture that fooled: the search after it failed.")
    model = Linear(random)
    found = answer(model.image, model.find, lambda picture: model.w, share=0.01)
    expect_like(found, model.image)
    changed = int(((found - model.image).abs() > 1e-6).sum())
    expect("on a linear model, as few pixels as sorting finds", changed == model.fewest,
           lambda: f"A linear model falls to {model.fewest} pixels, the most sensitive ones; yours changes {changed}.", points=2)


@right
def with_loop_over_places(image, find, slope, share=0.2):
    allowed, best = torch.ones_like(image) > 0, image
    while (changed := find(allowed, best)) is not None:
        best = changed
        value = ((best - image) * slope(best)).abs().flatten()
        count = max(1, int(share * allowed.sum()))
        places = [i for i in value.argsort().tolist() if allowed.flatten()[i]]
        row = allowed.flatten()
        row[places[:count]] = False
        allowed = row.reshape(image.shape)
    return best


@right
def by_topk(image, find, slope, share=0.2):
    frozen = torch.zeros(image.numel(), dtype=torch.bool)
    best, changed = image, find(torch.ones_like(image, dtype=torch.bool), image)
    while changed is not None:
        best = changed
        score = ((best - image).abs() * slope(best).abs()).reshape(-1).masked_fill(frozen, float("inf"))
        number = max(1, int(share * (~frozen).sum()))
        frozen = frozen.index_fill(0, score.topk(number, largest=False).indices, True)
        changed = find(~frozen.reshape(image.shape), best)
    return best


@right
def by_threshold(image, find, slope, share=0.2):
    free, best = torch.ones_like(image, dtype=torch.bool), image
    changed = find(free, best)
    while changed is not None:
        best, count = changed, max(1, int(share * free.sum()))
        gain = (slope(best) * (best - image)).abs()
        limit = gain[free].sort().values[count - 1]
        free = free & (gain > limit)
        changed = find(free, best)
    return best


def each_round(rank, image, find, share, places=lambda row, count: row.argsort()[:count]):
    """The scaffold of the answers below; rank(best, free) -> what the pixels are ranked by, places(row, count) -> which of them are frozen."""
    free = torch.ones_like(image, dtype=torch.bool)
    best, changed = image, find(free, image)
    while changed is not None:
        best, count = changed, max(1, int(share * free.sum()))
        free.view(-1)[places(rank(best, free).flatten(), count)] = False
        changed = find(free, best)
    return best


def spared(matters, free):
    """Infinity for the frozen, so that none is frozen twice."""
    return matters.masked_fill(~free, torch.inf)


@wrong("The second round freezes the pixels that the first one froze")
def frozen_again(image, find, slope, share=0.2):
    return each_round(lambda best, free: (best - image).abs() * slope(best).abs(), image, find, share)


@wrong("You freeze the pixels that matter most")
def the_most(image, find, slope, share=0.2):
    return each_round(lambda best, free: ((best - image).abs() * slope(best).abs()).masked_fill(~free, 0), image, find, share,
                      lambda row, count: row.argsort(descending=True)[:count])


@wrong("You multiply the slope by the picture itself")
def the_picture_itself(image, find, slope, share=0.2):
    return each_round(lambda best, free: spared(best.abs() * slope(best).abs(), free), image, find, share)


@wrong("You never asked for the slope")
def only_the_change(image, find, slope, share=0.2):
    return each_round(lambda best, free: spared((best - image).abs(), free), image, find, share)


@wrong("You rank by the slope alone")
def only_the_slope(image, find, slope, share=0.2):
    return each_round(lambda best, free: spared(slope(best).abs(), free), image, find, share)


@wrong("You multiply with a sign left on")
def signs_left_on(image, find, slope, share=0.2):
    return each_round(lambda best, free: spared((best - image) * slope(best), free), image, find, share)


@wrong("Did infinity go to the free pixels?")
def infinity_misplaced(image, find, slope, share=0.2):
    return each_round(lambda best, free: ((best - image).abs() * slope(best).abs()).masked_fill(free, torch.inf), image, find, share)


@wrong("the wrong side of the cut")
def wrong_side(image, find, slope, share=0.2):
    return each_round(lambda best, free: spared((best - image).abs() * slope(best).abs(), free), image, find, share,
                      lambda row, count: row.argsort()[count:])


@wrong("You sorted each row of the picture by itself")
def not_flattened(image, find, slope, share=0.2):
    free = torch.ones_like(image, dtype=torch.bool)
    best, changed = image, find(free, image)
    while changed is not None:
        best, count = changed, max(1, int(share * free.sum()))
        matters = (best - image).abs() * slope(best).abs()
        matters[~free] = torch.inf
        free.view(-1)[matters.argsort()[:count]] = False
        changed = find(free, best)
    return best


@wrong("You took the slope at the image")
def slope_at_the_image(image, find, slope, share=0.2):
    return each_round(lambda best, free: spared((best - image).abs() * slope(image).abs(), free), image, find, share)


@wrong("You freeze one pixel a round")
def one_a_round(image, find, slope, share=0.2):
    return each_round(lambda best, free: spared((best - image).abs() * slope(best).abs(), free), image, find, share, lambda row, count: row.argmin())


@wrong("A frozen pixel became free again")
def thawed(image, find, slope, share=0.2):
    free = torch.ones_like(image, dtype=torch.bool)
    best, changed = image, find(free, image)
    while changed is not None:
        best, count = changed, max(1, int(share * free.sum()))
        matters = (best - image).abs() * slope(best).abs()
        matters[~free] = torch.inf
        free = torch.ones_like(free)
        free.view(-1)[matters.flatten().argsort()[:count]] = False
        changed = find(free, best)
    return best


@wrong("No pixel was frozen after the first round")
def in_a_copy(image, find, slope, share=0.2):
    free = torch.ones_like(image, dtype=torch.bool)
    best, changed = image, find(free, image)
    while changed is not None:
        best, count = changed, max(1, int(share * free.sum()))
        matters = (best - image).abs() * slope(best).abs()
        matters[~free] = torch.inf
        free.clone().view(-1)[matters.flatten().argsort()[:count]] = False
        changed = find(free, best)
    return best


@wrong("a call into medcrypt_lab.attacks does not count")
def ready_made(image, find, slope, share=0.2):
    from medcrypt_lab.attacks import size
    best = find(torch.ones_like(image, dtype=torch.bool), image)
    return best if size(best[None] - image[None], "L0") > 0 else image
