"""Cross-entropy from logits: what a network pays for its answer, without overflow."""
import math

import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 7, 3
without = ["torch.nn.functional", "torch.nn.modules.loss"]
hints = [
    "Write the loss of one row without a fraction: the logarithm of a quotient is a difference. Which of its two parts can overflow?",
    "Softmax does not change when the same number is taken from all logits of a row. Which number makes the largest exponential exactly 1?",
    "`shifted = logits - logits.max(1, keepdim=True).values`; then `losses` is `shifted.exp().sum(1).log()` minus the label's shifted logit, "
    "`shifted[rows, labels]`.",
]
after = ("This is why networks return logits and not probabilities: a probability of exp(-1000) is stored as 0, and its logarithm is lost. "
         "In chapter 02 an attacker climbs this very loss.")


def cross_entropy(logits, labels):
    """The mean over the images of -log(softmax(logits)[label]).

    logits: (n, classes) float32, of any size: 1000 must not overflow.
    labels: (n,) int64. Returns a float32 tensor of shape ().
    Row by row: x.sum(1), and as a column x.max(1, keepdim=True).values.
    """
    rows = torch.arange(len(labels))
    # x[rows, labels]: of each row the number of its label
    # BEGIN SOLUTION
    shifted = logits - logits.max(1, keepdim=True).values
    losses = shifted.exp().sum(1).log() - shifted[rows, labels]
    # END SOLUTION
    return losses.mean()


def log_probabilities(logits):
    """In double precision, by Python's own logarithm: rows of log(softmax)."""
    rows = []
    for row in logits.tolist():
        top = max(row)
        log_sum = top + math.log(sum(math.exp(z - top) for z in row))
        rows.append([z - log_sum for z in row])
    return rows


def loss_of(logits, labels):
    rows = log_probabilities(logits)
    return -sum(row[label] for row, label in zip(rows, labels.tolist())) / len(rows)


def small_batch(random):
    """Five rows of logits and their labels, in random order. The network is right on two rows; each mistake of the list gives a loss of its own."""
    logits = torch.tensor([[2.0, -1.0, 0.5, 0.0], [1.0, 2.5, -2.0, 0.3], [-0.5, 1.5, 0.2, 2.0], [0.7, -0.3, -1.2, 1.1], [1.2, 0.1, 2.2, -0.8]])
    labels, order = torch.tensor([0, 0, 3, 1, 0]), random.sample(range(5), 5)
    return (logits + random.tensor(5, 4, low=-0.05, high=0.05))[order], labels[order]


def bad(result):
    """Is this one number, infinite or none?"""
    return type(result) is torch.Tensor and result.shape == () and result.dtype.is_floating_point and not bool(result.isfinite())


def check(answer, random):
    """Against the definition in double precision. First logits of a few units, on which each mistake has a value of its own, then of 1000:
    all large, each row somewhere else, one row spread over 2000."""
    n, classes = 5, 4
    logits, labels = small_batch(random)
    result = answer(logits, labels)
    rows, loss = log_probabilities(logits), loss_of(logits, labels)
    picked = [row[label] for row, label in zip(rows, labels.tolist())]
    suspect(type(result) is float, "You return a plain number, which has no slopes any more: training must ask this loss for its gradient. Leave out `.item()`.")
    suspect(type(result) is torch.Tensor and tuple(result.shape) == (n,), "You return one loss an image. Training wants one number for the batch: their mean.")
    suspect(type(result) is torch.Tensor and tuple(result.shape) == (n, classes), "You return a number for each image and class. Pick the label's, then take the mean.")
    suspect(bad(result) and bool(result.isinf()), "Logits of a few units give you infinity. Did you take a fixed number, such as 1000, from all of them? Then "
            "exp(-1000) is stored as 0, and log(0) is infinite. Take a number that fits the logits.")
    suspect(bad(result), "Logits of a few units give you no number. Logits may be negative, and a negative number has no logarithm: "
            "only the sum of exponentials gets one. (And log(exp(a)) is a already.)")
    expect_like(result, torch.tensor(0.0))

    def is_value(value):
        return close(float(result), value, 1e-4)

    columns = list(zip(*log_probabilities(logits.T)))
    suspect(is_value(-loss), "The minus is missing. A logarithm of a probability is below 0; a loss is above.")
    suspect(is_value(n * loss), "This is the sum over the images. With the mean, a loss means the same for 5 images as for 500.")
    suspect(is_value(loss / classes), "You divided by images times classes. One number an image counts, that of its label: divide by the images.")
    suspect(is_value(-sum(map(sum, rows)) / (n * classes)), "You averaged over all classes. Only the probability of the label counts.")
    suspect(is_value(-sum(max(row) for row in rows) / n), "You took the class that the network believes in. What counts is the label, the truth, above all where the two differ.")
    suspect(is_value(-sum(column[label] for column, label in zip(columns, labels.tolist())) / n),
            "Your softmax runs down the columns, over the images. It belongs over the classes of one image: axis 1.")
    suspect(is_value(-sum(row[label] for row in rows for label in labels.tolist()) / n ** 2),
            "`[:, labels]` takes all labels' columns for every row. One each: `[torch.arange(n), labels]`.")
    suspect(is_value(-sum(sum(rows[label]) for label in labels.tolist()) / (n * classes)), "`[labels]` picks rows, that is images. Which column counts differs from "
            "image to image: `[torch.arange(n), labels]`.")
    suspect(is_value(-sum(logits[range(n), labels].tolist()) / n), "That is minus the label's logit alone. The others' logits count too: subtract log(sum(exp(logits))).")
    tops = sum(logits.max(1).values.tolist()) / n
    suspect(is_value(loss - tops) or is_value(loss + tops), "You took the largest logit away in one part of the difference and not in the other. "
            "Both parts want the same logits, shifted.")
    exponentials = [[math.exp(z) for z in row] for row in logits.tolist()]
    chosen = sum(logits[range(n), labels].tolist()) / n
    suspect(is_value(math.log(sum(map(sum, exponentials))) - chosen) or
            is_value(math.log(sum(sum(row) / max(row) for row in exponentials)) + tops - chosen),
            "Your sum of exponentials runs over all images. Each image has a sum of its own: `.sum(1)`.")
    suspect(is_value(sum(map(sum, exponentials)) / n - chosen) or is_value(sum(sum(row) / max(row) for row in exponentials) / n + tops - chosen),
            "The sum of exponentials is there, its logarithm is not: `.log()`.")
    suspect(is_value(-sum(map(math.exp, picked)) / n) or is_value(sum(map(math.exp, picked)) / n), "The logarithm is missing: this is the mean probability of the label.")
    suspect(is_value(1 - sum(map(math.exp, picked)) / n), "This is 1 minus the probability. A logarithm punishes being sure and wrong much harder.")
    suspect(is_value(-math.log(sum(map(math.exp, picked)) / n)), "You took the mean before the logarithm: first the logarithm for each image, then the mean.")
    suspect(is_value(loss / math.log(2)) or is_value(loss / math.log(10)), "Your logarithm is to base 2 or 10. Cross-entropy uses the natural one: `.log()`.")
    expect("equals the definition on small logits", close(float(result), loss, 1e-4), "This is not yet the mean of -log(softmax(logits)[label]).",
           got=round(float(result), 4), expected=round(loss, 4))
    swapped = (labels + 1) % classes
    result = answer(logits, swapped)
    expect_like(result, torch.tensor(0.0))
    expect("and again with other labels", close(float(result), loss_of(logits, swapped), 1e-4), "The same logits with other labels should cost something else.",
           points=1, got=round(float(result), 4), expected=round(loss_of(logits, swapped), 4))

    large = random.tensor(3, classes, low=998, high=1002)
    few = labels[:3]
    result = answer(large, few)
    suspect(bad(result), "With logits of 1000 you get no number any more: exp(1000) overflows to infinity, and infinity over infinity is NaN. "
            "Take each row's largest logit away first; softmax does not notice.")
    expect_like(result, torch.tensor(0.0))
    suspect(close(float(result), math.log(classes), 1e-2), "All logits of 1000 became equal for you: a clamp, or a scale that drowns their differences. "
            "A logit of 1001 beats one of 999. Take something away from them instead.")
    expect("logits of 1000 do not overflow", close(float(result), loss_of(large, few), 1e-2),
           lambda: f"With logits of about 1000 the loss should be {loss_of(large, few):.3g}, yours is {float(result):.3g}.", points=1)

    apart = random.tensor(3, classes, low=-2, high=2) + torch.tensor([[1000.0], [0.0], [-1000.0]])
    result = answer(apart, few)
    suspect(bad(result), "One image with large logits spoils the others: you subtract the largest logit of the whole batch, and exp(-2000) is 0. "
            "Each row needs its own maximum: `.max(1, keepdim=True).values`.")
    expect_like(result, torch.tensor(0.0))
    suspect(not close(float(result), loss_of(apart, few), 1e-2), lambda: f"Rows of logits around 1000, 0 and -1000 should cost {loss_of(apart, few):.3g}, "
            f"yours cost {float(result):.3g}: a row may depend on itself alone.")

    sure = torch.zeros(2, classes)
    sure[:, 1] = 1000.0
    wrong_once = torch.tensor([1, 2])                    # sure and right, sure and wrong: 0 and 1000
    result = answer(sure, wrong_once)
    suspect(bad(result), "Sure and wrong, a network pays 1000; you say infinity. A probability of exp(-1000) is stored as 0, and log(0) is infinite. "
            "Never form the probability: log(exp(a) / s) is a - log(s).")
    expect_like(result, torch.tensor(0.0))
    suspect(close(float(result), 0, 60), lambda: f"Sure and right costs 0, sure and wrong 1000: a mean of 500. You say {float(result):.3g}. "
            "A small number inside the logarithm, or a clamp, hides the overflow: the worst mistakes become cheap.")
    expect("sure and wrong costs what it should", close(float(result), 500, 1e-2), lambda: f"Sure and right costs 0, sure and wrong 1000: a mean of 500. "
           f"You say {float(result):.3g}.", points=1)


@right
def log_sum_exp(logits, labels):
    return (torch.logsumexp(logits, 1) - logits.gather(1, labels[:, None])[:, 0]).mean()


@right
def row_by_row(logits, labels):
    total = 0
    for row, label in zip(logits, labels):
        top = row.max()
        total = total + top + torch.exp(row - top).sum().log() - row[label]
    return total / len(logits)


@right
def in_double(logits, labels):
    z = logits.double()
    z = z - z.amax(1, keepdim=True)
    log_softmax = z - z.exp().sum(1, keepdim=True).log()
    one_hot = torch.eye(logits.shape[1], dtype=z.dtype)[labels]
    return -(one_hot * log_softmax).sum(1).mean().float()


@wrong("exp(1000) overflows to infinity")
def naive(logits, labels):
    probabilities = logits.exp() / logits.exp().sum(1, keepdim=True)
    return -probabilities[torch.arange(len(labels)), labels].log().mean()


@wrong("All logits of 1000 became equal")
def clamped(logits, labels):
    z = logits.clamp(-50, 50)
    return (z.exp().sum(1).log() - z[torch.arange(len(labels)), labels]).mean()


@wrong("picks rows, that is images")
def rows_of_labels(logits, labels):
    return -torch.log_softmax(logits, 1)[labels].mean()


@wrong("`.max(1)` returns two things")
def maximum_and_its_place(logits, labels):
    shifted = logits - logits.max(1)
    return (shifted.exp().sum(1).log() - shifted[torch.arange(len(labels)), labels]).mean()


@wrong("One image with large logits spoils the others")
def global_maximum(logits, labels):
    shifted = logits - logits.max()
    return (shifted.exp().sum(1).log() - shifted[torch.arange(len(labels)), labels]).mean()


@wrong("a negative number has no logarithm")
def logarithm_of_a_logit(logits, labels):
    shifted = logits - logits.max(1, keepdim=True).values
    return (shifted.exp().sum(1).log() - (shifted[torch.arange(len(labels)), labels] - 1e-3).log()).mean()


@wrong("runs over all images")
def one_sum(logits, labels):
    shifted = logits - logits.max(1, keepdim=True).values
    return (shifted.exp().sum().log() - shifted[torch.arange(len(labels)), labels]).mean()


@wrong("its logarithm is not")
def sum_without_logarithm(logits, labels):
    shifted = logits - logits.max(1, keepdim=True).values
    return (shifted.exp().sum(1) - shifted[torch.arange(len(labels)), labels]).mean()


@wrong("in one part of the difference")
def half_shifted(logits, labels):
    shifted = logits - logits.max(1, keepdim=True).values
    return (shifted.exp().sum(1).log() - logits[torch.arange(len(labels)), labels]).mean()


@wrong("Never form the probability")
def log_of_softmax(logits, labels):
    probabilities = torch.softmax(logits, 1)
    return -probabilities[torch.arange(len(labels)), labels].log().mean()


@wrong("A small number inside the logarithm", "become cheap")
def epsilon_in_the_log(logits, labels):
    probabilities = torch.softmax(logits, 1)
    return -(probabilities[torch.arange(len(labels)), labels] + 1e-12).log().mean()


@wrong("The minus is missing")
def plus(logits, labels):
    return torch.log_softmax(logits, 1)[torch.arange(len(labels)), labels].mean()


@wrong("This is the sum over the images")
def summed(logits, labels):
    return -torch.log_softmax(logits, 1)[torch.arange(len(labels)), labels].sum()


@wrong("one loss an image")
def not_reduced(logits, labels):
    return -torch.log_softmax(logits, 1)[torch.arange(len(labels)), labels]


@wrong("You averaged over all classes")
def all_classes(logits, labels):
    return -torch.log_softmax(logits, 1).mean()


@wrong("images times classes")
def one_hot_mean(logits, labels):
    return -(torch.eye(logits.shape[1])[labels] * torch.log_softmax(logits, 1)).mean()


@wrong("the class that the network believes in")
def own_choice(logits, labels):
    return -torch.log_softmax(logits, 1).max(1).values.mean()


@wrong("down the columns")
def wrong_axis(logits, labels):
    return -torch.log_softmax(logits, 0)[torch.arange(len(labels)), labels].mean()


@wrong("takes all labels' columns")
def colon_index(logits, labels):
    return -torch.log_softmax(logits, 1)[:, labels].mean()


@wrong("The logarithm is missing")
def no_logarithm(logits, labels):
    return -torch.softmax(logits, 1)[torch.arange(len(labels)), labels].mean()


@wrong("the mean before the logarithm")
def mean_first(logits, labels):
    return -torch.softmax(logits, 1)[torch.arange(len(labels)), labels].mean().log()


@wrong("minus the label's logit alone")
def logit_alone(logits, labels):
    return -logits[torch.arange(len(labels)), labels].mean()


@wrong("to base 2 or 10")
def base_two(logits, labels):
    return -torch.softmax(logits, 1)[torch.arange(len(labels)), labels].log2().mean()


@wrong("Leave out `.item()`")
def plain_number(logits, labels):
    return (torch.logsumexp(logits, 1) - logits[torch.arange(len(labels)), labels]).mean().item()


@wrong("Did you take a fixed number")
def fixed_shift(logits, labels):
    shifted = logits - 1000
    return (shifted.exp().sum(1).log() - shifted[torch.arange(len(labels)), labels]).mean()


@wrong("changed its argument `logits` in place")
def in_place(logits, labels):
    logits -= logits.max(1, keepdim=True).values
    return (logits.exp().sum(1).log() - logits[torch.arange(len(labels)), labels]).mean()


@wrong("a call into torch.nn.functional does not count")
def ready_made(logits, labels):
    return torch.nn.functional.cross_entropy(logits, labels)
