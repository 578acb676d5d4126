"""IoU: how well do two boxes agree? Every box of one list against every box of another."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong
from medcrypt_lab.exercises.vocabulary import NotYet

points, minutes, difficulty = 3, 7, 2
hints = [
    "Where do two boxes overlap? Draw two and ask for each of the four sides of the overlap: which of the two boxes sets it?",
    "The overlap begins at the larger left and the larger top, and ends at the smaller right and the smaller bottom. If it ends before it "
    "begins, the boxes are apart: width 0. The union is both areas minus the overlap, which was counted twice.",
    "`start = torch.maximum(a[..., :2], b[..., :2])`, the same with minimum and `[..., 2:]` for `end`, then `(end - start).clamp(min=0).prod(-1)` "
    "and `union = area_a + area_b - overlap`.",
]
after = ("IoU knows nothing of size: one pixel off is nothing for a big box and ruin for a box of two pixels. "
         "Whoever quotes \"IoU above 0.5\" has decided how small a lesion may be.")


def iou(boxes, others):
    """Overlap over union of each box with each of the others.

    boxes: (n, 4), others: (m, 4), float32: left, top, right, bottom,
    with left <= right and top <= bottom. These are positions on a ruler,
    not pixel numbers: a box is right - left wide, no "+ 1".
    Returns (n, m) in [0, 1]: row i, column j for boxes[i] and others[j];
    0, not NaN, where the union has no area (0 / 0).
    """
    # Each box beside each other one: from here on use a and b. What you
    # compute has a row for each box and a column for each of the others.
    a, b = boxes[:, None], others[None]
    # [..., 0] is left, [..., :2] left and top, [..., 2:] right and
    # bottom; .prod(-1) multiplies width by height.
    area_a = (a[..., 2:] - a[..., :2]).prod(-1)
    area_b = (b[..., 2:] - b[..., :2]).prod(-1)
    # Tools: torch.maximum(p, q) and torch.minimum(p, q), number by number;
    # .clamp(min=0) turns what is negative into 0. About four lines; the
    # last two give overlap and union:
    # BEGIN SOLUTION
    start = torch.maximum(a[..., :2], b[..., :2])
    end = torch.minimum(a[..., 2:], b[..., 2:])
    overlap = (end - start).clamp(min=0).prod(-1)
    union = area_a + area_b - overlap
    # END SOLUTION
    return torch.where(union > 0, overlap / union, 0.0)


class Truth:
    """The oracle, in plain Python: everything that an answer, right or mistaken, could be made of. One number for each pair, float64."""

    def __init__(self, boxes, others, extra=0.0):
        self.pairs = [[(p, q) for q in others.tolist()] for p in boxes.tolist()]
        self.overlap = self.each(lambda p, q: self.side(p, q, 0, extra) * self.side(p, q, 1, extra))
        self.one = self.each(lambda p, q: self.area(p, extra))
        self.other = self.each(lambda p, q: self.area(q, extra))
        self.corners = self.each(lambda p, q: p[2] * p[3] + q[2] * q[3])

    def each(self, f):
        return torch.tensor([[f(p, q) for p, q in row] for row in self.pairs], dtype=torch.float64)

    @staticmethod
    def side(p, q, k, extra):
        return max(0.0, min(p[k + 2], q[k + 2]) - max(p[k], q[k]) + extra)

    @staticmethod
    def area(p, extra):
        return (p[2] - p[0] + extra) * (p[3] - p[1] + extra)

    def spanned(self, first, last):
        """An area from the `first` of both lefts and tops to the `last` of both rights and bottoms: by min and max the box around both."""
        return self.each(lambda p, q: (last(p[2], q[2]) - first(p[0], q[0])) * (last(p[3], q[3]) - first(p[1], q[1])))

    @staticmethod
    def over(top, whole):
        """A quotient, 0 where it has no sense."""
        return torch.where(whole != 0, top / torch.where(whole != 0, whole, 1.0), 0.0).float()

    def iou(self):
        return self.over(self.overlap, self.one + self.other - self.overlap)


def some_boxes(random, n):
    """Boxes with sides of 2 to 6 in a square of 10: many overlap, some do not."""
    rows = [(random.uniform(0, 5), random.uniform(0, 5), random.uniform(2, 6), random.uniform(2, 6)) for _ in range(n)]
    return torch.tensor([[left, top, left + width, top + height] for left, top, width, height in rows])


def check(answer, random):
    """Jaccard 1912. First boxes that all overlap, then those that are apart, then those that touch, then those without area."""
    # All of these hold the square from 5 to 6, so that a forgotten clip does not show yet; their sides differ, so that a swap does.
    def around(n):
        return torch.tensor([[random.uniform(0, 5), random.uniform(1, 5), random.uniform(6, 9), random.uniform(6, 12)] for _ in range(n)])
    # Some usual mistakes have the wrong shape: they deserve words of their own. Width and height apart meet the areas without an error only here.
    boxes, others = around(2), around(2)
    try:
        result = answer(boxes, others)
    except NotYet as error:
        suspect("out of bounds for dimension" in error.sentence, f"{error.sentence} In `a` and `b` left, top, right and bottom are the last axis: left is `a[..., 0]`.")
        suspect("must match the size of tensor" in error.sentence, f"{error.sentence} Are they slices of `a` and `b`? `[:2]` takes boxes; left and top are `[..., :2]`.")
        raise
    shape, truth = tuple(getattr(result, "shape", ())), Truth(boxes, others)
    same_row = truth.overlap.diagonal()             # of box 0 and other 0, of box 1 and other 1
    mixed = Truth.over(same_row, truth.one + truth.other - same_row)
    advice = "Compute with `a` and `b` instead of `boxes` and `others`: they put each box beside each of the others."
    suspect(shape == (2,) and close(result, truth.iou().diagonal(), 1e-4), f"You return the IoU of each box with the one in the same row of `others` only. {advice}")
    suspect(shape == (2, 2) and close(result, mixed, 1e-4), f"Your overlaps are those of each box with the one in the same row of `others` only. {advice}")
    suspect(shape == (2, 2, 2), "You return two numbers for each pair, one along x and one along y: an area is width times height, `.prod(-1)`.")
    boxes, others = around(4), around(3)
    result = answer(boxes, others)
    shape = tuple(getattr(result, "shape", ()))
    suspect(shape == (3, 4), "Your table is (m, n): rows are for `boxes`, columns for `others`. Turn it around.")
    suspect(isinstance(result, list), "You return a list of Python numbers: make it one tensor of shape (n, m), by `torch.tensor(...)`.")
    expect_like(result, torch.zeros(4, 3))
    truth, longer = Truth(boxes, others), Truth(boxes, others, 1)
    both, late, early = truth.spanned(min, max), truth.spanned(max, max), truth.spanned(min, min)
    shared, one, other = truth.overlap, truth.one, truth.other
    expected = truth.iou()

    def is_over(top, whole):
        negative = Truth.over(top, whole)           # where the mistake makes the union negative, the last line of the stub says 0
        return any(torch.allclose(result, quotient, 1e-3, 1e-5) for quotient in (negative, torch.where(whole > 0, negative, 0.0)))
    suspect(close(result, 100 * expected, 1e-3), "These are percentages; return parts of one.")
    suspect(close(result, shared.float(), 1e-4), "That is the area of the overlap: divide it by the area of the union.")
    suspect(is_over(longer.overlap, one + other - longer.overlap), "The sides of your overlap are one too long: no \"+ 1\", since on a ruler from 3 to 5 it is 2.")
    suspect(is_over(longer.overlap, longer.one + longer.other - longer.overlap) or is_over(shared, longer.one + longer.other - shared),
            "You added one to the sides. That is for pixel numbers, where 3 to 3 is one pixel wide; on a ruler it is 0 wide.")
    suspect(is_over(shared, one + other), "You divided by the sum of both areas. It holds the overlap twice: take it off once.")
    suspect(is_over(shared, one + other + shared), "You added the overlap to both areas. They hold it twice already: take it off once.")
    suspect(is_over(2 * shared, one + other),
            "That is 2 times the overlap over the sum of the areas, the Dice coefficient. It is always larger; divide by the union.")
    suspect(is_over(shared, both), "You divided by the box drawn around both. It also holds corners that neither covers: the union is both areas minus the overlap.")
    suspect(is_over(torch.minimum(one, other), torch.maximum(one, other)), "You compare the areas alone: two boxes of one size would agree wherever they lie.")
    suspect(is_over(shared, torch.minimum(one, other)), "You divided by the smaller area: a dot inside a huge box would agree perfectly. Divide by the union.")
    suspect(is_over(shared, one) or is_over(shared, other),
            "You divided by the area of one of the two boxes; the answer then depends on which comes first. Divide by the union.")
    suspect(is_over(both, one + other - both) or is_over(both, one + other),
            "Your overlap is the box around both: it begins where the first of them begins and ends where the last one ends. Draw two boxes: where does "
            "that begin and end which they share?")
    suspect(is_over(late, one + other - late), "Your overlap begins in the right place, but it goes on until the last of the two boxes ends. Draw them: where do they stop sharing?")
    suspect(is_over(early, one + other - early), "Your overlap ends in the right place, but it begins where the first of the two boxes begins. Draw them: where does the other one join?")
    suspect(not result.any(), "All your numbers are 0, although these boxes overlap. Look at where your overlap starts (a left and a top) and ends (a right and a "
            "bottom): its sides are end - start. Then `.prod(-1)`: without the -1 it multiplies everything into one number.")
    suspect(is_over(shared, truth.corners - shared), "You took right times bottom for the area of a box. Its width is right - left, its height bottom - top.")
    suspect(result.max() > 1 or result.min() < 0,
            lambda: f"One of your numbers is {float(result.max() if result.max() > 1 else result.min()):.3g}: an IoU lies between 0 and 1. "
                    "Draw two boxes that overlap: where does the part that they share begin, and where does it end?")
    expect("right where boxes overlap", close(result, expected, 1e-5), "These boxes all overlap, and not all numbers are right yet.", points=1, got=result, expected=expected)

    # Of the first three boxes the first two lie apart along x and y, the third from both along one of them.
    apart = torch.tensor([[0.0, 0.0, 4.0, 4.0], [5.0, 5.0, 9.0, 9.0], [1.0, 6.0, 4.0, 9.0]]) + random.uniform(0, 3)
    both = torch.cat([apart, some_boxes(random, 4)])
    got, truth = answer(apart, both), Truth(apart, both)
    expect_like(got, torch.zeros(3, 7))
    diagonal, beside = float(got[0, 1]), float(got[0, 2])
    suspect(diagonal > 0 and beside == 0, lambda: f"You clip the product. Boxes that lie apart diagonally get {diagonal:.2g}: minus times minus is plus. "
            "Clip width and height, each for itself.")
    suspect(diagonal != 0 or beside != 0, lambda: f"Boxes that lie apart get {diagonal:.2g} and {beside:.2g}. Where the overlap would end before it begins, "
            "its width or height is 0, not negative.")
    expect("0 for boxes that lie apart", close(got, truth.iou(), 1e-5), "With boxes that lie apart, not all numbers are right yet.", points=1,
           got=got, expected=truth.iou())

    # A box, one that touches its right edge, one inside it; then a line and a point inside it, and twice one point outside.
    x, y, w, h = random.randrange(3), random.randrange(3), random.choice([4, 6]), random.choice([2, 4])
    box = torch.tensor([[x, y, x + w, y + h]], dtype=torch.float32)
    fine = torch.tensor([[x + w, y, x + 2 * w, y + h], [x, y, x + w // 2, y + h]], dtype=torch.float32)
    got = answer(box, fine)
    expect_like(got, torch.zeros(1, 2))
    expect("boxes that touch share nothing, a half shares one half", close(got, torch.tensor([[0.0, 0.5]]), 1e-6),
           lambda: f"A box and its neighbor, which share an edge, should give 0, a box and its half 0.5; you gave {float(got[0, 0]):.3g} and {float(got[0, 1]):.3g}.")
    flat = torch.tensor([[x + 1, y, x + 1, y + h], [x + 1, y + 1, x + 1, y + 1], [x + 20, y, x + 20, y]], dtype=torch.float32)
    flats = torch.cat([box, flat])
    got, before = answer(flats, flat), flats.clone()
    if hasattr(got, "isnan") and tuple(got.shape) == (4, 3):
        bad = int((~got.isfinite()).sum())
        suspect(bad > 0, lambda: f"{bad} of your numbers are NaN: two boxes without any area have a union of 0, and 0 / 0 is no number. Say 0 there.")
    expect_like(got, torch.zeros(4, 3))
    suspect(float(got.max()) == 1, "Two boxes without area that are the same: there is no area that they could share. The answer is 0, not 1.")
    expect("0, not NaN, for boxes without area", close(got, torch.zeros(4, 3), 1e-6), "A box without area shares no area with anything: 0.", points=1,
           got=got, expected=torch.zeros(4, 3))


@right
def by_loop(boxes, others):
    table = torch.zeros(len(boxes), len(others))
    for i, (l, t, r, b) in enumerate(boxes.tolist()):
        for j, (left, top, right_, bottom) in enumerate(others.tolist()):
            width, height = min(r, right_) - max(l, left), min(b, bottom) - max(t, top)
            if width > 0 and height > 0:
                table[i, j] = width * height / ((r - l) * (b - t) + (right_ - left) * (bottom - top) - width * height)
    return table


@right
def by_columns(boxes, others):
    l, t, r, b = boxes.T[:, :, None]
    l2, t2, r2, b2 = others.T[:, None, :]
    overlap = (torch.minimum(r, r2) - torch.maximum(l, l2)).clamp(min=0) * (torch.minimum(b, b2) - torch.maximum(t, t2)).clamp(min=0)
    union = (r - l) * (b - t) + (r2 - l2) * (b2 - t2) - overlap
    return torch.nan_to_num(overlap / union, nan=0.0)


@wrong("Where the overlap would end before it begins")
def no_clip(boxes, others):
    a, b = boxes[:, None], others[None]
    start, end = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    overlap = (end - start).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    return torch.where(union > 0, overlap / union, 0.0)


@wrong("You clip the product")
def clip_product(boxes, others):
    a, b = boxes[:, None], others[None]
    start, end = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    overlap = (end - start).prod(-1).clamp(min=0)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    return torch.where(union > 0, overlap / union, 0.0)


@wrong("of your numbers are NaN")
def nan(boxes, others):
    a, b = boxes[:, None], others[None]
    start, end = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    overlap = (end - start).clamp(min=0).prod(-1)
    return overlap / ((a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap)


@wrong("You added one to the sides")
def plus_one(boxes, others):
    a, b = boxes[:, None], others[None]
    start, end = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    overlap = (end - start + 1).clamp(min=0).prod(-1)
    return overlap / ((a[..., 2:] - a[..., :2] + 1).prod(-1) + (b[..., 2:] - b[..., :2] + 1).prod(-1) - overlap)


@wrong("It holds the overlap twice")
def sum_of_areas(boxes, others):
    a, b = boxes[:, None], others[None]
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    return overlap / ((a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)).clamp(min=1e-9)


@wrong("the Dice coefficient")
def dice(boxes, others):
    a, b = boxes[:, None], others[None]
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    return 2 * overlap / ((a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)).clamp(min=1e-9)


@wrong("You divided by the smaller area")
def over_smaller(boxes, others):
    a, b = boxes[:, None], others[None]
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    return overlap / torch.minimum((a[..., 2:] - a[..., :2]).prod(-1), (b[..., 2:] - b[..., :2]).prod(-1)).clamp(min=1e-9)


@wrong("That is the area of the overlap")
def overlap_only(boxes, others):
    a, b = boxes[:, None], others[None]
    return (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)


@wrong("Your table is (m, n)")
def turned(boxes, others):
    a, b = boxes[None], others[:, None]
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    return overlap / union.clamp(min=1e-9)


@wrong("two numbers for each pair")
def per_axis(boxes, others):
    a, b = boxes[:, None], others[None]
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    return overlap / ((a[..., 2:] - a[..., :2]) + (b[..., 2:] - b[..., :2]) - overlap)


@wrong("the same: there is no area that they could share")
def same_is_one(boxes, others):
    a, b = boxes[:, None], others[None]
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    return torch.where((a == b).all(-1), 1.0, torch.where(union > 0, overlap / union.clamp(min=1e-9), 0.0))


@wrong("Your overlap is the box around both")
def box_around_both(boxes, others):
    a, b = boxes[:, None], others[None]
    overlap = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    return overlap / ((a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap)


@wrong("You divided by the box drawn around both")
def over_box_around_both(boxes, others):
    a, b = boxes[:, None], others[None]
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    around = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return torch.where(around > 0, overlap / around, 0.0)


@wrong("They hold it twice already")
def overlap_added(boxes, others):
    a, b = boxes[:, None], others[None]
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) + overlap
    return torch.where(union > 0, overlap / union, 0.0)


@wrong("All your numbers are 0")
def one_product(boxes, others):
    a, b = boxes[:, None], others[None]
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod()
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    return torch.where(union > 0, overlap / union, 0.0)


@wrong("it begins where the first of the two boxes begins")
def minimum_twice(boxes, others):
    a, b = boxes[:, None], others[None]
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    return torch.where(union > 0, overlap / union, 0.0)


@wrong("The sides of your overlap are one too long")
def plus_one_in_the_overlap(boxes, others):
    a, b = boxes[:, None], others[None]
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2]) + 1).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    return torch.where(union > 0, overlap / union, 0.0)


@wrong("until the last of the two boxes ends")
def maximum_twice(boxes, others):
    a, b = boxes[:, None], others[None]
    overlap = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    return torch.where(union > 0, overlap / union, 0.0)


@wrong("You took right times bottom for the area")
def area_of_corners(boxes, others):
    a, b = boxes[:, None], others[None]
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    return overlap / (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - overlap)


@wrong("a list of Python numbers")
def a_list(boxes, others):
    return [[0.5 for _ in others] for _ in boxes]


@wrong("You return the IoU of each box")
def one_by_one(boxes, others):
    start, end = torch.maximum(boxes[:, :2], others[:, :2]), torch.minimum(boxes[:, 2:], others[:, 2:])
    overlap = (end - start).clamp(min=0).prod(-1)
    return overlap / ((boxes[:, 2:] - boxes[:, :2]).prod(-1) + (others[:, 2:] - others[:, :2]).prod(-1) - overlap)


@wrong("You compare the areas alone")
def areas_alone(boxes, others):
    a, b = ((x[:, 2:] - x[:, :2]).prod(-1) for x in (boxes, others))
    return torch.minimum(a[:, None], b) / torch.maximum(a[:, None], b).clamp(min=1e-9)


@wrong("Your overlaps are those")
def overlap_one_by_one(boxes, others):
    a, b = boxes[:, None], others[None]
    start, end = torch.maximum(boxes[:, :2], others[:, :2]), torch.minimum(boxes[:, 2:], others[:, 2:])
    overlap = (end - start).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    return torch.where(union > 0, overlap / union, 0.0)


@wrong("left is `a[..., 0]`")
def second_axis(boxes, others):
    a, b = boxes[:, None], others[None]
    width = torch.minimum(a[:, 2], b[:, 2]) - torch.maximum(a[:, 0], b[:, 0])
    height = torch.minimum(a[:, 3], b[:, 3]) - torch.maximum(a[:, 1], b[:, 1])
    return width * height


@wrong("`[:2]` takes boxes")
def first_axis(boxes, others):
    a, b = boxes[:, None], others[None]
    overlap = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(min=0).prod(-1)
    return overlap / ((a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap)
