"""C&W-Linf: only what exceeds a limit tau costs, and tau shrinks as long as the attack succeeds."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, short, suspect, wrong
from medcrypt_lab.exercises.vocabulary import NotYet

points, minutes, difficulty = 4, 9, 2
functions = ("shrink_tau", "excess")
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "Where the limit is 3 gray levels, a change of 5 exceeds it by 2, whether up or down; one of 2 gray levels exceeds it by nothing. "
    "And once an attack has succeeded with no change above 2, what limit is worth trying?",
    "excess: sizes of the changes, minus tau, negative ones to 0 by `.clamp(min=0)`, then their sum. shrink_tau: None ends it; otherwise the picture is the "
    "new best, and the next limit is `shrink` times the largest size of its change.",
    "excess: `over = (changed - image).abs() - tau`, then `over.clamp(min=0)` and its sum. In the loop: `if changed is None: break`; `best = changed`; "
    "`tau = shrink * float((best - image).abs().max())`; `if tau < smallest: break`.",
]
after = ("The largest change has a slope at one pixel only, and pushing that one down lets another be the largest. The sum of all that exceeds tau pushes them "
         "down together. Where the search ends, tau = 0.9 times your answer could not be reached: that is the precision you bought.")


def shrink_tau(image, find, smallest=1e-4, shrink=0.9):
    """The L-infinity attack of Carlini and Wagner: a limit tau shrinks.

    image: (1, height, width) in [0, 1], a gray picture.
    find(tau, start): an attack that begins at `start` and returns a
      picture that fools and is nowhere more than tau away from the
      image; or None, if it fails.
    After a success the next tau is `shrink` times the largest change
    that the picture it found has. End when find fails, or when the next
    tau is below `smallest`: good enough.
    Returns the last picture that fooled (the image, if none did).
    """
    tau, best = 1.0, image
    for _ in range(100):
        changed = find(tau, best)
        # BEGIN SOLUTION
        if changed is None:
            break
        best = changed
        tau = shrink * float((best - image).abs().max())
        if tau < smallest:
            break
        # END SOLUTION
    return best


def excess(changed, image, tau):
    """How far the change exceeds tau, summed over all pixels.

    A pixel that is off by less than tau, up or down, adds nothing.
    Returns a tensor with one number; stay with torch's own functions, so
    that slopes can be taken through it. x.clamp(min=m) is max(x, m), of
    each number by itself.
    """
    # BEGIN SOLUTION
    return ((changed - image).abs() - tau).clamp(min=0).sum()
    # END SOLUTION


def check_excess(answer, random):
    """Pixel by pixel in Python; changes above the limit, below it, and of both signs."""
    cases = [(random.tensor(1, 3, 4, low=0.3, high=0.7), 0.05), (random.tensor(1, 2, 5, low=0.3, high=0.7), 0.12)]
    pairs = []
    for image, tau in cases:
        sizes = torch.linspace(0.01, 0.25, image.numel())[torch.tensor(random.sample(range(image.numel()), image.numel()))].reshape(image.shape)
        signs = torch.ones(image.numel())
        signs[random.sample(range(image.numel()), image.numel() // 2)] = -1
        change = sizes * signs.reshape(image.shape)
        change.view(-1)[int(sizes.argmax())] = -0.25                            # the largest of all goes down
        over = [max(abs(v) - tau, 0.0) for v in change.flatten().tolist()]
        result, truth = answer.excess(image + change, image, tau), torch.tensor(sum(over))
        suspect(isinstance(result, float), "excess returns a plain number, through which no slope can be taken: leave it a tensor, without float() or .item().")
        suspect(torch.is_tensor(result) and result.shape == image.shape, "excess returns one number a pixel: add them up.")
        suspect(torch.is_tensor(result) and close(result, torch.tensor(sum(v > 0 for v in over))), "You count the pixels that exceed the limit. A count has no slope: add up by how much.")
        expect_like(result, truth)

        def is_(value):
            return close(result, torch.as_tensor(value), 1e-4) and not close(truth, torch.as_tensor(value), 1e-4)
        suspect(is_((change.abs() - tau).sum()), "Pixels below the limit count as negative here, and so forgive others that are above it: what is below adds 0.")
        suspect(is_((change - tau).clamp(min=0).sum()), "A pixel that went down by more than tau costs nothing here: take the size of the change.")
        suspect(is_(truth / image.numel()), "That is the mean over the pixels: asked for is the sum.")
        suspect(is_(max(over)), "That is the excess of the worst pixel alone. Then only this one has a slope; add up all that exceed.")
        suspect(is_(max(sum(abs(v) for v in change.flatten().tolist()) - tau, 0.0)), "You took tau from the sum of all changes, once. It is each pixel's own limit: first subtract, then add up.")
        suspect(is_(sum(v * v for v in over)), "You squared the excess. Carlini and Wagner add it up as it is.")
        suspect(is_(sum(abs(v) for v in change.flatten().tolist() if abs(v) > tau)), "You add up the whole change of the pixels above the limit: only what exceeds tau counts.")
        pairs.append((float(result), float(truth)))
    wrong_ones = [pair for pair in pairs if not close(*pair, 1e-4)]
    expect("excess: the sum of what exceeds tau", not wrong_ones,
           lambda: f"What exceeds tau adds up to {wrong_ones[0][1]:.3f}, you return {wrong_ones[0][0]:.3f}.", points=1)


class Staged:
    """find from a table: the k-th search ends with a largest change of a share of tau that was drawn beforehand; after the last one it fails."""

    def __init__(self, random, searches=5, forever=False):
        self.image, self.forever = random.tensor(1, 3, 4, low=0.45, high=0.55), forever
        self.shares = [random.uniform(0.55, 0.85) for _ in range(searches)]
        self.changes = []
        for k in range(searches):
            change = random.tensor(1, 3, 4, low=-0.6, high=0.6)
            change.view(-1)[random.randrange(12)] = -1.0 if k % 2 == 0 else 1.0     # the largest of all goes down, then up
            self.changes.append(change)
        self.taus, self.starts, self.found = [], [], []

    def find(self, tau, start):
        k = len(self.taus)
        self.taus.append(float(tau) if isinstance(tau, (int, float)) or torch.is_tensor(tau) and tau.numel() == 1 else float("nan"))
        self.starts.append(start)
        if not self.forever and k >= len(self.shares) or k > 150 or not 0 < self.taus[-1] <= 2:
            return None
        k %= len(self.shares)
        self.found.append(self.image + self.shares[k] * min(self.taus[-1], 1.0) * 0.4 * self.changes[k])
        return self.found[-1]

    def limits(self, next_tau):
        """The limits that would be asked for, if next_tau(change, tau, change since the last picture) gave each."""
        tau, limits, last = 1.0, [], torch.zeros_like(self.image)
        for share, change in zip(self.shares, self.changes):
            limits.append(tau)
            change = share * tau * 0.4 * change
            tau = next_tau(change, tau, change - last)
            last = change
            if not 0 < tau <= 2:
                break
        return [*limits, tau]


def check(answer, random):
    """Carlini and Wagner 2017, section VI.C, with the limit of their code: first on tables, then where the smallest change is known, |lead| / ||w||_1."""
    check_excess(answer, random)
    world = Staged(random)
    try:
        result = answer.shrink_tau(world.image, world.find, smallest=1e-5, shrink=0.8)
    except NotYet as error:
        suspect("NoneType" in error.sentence and len(world.taus) > len(world.found) > 0, f"Search {len(world.taus)} failed: "
                "`changed` is None then, and a None has no change to measure. Ask for that before you use it.")
        raise
    taus, ends = world.taus, [float(abs(x - world.image).max()) for x in world.found]
    suspect(result is None and len(world.found) > 1, "You return what the failed search returned, None: keep the last success in `best` and return that.")
    expect_like(result, world.image)
    suspect(len(taus) == 1, "The search ends after its first success: go on with a smaller tau until find fails.")

    def asks(next_tau):
        limits = world.limits(next_tau)
        return len(taus) >= min(3, len(limits)) and all(close(a, b, 1e-5) for a, b in zip(taus[:len(limits)], limits))
    suspect(asks(lambda change, tau, since: tau), "Tau stays 1: nothing pushes the search on.")
    suspect(asks(lambda change, tau, since: float(change.abs().max())), lambda: f"The next limit is the largest change just made, {ends[0]:.2f}, which was reached already: multiply by `shrink`.")
    suspect(asks(lambda change, tau, since: 0.8 * tau), lambda: f"You shrink the old limit, to {taus[1]:.2f}. The change just found was nowhere above {ends[0]:.2f}: "
            "start from there, and searches are saved.")
    suspect(asks(lambda change, tau, since: 0.9 * float(change.abs().max())), "You shrink by 0.9, whatever the argument `shrink` says.")
    suspect(asks(lambda change, tau, since: 0.8 * float(change.max())), "You took the largest change upward. Here a pixel went down further: take the size first.")
    suspect(asks(lambda change, tau, since: 0.8 * float(change.abs().mean())), "You took the mean change. The limit holds for the largest.")
    suspect(asks(lambda change, tau, since: 0.8 * float((world.image + change).abs().max())), "You took the largest value of the picture. Its *change* counts: subtract the image.")
    suspect(asks(lambda change, tau, since: 0.8 * float(change.norm())), "You took the L2 length of the change; L-infinity is its largest entry.")
    suspect(asks(lambda change, tau, since: 0.8 * float(since.abs().max())), "You measured the change since the last success. Measure it from the image.")
    suspect(len(world.found) > 1 and all(close(start, world.image) for start in world.starts) and not close(result, world.found[-1]),
            "`best` never changes: each success becomes the new best, and the next search begins there.")
    expect("each limit is `shrink` times the largest change made so far", asks(lambda change, tau, since: 0.8 * float(change.abs().max())),
           lambda: f"Asked for were the limits {short([round(t, 3) for t in taus[:4]])}, they should be "
           f"{short([round(t, 3) for t in world.limits(lambda change, tau, since: 0.8 * float(change.abs().max()))[:4]])}.", points=1)
    suspect(len(taus) > len(world.shares) + 1, "find failed, and you asked it again: a failure ends the search.")
    suspect(close(result, world.found[0]), "You return the first success; the last one changes least.")
    expect("returns the last success", close(result, world.found[-1]), "This is not the last picture that fooled.")
    easy = Staged(random, forever=True)
    result = answer.shrink_tau(easy.image, easy.find, smallest=0.01, shrink=0.9)
    expect_like(result, easy.image)
    suspect(any(tau < 0.01 for tau in easy.taus), lambda: f"This attack never fails, and you asked it for a tau of {min(easy.taus):.2g}: below `smallest`, 0.01, it is good enough.")
    suspect(len(easy.found) > 1 and close(result, easy.found[-2]), "You stopped before you kept the picture that the last search found. It fooled, too: make it `best` first.")
    last = float((result - easy.image).abs().max())
    expect("stops at `smallest`", close(result, easy.found[-1]) and last * 0.9 < 0.01, lambda: f"This attack never fails. `smallest` is 0.01, and you stop with a largest change of {last:.2g}.", points=1)
    w, lead = random.tensor(1, 4, 4, low=-1, high=1), random.uniform(0.5, 1.0)
    image, exact = torch.full_like(w, 0.5), lead / float(w.abs().sum())

    def linear(tau, start):
        """For f(x) = lead + w . (x - image): halfway between the smallest change and tau, if it can be done inside tau at all."""
        return (image - w.sign() * (1.0001 * exact + float(tau)) / 2).clamp(0, 1) if 1.0001 * exact < float(tau) <= 1 else None
    found = answer.shrink_tau(image, linear, shrink=0.95)
    expect_like(found, image)
    reached = float((found - image).abs().max())
    expect("on a linear model within 1 / shrink of the smallest change there is", exact <= reached + 1e-6 and 0.95 * reached <= exact * 1.001,
           lambda: f"The smallest change is |lead| / (sum of |w|) = {exact:.3f}, you end at {reached:.3f}.", points=1)


@right
def with_returns(image, find, smallest=1e-4, shrink=0.9):
    tau, best = 1.0, image
    for _ in range(100):
        changed = find(tau, best)
        if changed is None or tau < smallest:
            return best
        best = changed
        tau = shrink * torch.linalg.vector_norm(best - image, torch.inf).item()
        if smallest > tau:
            return changed
    return best


@right
def with_while(image, find, smallest=1e-4, shrink=0.9):
    best, limit = image.clone(), torch.tensor(1.0)
    while limit >= smallest:
        found = find(limit, best)
        if found is None:
            break
        best, limit = found, shrink * torch.max(torch.abs(found - image))
    return best


@right
def over_a_mask(image, find, smallest=1e-4, shrink=0.9):
    best, found, tau = image, find(1.0, image), 1.0
    while found is not None:
        best, tau = found, shrink * max((found - image).max(), (image - found).max())
        found = find(tau, best) if tau >= smallest else None
    return best


def each_search(limit, image, find, smallest):
    """The scaffold of the answers below; limit(tau, best, changed) -> the next tau, best still being the picture before."""
    tau, best = 1.0, image
    for _ in range(100):
        changed = find(tau, best)
        if changed is None:
            break
        tau, best = limit(tau, best, changed), changed
        if tau < smallest:
            break
    return best


@wrong("multiply by `shrink`")
def not_shrunk(image, find, smallest=1e-4, shrink=0.9):
    return each_search(lambda tau, best, changed: float((changed - image).abs().max()), image, find, smallest)


@wrong("You shrink the old limit")
def the_old_limit(image, find, smallest=1e-4, shrink=0.9):
    return each_search(lambda tau, best, changed: shrink * tau, image, find, smallest)


@wrong("You took the largest change upward")
def upward_only(image, find, smallest=1e-4, shrink=0.9):
    return each_search(lambda tau, best, changed: shrink * (changed - image).max().item(), image, find, smallest)


@wrong("You took the largest value of the picture")
def of_the_picture(image, find, smallest=1e-4, shrink=0.9):
    return each_search(lambda tau, best, changed: shrink * float(changed.abs().max()), image, find, smallest)


@wrong("L-infinity is its largest entry")
def by_length(image, find, smallest=1e-4, shrink=0.9):
    return each_search(lambda tau, best, changed: shrink * float((changed - image).norm()), image, find, smallest)


@wrong("Measure it from the image")
def since_the_last(image, find, smallest=1e-4, shrink=0.9):
    return each_search(lambda tau, best, changed: shrink * float((changed - best).abs().max()), image, find, smallest)


@wrong("You return what the failed search returned")
def returns_the_failure(image, find, smallest=1e-4, shrink=0.9):
    tau, best = 1.0, image
    for _ in range(100):
        changed = find(tau, best)
        if changed is None:
            return changed
        best = changed
        tau = shrink * float((best - image).abs().max())
        if tau < smallest:
            return best


@wrong("a None has no change to measure")
def failure_unseen(image, find, smallest=1e-4, shrink=0.9):
    tau, best = 1.0, image
    for _ in range(100):
        changed = find(tau, best)
        tau = shrink * float((changed - image).abs().max())
        if tau < smallest:
            break
        best = changed
    return best


@wrong("`best` never changes")
def best_never_set(image, find, smallest=1e-4, shrink=0.9):
    tau, best = 1.0, image
    for _ in range(100):
        changed = find(tau, best)
        if changed is None:
            break
        tau = shrink * float((changed - image).abs().max())
        if tau < smallest:
            break
    return best


@wrong("below `smallest`, 0.01, it is good enough")
def never_good_enough(image, find, smallest=1e-4, shrink=0.9):
    tau, best = 1.0, image
    for _ in range(100):
        changed = find(tau, best)
        if changed is None:
            break
        best, tau = changed, shrink * float((changed - image).abs().max())
    return best


@wrong("You stopped before you kept the picture")
def stopped_before_keeping(image, find, smallest=1e-4, shrink=0.9):
    tau, best = 1.0, image
    for _ in range(100):
        changed = find(tau, best)
        if changed is None:
            break
        tau = shrink * float((changed - image).abs().max())
        if tau < smallest:
            break
        best = changed
    return best


@wrong("The search ends after its first success")
def one_search(image, find, smallest=1e-4, shrink=0.9):
    best = find(1.0, image)
    return image if best is None else best


@wrong("Pixels below the limit count as negative here", of="excess")
def no_clamp(changed, image, tau):
    return ((changed - image).abs() - tau).sum()


@wrong("A pixel that went down by more than tau costs nothing", of="excess")
def no_size(changed, image, tau):
    return torch.relu(changed - image - tau).sum()


@wrong("That is the mean over the pixels", of="excess")
def mean_excess(changed, image, tau):
    return torch.relu((changed - image).abs() - tau).mean()


@wrong("the excess of the worst pixel alone", of="excess")
def worst_pixel(changed, image, tau):
    return torch.relu((changed - image).abs().max() - tau)


@wrong("excess returns one number a pixel", of="excess")
def not_summed(changed, image, tau):
    return torch.relu((changed - image).abs() - tau)


@wrong("You count the pixels that exceed", of="excess")
def counted(changed, image, tau):
    return ((changed - image).abs() > tau).sum()


@wrong("You took tau from the sum of all changes", of="excess")
def tau_once(changed, image, tau):
    return ((changed - image).abs().sum() - tau).clamp(min=0)
