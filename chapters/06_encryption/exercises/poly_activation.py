"""The polynomial that comes closest to an activation on an interval: least squares."""
import numpy as np

from medcrypt_lab.exercises import expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 8, 2
hints = [
    "It is a straight-line fit with more columns. On a grid over [low, high], which numbers multiply c0, c1, c2, ...?",
    "A row for each grid point z: 1, z, z^2, ... up to the degree, so degree + 1 columns. What the rows should give is function(z).",
    "`z = np.linspace(low, high, 1001)`, `A = np.vander(z, degree + 1, increasing=True)`, `np.linalg.lstsq(A, function(z), rcond=None)[0].tolist()`.",
]
after = "Degree 3 costs two levels of ciphertext, a higher one more. Outside its interval the polynomial runs away, and nothing in the ciphertext says so."


def poly_activation(function, low, high, degree):
    """The polynomial closest to a curve on [low, high], as coefficients.

    function: takes an array of numbers, gives an array.
    Closest: with the smallest mean squared error over the interval.
    Returns a list of degree + 1 numbers, the constant first:
    [c0, c1, c2, ...] stands for c0 + c1 z + c2 z^2 + ...
    np.linspace(low, high, 1001) is a grid.
    np.vander(z, n, increasing=True): n columns 1, z, z^2, ...
    np.linalg.lstsq(A, y, rcond=None)[0] makes A @ it closest to y.
    """
    # BEGIN SOLUTION
    z = np.linspace(low, high, 1001)
    powers = np.vander(z, degree + 1, increasing=True)
    return np.linalg.lstsq(powers, function(z), rcond=None)[0].tolist()
    # END SOLUTION


def check(answer, random):
    """Against the projection on Legendre polynomials by Gauss quadrature, which has the smallest mean squared error there is."""
    nodes, shares = np.polynomial.legendre.leggauss(60)
    for degree, start, length in ((3, random.uniform(-6, -5), random.uniform(8, 9)), (5, random.uniform(-3, -2.5), random.uniform(8, 9))):
        low, high = round(start, 1), round(start + length, 1)
        slope, shift, size = random.uniform(0.8, 1.2), random.uniform(0.3, 0.6), random.uniform(1, 2)

        def curve(z):
            return size / (1 + np.exp(-slope * (np.asarray(z, float) - shift)))

        z = (low + high) / 2 + (high - low) / 2 * nodes

        def off(c, z=z, shares=shares):
            """The root of the mean squared error of a polynomial."""
            return float(np.sqrt(np.sum(shares * (np.polynomial.polynomial.polyval(z, c) - curve(z)) ** 2) / np.sum(shares)))

        moments = [np.sum(shares * curve(z) * np.polynomial.legendre.Legendre.basis(k)(nodes)) * (2 * k + 1) / 2 for k in range(degree + 1)]
        best = float(np.sqrt(np.sum(shares * (np.polynomial.legendre.legval(nodes, moments) - curve(z)) ** 2) / 2))
        result = answer(curve, low, high, degree)
        expect_like(result, [0.5] * (degree + 1))
        c = np.array([float(v) for v in result])
        mine = off(c)
        suspect(off(c[::-1]) < 1.2 * best, f"Turned round these are right: the first number is the constant, what the polynomial gives at 0. Yours begins with {c[0]:.3g}, "
                "the factor of the highest power.")
        scaled = float(np.sqrt(np.sum(shares * (np.polynomial.polynomial.polyval(nodes, c) - curve(z)) ** 2) / 2))
        suspect(mine > 1.2 * best and scaled < 1.2 * best, f"These are coefficients for the interval moved to [-1, 1], as `Polynomial.fit` keeps them: `.convert()` gives those for {low} to {high}.")
        fives = np.linspace(-5, 5, 1001)
        suspect(np.abs(np.polynomial.polynomial.polyfit(fives, curve(fives), degree) - c).max() < 3e-4, f"It was fitted on -5 to 5, whatever was asked for: here `low` is {low} and `high` is {high}.")
        middle = np.linspace(-1, 1, 41)
        suspect(mine > 1.5 * best and off(c, middle, np.ones(41)) < 0.5 * best,
                lambda: f"Around 0 it follows the curve closely, and at {low} it is off by {abs(np.polynomial.polynomial.polyval(low, c) - curve(low)):.3g}. "
                        f"Was it fitted on all of {low} to {high}?")
        spread = np.linspace(low, high, degree + 1)
        suspect(np.abs(np.polynomial.polynomial.polyval(spread, c) - curve(spread)).max() < 1e-6,
                f"It goes exactly through {degree + 1} points of the curve. Between them nothing holds it: the error is {mine / best:.3g} times the smallest there is. Fit it to many points.")
        suspect(whole_grid(c, low, high, degree, curve), "It was fitted to a few whole numbers only: a grid over the interval wants many points, both ends among them.")
        expect("close to the curve on all of the interval", mine < 1.5 * best + 1e-9, lambda: f"For degree {degree} on {low} to {high} the root of the mean squared error is {mine:.3g}; "
               f"the best polynomial has {best:.3g}.", points=int(degree == 3))
        expect("no polynomial of the degree is closer", mine < 1.03 * best + 1e-9, lambda: f"The root of the mean squared error is not the smallest: {mine:.3g} where {best:.3g} "
               "can be reached.", points=int(degree == 5) * 2)


def whole_grid(c, low, high, degree, curve):
    """Was it fitted on whole steps from `low`, the end left out?"""
    z = np.arange(low, high)
    found = np.polynomial.polynomial.polyfit(z, curve(z), degree)
    return np.abs(found - c).max() < 1e-6


@right
def by_polyfit(function, low, high, degree):
    z = np.linspace(low, high, 400)
    return [float(c) for c in np.polyfit(z, function(z), degree)[::-1]]


@right
def by_legendre(function, low, high, degree):
    nodes, shares = np.polynomial.legendre.leggauss(30)
    middle, half = (low + high) / 2, (high - low) / 2
    y = function(middle + half * nodes)
    moments = [float((shares * y * np.polynomial.legendre.Legendre.basis(k)(nodes)).sum() * (k + 0.5)) for k in range(degree + 1)]
    series = np.polynomial.legendre.Legendre(moments, domain=[low, high])
    return series.convert(kind=np.polynomial.Polynomial).coef.tolist()


@right
def by_fit(function, low, high, degree):
    z = np.linspace(low, high, 2000)
    return np.polynomial.Polynomial.fit(z, function(z), degree).convert().coef.tolist()


@wrong("Turned round these are right")
def highest_first(function, low, high, degree):
    z = np.linspace(low, high, 1001)
    return np.polyfit(z, function(z), degree).tolist()


@wrong("Was it fitted on all of")
def around_zero(function, low, high, degree):
    z = np.linspace(-1, 1, 1001)
    return np.polyfit(z, function(z), degree)[::-1].tolist()


@wrong("fitted on -5 to 5, whatever")
def always_five(function, low, high, degree):
    z = np.linspace(-5, 5, 1001)
    return np.polyfit(z, function(z), degree)[::-1].tolist()


@wrong("root of the mean squared error is not the smallest")
def through_good_points(function, low, high, degree):
    series = np.polynomial.Chebyshev.interpolate(function, degree, domain=[low, high])
    return series.convert(kind=np.polynomial.Polynomial).coef.tolist()


@wrong("goes exactly through 4 points")
def through_few(function, low, high, degree):
    z = np.linspace(low, high, degree + 1)
    return np.polyfit(z, function(z), degree)[::-1].tolist()


@wrong("Expected a list of 4 values", "got")
def an_array(function, low, high, degree):
    z = np.linspace(low, high, 1001)
    return np.polyfit(z, function(z), degree)[::-1].copy()


@wrong("Expected 4 values, got 3")
def one_short(function, low, high, degree):
    z = np.linspace(low, high, 1001)
    return np.polyfit(z, function(z), degree - 1)[::-1].tolist()


@wrong("as `Polynomial.fit` keeps them")
def not_converted(function, low, high, degree):
    z = np.linspace(low, high, 1001)
    return np.polynomial.Polynomial.fit(z, function(z), degree).coef.tolist()


@wrong("fitted to a few whole numbers")
def whole_steps(function, low, high, degree):
    z = np.arange(low, high)
    return np.polyfit(z, function(z), degree)[::-1].tolist()


@wrong("Expected 6 values, got 4")
def always_three(function, low, high, degree):
    z = np.linspace(low, high, 1001)
    return np.polyfit(z, function(z), 3)[::-1].tolist()
