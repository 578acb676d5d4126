"""One step of the binary search for c: each image by itself, upwards by ten until something succeeded, then halves."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 7, 2
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "You guess a number. After `too low` and `too high`: between which two numbers do you look now? And if nobody has ever said `too high`?",
    "A c that failed becomes the new `low`, one that succeeded the new `high`; the other end stays. The next c is their middle, or, while `high` is still infinite, 10 c.",
    "`low = torch.where(success, low, c)`, `high = torch.where(success, ..., ...)`, `c = torch.where(high < torch.inf, ..., ...)`.",
]
after = ("A few values of c do: the change is squared and c is only a price, so a c that is a little off costs next to nothing. And the closest success "
         "of ALL tries is kept, not the last one.")


def next_c(success, low, high, c):
    """Where to look for c after a try, for each image by itself.

    success: (n,) bool, did the attack with this c reach its aim?
    low: (n,) float, the largest c known to fail (0: none yet);
    high: (n,) float, the smallest c known to succeed (infinity: none yet);
    c: (n,) float, the one just tried.
    Returns the new low, high, c: the middle of low and high or, while high
    is infinite, 10 times the c just tried.
    torch.where(yes, a, b) takes a where `yes` is True, else b.
    """
    # BEGIN SOLUTION
    low = torch.where(success, low, c)
    high = torch.where(success, c, high)
    c = torch.where(high < torch.inf, (low + high) / 2, 10 * c)
    return low, high, c
    # END SOLUTION


def by_hand(success, low, high, c):
    """Image by image in plain Python."""
    rows = []
    for yes, bottom, top, tried in zip(success.tolist(), low.tolist(), high.tolist(), c.tolist()):
        bottom, top = (bottom, tried) if yes else (tried, top)
        rows.append((bottom, top, (bottom + top) / 2 if top < float("inf") else 10 * tried))
    return [torch.tensor(column) for column in zip(*rows)]


def finite(values):
    """A billion in place of infinity, so that values can be compared."""
    return [value.nan_to_num(nan=-1e9, posinf=1e9) for value in values]


def check(answer, random):
    """Six images, in each state that the search knows, twice; then searches to their end, image by image."""
    c = random.tensor(6, low=1, high=2)
    low = torch.where(torch.tensor([1, 0, 1, 0, 0, 1]) > 0, c * random.tensor(6, low=.2, high=.8), 0)
    high = torch.where(torch.tensor([1, 1, 0, 0, 1, 0]) > 0, c * random.tensor(6, low=1.5, high=3), torch.inf)
    success = torch.tensor([True, False, True, True, True, False])
    result = answer(success, low, high, c)
    like = (c, torch.zeros(6), c)
    if isinstance(result, list):
        result = tuple(result)
    parts = result if isinstance(result, tuple) and len(result) == 3 and all(torch.is_tensor(x) and x.dtype == c.dtype for x in result) else None
    expect_like(tuple(finite(parts)) if parts else result, like)
    new_low, new_high, new_c = finite(by_hand(success, low, high, c))
    got = finite(result)
    other = finite(by_hand(~success, low, high, c))

    suspect(close(got, other, 1e-4), "You have it the wrong way round: a c that SUCCEEDED is large enough, so look below it. It becomes `high`.")
    suspect(close(got, finite([low, high, c]), 1e-6), "These are the old low, high and c.")
    suspect(close(got[2], finite([(low + high) / 2])[0], 1e-4) or close(got[2], finite([torch.where(high < torch.inf, (low + high) / 2, 10 * c)])[0], 1e-4)
            or close(got[2], finite([torch.where(success, (low + high) / 2, 10 * c)])[0], 1e-4),
            "Your next c is the middle of the OLD low and high: they have to learn of this try first.")
    narrowed = close(got[:2], [new_low, new_high], 1e-4)
    suspect(narrowed and got[2].max() > 1e8, "One of your values of c is infinite: there is no middle between a number and infinity. "
            "While no c has ever succeeded, take 10 times the one just tried.")
    suspect(narrowed and close(got[2], finite([torch.where(success, (by_hand(success, low, high, c)[0] + by_hand(success, low, high, c)[1]) / 2, 10 * c)])[0], 1e-4),
            "After each failure you take 10 times c, also where a smaller one is known to succeed: you leap out of the interval. Ask `high`, not `success`.")
    suspect(narrowed and close(got[2], torch.where(torch.isinf(high) & ~success, 10 * c, torch.where(success, c / 2, 2 * c)), 1e-4),
            "You halve and double c. What earlier tries said, `low` and `high`, is lost.")
    suspect(narrowed and close(got[2], torch.where(new_high < 1e8, (new_low * new_high).sqrt(), 10 * c), 1e-4),
            "That is the geometric middle: as long as low is 0, it is 0, and with c = 0 nobody attacks. Take the plain one.")
    suspect(close(got[0], new_low, 1e-4) and not close(got[1], new_high, 1e-4), "`low` is right, `high` is not: where the try succeeded it becomes c, elsewhere it stays.")
    suspect(close(got[1], new_high, 1e-4) and not close(got[0], new_low, 1e-4), "`high` is right, `low` is not: where the try failed it becomes c, elsewhere it stays.")
    suspect(len(set(got[2].tolist())) == 1, "All images got the same c. One needs more than another: each has a search of its own.")
    suspect(close(got[:2], finite([low, c]), 1e-4) or close(got[:2], finite([c, high]), 1e-4),
            "One question for all images, such as `.all()` or `.any()`: here some succeeded and some failed. torch.where asks each by itself.")
    expect("low and high close in", narrowed, "The new low and high are others.", got=got[0], expected=new_low)
    expect("the next c", close(got[2], new_c, 1e-4), "low and high are right, the next c is not.", points=1, got=got[2], expected=new_c)

    needed = 10 ** random.tensor(8, low=-2.5, high=1.5)
    state = torch.zeros(8), torch.full((8,), torch.inf), torch.full((8,), .1)
    wanted, sound = state, []
    for _ in range(14):
        state, wanted = answer(state[2] >= needed, *state), by_hand(wanted[2] >= needed, *wanted)
        if isinstance(state, list):
            state = tuple(state)
        sound.append(isinstance(state, tuple) and len(state) == 3 and all(torch.is_tensor(x) and x.shape == needed.shape and x.dtype == needed.dtype for x in state))
        if not sound[-1]:
            break
    expect("returns three tensors each time", all(sound), "With other values it returns something else than three tensors, (n,) each.")
    error = float((state[1] / needed - 1).abs().max())
    expect("finds each image's smallest c within 1 %", close(finite(state), finite(wanted), 1e-3) and error < .01,
           lambda: f"After 14 tries the smallest c that succeeds is still off by {100 * min(error, 1e6):.0f} %.", points=2)


@right
def by_halves(success, low, high, c):
    low, high = low.clone(), high.clone()
    high[success], low[~success] = c[success], c[~success]
    unknown = high.isinf()
    following = low + (high - low) / 2
    following[unknown] = 10 * c[unknown]
    return low, high, following


@right
def one_at_a_time(success, low, high, c):
    new = []
    for hit, bottom, top, tried in zip(success, low, high, c):
        if hit:
            top = tried
        else:
            bottom = tried
        new.append(torch.stack([bottom, top, tried * 10 if top.isinf() else (bottom + top) / 2]))
    return tuple(torch.stack(new).T)


@wrong("so look below it")
def wrong_way_round(success, low, high, c):
    low = torch.where(success, c, low)
    high = torch.where(success, high, c)
    return low, high, torch.where(high < torch.inf, (low + high) / 2, 10 * c)


@wrong("no middle between a number and infinity")
def middle_of_infinity(success, low, high, c):
    low = torch.where(success, low, c)
    high = torch.where(success, c, high)
    return low, high, (low + high) / 2


@wrong("you leap out of the interval")
def ten_after_each_failure(success, low, high, c):
    low = torch.where(success, low, c)
    high = torch.where(success, c, high)
    return low, high, torch.where(success, (low + high) / 2, 10 * c)


@wrong("middle of the OLD low and high")
def too_early(success, low, high, c):
    following = torch.where(high < torch.inf, (low + high) / 2, 10 * c)
    return torch.where(success, low, c), torch.where(success, c, high), following


@wrong("so no `if` can ask it")
def one_if_for_all(success, low, high, c):
    if success:
        high = c
    else:
        low = c
    return low, high, torch.where(high < torch.inf, (low + high) / 2, 10 * c)


@wrong("One question for all images")
def all_or_none(success, low, high, c):
    if success.all():
        high = c
    else:
        low = c
    return low, high, torch.where(high < torch.inf, (low + high) / 2, 10 * c)


@wrong("`high` is right, `low` is not")
def low_stays(success, low, high, c):
    high = torch.where(success, c, high)
    return low, high, torch.where(high < torch.inf, (low + high) / 2, 10 * c)


@wrong("That is the geometric middle")
def geometric(success, low, high, c):
    low = torch.where(success, low, c)
    high = torch.where(success, c, high)
    return low, high, torch.where(high < torch.inf, (low * high).sqrt(), 10 * c)


@wrong("Expected a tuple of 3 values")
def only_c(success, low, high, c):
    low = torch.where(success, low, c)
    high = torch.where(success, c, high)
    return torch.where(high < torch.inf, (low + high) / 2, 10 * c)


@wrong("You halve and double c")
def halves_and_doubles(success, low, high, c):
    low = torch.where(success, low, c)
    high = torch.where(success, c, high)
    return low, high, torch.where(high.isinf(), 10 * c, torch.where(success, c / 2, 2 * c))
