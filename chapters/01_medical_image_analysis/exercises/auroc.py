"""The area under the ROC curve, by ranks: how often does one of the ill score above one of the healthy?"""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 8, 3
without = ["sklearn", "medcrypt_lab.metrics"]
hints = [
    "Write four scores on paper, two of them equal, and their ranks. Then write `lower` and `same` below each. How do they make the rank?",
    "Equals hold the places lower + 1 to lower + same. The mean of the first and the last is the rank of each. R adds up the ranks of the ill alone.",
    "`ranks = lower + (same + 1) / 2`; R is `ranks[labels == 1].sum()`; then the formula, (R - k (k + 1) / 2) / (k m), and `.item()`.",
]
after = ("You never used the scores themselves, only who stands above whom. Take logits or probabilities: the area stays. "
         "So it says nothing about whether a score of 0.9 means nine in ten.")


def auroc(scores, labels):
    """The area under the ROC curve, by ranks; equals share their mean rank.

    scores: (n,) float32, higher means more ill, any range;
    labels: (n,) int64, 1 ill, 0 healthy, both occur.
    Returns a plain number from 0 to 1: .item() at the end.
    """
    lower = (scores < scores[:, None]).sum(1)   # how many score lower
    same = (scores == scores[:, None]).sum(1)   # the same, itself included
    k, m = (labels == 1).sum(), (labels == 0).sum()
    # BEGIN SOLUTION
    ranks = lower + (same + 1) / 2
    ill = ranks[labels == 1].sum()
    return ((ill - k * (k + 1) / 2) / (k * m)).item()
    # END SOLUTION


class Patients:
    """Scores without ties at first, then with many; labels in random order, the ill and the healthy never as many."""

    def __init__(self, random, ill, healthy, ties):
        while True:
            n = ill + healthy
            # With ties: few different values, so that many pairs are equal. They lie above 1 and below 0 too: scores are no probabilities.
            values = [random.randrange(7) - 3.0 for _ in range(n)] if ties else [value / 8 - 3 for value in random.sample(range(64), n)]
            self.labels = torch.tensor([1] * ill + [0] * healthy)
            self.scores = torch.tensor(values) + self.labels * (1.0 if ties else 0.8125)      # an odd sixteenth: no ill one meets a healthy one
            order = random.sample(range(n), n)
            self.scores, self.labels = self.scores[order], self.labels[order]
            self.count(ill, healthy)
            apart = [self.truth, 1 - self.truth, self.gini, self.rows, self.zero_based, self.half_based, *self.balanced, *self.accuracies, self.grids[0], *(() if ties else self.orders), *((self.strict, self.loose, self.lowest, self.highest) if ties else ())]
            if (not ties or self.equal >= 0.1) and min(abs(a - b) for i, a in enumerate(apart) for b in apart[:i]) > 1e-3:
                break

    def count(self, ill, healthy):
        """The truth by plain loops over pairs, and what known mistakes give."""
        rows = list(zip(self.scores.tolist(), self.labels.tolist()))
        pairs = [(a, b) for a, one in rows if one == 1 for b, other in rows if other == 0]
        above, self.equal = (sum(test) / len(pairs) for test in zip(*((a > b, a == b) for a, b in pairs)))
        self.truth, self.strict, self.loose = above + self.equal / 2, above, above + self.equal
        self.gini, self.zero_based, self.half_based = 2 * self.truth - 1, self.truth - 1 / healthy, self.truth - 1 / (2 * healthy)
        taken = ill * (ill + 1) / 2
        self.lowest = (sum(sum(b < a for b, _ in rows) + 1 for a, one in rows if one == 1) - taken) / len(pairs)
        self.highest = (sum(sum(b <= a for b, _ in rows) for a, one in rows if one == 1) - taken) / len(pairs)
        self.everybody = (len(rows) * (len(rows) + 1) / 2 - taken) / len(pairs)
        # Ranks by position among equals, in the order of the rows: another number if the rows are shuffled.
        position = {i: rank for rank, i in enumerate(sorted(range(len(rows)), key=lambda i: rows[i][0]), 1)}
        total = sum(rank for i, rank in position.items() if rows[i][1] == 1)
        self.rows = (total - ill * (ill + 1) / 2) / (ill * healthy) if self.equal else -1.0
        self.not_reduced = (sum((sum(b < a for b, _ in rows) + (sum(b == a for b, _ in rows) + 1) / 2) for a, one in rows if one == 1)) / (ill * healthy)
        order = sorted(range(len(rows)), key=lambda i: rows[i][0])      # argsort, taken for ranks
        self.orders = [(sum(place + first for place, (_, one) in zip(order, rows) if one == 1) - ill * (ill + 1) / 2) / (ill * healthy) for first in (1, 0)]
        self.grids = [grid_area(rows, steps) for steps in (5, 10, 20, 100)]
        guesses = [(a >= cut, one) for cut in (0.0, 0.5) for a, one in rows]
        halves = guesses[:len(rows)], guesses[len(rows):]
        self.accuracies = [sum(guess == one for guess, one in half) / len(rows) for half in halves]
        self.balanced = [(sum(guess for guess, one in half if one == 1) / ill + sum(not guess for guess, one in half if one == 0) / healthy) / 2
                         for half in halves]


def grid_area(rows, steps):
    """The area by trapezoids over thresholds 1 to 0 in equal steps, as if scores were probabilities."""
    points = [(0.0, 0.0)]
    for step in range(steps, -1, -1):
        shares = [[score >= step / steps for score, one in rows if one == kind] for kind in (0, 1)]
        points.append(tuple(sum(share) / len(share) for share in shares))
    return sum((x - u) * (y + v) / 2 for (u, v), (x, y) in zip(points, points[1:]))


def check(answer, random):
    """Hanley and McNeil 1982. Without ties, then with ties, against scikit-learn."""
    from sklearn.metrics import average_precision_score, roc_auc_score
    plain = [Patients(random, ill=7, healthy=12, ties=False), Patients(random, ill=9, healthy=5, ties=False)]
    tied = Patients(random, ill=13, healthy=8, ties=True)
    results = []
    for patients in (*plain, tied):
        result = answer(patients.scores, patients.labels)
        expect_like(result, 0.5)
        truth = float(roc_auc_score(patients.labels.numpy(), patients.scores.numpy()))
        if not close(truth, patients.truth):
            raise RuntimeError("scikit-learn and the loop over pairs disagree")
        suspect(close(result, 100 * truth, 1e-3), "That is a percentage; return a part of one, such as 0.9.")
        suspect(close(result, 1 - truth), "Your pairs stand the wrong way round: you count how often the HEALTHY one scores higher.")
        suspect(close(result, patients.gini), "You count a lost pair as minus one. Then chance is 0 and not 0.5: what is asked for is a share of pairs.")
        suspect(close(result, patients.zero_based), "Your ranks begin at 0. The rank formula counts from 1: the lowest score has rank 1.")
        for value, word in ((patients.half_based, "low"), (2 * truth - patients.half_based, "high")):
            suspect(close(result, value), f"Your ranks are a half too {word}: whoever has nobody below and no equal has rank 1, and for them `same` is 1, themselves.")
        suspect(close(result, patients.everybody), "You added up everybody's ranks. R is the sum for the ill alone: `labels == 1` picks them.")
        suspect(close(result, patients.not_reduced), "You added up the ranks of the ill, but some of that they earn against one another: with k ill, take off k (k + 1) / 2.")
        suspect(any(close(result, value) for value in patients.orders) and not close(result, truth),
                "`argsort` tells which row comes first, which second; it is not the rank of each row. The argsort of an argsort is, as long as no scores are equal.")
        suspect(any(close(result, value) for value in patients.accuracies), "That is an accuracy at one threshold. The area asks no threshold: it compares patients with each other.")
        suspect(any(close(result, value) for value in patients.balanced) and not close(result, truth),
                "That is the mean of sensitivity and specificity at one threshold. The area is over all of them.")
        suspect(any(close(result, value) or close(result, -value) for value in patients.grids) and not close(result, truth),
                "Your thresholds run from 0 to 1, but scores may lie below and above. Take the scores themselves, or compare patients with each other.")
        suspect(close(result, float(average_precision_score(patients.labels.numpy(), patients.scores.numpy()))) and not close(result, truth),
                "That is the area under another curve, of precision over recall. It changes with the number of healthy patients; this one does not.")
        k, m = int((patients.labels == 1).sum()), int((patients.labels == 0).sum())
        pairs = truth * k * m
        suspect(close(result, pairs / k * m, 1e-3), "`/ k * m` divides by k and then multiplies by m. Put the pairs in brackets: `/ (k * m)`.")
        suspect(close(result, pairs), "That is the number of pairs won. Divide it by the number of all pairs.")
        suspect(close(result, pairs / len(patients.labels)) or close(result, pairs / len(patients.labels) ** 2),
                "You divided by the number of patients, or by its square. Divide by the pairs: ill times healthy.")
        squeezed = answer((patients.scores + 4) / 10, patients.labels)          # the same order, between 0 and 1
        expect_like(squeezed, 0.5)
        suspect(close(squeezed, truth, 0.03) and not close(squeezed, result, 0.03), "Squeezed between 0 and 1 the same patients get another area, nearly the right one: your "
                "thresholds do not reach scores below 0 or above 1.")
        if patients is tied:
            for value, place in ((tied.lowest, "lowest"), (tied.highest, "highest")):
                suspect(close(result, value), f"Where scores are equal you give each patient the {place} of their places. They share the mean: "
                        "two equals on places 2 and 3 have rank 2.5 each.")
            suspect(close(result, tied.strict), lambda: f"Pairs with equal scores count nothing in your sum, and {tied.equal:.0%} of the pairs here are such. Each counts half.")
            suspect(close(result, tied.loose), lambda: f"Pairs with equal scores count as won in your sum, and {tied.equal:.0%} of the pairs here are such. Each counts half.")
            again = random.sample(range(21), 21)
            suspect(not close(result, answer(tied.scores[again], tied.labels[again])), "With the same patients in another order you get another area: among equal "
                    "scores your ranks follow the rows. Equals share the mean of their ranks.")
        results.append(result)
        if patients is plain[1]:
            truths = [each.truth for each in plain]
            expect("equals scikit-learn's where no two scores are equal", close(results, truths), "This is not the area yet: the share of pairs in which the ill one scores higher.", points=1,
                   got=tuple(results), expected=tuple(truths))
    expect("counts equal scores half", close(results[2], tied.truth), "Without equal scores you are right, with them not yet.", points=1, got=results[2], expected=tied.truth)
    same = torch.full((9,), 0.25)
    expect("a model that says the same of everybody is at chance", close(answer(same, torch.arange(9) % 2), 0.5),
           "If all scores are equal, the area is 0.5.")
    scaled = answer(1000 * tied.scores.double().exp().float(), tied.labels)
    expect("depends on who stands above whom, and on nothing else", close(scaled, tied.truth),
           "Stretch all scores, keep their order: the area must stay. Yours moved.", points=1, got=scaled, expected=tied.truth)


@right
def by_pairs(scores, labels):
    ill, healthy = scores[labels == 1], scores[labels == 0]
    return ((ill[:, None] > healthy).double() + (ill[:, None] == healthy).double() / 2).mean().item()


@right
def by_loops(scores, labels):
    won = pairs = 0
    for a in scores[labels == 1].tolist():
        for b in scores[labels == 0].tolist():
            pairs += 1
            won += 1 if a > b else 0.5 if a == b else 0
    return won / pairs


@right
def by_trapezoids(scores, labels):
    area, last = 0.0, (0.0, 0.0)
    for threshold in sorted(set(scores.tolist()), reverse=True):
        called = scores >= threshold
        point = called[labels == 0].double().mean().item(), called[labels == 1].double().mean().item()
        area += (point[0] - last[0]) * (point[1] + last[1]) / 2
        last = point
    return area


@right
def by_sorting(scores, labels):
    ill, healthy = scores[labels == 1].contiguous(), scores[labels == 0].sort().values
    below, not_above = torch.searchsorted(healthy, ill), torch.searchsorted(healthy, ill, right=True)
    return (below + not_above).double().mean().item() / 2 / len(healthy)


@wrong("Pairs with equal scores count nothing")
def ties_lose(scores, labels):
    return (scores[labels == 1][:, None] > scores[labels == 0]).double().mean().item()


@wrong("Pairs with equal scores count as won")
def ties_win(scores, labels):
    return (scores[labels == 1][:, None] >= scores[labels == 0]).double().mean().item()


@wrong("how often the HEALTHY one scores higher")
def upside_down(scores, labels):
    difference = scores[labels == 0][:, None] - scores[labels == 1]
    return ((difference > 0).double() + (difference == 0).double() / 2).mean().item()


@wrong("among equal scores your ranks follow the rows")
def positions(scores, labels):
    ranks = torch.zeros(len(scores), dtype=torch.double)
    ranks[scores.argsort(stable=True)] = torch.arange(1, len(scores) + 1, dtype=torch.double)
    k = int((labels == 1).sum())
    return (ranks[labels == 1].sum().item() - k * (k + 1) / 2) / (k * (len(labels) - k))


@wrong("it is not the rank of each row")
def order_for_ranks(scores, labels):
    ranks, k = scores.argsort() + 1, int((labels == 1).sum())
    return (ranks[labels == 1].sum().item() - k * (k + 1) / 2) / (k * (len(labels) - k))


@wrong("the lowest of their places")
def lowest_place(scores, labels):
    lower = (scores < scores[:, None]).sum(1)
    k, m = (labels == 1).sum(), (labels == 0).sum()
    return (((lower + 1)[labels == 1].sum() - k * (k + 1) / 2) / (k * m)).item()


@wrong("the highest of their places")
def highest_place(scores, labels):
    ranks = (scores <= scores[:, None]).sum(1)
    k, m = (labels == 1).sum(), (labels == 0).sum()
    return ((ranks[labels == 1].sum() - k * (k + 1) / 2) / (k * m)).item()


@wrong("a half too low")
def half_too_low(scores, labels):
    ranks = (scores < scores[:, None]).sum(1) + (scores == scores[:, None]).sum(1) / 2
    k, m = (labels == 1).sum(), (labels == 0).sum()
    return ((ranks[labels == 1].sum() - k * (k + 1) / 2) / (k * m)).item()


@wrong("a half too high")
def half_too_high(scores, labels):
    ranks = (scores < scores[:, None]).sum(1) + (scores == scores[:, None]).sum(1) / 2 + 1
    k, m = (labels == 1).sum(), (labels == 0).sum()
    return ((ranks[labels == 1].sum() - k * (k + 1) / 2) / (k * m)).item()


@wrong("Put the pairs in brackets")
def no_brackets(scores, labels):
    ranks = (scores < scores[:, None]).sum(1) + ((scores == scores[:, None]).sum(1) + 1) / 2
    k, m = (labels == 1).sum(), (labels == 0).sum()
    return ((ranks[labels == 1].sum() - k * (k + 1) / 2) / k * m).item()


@wrong("R is the sum for the ill alone")
def ranks_of_everybody(scores, labels):
    ranks = (scores < scores[:, None]).sum(1) + ((scores == scores[:, None]).sum(1) + 1) / 2
    k, m = (labels == 1).sum(), (labels == 0).sum()
    return ((ranks.sum() - k * (k + 1) / 2) / (k * m)).item()


@wrong("take off k (k + 1) / 2")
def all_ranks(scores, labels):
    ranks = torch.stack([(scores < score).sum() + ((scores == score).sum() + 1) / 2 for score in scores])
    k = int((labels == 1).sum())
    return ranks[labels == 1].sum().item() / (k * (len(labels) - k))


@wrong("Your ranks begin at 0")
def from_zero(scores, labels):
    ranks = torch.stack([(scores < score).sum() + ((scores == score).sum() - 1) / 2 for score in scores])
    k = int((labels == 1).sum())
    return (ranks[labels == 1].sum().item() - k * (k + 1) / 2) / (k * (len(labels) - k))


@wrong("You count a lost pair as minus one")
def signs(scores, labels):
    return (scores[labels == 1][:, None] - scores[labels == 0]).sign().double().mean().item()


@wrong("an accuracy at one threshold")
def accuracy(scores, labels):
    return ((scores >= 0.5) == (labels == 1)).double().mean().item()


@wrong("mean of sensitivity and specificity")
def balanced_accuracy(scores, labels):
    called = scores >= 0.5
    return (called[labels == 1].double().mean().item() + (~called[labels == 0]).double().mean().item()) / 2


@wrong("number of pairs won")
def pairs_won(scores, labels):
    difference = scores[labels == 1][:, None] - scores[labels == 0]
    return ((difference > 0).double() + (difference == 0).double() / 2).sum().item()


@wrong("by its square")
def of_all_pairs(scores, labels):
    difference = scores[labels == 1][:, None] - scores[labels == 0]
    return ((difference > 0).double() + (difference == 0).double() / 2).sum().item() / len(labels) ** 2


@wrong("That is a percentage")
def percent(scores, labels):
    difference = scores[labels == 1][:, None] - scores[labels == 0]
    return 100 * ((difference > 0).double() + (difference == 0).double() / 2).mean().item()


@wrong("Expected a plain number, got a float64 tensor")
def tensor(scores, labels):
    difference = scores[labels == 1][:, None] - scores[labels == 0]
    return ((difference > 0).double() + (difference == 0).double() / 2).mean()


@wrong("This is not the area yet")
def mean_difference(scores, labels):
    return (scores[labels == 1].mean() - scores[labels == 0].mean()).item()


@wrong("Your thresholds run from 0 to 1")
def a_grid_of_thresholds(scores, labels):
    area, last = 0.0, (0.0, 0.0)
    for threshold in [1.0, 0.8, 0.6, 0.4, 0.2, 0.0]:
        called = scores >= threshold
        point = called[labels == 0].double().mean().item(), called[labels == 1].double().mean().item()
        area += (point[0] - last[0]) * (point[1] + last[1]) / 2
        last = point
    return area


@wrong("nearly the right one")
def a_fine_grid(scores, labels):
    area, points = 0.0, []
    for step in range(101):
        called = scores >= step / 100
        points.append((called[labels == 0].double().mean().item(), called[labels == 1].double().mean().item()))
    points.sort()
    for (x, y), (u, v) in zip(points, points[1:]):
        area += (u - x) * (y + v) / 2
    return area
