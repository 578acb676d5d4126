"""Window: which values become black, which white, and the grays between (DICOM PS3.3 C.11.2.1.2.1)."""
import numpy as np
import pydicom
from pydicom.pixels import apply_windowing

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 5, 2
without = ["pydicom", "skimage"]
hints = [
    "Take one value, 40, and the window with center 40 and width 400. What does the formula above the cell make of it? And of 1000?",
    "The straight line is DICOM's formula, with `values` for x: mind its brackets. Beyond 0 and 1 it is cut off.",
    "`y = (values - (...)) / (...) + 0.5`, then `return np.clip(..., 0, 1)`.",
]
after = ("The half and the one come from counting whole numbers: center 128 and width 256 spread exactly the values 0 to 255. "
         "Another function of the standard, LINEAR_EXACT, does without them.")


def window(values, center, width):
    """What a screen shows of pixel values: 0 is black, 1 is white.

    values: an array of any shape. center, width: numbers, width >= 1.
    Returns a new float64 array of the same shape, all of it in [0, 1].
    """
    if width == 1:      # no room for a line: a threshold
        return (values > center - 0.5).astype(float)
    # BEGIN SOLUTION
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)
    # END SOLUTION


def by_pydicom(values, center, width):
    """What pydicom makes of it: one stored bit, so that its output runs from 0 to 1."""
    header = pydicom.Dataset()
    header.PhotometricInterpretation, header.BitsStored, header.PixelRepresentation = "MONOCHROME2", 1, 0
    header.WindowCenter, header.WindowWidth = float(center), float(width)
    return apply_windowing(values, header)


def by_hand(values, center, width):
    """The standard's three cases, one number at a time."""
    low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    shown = [0.0 if x <= low else 1.0 if x > high else (x - low) / (high - low) for x in values.flatten().tolist()]
    return np.array(shown).reshape(values.shape)


def check(answer, random):
    """PS3.3 C.11.2.1.2.1 by hand and by pydicom: Hounsfield units, then a threshold, then unsigned pixels of two frames."""
    center, width = random.randrange(30, 60), 2 * random.randrange(150, 200)
    ends = [center - 2 * width, center - width, center + width, center + 2 * width, center, center - 1]
    inside = [center + random.randrange(-width // 2 + 20, width // 2 - 20) for _ in range(14)]
    hounsfield = np.array(random.sample(ends + inside, 20), np.int16).reshape(4, 5)
    expected = by_hand(hounsfield, center, width)
    if not close(expected, by_pydicom(hounsfield, center, width), 1e-9):
        raise AssertionError("pydicom and the closed form disagree")
    shown = answer(hounsfield, center, width)
    expect_like(shown, expected)
    x = hounsfield.astype(float)

    def is_line(line):
        return close(shown, np.clip(line, 0, 1))

    suspect(close(shown, 255 * expected), "Your white is 255. Here it is 1: leave out the factor.")
    suspect(close(shown, (x - (center - .5)) / (width - 1) + .5), "The line goes on beyond the window: what lies outside is black (0) or white (1).")
    suspect(is_line((x - center) / width + .5), "That is LINEAR_EXACT, another function of the standard. LINEAR has half a value less in the center, "
            "and one less in the width.")
    suspect(is_line((x - center) / (width - 1) + .5), "The width is right. The line's middle is not the center, but half a value below it.")
    suspect(is_line((x - center - .5) / (width - 1) + .5), "Mind the brackets: center - 0.5 is subtracted as a whole, so that its half comes back with a plus.")
    suspect(is_line(x - (center - .5) / (width - 1) + .5), "Python divides before it subtracts: put brackets around all that stands above the line of the fraction.")
    suspect(is_line((x - (center - .5)) / width + .5), "The middle is right. Divide by width - 1: as many steps as there are between `width` values.")
    suspect(is_line((x - (center - .5)) / (width - 1)), "Your black begins at the center: the center is the middle of the window, and shows 0.5.")
    suspect(is_line((x - (center - .5)) / (2 * (width - 1)) + .5) or is_line((x - center) / (2 * width) + .5),
            "You went a whole width to each side of the center: the window is half as wide on either side.")
    suspect(is_line((x - (width - .5)) / (center - 1) + .5) or is_line((x - width) / center + .5), "Center and width have changed places.")
    suspect(is_line(.5 - (x - (center - .5)) / (width - 1)), "Black and white have changed places: larger values are brighter.")
    suspect(close(shown, np.where(x > center - .5 + (width - 1) / 2, 0, expected)), "What lies above the window is white, and yours is black.")
    suspect(close(shown, (x - x.min()) / (x.max() - x.min())) or close(shown, (np.clip(x, center - width / 2, center + width / 2) - x.min()) / (x.max() - x.min())),
            "You stretched from this picture's own smallest to its own largest value. The window is the same for every picture.")
    suspect(close(shown, (x > center - .5).astype(float)), "That is black and white without a gray: a threshold is what width 1 gives, and only width 1.")
    outside = (x < center - width) | (x > center + width)
    expect("black below the window, white above it", close(shown[outside], expected[outside]), "Far below the window a pixel should be 0, far above it 1.",
           points=1, got=shown, expected=expected)
    expect("the straight line in between", close(shown, expected), "The grays inside the window are not right yet.", points=1, got=shown, expected=expected)

    center = random.randrange(20, 60)
    steps = np.array([center - 9, center - 1, center - .5, center - .25, center, center + 9])
    expected = by_hand(steps, center, 1)
    shown = answer(steps, center, 1)
    suspect(hasattr(shown, "dtype") and shown.dtype.kind == "f" and shown.shape == steps.shape and np.isnan(shown).any(),
            "Width 1, and a pixel that is exactly center - 0.5: you divided 0 by 0, which is no number (NaN). The standard says: black.")
    expect_like(shown, expected)
    suspect(close(shown, (steps >= center - .5).astype(float)), "With width 1 a pixel of exactly center - 0.5 is still black; white is what lies above it.")
    expect("width 1 is a threshold", close(shown, expected), "With width 1 all up to center - 0.5 is black, all above it white.",
           got=shown, expected=expected)

    center, width = random.randrange(900, 1200), 2 * random.randrange(150, 200) + 1
    stored = np.array([random.randrange(center - width, center + width) for _ in range(14)] + [0, 4095], np.uint16).reshape(2, 2, 4)
    expected = by_hand(stored, center, width)
    shown = answer(stored, center, width)
    expect_like(shown, expected)
    wrapped = (stored - np.uint16(center)).astype(float)
    suspect(any(close(shown, np.clip((wrapped + half) / (width - one) + .5, 0, 1)) for half in (0, .5) for one in (0, 1)),
            lambda: f"Unsigned whole numbers know no minus: here 0 - {center} is {65536 - center}, and the darkest pixels turn white. "
            "Bring in a real number first: `center - 0.5` is one.")
    expect("the same for unsigned pixels and for many frames", close(shown, expected) and close(expected, by_pydicom(stored, center, width)),
           "Unsigned pixels (uint16) of two frames come out wrong.", points=1, got=shown.reshape(4, 4), expected=expected.reshape(4, 4))


@right
def by_ends(values, center, width):
    low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    shown = np.where(values > high, 1.0, 0.0)
    between = (values > low) & (values <= high)
    shown[between] = (values[between] - low) / (high - low)
    return shown


@right
def by_interpolation(values, center, width):
    low = center - 0.5 - (width - 1) / 2
    if width > 1:
        return np.interp(values, [low, low + width - 1], [0.0, 1.0])
    return np.where(values <= low, 0.0, 1.0)


@right
def nearly_zero(values, center, width):
    values = np.asarray(values, dtype=float)
    return ((values - (center - 0.5 - (width - 1) / 2)) / max(width - 1, 1e-12)).clip(0, 1)


@wrong("That is LINEAR_EXACT")
def exact(values, center, width):
    return np.clip((values - float(center)) / width + 0.5, 0, 1)


@wrong("The line goes on beyond the window")
def never_clipped(values, center, width):
    return (values - (center - 0.5)) / (width - 1) + 0.5


@wrong("Your white is 255")
def eight_bits(values, center, width):
    return 255 * np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


@wrong("The numbers should be float64, yours are uint8")
def as_bytes(values, center, width):
    return (255 * np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)).astype(np.uint8)


@wrong("The middle is right. Divide by width - 1")
def width_not_less_one(values, center, width):
    return np.clip((values - (center - 0.5)) / width + 0.5, 0, 1)


@wrong("The width is right")
def no_half(values, center, width):
    return np.clip((values - float(center)) / (width - 1) + 0.5, 0, 1)


@wrong("Mind the brackets")
def half_subtracted(values, center, width):
    return np.clip((values - center - 0.5) / (width - 1) + 0.5, 0, 1)


@wrong("Your black begins at the center")
def from_the_center(values, center, width):
    return np.clip((values - (center - 0.5)) / (width - 1), 0, 1)


@wrong("a whole width to each side")
def twice_as_wide(values, center, width):
    return np.clip((values - (center - width)) / (2 * width), 0, 1)


@wrong("own smallest to its own largest")
def stretched(values, center, width):
    return (values - values.min()) / (values.max() - values.min())


@wrong("Python divides before it subtracts")
def divides_first(values, center, width):
    return np.clip(values - (center - 0.5) / (width - 1) + 0.5, 0, 1)


@wrong("What lies above the window is white")
def zero_outside(values, center, width):
    shown = (values - (center - 0.5)) / (width - 1) + 0.5
    shown[(shown < 0) | (shown > 1)] = 0
    return shown


@wrong("Unsigned whole numbers know no minus")
def wraps(values, center, width):
    if width == 1:
        return (values > center - 0.5).astype(float)
    return np.clip((values - center + 0.5) / (width - 1) + 0.5, 0, 1)


@wrong("neither true nor false")
def one_if_for_all(values, center, width):
    shown = (values - (center - 0.5)) / (width - 1) + 0.5
    if shown < 0:
        shown = 0
    return shown


@wrong("The numbers should be float64, yours are bool")
def true_and_false(values, center, width):
    if width == 1:
        return values > center - 0.5
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


@wrong("you divided 0 by 0")
def no_threshold(values, center, width):
    low = center - 0.5 - (width - 1) / 2
    return ((values - low) / (width - 1)).clip(0, 1)


@wrong("exactly center - 0.5 is still black")
def white_at_the_edge(values, center, width):
    if width == 1:
        return (values >= center - 0.5).astype(float)
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


@wrong("changed its argument `values` in place")
def in_place(values, center, width):
    low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    values[values < low] = low
    values[values > high] = high
    return (values - low) / (high - low)


@wrong("without a gray")
def always_a_threshold(values, center, width):
    return np.where(values > center - 0.5, 1.0, 0.0)
