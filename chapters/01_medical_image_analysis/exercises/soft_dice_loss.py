"""A Dice that a network can learn from: probabilities in place of yes and no."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 6, 2
without = ["medcrypt_lab.models"]
hints = [
    "A mask of yes and no has no slope: move a logit a little and nothing changes. What does move, and lies between 0 and 1, for every pixel?",
    "`p = torch.sigmoid(logits)`. The size of the found mask becomes `p.sum()`, the overlap `(p * g).sum()`.",
    "`above = 2 * ... + smooth`, `below = ... + ... + smooth`, and the loss is 1 - above / below.",
]
after = ("The slope of cross-entropy at a pixel depends on that pixel alone. That of the Dice loss depends on all of them: the fewer tumor pixels there are, "
         "the more each one weighs.")


def soft_dice_loss(logits, truth, smooth=1.0):
    """1 - Dice, with probabilities in place of yes and no (eq. 2).

    logits: float32 (n, height, width); truth: bool, the same shape.
    smooth: the s of the formula. All n images count as one large picture.
    Returns a tensor with one number, from which PyTorch can go on.
    torch.sigmoid(x) makes probabilities, x.sum() sums over everything.
    """
    g = truth.float()       # 1 for tumor, 0 else
    # BEGIN SOLUTION
    p = torch.sigmoid(logits)
    above = 2 * (p * g).sum() + smooth
    below = p.sum() + g.sum() + smooth
    return 1 - above / below
    # END SOLUTION


def by_hand(logits, truth, smooth=1.0):
    """The loss in double precision, from the formula."""
    z, g = logits.double(), truth.double()
    p = 1 / (1 + (-z).exp())
    return 1 - (2 * (p * g).sum() + smooth) / (p.sum() + g.sum() + smooth)


def check(answer, random):
    """Milletari et al. 2016, without their squares and with a smoothing term; against the formula in double precision."""
    losses, expecteds = [], []
    for n, share in ((3, .3), (2, .15)):
        logits = random.tensor(n, 6, 8, low=-3, high=2)
        truth = random.tensor(n, 6, 8) < share
        truth[0], truth[-1] = random.tensor(6, 8) < .1, random.tensor(6, 8) < .6          # a small tumor and a large one
        result = answer(logits, truth)
        suspect(type(result) is float, "You return a plain number, from which PyTorch cannot go on: leave out .item() and return the tensor.")
        expect_like(result, torch.tensor(.5))
        p, g = torch.sigmoid(logits), truth.float()
        loss = by_hand(logits, truth)

        def is_(value):
            return close(result.double(), value, 1e-5)

        def soft(p, g, s=1.0, axes=None):
            total = (lambda x: x.sum((1, 2))) if axes else torch.sum
            return (1 - (2 * total(p * g) + s) / (total(p) + total(g) + s)).mean().double()

        hard = (logits > 0).float()
        suspect(is_(1 - loss), "That is Dice itself, which is best at 1. A loss is best at 0: return 1 minus it.")
        suspect(is_(-(1 - loss)), "That is minus Dice. Training would do the same; asked for is 1 - Dice, which ends at 0.")
        suspect(is_(soft(logits, g)), "You summed the logits. They run from minus to plus infinity: torch.sigmoid makes probabilities of them first.")
        suspect(any(is_(soft(logits.softmax(axis), g)) for axis in range(3)) or is_(soft(logits.flatten(1).softmax(1).reshape(g.shape), g)),
                "You took softmax, which lets the pixels share one probability. Here each pixel is asked for itself, yes or no: torch.sigmoid.")
        suspect(is_(1 - (2 * (p * g).sum() + 1).double() / (p.sum() + g.sum() - (p * g).sum() + 1).double()), "Below the line you took the overlap off (the union). "
                "Dice adds the two sizes as they are.")
        suspect(is_(soft(torch.sigmoid(p), g)), "You took the sigmoid twice: probabilities of probabilities, none below one half.")
        suspect(is_(soft(hard, g)), "You cut at a threshold first. Then the loss is a staircase: flat at every logit, and training gets no direction.")
        suspect(is_(soft(p, g, axes=True)), "You took each image's loss, then the mean. That is a loss in use; asked for is one over the batch: here half of the images have an "
                "empty truth, and alone such an image can hardly be improved until nearly every pixel says no.")
        suspect(is_(soft(p, g, s=0)), "`smooth` is missing above and below the line.")
        suspect(is_(1 - 2 * (p * g).sum().double() / (p.sum() + g.sum() + 1).double()), "`smooth` stands below the line only: with an empty truth your loss "
                "is 1 whatever the network says.")
        suspect(is_(1 - (2 * (p * g).sum() + 1).double() / (p.sum() + g.sum()).double()), "`smooth` stands above the line only: with an empty truth, and a network that says no, "
                "you divide by nearly nothing.")
        suspect(is_(1 - ((p * g).sum() + 1).double() / (p.sum() + g.sum() + 1).double()), "The overlap counts once with you; in Dice it counts twice.")
        suspect(is_(1 - 2 * ((p * g).sum() + 1).double() / (p.sum() + g.sum() + 1).double()), "The 2 multiplies your smoothing term, too: with two empty masks "
                "the loss would be -1. It belongs to the overlap alone.")
        suspect(is_(1 - ((p * g).sum() + 1).double() / (p.sum() + g.sum() - (p * g).sum() + 1).double()), "That is the soft Jaccard loss, over the union. Dice adds the two sizes.")
        suspect(is_(1 - (2 * (p * g).sum() + 1).double() / ((p * p).sum() + g.sum() + 1).double()), "You squared the probabilities below the line, as Milletari et al. did. "
                "Formula (2) sums them as they are.")
        suspect(is_(1 - (2 * (p * g).mean() + 1).double() / (p.mean() + g.mean() + 1).double()), "You took means for sums. Then `smooth` = 1 is as much as all pixels together "
                "and drowns the tumor.")
        suspect(is_(torch.nn.functional.binary_cross_entropy_with_logits(logits, g).double()), "That is cross-entropy.")
        above, below = 2 * (p * g).sum() + 1, p.sum() + g.sum() + 1
        suspect(any(is_(value.double()) for value in (1 - 2 * (p * g).sum() + 1 / below, 1 - above / p.sum() + g.sum() + 1, 1 - 2 * (p * g).sum() + 1 / p.sum() + g.sum() + 1,
                                               1 - above / (p.sum() + g.sum()) + 1, 1 - 2 * (p * g).sum() + 1 / (p.sum() + g.sum()) + 1)),
                "Brackets are missing: Python divides only what stands next to the `/`. Put all that is above the line into one pair, all that is below into another.")
        losses.append(float(result))
        expecteds.append(float(loss))
    expect("equals the formula", close(losses, expecteds, 1e-5), "This is not yet formula (2).", points=2, got=tuple(losses), expected=tuple(expecteds))
    other = answer(logits, truth, 20.0)
    expect_like(other, torch.tensor(.5))
    suspect(close(other, result, 1e-6), "With smooth = 20 you return the same as with 1: your 1 is written into the formula.")
    healthy = torch.zeros_like(truth)
    sure, unsure = answer(logits - 30, healthy), answer(logits, healthy)
    for value in (sure, unsure):
        expect_like(value, torch.tensor(.5))
    expect("an empty truth, and `smooth`", close(other.double(), by_hand(logits, truth, 20.0), 1e-5) and close(sure, torch.tensor(0.), 1e-4)
           and close(unsure.double(), by_hand(logits, healthy), 1e-5),
           lambda: f"With an empty truth and a network that says no everywhere the loss should be 0; yours is {float(sure):.3f}.", points=1)


@right
def dots(logits, truth, smooth=1.0):
    found, wanted = logits.sigmoid().flatten(), truth.flatten().float()
    return 1 - (2 * found @ wanted + smooth) / (found.sum() + wanted.sum() + smooth)


@right
def by_misses(logits, truth, smooth=1.0):
    p, g = 1 / (1 + torch.exp(-logits)), truth.float()
    wrong_mass = (p * (1 - g)).sum() + ((1 - p) * g).sum()
    return wrong_mass / (p.sum() + g.sum() + smooth)


@wrong("That is Dice itself")
def forgot_one_minus(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits)
    return (2 * (p * truth).sum() + smooth) / (p.sum() + truth.sum() + smooth)


@wrong("You summed the logits")
def forgot_sigmoid(logits, truth, smooth=1.0):
    return 1 - (2 * (logits * truth).sum() + smooth) / (logits.sum() + truth.sum() + smooth)


@wrong("You took softmax")
def softmax(logits, truth, smooth=1.0):
    p = torch.softmax(logits, 1)
    return 1 - (2 * (p * truth).sum() + smooth) / (p.sum() + truth.sum() + smooth)


@wrong("Below the line you took the overlap off")
def over_the_union(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits)
    overlap = (p * truth).sum()
    return 1 - (2 * overlap + smooth) / (p.sum() + truth.sum() - overlap + smooth)


@wrong("staircase")
def threshold(logits, truth, smooth=1.0):
    p = (torch.sigmoid(logits) > 0.5).float()
    return 1 - (2 * (p * truth).sum() + smooth) / (p.sum() + truth.sum() + smooth)


@wrong("You took each image's loss")
def per_image(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits)
    each = (2 * (p * truth).sum((1, 2)) + smooth) / (p.sum((1, 2)) + truth.sum((1, 2)) + smooth)
    return (1 - each).mean()


@wrong("is missing above and below")
def no_smooth(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits)
    return 1 - 2 * (p * truth).sum() / (p.sum() + truth.sum())


@wrong("below the line only")
def smooth_below(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits)
    return 1 - 2 * (p * truth).sum() / (p.sum() + truth.sum() + smooth)


@wrong("The overlap counts once with you")
def forgot_two(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits)
    return 1 - ((p * truth).sum() + smooth) / (p.sum() + truth.sum() + smooth)


@wrong("as Milletari et al. did")
def squared(logits, truth, smooth=1.0):
    p, g = torch.sigmoid(logits), truth.float()
    return 1 - (2 * (p * g).sum() + smooth) / ((p ** 2).sum() + (g ** 2).sum() + smooth)


@wrong("You took means for sums")
def means(logits, truth, smooth=1.0):
    p, g = torch.sigmoid(logits), truth.float()
    return 1 - (2 * (p * g).mean() + smooth) / (p.mean() + g.mean() + smooth)


@wrong("your 1 is written into the formula")
def fixed_smooth(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits)
    return 1 - (2 * (p * truth).sum() + 1) / (p.sum() + truth.sum() + 1)


@wrong("leave out .item()")
def a_number(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits)
    return (1 - (2 * (p * truth).sum() + smooth) / (p.sum() + truth.sum() + smooth)).item()


@wrong("The 2 multiplies your smoothing term")
def two_times_all(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits)
    return 1 - 2 * ((p * truth).sum() + smooth) / (p.sum() + truth.sum() + smooth)


@wrong("Brackets are missing")
def no_brackets(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits)
    return 1 - 2 * (p * truth).sum() + smooth / (p.sum() + truth.sum() + smooth)


@right
def by_masking(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits)
    return 1 - torch.div(2 * torch.sum(p[truth]) + smooth, p.sum() + truth.count_nonzero() + smooth)
