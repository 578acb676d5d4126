"""Non-maximum suppression: of boxes that mark the same thing, keep the surest."""
import torch

from medcrypt_lab.exercises import expect, expect_like, right, short, suspect, uses, wrong
from medcrypt_lab.exercises.vocabulary import NotYet

points, minutes, difficulty = 3, 7, 2
iou = uses("medical_image_analysis.iou")
without = ["torchvision"]
hints = [
    "Play it with cards: lay the boxes out, the surest first. You take the first card. What happens to the second?",
    "Go through the boxes from the surest to the least sure. Keep a box unless it overlaps one that you *kept already* by more than the threshold. "
    "A box that you threw away throws nobody away.",
    "`for i in order:`, then `if all(overlaps[i, j] <= threshold for j in kept):`, then `kept.append(i)`. Of an empty list `all(...)` is True: "
    "the surest box gets in.",
]
after = ("The threshold is a belief: that two real lesions never overlap by more. Where lesions grow together, suppression deletes the second one. "
         "Zhou et al. (2019) do without it: they keep a cell only if none of its eight neighbors is surer.")


def non_maximum_suppression(boxes, scores, threshold):
    """Drop boxes that repeat a surer box.

    boxes: (n, 4) float32, left, top, right, bottom; scores: (n,) float32.
    From the surest box to the least sure: keep it, unless its IoU with a
    box kept before is strictly greater than threshold.
    Returns a list of ints: the rows of `boxes` that are kept, surest
    first, such as [4, 0, 2]. Without boxes: [].
    """
    overlaps = iou(boxes, boxes)    # overlaps[i, j]: IoU of boxes i and j
    # The rows of all boxes, the surest first; of equals the earlier row.
    order = scores.argsort(descending=True, stable=True).tolist()
    kept = []
    # Python's all(...) is True if no item is False, so also without items.
    # About three lines:
    # BEGIN SOLUTION
    for i in order:
        if all(overlaps[i, j] <= threshold for j in kept):
            kept.append(i)
    # END SOLUTION
    return kept


def overlap(p, q):
    """IoU of two boxes, in plain Python."""
    width, height = min(p[2], q[2]) - max(p[0], q[0]), min(p[3], q[3]) - max(p[1], q[1])
    shared = max(0.0, width) * max(0.0, height)
    union = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - shared
    return shared / union if union > 0 else 0.0


def suppress(boxes, scores, threshold, *, order=None, against="kept", at_equality=False, inverted=False):
    """The oracle; the keywords make it err in one way each."""
    boxes, kept, seen = boxes.tolist(), [], []
    order = sorted(range(len(boxes)), key=lambda i: -float(scores[i])) if order is None else order
    for i in order:
        rivals = {"kept": kept, "all": seen, "last": kept[-1:], "first": kept[:1], "others": [j for j in order if j != i]}[against]
        overlaps = [overlap(boxes[i], boxes[j]) for j in rivals]
        if all(o > threshold if inverted else o < threshold if at_equality else o <= threshold for o in overlaps):
            kept.append(i)
        seen.append(i)
    return kept


def mixed(boxes, order, threshold):
    """A reader that looks overlaps up by the place in the sorted list, and keeps rows."""
    boxes, kept = boxes.tolist(), []
    for k, i in enumerate(order):
        if all(overlap(boxes[k], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


def laid_out(random, groups):
    """Groups of boxes far from each other; inside a group each is 8 wide and moved to the right by what the group says. Shuffled.

    groups: lists of (shift, score). Returns boxes, scores, and where each box went: place[group][k].
    """
    rows = [(40.0 * g + shift, float(random.randrange(4)), score, (g, k)) for g, group in enumerate(groups) for k, (shift, score) in enumerate(group)]
    order = random.sample(range(len(rows)), len(rows))
    place = {rows[i][3]: at for at, i in enumerate(order)}
    tops = {g: rows_top for rows_top, g in ((row[1], row[3][0]) for row in rows)}          # one height for all boxes of a group
    boxes = torch.tensor([[rows[i][0], tops[rows[i][3][0]], rows[i][0] + 8, tops[rows[i][3][0]] + 8] for i in order])
    return boxes, torch.tensor([rows[i][2] for i in order]), place


def what_is_wrong(result, n):
    """A list of kept boxes has no length known beforehand: its formalities. -> words, "" if all is well."""
    if hasattr(result, "shape"):
        return "You return a tensor. A list of whole numbers is asked for: `.tolist()` makes one."
    if not isinstance(result, list):
        return f"Expected a plain list of whole numbers, got {short(result)}."
    if any(type(i) is bool for i in result):
        return "You return True and False: return the rows of the kept boxes, such as [4, 0, 2]."
    if any(hasattr(i, "shape") for i in result):
        return "Your list holds tensors: plain whole numbers are asked for. `.item()` or `.tolist()` makes them."
    if any(isinstance(i, (list, tuple)) for i in result):
        return "Your list holds boxes: return which rows they are, such as [4, 0, 2]."
    if any(type(i) is not int or not 0 <= i < n for i in result):
        return f"Your list holds what is no row of `boxes`; these are 0 to {n - 1}."
    return "You list a box twice. Decide once for each box, after comparing it with all boxes kept so far." if len(set(result)) < len(result) else ""


def check(answer, random):
    """A chain (A covers B, B covers C, A not C) shows who suppresses whom; equal overlaps and equal scores show the fine print."""
    # A box of 8 moved by 2 has IoU 6/10 with itself; by 4, 4/12; by 6, 2/14. Between a group's scores lie those of others, so that a look at
    # the box kept last does not suffice.
    groups = [[(0, random.uniform(0.90, 0.99)), (2, 0.68), (4, 0.58)],      # the chain: the second goes, the third stays
              [(0, 0.60), (1, 0.75), (2, 0.62)],                            # the surest in the middle: alone it stays
              [(0, random.uniform(0.1, 0.15))],                             # alone and unsure: it stays
              [(0, 0.50), (6, 0.55)]]                                       # hardly overlapping: both stay
    while True:                         # shuffled until each mistake gives an answer of its own
        boxes, scores, place = laid_out(random, groups)
        down = sorted(range(len(boxes)), key=lambda i: -float(scores[i]))
        expected = suppress(boxes, scores, 0.5)
        kinds = {"up": suppress(boxes, scores, 0.5, order=down[::-1]), "as they came": suppress(boxes, scores, 0.5, order=list(range(len(boxes)))),
                 "sorted": sorted(expected), "all": suppress(boxes, scores, 0.5, against="all"), "last": suppress(boxes, scores, 0.5, against="last"),
                 "first": suppress(boxes, scores, 0.5, against="first"), "score": [i for i in down if scores[i] > 0.5],
                 "others": [i for i in down if i not in expected], "turned": expected[::-1], "down": down,
                 "places": [down.index(i) for i in expected], "mixed": mixed(boxes, down, 0.5),
                 "inverted": suppress(boxes, scores, 0.5, inverted=True)}
        kinds["renamed"] = [down[k] for k in kinds["as they came"]]
        kinds["alone"] = suppress(boxes, scores, 0.5, against="others")
        kinds["order of order"] = suppress(boxes, scores, 0.5, order=[down[i] for i in down])
        if len({tuple(kind) for kind in [expected, *kinds.values()]}) == len(kinds) + 1:
            break
    try:
        result = answer(boxes, scores, 0.5)
    except NotYet as error:
        suspect("numel() == 0" in error.sentence, "While nothing is kept there is no overlap, so no largest one. Ask `all(...)` whether each overlap is small enough: "
                "of none it says True.")
        raise
    if result is None or result is Ellipsis:
        expect_like(result, [0])
    said = what_is_wrong(result, len(boxes))
    suspect(bool(said), said)
    suspect(result == [], "You keep no box at all, not even the surest. While nothing is kept, `any(...)` is False and a loop over `kept` does nothing. "
            "Or does each box meet itself? Its IoU with itself is 1: compare it with boxes kept before it only.")
    suspect(result in (kinds["up"], kinds["up"][::-1]), "You began with the least sure box. The surest comes first: sort descending.")
    suspect(result == kinds["as they came"], "You took the boxes as they came, row 0 first. The surest comes first: go through `order`.")
    suspect(result == kinds["places"], lambda: f"{result} are places in your sorted list. Which rows of `boxes` stand there? Return those.")
    suspect(result in (kinds["mixed"], kinds["renamed"]), "You mix places in the sorted list with rows of `boxes`: the table of overlaps and the answer both want rows. "
            "`for i in order:` gives them.")
    suspect(result == kinds["order of order"], "`for i in order:` gives rows already; `order[i]` is another row. Use `i` itself.")
    suspect(result == kinds["alone"], "You keep only boxes that repeat no other at all, so the surest of a group goes with its repeats. Compare with the boxes "
            "kept before it only.")
    suspect(result == kinds["inverted"], "You keep a box if it does overlap the boxes kept before it. Turn the comparison around.")
    suspect(result == down, "You keep every box, sorted. Those that repeat a surer one must go.")
    suspect(result == kinds["score"], "You compared the scores with the threshold. It is a limit of the overlap, of IoU.")
    suspect(result == kinds["sorted"], "These are the right boxes, in the order of their rows. Return them surest first.")
    suspect(result == kinds["turned"], "These are the right boxes, the least sure first. Turn them around.")
    suspect(result == kinds["all"],
            "A box that you threw away still throws others away. In a chain, where A covers B and B covers C, B goes and C stays: compare with kept boxes only.")
    suspect(result == kinds["last"], "You compare with the box kept last only. Compare with every box kept so far.")
    suspect(result == kinds["first"], "You compare with the surest box of all only. Compare with every box kept so far.")
    suspect(sorted(result) == sorted(kinds["others"]), "These are the suppressed boxes: return the others.")
    second = place[0, 1]
    suspect(second in result and place[0, 0] in result, lambda: f"You keep box {second}. It overlaps a surer box that is kept with IoU 0.6, more than 0.5.")
    expect("keeps the surest of each group, surest first", result == expected, lambda: f"Expected {expected}, got {result}.", points=2)

    # A box of 8 and its half: IoU exactly 0.5, also in floating point. Then two that are the same and equally sure.
    x = float(random.randrange(5))
    boxes = torch.tensor([[x, 0, x + 4, 8], [x, 0, x + 8, 8], [x + 40, 0, x + 48, 8], [x + 40, 0, x + 48, 8], [x + 80, 0, x + 81, 8], [x + 90, 0, x + 91, 8]])
    scores = torch.tensor([0.75, 0.875, 0.5, 0.5, 0.5, 0.5])
    result = answer(boxes, scores, 0.5)
    said = what_is_wrong(result, len(boxes))
    suspect(bool(said), said)
    suspect(result == suppress(boxes, scores, 0.5, at_equality=True), "An IoU of exactly the threshold suppressed a box. Only strictly greater does.")
    suspect(sorted(result) == [0, 1, 3, 4, 5], "Of boxes with equal scores the earlier row comes first: `argsort(...)` turned around by `.flip(0)` or "
            "`[::-1]` turns the ties around, too. Sort by `argsort(descending=True, stable=True)`.")
    expected = suppress(boxes, scores, 0.5)
    expect("strictly greater; ties in their order", result == expected, lambda: f"Expected {expected}, got {result}.")
    try:
        empty = answer(torch.zeros(0, 4), torch.zeros(0), 0.5)
    except NotYet as error:
        suspect("out of range" in error.sentence or "out of bounds" in error.sentence, "Without boxes your code stops: there is no surest box to take. A loop over "
                "an empty list does nothing, so let the loop decide about the first box, too.")
        raise
    suspect(empty is None or empty is Ellipsis, "Without boxes your function returns nothing: return an empty list.")
    expect("without boxes, an empty list", isinstance(empty, list) and len(empty) == 0, "Without boxes the answer is an empty list.", points=1)


@right
def shrinking(boxes, scores, threshold):
    left = sorted(range(len(boxes)), key=lambda i: -scores[i].item())
    kept = []
    while left:
        best, *rest = left
        kept.append(best)
        left = [i for i in rest if float(iou(boxes[[best]], boxes[[i]])) <= threshold]
    return kept


@right
def crossing_out(boxes, scores, threshold):
    table = iou(boxes, boxes) > threshold
    gone, kept = torch.zeros(len(boxes), dtype=torch.bool), []
    for i in torch.sort(scores, descending=True, stable=True).indices.tolist():
        if not gone[i]:
            kept.append(i)
            gone |= table[i]
    return kept


@wrong("threw away still throws others away")
def any_surer(boxes, scores, threshold):
    table, order = iou(boxes, boxes), scores.argsort(descending=True, stable=True).tolist()
    return [i for k, i in enumerate(order) if all(table[i, j] <= threshold for j in order[:k])]


@wrong("You began with the least sure box")
def ascending(boxes, scores, threshold):
    table, kept = iou(boxes, boxes), []
    for i in scores.argsort(stable=True).tolist():
        if all(table[i, j] <= threshold for j in kept):
            kept.append(i)
    return kept


@wrong("You took the boxes as they came")
def unsorted(boxes, scores, threshold):
    table, kept = iou(boxes, boxes), []
    for i in range(len(boxes)):
        if all(table[i, j] <= threshold for j in kept):
            kept.append(i)
    return kept


@wrong("Only strictly greater does")
def at_least(boxes, scores, threshold):
    table, kept = iou(boxes, boxes), []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if all(table[i, j] < threshold for j in kept):
            kept.append(i)
    return kept


@wrong("turns the ties around")
def flipped(boxes, scores, threshold):
    table, kept = iou(boxes, boxes), []
    for i in scores.argsort(stable=True).flip(0).tolist():
        if all(table[i, j] <= threshold for j in kept):
            kept.append(i)
    return kept


@wrong("in the order of their rows")
def by_number(boxes, scores, threshold):
    table, kept = iou(boxes, boxes), []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if all(table[i, j] <= threshold for j in kept):
            kept.append(i)
    return sorted(kept)


@wrong("not even the surest")
def suppresses_itself(boxes, scores, threshold):
    table = iou(boxes, boxes)
    return [i for i in scores.argsort(descending=True, stable=True).tolist() if (table[i] <= threshold).all()]


@wrong("You compared the scores with the threshold")
def by_score(boxes, scores, threshold):
    return [i for i in scores.argsort(descending=True, stable=True).tolist() if scores[i] > threshold]


@wrong("You return a tensor")
def a_tensor(boxes, scores, threshold):
    table, kept = iou(boxes, boxes), []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if all(table[i, j] <= threshold for j in kept):
            kept.append(i)
    return torch.tensor(kept)


@wrong("Your list holds tensors")
def list_of_tensors(boxes, scores, threshold):
    table, kept = iou(boxes, boxes), []
    for i in scores.argsort(descending=True, stable=True):
        if all(table[i, j] <= threshold for j in kept):
            kept.append(i)
    return kept


@wrong("Your list holds boxes")
def the_boxes(boxes, scores, threshold):
    table, kept = iou(boxes, boxes), []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if all(table[i, j] <= threshold for j in kept):
            kept.append(i)
    return boxes[kept].tolist()


@wrong("box kept last only")
def last_only(boxes, scores, threshold):
    table, kept = iou(boxes, boxes), []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if not kept or table[i, kept[-1]] <= threshold:
            kept.append(i)
    return kept


@wrong("These are the suppressed boxes")
def the_others(boxes, scores, threshold):
    table, kept, gone = iou(boxes, boxes), [], []
    for i in scores.argsort(descending=True, stable=True).tolist():
        (kept if all(table[i, j] <= threshold for j in kept) else gone).append(i)
    return gone


@wrong("are places in your sorted list")
def places(boxes, scores, threshold):
    order, kept = scores.argsort(descending=True, stable=True), []
    table = iou(boxes[order], boxes[order])
    for k in range(len(order)):
        if all(table[k, j] <= threshold for j in kept):
            kept.append(k)
    return kept


@wrong("You mix places in the sorted list with rows")
def places_and_rows(boxes, scores, threshold):
    table, kept = iou(boxes, boxes), []
    for k, i in enumerate(scores.argsort(descending=True, stable=True).tolist()):
        if all(table[k, j] <= threshold for j in kept):
            kept.append(i)
    return kept


@wrong("You keep a box if it does overlap")
def inverted(boxes, scores, threshold):
    table, kept = iou(boxes, boxes), []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if all(table[i, j] > threshold for j in kept):
            kept.append(i)
    return kept


@wrong("Without boxes your code stops")
def first_by_hand(boxes, scores, threshold):
    table, order = iou(boxes, boxes), scores.argsort(descending=True, stable=True).tolist()
    kept = [order[0]]
    for i in order[1:]:
        if all(table[i, j] <= threshold for j in kept):
            kept.append(i)
    return kept


@wrong("there is no overlap, so no largest one")
def largest_of_none(boxes, scores, threshold):
    table, kept = iou(boxes, boxes), []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if table[i, kept].max() <= threshold:
            kept.append(i)
    return kept


@wrong("You keep only boxes that repeat no other at all")
def alone(boxes, scores, threshold):
    table, order = iou(boxes, boxes), scores.argsort(descending=True, stable=True).tolist()
    return [i for i in order if all(table[i, j] <= threshold for j in order if j != i)]


@wrong("`order[i]` is another row")
def order_of_order(boxes, scores, threshold):
    table, order, kept = iou(boxes, boxes), scores.argsort(descending=True, stable=True).tolist(), []
    for i in order:
        if all(table[order[i], j] <= threshold for j in kept):
            kept.append(order[i])
    return kept


@wrong("You list a box twice")
def once_for_each_kept(boxes, scores, threshold):
    table, order = iou(boxes, boxes), scores.argsort(descending=True, stable=True).tolist()
    kept = order[:1]
    for i in order[1:]:
        for j in list(kept):
            if table[i, j] <= threshold:
                kept.append(i)
    return kept
