"""The smallest budget that fools each image: a scan over whole gray levels, because success need not rise with epsilon."""
import torch

from medcrypt_lab import models
from medcrypt_lab.exercises import close, expect, expect_like, linear_classifier, linear_gradient, right, suspect, wrong

points, minutes, difficulty = 3, 7, 2
hints = [
    "At level k you learn who is fooled. For whom is k the answer, and who had a smaller one already?",
    "`fooled` is a tensor of true and false. Only where `smallest` is still infinite may k be written: `smallest.isinf()`.",
    "`fooled = model(attack(images, labels, k / 255)).argmax(1) != labels`, then `smallest[fooled & ...] = k`.",
]
after = ("Infinity is an honest answer: this attack did not do it. Report the median with the infinities in it. A mean of the successes alone makes a weak attack look strong.")


def smallest_epsilon(model, images, labels, attack, levels):
    """The least whole gray level at which an attack fools each image.

    attack(images, labels, epsilon) returns changed images; with epsilon = 0
    it changes nothing. levels: a whole number, the last one to try.
    Returns float32 (n,): the least k of 0, 1, ..., levels for which the
    attack at epsilon = k / 255 gets a wrong answer; infinity if none does.
    x.isinf(): where x is infinite. x[places] = 3 writes where places is
    true.
    """
    smallest = torch.full((len(images),), torch.inf)
    for k in range(levels + 1):
        # BEGIN SOLUTION
        fooled = model(attack(images, labels, k / 255)).argmax(1) != labels
        smallest[fooled & smallest.isinf()] = k
        # END SOLUTION
    return smallest


class Plan:
    """A model that reads its class off the brightest of two pixels, and an attack whose success at each level is planned: fooled[k, image]."""

    def __init__(self, random, fooled):
        self.model, self.fooled = models.make("linear", classes=2, size=4), torch.tensor(fooled).T[:, random.sample(range(len(fooled)), len(fooled))]
        n, self.asked = self.fooled.shape[1], []
        self.pixels = random.sample(range(16), 2)
        with torch.no_grad():
            self.model[1].weight.zero_()
            self.model[1].bias.zero_()
            self.model[1].weight[range(2), self.pixels] = 10
        self.labels = torch.tensor([random.randrange(2) for _ in range(n)])
        self.twins = []
        for row in self.fooled:
            images = random.tensor(n, 1, 4, 4, low=0.0, high=0.5)
            images.reshape(n, 16)[torch.arange(n), torch.tensor(self.pixels)[(self.labels + row) % 2]] = 0.9
            self.twins.append(images)
        self.images = self.twins[0]

    def attack(self):
        def attack(images, labels, epsilon):
            self.asked.append(255 * float(epsilon))
            rows = []
            for image in images:
                same = (self.images == image).flatten(1).all(1).nonzero()
                if not len(same):
                    raise ValueError("the attack was given an image that is not among `images`; it begins at the untouched ones")
                rows.append(int(same[0]))
            return self.twins[max(0, min(len(self.twins) - 1, round(255 * epsilon)))][rows]
        return attack

    def each(self, function):
        """One number an image, from its own row of true and false."""
        return torch.tensor([float(function(row)) for row in self.fooled.T.tolist()])


def halved(row):
    """What bisection finds: it believes that whoever is fooled at k is fooled beyond."""
    if row[0]:
        return 0
    low, high = 0, len(row) - 1
    if not row[high]:
        return float("inf")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if row[middle] else (middle, high)
    return high


# Rows of fooled at 0, 1, 2, ... gray levels: wrong from the start; plain; fooled and right again; never.
FIRST = [[1] * 7, [1, 0, 1, 0, 0, 1, 0], [0, 1, 1, 1, 1, 1, 1], [0, 0, 1, 0, 0, 0, 1], [0, 0, 0, 1, 1, 0, 0], [0] * 7, [0, 0, 0, 0, 0, 1, 1], [0, 1, 0, 0, 0, 0, 1]]
SECOND = [[0] * 10, [0, 0, 0, 0, 1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0, 0, 0, 1], [1] * 10, [0, 0, 0, 1, 1, 1, 1, 1, 1, 1], [0] * 9 + [1]]


def check(answer, random):
    """Two planned attacks whose success comes and goes with the budget, then a linear model, whose smallest epsilon is known by hand."""
    for plan in (Plan(random, FIRST), Plan(random, SECOND)):
        levels, inf = len(plan.fooled) - 1, torch.inf
        wanted = plan.each(lambda row: row.index(True) if any(row) else inf)
        result = answer(plan.model, plan.images, plan.labels, plan.attack(), levels)
        finite = result.clamp(max=1e6) if isinstance(result, torch.Tensor) and result.dtype == torch.float32 else result
        expect_like(finite, wanted.clamp(max=1e6))

        def is_it(values):
            return torch.equal(result, values) and not torch.equal(values, wanted)

        suspect(plan.asked and max(plan.asked) > levels + .5, "You asked the attack for budgets far beyond the last level: k gray levels are epsilon = k / 255, and 0 to `levels` are asked for.")
        suspect(close(finite, (wanted / 255).clamp(max=1e6), 1e-5), "You wrote epsilon; asked for is the gray level k.")
        suspect(bool((result == inf).all()), "All are infinite: nothing was ever written into `smallest`.")
        suspect(is_it(plan.each(lambda row: max((k for k, hit in enumerate(row) if hit), default=inf))),
                "That is the last level at which the attack succeeds: later ones overwrite the first. Write k only where `smallest` is still infinite.")
        suspect(is_it(plan.each(halved)), "That is what bisection finds. It takes for granted that whoever is fooled at k is fooled beyond; this attack fools some "
                "images at one level and leaves them right at a higher one. Try every level.")
        suspect(is_it(plan.each(lambda row: row.index(False) if not all(row) else inf)), "That is the first level at which the model is right. Fooled means `!=`.")
        suspect(is_it(plan.each(lambda row: sum(row))), "You counted the levels that fool. Asked for is the first of them.")
        suspect(is_it(plan.each(lambda row: next((k for k, hit in enumerate(row) if hit and k), inf))),
                "Images that are wrong untouched need no attack at all: their answer is 0. You begin at level 1.")
        suspect(is_it(plan.each(lambda row: next((k for k, hit in enumerate(row) if hit != row[0]), inf))),
                "You compared with what the model said before. An image that was wrong from the start is fooled at 0: compare with the labels.")
        suspect(is_it(plan.each(lambda row: row.index(True) if any(row[:-1]) else inf)), "The last level was not tried: range(levels + 1) reaches `levels`.")
        for value, name in ((float(levels), "the last level"), (levels + 1.0, "one more than the last level"), (0.0, "0")):
            suspect(is_it(torch.where(wanted.isinf(), value, wanted)), f"Where no level fools you wrote {name}, as if the attack had succeeded there. It did not: infinity.")
        least = wanted.min() if not torch.isinf(wanted.min()) else wanted[0]
        suspect(bool((result == result[0]).all()) or is_it(torch.where(wanted == least, least, inf)),
                "You stop, or write for all, as soon as one image is fooled. Each image has a smallest epsilon of its own.")
        expect("the first level that fools, infinity where none does" if levels == len(FIRST[0]) - 1 else "also with other images and levels", torch.equal(result, wanted),
               "Not yet the first level for each image.", points=levels == len(FIRST[0]) - 1, got=result, expected=wanted)

    model, images, labels = linear_classifier(random, classes=2, size=4)
    images = images * .6 + .2                   # room on both sides, so that no pixel is clipped
    with torch.no_grad():
        logits, w = model(images), (model[1].weight[1] - model[1].weight[0]).abs().sum()
        lead = logits.gather(1, labels[:, None])[:, 0] - logits.gather(1, 1 - labels[:, None])[:, 0]
    exact = (255 * lead / w).clamp(min=0)
    sign = linear_gradient(model, images, labels).sign()
    found = answer(model, images, labels, lambda images, labels, epsilon: images + epsilon * sign, int(exact.max()) + 2)
    ends = isinstance(found, torch.Tensor) and found.shape == exact.shape and bool((found >= exact - 1e-3).all()) and bool((found <= exact.ceil() + 1e-3).all())
    expect("on a linear model, the exact value rounded up", ends, lambda: "On a linear model the smallest epsilon is lead / ||w||_1, "
           f"here {float(exact[-1]):.2f} gray levels for the last image; the first whole level above it is asked for.", points=2, got=found, expected=exact.ceil())


@right
def downwards(model, images, labels, attack, levels):
    smallest = torch.full((len(images),), float("inf"))
    for k in reversed(range(levels + 1)):
        smallest[model(attack(images, labels, k / 255)).argmax(1) != labels] = k
    return smallest


@right
def by_table(model, images, labels, attack, levels):
    table = torch.stack([model(attack(images, labels, k / 255)).argmax(1).ne(labels) for k in range(levels + 1)])
    return torch.tensor([next((float(k) for k, hit in enumerate(row) if hit), float("inf")) for row in table.T.tolist()])


@right
def with_minimum(model, images, labels, attack, levels):
    smallest = torch.full((len(images),), torch.inf)
    for k in range(levels + 1):
        fooled = model(attack(images, labels, k / 255)).argmax(1) != labels
        smallest = torch.where(fooled, smallest.clamp(max=k), smallest)
    return smallest


@wrong("later ones overwrite the first")
def last(model, images, labels, attack, levels):
    smallest = torch.full((len(images),), torch.inf)
    for k in range(levels + 1):
        smallest[model(attack(images, labels, k / 255)).argmax(1) != labels] = k
    return smallest


@wrong("what bisection finds")
def bisection(model, images, labels, attack, levels):
    def fooled(k):
        return model(attack(images, labels, k / 255)).argmax(1) != labels
    found = []
    for i in range(len(images)):
        low, high = -1, levels + 1
        if not fooled(levels)[i] and not fooled(0)[i]:
            found.append(torch.inf)
            continue
        low, high = (0, levels) if not fooled(0)[i] else (-1, 0)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if fooled(middle)[i] else (middle, high)
        found.append(float(high))
    return torch.tensor(found)


@wrong("You wrote epsilon")
def fractions(model, images, labels, attack, levels):
    smallest = torch.full((len(images),), torch.inf)
    for k in range(levels + 1):
        out = model(attack(images, labels, k / 255)).argmax(1) != labels
        smallest[out & smallest.isinf()] = k / 255
    return smallest


@wrong("budgets far beyond the last level")
def whole_numbers(model, images, labels, attack, levels):
    smallest = torch.full((len(images),), torch.inf)
    for k in range(levels + 1):
        out = model(attack(images, labels, k)).argmax(1) != labels
        smallest[out & smallest.isinf()] = k
    return smallest


@wrong("Fooled means `!=`")
def still_right(model, images, labels, attack, levels):
    smallest = torch.full((len(images),), torch.inf)
    for k in range(levels + 1):
        out = model(attack(images, labels, k / 255)).argmax(1) == labels
        smallest[out & smallest.isinf()] = k
    return smallest


@wrong("You counted the levels")
def counts(model, images, labels, attack, levels):
    return sum((model(attack(images, labels, k / 255)).argmax(1) != labels).float() for k in range(levels + 1))


@wrong("You begin at level 1")
def from_one(model, images, labels, attack, levels):
    smallest = torch.full((len(images),), torch.inf)
    for k in range(1, levels + 1):
        out = model(attack(images, labels, k / 255)).argmax(1) != labels
        smallest[out & smallest.isinf()] = k
    return smallest


@wrong("compared with what the model said before")
def changed_mind(model, images, labels, attack, levels):
    smallest, said = torch.full((len(images),), torch.inf), model(images).argmax(1)
    for k in range(levels + 1):
        out = model(attack(images, labels, k / 255)).argmax(1) != said
        smallest[out & smallest.isinf()] = k
    return smallest


@wrong("you wrote the last level, as if")
def capped(model, images, labels, attack, levels):
    smallest = torch.full((len(images),), float(levels))
    for k in range(levels + 1):
        out = model(attack(images, labels, k / 255)).argmax(1) != labels
        smallest[out] = smallest[out].clamp(max=k)
    return smallest


@wrong("as soon as one image is fooled")
def first_of_all(model, images, labels, attack, levels):
    smallest = torch.full((len(images),), torch.inf)
    for k in range(levels + 1):
        out = model(attack(images, labels, k / 255)).argmax(1) != labels
        if out.any():
            smallest[out] = k
            return smallest
    return smallest


@wrong("so no `if` can ask it")
def if_a_tensor(model, images, labels, attack, levels):
    smallest = torch.full((len(images),), torch.inf)
    for k in range(levels + 1):
        if model(attack(images, labels, k / 255)).argmax(1) != labels:
            smallest = k
    return smallest
