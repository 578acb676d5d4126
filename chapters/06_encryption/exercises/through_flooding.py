"""Fresh noise on each release of one result, and what is left of it after enough releases."""
import math

import numpy as np

from medcrypt_lab.exercises import expect, expect_like, refusal, right, score, short, suspect, wrong

points, minutes, difficulty = 3, 7, 2
hints = [
    "The noise is fresh each time, the whole numbers are not. What does the mean of many answers do to each?",
    "The mean of k answers has the standard deviation sigma / sqrt(k). Six of those should be half a unit: which k is that?",
    "`k = math.ceil(144 * sigma**2)`, the mean of `[release() for _ in range(k)]` with `np.mean(..., axis=0)`, then `np.rint` and `int` for each.",
]
after = "Twice the noise costs the attacker four times the releases. Whoever floods must therefore count releases, and stop."


def through_flooding(release, sigma):
    """The whole numbers behind a result that is released with noise.

    release(): asks for it once more. An array of n numbers: the whole
    numbers, always the same, plus fresh normal noise (mean 0, standard
    deviation sigma), so that it is never twice the same.
    The mean of k of them has a standard deviation of sigma / sqrt(k).
    It is safe to round where six of these are at most half a unit.
    The key holder stops answering after 300 sigma^2 + 20 releases.
    Returns them all, exactly: a list of n int. np.rint(array) rounds.
    """
    # BEGIN SOLUTION
    count = math.ceil(144 * sigma**2)
    mean = np.mean([release() for _ in range(count)], axis=0)
    return [int(number) for number in np.rint(mean)]
    # END SOLUTION


def check(answer, random):
    """The flag is the whole numbers; the answer gets a key holder that counts."""
    n, asked = 2000, {}                         # so many that three standard deviations are never enough
    for sigma in (0.5, 2.0):
        noise, flag = random.numpy(), [random.randrange(-2**36, 2**36) for _ in range(n)]
        most, calls = int(300 * sigma**2) + 20, []

        def release():
            if len(calls) >= most:
                raise PermissionError("no more releases")
            calls.append(1)
            return np.array(flag, float) + noise.normal(0, sigma, n)

        found = []
        how = refusal(lambda: found.append(answer(release, sigma)))
        suspect(how and len(calls) >= most, f"You asked more than {most} times for sigma = {sigma}, and the key holder became suspicious. How many answers bring six standard deviations of "
                "their mean below one half?")
        if how:
            calls.clear()
            answer(release, sigma)                  # shows the error and the line
        result, asked[sigma] = found[0], len(calls)
        suspect(isinstance(result, (int, float)) and asked[sigma] > 1, f"One number came back, and there are {n}: the mean went over everything. With `axis=0` it goes over the answers only.")
        suspect(isinstance(result, list) and len(result) == n and any(isinstance(v, float) for v in result), "Some are fractions: round them, and make each an int.")
        expect_like(result, flag)
        wrong_ones = sum(a != b for a, b in zip(result, flag))
        first, share = next((k for k in range(n) if result[k] != flag[k]), 0), wrong_ones / n
        suspect(asked[sigma] == 0, "You never asked for a release.")
        suspect(share > 1 / 4 and set(np.subtract(result, flag).tolist()) <= {0, -1, 1} and asked[sigma] >= 100 * sigma**2,
                lambda: f"{wrong_ones} of {n} are off by one, though you asked often enough: `int` cuts the fraction off, it does not round.")
        suspect(asked[sigma] > 1 and abs(sum(result)) > 0 and all(abs(r - asked[sigma] * f) < 10 * sigma * asked[sigma] for r, f in zip(result, flag)),
                "That is the sum of all answers. Their mean is what comes close to the whole numbers.")
        suspect(wrong_ones and asked[sigma] == 1, f"One release, rounded: {wrong_ones} of {n} numbers are wrong. The noise is larger than half a unit.")
        suspect(wrong_ones and 30 * sigma**2 <= asked[sigma] <= 50 * sigma**2, f"Nearly: {wrong_ones} of {n} are wrong for sigma = {sigma}. The mean of {asked[sigma]} answers has a "
                "standard deviation, and half a unit is only three of these. Six are safe.")
        suspect(wrong_ones and len(set(asked.values())) < len(asked), f"You asked {asked[sigma]} times whatever sigma is. That was enough for 0.5, and for {sigma} {wrong_ones} of {n} "
                "are wrong: the number must grow with sigma, and not only in proportion.")
        expect("all whole numbers, through the noise", not wrong_ones, lambda: f"{wrong_ones} of {n} are wrong for sigma = {sigma}, the first at index {first}: {short(flag[first])} it "
               f"should be, yours is {short(result[first])}. Releases that you asked for: {asked[sigma]}.", points=1 if sigma < 1 else 2)
    score("releases asked for at sigma 2", asked[2.0], unit="releases", better="smaller")


@right
def by_median(release, sigma):
    answers = np.stack([release() for _ in range(int(250 * sigma**2))])
    return np.round(np.median(answers, axis=0)).astype(int).tolist()


@right
def by_running_sum(release, sigma):
    total, times = 0, 0
    while times < 20 or sigma / math.sqrt(times) > 0.5 / 6:
        total, times = total + release(), times + 1
    return [round(float(value)) for value in total / times]


def mean_of(release, count):
    """For the answers below."""
    return sum(release() for _ in range(count)) / count


@wrong("One release, rounded")
def once(release, sigma):
    return [round(float(v)) for v in release()]


@wrong("You asked 64 times whatever sigma is")
def always_the_same(release, sigma):
    return [round(float(v)) for v in mean_of(release, 4**3)]


@wrong("the key holder became suspicious")
def far_too_often(release, sigma):
    return [round(float(v)) for v in mean_of(release, 5000)]


@wrong("it does not round")
def cut_off(release, sigma):
    return [int(v) for v in mean_of(release, math.ceil(160 * sigma**2))]


@wrong("Some are fractions")
def not_rounded(release, sigma):
    return mean_of(release, math.ceil(160 * sigma**2)).tolist()


@wrong("That is the sum of all answers")
def summed(release, sigma):
    count = math.ceil(150 * sigma**2)
    return [round(float(v)) for v in mean_of(release, count) * count]


@wrong("Expected a list of 2000 values")
def an_array(release, sigma):
    return np.rint(mean_of(release, math.ceil(150 * sigma**2)))


@wrong("You never asked")
def guesses(release, sigma):
    return [0] * 2000


@wrong("half a unit is only three of these")
def three_deviations(release, sigma):
    return [round(float(v)) for v in mean_of(release, int((6 * sigma) ** 2))]


@wrong("Releases that you asked for: ")
def in_proportion(release, sigma):
    return [round(float(v)) for v in mean_of(release, math.ceil(12 * sigma))]


@wrong("the mean went over everything")
def one_mean(release, sigma):
    return int(np.rint(np.mean([release() for _ in range(math.ceil(150 * sigma**2))])))
