"""The adversarial saliency map of pixel pairs: A * |B| where the target rises and the others fall."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 13, 3
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "Of one pixel: what does a push do for the target's logit (one number), and for all other logits together (another)? Of a pair: the sums of these.",
    "`helps` and `hurts` are (d,) each: the target's row, and the sum of the others. `helps[rows][:, None] + helps` has the sums of all pairs of the strip. "
    "To darken turns both signs, so multiply both by theta's sign first.",
    "`sign = 1 if theta > 0 else -1`; `helps = sign * jacobian[target]`; `hurts = sign * jacobian.sum(0) - helps`; `A` and `B` as above; "
    "`ok = (A > 0) & (B < 0) & movable[rows][:, None] & movable & (rows[:, None] != torch.arange(len(movable)))`; then `A * B.abs() * ok`.",
]
after = ("Of two classes, B is the slope of the only other logit. If both logits went up and down together, no pair would be admissible: the map looks at each "
         "logit by itself, not at the difference that decides.")


def saliency_pairs(jacobian, target, theta, movable, rows):
    """A strip of the saliency map of all pairs of pixels.

    jacobian: (classes, d) float32, slopes of the logits; target: an int.
    theta: the push: above 0 it brightens, below 0 it darkens.
    movable: (d,) bool; rows: (r,) int64, the first pixels p of the pairs.
    Returns (r, d), row i for p = rows[i], column q for each of d pixels:
      A * |B|,  A: what the push does to the target's logit, p and q
                together, as slopes (the size of theta plays no part);
                B: the same for all other logits together;
      0 unless A > 0 and B < 0, p and q are movable, and p is not q.
    x[:, None] + y adds every y to every x: (r,) and (d,) give (r, d).
    """
    # BEGIN SOLUTION
    sign = 1 if theta > 0 else -1
    helps = sign * jacobian[target]
    hurts = sign * jacobian.sum(0) - helps
    A = helps[rows][:, None] + helps
    B = hurts[rows][:, None] + hurts
    ok = (A > 0) & (B < 0) & movable[rows][:, None] & movable
    ok &= rows[:, None] != torch.arange(len(movable))
    return A * B.abs() * ok
    # END SOLUTION


def by_loop(jacobian, target, theta, movable, rows, *, others=None, sign=None, allowed=None, each=False, whom="both", itself=False, signed=False):
    """The oracle: number by number. The keywords make it err: which logits are the others, the push's sign for A and B, which (A, B) are allowed, each pixel
    asked by itself, whose movability counts, a pixel with itself, B with its sign."""
    sign = sign or ((1, 1) if theta > 0 else (-1, -1))
    others = [j for j in range(len(jacobian)) if j != target] if others is None else others
    allowed = allowed or (lambda a, b: a > 0 and b < 0)
    slopes = jacobian.double().tolist()
    helps = [sign[0] * slope for slope in slopes[target]]
    hurts = [sign[1] * sum(slopes[j][p] for j in others) for p in range(len(helps))]
    strip = torch.zeros(len(rows), len(helps))
    for i, p in enumerate(rows.tolist()):
        for q in range(len(helps)):
            free = {"both": movable[p] and movable[q], "p": movable[p], "q": movable[q], "nobody": True}[whom]
            apart = q != i if itself == "the strip's" else q != p or itself
            a, b = helps[p] + helps[q], hurts[p] + hurts[q]
            asked = [(helps[p], hurts[p]), (helps[q], hurts[q])] if each else [(a, b)]
            if free and apart and all(allowed(*pair) for pair in asked):
                strip[i, q] = a * (b if signed else abs(b))
    return strip


# What may go wrong, in the words of `by_loop`; in every scene no two of these look alike.
MISTAKES = [{"allowed": lambda a, b: a * b < 0}, {"allowed": lambda a, b: a > 0}, {"allowed": lambda a, b: b < 0}, {"each": True}, {"itself": True},
            {"itself": "the strip's"}, {"whom": "nobody"}, {"whom": "p"}, {"whom": "q"}]


def scene(random, classes, theta, d=12):
    """Arguments for the answer; the strip begins in the middle of the map. 1 - target is another class, so that who thinks of two classes shows."""
    while True:
        rows = torch.arange(5) + random.randrange(4, 7)
        movable = torch.tensor(random.sample([True] * 9 + [False] * 3, d))
        given = random.tensor(classes, d, low=-2, high=2), random.randrange(2), theta, movable, rows
        strips = [by_loop(*given), *(by_loop(*given, **mistake) for mistake in MISTAKES)]
        if not any(close(strip, other, 0.01) for i, strip in enumerate(strips) for other in strips[:i]):
            return given


def worst_pair(jacobian, target, theta, movable, rows, result, expected):
    """A sentence on the pair whose value is farthest off: all that its value depends on."""
    i, q = divmod(int((result - expected).abs().argmax()), len(movable))
    p, sign, a = int(rows[i]), 1 if theta > 0 else -1, jacobian[target]
    A, B = (sign * float(row[p] + row[q]) for row in (a, jacobian.sum(0) - a))
    able = ["cannot move", "can move"]
    which = f"p {able[int(movable[p])]}, q {able[int(movable[q])]}" if p != q else "q is p"
    return (f"Look at one pair, p = {p} and q = {q} (row {i} of the strip). With theta {'above' if theta > 0 else 'below'} 0, A is {A:.2g}, B is {B:.2g}; "
            f"{which}. So the map is {float(expected[i, q]):.2g}; yours is {float(result[i, q]):.2g}.")


def check(answer, random):
    """Papernot et al. 2016, equations 8 to 10, for both signs of theta, and for two classes."""
    for classes, theta in ((3, random.uniform(0.2, 1)), (3, -random.uniform(0.2, 1)), (2, 1.0), (2, -1.0)):
        given = scene(random, classes, theta)
        jacobian, target = given[:2]
        expected = by_loop(*given)
        result = answer(*given)
        expect_like(result, expected)

        def is_this(**mistake):
            candidate = by_loop(*given, **mistake)
            return not close(candidate, expected, 1e-3) and close(result, candidate, 1e-5)

        falling, everyone = ((-1, -1) if theta > 0 else (1, 1)), list(range(classes))
        suspect(is_this(others=everyone), "Your B includes the target's own logit: it is the sum of the *other* logits.")
        suspect(classes > 2 and any(is_this(others=[j]) for j in everyone if j != target), "Your B is one other logit: it is the sum of all others.")
        suspect(theta < 0 and is_this(sign=(1, 1)), "That is the map for theta above 0. To darken, a pixel goes down: what raised a logit now lowers it.")
        suspect(theta < 0 and (is_this(sign=(-1, 1)) or is_this(sign=(1, -1))), "To darken turns the sign of both A and B; you turned one of them.")
        suspect(is_this(sign=falling), "Your signs are the wrong way round: the target must rise (A > 0) and the others fall (B < 0).")
        suspect(is_this(allowed=lambda a, b: a * b < 0) or is_this(allowed=lambda a, b: a * b < 0, signed=True),
                "You admit pairs that lower the target and raise the others: A * B < 0 does not say which of the two rises.")
        suspect(is_this(allowed=lambda a, b: a > 0), "You did not ask for B < 0: some of your pairs raise the other logits, too.")
        suspect(is_this(allowed=lambda a, b: b < 0), "You did not ask for A > 0: some of your pairs lower the target.")
        suspect(is_this(allowed=lambda a, b: True), "Every pair has a value here. Those that miss A > 0 and B < 0 get 0.")
        suspect(is_this(each=True), "You asked each pixel by itself. The conditions are for the pair: one pixel may make up for the other.")
        suspect(is_this(signed=True), "Your values are below 0, so that the best pair would never be the largest: take B's size, B.abs().")
        suspect(is_this(itself=True), "You pair pixels with themselves: where q is p, the map is 0.")
        suspect(is_this(itself="the strip's"), "You emptied the strip's own diagonal. Its first row is not pixel 0 but rows[0]: compare q with rows.")
        suspect(is_this(whom="nobody"), "Some of your pairs hold a pixel that cannot move: it is white already, or black.")
        suspect(is_this(whom="q") or is_this(whom="p"), "You looked at one pixel of the pair only: p and q must both be movable.")
        suspect(abs(theta) != 1 and any(close(result, factor * expected, 1e-5) for factor in (theta, theta * theta, abs(theta))),
                "You multiplied by theta. Its size is the same for every pair; only its sign counts.")
        expect(f"{classes} classes, {'brightening' if theta > 0 else 'darkening'}", close(result, expected, 1e-5),
               lambda: worst_pair(*given, result, expected), points=1, got=result, expected=expected)


@right
def clamped(jacobian, target, theta, movable, rows):
    if theta < 0:
        jacobian = -jacobian
    others = torch.cat([jacobian[:target], jacobian[target + 1:]]).sum(0)
    rise = (jacobian[target, rows].unsqueeze(1) + jacobian[target].unsqueeze(0)).clamp(min=0)
    fall = -(others[rows].unsqueeze(1) + others.unsqueeze(0)).clamp(max=0)
    strip = rise * fall
    strip[torch.arange(len(rows)), rows] = 0
    strip[~movable[rows]] = 0
    strip[:, ~movable] = 0
    return strip


@right
def row_by_row(jacobian, target, theta, movable, rows):
    strip = torch.zeros(len(rows), jacobian.shape[1])
    mine, all_of_them = jacobian[target], jacobian.sum(0)
    for i, p in enumerate(rows.tolist()):
        a = mine[p] + mine
        b = all_of_them[p] + all_of_them - a
        good = ((a > 0) & (b < 0) if theta > 0 else (a < 0) & (b > 0)) & movable
        good[p] = False
        if movable[p]:
            strip[i, good] = (a * b).abs()[good]
    return strip


@wrong("Your B includes the target's own logit")
def all_logits(jacobian, target, theta, movable, rows):
    push = jacobian if theta > 0 else -jacobian
    a, b = push[target], push.sum(0)
    A, B = a[rows][:, None] + a, b[rows][:, None] + b
    return A * B.abs() * ((A > 0) & (B < 0) & movable[rows][:, None] & movable & (rows[:, None] != torch.arange(len(a))))


@wrong("Your B is one other logit")
def of_two_classes(jacobian, target, theta, movable, rows):
    push = jacobian if theta > 0 else -jacobian
    a, b = push[target], push[1 - target]
    A, B = a[rows][:, None] + a, b[rows][:, None] + b
    return A * B.abs() * ((A > 0) & (B < 0) & movable[rows][:, None] & movable & (rows[:, None] != torch.arange(len(a))))


@wrong("That is the map for theta above 0")
def always_brighter(jacobian, target, theta, movable, rows):
    a = jacobian[target]
    b = jacobian.sum(0) - a
    A, B = a[rows][:, None] + a, b[rows][:, None] + b
    return A * B.abs() * ((A > 0) & (B < 0) & movable[rows][:, None] & movable & (rows[:, None] != torch.arange(len(a))))


@wrong("you turned one of them")
def half_turned(jacobian, target, theta, movable, rows):
    a = jacobian[target] if theta > 0 else -jacobian[target]
    b = jacobian.sum(0) - jacobian[target]
    A, B = a[rows][:, None] + a, b[rows][:, None] + b
    return A * B.abs() * ((A > 0) & (B < 0) & movable[rows][:, None] & movable & (rows[:, None] != torch.arange(len(a))))


@wrong("does not say which of the two rises")
def by_the_product(jacobian, target, theta, movable, rows):
    push = jacobian if theta > 0 else -jacobian
    a, b = push[target], push.sum(0) - push[target]
    A, B = a[rows][:, None] + a, b[rows][:, None] + b
    return A * B.abs() * ((A * B < 0) & movable[rows][:, None] & movable & (rows[:, None] != torch.arange(len(a))))


@wrong("You asked each pixel by itself")
def single_pixels(jacobian, target, theta, movable, rows):
    push = jacobian if theta > 0 else -jacobian
    a, b = push[target], push.sum(0) - push[target]
    good = (a > 0) & (b < 0) & movable
    A, B = a[rows][:, None] + a, b[rows][:, None] + b
    return A * B.abs() * (good[rows][:, None] & good & (rows[:, None] != torch.arange(len(a))))


@wrong("so that the best pair would never be the largest")
def signed(jacobian, target, theta, movable, rows):
    push = jacobian if theta > 0 else -jacobian
    a, b = push[target], push.sum(0) - push[target]
    A, B = a[rows][:, None] + a, b[rows][:, None] + b
    return A * B * ((A > 0) & (B < 0) & movable[rows][:, None] & movable & (rows[:, None] != torch.arange(len(a))))


@wrong("You pair pixels with themselves")
def twice_the_same(jacobian, target, theta, movable, rows):
    push = jacobian if theta > 0 else -jacobian
    a, b = push[target], push.sum(0) - push[target]
    A, B = a[rows][:, None] + a, b[rows][:, None] + b
    return A * B.abs() * ((A > 0) & (B < 0) & movable[rows][:, None] & movable)


@wrong("You emptied the strip's own diagonal")
def fills_the_diagonal(jacobian, target, theta, movable, rows):
    push = jacobian if theta > 0 else -jacobian
    a, b = push[target], push.sum(0) - push[target]
    A, B = a[rows][:, None] + a, b[rows][:, None] + b
    return (A * B.abs() * ((A > 0) & (B < 0) & movable[rows][:, None] & movable)).fill_diagonal_(0)


@wrong("Some of your pairs hold a pixel that cannot move")
def moves_all(jacobian, target, theta, movable, rows):
    push = jacobian if theta > 0 else -jacobian
    a, b = push[target], push.sum(0) - push[target]
    A, B = a[rows][:, None] + a, b[rows][:, None] + b
    return A * B.abs() * ((A > 0) & (B < 0) & (rows[:, None] != torch.arange(len(a))))


@wrong("yours is (12, 12)")
def the_whole_map(jacobian, target, theta, movable, rows):
    push = jacobian if theta > 0 else -jacobian
    a, b = push[target], push.sum(0) - push[target]
    A, B = a[:, None] + a, b[:, None] + b
    return A * B.abs() * ((A > 0) & (B < 0) & movable[:, None] & movable)


@wrong("Look at one pair")
def forgets_two_things(jacobian, target, theta, movable, rows):
    push = jacobian if theta > 0 else -jacobian
    a, b = push[target], push.sum(0) - push[target]
    A, B = a[rows][:, None] + a, b[rows][:, None] + b
    return torch.where((A > 0) & (B < 0) & movable, A * B.abs(), 0)
