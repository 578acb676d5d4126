"""The mean over training seeds with its 95 % confidence interval, by Student's t."""
import math
import statistics

import numpy as np
from scipy import stats

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 6, 2
hints = [
    "What stands behind the plus-minus sign of the formula? Call it `reach`; everything in it has a name in the stub.",
    "Which k? One of the n runs is spent on the mean. And the mean of n runs scatters less than one run: divide s by `np.sqrt(n)`.",
    "`reach = stats.t.ppf(0.975, ...) * scores.std(1, ddof=1) / ...`; the ends are the mean minus and plus that; return all three.",
]
after = ("With three seeds the factor is 4.3, with five 2.8, with thirty 2.05: the third to fifth runs are the cheapest certainty you can buy. "
         "And only what was drawn anew in each run is inside the interval.")


def mean_with_interval(scores):
    """Mean and 95 % confidence interval of each row, by Student's t.

    scores: array (sizes, seeds), two seeds or more.
    Returns three arrays of shape (sizes,): mean, lower end, upper end.
    scores.std(1, ddof=1): the spread s of each row.
    stats.t.ppf(0.975, k): Student's t for k degrees of freedom.
    """
    n = scores.shape[1]             # runs in a row
    mean = scores.mean(1)
    # BEGIN SOLUTION
    reach = stats.t.ppf(0.975, n - 1) * scores.std(1, ddof=1) / np.sqrt(n)
    return mean, mean - reach, mean + reach
    # END SOLUTION


def by_hand(rows):
    """mean, standard deviation with n - 1 of each row, by the standard library."""
    return np.array([statistics.fmean(row) for row in rows]), np.array([statistics.stdev(row) for row in rows])


def check(answer, random):
    """Student 1908, against scipy's own interval. First as many seeds as sizes, so that a wrong axis shows by its values; then other
    numbers of both, so that a fixed n does. The scatter differs from row to row."""
    for sizes, seeds in ((6, 6), (3, 4), (5, 3)):
        numpy = random.numpy()
        scores = numpy.uniform(0.55, 0.9, (sizes, 1)) + numpy.uniform(0.02, 0.06, (sizes, 1)) * numpy.standard_normal((sizes, seeds))
        result = answer(scores)
        expect_like(result, (scores[:, 0],) * 3)
        mean, low, high = result
        true, deviation = by_hand(scores)
        factor = float(stats.t.ppf(0.975, seeds - 1))

        def reaches(length):
            """Is this how far the ends are from the mean? The ends count, not the mean that was returned."""
            return close((high - low) / 2, length, 1e-9)

        error = deviation / math.sqrt(seeds)
        biased = error * math.sqrt((seeds - 1) / seeds)
        suspect(sizes == seeds and close(mean, by_hand(scores.T)[0], 1e-9), "You averaged down the columns: over the sizes, seed by seed. Average along each row, over the seeds.")
        suspect(close(low, true, 1e-9) and (mean < true).all(), "The right values in another order: the mean comes first, then the lower end, then the upper.")
        suspect(close(low, true + factor * error, 1e-9) and close(high, true - factor * error, 1e-9), "Lower and upper end are swapped.")
        suspect(close(mean, 100 * true, 1e-6), "These are percentages; stay with shares, such as 0.85.")
        suspect(close(result, (true, factor * error, factor * error), 1e-9) or close(result, (true, true, factor * error), 1e-9),
                "You returned how far the interval reaches; asked for are its ends.")
        suspect(close(low, high, 1e-12), "Both ends are the same number. One is the mean minus the reach, the other the mean plus it.")
        suspect(close(low, scores.min(1), 1e-9) and close(high, scores.max(1), 1e-9), "Those are the worst and the best run. The more seeds, the wider that gets; a confidence interval gets narrower.")
        suspect(close(low, np.percentile(scores, 2.5, axis=1), 1e-9) and close(high, np.percentile(scores, 97.5, axis=1), 1e-9),
                "Those are percentiles of the runs themselves, which say where a run lies. The question is where the mean of all runs lies.")
        suspect(reaches(factor * deviation), "You took the spread of single runs. The mean of n runs is surer than one run: the standard error is that spread over the root of n.")
        suspect(reaches(factor * deviation / seeds), "You divided by n; the mean's spread shrinks with the root of n.")
        suspect(reaches(factor * biased), "Your standard deviation divides by n. The mean was taken from the same runs, which takes one away: divide by n - 1, `ddof=1`.")
        suspect(reaches(1.96 * error) or reaches(float(stats.norm.ppf(0.975)) * error), lambda: f"1.96 is the factor for very many runs. With {seeds} the spread itself is "
                f"a guess, and Student's factor is {factor:.2f}.")
        suspect(reaches(float(stats.t.ppf(0.975, seeds)) * error), "You asked for n degrees of freedom. One is spent on the mean: n - 1 are left.")
        suspect(reaches(float(stats.t.ppf(0.95, seeds - 1)) * error), "You left 5 % on each side, which makes an interval of 90 %. For 95 % leave 2.5 % on each.")
        suspect(reaches(float(stats.t.ppf(0.975, scores.size - 1)) * error), "Your degrees of freedom count every number of the array. Each row has its own few seeds.")
        suspect(sizes != seeds and reaches(float(stats.t.ppf(0.975, sizes - 1)) * deviation / math.sqrt(sizes)),
                "Your n counts the rows. It should count the runs in one row, which the other axis has.")
        suspect(reaches(factor * deviation**2 / math.sqrt(seeds)), "You took the variance; its root, the standard deviation, has the unit of the scores.")
        suspect(reaches(factor * scores.std(ddof=1) / math.sqrt(seeds) * np.ones(sizes)) or reaches(float(np.mean((high - low) / 2)) * np.ones(sizes)),
                "All your intervals are equally wide. Each size scatters by its own measure: work along the rows.")
        suspect(seeds != 5 and reaches(float(stats.t.ppf(0.975, 4)) * error), lambda: f"4 degrees of freedom are those of five runs. A row has {seeds} here: n - 1.")
        suspect(reaches(factor * deviation / math.sqrt(seeds - 1)), "You divided by the root of n - 1. That 1 is taken off in `ddof=1` and in the degrees of freedom; below the line stands the root of n.")
        suspect(reaches(error), "One standard error on each side covers about two thirds, not 95 %. Stretch it by Student's factor.")
        suspect(any(reaches(factor * each) or reaches(each) or reaches(1.96 * each) for each in (deviation, deviation * math.sqrt((seeds - 1) / seeds))),
                "That is where single runs lie. How sure is their mean? The more runs, the surer: the root of n is missing.")
        suspect(reaches(1.96 * biased) or reaches(biased), "Two things: numpy's standard deviation divides by n unless told `ddof=1`, and the factor should be Student's, for so few runs.")
        if sizes == seeds:
            expect("the mean of each row", close(mean, true, 1e-9), "These are not the means of the rows.", got=mean, expected=true)
        wanted = stats.t.interval(0.95, seeds - 1, true, error)
        expect("ends as scipy's interval" if sizes == seeds else f"also for {sizes} sizes and {seeds} seeds", close((mean, low, high), (true, *wanted), 1e-9),
               lambda: f"The ends are not right yet: your interval reaches {(high - low)[0] / 2:.4f} to each side of the first row, it should reach {factor * error[0]:.4f}.",
               points=1, got=high, expected=wanted[1])


@right
def by_scipy(scores):
    mean, error = scores.mean(axis=1), stats.sem(scores, axis=1)
    low, high = stats.t.interval(0.95, scores.shape[1] - 1, loc=mean, scale=error)
    return mean, low, high


@right
def by_loop(scores):
    means, lows, highs = [], [], []
    for row in scores:
        n, mean = len(row), sum(row) / len(row)
        variance = sum((x - mean) ** 2 for x in row) / (n - 1)
        reach = stats.t.ppf(1 - 0.05 / 2, n - 1) * (variance / n) ** 0.5
        means.append(mean)
        lows.append(mean - reach)
        highs.append(mean + reach)
    return np.array(means), np.array(lows), np.array(highs)


@wrong("spread of single runs")
def deviation_alone(scores):
    mean, reach = scores.mean(1), stats.t.ppf(0.975, scores.shape[1] - 1) * scores.std(1, ddof=1)
    return mean, mean - reach, mean + reach


@wrong("Your standard deviation divides by n")
def numpy_default(scores):
    n = scores.shape[1]
    mean, reach = scores.mean(1), stats.t.ppf(0.975, n - 1) * scores.std(1) / np.sqrt(n)
    return mean, mean - reach, mean + reach


@wrong("the factor for very many runs")
def normal(scores):
    mean, reach = scores.mean(1), 1.96 * scores.std(1, ddof=1) / np.sqrt(scores.shape[1])
    return mean, mean - reach, mean + reach


@wrong("down the columns")
def other_axis(scores):
    n = scores.shape[0]
    mean, reach = scores.mean(0), stats.t.ppf(0.975, n - 1) * scores.std(0, ddof=1) / np.sqrt(n)
    return mean, mean - reach, mean + reach


@wrong("interval of 90 %")
def one_sided(scores):
    n = scores.shape[1]
    mean, reach = scores.mean(1), stats.t.ppf(0.95, n - 1) * scores.std(1, ddof=1) / np.sqrt(n)
    return mean, mean - reach, mean + reach


@wrong("asked for n degrees of freedom")
def freedom(scores):
    n = scores.shape[1]
    mean, reach = scores.mean(1), stats.t.ppf(0.975, n) * scores.std(1, ddof=1) / np.sqrt(n)
    return mean, mean - reach, mean + reach


@wrong("shrinks with the root of n")
def no_root(scores):
    n = scores.shape[1]
    mean, reach = scores.mean(1), stats.t.ppf(0.975, n - 1) * scores.std(1, ddof=1) / n
    return mean, mean - reach, mean + reach


@wrong("asked for are its ends")
def half_width(scores):
    n = scores.shape[1]
    reach = stats.t.ppf(0.975, n - 1) * scores.std(1, ddof=1) / np.sqrt(n)
    return scores.mean(1), reach, reach


@wrong("the worst and the best run")
def extremes(scores):
    return scores.mean(1), scores.min(1), scores.max(1)


@wrong("percentiles of the runs")
def percentiles(scores):
    low, high = np.percentile(scores, [2.5, 97.5], axis=1)
    return scores.mean(1), low, high


@wrong("All your intervals are equally wide")
def pooled(scores):
    n = scores.shape[1]
    mean, reach = scores.mean(1), stats.t.ppf(0.975, n - 1) * scores.std(ddof=1) / np.sqrt(n)
    return mean, mean - reach, mean + reach


@wrong("in another order")
def sorted_ends(scores):
    n = scores.shape[1]
    mean, reach = scores.mean(1), stats.t.ppf(0.975, n - 1) * scores.std(1, ddof=1) / np.sqrt(n)
    return mean - reach, mean, mean + reach


@wrong("You took the variance")
def variance(scores):
    n = scores.shape[1]
    mean, reach = scores.mean(1), stats.t.ppf(0.975, n - 1) * scores.var(1, ddof=1) / np.sqrt(n)
    return mean, mean - reach, mean + reach


@wrong("the root of n is missing")
def one_deviation(scores):
    mean, deviation = scores.mean(1), scores.std(1)
    return mean, mean - deviation, mean + deviation


@wrong("Two things: numpy's standard deviation")
def two_mistakes(scores):
    mean, reach = scores.mean(1), 1.96 * scores.std(1) / np.sqrt(scores.shape[1])
    return mean, mean - reach, mean + reach


@wrong("covers about two thirds")
def one_error(scores):
    mean, error = scores.mean(1), scores.std(1, ddof=1) / np.sqrt(scores.shape[1])
    return mean, mean - error, mean + error


@wrong("Your n counts the rows")
def counts_rows(scores):
    n = len(scores)
    mean, reach = scores.mean(1), stats.t.ppf(0.975, n - 1) * scores.std(1, ddof=1) / np.sqrt(n)
    return mean, mean - reach, mean + reach


@wrong("You divided by the root of n - 1")
def one_less(scores):
    n, mean = scores.shape[1], scores.mean(1)
    reach = stats.t.ppf(0.975, n - 1) * scores.std(1, ddof=1) / np.sqrt(n - 1)
    return mean, mean - reach, mean + reach


@wrong("Expected 3 values, got 2")
def only_the_ends(scores):
    n, mean = scores.shape[1], scores.mean(1)
    reach = stats.t.ppf(0.975, n - 1) * scores.std(1, ddof=1) / np.sqrt(n)
    return mean - reach, mean + reach


@wrong("are those of five runs")
def always_five(scores):
    n, mean = scores.shape[1], scores.mean(1)
    reach = stats.t.ppf(0.975, 4) * scores.std(1, ddof=1) / np.sqrt(n)
    return mean, mean - reach, mean + reach
