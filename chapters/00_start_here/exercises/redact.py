"""Redact: blacken the boxes in which letters stand, in every frame."""
import numpy as np

from medcrypt_lab.exercises import expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 5, 2
hints = [
    "A picture's first index is the row, which says how far down; a box begins with left. Which number of the box counts rows?",
    "`clean[..., rows, columns] = black` reaches every frame: the `...` in square brackets stands for all axes before the last two.",
    "`black = pixels.max() if photometric == ... else pixels.min()`; then one line, with `top:bottom` for the rows.",
]
after = ("The letters are gone for good: no header, no window and no filter brings them back. A box drawn over them by the viewer "
         "(an overlay) or by the header would leave them in the file.")


def redact(pixels, boxes, photometric):
    """The same pixels with black boxes.

    pixels: whole numbers, (rows, columns) or (frames, rows, columns).
    boxes: a list of [left, top, right, bottom], for all frames; right and
      bottom are the first column and row outside.
    photometric: "MONOCHROME2": the smallest number of these pixels is
      their black; "MONOCHROME1": the largest is.
    Returns a new array of the same shape and type.
    """
    clean = pixels.copy()
    for left, top, right, bottom in boxes:
        left, top = max(0, left), max(0, top)   # it may begin outside
        # BEGIN SOLUTION
        black = pixels.max() if photometric == "MONOCHROME1" else pixels.min()
        clean[..., top:bottom, left:right] = black
        # END SOLUTION
    return clean


def covered(shape, boxes):
    """Which pixels lie in one of the boxes: bool (rows, columns), asked pixel by pixel."""
    return np.array([[any(left <= x < right and top <= y < bottom for left, top, right, bottom in boxes) for x in range(shape[-1])] for y in range(shape[-2])])


def same(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and bool((a == b).all())


def check(answer, random):
    """Boxes that no mistake turns into each other: not square, not on the diagonal, in a picture that is not square either."""
    rows, columns = 14, 20
    left, top = random.randrange(10, 12), random.randrange(2, 4)
    boxes = [[left, top, left + 6, top + 3], [random.randrange(1, 3), random.randrange(8, 10), 7, 12]]
    pixels = (random.numpy().integers(-900, 1500, (rows, columns))).astype(np.int16)
    inside = covered(pixels.shape, boxes)
    clean = answer(pixels, boxes, "MONOCHROME2")
    expect_like(clean, pixels)
    touched = clean != pixels

    def is_touched(by):
        """Are the changed pixels those of these boxes (but for pixels that were black already)?"""
        return bool((touched & ~by).sum() == 0 and touched[by].mean() > .9) if by.any() else not touched.any()

    suspect(not touched.any(), "The pixels are as they were. The name can still be read.")
    suspect(is_touched(covered(pixels.shape, [[t, l, b, r] for l, t, r, b in boxes])), "Rows and columns have changed places: an array is indexed by row (down) first, "
            "a box begins with its left column.")
    suspect(is_touched(covered(pixels.shape, [[l, t, r + 1, b + 1] for l, t, r, b in boxes])), "Your boxes are one pixel too wide and too high: right and bottom are the "
            "first pixels outside, as Python's slices want them.")
    suspect(is_touched(covered(pixels.shape, [[l, t, r - 1, b - 1] for l, t, r, b in boxes])) or is_touched(covered(pixels.shape, [[l + 1, t + 1, r, b] for l, t, r, b in boxes])),
            "A line of pixels at the edge of each box is left over. `top:bottom` already ends one before bottom.")
    suspect(is_touched(covered(pixels.shape, [[l, t, l + r, t + b] for l, t, r, b in boxes])), "You read the box as left, top, width, height. Its last two numbers are right and bottom.")
    suspect(is_touched(covered(pixels.shape, boxes[-1:])), "Only the last box is black: each round of your loop begins with a new copy.")
    suspect(is_touched(covered(pixels.shape, boxes[:1])), "Only the first box is black: your loop returns too early.")
    suspect(same(clean, np.where(inside, pixels, pixels.min())), "You kept what is in the boxes and blackened everything else.")
    expect("changes the boxes, and nothing else", not touched[~inside].any() and touched[inside].mean() > .9,
           lambda: f"{int((clean == pixels)[inside].sum())} of {int(inside.sum())} pixels in the boxes are as they were, and {int(touched[~inside].sum())} outside them changed.",
           points=1, got=clean, expected=np.where(inside, pixels.min(), pixels))
    suspect((clean[inside] == 0).all(), "You wrote 0. In this signed picture 0 is a middle gray, and in a CT scan it may be water: take its darkest number.")
    suspect((clean[inside] == pixels.max()).all(), "Your boxes are white. In MONOCHROME2 small numbers are dark.")
    suspect((clean[inside] == pixels[inside].min()).all() or any((clean[y:b, x:r] == pixels[y:b, x:r].min()).all() for x, y, r, b in boxes[:1]),
            "You took the darkest number inside the box. The black is that of the whole picture.")
    expect("black is the picture's own darkest number", (clean[inside] == pixels.min()).all(), "The boxes are filled, but not with the smallest number of the picture.",
           points=1, got=clean, expected=np.where(inside, pixels.min(), pixels))

    beyond = [[-3, 4, 5, 7], [15, -2, columns + 4, 2], [6, 11, 9, rows + 3]]
    pixels = (random.numpy().integers(10, 250, (rows, columns))).astype(np.uint8)
    expected = np.where(covered(pixels.shape, beyond), pixels.min(), pixels)
    clean = answer(pixels, beyond, "MONOCHROME2")
    expect_like(clean, pixels)
    here = covered(pixels.shape, beyond[:1])
    suspect(same(clean[here], pixels[here]), "A box that begins left of the picture was not blackened: to Python -3 is the third column from the right. Begin at 0.")
    expect("boxes that reach beyond the picture", same(clean, expected), "A box that begins or ends beyond the picture is not right yet.", got=clean, expected=expected)

    film = (random.numpy().integers(200, 4000, (3, rows, columns))).astype(np.uint16)
    clean, expected = answer(film, boxes, "MONOCHROME1"), np.where(inside, film.max(), film)
    expect_like(clean, film)
    suspect(same(clean, np.where(inside, film.min(), film)), "This picture is MONOCHROME1, where the smallest number is white: your boxes shine. Its black is the largest.")
    changed = [bool((clean[i] != film[i]).any()) for i in range(3)]
    suspect(changed == [True, False, False], "Three frames, and the name is left in two of them: you reached the first frame only.")
    flat = [film.copy(), film.copy()]
    for x, y, r, b in boxes:
        flat[0][y:b, x:r], flat[1][y:b, x:r] = film.max(), film.min()
    suspect(any(same(clean, each) for each in flat), "With several frames your slices cut frames and rows, not rows and columns. "
            "The last two axes are the picture: `[..., rows, columns]`.")
    expect("every frame, and MONOCHROME1", same(clean, expected), "With three frames, in MONOCHROME1, the boxes are not right yet.", points=1, got=clean, expected=expected)


@right
def by_mask(pixels, boxes, photometric):
    rows, columns = np.indices(pixels.shape[-2:])
    inside = np.zeros(pixels.shape[-2:], bool)
    for left, top, right, bottom in boxes:
        inside |= (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    return np.where(inside, pixels.min() if photometric == "MONOCHROME2" else pixels.max(), pixels)


@right
def frame_by_frame(pixels, boxes, photometric):
    black = {"MONOCHROME1": np.max, "MONOCHROME2": np.min}[photometric](pixels)
    clean = np.array(pixels)
    for frame in clean if clean.ndim == 3 else [clean]:
        for box in boxes:
            left, top, right, bottom = (max(0, side) for side in box)
            frame[top:bottom, left:right] = black
    return clean


@wrong("changed its argument `pixels` in place")
def in_place(pixels, boxes, photometric):
    for left, top, right, bottom in boxes:
        pixels[..., top:bottom, left:right] = pixels.min()
    return pixels


@wrong("Rows and columns have changed places")
def swapped(pixels, boxes, photometric):
    clean = pixels.copy()
    for left, top, right, bottom in boxes:
        clean[..., left:right, top:bottom] = pixels.min()
    return clean


@wrong("one pixel too wide and too high")
def too_wide(pixels, boxes, photometric):
    clean = pixels.copy()
    for left, top, right, bottom in boxes:
        clean[..., top:bottom + 1, left:right + 1] = pixels.min()
    return clean


@wrong("A line of pixels at the edge")
def too_narrow(pixels, boxes, photometric):
    clean = pixels.copy()
    for left, top, right, bottom in boxes:
        clean[..., top:bottom - 1, left:right - 1] = pixels.min()
    return clean


@wrong("You read the box as left, top, width, height")
def width_and_height(pixels, boxes, photometric):
    clean = pixels.copy()
    for left, top, width, height in boxes:
        clean[..., top:top + height, left:left + width] = pixels.min()
    return clean


@wrong("Only the last box is black")
def last_box(pixels, boxes, photometric):
    for left, top, right, bottom in boxes:
        clean = pixels.copy()
        clean[..., top:bottom, left:right] = pixels.min()
    return clean


@wrong("Only the first box is black")
def first_box(pixels, boxes, photometric):
    clean = pixels.copy()
    for left, top, right, bottom in boxes:
        clean[..., top:bottom, left:right] = pixels.min()
        return clean


@wrong("You wrote 0")
def zeros(pixels, boxes, photometric):
    clean = pixels.copy()
    for left, top, right, bottom in boxes:
        clean[..., max(0, top):bottom, max(0, left):right] = 0
    return clean


@wrong("Your boxes are white")
def brightest(pixels, boxes, photometric):
    clean = pixels.copy()
    for left, top, right, bottom in boxes:
        clean[..., max(0, top):bottom, max(0, left):right] = pixels.max()
    return clean


@wrong("your boxes shine")
def ignores_photometric(pixels, boxes, photometric):
    clean = pixels.copy()
    for left, top, right, bottom in boxes:
        clean[..., max(0, top):bottom, max(0, left):right] = pixels.min()
    return clean


@wrong("your slices cut frames and rows")
def without_ellipsis(pixels, boxes, photometric):
    clean, black = pixels.copy(), pixels.max() if photometric == "MONOCHROME1" else pixels.min()
    for left, top, right, bottom in boxes:
        clean[max(0, top):bottom, max(0, left):right] = black
    return clean


@wrong("you reached the first frame only")
def first_frame(pixels, boxes, photometric):
    clean, black = pixels.copy(), pixels.max() if photometric == "MONOCHROME1" else pixels.min()
    picture = clean[0] if clean.ndim == 3 else clean
    for left, top, right, bottom in boxes:
        picture[max(0, top):bottom, max(0, left):right] = black
    return clean


@wrong("-3 is the third column from the right")
def negative_index(pixels, boxes, photometric):
    clean, black = pixels.copy(), pixels.max() if photometric == "MONOCHROME1" else pixels.min()
    for left, top, right, bottom in boxes:
        clean[..., top:bottom, left:right] = black
    return clean


@wrong("blackened everything else")
def cropped(pixels, boxes, photometric):
    clean = np.full_like(pixels, pixels.min())
    for left, top, right, bottom in boxes:
        clean[..., top:bottom, left:right] = pixels[..., top:bottom, left:right]
    return clean


@wrong("The numbers should be int16, yours are float64")
def reals(pixels, boxes, photometric):
    clean = pixels.astype(float)
    for left, top, right, bottom in boxes:
        clean[..., top:bottom, left:right] = pixels.min()
    return clean
