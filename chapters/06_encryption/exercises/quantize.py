"""Fixed point: fractions as whole numbers, and back from what is left of them modulo t."""
import numpy as np

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

functions = ("quantize", "dequantize")
points, minutes, difficulty = 4, 8, 2
hints = [
    "Going in, 0.75 with 6 bits is the whole number 48: how many 64ths is it? Coming out, which residues stand for negative numbers?",
    "In: multiply by 2**bits, round to the nearest, make it int64. Out: of the residues 0 to t - 1 the upper half means r - t; then divide.",
    "`np.round(values * 2**bits).astype(...)`; and `np.where(residues > t // 2, ..., residues) / 2**bits`.",
]
after = "A product of two such numbers has 2 * bits fractional bits, and a square doubles them again: whoever decodes must know how often."


def quantize(values, bits):
    """Whole numbers of steps of 1 / 2**bits, rounded to the nearest.

    values: a float64 array, of either sign. bits: from 1 to 40.
    Returns int64 of the same shape: 0.75 with 6 bits is 48.
    np.round rounds; .astype(np.int64) alone cuts off.
    """
    # BEGIN SOLUTION
    return np.round(values * 2**bits).astype(np.int64)
    # END SOLUTION


def dequantize(residues, bits, t):
    """The fractions behind residues modulo t.

    residues: int64, from 0 to t - 1, t odd. The upper half stands for
    negative numbers: t - 1 for -1. Returns float64 of the same shape.
    np.where(condition, a, b) chooses number by number.
    """
    # BEGIN SOLUTION
    signed = np.where(residues > t // 2, residues - t, residues)
    return signed / 2**bits
    # END SOLUTION


def check(answer, random):
    """Each against numbers built from the other side: whole steps plus a remainder that shows which way was rounded."""
    for shape, bits in (((3, 4), 6), ((7,), 9)):
        steps = np.array([random.choice((-1, 1)) * random.randrange(3, 900) for _ in range(int(np.prod(shape)))]).reshape(shape)
        rests = np.resize([0.3, -0.3, 0.4, -0.4], shape)
        values = (steps + rests) / 2**bits
        got = answer.quantize(values, bits)
        suspect(isinstance(got, np.ndarray) and got.dtype == np.float64 and close(got, steps.astype(float)), "Rightly rounded, but still float64: `.astype(np.int64)` at the end.")
        expect_like(got, steps)
        suspect(close(got, np.trunc(steps + rests).astype(np.int64), 0), "You cut the fraction off instead of rounding: errors of up to a whole step, always toward 0.")
        suspect(close(got, np.floor(steps + rests).astype(np.int64), 0), "You always rounded down: errors of up to a whole step. The nearest is asked for.")
        suspect(close(got, np.round(values).astype(np.int64) * 2**bits, 0), "You rounded first and scaled then: all fractions are lost before they are counted.")
        suspect(close(got, np.round(values * bits).astype(np.int64), 0), "You multiplied by bits. A number with that many bits after the point counts steps of 1 / 2**bits.")
        suspect(close(got, np.round(values * 10**bits).astype(np.int64), 0), "Those are decimal digits: 10**bits. Binary ones are asked for.")
        suspect(close(got, abs(steps), 0), "The signs are gone.")
        expect("whole steps, rounded to the nearest", close(got, steps, 0), lambda: f"{values.flat[0]:.5f} with {bits} bits is {steps.flat[0]} steps; you gave {got.flat[0]}.",
               points=2 * (bits == 9))
    for t, bits in ((1032193, 6), (65537, 8)):
        half = t // 2
        signed = np.array([half, -half, 1, -1, 0, *(random.randrange(-half, half) for _ in range(7))])
        got = answer.dequantize(signed % t, bits, t)
        expected = signed / 2**bits
        suspect(close(got, signed), "Well centered, but still in steps: divide by 2**bits.")
        suspect(isinstance(got, np.ndarray) and close(got, signed // 2**bits, 0), "`//` throws away the fraction: `/`.")
        expect_like(got, expected)
        suspect(close(got, signed % t / 2**bits), lambda: f"The residue {t - 1} came back as {(t - 1) / 2**bits:.0f}; it stands for -1. Center: above t // 2 a residue r means r - t.")
        suspect(close(got, (signed % t - half) / 2**bits), "You moved all residues down by half of t: 0 must stay 0. Only the upper half means something else.")
        suspect(close(got, -signed / 2**bits), "All signs are the wrong way round: it is r - t, not t - r.")
        suspect(close(got, np.where(signed < 0, -signed, signed) / 2**bits), "The negative numbers came back positive: r - t, not t - r.")
        suspect(close(got[2:], expected[2:]) and not close(got[:2], expected[:2]), lambda: f"Nearly. With t = {t}, {half} is the largest positive number and {half + 1} stands for {-half}.")
        expect("centered and scaled back", close(got, expected, 1e-9), lambda: f"The residue {int(signed[5]) % t} with {bits} bits and t = {t} is {expected[5]:.4f}; you gave {got[5]:.4f}.",
               points=2 * (t == 65537))


@right
def by_python(values, bits):
    whole = [round(float(v) * (1 << bits)) for v in values.ravel()]
    return np.array(whole, dtype=np.int64).reshape(values.shape)


@right
def by_half_steps(values, bits):
    return np.floor(values * 2.0**bits + 0.5).astype("int64")


@wrong("always toward 0")
def cut(values, bits):
    return (values * 2**bits).astype(np.int64)


@wrong("still float64")
def floats(values, bits):
    return np.rint(values * 2**bits)


@wrong("rounded first and scaled then")
def early(values, bits):
    return np.round(values).astype(np.int64) * 2**bits


@wrong("You multiplied by bits")
def times_bits(values, bits):
    return np.round(values * bits).astype(np.int64)


@wrong("Those are decimal digits")
def decimal(values, bits):
    return np.round(values * 10**bits).astype(np.int64)


@wrong("it stands for -1", of="dequantize")
def never_centered(residues, bits, t):
    return residues / 2**bits


@wrong("0 must stay 0", of="dequantize")
def shifted(residues, bits, t):
    return (residues - t // 2) / 2**bits


@wrong("still in steps", of="dequantize")
def unscaled(residues, bits, t):
    return np.where(residues > t // 2, residues - t, residues) * 1.0


@wrong("throws away the fraction", of="dequantize")
def floored(residues, bits, t):
    return np.where(residues > t // 2, residues - t, residues) // 2**bits


@wrong("The negative numbers came back positive", of="dequantize")
def other_way(residues, bits, t):
    return np.where(residues > t // 2, t - residues, residues) / 2**bits


@wrong("is the largest positive number", of="dequantize")
def off_by_one(residues, bits, t):
    return np.where(residues >= t // 2, residues - t, residues) / 2**bits
