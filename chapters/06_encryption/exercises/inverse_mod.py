"""The inverse of a modulo n by Euclid's algorithm, or the word that there is none."""
import math

from medcrypt_lab.exercises import expect, expect_like, refusal, right, short, suspect, wrong

points, minutes, difficulty = 3, 10, 3
hints = [
    "The loop keeps one promise: `rest` is always `times * a`, up to a multiple of n. At its end `rest` is the greatest common divisor. When is that 1?",
    "In the loop: `whole = rest // next_rest` says how often the smaller goes into the larger. Both pairs take the same step: the second becomes the first, and "
    "first - whole * second becomes the second.",
    "`rest, next_rest = next_rest, rest - whole * next_rest`, the same for `times`; below the loop `if rest != 1: raise ValueError(...)`, then `times % n`.",
]
after = "Python writes it `pow(a, -1, n)`: use that from here on. It takes as many steps as the numbers have digits, so 600 digits are no trouble."


def inverse_mod(a, n):
    """The number x with a * x % n == 1, for 0 < x < n.

    a, n: whole numbers, n > 1, of up to 600 digits: no time to try all.
    Raises ValueError if there is none: if a and n have a common divisor.
    """
    rest, next_rest = n, a % n      # of these Euclid takes remainders
    times, next_times = 0, 1        # rest == times * a, modulo n
    while next_rest:
        whole = rest // next_rest
        # BEGIN SOLUTION
        rest, next_rest = next_rest, rest - whole * next_rest
        times, next_times = next_times, times - whole * next_times
        # END SOLUTION
    # BEGIN SOLUTION
    if rest != 1:
        raise ValueError(f"{a} and {n} have the common divisor {rest}")
    return times % n
    # END SOLUTION


def check(answer, random):
    """Knuth, The Art of Computer Programming 2, section 4.5.2, algorithm X; a * x = 1 is the whole oracle."""
    n = random.choice([211, 307, 401, 503, 607, 701, 809, 907])
    a = next(x for x in random.sample(range(2, n), n - 2) if math.gcd(x, n) == 1 and pow(x, -1, n) != x and pow(x, -1, n) not in (1, n - 1))
    found = []
    suspect(refusal(lambda: found.append(answer(a, n))) == "ValueError", f"{a} and {n} have no common divisor, and you raised ValueError. Did you look at `rest`? After the loop `next_rest` is 0 and "
            "`rest` the divisor. If you did, and it was not 1: do both numbers of a pair take their step at once? `a = b` on one line and `b = a - ...` on the next is something else than `a, b = b, a - ...`.")
    x = found[0] if found else answer(a, n)         # of any other error the card says what and where
    suspect(isinstance(x, float), f"That is a fraction, {a} has {1 / a:.4f} only among those. Among 0 to {n - 1} the inverse is a whole number.")
    suspect(isinstance(x, tuple), "You returned several numbers: the inverse alone is asked for.")
    expect_like(x, 1)
    suspect(x == 0, f"You returned 0, and {a} * 0 leaves 0. When the loop ends the row of the 0 stands in `next_rest, next_times`; the inverse stands in the row above it, beside the 1. "
                    "Is that row kept in `rest, times`?")
    suspect(x == -pow(a, -1, n) % n, f"{a} * {short(x)} leaves {n - 1}, that is -1: a sign got lost.")
    suspect(a * x % n != 1, lambda: f"{a} * {short(x)} leaves {a * x % n} when divided by {n}, not 1.")
    for m in (100, 256, 1009):
        b = next(b for b in random.sample(range(2, m), m - 2) if math.gcd(b, m) == 1 and (m == 1009 or b * pow(b, m - 2, m) % m != 1))
        y = answer(b, m)
        expect_like(y, 1)
        suspect(b * y % m == 1 and not 0 < y < m, lambda: f"Modulo {m}, {short(y)} is an inverse of {b}, but not one of 1 to {m - 1}. What does `% n` do to it?")
        suspect(b * y % m != 1 and y == pow(b, m - 2, m), lambda: f"Modulo {m} your {short(y)} fails for {b}. Raising to n - 2 is Fermat's way: it needs a prime n, and {m} is none.")
        suspect(b * y % m != 1, lambda: f"Modulo {m}, {b} * {short(y)} leaves {b * y % m}, not 1.")
    expect("a * x leaves 1, for prime n and others", 0 < x < n, f"{short(x)} is not one of 1 to {n - 1}: what does `% n` do to it?", points=1)
    large = random.getrandbits(2000) | 1 << 1999 | 1
    number = next(x for x in iter(lambda: random.randrange(large, large ** 2), None) if math.gcd(x, large) == 1)
    y = answer(number, large)
    expect_like(y, 1)
    expect("with 600 digits, and for a larger than n", number * y % large == 1 and 0 < y < large, "With numbers of 600 digits the product does not leave 1. "
           "Were all steps whole numbers (`//`, not `/`)?", points=1)
    refused = []
    for b, m in ((6, 256), (n, n), (0, 17), (large * 3, large * 5)):
        how, common = refusal(lambda b=b, m=m: answer(b, m)), math.gcd(b, m)
        refused.append(how)
        suspect(how is None, f"{short(b)} and {short(m)} have the common divisor {short(common)}: whatever multiple of the one you take, modulo the other it is "
                             "a multiple of that again, never 1. There is no inverse: raise a ValueError.")
    expect("refused where there is a common divisor", set(refused) == {"ValueError"},
           lambda: f"Where there is no inverse your code ended with {next(how for how in refused if how != 'ValueError')}. Raise a ValueError.", points=1)


@right
def by_python(a, n):
    return pow(a, -1, n)


@right
def by_recursion(a, n):
    def euclid(a, b):
        if b == 0:
            return a, 1, 0
        divisor, x, y = euclid(b, a % b)
        return divisor, y, x - a // b * y
    import sys
    sys.setrecursionlimit(20000)
    divisor, x, _ = euclid(a % n, n)
    if divisor > 1:
        raise ValueError("no inverse")
    return x % n


def euclid_of(a, n):
    """(greatest common divisor, a factor that makes it of a) for the answers below."""
    r, s, x, y = n, a % n, 0, 1
    while s:
        q = r // s
        r, s, x, y = s, r - q * s, y, x - q * y
    return r, x


@wrong("but not one of 1 to")
def negative(a, n):
    divisor, x = euclid_of(a, n)
    if divisor != 1:
        raise ValueError("none")
    return x if x < 0 else x - n


@wrong("There is no inverse: raise a ValueError")
def never_refuses(a, n):
    return euclid_of(a, n)[1] % n


@wrong("it needs a prime n")
def by_fermat(a, n):
    if math.gcd(a, n) != 1:
        raise ValueError("none")
    return pow(a, n - 2, n)


@wrong("That is a fraction")
def fraction(a, n):
    return 1 / a


@wrong("a sign got lost")
def sign_lost(a, n):
    return -pow(a, -1, n) % n


@wrong("Were all steps whole numbers")
def with_floats(a, n):
    rest, next_rest, times, next_times = n, a % n, 0, 1
    while next_rest:
        whole = int(str(rest)[:15]) // int(str(next_rest)[:15]) if n > 10**6 else rest // next_rest     # digits get lost, as in a float
        whole = max(1, min(whole, rest // next_rest))
        rest, next_rest = next_rest, rest - whole * next_rest
        times, next_times = next_times, times - whole * next_times
        if next_rest > rest:
            break
    if rest != 1 and n < 10**6:
        raise ValueError("none")
    return times % n


@wrong("your code ended with ZeroDivisionError")
def divides_by_zero(a, n):
    divisor, x = euclid_of(a, n)
    return x % n if divisor == 1 else 1 // (divisor - divisor)


@wrong("in the row above it, beside the 1")
def from_the_last_row(a, n):
    old, new, before, behind = n, a % n, 0, 1
    while new:
        before, behind = behind, before - old // new * behind
        old, new = new, old % new
    if old > 1:
        raise ValueError("no inverse")
    return behind % n


@wrong("take their step at once")
def one_after_the_other(a, n):
    rest, next_rest, times, next_times = n, a % n, 0, 1
    for _ in range(10000):
        if not next_rest:
            break
        whole = rest // next_rest
        rest = next_rest
        next_rest = rest - whole * next_rest
        times = next_times
        next_times = times - whole * next_times
    if rest != 1:
        raise ValueError("no inverse")
    return times % n


@wrong("You returned several numbers")
def all_of_it(a, n):
    return euclid_of(a, n)
