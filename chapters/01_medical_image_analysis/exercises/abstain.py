"""When a network should say that it does not know: a threshold on its confidence."""
import math

import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 7, 3
hints = [
    "Lay the images in a row, the surest first. How many of them have to be answered? Which one is the last of those?",
    "The threshold is the confidence of that last one. How many have to be answered is keep times n, rounded up: half an image is no answer.",
    "`needed = math.ceil(keep * len(surest))`; then entry number `needed` of `surest`, counted from one; then `.item()`.",
]
after = ("The share that is answered was promised for images like those it was chosen on, and for no others. "
         "On what the network never saw, its confidence may be anything.")


def abstain(confidences, keep):
    """Below which confidence should a network refuse to answer?

    confidences: (n,) float32, one for each validation image.
    keep: the share of these images still to be answered, 0 < keep <= 1.
    It answers an image if confidence >= threshold. Returns the largest
    threshold that keeps at least that share: a plain number.
    """
    surest = confidences.sort(descending=True).values    # the surest first
    # BEGIN SOLUTION
    needed = math.ceil(keep * len(surest))
    return surest[needed - 1].item()
    # END SOLUTION


def draw(random, count):
    """Confidences between 0.5 and 1, all different, in no order."""
    steps = random.sample(range(1, 400), count)
    return torch.tensor([0.5 + step / 1000 for step in steps])


def check(answer, random):
    """keep * n is whole in one round and not in the others; in the last one several images share the threshold."""
    got, wanted = [], []
    for count, keep in ((20, 0.75), (22, 0.75), (18, 0.625)):
        confidences = draw(random, count)
        threshold = answer(confidences, keep)
        suspect(type(threshold) is int and threshold == math.ceil(keep * count),
                "This is how many images are answered. Return the confidence of the last one of them.")
        expect_like(threshold, 0.5)
        surest = confidences.sort(descending=True).values.tolist()
        needed = math.ceil(keep * count)
        share = sum(confidence >= threshold for confidence in surest) / count
        suspect(close(threshold, keep), f"You return keep, {keep}. It is a share of the images; the threshold is a confidence.")
        suspect(close(threshold, surest[count - needed]),
                f"With this threshold {share:.0%} of the images are answered; it should be at least {keep:.0%}. You counted from the least sure.")
        suspect(close(threshold, surest[needed]),
                f"This keeps {share:.0%} of the images, one image more than needed: a larger threshold is possible. Where does counting begin, and do you compare by `>=`?")
        suspect(surest[needed - 1] > threshold > surest[needed] and not close(threshold, surest[needed - 1]),
                "Your threshold lies between two confidences. The largest that keeps enough is one of `confidences`: of the last image that is answered.")
        suspect(needed > keep * count and close(threshold, surest[needed - 2]),
                f"{needed - 1} of {count} images are answered: less than {keep:.0%}. Round up, not down.")
        suspect(close(threshold, sum(surest) / count), "This is the mean confidence. How many images lie above it is chance.")
        suspect(share < keep, f"Only {share:.0%} of the images are answered; {keep:.0%} were asked for.")
        got, wanted = [*got, threshold], [*wanted, surest[needed - 1]]
    expect("the largest threshold that keeps the share", close(got, wanted), "A larger threshold still answers as many images as were asked for.",
           points=1, got=tuple(got), expected=tuple(wanted))
    everybody = draw(random, 9)
    threshold = answer(everybody, 1.0)
    expect_like(threshold, 0.5)
    expect("answers all if it must", close(threshold, float(everybody.min())), "With keep = 1 every image is answered: the threshold is the smallest confidence.",
           points=1, got=threshold, expected=float(everybody.min()))
    equal = torch.tensor([0.9, 0.9, 0.9, 0.6, 0.7])[random.sample(range(5), 5)]
    threshold = answer(equal, 0.4)
    expect_like(threshold, 0.5)
    expect("copes with equal confidences", close(threshold, 0.9), "Three of five images have the confidence 0.9. To answer at least 40 %, the largest threshold is 0.9.",
           points=1, got=threshold, expected=0.9)


@right
def by_trying(confidences, keep):
    best = confidences.min().item()
    for threshold in confidences.tolist():
        if (confidences >= threshold).sum().item() >= keep * len(confidences):
            best = max(best, threshold)
    return best


@right
def smallest_first(confidences, keep):
    refused = math.floor(len(confidences) - keep * len(confidences))
    return float(confidences.sort().values[refused])


@wrong("You return keep")
def the_share(confidences, keep):
    return keep


@wrong("You counted from the least sure")
def ascending(confidences, keep):
    return confidences.sort().values[math.ceil(keep * len(confidences)) - 1].item()


@wrong("Where does counting begin, and")
def counts_from_zero(confidences, keep):
    ordered = confidences.sort(descending=True).values
    return ordered[min(math.ceil(keep * len(ordered)), len(ordered) - 1)].item()


@wrong("Your threshold lies between two confidences")
def quantile(confidences, keep):
    return confidences.quantile(1 - keep).item()


@wrong("Square brackets want a whole number")
def not_rounded(confidences, keep):
    return confidences.sort(descending=True).values[keep * len(confidences)].item()


@wrong("Round up, not down")
def rounds_down(confidences, keep):
    ordered = confidences.sort(descending=True).values
    return ordered[int(keep * len(ordered)) - 1].item()


@wrong("This is the mean confidence")
def mean(confidences, keep):
    return confidences.mean().item()


@wrong("how many images are answered")
def count(confidences, keep):
    return math.ceil(keep * len(confidences))


@wrong("got a float32 tensor", ".item()")
def tensor(confidences, keep):
    return confidences.sort(descending=True).values[math.ceil(keep * len(confidences)) - 1]


@wrong("of the images are answered; 75% were asked for")
def fixed(confidences, keep):
    return 0.99
