"""The bill of a query attack: how often it succeeds within a budget, and the median of queries, failures counted as infinite."""
import math

import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 9, 2
hints = [
    "Three patients: fooled at query 5, fooled at query 7, never fooled. What is the median? And what would it be if you forgot the third?",
    "Throw out the rows that were misread before. Cut the others at the budget. For each row: is there a lead of 0 or below, and where is the first one? "
    "Where there is none, the count is infinite.",
    "`fooled = leads[before > 0][:, :budget] <= 0`; `fooled.any(1)` tells who, `fooled.int().argmax(1) + 1` when; `torch.where(..., ..., math.inf)`, then `.median()`.",
]
after = ("Many papers give the mean over the successes. It looks better the more often an attack gives up early: cut the budget to 10 and it is below 10. With the "
         "success rate beside a median over all, nothing can hide.")


def count_queries(before, leads, budget):
    """What did a query attack achieve, and what did it cost?

    before: (n,), how far the right diagnosis was ahead for the untouched
    image; at 0 or below, the victim was wrong already: such images do not
    count. leads: (n, q), the same for the first, second, ... picture that
    the victim was shown; at 0 or below it was fooled.
    Returns two plain numbers, over the images that count:
      the share fooled within `budget` queries;
      the median number of queries until the first success, math.inf for
      an image that was never fooled within the budget.
    (x <= 0).int().argmax(1) is the place of the first True in each row,
    or 0 where there is none: whole numbers, which cannot be infinite, so
    make them .float() first. .median() takes the lower of two middle ones.
    """
    # BEGIN SOLUTION
    fooled = leads[before > 0, :budget] <= 0
    first = fooled.int().argmax(1) + 1
    queries = torch.where(fooled.any(1), first, math.inf)
    return fooled.any(1).float().mean().item(), queries.median().item()
    # END SOLUTION


def ledger(random, plan, budget, late, bad):
    """Leads of images whose first success is planned. plan: first successes; late: beyond the budget; bad: misread before, of which most answers are fooled at once.
    After the first success the lead may rise again. Exactly 0 is a success, too: the second and third image have no other; and one of the bad stood there."""
    width, rows, before = budget + 6, [], []
    for first in [*plan, *late, *[1] * bad]:
        row = random.tensor(width, low=0.1, high=2.0)
        if first in plan[1:3]:
            row[first - 1] = 0.0
        elif first is not None:
            row[first - 1] = -0.3
            # Some later answers fool, too, and the last one does not: neither "the last" nor "how many" is the first. Beyond the budget nothing is added.
            for k in range(first, min(width - 1, budget)):
                if random.random() < 0.5:
                    row[k] = -random.random() - 0.1
            row[width - 1] = 0.5
            if first == plan[0]:
                row[budget - 1] = 0.5           # fooled, but not by the last answer within the budget
        rows.append(row)
        before.append(1.0 + random.random())
    for k in range(len(rows) - bad, len(rows)):
        before[k] = -random.random() - 0.1
    before[-1] = 0.0
    order = random.sample(range(len(rows)), len(rows))
    return torch.tensor([before[k] for k in order]), torch.stack([rows[k] for k in order])


def check(answer, random):
    """Twice with other numbers of images and queries; then an attack that fails more often than not."""
    seen = []
    for failures, bad in ((2, 2), (3, 3)):
        budget = random.choice([14, 15, 16])
        late = [budget + 3] + [None] * (failures - 1)
        while True:
            plan = sorted(random.sample(range(3, budget - 3), 4)) + [budget - 2, budget] + [budget] * (failures - 2)
            plan = plan if (len(plan) + len(late)) % 2 else plan + [budget - 2]
            if 2 * sum(plan) % len(plan):           # the mean of the successes is no median of anything
                break
        n, count = len(plan) + len(late), len(plan) + len(late) + bad
        share = len(plan) / n
        everyone = sorted(plan + [math.inf] * len(late))
        median = everyone[(n - 1) // 2]
        while True:
            before, leads = ledger(random, plan, budget, late, bad)
            kept = leads[before > 0][:, :budget] <= 0
            to_last = float(torch.where(kept.any(1), budget - kept.flip(1).int().argmax(1), math.inf).median())
            number = float(torch.where(kept.any(1), kept.sum(1), math.inf).median())
            if median not in (to_last, number):
                break
        result = answer(before, leads, budget)
        last = float((leads[before > 0][:, budget - 1] <= 0).float().mean())
        pair = type(result) in (tuple, list) and len(result) == 2 and all(type(x) in (int, float) for x in result)
        infinite = pair and result[1] == math.inf
        suspect(pair and close(result[0], last, 1e-5) or infinite and result[0] == 0,
                "An image is fooled once ONE answer within the budget is at 0 or below: not all answers need be, nor the last.")
        suspect(infinite and close(result[0], share, 1e-5),
                "Your second number is infinite although most images were fooled. A mean is infinite with a single failure in it: take the median.")
        suspect(infinite, "Your second number is infinite although most images were fooled: a success stays one, whatever the lead is later.")
        expect_like(result, (0.5, 0.5))
        got, queries = result
        rounded = [float(p) for p in plan]
        suspect(close(got, median) and close(queries, share, 1e-5), "Both figures are right, but in the wrong order: the share comes first.")
        suspect(close(got, len(plan)), "The first figure is a number of images. Return a share: divide by the images that count.")
        suspect(close(got, (len(plan) + bad) / count, 1e-5), "You count images that the victim misread before anybody asked. Leave them out, above and below the line.")
        suspect(close(got, len(plan) / count, 1e-5), "You divide by all images. Those misread before cannot be fooled: divide by the others.")
        suspect(close(got, (len(plan) + 1) / n, 1e-5), "One image was fooled only after the budget was spent: look at the first `budget` answers.")
        suspect(close(got, (len(plan) - 2) / n, 1e-5), "A lead of exactly 0 counts as fooled: the stub says at 0 *or* below.")
        suspect(close(got, (len(plan) + 1) / (n + 1), 1e-5), "You count an image whose lead was exactly 0 before anybody asked. There the victim was wrong already, too.")
        suspect(close(got, (len(plan) - failures + 1) / n, 1e-5), "The last query within the budget was lost: whoever is fooled by query number `budget` counts.")
        suspect(close(queries, median - 1), "Your count begins at 0: an image fooled by the first picture cost 1 query.")
        successes = sorted(rounded)
        suspect(close(queries, successes[(len(successes) - 1) // 2]) or close(queries, (successes[len(successes) // 2] + successes[(len(successes) - 1) // 2]) / 2),
                "That is the median of the successes alone. An attack that gives up early would look cheap: failures count as infinite.")
        quick = sorted(rounded + [1.0] * len(late))
        suspect(close(queries, quick[(n - 1) // 2]), "Failures were counted as 1 query: `argmax` gives 0 where nothing is True.")
        suspect(close(queries, sum(min(p, budget) for p in everyone) / n, 1e-4), "That is a mean, with the budget in place of the failures. A median needs no such guess.")
        suspect(close(queries, sum(plan) / len(plan), 1e-4), "That is the mean over the successes: take the median over all that count.")
        suspect(close(queries, to_last), "You counted up to the last success. The attacker stops at the first.")
        suspect(close(queries, number), "You counted how many answers were fooled. What counts is when the first one was.")
        seen.append((got, queries, share, median))
    expect("the share fooled within the budget", all(close(got, share, 1e-5) for got, _, share, _ in seen), "The share is not right yet.", points=1,
           got=seen[0][0], expected=seen[0][2])
    expect("the median number of queries", all(close(got, wanted) for _, got, _, wanted in seen), "The median number of queries is not right yet.", points=2,
           got=seen[0][1], expected=seen[0][3])
    budget = 10
    before, leads = ledger(random, [4, 6], budget, [None] * 3, 2)
    result = answer(before, leads, budget)
    suspect(type(result) is tuple and len(result) == 2 and type(result[1]) in (int, float) and close(result[1], budget),
            "Three of five images were never fooled. The budget is not what they cost: nobody knows that. The median is infinite.")
    expect("infinite where most images are never fooled", type(result) is tuple and len(result) == 2 and close(result[0], 0.4, 1e-5)
           and type(result[1]) is float and result[1] == math.inf, "Three of five images were never fooled: the median is math.inf.", points=1)


@right
def by_loop(before, leads, budget):
    counts = []
    for known, row in zip(before.tolist(), leads.tolist()):
        if known > 0:
            counts.append(next((t for t, value in enumerate(row[:budget], 1) if value <= 0), math.inf))
    return sum(t < math.inf for t in counts) / len(counts), float(sorted(counts)[(len(counts) - 1) // 2])


@right
def by_minimum(before, leads, budget):
    numbers = torch.arange(1, budget + 1).float()
    cost = torch.where(leads[:, :budget] > 0, math.inf, numbers).amin(1)[before > 0]
    return float(torch.isfinite(cost).float().mean()), float(cost.quantile(0.5, interpolation="lower"))


def bill(before, leads, budget, fail=math.inf, shift=1):
    """A wrong answer's parts: who was fooled, and the counts."""
    hit = leads[before > 0][:, :budget] <= 0
    who = hit.any(1)
    return who, torch.where(who, hit.int().argmax(1).float() + shift, fail)


@wrong("Your count begins at 0")
def from_zero(before, leads, budget):
    who, cost = bill(before, leads, budget, shift=0)
    return who.float().mean().item(), cost.median().item()


@wrong("That is the median of the successes alone")
def successes_only(before, leads, budget):
    who, cost = bill(before, leads, budget)
    return who.float().mean().item(), cost[who].median().item()


@wrong("The budget is not what they cost")
def failures_cost_the_budget(before, leads, budget):
    who, cost = bill(before, leads, budget, fail=budget)
    return who.float().mean().item(), cost.median().item()


@wrong("Failures were counted as 1 query")
def failures_cost_one(before, leads, budget):
    who, cost = bill(before, leads, budget, fail=1)
    return who.float().mean().item(), cost.median().item()


@wrong("You count images that the victim misread before anybody asked")
def counts_the_wrong(before, leads, budget):
    who, cost = bill(torch.ones_like(before), leads, budget)
    return who.float().mean().item(), cost.median().item()


@wrong("You divide by all images")
def over_everybody(before, leads, budget):
    who, cost = bill(before, leads, budget)
    return who.sum().item() / len(before), cost.median().item()


@wrong("only after the budget was spent")
def no_budget(before, leads, budget):
    who, cost = bill(before, leads, leads.shape[1])
    return who.float().mean().item(), cost.median().item()


@wrong("A mean is infinite with a single failure in it")
def mean_of_all(before, leads, budget):
    who, cost = bill(before, leads, budget)
    return who.float().mean().item(), cost.mean().item()


@wrong("not all answers need be, nor the last")
def only_the_last(before, leads, budget):
    hit = leads[before > 0][:, :budget] <= 0
    who = hit[:, -1]
    return who.float().mean().item(), torch.where(who, hit.int().argmax(1) + 1, math.inf).median().item()


@wrong("That is the mean over the successes")
def mean_of_successes(before, leads, budget):
    who, cost = bill(before, leads, budget)
    return who.float().mean().item(), cost[who].mean().item()


@wrong("You counted up to the last success")
def to_the_last(before, leads, budget):
    hit = leads[before > 0][:, :budget] <= 0
    cost = torch.where(hit.any(1), budget - hit.flip(1).int().argmax(1), math.inf)
    return hit.any(1).float().mean().item(), cost.median().item()


@wrong("in the wrong order")
def swapped(before, leads, budget):
    who, cost = bill(before, leads, budget)
    return cost.median().item(), who.float().mean().item()


@wrong("as value 1 of 2, got a float32 tensor")
def tensors(before, leads, budget):
    who, cost = bill(before, leads, budget)
    return who.float().mean(), cost.median()


@wrong("A lead of exactly 0 counts as fooled")
def below_zero_only(before, leads, budget):
    who, cost = bill(before, torch.where(leads == 0, 1.0, leads), budget)
    return who.float().mean().item(), cost.median().item()


@wrong("whose lead was exactly 0 before anybody asked")
def from_zero_up(before, leads, budget):
    who, cost = bill(torch.where(before == 0, 1.0, before), leads, budget)
    return who.float().mean().item(), cost.median().item()


@wrong("The last query within the budget was lost")
def one_short(before, leads, budget):
    who, cost = bill(before, leads, budget - 1)
    return who.float().mean().item(), cost.median().item()
