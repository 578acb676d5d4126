"""Stealing a forecasting model through the interface that hides the questions from its owner."""
import numpy as np

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 12, 4
hints = [
    "What does the model answer to a window of zeros? And to one that is 1 on a single day: which of its numbers are in the answer?",
    "y(e_i) = c + L_i + Q_ii and y(-e_i) = c - L_i + Q_ii: their sum and difference part the two. y(e_i + e_j) holds Q_ij and things you know by then.",
    "Ask once: `np.concatenate([zeros, unit, -unit, [unit[i] + unit[j] for i, j in pairs]])`, then cut the answers: [0], [1:n + 1], [n + 1:2 * n + 1], the rest. "
    "`linear = (plus - minus) // 2`, `quadratic[i, i] = (plus[i] + minus[i]) // 2 - constant`, and for a pair subtract plus[i] and plus[j]; what was subtracted twice?",
]
after = "The owner saw ciphertexts and could not tell this upload from an honest one. Encryption hides the thief as well as it hides the patient."


def extract_model(ask, n):
    """The numbers of y(x) = c + sum L[i] x[i] + sum Q[i,j] x[i] x[j], i<=j.

    ask: int64 windows (m, n) -> int64 answers (m,), one a window. It may
    be called 3 times, with 1 + 2 n + n (n - 1) / 2 windows in all; ask
    with small numbers, large ones wrap around. Returns c, L, Q: int,
    int64 (n,), int64 (n, n) with zeros below the diagonal.
    """
    unit = np.eye(n, dtype=np.int64)        # unit[i]: 1 on day i, else 0
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    # BEGIN SOLUTION
    both = [unit[i] + unit[j] for i, j in pairs]
    answers = ask(np.concatenate([0 * unit[:1], unit, -unit, both]))
    constant, plus, minus, both = np.split(answers, [1, n + 1, 2 * n + 1])
    constant = int(constant[0])
    quadratic = np.diag((plus + minus) // 2 - constant)
    for (i, j), y in zip(pairs, both):
        quadratic[i, j] = y - plus[i] - plus[j] + constant
    return constant, (plus - minus) // 2, quadratic
    # END SOLUTION


T = 4294828033


def check(answer, random):
    """Two secret models, of 4 and 6 days; the oracle counts windows and calls and knows nothing of encryption."""
    for n in (4, 6):
        def draw():
            return random.choice((-1, 1)) * random.randrange(50, 1000)

        c, linear = draw(), np.array([draw() for _ in range(n)])
        quadratic = np.triu(np.array([[draw() for _ in range(n)] for _ in range(n)]))
        asked, budget = [], 1 + 2 * n + n * (n - 1) // 2

        def ask(windows):
            try:
                windows = np.asarray(windows).astype(np.int64)
            except Exception:
                raise ValueError(f"ask wants windows of {n} whole numbers: an array (m, {n})") from None
            if windows.ndim != 2 or windows.shape[1] != n:
                raise ValueError(f"ask wants an array (m, {n}), a row for each window; yours has the shape {windows.shape}")
            asked.append(len(windows))
            return np.array([(c + int(x @ linear) + int(x @ quadratic @ x) + T // 2) % T - T // 2 for x in windows], dtype=np.int64)

        got = answer(ask, n)
        suspect(len(asked) > 3, "Each call is one upload, and an upload has room for thousands of windows: put them into one array, and ask at most three times.")
        suspect(sum(asked) > budget, lambda: f"You asked about {sum(asked)} windows; {budget} are allowed and enough. Is a pair asked in both orders, or a day paired with itself?")
        suspect(not asked, "You never called `ask`.")
        expect_like(got, (c, linear, quadratic))
        got_c, got_linear, got_quadratic = int(got[0]), got[1], got[2]
        squares, pairs = np.diag(quadratic), np.triu(quadratic, 1)
        suspect(close(got_linear, linear + squares, 0), "Your L is y(e_i) - y(0), as if the model were linear. That is L_i + Q_ii: the square of 1 is 1 too. The window -e_i parts them.")
        suspect(close(got_linear, 2 * linear, 0), "Your L is twice too large: y(e_i) - y(-e_i) holds it two times.")
        suspect(close(got_linear, -linear, 0), "The signs of L are turned: plus minus minus, in this order.")
        expect("the constant and the linear part", got_c == c and close(got_linear, linear, 0), lambda: f"c is {'right' if got_c == c else 'wrong'}; "
               f"of L {int((got_linear == linear).sum())} of {n} numbers are right.", points=n == 6)
        suspect(not got_quadratic.any(), "L is right, but Q is zero: half of the model is missing.")
        diagonal = np.diag(got_quadratic)
        suspect(close(diagonal, 2 * squares, 0), "The diagonal of Q is twice too large: in y(e_i) + y(-e_i) it stands two times.")
        suspect(close(diagonal, squares + c, 0), "In the diagonal of Q the constant is still there: both answers hold it.")
        suspect(close(diagonal, squares + linear, 0), "The diagonal of Q still holds L: y(e_i) alone cannot part the two.")
        expect("the diagonal of Q", close(diagonal, squares, 0), lambda: f"{int((diagonal == squares).sum())} of {n} numbers of the diagonal are right.", points=n == 6)
        above = np.triu(got_quadratic, 1)
        suspect(close(np.tril(got_quadratic, -1), pairs.T, 0), "Below the diagonal your pairs stand "
                "(again): with i <= j each pair has its one place above it, else x_i x_j is counted twice or misplaced.")
        suspect(close(above[0, 1], pairs[0, 1] - c, 0), "Of each pair the constant was taken away twice, once with either day: give one back.")
        suspect(close(above[0, 1], quadratic[0, 1] + linear[:2].sum() + squares[:2].sum(), 0), "y(e_i + e_j) - y(0) still holds what each of the two days does alone: take away y(e_i) and y(e_j).")
        expect("every pair of days", close(got_quadratic, quadratic, 0), lambda: f"{int((above == pairs)[np.triu_indices(n, 1)].sum())} of {n * (n - 1) // 2} pairs are right.", points=2 * (n == 6))


@right
def in_three_calls(ask, n):
    unit = np.eye(n, dtype=np.int64)
    c = int(ask(np.zeros((1, n), dtype=np.int64))[0])
    single = ask(np.vstack([unit, -unit])).reshape(2, n)
    linear, square = (single[0] - single[1]) // 2, (single[0] + single[1]) // 2 - c
    rows, columns = np.triu_indices(n, 1)
    q = np.diag(square)
    q[rows, columns] = ask(unit[rows] + unit[columns]) - c - (linear + square)[rows] - (linear + square)[columns]
    return c, linear, q


@right
def by_equations(ask, n):
    unit, rows, columns = np.eye(n, dtype=np.int64), *np.triu_indices(n)
    first, second = np.triu_indices(n, 1)
    x = np.vstack([np.zeros((1, n), dtype=np.int64), unit, 2 * unit, unit[first] - unit[second]])
    design = np.hstack([np.ones((len(x), 1)), x, x[:, rows] * x[:, columns]])
    found = np.round(np.linalg.solve(design, ask(x))).astype(np.int64)
    q = np.zeros((n, n), dtype=np.int64)
    q[rows, columns] = found[n + 1:]
    return int(found[0]), found[1:n + 1], q


def asked_once(ask, n):
    """constant, plus, minus, the pairs' answers: for the answers below."""
    u = np.eye(n, dtype=np.int64)
    i, j = np.triu_indices(n, 1)
    y = ask(np.vstack([np.zeros_like(u[:1]), u, -u, u[i] + u[j]]))
    return int(y[0]), y[1:n + 1], y[n + 1:2 * n + 1], y[2 * n + 1:], i, j


def put_together(n, c, linear, square, values, i, j):
    q = np.zeros((n, n), dtype=np.int64)
    q[range(n), range(n)] = square
    q[i, j] = values
    return c, linear, q


@wrong("as if the model were linear")
def linear_only(ask, n):
    c, plus, minus, both, i, j = asked_once(ask, n)
    return put_together(n, c, plus - c, 0, 0, i, j)


@wrong("Q is zero: half of the model is missing")
def no_squares(ask, n):
    c, plus, minus, both, i, j = asked_once(ask, n)
    return put_together(n, c, (plus - minus) // 2, 0, 0, i, j)


@wrong("y(e_i) - y(-e_i) holds it two times")
def not_halved(ask, n):
    c, plus, minus, both, i, j = asked_once(ask, n)
    return put_together(n, c, plus - minus, 0, 0, i, j)


@wrong("in y(e_i) + y(-e_i) it stands two times")
def squares_not_halved(ask, n):
    c, plus, minus, both, i, j = asked_once(ask, n)
    return put_together(n, c, (plus - minus) // 2, plus + minus - 2 * c, 0, i, j)


@wrong("both answers hold it")
def constant_left(ask, n):
    c, plus, minus, both, i, j = asked_once(ask, n)
    return put_together(n, c, (plus - minus) // 2, (plus + minus) // 2, 0, i, j)


@wrong("give one back")
def constant_taken_twice(ask, n):
    c, plus, minus, both, i, j = asked_once(ask, n)
    return put_together(n, c, (plus - minus) // 2, (plus + minus) // 2 - c, both - plus[i] - plus[j], i, j)


@wrong("still holds what each of the two days does alone")
def singles_left(ask, n):
    c, plus, minus, both, i, j = asked_once(ask, n)
    return put_together(n, c, (plus - minus) // 2, (plus + minus) // 2 - c, both - c, i, j)


@wrong("else x_i x_j is counted twice")
def symmetric(ask, n):
    c, plus, minus, both, i, j = asked_once(ask, n)
    c, linear, q = put_together(n, c, (plus - minus) // 2, (plus + minus) // 2 - c, both - plus[i] - plus[j] + c, i, j)
    q[j, i] = q[i, j]
    return c, linear, q


@wrong("windows; ")
def all_orders(ask, n):
    u = np.eye(n, dtype=np.int64)
    c, plus, minus = int(ask(0 * u[:1])[0]), *ask(np.vstack([u, -u])).reshape(2, n)
    table = ask((u[:, None] + u[None]).reshape(-1, n)).reshape(n, n) - plus[:, None] - plus[None] + c
    return c, (plus - minus) // 2, np.triu(table, 1) + np.diag((plus + minus) // 2 - c)


@wrong("a row for each window; yours has the shape")
def one_window_without_a_row(ask, n):
    c = ask(np.zeros(n, dtype=np.int64))
    return int(c), np.zeros(n, dtype=np.int64), np.zeros((n, n), dtype=np.int64)


@wrong("Each call is one upload")
def one_by_one(ask, n):
    u = np.eye(n, dtype=np.int64)
    c = int(ask(0 * u[:1])[0])
    plus, minus = (np.array([ask(s * u[k:k + 1])[0] for k in range(n)]) for s in (1, -1))
    q = np.diag((plus + minus) // 2 - c)
    for i in range(n):
        for j in range(i + 1, n):
            q[i, j] = ask(u[i:i + 1] + u[j:j + 1])[0] - plus[i] - plus[j] + c
    return c, (plus - minus) // 2, q
