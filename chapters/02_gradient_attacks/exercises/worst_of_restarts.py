"""The worst of several restarts, image by image: fooled comes first, then the higher loss."""
import torch
from torch.nn import functional

from medcrypt_lab import models
from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 9, 3
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "A burglar tries ten doors of every house. Does he need one door that opens in each house, or the one door number that opens in most of the street?",
    "Give each attempt at each image a rank: a fooled image beats one that is not, and among equals the higher loss wins. "
    "Then take the best attempt of each image.",
    "For each attempt: `rank = loss + 100 * (logits.argmax(1) != labels)`. `torch.stack(ranks).argmax(0)` says for each image which attempt it is; "
    "`torch.stack(attempts)[best, torch.arange(len(labels))]` picks it.",
]
after = ("With two classes the highest loss is always the one that fools, if any does. With three it need not be: the true class may have a low share and still "
         "be the largest. And one restart cannot be called ten: say how many you spent.")


def worst_of_restarts(model, labels, attempts):
    """For each image the worst of several attempts at it.

    model: takes images, returns logits; labels: (n,) int64, the truth.
    attempts: a list, one entry a restart, each (n, ...) images: the same
    n images in the same order, changed in another way.
    Of one image's attempts a misclassified one is worse than any other;
    among equals, the one with the higher loss. Returns (n, ...) images.
    functional.cross_entropy(logits, labels, reduction="none") gives one
    loss an image; x.argmax(0) tells in which row each column is largest.
    """
    # BEGIN SOLUTION
    ranks = []
    for attempt in attempts:
        with torch.no_grad():
            logits = model(attempt)
        loss = functional.cross_entropy(logits, labels, reduction="none")
        fooled = logits.argmax(1) != labels
        ranks.append(loss + 100 * fooled)
    best = torch.stack(ranks).argmax(0)
    return torch.stack(attempts)[best, torch.arange(len(labels))]
    # END SOLUTION


def street(random):
    """A model whose logits are read off three pixels, the truth, and three attempts at six images. Which one is worst, for each image:
    one where only one attempt fools, and its loss is not the highest; one where another attempt fools; two where two fool; two where none does."""
    model = models.make("linear", classes=3, size=4)
    pixels = random.sample(range(16), 3)
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].weight[range(3), pixels] = 200.0
        model[1].bias.fill_(-10)
    # Logits of the true class and of the two others, one row an attempt. The share of the truth, and who is ahead, follow.
    high_not_fooled, fooled_low = (5.0, 4.9, 4.9), (1.0, 1.5, -9.0)       # losses 1.03 and 0.97: the second one fools
    safe, unsure, safer = (6.0, 4.5, 3.0), (6.0, 5.0, 3.0), (7.0, 2.0, 2.0)
    fooled, more_fooled = (3.0, 6.0, 2.0), (2.0, 8.0, 3.0)
    table = [(high_not_fooled, fooled_low, safer), (safe, fooled, safer), (more_fooled, safer, fooled), (fooled, safer, more_fooled),
             (safer, unsure, safe), (safe, safer, safer)]
    worst = [1, 1, 0, 2, 1, 0]
    order = random.sample(range(6), 6)
    table, worst = [table[i] for i in order], [worst[i] for i in order]
    # Another order of the restarts, too: no constant answer "restart 1" may pass.
    turn = random.sample(range(3), 3)
    table, worst = [[row[k] for k in turn] for row in table], [turn.index(k) for k in worst]
    labels = torch.tensor([random.randrange(3) for _ in range(6)])
    attempts = [random.tensor(6, 1, 4, 4) for _ in range(3)]
    for i, label in enumerate(labels.tolist()):
        classes = [label, (label + 1) % 3, (label + 2) % 3]
        for attempt, logits in zip(attempts, table[i]):
            for k, value in zip(classes, logits):
                attempt[i].view(-1)[pixels[k]] = (value + 10) / 200         # in [0, 1]; weight and bias make it the logit again
    return model, labels, attempts, torch.tensor(worst)


def check(answer, random):
    """Madry et al. 2018 restart and count an image as lost if any restart fools it; here with three classes, where loss and success part."""
    model, labels, attempts, worst = street(random)
    result = answer(model, labels, attempts)
    expect_like(result, attempts[0])
    stacked, rows = torch.stack(attempts), torch.arange(len(labels))
    expected = stacked[worst, rows]
    with torch.no_grad():
        logits = torch.stack([model(attempt) for attempt in attempts])
    loss = torch.stack([functional.cross_entropy(one, labels, reduction="none") for one in logits])
    fooled = logits.argmax(2) != labels

    def is_this(best):
        candidate = stacked[best, rows] if torch.is_tensor(best) else attempts[best]
        return not close(candidate, expected) and close(result, candidate)

    suspect(is_this(int(loss.mean(1).argmax())) or is_this(int(fooled.sum(1).argmax())),
            "You took one whole attempt for all images. Each image has its own worst attempt: choose image by image.")
    suspect(any(is_this(k) for k in range(len(attempts))), "These are all from one attempt, the first or the last perhaps: compare the attempts for each image.")
    suspect(is_this(loss.argmax(0)), "You took the highest loss. One image is fooled by one attempt and yours is another, whose loss is higher and which fools nobody: "
            "with three classes that happens. Fooled comes first.")
    suspect(is_this(loss.argmin(0)), "You took the lowest loss: that is the kindest attempt, not the worst.")
    suspect(is_this(fooled.float().argmax(0)), "You took the first attempt that fools, or the first of all. Among equals the higher loss decides.")
    suspect(is_this((loss * fooled).argmax(0)), "Where an attempt fools, yours is the right one. Where none does, you took the first: there, too, the higher loss decides.")
    suspect(is_this((loss - 100 * fooled).argmax(0)) or is_this((loss + 100 * ~fooled).argmax(0)), "You prefer the attempts that fail: `fooled` is where the prediction differs from the label.")
    suspect(close(result, stacked.mean(0)), "You mixed the attempts: their mean is a picture that nobody tried.")
    suspect(is_this(logits.amax(2).argmax(0)), "You took the attempt in which the model is surest. The worst one is where the *truth* has the least.")
    with torch.no_grad():
        lost, wanted = (model(result).argmax(1) != labels), fooled.any(0)
    expect("every image comes from one of its own attempts", bool((stacked == result).flatten(2).all(2).any(0).all()),
           "Some picture is none of the attempts at that image.")
    expect("an image is lost if any attempt fools it", bool((lost == wanted).all()),
           lambda: f"{int(wanted.sum())} of {len(labels)} images can be fooled, yours loses {int(lost.sum())}.", points=2)
    model2, labels2, attempts2, worst2 = street(random)
    again = answer(model2, labels2, attempts2[:2])
    expect_like(again, attempts2[0])
    with torch.no_grad():
        ranks = torch.stack([functional.cross_entropy(model2(x), labels2, reduction="none") + 100 * (model2(x).argmax(1) != labels2) for x in attempts2[:2]])
    both = close(result, expected) and close(again, torch.stack(attempts2[:2])[ranks.argmax(0), rows])
    expect("among equals the higher loss", both, "Where several attempts fool an image, or none, the higher loss decides.", points=2, got=result, expected=expected)


@right
def keeps_the_best(model, labels, attempts):
    worst, worst_loss, worst_fooled = attempts[0].clone(), torch.full((len(labels),), -1.0), torch.zeros(len(labels), dtype=torch.bool)
    for attempt in attempts:
        with torch.no_grad():
            logits = model(attempt)
        loss, fooled = functional.cross_entropy(logits, labels, reduction="none"), logits.argmax(1) != labels
        better = (fooled & ~worst_fooled) | ((fooled == worst_fooled) & (loss > worst_loss))
        worst[better], worst_loss[better], worst_fooled[better] = attempt[better], loss[better], fooled[better]
    return worst


@right
def by_sorting(model, labels, attempts):
    chosen = []
    for i, label in enumerate(labels):
        def rank(k):
            scores = model(attempts[k][i:i + 1])[0]
            return bool(scores.argmax() != label), -scores.log_softmax(0)[label].item()
        chosen.append(attempts[max(range(len(attempts)), key=rank)][i])
    return torch.stack(chosen)


@wrong("You took one whole attempt for all images")
def best_restart(model, labels, attempts):
    return max(attempts, key=lambda x: functional.cross_entropy(model(x), labels).item()).clone()


@wrong("You took the highest loss")
def only_loss(model, labels, attempts):
    losses = torch.stack([functional.cross_entropy(model(x), labels, reduction="none") for x in attempts])
    return torch.stack(attempts)[losses.argmax(0), torch.arange(len(labels))]


@wrong("that is the kindest attempt")
def lowest_loss(model, labels, attempts):
    losses = torch.stack([functional.cross_entropy(model(x), labels, reduction="none") for x in attempts])
    return torch.stack(attempts)[losses.argmin(0), torch.arange(len(labels))]


@wrong("You took the first attempt that fools")
def first_that_fools(model, labels, attempts):
    fooled = torch.stack([model(x).argmax(1) != labels for x in attempts])
    return torch.stack(attempts)[fooled.int().argmax(0), torch.arange(len(labels))]


@wrong("Where none does, you took the first")
def only_the_fooled(model, labels, attempts):
    worst, highest = attempts[0].clone(), torch.zeros(len(labels))
    for attempt in attempts:
        logits = model(attempt).detach()
        for k, loss in enumerate(functional.cross_entropy(logits, labels, reduction="none")):
            if logits[k].argmax() != labels[k] and loss > highest[k]:
                worst[k], highest[k] = attempt[k], loss
    return worst


@wrong("You prefer the attempts that fail")
def prefers_failures(model, labels, attempts):
    ranks = torch.stack([functional.cross_entropy(model(x), labels, reduction="none") + 100 * (model(x).argmax(1) == labels) for x in attempts])
    return torch.stack(attempts)[ranks.argmax(0), torch.arange(len(labels))]


@wrong("a picture that nobody tried")
def averages(model, labels, attempts):
    return torch.stack(attempts).mean(0)


@wrong("where the *truth* has the least")
def surest(model, labels, attempts):
    with torch.no_grad():
        sure = torch.stack([model(x).amax(1) for x in attempts])
    return torch.stack(attempts)[sure.argmax(0), torch.arange(len(labels))]


@wrong("Expected a float32 tensor of shape (6, 1, 4, 4), got a list")
def a_list(model, labels, attempts):
    return [x for x in attempts if (model(x).argmax(1) != labels).any()]


@wrong("The shape should be (6, 1, 4, 4), yours is (6, 6, 1, 4, 4)")
def forgot_the_rows(model, labels, attempts):
    ranks = torch.stack([functional.cross_entropy(model(x), labels, reduction="none") + 100 * (model(x).argmax(1) != labels) for x in attempts])
    return torch.stack(attempts)[ranks.argmax(0)]
