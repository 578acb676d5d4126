"""From stored whole numbers to a network's [0, 1]: rescale, bits, sign, and which end is white."""
import numpy as np
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 7, 3
without = ["pydicom", "skimage"]
hints = [
    "Three steps, in this order: stored numbers to real values, real values to [0, 1], and at the very end perhaps upside down.",
    "`low` shall become 0 and `high` 1: how far is a value above low, as a part of the way to high? Beyond 0 and 1, clip.",
    "`values = slope * stored.astype(float) + intercept`; `unit = np.clip(..., 0, 1)`; then `if header[...] == \"MONOCHROME1\":` turn unit over.",
]
after = ("Without low and high, slope and intercept cancel: then the same tissue gets another number whenever a scanner stores other bits. "
         "With them, -1000 to 400 Hounsfield units say, a number means the same in every file.")


def to_unit_range(stored, header, low=None, high=None):
    """One picture for a network: 0 is darkest, 1 is brightest.

    stored: (rows, columns) whole numbers, as pixel_array gives them.
    header: a dict from keyword to value.
    low, high: the real values that become 0 and 1; what lies beyond is
      clipped. If None: the ends of what so many bits can hold.
    Returns a float32 tensor (1, rows, columns).
    """
    slope = header.get("RescaleSlope", 1)           # 1 where it is absent
    intercept = header.get("RescaleIntercept", 0)
    if low is None:
        bits, signed = header["BitsStored"], header["PixelRepresentation"]
        low = slope * (-2 ** (bits - 1) if signed else 0) + intercept
        high = low + slope * (2 ** bits - 1)
    # `unit`, (rows, columns): 0 at low, 1 at high, not yet a tensor
    # BEGIN SOLUTION
    values = stored.astype(float) * slope + intercept
    unit = np.clip((values - low) / (high - low), 0, 1)
    if header["PhotometricInterpretation"] == "MONOCHROME1":
        unit = 1 - unit
    # END SOLUTION
    return torch.tensor(unit, dtype=torch.float32)[None]


def by_hand(stored, header, low, high, **wrongly):
    """The unit range one number at a time; `wrongly` changes the header, to see what a forgotten piece of it gives."""
    header = {"RescaleSlope": 1, "RescaleIntercept": 0, **header, **wrongly}
    slope, intercept, bits = header["RescaleSlope"], header["RescaleIntercept"], header["BitsStored"]
    if low is None:
        half = 2 ** (bits - 1) if header["PixelRepresentation"] else 0
        low, high = slope * -half + intercept, slope * (2 ** bits - 1 - half) + intercept
    unit = [min(1.0, max(0.0, (slope * x + intercept - low) / (high - low))) for x in stored.flatten().tolist()]
    unit = [1 - y for y in unit] if header["PhotometricInterpretation"] == "MONOCHROME1" else unit
    return torch.tensor(unit, dtype=torch.float64).reshape(1, *stored.shape)


def picture(random, kind, low, high, wanted=()):
    """A 4 x 4 picture of whole numbers; neither `low` nor `high` is in it, unless wanted."""
    numbers = [*wanted, *(random.randrange(low, high) for _ in range(16 - len(wanted)))]
    return np.array(random.sample(numbers, 16), kind).reshape(4, 4)


def check(answer, random):
    """PS3.3 C.7.6.3.1 and C.11.1.1.2 by hand: twelve bits in sixteen, signed, Hounsfield units between two ends, MONOCHROME1."""
    plain = {"BitsStored": 12, "PixelRepresentation": 0, "PhotometricInterpretation": "MONOCHROME2"}
    stored = picture(random, np.uint16, 300, 3500)
    unit = answer(stored, plain)
    expected = by_hand(stored, plain, None, None)
    whole = torch.from_numpy(stored.astype(float))
    suspect(hasattr(unit, "shape") and tuple(unit.shape) == (4, 4), "A network wants its channels first, also where there is only one: (1, rows, columns), not (rows, columns).")
    expect_like(unit, expected.float())

    def is_each(other):
        return close(unit, other.float().reshape(1, 4, 4), 1e-5)

    suspect(is_each((whole - whole.min()) / (whole.max() - whole.min())), "You stretched from this picture's own smallest to its own largest number. "
            "Then each picture has a scale of its own, and one bright pixel darkens all the others.")
    suspect(is_each(whole / whole.max()), "You divided by this picture's own largest number. What counts is the largest that the bits can hold.")
    suspect(is_each(whole / 65535), "You divided by 65535, the largest number of 16 bits. Twelve of them are used (BitsStored): the picture would be nearly black.")
    suspect(is_each((whole / 255).clamp(0, 1)) or is_each(whole / 255), "You divided by 255, which is white in 8 bits. This file stores 12.")
    suspect(is_each(whole / 4096), "You divided by 4096. Twelve bits hold 4096 numbers, the largest of which is 4095.")
    suspect(is_each(whole), "These are the stored numbers as they were: nothing brought them into [0, 1].")

    wide = {**plain, "BitsStored": 13, "PixelRepresentation": 1}
    below_zero = picture(random, np.int16, -4000, 3900, wanted=(-4096, -5, 4095))
    unit_below = answer(below_zero, wide)
    expect_like(unit_below, expected.float())
    expected_below = by_hand(below_zero, wide, None, None)
    suspect(close(unit, expected.float(), 1e-5) and unit_below.min() < 0, "With signed pixels some of your numbers are below 0. "
            "PixelRepresentation is 1: 13 bits with a sign begin at -4096, and that becomes 0.")
    suspect(close(unit_below, by_hand(below_zero, wide, None, None, PixelRepresentation=0).float(), 1e-5), "All negative numbers became 0. "
            "PixelRepresentation is 1: 13 bits with a sign hold -4096 to 4095.")
    suspect(close(unit_below, by_hand(below_zero, wide, -4095, 4095).float(), 1e-5) or close(unit_below, by_hand(below_zero, wide, -4096, 4096).float(), 1e-5),
            "The signed range is not even: 13 bits hold -4096 to 4095, for zero takes a place.")
    expect("the range of the bits, with a sign and without", close(unit, expected.float(), 1e-5) and close(unit_below, expected_below.float(), 1e-5),
           "The smallest number that the bits can hold should become 0, the largest 1.", points=1,
           got=unit_below if close(unit, expected.float(), 1e-5) else unit, expected=expected_below if close(unit, expected.float(), 1e-5) else expected)

    slope, intercept, low, high = random.choice([.5, 2.0, 3.0]), -1000.0 - random.randrange(100), -900.0, 300.0 + random.randrange(100)
    scanner = {**plain, "RescaleSlope": slope, "RescaleIntercept": intercept}
    zero = round(-intercept / slope)
    inside = [round((value - intercept) / slope) for value in (low + 60, low + 300, high - 20)]
    ct = picture(random, np.uint16, zero - 10, zero + 60, wanted=(0, 1, 4000, *inside))
    unit_ct, expected_ct = answer(ct, scanner, low, high), by_hand(ct, scanner, low, high)
    expect_like(unit_ct, expected.float())
    x = torch.from_numpy(ct.astype(float))[None]
    suspect(close(unit_ct, by_hand(ct, scanner, low, high, RescaleSlope=1, RescaleIntercept=0).float(), 1e-5) or close(unit_ct, ((x - low) / (high - low)).float(), 1e-4),
            "low and high are real values, and you measured the stored numbers by them: rescale first, slope * stored + intercept.")
    suspect(close(unit_ct, by_hand(ct, scanner, low, high, RescaleSlope=1).float(), 1e-5), "You added the intercept and forgot the slope.")
    suspect(close(unit_ct, by_hand(ct, scanner, low, high, RescaleIntercept=0).float(), 1e-5), "You multiplied by the slope and forgot the intercept.")
    suspect(close(unit_ct, by_hand(ct, scanner, low, high, RescaleIntercept=slope * intercept).float(), 1e-5), "You added first and multiplied then. It is slope * stored + intercept.")
    suspect(close(unit_ct, by_hand(ct, scanner, None, None).float(), 1e-5), "low and high were given here, and you did not use them.")
    suspect(close(unit_ct, ((slope * x + intercept - low) / (high - low)).float(), 1e-4), "With low and high, some pixels left [0, 1]: what lies beyond is clipped.")
    suspect(unit_ct.std() > 0 and close(unit_ct, (x.clamp(low, high) - low).float() / (high - low), 1e-5), "You clipped before the rescale.")
    water, expected_water = answer(ct, scanner, 0.0, high), by_hand(ct, scanner, 0.0, high)
    expect_like(water, expected.float())
    suspect(close(water, by_hand(ct, scanner, intercept, high).float(), 1e-5), "Here low was 0.0, and you took the smallest of the bits instead: to `if` and `or` "
            "zero is as false as None. Ask `low is None`.")
    expect("real values between low and high", close(water, expected_water.float(), 1e-5) and close(unit_ct, expected_ct.float(), 1e-5), "With low and high the values are not right yet.",
           points=1, got=unit_ct, expected=expected_ct)
    whole_numbers = {**plain, "RescaleSlope": 2, "RescaleIntercept": -1024}      # where uint16 stays uint16 there is no minus
    rescaled, expected_rescaled = answer(stored, whole_numbers), by_hand(stored, whole_numbers, None, None)
    expect_like(rescaled, expected.float())
    expect("the rescaled range of the bits", close(rescaled, expected_rescaled.float(), 1e-5), "Without low and high, and with a rescale: you rescaled the pixels, "
           "but not the two ends of the bits' range. They are stored numbers, too.", points=1, got=rescaled, expected=expected_rescaled)

    film = {**plain, "BitsStored": 10, "PhotometricInterpretation": "MONOCHROME1"}
    dark = picture(random, np.uint16, 0, 1023, wanted=(0, 1023))
    unit_film, expected_film = answer(dark, film), by_hand(dark, film, None, None)
    expect_like(unit_film, expected.float())
    suspect(close(unit_film, 1 - expected_film.float(), 1e-5), "This file is MONOCHROME1: its large numbers are dark, and pixel_array leaves them so. Bones would be black.")
    suspect(close(unit_film, expected_film.float() - 1, 1e-5), "For MONOCHROME1 you turned the sign and the picture left [0, 1]. Take it from 1.")
    part, expected_part = answer(dark, film, 100.0, 900.0), by_hand(dark, film, 100.0, 900.0)
    expect_like(part, expected.float())
    expect("MONOCHROME1 is turned over, at the end", close(unit_film, expected_film.float(), 1e-5) and close(part, expected_part.float(), 1e-5),
           "Where large is dark: first bring the values into [0, 1] as always, then take them from 1.", points=1, got=part, expected=expected_part)


@right
def by_ends(stored, header, low=None, high=None):
    def real(x):
        return x * header.get("RescaleSlope", 1.0) + header.get("RescaleIntercept", 0.0)
    n = header["BitsStored"]
    smallest, largest = (-2 ** (n - 1), 2 ** (n - 1) - 1) if header["PixelRepresentation"] == 1 else (0, 2 ** n - 1)
    low, high = (real(smallest), real(largest)) if low is None else (low, high)
    x = torch.from_numpy(real(stored.astype(np.float64)))
    x = ((x - low) / (high - low)).clamp(0, 1)
    return (1 - x if header["PhotometricInterpretation"] == "MONOCHROME1" else x).float().unsqueeze(0)


@right
def by_interpolation(stored, header, low=None, high=None):
    slope, intercept = header.get("RescaleSlope", 1), header.get("RescaleIntercept", 0)
    n, signed = header["BitsStored"], header["PixelRepresentation"]
    if low is None:
        low, high = ((x - signed * 2 ** (n - 1)) * slope + intercept for x in (0, 2 ** n - 1))
    ends = [1.0, 0.0] if header["PhotometricInterpretation"] == "MONOCHROME1" else [0.0, 1.0]
    return torch.tensor(np.interp(slope * stored.astype(float) + intercept, [low, high], ends), dtype=torch.float32).reshape(1, *stored.shape)


def variant(stored, header, low, high, **change):
    """The course's answer with a changed header."""
    return by_hand(stored, header, low, high, **change).float()


@wrong("stretched from this picture's own smallest")
def own_range(stored, header, low=None, high=None):
    x = torch.tensor(stored.astype(float), dtype=torch.float32)[None]
    return (x - x.min()) / (x.max() - x.min())


@wrong("by this picture's own largest number")
def own_largest(stored, header, low=None, high=None):
    return torch.tensor(stored / stored.max(), dtype=torch.float32)[None]


@wrong("the largest number of 16 bits")
def by_type(stored, header, low=None, high=None):
    return torch.tensor(stored / np.iinfo(stored.dtype).max, dtype=torch.float32)[None]


@wrong("which is white in 8 bits")
def as_eight_bits(stored, header, low=None, high=None):
    return torch.tensor(stored / 255, dtype=torch.float32)[None].clamp(0, 1)


@wrong("Twelve bits hold 4096 numbers")
def one_too_many(stored, header, low=None, high=None):
    return torch.tensor(stored / 2 ** header["BitsStored"], dtype=torch.float32)[None]


@wrong("All negative numbers became 0")
def without_a_sign(stored, header, low=None, high=None):
    return variant(stored, header, low, high, PixelRepresentation=0)


@wrong("some of your numbers are below 0")
def below_zero(stored, header, low=None, high=None):
    return torch.tensor(stored / (2 ** header["BitsStored"] - 1), dtype=torch.float32)[None]


@wrong("for zero takes a place")
def even_range(stored, header, low=None, high=None):
    half = 2 ** (header["BitsStored"] - 1)
    if low is None and header["PixelRepresentation"]:
        low, high = -half, half
    return variant(stored, header, low, high)


@wrong("you measured the stored numbers by them")
def no_rescale(stored, header, low=None, high=None):
    return variant(stored, header, low, high, RescaleSlope=1, RescaleIntercept=0)


@wrong("forgot the slope")
def no_slope(stored, header, low=None, high=None):
    return variant(stored, header, low, high, RescaleSlope=1)


@wrong("forgot the intercept")
def no_intercept(stored, header, low=None, high=None):
    return variant(stored, header, low, high, RescaleIntercept=0)


@wrong("You added first and multiplied then")
def added_first(stored, header, low=None, high=None):
    slope = header.get("RescaleSlope", 1)
    return variant(stored, header, low, high, RescaleIntercept=slope * header.get("RescaleIntercept", 0))


@wrong("you did not use them")
def ignores_the_ends(stored, header, low=None, high=None):
    return variant(stored, header, None, None)


@wrong("what lies beyond is clipped")
def never_clipped(stored, header, low=None, high=None):
    if low is None:
        return variant(stored, header, low, high)
    values = stored.astype(float) * header.get("RescaleSlope", 1) + header.get("RescaleIntercept", 0)
    return torch.tensor((values - low) / (high - low), dtype=torch.float32)[None]


@wrong("you rescaled the pixels, but not the two ends")
def ends_not_rescaled(stored, header, low=None, high=None):
    if low is None:
        half = 2 ** (header["BitsStored"] - 1) if header["PixelRepresentation"] else 0
        low, high = -half, 2 ** header["BitsStored"] - 1 - half
    return variant(stored, header, low, high)


@wrong("Python integer -1024 out of bounds for uint16")
def stays_unsigned(stored, header, low=None, high=None):
    values = header.get("RescaleSlope", 1) * stored + header.get("RescaleIntercept", 0)
    if low is None:
        half = 2 ** (header["BitsStored"] - 1) if header["PixelRepresentation"] else 0
        low, high = -half, 2 ** header["BitsStored"] - 1 - half
    unit = torch.tensor(((values - low) / (high - low)).clip(0, 1), dtype=torch.float32)[None]
    return 1 - unit if header["PhotometricInterpretation"] == "MONOCHROME1" else unit


@wrong("Ask `low is None`")
def zero_is_false(stored, header, low=None, high=None):
    slope, intercept = header.get("RescaleSlope", 1), header.get("RescaleIntercept", 0)
    half = 2 ** (header["BitsStored"] - 1) if header["PixelRepresentation"] else 0
    low = low or slope * -half + intercept
    high = high or slope * (2 ** header["BitsStored"] - 1 - half) + intercept
    return variant(stored, header, low, high)


@wrong("This file is MONOCHROME1")
def never_turned(stored, header, low=None, high=None):
    return variant(stored, header, low, high, PhotometricInterpretation="MONOCHROME2")


@wrong("then take them from 1")
def turned_too_early(stored, header, low=None, high=None):
    if header["PhotometricInterpretation"] == "MONOCHROME1":
        stored = (2 ** header["BitsStored"] - 1 - stored.astype(int))
    return variant(stored, header, low, high, PhotometricInterpretation="MONOCHROME2")


@wrong("For MONOCHROME1 you turned the sign")
def minus(stored, header, low=None, high=None):
    unit = variant(stored, header, low, high, PhotometricInterpretation="MONOCHROME2")
    return -unit if header["PhotometricInterpretation"] == "MONOCHROME1" else unit


@wrong("A network wants its channels first")
def no_channel(stored, header, low=None, high=None):
    return variant(stored, header, low, high)[0]


@wrong("The numbers should be float32, yours are float64")
def doubles(stored, header, low=None, high=None):
    return variant(stored, header, low, high).double()


@wrong("Expected a float32 tensor of shape (1, 4, 4), got a")
def an_array(stored, header, low=None, high=None):
    return variant(stored, header, low, high).numpy()
