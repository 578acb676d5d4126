"""Sensitivity and specificity: two shares, two groups of patients."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, short, suspect, wrong

points, minutes, difficulty = 3, 5, 1
without = ["sklearn", "medcrypt_lab.metrics"]
hints = [
    "Sort the patients first: the ill here, the healthy there. Each of the two figures looks at one group and never at the other.",
    "`called_ill` is True or False for each patient, and `called_ill[labels == 1]` only for the ill. "
    "Of the healthy, those count who are *not* called ill: `~called_ill`.",
    "`called_ill[labels == 1].float().mean().item()` is the one, `(~called_ill)[...].float().mean().item()` the other. "
    "The mean of nothing is nan already.",
]
after = ("Neither figure knows how many of the patients are ill: you could add a thousand healthy ones, and the sensitivity would not "
         "move. That is their strength, and why they cannot tell how much an alarm is worth.")


def sensitivity_specificity(scores, labels, threshold):
    """Of the ill the share found, of the healthy the share let go.

    scores: (n,) float32, any range; labels: (n,) int64, 1 ill, 0 healthy.
    Returns two plain numbers from 0 to 1, or float("nan") for a group that
    has nobody. The share of True in x is x.float().mean().item(): a plain
    number, nan if x is empty.
    """
    called_ill = scores >= threshold                # True or False for each
    # BEGIN SOLUTION
    sensitivity = called_ill[labels == 1].float().mean().item()
    specificity = (~called_ill)[labels == 0].float().mean().item()
    # END SOLUTION
    return sensitivity, specificity


class Clinic:
    """Patients with planned counts, in random order. Some score exactly the threshold; scores are no probabilities."""

    def __init__(self, random, found, at_found, missed, let_go, alarms, at_alarms):
        self.threshold = random.choice([-1.5, 2.5])       # far from 0.5: whoever compares with that is seen
        above = random.tensor(found + alarms, low=0.125, high=2.0)
        below = -random.tensor(missed + let_go, low=0.125, high=2.0)
        at = torch.zeros(at_found + at_alarms)
        scores = torch.cat([above[:found], below[:missed], at[:at_found], above[found:], below[missed:], at[at_found:]]) + self.threshold
        ill, healthy = found + at_found + missed, let_go + alarms + at_alarms
        labels = torch.cat([torch.ones(ill), torch.zeros(healthy)]).long()
        order = random.sample(range(ill + healthy), ill + healthy)
        self.scores, self.labels = scores[order], labels[order]
        tp, tn = found + at_found, let_go
        fn, fp = missed, alarms + at_alarms
        self.truth = (tp / (tp + fn) if ill else float("nan"), tn / (tn + fp) if healthy else float("nan"))
        if ill and healthy:
            self.strict = found / ill, (let_go + at_alarms) / healthy
            self.accuracy, self.predictive = (tp + tn) / (ill + healthy), (tp / (tp + fp), tn / (tn + fn))
            self.of_all = tp / (ill + healthy), tn / (ill + healthy)
            self.counts = tp, tn
            half = self.scores >= 0.5
            self.at_half = (half[self.labels == 1].float().mean().item(), (~half)[self.labels == 0].float().mean().item())


def check(answer, random):
    """Yerushalmy 1947. Twice, with other counts: no two of the shares that a mistake could give are equal."""
    clinics = [Clinic(random, found=7, at_found=2, missed=3, let_go=11, alarms=4, at_alarms=3),
               Clinic(random, found=13, at_found=3, missed=1, let_go=6, alarms=2, at_alarms=1)]
    results = []
    for clinic in clinics:
        result = answer(clinic.scores, clinic.labels, clinic.threshold)
        expect_like(result, (0.5, 0.5))
        sensitivity, specificity = result
        truth = clinic.truth
        suspect(close(result, [100 * value for value in truth], 1e-3), "These are percentages; return parts of one, such as 0.4.")
        suspect(close(result, truth[::-1]), "Both figures are right, but in the wrong order: sensitivity comes first.")
        suspect(close(result, clinic.counts), "These are numbers of patients; return shares: divide each by its group.")
        suspect(close(result, clinic.strict), "Somebody scores exactly the threshold, and you let them go. Called ill is who scores threshold or more: `>=`.")
        suspect(close(result, (truth[0], clinic.strict[1])), "Somebody healthy scores exactly the threshold. That is an alarm, and you also count it as let go: let go is who scores less.")
        suspect(min(result) < 0, lambda: f"A share is never negative, and one of yours is {min(result):.2f}. Before True and False `~` means not; of a whole number it makes another: ~1 is -2.")
        suspect(close(result, (1 - truth[0], 1 - truth[1])), "Each of yours is one minus what is asked for: you count the missed and the false alarms.")
        suspect(close(result, (truth[0], 1 - truth[1])), "Your second figure is the share of the healthy who got a false alarm. Specificity is the rest: those who were let go.")
        suspect(close(result, clinic.of_all), "You divided by all patients. The ill found are a share of the ill, the healthy let go a share of the healthy.")
        called = (clinic.scores >= clinic.threshold).float().mean().item()
        suspect(close(result, (called, 1 - called)), "You counted among everybody. `called_ill[labels == 1]` is of the ill alone.")
        suspect(close(result, (truth[0], 1 - truth[0])), "Both your figures are of the ill. Specificity looks at the healthy: `labels == 0`.")
        suspect(close(result, clinic.predictive), "You divided by those who were CALLED ill, or called healthy: that is how much an alarm is worth, the predictive value. "
                "Divide by those who ARE ill, or healthy.")
        suspect(close(result, (clinic.predictive[0], truth[0])) or close(result, (truth[0], clinic.predictive[0])),
                "One of your figures is the predictive value, the share of the alarms that are right. Sensitivity and specificity never divide by alarms.")
        suspect(close(sensitivity, clinic.accuracy), "That is the accuracy: the ill and the healthy in one pot. Look at each group alone.")
        suspect(close(result, clinic.at_half) and not close(clinic.at_half, truth), "You compare the scores with 0.5. The threshold is an argument: use it.")
        results.append((sensitivity, specificity))
    expect("sensitivity is of the ill", close([r[0] for r in results], [c.truth[0] for c in clinics]), "The sensitivity is not right yet.", points=1,
           got=results[0][0], expected=clinics[0].truth[0])
    expect("specificity is of the healthy", close([r[1] for r in results], [c.truth[1] for c in clinics]), "The specificity is not right yet.", points=1,
           got=results[0][1], expected=clinics[0].truth[1])
    for clinic, missing, group in ((Clinic(random, 0, 0, 0, 5, 2, 1), 0, "ill"), (Clinic(random, 4, 1, 1, 0, 0, 0), 1, "healthy")):
        result = answer(clinic.scores, clinic.labels, clinic.threshold)
        expect_like(tuple(0.5 if value != value else value for value in result) if is_pair(result) else result, (0.5, 0.5))
        empty, other = result[missing], result[1 - missing]
        suspect(empty == empty, lambda: f"Nobody in this group is {group}, and you say {short(empty)}. That is a claim about nobody: return float(\"nan\").")
        expect(f"nobody {group}: the other figure stays", close(other, clinic.truth[1 - missing]),
               f"Nobody here is {group}: then only that figure is nan; the other is as before.", points=missing, got=other, expected=clinic.truth[1 - missing])


def is_pair(result):
    """Two plain numbers?"""
    return type(result) is tuple and len(result) == 2 and all(type(value) in (int, float) for value in result)


@right
def by_counting(scores, labels, threshold):
    found = missed = let_go = alarms = 0
    for score, label in zip(scores.tolist(), labels.tolist()):
        if label == 1:
            found, missed = found + (score >= threshold), missed + (score < threshold)
        else:
            alarms, let_go = alarms + (score >= threshold), let_go + (score < threshold)
    nan = float("nan")
    return found / (found + missed) if found + missed else nan, let_go / (let_go + alarms) if let_go + alarms else nan


@right
def by_products(scores, labels, threshold):
    called = (scores >= threshold).long()
    ill, healthy = labels.sum(), (1 - labels).sum()
    return (called * labels).sum().div(ill).item(), ((1 - called) * (1 - labels)).sum().div(healthy).item()


@wrong("threshold or more")
def strictly_above(scores, labels, threshold):
    called_ill = scores > threshold
    return called_ill[labels == 1].float().mean().item(), (~called_ill[labels == 0]).float().mean().item()


@wrong("you also count it as let go")
def at_the_threshold_both(scores, labels, threshold):
    return (scores[labels == 1] >= threshold).float().mean().item(), (scores[labels == 0] <= threshold).float().mean().item()


@wrong("~1 is -2")
def not_of_numbers(scores, labels, threshold):
    called_ill = (scores >= threshold).int()
    return called_ill[labels == 1].float().mean().item(), (~called_ill[labels == 0]).float().mean().item()


@wrong("in the wrong order")
def swapped(scores, labels, threshold):
    called_ill = scores >= threshold
    return (~called_ill[labels == 0]).float().mean().item(), called_ill[labels == 1].float().mean().item()


@wrong("the share of the healthy who got a false alarm")
def false_alarm_rate(scores, labels, threshold):
    called_ill = scores >= threshold
    return called_ill[labels == 1].float().mean().item(), called_ill[labels == 0].float().mean().item()


@wrong("You divided by all patients")
def of_everybody(scores, labels, threshold):
    called_ill = scores >= threshold
    return (called_ill & (labels == 1)).float().mean().item(), (~called_ill & (labels == 0)).float().mean().item()


@wrong("You counted among everybody")
def among_everybody(scores, labels, threshold):
    called_ill = scores >= threshold
    return called_ill.float().mean().item(), (~called_ill).float().mean().item()


@wrong("Both your figures are of the ill")
def the_ill_twice(scores, labels, threshold):
    called_ill = scores >= threshold
    return called_ill[labels == 1].float().mean().item(), (~called_ill)[labels == 1].float().mean().item()


@wrong("how much an alarm is worth")
def predictive_values(scores, labels, threshold):
    called_ill = scores >= threshold
    return (labels[called_ill] == 1).float().mean().item(), (labels[~called_ill] == 0).float().mean().item()


@wrong("One of your figures is the predictive value")
def recall_and_precision(scores, labels, threshold):
    called_ill = scores >= threshold
    return called_ill[labels == 1].float().mean().item(), (labels[called_ill] == 1).float().mean().item()


@wrong("the ill and the healthy in one pot")
def accuracy_twice(scores, labels, threshold):
    right = ((scores >= threshold) == (labels == 1)).float().mean().item()
    return right, right


@wrong("compare the scores with 0.5")
def ignores_the_threshold(scores, labels, threshold):
    called_ill = scores >= 0.5
    return called_ill[labels == 1].float().mean().item(), (~called_ill[labels == 0]).float().mean().item()


@wrong("These are percentages")
def percent(scores, labels, threshold):
    called_ill = scores >= threshold
    return 100 * called_ill[labels == 1].float().mean().item(), 100 * (~called_ill[labels == 0]).float().mean().item()


@wrong("numbers of patients")
def counts(scores, labels, threshold):
    called_ill = scores >= threshold
    return float(called_ill[labels == 1].sum()), float((~called_ill[labels == 0]).sum())


@wrong("you count the missed and the false alarms")
def lower_is_ill(scores, labels, threshold):
    called_ill = scores < threshold
    return called_ill[labels == 1].float().mean().item(), (~called_ill[labels == 0]).float().mean().item()


@wrong("a claim about nobody", "you say 0")
def nobody_is_zero(scores, labels, threshold):
    called_ill = scores >= threshold
    ill, healthy = int((labels == 1).sum()), int((labels == 0).sum())
    return (called_ill & (labels == 1)).sum().item() / max(1, ill), (~called_ill & (labels == 0)).sum().item() / max(1, healthy)


@wrong("a claim about nobody", "you say 1")
def nobody_is_perfect(scores, labels, threshold):
    called_ill = scores >= threshold
    ill, healthy = int((labels == 1).sum()), int((labels == 0).sum())
    return ((called_ill & (labels == 1)).sum().item() / ill if ill else 1.0), ((~called_ill & (labels == 0)).sum().item() / healthy if healthy else 1.0)


@wrong("only that figure is nan")
def gives_up(scores, labels, threshold):
    if len(labels.unique()) < 2:
        return float("nan"), float("nan")
    called_ill = scores >= threshold
    return called_ill[labels == 1].float().mean().item(), (~called_ill[labels == 0]).float().mean().item()


@wrong("ZeroDivisionError")
def divides_by_nobody(scores, labels, threshold):
    called_ill = scores >= threshold
    ill, healthy = (labels == 1).sum().item(), (labels == 0).sum().item()
    return (called_ill & (labels == 1)).sum().item() / ill, (~called_ill & (labels == 0)).sum().item() / healthy


@wrong("as value 1 of 2, got a float32 tensor", ".item()")
def tensors(scores, labels, threshold):
    called_ill = scores >= threshold
    return called_ill[labels == 1].float().mean(), (~called_ill[labels == 0]).float().mean()


@wrong("could not infer output dtype")
def mean_of_true(scores, labels, threshold):
    called_ill = scores >= threshold
    return called_ill[labels == 1].mean().item(), (~called_ill[labels == 0]).mean().item()
