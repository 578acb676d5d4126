"""The margin on logits: by how much the best wrong class is ahead of the labeled one."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 7, 2
without = ["torchattacks", "medcrypt_lab.attacks"]
changes = ["slopes"]        # each call returns (margins, the slope of their sum at each score)
hints = [
    "Two runners count: the labeled one, and the fastest of all others. If you strike the labeled one off the list, what time do you write in its place, "
    "so that it never wins, however slow the rest are?",
    "A score of minus infinity never is the largest. A score of 0 is, as soon as all others are negative.",
    "`own = logits.gather(1, labels[:, None])[:, 0]`; `others = logits.scatter(1, labels[:, None], -torch.inf)`; then the largest of each row, minus own.",
]
after = ("Nothing here is compared with 0: add a constant to all scores, and it cancels. Softmax has the same property, so nobody outside can tell such "
         "networks apart. An attack should not, either.")


def margin(logits, labels):
    """The best score that is not the label's, minus the label's.

    logits: float (n, classes), of any sign; labels: (n,) int64.
    Returns (n,): above 0 where the model is wrong, below 0 where right.
    logits.gather(1, labels[:, None]) reads each row at its label: (n, 1);
    logits.scatter(1, labels[:, None], value) is a copy with `value` there.
    x.amax(1) is the largest of each row. Stay with tensors: an attack will
    ask for the slope of this.
    """
    # BEGIN SOLUTION
    own = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return others.amax(1) - own
    # END SOLUTION


def by_hand(logits, labels, hidden=None):
    """Row by row in Python. hidden: what stands in the labeled place; None: nothing, it is left out."""
    rows = []
    for row, label in zip(logits.tolist(), labels.tolist()):
        others = [z for k, z in enumerate(row) if k != label] + ([] if hidden is None else [hidden])
        rows.append(max(others) - row[label])
    return torch.tensor(rows)


def slopes_by_hand(logits, labels):
    """Row by row: 1 at the best other class, -1 at the label's, 0 elsewhere."""
    slopes = torch.zeros_like(logits)
    for i, (row, label) in enumerate(zip(logits.tolist(), labels.tolist())):
        best = max((z, k) for k, z in enumerate(row) if k != label)[1]
        slopes[i, label], slopes[i, best] = -1, 1
    return slopes


def table(random, n=12, classes=4):
    """Scores on both sides of 0, the last third all negative; labels of which each second is the best class and each third the worst."""
    logits = random.tensor(n, classes, low=-4, high=4)
    logits[:, 0] = logits[:, 0].abs() + 1               # a positive one in each row
    logits[-n // 3:] = -logits[-n // 3:].abs() - 2
    order, labels = random.sample(range(classes), classes), torch.zeros(n, dtype=torch.int64)
    logits = logits[:, order]
    for i in range(n):
        labels[i] = (logits[i].argmax(), logits[i].argsort()[1], logits[i].argmin())[i % 3]
    return logits, labels


def check(answer, random):
    """Carlini and Wagner 2017, f6, with the sign the other way round; row by row. Scores of both signs, and some all negative."""
    logits, labels = table(random)
    negative, shifted = logits[-4:], logits + 9                     # all negative; all positive
    result, slopes = answer(shifted, labels)
    suspect(torch.is_tensor(result) and result.shape == (len(labels),) * 2, f"Each image minus each other one, {len(labels)} times {len(labels)}: gather leaves a column, (n, 1), "
            "and a column minus a row, (n,), is a whole table. `[:, 0]` takes the column's numbers.")
    suspect(isinstance(result, (list, float)) or torch.is_tensor(result) and result.ndim == 0,
            "One number an image, in one tensor: each patient has a margin. Work along the classes, axis 1, and keep the images apart.")
    expect_like(result, shifted[:, 0])
    expected, n = by_hand(shifted, labels), len(labels)
    probabilities = shifted.softmax(1)
    top = shifted.topk(2, 1).values

    def is_this(candidate):
        return close(result, candidate, 1e-5) and not close(candidate, expected, 1e-3)

    suspect(is_this(-expected), "Your sign is the other way round: where the model is right, you are above 0. Best other minus labeled.")
    suspect(is_this(shifted.amax(1) - shifted[range(n), labels]),
            "Where the model is right, your margin is 0: the labeled class was its own rival, or you cut the margin there. Leave the label out of the list of others.")
    suspect(is_this(top[:, 0] - top[:, 1]) or is_this(top[:, 1] - top[:, 0]),
            "That is the best score against the second best, whoever they are: your labels were not used.")
    suspect(is_this(expected.clamp(max=0)), "You cut the margin at 0 where the model is wrong. How far behind, or ahead, is just what the attack must know.")
    suspect(is_this(by_hand(probabilities, labels)) or is_this(by_hand(probabilities.log(), labels).exp()),
            "Those are probabilities: where the network is sure they are all 0 or 1, and have no slope. Take the scores themselves.")
    rivals = shifted.sum(1) - shifted[range(n), labels]
    suspect(any(is_this(x - shifted[range(n), labels]) for x in (rivals, rivals / 3)), "You took all other classes together, not the best of them.")
    suspect(is_this(shifted[range(n), labels]) or is_this(-shifted[range(n), labels]), "That is the label's own score alone. It says nothing without a rival.")
    suspect(is_this(shifted[range(n), 1 - labels.clamp(max=1)] - shifted[range(n), labels]), "`1 - labels` is the other class only where there are two.")
    expect("the lead of the best other class, all scores positive", close(result, expected, 1e-5), "Some margin is wrong although all scores are positive.",
           points=1, got=result, expected=expected)

    result, falling = answer(negative, labels[-4:])
    expect_like(result, negative[:, 0])
    expected = by_hand(negative, labels[-4:])
    own = negative[range(4), labels[-4:]]
    example = f"Scores {[round(z, 1) for z in negative[0].tolist()]}, label {int(labels[-4])}: "
    suspect(close(result, -own, 1e-5), example + "you found a rival with score 0, and there is none. Was the label's score replaced by 0, or multiplied by 0? "
            "When all are negative, 0 wins.")
    suspect(close(result, 0 * own, 1e-5), example + "your margin is 0 for all of them. Two zeros that you put into the places of scores stand against each other.")
    suspect(close(result, by_hand(negative.abs(), labels[-4:]), 1e-5), example + "you compare the sizes of scores; -3 is less than -2.")
    expect("and all scores negative", close(result, expected, 1e-5), example + "here your margin is wrong, while with positive scores it was right.",
           points=2, got=result, expected=expected)
    far, _ = answer(logits - 500, labels)
    expect_like(far, logits[:, 0])
    expect("the same with 500 taken from all scores", close(far, by_hand(logits, labels), 1e-3),
           "With 500 taken from all scores your margin changed. What stands in the label's place must be below any score: minus infinity.")
    two = logits[:, :2].contiguous(), labels % 2
    result, _ = answer(*two)
    expect_like(result, two[0][:, 0])
    expect("two classes", close(result, by_hand(*two), 1e-5), "With four classes it was right, with two it is not.", got=result, expected=by_hand(*two))
    suspect(slopes is None or falling is None, "The numbers are right, but PyTorch finds no way back from them to the scores: no attack could ask which way to go. "
            "What cuts the way: `.detach()`, `.item()`, `.tolist()`, numpy, `torch.tensor(...)`, `torch.no_grad()`. Stay with tensors throughout.")
    expect("slopes for an attack", close(slopes, slopes_by_hand(shifted, labels), 1e-5) and close(falling, slopes_by_hand(negative, labels[-4:]), 1e-5),
           "The numbers are right, their slopes are not: one of the two scores is cut off from the network, so an attack would move the other alone.", points=1)


@right
def one_hot_mask(logits, labels):
    mask = torch.nn.functional.one_hot(labels, logits.shape[1]).bool()
    return logits.masked_fill(mask, float("-inf")).max(1).values - logits[mask]


@right
def row_by_row(logits, labels):
    leads = []
    for row, label in zip(logits, labels):
        rivals = torch.cat([row[:label], row[label + 1:]])
        leads.append(rivals.max() - row[label])
    return torch.stack(leads)


@right
def subtract_much(logits, labels):
    mask = torch.eye(logits.shape[1])[labels]
    return (logits - 10000 * mask).amax(1) - (logits * mask).sum(1)


@wrong("you found a rival with score 0")
def hidden_by_zero(logits, labels):
    own = logits.gather(1, labels[:, None])[:, 0]
    return logits.scatter(1, labels[:, None], 0.0).amax(1) - own


@wrong("your margin is 0 for all of them")
def multiplied_by_zero(logits, labels):
    one_hot = torch.eye(logits.shape[1])[labels]
    return ((1 - one_hot) * logits).amax(1) - (one_hot * logits).amax(1)


@wrong("the labeled class was its own rival")
def label_not_left_out(logits, labels):
    return logits.amax(1) - logits[torch.arange(len(labels)), labels]


@wrong("Your sign is the other way round")
def the_labels_lead(logits, labels):
    own = logits.gather(1, labels[:, None]).squeeze(1)
    return own - logits.scatter(1, labels[:, None], float("-inf")).amax(1)


@wrong("your labels were not used")
def first_against_second(logits, labels):
    first, second = logits.topk(2, dim=1).values.unbind(1)
    return second - first


@wrong("Those are probabilities")
def of_softmax(logits, labels):
    shares = logits.softmax(1)
    own = shares.gather(1, labels[:, None])[:, 0]
    return shares.scatter(1, labels[:, None], -torch.inf).amax(1) - own


@wrong("is the other class only where there are two")
def other_of_two(logits, labels):
    rows = torch.arange(len(labels))
    return logits[rows, 1 - labels.clamp(max=1)] - logits[rows, labels]


@wrong("One number an image, in one tensor")
def mean_of_all(logits, labels):
    own = logits.gather(1, labels[:, None])
    return (logits.scatter(1, labels[:, None], -torch.inf).amax(1) - own[:, 0]).mean()


@wrong("With 500 taken from all scores your margin changed")
def not_low_enough(logits, labels):
    own = logits.gather(1, labels[:, None])[:, 0]
    return logits.scatter(1, labels[:, None], -100.0).amax(1) - own


@wrong("no attack could ask which way to go")
def without_history(logits, labels):
    with torch.no_grad():
        own = torch.take_along_dim(logits, labels[:, None], 1)
        return (logits.scatter(1, labels[:, None], -torch.inf).amax(1, keepdim=True) - own)[:, 0]


@wrong("would move the other alone")
def rival_cut_off(logits, labels):
    rival = logits.detach().scatter(1, labels[:, None], -torch.inf).max(1).values
    return rival - logits.gather(1, labels[:, None])[:, 0]


@wrong("gather leaves a column")
def row_minus_column(logits, labels):
    own = logits.gather(1, labels[:, None])
    return logits.scatter(1, labels[:, None], -torch.inf).amax(1) - own


@wrong("cannot be changed in place")
def struck_off_in_place(logits, labels):
    own = logits[range(len(labels)), labels].clone()
    logits[range(len(labels)), labels] = -torch.inf
    return logits.amax(1) - own
