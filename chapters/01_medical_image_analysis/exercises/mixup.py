"""mixup: convex combinations of two images and of their labels."""
import torch
from torch.nn import functional

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 5, 1
hints = [
    "A picture that is 70 % one patient and 30 % another: what would a fair label say?",
    "`images[order]` are the partners of all images at once, `targets[order]` those of all labels.",
    "`share * x + (1 - share) * x[order]`, once with the images as x and once with `targets`; return both.",
]
after = ("No radiologist would read a chest that is 70 % one patient. It need not look real: the network is told to pass evenly from one label to the other. "
         "Whether that helps is a question for a measurement.")


def mixup(images, labels, share, order, classes=2):
    """Mix each image with its partner, and its label with the partner's.

    images: (n, channels, height, width); labels: (n,) int64.
    share: lambda, the share that each image keeps.
    order: (n,) int64; the partner of images[i] is images[order[i]].
    Returns two tensors: the mixed images, and the mixed targets.
    """
    targets = functional.one_hot(labels, classes).float()   # (n, classes)
    # BEGIN SOLUTION
    mixed = share * images + (1 - share) * images[order]
    return mixed, share * targets + (1 - share) * targets[order]
    # END SOLUTION


def check(answer, random):
    """Zhang et al. 2018, section 2, against a loop. Two classes, then three of which the last occurs in no label; orders that are no
    self-inverses, so that a mistaken direction shows."""
    rounds = []
    for n, classes in ((7, 2), (9, 3)):
        images, labels = random.tensor(n, 1, 4, 4), torch.tensor([k % 2 for k in range(n)])
        share, step = random.uniform(0.6, 0.85), 3 if n == 7 else 4
        order = torch.tensor([(k + step) % n for k in range(n)])         # a turn: no image is its own partner, and no two swap
        wanted = torch.zeros(n, classes)
        pictures = torch.empty_like(images)
        for k in range(n):
            partner = (k + step) % n
            pictures[k] = share * images[k] + (1 - share) * images[partner]
            wanted[k, labels[k]] += share
            wanted[k, labels[partner]] += 1 - share
        result = answer(images, labels, share, order, classes)
        if isinstance(result, (tuple, list)) and len(result) == 2:
            targets = result[1]
            if getattr(targets, "ndim", 0) == 2 and getattr(targets, "dtype", None) == torch.float32:
                suspect(targets.shape[1] == 2 < classes, "Your labels have two columns, though there are three classes here, and one has no image in this batch. How many columns there are, `classes` says.")
            suspect(getattr(targets, "ndim", 0) == 1 and len(targets) == n, "Your labels are one number an image. A mixture needs one column a class: make the labels one-hot before you mix.")
        expect_like(result, (images, wanted))
        mixed, targets = result
        hot = functional.one_hot(labels, classes).float()
        other = torch.empty_like(images)
        other[order] = images
        swapped = (1 - share) * images + share * images[order]
        suspect(close(mixed, images), "The images are as they were. Add the partner's part: images[order].")
        suspect(close(mixed, swapped, 1e-5), "The shares are swapped: share is what each image keeps, 1 - share is what its partner adds.")
        suspect(close(mixed, images + (1 - share) * (images[order]), 1e-5), "You added the partner on top: image and partner must share, so that pixels stay in [0, 1].")
        suspect(close(mixed, share * images + (1 - share) * other, 1e-5), "The partners are taken the wrong way around: the partner of images[i] is images[order[i]].")
        suspect(close(mixed, share * images + (1 - share) * images.flip(0), 1e-5), "You paired the images in reverse. The partners are given: images[order].")
        suspect(close(mixed, (images + images[order]) / 2, 1e-5), "You mixed half and half; `share` says how much each image keeps.")
        gap = images - images[order]
        kept = float(((mixed - images[order]) * gap).sum() / (gap * gap).sum())        # the share that explains the mixture best
        suspect(close(mixed, kept * images + (1 - kept) * images[order], 1e-5) and abs(kept - share) > 1e-3,
                "You mixed in other shares than the one given. Draw no lambda here: it comes as `share`.")
        rounds.append((mixed, pictures, targets, wanted, hot, hot[order], share))
    mixed, pictures, targets, wanted, hots, partners, shares = zip(*rounds)
    expect("mixes each image with its partner", close(mixed, pictures, 1e-5), "These are not share times the image plus (1 - share) times its partner.",
           points=1, got=mixed[0], expected=pictures[0])
    for targets, wanted, hot, partner, share in zip(targets, wanted, hots, partners, shares):
        suspect(close(targets, hot), "The images are mixed, the labels are not: you tell the network that a picture of two patients shows one.")
        suspect(close(targets, partner), "Those are the partners' labels alone. The picture shows both patients.")
        suspect(close(targets, (1 - share) * hot + share * partner, 1e-5), "The images are right, and the labels have the shares the other way around.")
        suspect(close(targets, (hot + partner) / 2, 1e-5), "Your labels are half and half, whatever the images are: use the same share for both.")
        twins = (hot == partner).all(1)
        suspect(close(targets[~twins], wanted[~twins], 1e-5) and close(targets[twins].sum(1), torch.full((int(twins.sum()),), 1 - share), 1e-5),
                "Where both patients have the same class, your second entry overwrites the first, and the row no longer sums to 1. Add to what stands there.")
        expect("mixes the labels in the same shares" if wanted.shape[1] == 2 else "also for three classes", close(targets, wanted, 1e-5),
               "The labels are not mixed in the images' shares.", points=1, got=targets, expected=wanted)


@right
def by_loop(images, labels, share, order, classes=2):
    mixed, targets = torch.zeros_like(images), torch.zeros(len(images), classes)
    for i, j in enumerate(order.tolist()):
        mixed[i] = images[i] * share + images[j] * (1 - share)
        targets[i, labels[i]] += share
        targets[i, labels[j]] += 1 - share
    return mixed, targets


@right
def by_identity_matrix(images, labels, share, order, classes=2):
    targets = torch.eye(classes)[labels]
    return torch.lerp(images[order], images, share), targets[order] + share * (targets - targets[order])


@wrong("The shares are swapped")
def swapped_shares(images, labels, share, order, classes=2):
    targets = functional.one_hot(labels, classes).float()
    return (1 - share) * images + share * images[order], (1 - share) * targets + share * targets[order]


@wrong("The images are mixed, the labels are not")
def labels_unmixed(images, labels, share, order, classes=2):
    return share * images + (1 - share) * images[order], functional.one_hot(labels, classes).float()


@wrong("make the labels one-hot before you mix")
def mixes_class_numbers(images, labels, share, order, classes=2):
    return share * images + (1 - share) * images[order], share * labels + (1 - share) * labels[order]


@wrong("You paired the images in reverse")
def flipped(images, labels, share, order, classes=2):
    targets = functional.one_hot(labels, classes).float()
    return share * images + (1 - share) * images.flip(0), share * targets + (1 - share) * targets.flip(0)


@wrong("How many columns there are")
def counts_classes(images, labels, share, order, classes=2):
    targets = functional.one_hot(labels).float()
    return share * images + (1 - share) * images[order], share * targets + (1 - share) * targets[order]


@wrong("You mixed half and half")
def averages(images, labels, share, order, classes=2):
    targets = functional.one_hot(labels, classes).float()
    return (images + images[order]) / 2, share * targets + (1 - share) * targets[order]


@wrong("the labels have the shares the other way around")
def labels_swapped(images, labels, share, order, classes=2):
    targets = functional.one_hot(labels, classes).float()
    return share * images + (1 - share) * images[order], (1 - share) * targets + share * targets[order]


@wrong("You added the partner on top")
def adds(images, labels, share, order, classes=2):
    targets = functional.one_hot(labels, classes).float()
    return images + (1 - share) * images[order], share * targets + (1 - share) * targets[order]


@wrong("The partners are taken the wrong way around")
def inverse(images, labels, share, order, classes=2):
    targets, back = functional.one_hot(labels, classes).float(), order.argsort()
    return share * images + (1 - share) * images[back], share * targets + (1 - share) * targets[back]


@wrong("Draw no lambda here")
def draws_its_own(images, labels, share, order, classes=2):
    targets, drawn = functional.one_hot(labels, classes).float(), 0.4
    return drawn * images + (1 - drawn) * images[order], drawn * targets + (1 - drawn) * targets[order]


@wrong("your second entry overwrites the first")
def overwrites(images, labels, share, order, classes=2):
    targets = torch.zeros(len(labels), classes)
    for i, j in enumerate(order.tolist()):
        targets[i, labels[i]] = share
        targets[i, labels[j]] = 1 - share
    return share * images + (1 - share) * images[order], targets
