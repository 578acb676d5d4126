"""Dice: how far two masks overlap, and what to say when one of them is empty."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 6, 1
without = ["medcrypt_lab.metrics", "sklearn.metrics", "sklearn.metrics._classification"]
hints = [
    "Three counts are enough: the pixels in both masks, in the one, in the other. `(a & b).sum().item()` is the first.",
    "Ask before you divide: if the two sizes add up to 0, both masks are empty, and the value is 1.0.",
    "`sizes = a.sum().item() + b.sum().item()`; then `value = ... if sizes else 1.0`.",
]
after = ("Nobody agreed on the empty case. Some programs say 1, some 0, some leave the image out: the same network, three scores. "
         "A paper that gives a mean Dice over healthy images, too, should say which.")


def dice(found, truth):
    """The mean Dice overlap of masks with their truth (eq. 1).

    found, truth: bool tensors (n, height, width).
    Returns the mean of the images' own Dice, a plain number from 0 to 1.
    An image with both masks empty has 1.0: nothing there, nothing found.
    a & b: the pixels in both; mask.sum().item(): how many are True.
    """
    values = []
    for a, b in zip(found, truth):      # the two masks of one image
        # value = the Dice of this image
        # BEGIN SOLUTION
        both, sizes = (a & b).sum().item(), a.sum().item() + b.sum().item()
        value = 2 * both / sizes if sizes else 1.0
        # END SOLUTION
        values.append(float(value))
    return sum(values) / len(values)


HEIGHT, WIDTH = 7, 9


def draw(random, counts):
    """found and truth, bool (n, 7, 9), with the numbers of pixels that `counts` says: (in truth, in found, in both) for each image."""
    found, truth = torch.zeros(2, len(counts), HEIGHT * WIDTH, dtype=torch.bool)
    for i, (in_truth, in_found, in_both) in enumerate(counts):
        pixels = random.sample(range(HEIGHT * WIDTH), in_truth + in_found - in_both)
        truth[i, pixels[:in_truth]] = True
        found[i, pixels[in_truth - in_both:]] = True
    return found.reshape(-1, HEIGHT, WIDTH), truth.reshape(-1, HEIGHT, WIDTH)


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def one(t, f, b):
    return 2 * b / (t + f) if t + f else 1.0


def check(answer, random):
    """Dice 1945, on masks whose pixel counts are chosen so that no two of the scores a mistake could give are equal."""
    batches = [[(12, 8, 6), (20, 31, 15), (5, 9, 2)], [(10, 4, 3), (16, 25, 14)]]
    results = []
    for counts in batches:
        result = answer(*draw(random, counts))
        suspect(type(result) is float and result != result, "You return NaN although none of these masks is empty: somewhere you divide for each row, column or pixel. "
                "Sum over dimensions 1 and 2, the height and the width of an image.")
        expect_like(result, 0.5)
        expected = mean(one(*c) for c in counts)
        pooled = 2 * sum(b for _, _, b in counts) / sum(t + f for t, f, _ in counts)
        pixels = HEIGHT * WIDTH

        def is_(value):
            return close(result, value, 1e-5)

        suspect(is_(expected / 2), "Half of the right value: the overlap counts twice, because both masks hold it.")
        suspect(is_(mean(b / (t + f - b) for t, f, b in counts)), "That is the Jaccard index (intersection over union). Dice divides by the sum of the "
                "two sizes, and counts the overlap twice.")
        suspect(is_(mean(2 * b / (t + f - b) for t, f, b in counts)), "You divided by the union, `found | truth`, where the overlap counts once. "
                "Add the two sizes.")
        suspect(is_(pooled), "You counted the pixels of all images together: there a large tumor outvotes the small ones. Count for each image, then take the mean.")
        suspect(is_(mean(b / t for t, f, b in counts)), "That is the share of the tumor that was found (sensitivity). Whoever paints everything gets 1.")
        suspect(is_(mean(b / f for t, f, b in counts)), "That is the share of what was found that is tumor (precision). Whoever marks one sure pixel gets 1.")
        suspect(is_(mean((pixels - t - f + 2 * b) / pixels for t, f, b in counts)), "That is accuracy: it also counts the pixels that both call healthy. Dice leaves them out.")
        suspect(is_(sum(one(*c) for c in counts)), "You summed the images' values and did not divide by how many there are.")
        suspect(close(result, 100 * expected, 1e-3), "These are percent; return a part of one, such as 0.4.")
        suspect(any(is_(mean((2 * b + s) / (t + f + s) for t, f, b in counts)) for s in (1, .1, .01, 1e-3)), lambda: f"Here you return {result:.4f}, and the exact value is "
                f"{expected:.4f}: the term that you added against 0 / 0 changes every image. A score must be exact.")
        results.append((result, expected))
    got, expected = zip(*results)
    expect("two overlapping masks, image by image", close(got, expected, 1e-5), "These masks overlap in part, none is empty, and the mean of the images' Dice is another.",
           points=1, got=got, expected=expected)

    nothing = draw(random, [(0, 0, 0)])
    empty = answer(*nothing)
    suspect(type(empty) is float and empty != empty, "Both masks are empty, and you return NaN, which is 0 / 0. Nothing there, nothing found: that image has 1.0.")
    expect_like(empty, 0.5)
    suspect(close(empty, 0), "Both masks are empty and you return 0: a healthy brain in which nothing was found is as good as it gets, 1.0.")
    missed, invented = (answer(*draw(random, [counts])) for counts in ((9, 0, 0), (0, 9, 0)))
    for one_empty in (missed, invented):
        expect_like(one_empty, 0.5)
    suspect(close(missed, 1) or close(invented, 1), "Only one of the masks is empty and you return 1: a whole tumor was missed, or invented. That is 0.0.")
    expect("both empty is 1.0, one empty is 0.0", close([empty, missed, invented], [1, 0, 0], 1e-5),
           lambda: f"Both masks empty: {empty:.3g} (should be 1); only the found one empty: {missed:.3g} (0); only the true one empty: {invented:.3g} (0).", points=1)

    counts = [(12, 8, 6), (0, 0, 0), (20, 31, 15), (9, 0, 0), (0, 9, 0), (0, 0, 0), (5, 9, 2)]
    result, expected = answer(*draw(random, counts)), mean(one(*c) for c in counts)
    suspect(type(result) is float and result != result, "Of the seven images one has two empty masks, and its NaN spoils the mean of all.")
    expect_like(result, 0.5)
    suspect(close(result, 1.0), "You return 1.0 for all seven images, because one of them has two empty masks: a `return` in the loop ends the function. "
            "That image's `value` is 1.0; let the loop go on.")
    suspect(close(result, mean(one(*c) for c in counts if c[0]), 1e-5), "Your mean leaves out the images without a tumor: what was invented in them costs nothing.")
    suspect(close(result, mean(one(*c) for c in counts if c[0] + c[1]), 1e-5), "Your mean leaves out the images in which both masks are empty. They count, with 1.0.")
    expect("healthy images among the others", close(result, expected, 1e-5), "Among ordinary images the empty ones come out otherwise than alone.",
           points=1, got=result, expected=expected)


@right
def all_at_once(found, truth):
    both = (found & truth).sum((1, 2))
    sizes = found.sum((1, 2)) + truth.sum((1, 2))
    return torch.where(sizes > 0, 2 * both / sizes.clamp(min=1), 1.0).mean().item()


@right
def from_counts(found, truth):
    hits = (found & truth).flatten(1).sum(1).double()
    misses = (found ^ truth).flatten(1).sum(1).double()
    each = 2 * hits / (2 * hits + misses)
    return each.nan_to_num(1.0).mean().item()


@right
def with_a_tiny_term(found, truth):
    both = (found & truth).sum((1, 2))
    sizes = found.sum((1, 2)) + truth.sum((1, 2))
    return float(((2 * both + 1e-7) / (sizes + 1e-7)).mean())


@wrong("Your code stopped with TypeError", "ask the tensor itself")
def by_numpy(found, truth):
    import numpy
    return float(2 * numpy.sum(found & truth) / (numpy.sum(found) + numpy.sum(truth)))


@wrong("Your code stopped with ZeroDivisionError")
def divides_by_nothing_in_a_loop(found, truth):
    values = []
    for a, b in zip(found, truth):
        value = 2 * (a & b).sum().item() / (a.sum().item() + b.sum().item())
        values.append(float(value))
    return sum(values) / len(values)


@wrong("a `return` in the loop ends the function")
def returns_from_the_loop(found, truth):
    values = []
    for a, b in zip(found, truth):
        if not a.any() and not b.any():
            return 1.0
        value = 2 * (a & b).sum() / (a.sum() + b.sum())
        values.append(float(value))
    return sum(values) / len(values)


@wrong("which is 0 / 0")
def divides_by_nothing(found, truth):
    both = (found & truth).sum((1, 2))
    return (2 * both / (found.sum((1, 2)) + truth.sum((1, 2)))).mean().item()


@wrong("you return 0: a healthy brain")
def empty_is_zero(found, truth):
    both = (found & truth).sum((1, 2))
    return (2 * both / (found.sum((1, 2)) + truth.sum((1, 2))).clamp(min=1)).mean().item()


@wrong("Only one of the masks is empty and you return 1")
def any_empty_is_one(found, truth):
    values = []
    for f, t in zip(found, truth):
        if not f.any() or not t.any():
            values.append(1.0)
        else:
            values.append((2 * (f & t).sum() / (f.sum() + t.sum())).item())
    return sum(values) / len(values)


@wrong("Jaccard")
def jaccard(found, truth):
    both, either = (found & truth).sum((1, 2)), (found | truth).sum((1, 2))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0).mean().item()


@wrong("You divided by the union")
def twice_over_union(found, truth):
    both, either = (found & truth).sum((1, 2)), (found | truth).sum((1, 2))
    return torch.where(either > 0, 2 * both / either.clamp(min=1), 1.0).mean().item()


@wrong("counts twice, because both masks hold it")
def forgot_two(found, truth):
    both = (found & truth).sum((1, 2))
    sizes = found.sum((1, 2)) + truth.sum((1, 2))
    return torch.where(sizes > 0, both / sizes.clamp(min=1), 1.0).mean().item()


@wrong("a large tumor outvotes the small ones")
def pooled(found, truth):
    size = (found.sum() + truth.sum()).item()
    return 2 * (found & truth).sum().item() / size if size else 1.0


@wrong("sensitivity")
def of_truth(found, truth):
    sizes = truth.sum((1, 2))
    return torch.where(sizes > 0, (found & truth).sum((1, 2)) / sizes.clamp(min=1), 1.0).mean().item()


@wrong("precision")
def of_found(found, truth):
    sizes = found.sum((1, 2))
    return torch.where(sizes > 0, (found & truth).sum((1, 2)) / sizes.clamp(min=1), 1.0).mean().item()


@wrong("also counts the pixels that both call healthy")
def accuracy(found, truth):
    return (found == truth).float().mean().item()


@wrong("Sum over dimensions 1 and 2")
def over_the_images(found, truth):
    return (2 * (found & truth).sum(0) / (found.sum(0) + truth.sum(0))).mean().item()


@wrong("changes every image")
def smoothed(found, truth):
    both = (found & truth).sum((1, 2))
    return ((2 * both + 1) / (found.sum((1, 2)) + truth.sum((1, 2)) + 1)).mean().item()


@wrong("leaves out the images without a tumor")
def only_with_truth(found, truth):
    some = truth.any(2).any(1)
    if not some.any():
        return 0.0 if found.any() else 1.0
    both = (found & truth).sum((1, 2))[some]
    return (2 * both / (found.sum((1, 2)) + truth.sum((1, 2)))[some]).mean().item()


@wrong("leaves out the images in which both masks are empty")
def skips_empty(found, truth):
    both = (found & truth).sum((1, 2))
    each = 2 * both / (found.sum((1, 2)) + truth.sum((1, 2)))
    return each[~each.isnan()].mean().item() if (~each.isnan()).any() else 1.0


@wrong("Expected a plain number", ".item()")
def tensor(found, truth):
    both = (found & truth).sum((1, 2))
    sizes = found.sum((1, 2)) + truth.sum((1, 2))
    return torch.where(sizes > 0, 2 * both / sizes.clamp(min=1), 1.0).mean()


@wrong("These are percent")
def percent(found, truth):
    both = (found & truth).sum((1, 2))
    sizes = found.sum((1, 2)) + truth.sum((1, 2))
    return 100 * torch.where(sizes > 0, 2 * both / sizes.clamp(min=1), 1.0).mean().item()


@wrong("does not count")
def ready_made(found, truth):
    from medcrypt_lab import metrics
    return metrics.dice(found, truth)
