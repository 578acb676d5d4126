"""Many patients in one number: each gets a lane of bits, and the lanes of a sum are read again, minus signs and all."""
from medcrypt_lab.exercises import expect, expect_like, right, short, suspect, wrong

functions = ("pack_patients", "unpack_patients")
points, minutes, difficulty = 4, 12, 4
hints = [
    "Packing is writing a number with digits: patient k is the digit at place k, in base 2 ** width. How do you read a digit? And what does a negative digit do to "
    "the one before it?",
    "A negative lane borrows 1 from the lane above, as in 100 - 1 = 99. So make every lane positive first: add half a lane, 2 ** (width - 1), in each, read, and take it away again.",
    "Packing: `sum(x << width * k for k, x in enumerate(pixels))`. Reading: `half = 1 << width - 1`; `total += sum(half << width * k for k in range(count))`; "
    "then for each k `(total >> width * k) % (1 << width) - half`.",
]
after = ("A lane that runs over its width changes the one above it by one, and nothing reports it. The width is a promise about the largest sum: 64 pixels of up to 255 with weights "
         "of up to 127 stay below 2 ** 21, one more bit is the sign.")


def pack_patients(pixels, width):
    """One pixel of many patients in one number: patient k in lane k.

    pixels: whole numbers, 0 to 255, one a patient. width: bits a lane.
    Lane 0 is the lowest; x << s moves x up by s bits, x * 2**s.
    """
    # BEGIN SOLUTION
    return sum(x << width * k for k, x in enumerate(pixels))
    # END SOLUTION


def unpack_patients(total, count, width):
    """What stands in the lanes after adding and multiplying: a list.

    total: the sum of value * 2**(width * k), for k from 0 to count - 1.
    The values, and so total, may be negative; each is at least
    -2**(width - 1) and below 2**(width - 1).
    x >> s moves down again; x % 2**s is the lowest s bits, for x < 0 too.
    """
    # BEGIN SOLUTION
    half = 1 << width - 1
    total += sum(half << width * k for k in range(count))
    return [(total >> width * k) % (1 << width) - half for k in range(count)]
    # END SOLUTION


def lanes(values, width):
    """The packed number, by Horner's rule."""
    total = 0
    for value in reversed(values):
        total = total * 2**width + value
    return total


def check(answer, random):
    """Digits in base 2**width; the reading is compared with the values that the check packed itself."""
    for width in (22, 16, 24):
        pixels = random.sample(range(16, 240), random.randrange(5, 9))
        m, expected = answer.pack_patients(pixels, width), lanes(pixels, width)
        suspect(isinstance(m, float), "That is a float, with 16 digits: the upper lanes are lost. `<<` and whole numbers keep them all.")
        suspect(isinstance(m, str), "That is text. One whole number is asked for.")
        expect_like(m, 1)
        suspect(m != expected and (int(m) - expected) % 2**64 == 0,
                "Only the lowest 64 bits are right: numpy's whole numbers end there, without a word. Python's own have no end.")
        suspect(m == sum(pixels), "That is the plain sum: all patients in one lane. Move patient k up by k lanes.")
        suspect(m == lanes(pixels[::-1], width), "Patient 0 is in the highest lane; the lowest is asked for.")
        suspect(m == lanes([0, *pixels], width), "Patient 0 is in lane 1: lanes are counted from 0.")
        suspect(m == sum(x << k for k, x in enumerate(pixels)), "Patient k was moved by k bits. A lane is `width` bits wide: move by width * k.")
        suspect(m == lanes(pixels, 8), "Your lanes are 8 bits wide. That holds a pixel, but no sum of many: use `width`.")
        suspect(m != expected, lambda m=m, e=expected: f"For the pixels {pixels} and lanes of {width} bits the number is {short(e)}; yours is {short(m)}.")
    one, other = answer.pack_patients([3, 5], 20), answer.pack_patients([200, 100], 20)
    expect_like([one, other], [1, 1])
    expect("a lane a patient, and sums go lane by lane", 7 * one + other == lanes([221, 135], 20), "7 * (3, 5) + (200, 100) should hold 221 and 135.", points=1)

    def read(cases):
        """[(width, values, what was read)]"""
        return [(width, values, answer.unpack_patients(lanes(values, width), len(values), width)) for width, values in cases]

    def told(results):
        return next((f"The lanes held {short(values)}; yours are {short(found)}." for _, values, found in results if found != values), "")

    results = read([(width, [random.randrange(1, 1 << width - 1) for _ in range(count)]) for width, count in ((22, 6), (16, 9), (24, 5))])
    for width, values, found in results:
        suspect(isinstance(found, list) and found == values[::-1], "The list is the wrong way round: lane 0, the lowest, comes first.")
        suspect(isinstance(found, list) and found == [lanes(values[k:], width) for k in range(len(values))],
                "Each of your values holds all lanes above it as well: keep the lowest `width` bits, `% (1 << width)`.")
        expect_like(found, values)
        suspect([v - (1 << width - 1) for v in found] == values, "The lanes are right but for half a lane: what you add before reading is taken away after.")
    expect("reads lanes that are all positive", all(found == values for _, values, found in results), lambda: told(results), points=1)

    cases = []
    for width, count in ((22, 7), (20, 8), (24, 7)):
        some = iter([random.randrange(100, 1 << width - 1) for _ in range(count)])
        cases.append((width, [next(some), -next(some), next(some), -1, 0, -(1 << width - 1), *(-x for x in some)][:count]))
        cases[-1][1][-1] = -77
    results = read(cases)
    for width, values, found in results:
        expect_like(found, values)
        cut = [(lanes(values, width) >> width * k) % (1 << width) for k in range(len(values))]
        half = 1 << width - 1
        suspect(found == cut, lambda v=values, f=found, h=half: f"Lane 1 held {v[1]}, and you read {f[1]}: every lane came out as a number of 0 to 2 ** width - 1. "
                f"Those from 2 ** (width - 1) = {h} up stand for negative ones.")
        carried = [v - 2 * half if v >= half else v for v in cut]
        suspect(found == carried, lambda v=values, f=found: f"Lane 2 held {v[2]}, and you read {f[2]}, one less. The negative lane below it had borrowed that 1. "
                "Make all lanes positive before you read any.")
        rest, above = lanes(values, width), []
        for _ in values:
            above.append((rest + half - 1) % (2 * half) - half + 1)
            rest = rest - above[-1] >> width
        suspect(found != values and found == above, lambda h=half: f"A lane held {-h} and you read {h}: from 2 ** (width - 1) up, "
                "that number included, stand the negative ones.")
        size = abs(lanes(values, width))
        suspect(found == [-((size >> width * k) % (2 * half)) for k in range(len(values))], "You read the lanes of abs(total). The minus of the whole is the highest lane's, and each lane has its own.")
        suspect(found != values and [abs(v) for v in found] == [abs(v) for v in values], "The sizes are right, a minus sign got lost.")
    expect("and negative ones", all(found == values for _, values, found in results), lambda: told(results), points=2)


@right
def by_horner(pixels, width):
    packed = 0
    for x in pixels[::-1]:
        packed = (packed << width) + x
    return packed


@right
def by_powers(pixels, width):
    return sum(pixels[k] * (2**width)**k for k in range(len(pixels)))


@right
def by_bits(pixels, width):
    return int("".join(f"{x:0{width}b}" for x in reversed(pixels)), 2)


@wrong("all patients in one lane")
def plain_sum(pixels, width):
    return sum(pixels)


@wrong("Patient 0 is in the highest lane")
def highest_first(pixels, width):
    packed = 0
    for x in pixels:
        packed = (packed << width) + x
    return packed


@wrong("A lane is `width` bits wide")
def moved_by_k(pixels, width):
    return sum(x << k for k, x in enumerate(pixels))


@wrong("lanes are counted from 0")
def from_lane_one(pixels, width):
    return sum(x << width * k for k, x in enumerate(pixels, 1))


@wrong("no sum of many")
def as_bytes(pixels, width):
    return int.from_bytes(bytes(pixels), "little")


@wrong("stand for negative ones", of="unpack_patients")
def unsigned(total, count, width):
    return [total >> width * k & (1 << width) - 1 for k in range(count)]


@wrong("had borrowed that 1", of="unpack_patients")
def borrowed(total, count, width):
    found = [total >> width * k & (1 << width) - 1 for k in range(count)]
    return [v - (1 << width) if v >= 1 << width - 1 else v for v in found]


@wrong("Only the lowest 64 bits are right")
def in_numpy(pixels, width):
    import numpy
    return int((numpy.array(pixels) << width * numpy.arange(len(pixels))).sum())


@wrong("that number included", of="unpack_patients")
def above_half(total, count, width):
    found, whole = [], 1 << width
    for _ in range(count):
        value = total % whole
        value -= whole * (2 * value > whole)
        found.append(value)
        total = (total - value) // whole
    return found


@wrong("You read the lanes of abs(total)", of="unpack_patients")
def of_the_size(total, count, width):
    sign = -1 if total < 0 else 1
    return [sign * (abs(total) >> k * width & (1 << width) - 1) for k in range(count)]


@wrong("holds all lanes above it", of="unpack_patients")
def not_cut(total, count, width):
    return [total >> width * k for k in range(count)]


@wrong("The list is the wrong way round", of="unpack_patients")
def the_other_way(total, count, width):
    half, found = 1 << width - 1, []
    for _ in range(count):
        value = (total + half) % (1 << width) - half
        found.insert(0, value)
        total = total - value >> width
    return found


@wrong("is taken away after", of="unpack_patients")
def half_left(total, count, width):
    half = 1 << width - 1
    lifted = total + sum(half << width * k for k in range(count))
    return [(lifted >> width * k) % (1 << width) for k in range(count)]
