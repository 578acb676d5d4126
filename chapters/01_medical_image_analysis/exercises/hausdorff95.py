"""The 95th percentile of the Hausdorff distance: how far apart two contours lie."""
import numpy as np
from scipy import ndimage

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 7, 2
without = ["skimage.metrics", "skimage.metrics.set_metrics"]
hints = [
    "Walk along the one contour and ask at each pixel how far the nearest pixel of the other contour is. Then walk along the other.",
    "`ndimage.distance_transform_edt(~other, sampling=spacing)[one]`: from each pixel of `one`, the way to the nearest of `other`.",
    "`there = np.percentile(..., percent)` of that list, `back` the same with `one` and `other` exchanged; then float(...) of the larger.",
]
after = ("Some programs put both lists of distances into one and take its percentile (MedPy does), others take the larger of two percentiles, as you did "
         "(MONAI does). When one lesion is missed they part ways: among all distances, those of a long and faultless contour outvote it.")


def hausdorff95(found, truth, spacing=(1.0, 1.0), percent=95):
    """How far apart the contours of two masks lie, in mm.

    found, truth: bool arrays (height, width).
    spacing: the height and the width of a pixel in mm.
    Takes the percentile of the ways from one contour to the other, and of
    those back. Returns the larger as a plain number, float(...).
    Tools: ndimage.distance_transform_edt(~edge, sampling=spacing) holds at
    each pixel of the picture the way to the nearest pixel of `edge` in mm.
    picture[edge]: its values at the pixels of an edge, as a list.
    np.percentile(values, percent).
    """
    if not found.any() and not truth.any():
        return 0.0
    if not found.any() or not truth.any():      # the picture's diagonal
        return float(np.hypot(*np.array(found.shape) * spacing))
    # An edge is what a one-pixel peeling (erosion) takes away.
    one, other = [m & ~ndimage.binary_erosion(m) for m in (found, truth)]
    # BEGIN SOLUTION
    out = ndimage.distance_transform_edt(~other, sampling=spacing)[one]
    back = ndimage.distance_transform_edt(~one, sampling=spacing)[other]
    return float(max(np.percentile(out, percent), np.percentile(back, percent)))
    # END SOLUTION


def contour(mask):
    """The pixels of a mask that touch, above, below, left or right, a pixel outside it or the border: (n, 2) rows and columns."""
    around = np.pad(mask, 1)
    inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return np.argwhere(mask & ~inner)


def edge_of(points, shape):
    """The bool picture in which only these pixels are True."""
    edge = np.zeros(shape, bool)
    edge[tuple(points.T)] = True
    return edge


def nearest(here, there, spacing=(1.0, 1.0)):
    """From each point of the one list, the distance to the nearest of the other, by trying them all."""
    steps = (here[:, None] - there[None]) * np.array(spacing)
    return np.hypot(steps[..., 0], steps[..., 1]).min(1)


def draw(random, second):
    """found and truth, (30, 40): a large lesion, of which the inner part is found; and a second one, in the truth or in what was found, that the
    other lacks."""
    found, truth = np.zeros((2, 30, 40), bool)
    top, left = random.randrange(3, 6), random.randrange(3, 6)
    truth[top:top + 9, left:left + 12] = True
    found[top + 2:top + 7, left + 3:left + 11] = True
    (found if second == "found" else truth)[24:27, 33:36] = True
    return found, truth


def draw_a_hole(random):
    """A square lesion, found but for a hole in its middle: the hole's edge lies deep inside the true mask."""
    found, truth = np.zeros((2, 30, 40), bool)
    top, left = random.randrange(3, 12), random.randrange(3, 20)
    truth[top:top + 13, left:left + 13] = found[top:top + 13, left:left + 13] = True
    found[top + 5:top + 8, left + 5:left + 8] = False
    return found, truth


def check(answer, random):
    """Against all distances between all contour pixels, and against scikit-image for 100 percent; pixels that are not square, so that spacing shows."""
    from skimage.metrics import hausdorff_distance
    results, expecteds, outs, backs = [], [], [], []
    for second, spacing in (("truth", (2.0, 0.5)), ("found", (0.8, 3.0))):
        found, truth = draw(random, second)
        result = answer(found, truth, spacing)
        expect_like(result, 2.5)
        here, there = contour(found), contour(truth)
        out, back = nearest(here, there, spacing), nearest(there, here, spacing)
        expected = float(max(np.percentile(out, 95), np.percentile(back, 95)))

        def is_(value):
            return close(result, float(value), 1e-6) and not close(float(value), expected, 1e-6)

        plain = [nearest(here, there), nearest(there, here)]
        swapped = [nearest(here, there, spacing[::-1]), nearest(there, here, spacing[::-1])]
        all_found, all_truth = np.argwhere(found), np.argwhere(truth)
        filled = [nearest(all_found, all_truth, spacing), nearest(all_truth, all_found, spacing)]
        suspect(is_(max(np.percentile(d, 95) for d in plain)), "You count pixels, not millimeters: spacing does not enter. Multiply rows and columns by it before you measure, "
                "or hand `sampling=spacing` to distance_transform_edt.")
        suspect(any(is_(factor * max(np.percentile(d, 95) for d in plain)) for factor in (*spacing, np.mean(spacing))), "You measured in pixels and multiplied by one number in "
                "the end. A way along rows counts otherwise than one along columns: "
                "multiply them before you measure, or hand `sampling=spacing` to distance_transform_edt.")
        suspect(is_(max(np.percentile(d, 95) for d in swapped)), "Height and width are exchanged: the first value of `spacing` belongs to the rows.")
        suspect(is_(np.percentile(np.concatenate([out, back]), 95)), "You put both lists of distances into one before taking the percentile. MedPy does so; here each direction has "
                "its own percentile, and the larger one counts: a missed lesion must not be outvoted by a long contour.")
        suspect(is_(max(out.max(), back.max())), "That is the Hausdorff distance itself, the largest of all distances: one stray pixel sets it. Take the percentile.")
        suspect(is_(np.mean([np.percentile(out, 95), np.percentile(back, 95)])), "You took the mean of the two directions; the larger one counts.")
        suspect(is_(max(np.percentile(out, .95), np.percentile(back, .95))), "np.percentile counts from 0 to 100: with 0.95 you took nearly the smallest distance.")
        suspect(is_(max(out.mean(), back.mean())), "That is the mean distance, not the 95th percentile.")
        suspect(is_(max(np.percentile(d, 95) for d in filled)), "You let the inner pixels of the masks count, and most of them lie in both, at distance 0. Only the edges count.")
        suspect(result == 0, "You return 0, though the outlines differ. At its own edge a picture of distances is 0: read that of the one edge at the pixels of the "
                "*other*. (And `distance_transform_edt` measures to the nearest False, hence `~edge`.)")
        everywhere = [ndimage.distance_transform_edt(~edge_of(points, found.shape), sampling=spacing) for points in (here, there)]
        suspect(is_(max(np.percentile(d, 95) for d in everywhere)), "You took the percentile over the whole picture. Only the pixels of the *other* edge are asked: `distances[other]`.")
        results.append(result)
        expecteds.append(expected)
        outs.append(float(np.percentile(out, 95)))
        backs.append(float(np.percentile(back, 95)))
    suspect(close(results, outs, 1e-6), "You walked along the contour of what was found only, and never came near the second lesion of the first picture, "
            "which was missed. Walk along the true contour, too.")
    suspect(close(results, backs, 1e-6), "You walked along the true contour only, and never came near the second lesion of the second picture, "
            "which was invented. Walk along the found contour, too.")
    suspect(close(results, list(map(min, outs, backs)), 1e-6), "You took the smaller of the two directions; the larger one tells of what was missed or invented.")
    found, truth = draw_a_hole(random)
    result, out = answer(found, truth, (1.5, 1.5)), nearest(contour(found), contour(truth), (1.5, 1.5))
    expect_like(result, 2.5)
    suspect(close(result, 0.0), "A lesion was found but for a hole in its middle, and you return 0: you measured to the nearest pixel of the whole mask, which is 0 "
            "wherever the masks overlap. Measure from edge to edge.")
    results.append(result)
    expecteds.append(float(np.percentile(out, 95)))
    expect("the 95th percentile of each direction, the larger one", close(results, expecteds, 1e-6), "The distances are not yet right.", points=2,
           got=tuple(results), expected=tuple(expecteds))

    found, truth = draw(random, "truth")
    largest = answer(found, truth, percent=100)
    expect_like(largest, 2.5)
    suspect(close(largest, answer(found, truth)), "With percent=100 you return the same as with 95: your 95 is written into the function.")
    edges = [edge_of(contour(mask), mask.shape) for mask in (found, truth)]
    expect("100 percent: scikit-image's Hausdorff distance", close(largest, float(hausdorff_distance(*edges)), 1e-6),
           "With percent=100 the result should be the Hausdorff distance.", points=1, got=largest, expected=float(hausdorff_distance(*edges)))

    nothing, spacing = np.zeros((30, 40), bool), (2.0, 1.5)
    neither = answer(nothing, nothing, spacing)
    expect_like(neither, 2.5)
    one_empty = [answer(nothing, truth, spacing), answer(found, nothing, spacing)]
    suspect(close(one_empty[0], 0.0) or close(one_empty[1], 0.0), "One mask is empty and you return 0, as if all were well. Nothing was found, or all was invented: "
            "the worst distance there is, the diagonal.")
    for value in one_empty:
        expect_like(value, 2.5)
    suspect(close(one_empty, [50.0, 50.0]), "Your diagonal is counted in pixels: multiply height and width by their spacing first.")
    expect("empty masks", close([neither, *one_empty], [0.0, float(np.hypot(60, 60)), float(np.hypot(60, 60))], 1e-6),
           lambda: f"Both empty: {neither:.3g} (should be 0); one of them empty: {one_empty[0]:.3g} and {one_empty[1]:.3g} (the diagonal, {np.hypot(60, 60):.3g}).", points=1)


@right
def all_pairs(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    one, other = [np.argwhere(edge) * np.array(spacing) for edge in edges]
    if len(one) == 0 or len(other) == 0:
        diagonal = ((found.shape[0] * spacing[0]) ** 2 + (found.shape[1] * spacing[1]) ** 2) ** 0.5
        return 0.0 if len(one) == len(other) else diagonal
    table = np.sqrt(((one[:, None] - other[None]) ** 2).sum(2))
    return float(max(np.percentile(table.min(0), percent), np.percentile(table.min(1), percent)))


@right
def with_a_tree(found, truth, spacing=(1.0, 1.0), percent=95):
    from scipy.spatial import cKDTree
    if found.any() != truth.any():
        return float(np.hypot(found.shape[0] * spacing[0], found.shape[1] * spacing[1]))
    if not found.any():
        return 0.0
    a, b = [np.argwhere(m & ~ndimage.binary_erosion(m)) * np.asarray(spacing) for m in (found, truth)]
    return max(float(np.percentile(cKDTree(b).query(a)[0], percent)), float(np.percentile(cKDTree(a).query(b)[0], percent)))


@wrong("MedPy does so")
def pooled(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    if found.any() != truth.any():
        return float(np.hypot(*np.array(found.shape) * spacing))
    if not found.any():
        return 0.0
    there = ndimage.distance_transform_edt(~edges[1], sampling=spacing)[edges[0]]
    back = ndimage.distance_transform_edt(~edges[0], sampling=spacing)[edges[1]]
    return float(np.percentile(np.concatenate([there, back]), percent))


@wrong("one stray pixel sets it")
def maximum(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    there = ndimage.distance_transform_edt(~edges[1], sampling=spacing)[edges[0]]
    back = ndimage.distance_transform_edt(~edges[0], sampling=spacing)[edges[1]]
    return float(max(there.max(), back.max()))


@wrong("contour of what was found only")
def one_way(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    return float(np.percentile(ndimage.distance_transform_edt(~edges[1], sampling=spacing)[edges[0]], percent))


@wrong("You walked along the true contour only")
def other_way(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    return float(np.percentile(ndimage.distance_transform_edt(~edges[0], sampling=spacing)[edges[1]], percent))


@wrong("the smaller of the two directions")
def smaller(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    there = np.percentile(ndimage.distance_transform_edt(~edges[1], sampling=spacing)[edges[0]], percent)
    back = np.percentile(ndimage.distance_transform_edt(~edges[0], sampling=spacing)[edges[1]], percent)
    return float(min(there, back))


@wrong("spacing does not enter")
def pixels(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    there = np.percentile(ndimage.distance_transform_edt(~edges[1])[edges[0]], percent)
    back = np.percentile(ndimage.distance_transform_edt(~edges[0])[edges[1]], percent)
    return float(max(there, back))


@wrong("multiplied by one number in the end")
def one_factor(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    there = np.percentile(ndimage.distance_transform_edt(~edges[1])[edges[0]], percent)
    back = np.percentile(ndimage.distance_transform_edt(~edges[0])[edges[1]], percent)
    return float(max(there, back) * spacing[0])


@wrong("Height and width are exchanged")
def swapped(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    there = np.percentile(ndimage.distance_transform_edt(~edges[1], sampling=spacing[::-1])[edges[0]], percent)
    back = np.percentile(ndimage.distance_transform_edt(~edges[0], sampling=spacing[::-1])[edges[1]], percent)
    return float(max(there, back))


@wrong("At its own edge a picture of distances is 0")
def at_its_own_edge(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    there = np.percentile(ndimage.distance_transform_edt(~edges[0], sampling=spacing)[edges[0]], percent)
    back = np.percentile(ndimage.distance_transform_edt(~edges[1], sampling=spacing)[edges[1]], percent)
    return float(max(there, back))


@wrong("over the whole picture")
def not_at_the_edge(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    maps = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    return float(max(np.percentile(distances, percent) for distances in maps))


@wrong("found but for a hole")
def to_the_mask(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    there = np.percentile(ndimage.distance_transform_edt(~truth, sampling=spacing)[edges[0]], percent)
    back = np.percentile(ndimage.distance_transform_edt(~found, sampling=spacing)[edges[1]], percent)
    return float(max(there, back))


@wrong("Only the edges count")
def whole_masks(found, truth, spacing=(1.0, 1.0), percent=95):
    there = np.percentile(ndimage.distance_transform_edt(~truth, sampling=spacing)[found], percent)
    back = np.percentile(ndimage.distance_transform_edt(~found, sampling=spacing)[truth], percent)
    return float(max(there, back))


@wrong("np.percentile counts from 0 to 100")
def as_a_share(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    there = np.percentile(ndimage.distance_transform_edt(~edges[1], sampling=spacing)[edges[0]], percent / 100)
    back = np.percentile(ndimage.distance_transform_edt(~edges[0], sampling=spacing)[edges[1]], percent / 100)
    return float(max(there, back))


@wrong("your 95 is written into the function")
def always_95(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    there = np.percentile(ndimage.distance_transform_edt(~edges[1], sampling=spacing)[edges[0]], 95)
    back = np.percentile(ndimage.distance_transform_edt(~edges[0], sampling=spacing)[edges[1]], 95)
    return float(max(there, back))


@wrong("as if all were well")
def empty_is_zero(found, truth, spacing=(1.0, 1.0), percent=95):
    if not found.any() or not truth.any():
        return 0.0
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    there = np.percentile(ndimage.distance_transform_edt(~edges[1], sampling=spacing)[edges[0]], percent)
    back = np.percentile(ndimage.distance_transform_edt(~edges[0], sampling=spacing)[edges[1]], percent)
    return float(max(there, back))


@wrong("Your code stopped with IndexError")
def forgot_empty(found, truth, spacing=(1.0, 1.0), percent=95):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    there = np.percentile(ndimage.distance_transform_edt(~edges[1], sampling=spacing)[edges[0]], percent)
    back = np.percentile(ndimage.distance_transform_edt(~edges[0], sampling=spacing)[edges[1]], percent)
    return float(max(there, back))


@wrong("Your diagonal is counted in pixels")
def diagonal_in_pixels(found, truth, spacing=(1.0, 1.0), percent=95):
    if found.any() != truth.any():
        return float(np.hypot(*found.shape))
    if not found.any():
        return 0.0
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    there = np.percentile(ndimage.distance_transform_edt(~edges[1], sampling=spacing)[edges[0]], percent)
    back = np.percentile(ndimage.distance_transform_edt(~edges[0], sampling=spacing)[edges[1]], percent)
    return float(max(there, back))
