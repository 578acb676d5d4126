"""Numbers below n from random bytes, all equally likely: what does not fit is thrown away."""
from medcrypt_lab.exercises import expect, expect_like, note, right, suspect, wrong

points, minutes, difficulty = 3, 6, 2
hints = [
    "256 byte values cannot be dealt out evenly to 200 numbers: 56 remain. Which bytes would you rather not use?",
    "Take the largest multiple of n that is not above 256. Bytes below it can be dealt out evenly by `% n`; the others are skipped.",
    "`limit = 256 - ...` (what remains when 256 is divided by n), then a list: `[byte % n for byte in tape if ...]`.",
]
after = "`secrets.randbelow(n)` does it for numbers of any size. Small biases matter: signing keys were computed from less than one bit that leaked of each nonce (LadderLeak, 2020)."


def uniform_below(n, tape):
    """Numbers from 0 to n - 1, each equally likely, from random bytes.

    n: whole number, 1 to 256. tape: bytes, each of the 256 values
    equally likely; `for byte in tape` gives whole numbers.
    Returns a list, in the order of the bytes. A byte that would make
    some numbers likelier is skipped, so it may be shorter than the tape.
    """
    # BEGIN SOLUTION
    limit = 256 - 256 % n
    return [byte % n for byte in tape if byte < limit]
    # END SOLUTION


def counts(n, numbers):
    """How often each number from 0 to n - 1 stands in the list."""
    return [numbers.count(k) for k in range(n)]


def extremes(how_often):
    """In words: which number came most often, and which least."""
    most, least = max(how_often), min(how_often)
    said = {0: "never", 1: "once", 2: "twice"}
    return f"{how_often.index(most)} came {said.get(most, f'{most} times')} and {how_often.index(least)} {said.get(least, f'{least} times')}"


def check(answer, random):
    """A tape on which every byte stands equally often: then so must every number. Exact, not a statistical test."""
    n, tape = random.randrange(150, 220), bytes(random.sample(range(256), 256))
    numbers = answer(n, tape)
    suspect(isinstance(numbers, (int, float)), "Of all these bytes you made one number. A list is asked for: one number for each byte that can be used.")
    suspect(hasattr(numbers, "shape"), "That is an array; a plain list is asked for.")
    expect_like(numbers, [0] * len(numbers) if isinstance(numbers, list) else [0])
    how_often, remain = counts(n, numbers), 256 - n
    outside = next((x for x in numbers if not 0 <= x < n), None)
    suspect(outside is not None, lambda: f"{outside} is not below {n}: numbers from 0 to {n - 1} are asked for.")
    suspect(numbers == [byte % n for byte in tape], f"Each byte stood once on the tape, and 0 to {remain - 1} came twice, the others once: 256 is not a multiple of {n}. "
            "Which bytes must be skipped?")
    suspect(len(numbers) == 256, lambda: f"You used all 256 bytes for {n} numbers, so some came twice and some once: number {how_often.index(2)} twice. "
            "No formula deals 256 out evenly: some bytes must be skipped.")
    suspect(len(numbers) == n + 1 and n in tape, lambda: f"Nearly: byte {n} itself was used, too, and so {how_often.index(2)} came twice. Where exactly does the part begin that is skipped?")
    suspect(len(numbers) == 0, f"You skipped all 256 bytes. For n = {n} those below {n} can be used.")
    suspect(max(how_often) == 1 and min(how_often) == 0, lambda: f"On a tape with each byte once, {extremes(how_often)}: you skipped bytes that are needed. Only what is left over is "
            f"skipped: how much of 256 can be dealt out in whole rounds of {n}?")
    expect("equally often, where 256 is no multiple of n", len(set(how_often)) == 1, lambda: f"On a tape with each byte once, {extremes(how_often)}.")
    uneven = {}
    for m in (3, 1, 64, 100, 256):
        tape = bytes(random.sample([*range(256)] * 2, 512))
        numbers = answer(m, tape)
        expect_like(numbers, [0] * len(numbers) if isinstance(numbers, list) else [0])
        how_often = counts(m, numbers)
        suspect(sum(how_often) != len(numbers), f"For n = {m} some of your numbers are not among 0 to {m - 1}: what does `% n` do to a byte?")
        suspect(not numbers and m == 256, "For n = 256 every byte can be used; you skipped them all.")
        suspect(how_often[0] == 0, f"For n = {m} no 0 came at all, though every byte stood on the tape.")
        if len(set(how_often)) > 1:
            uneven[m] = extremes(how_often)
        if m == 3 and len(numbers) < 256:
            note(f"Even, but for n = 3 you used {len(numbers)} of 512 bytes. 510 can be dealt out evenly.")
    expect("for other n, too", not uneven, lambda: f"For n = {min(uneven)}, on a tape with each byte twice, {uneven[min(uneven)]}.", points=1)
    tape, n = random.bytes(400), 97
    numbers = answer(n, tape)
    suspect(numbers != answer(n, tape), "The same tape gave other numbers: all chance must come from the tape.")
    suspect(sorted(numbers) == numbers, "Your numbers are sorted: then everyone can foresee them. Keep the order of the bytes.")
    later = answer(n, tape[1:])
    expect("byte by byte, in order", numbers[-len(later):] == later and len(later) >= len(numbers) - 1 and answer(n, b"") == [],
           "Without its first byte the tape should give the same numbers, but for the first: each byte for itself.", points=2)


@right
def loop(n, tape):
    numbers = []
    for byte in tape:
        if byte < 256 // n * n:
            numbers.append(byte % n)
    return numbers


@right
def masked(n, tape):
    bits = (n - 1).bit_length()
    small = (byte & (1 << bits) - 1 for byte in tape)
    return [number for number in small if number < n]


@right
def wasteful(n, tape):
    return list(filter(lambda byte: byte < n, tape))


@wrong("256 is not a multiple of")
def modulo(n, tape):
    return [byte % n for byte in tape]


@wrong("No formula deals 256 out evenly")
def scaled(n, tape):
    return [byte * n // 256 for byte in tape]


@wrong("numbers from 0 to")
def rounded(n, tape):
    return [round(byte / 255 * n) for byte in tape]


@wrong("itself was used, too")
def one_too_many(n, tape):
    return [byte % n for byte in tape if byte <= 256 - 256 % n]


@wrong("each byte once, 0 came twice and")
def fixed_limit(n, tape):
    return [byte % n for byte in tape if byte < 250]


@wrong("in whole rounds of")
def rounds_and_rest_mixed_up(n, tape):
    return [byte % n for byte in tape if byte < 256 - n]


@wrong("what does `% n` do to a byte")
def remainder_forgotten(n, tape):
    return [byte for byte in tape if byte < n * (256 // n)]


@wrong("you skipped them all")
def never_all(n, tape):
    return [byte % n for byte in tape if byte < 255 - 255 % n] if n < 256 else []


@wrong("Of all these bytes you made one number")
def only_one(n, tape):
    return int.from_bytes(tape, "big") % n


@wrong("Your numbers are sorted")
def in_order(n, tape):
    limit = 256 // n * n
    return sorted(byte % n for byte in tape if byte < limit)


@wrong("all chance must come from the tape")
def own_chance(n, tape):
    import random
    order = uniform(n, tape)
    return order if len(tape) in (256, 512, 0) else random.sample(order, len(order))


def uniform(n, tape):
    """The course's answer, for the one above."""
    return [byte % n for byte in tape if byte < 256 // n * n]
