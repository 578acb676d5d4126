"""A Dice that a network can learn from: probabilities in place of yes and no, and the slope at each pixel."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

functions = ("soft_dice_loss", "dice_slopes")
points, minutes, difficulty = 4, 12, 3
without = ["medcrypt_lab.models"]
hints = [
    "A mask of yes and no has no slope: move a logit a little and nothing changes. What does move, and lies between 0 and 1, for every pixel?",
    "`torch.sigmoid(logits)` are the probabilities. In the formula of Dice the size of the found mask becomes their sum, the overlap the sum of probability times truth.",
    "`overlap = (probability * truth).sum()`; the loss is 1 - (2 * overlap + smooth) / (... + smooth). The slopes: "
    "`torch.autograd.grad(soft_dice_loss(logits, truth), logits)[0]`.",
]
after = ("The slope of cross-entropy at a pixel depends on that pixel alone. That of the Dice loss depends on all of them: the fewer tumor pixels there are, "
         "the more each one weighs.")


def soft_dice_loss(logits, truth, smooth=1.0):
    """1 - Dice, with probabilities in place of yes and no (eq. 2).

    logits: float32 (n, height, width); truth: bool, the same shape,
    where True counts as 1 in `probability * truth` and in a sum.
    All n images count as one large picture.
    Returns a tensor with one number, so that PyTorch can go on from it.
    """
    # BEGIN SOLUTION
    probability = torch.sigmoid(logits)
    overlap = (probability * truth).sum()
    return 1 - (2 * overlap + smooth) / (probability.sum() + truth.sum() + smooth)
    # END SOLUTION


def dice_slopes(logits, truth):
    """How fast soft_dice_loss grows with each logit.

    Returns a tensor of the logits' shape: what training goes against.
    torch.autograd.grad(loss, logits)[0] walks back to the slopes.
    """
    logits = logits.clone().requires_grad_(True)
    # BEGIN SOLUTION
    return torch.autograd.grad(soft_dice_loss(logits, truth), logits)[0]
    # END SOLUTION


def by_hand(logits, truth, smooth=1.0):
    """The loss and its slope at each logit, in double precision, from the formula and the quotient rule."""
    z, g = logits.double(), truth.double()
    p = 1 / (1 + (-z).exp())
    above, below = 2 * (p * g).sum() + smooth, p.sum() + g.sum() + smooth
    return 1 - above / below, -(2 * g * below - above) / below ** 2 * p * (1 - p)


def check(answer, random):
    """Milletari et al. 2016, without their squares and with a smoothing term; loss and slopes against a closed form."""
    losses, expecteds = [], []
    for n, share in ((3, .3), (2, .15)):
        logits = random.tensor(n, 6, 8, low=-3, high=2)
        truth = random.tensor(n, 6, 8) < share
        truth[0], truth[-1] = random.tensor(6, 8) < .1, random.tensor(6, 8) < .6          # a small tumor and a large one
        result = answer(logits, truth)
        suspect(type(result) is float, "You return a plain number, from which PyTorch cannot go on: leave out .item() and return the tensor.")
        expect_like(result, torch.tensor(.5))
        p, g = torch.sigmoid(logits), truth.float()
        loss = by_hand(logits, truth)[0]

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
        suspect(any(is_(value.double()) for value in (1 - 2 * (p * g).sum() + 1 / below, 1 - above / p.sum() + g.sum() + 1, 1 - 2 * (p * g).sum() + 1 / p.sum() + g.sum() + 1)),
                "Brackets are missing: Python divides only what stands next to the `/`. Put all that is above the line into one pair, all that is below into another.")
        losses.append(float(result))
        expecteds.append(float(loss))
    expect("equals the formula", close(losses, expecteds, 1e-5), "This is not yet formula (2).", points=1, got=tuple(losses), expected=tuple(expecteds))
    other = answer(logits, truth, 20.0)
    expect_like(other, torch.tensor(.5))
    suspect(close(other, result, 1e-6), "With smooth = 20 you return the same as with 1: your 1 is written into the formula.")
    healthy = torch.zeros_like(truth)
    sure, unsure = answer(logits - 30, healthy), answer(logits, healthy)
    for value in (sure, unsure):
        expect_like(value, torch.tensor(.5))
    expect("an empty truth, and `smooth`", close(other.double(), by_hand(logits, truth, 20.0)[0], 1e-5) and close(sure, torch.tensor(0.), 1e-4)
           and close(unsure.double(), by_hand(logits, healthy)[0], 1e-5),
           lambda: f"With an empty truth and a network that says no everywhere the loss should be 0; yours is {float(sure):.3f}.", points=1)

    gots, wanteds = [], []
    for n in (2, 1):
        logits, truth = random.tensor(n, 5, 4, low=-2, high=2), random.tensor(n, 5, 4) < .3
        truth[0, 2, 1], truth[0, 3, 2] = True, False
        slopes, wanted = answer.dice_slopes(logits, truth), by_hand(logits, truth)[1].float()
        suspect(slopes is None, "`dice_slopes` returns nothing. Is there a `return`? And if you called .backward(): the slopes lie in `logits.grad`, not in the loss's.")
        if isinstance(slopes, tuple):
            suspect(len(slopes) == 1, "`torch.autograd.grad` returns a tuple, also for one gradient: `dice_slopes` should return its first value, [0].")
        expect_like(slopes, logits)
        suspect(close(slopes, logits), "You return the logits themselves. Asked for is how fast the loss grows with each of them.")
        suspect(not slopes.any(), "All your slopes are zero: the loss does not move when a logit does. Is there a threshold in it, or did you detach it?")
        suspect(close(slopes, -wanted, 1e-6), "These are minus the slopes. Training subtracts them itself.")
        suspect(close(slopes, wanted.sign()), "You took the sign only: training needs the size as well.")
        cross = (torch.sigmoid(logits) - truth.float())
        suspect(any(close(slopes, c, 1e-5) for c in (cross, cross / cross.numel())), "These are the slopes of cross-entropy: call soft_dice_loss.")
        gots.append(slopes)
        wanteds.append(wanted)
    expect("the slope at each logit", all(close(a, b, 1e-6) for a, b in zip(gots, wanteds)), "The slopes are not those of formula (2).",
           points=2, got=gots[0], expected=wanteds[0])


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


@wrong("PyTorch was not told to record gradients")
def detached(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits).detach()
    return 1 - (2 * (p * truth).sum() + smooth) / (p.sum() + truth.sum() + smooth)


@wrong("The 2 multiplies your smoothing term")
def two_times_all(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits)
    return 1 - 2 * ((p * truth).sum() + smooth) / (p.sum() + truth.sum() + smooth)


@wrong("Brackets are missing")
def no_brackets(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits)
    return 1 - 2 * (p * truth).sum() + smooth / (p.sum() + truth.sum() + smooth)


@wrong("not in the loss's", of="dice_slopes")
def grad_of_the_loss(logits, truth):
    logits = logits.clone().requires_grad_(True)
    loss = soft_dice_loss(logits, truth)
    loss.backward()
    return loss.grad


@wrong("You return the logits themselves", of="dice_slopes")
def forgot_grad(logits, truth):
    logits = logits.clone().requires_grad_(True)
    soft_dice_loss(logits, truth).backward()
    return logits


@wrong("should return its first value, [0]", of="dice_slopes")
def tuple_of_one(logits, truth):
    logits = logits.clone().requires_grad_(True)
    return torch.autograd.grad(soft_dice_loss(logits, truth), logits)


@wrong("These are minus the slopes", of="dice_slopes")
def downhill(logits, truth):
    logits = logits.clone().requires_grad_(True)
    return -torch.autograd.grad(soft_dice_loss(logits, truth), logits)[0]


@wrong("These are the slopes of cross-entropy", of="dice_slopes")
def of_cross_entropy(logits, truth):
    logits = logits.clone().requires_grad_(True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth.float())
    return torch.autograd.grad(loss, logits)[0]


@right
def with_backward(logits, truth, smooth=1.0):
    p = torch.sigmoid(logits)
    return 1 - torch.div(2 * torch.sum(p[truth]) + smooth, p.sum() + truth.count_nonzero() + smooth)
