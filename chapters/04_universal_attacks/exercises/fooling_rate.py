"""The fooling rate of one perturbation, and the histogram of what the model says with it."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, linear_classifier, right, suspect, wrong

points, minutes, difficulty = 3, 7, 1
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "Ask the model twice: about the images, and about the images with the perturbation. No label is needed: fooled means that it changed its mind.",
    "What the perturbation makes of a picture must still be a picture: clip it to [0, 1] before you ask. Then compare the two lists of answers.",
    "`after = model((images + perturbation).clamp(0, 1)).argmax(1)`; the share of `before != after`; `torch.bincount(after, minlength=classes).tolist()`.",
]
after = ("A fooling rate alone hides where the answers went. With the histogram beside it you see a dominant class at once: "
         "an attack that makes everybody ill is another one than an attack that shuffles.")


def fooling_rate(model, images, perturbation, classes):
    """How many answers does one perturbation change, and to what?

    images: (n, channels, height, width) in [0, 1]; perturbation: (1,
    channels, height, width), added to each of them, and the sum clipped
    to [0, 1]; classes: how many.
    Returns two things:
      rate: the share of images whose answer changes, a plain number;
      counts: a list, how many images get each class *with* it.
    answers = logits.argmax(1). x.float().mean().item() is the share of
    True in x. torch.bincount(answers, minlength=classes).tolist() counts.
    """
    # BEGIN SOLUTION
    with torch.no_grad():
        before = model(images).argmax(1)
        after = model((images + perturbation).clamp(0, 1)).argmax(1)
    rate = (before != after).float().mean().item()
    return rate, torch.bincount(after, minlength=classes).tolist()
    # END SOLUTION


def bench(random, without_class):
    """A linear model, images, a perturbation, the answers before, after and after without clipping; what a mistake would give differs from what is right."""
    while True:
        model, images, _ = linear_classifier(random, n=11)
        with torch.no_grad():
            model[1].bias[2] = -100 if without_class else 0.5
        perturbation = random.tensor(1, 1, 4, 4, low=-0.8, high=0.8)
        weight, bias = model[1].weight.double(), model[1].bias.double()

        def says(x):
            logits = x.double().flatten(1) @ weight.detach().T + bias.detach()
            best = logits.sort(1).values
            return logits.argmax(1), float((best[:, -1] - best[:, -2]).min())
        found, leads = zip(*(says(x) for x in (images, (images + perturbation).clamp(0, 1), images + perturbation)))
        before, clipped, unclipped = found
        rate = (before != clipped).double().mean().item()
        several = len({tuple(torch.bincount(x, minlength=3).tolist()) for x in (*found, clipped[before != clipped])}) == 4
        if min(leads) > 1e-3 and several and without_class == (2 not in clipped) and 0 < rate < 1 and abs(rate - 0.5) > 0.01 and rate != (before != unclipped).double().mean().item():
            return model, images, perturbation, found, rate


def check(answer, random):
    """Moosavi-Dezfooli et al. 2017: the share of images on which the estimated label changes. Twice, so that no constant passes."""
    for without_class in (False, True):
        model, images, perturbation, (before, clipped, unclipped), rate = bench(random, without_class)
        result = answer(model, images, perturbation, 3)
        suspect(without_class and isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], list) and len(result[1]) < 3,
                "A class that nobody gets is missing from your counts. It counts 0: `minlength`.")
        expect_like(result, (0.5, [1, 1, 1]))
        got, counts = result
        wanted, unclipped_counts, before_counts = (torch.bincount(x, minlength=3).tolist() for x in (clipped, unclipped, before))
        without_clip = (before != unclipped).double().mean().item()
        suspect(close(got, without_clip) and counts == unclipped_counts,
                "You asked about numbers below 0 or above 1, which no picture holds. Clip the sum before the model sees it.")
        suspect(close(got, 1 - rate), "That is the share of answers that stay. Fooled are those that change.")
        suspect(close(got, 100 * rate, 1e-3), "That is a percentage; return a part of one, such as 0.4.")
        suspect(close(got, round(rate * len(images))), "That is the number of changed answers. Divide it by the number of images.")
        suspect(counts == before_counts, "Your counts are of the answers *before*. The histogram shows where the answers went: count those after.")
        changed = torch.bincount(clipped[before != clipped], minlength=3).tolist()
        suspect(counts == changed, "You counted only the changed answers. The histogram is of all images.")
        suspect(close(got, float((torch.tensor(before_counts) - torch.tensor(wanted)).abs().sum()) / 2 / len(images)) and not close(got, rate),
                "You compared the two histograms. Two images that swap classes leave no trace there: compare image by image.")
        expect(f"the rate is right, {'a class being empty' if without_class else 'all classes in use'}", close(got, rate),
               "The fooling rate is not right yet.", points=1, got=got, expected=rate)
        if without_class:
            expect("the counts are of all answers after", counts == wanted, "The counts are not right yet.", points=1, got=counts, expected=wanted)
        else:
            suspect(counts != wanted, "The counts are not those of the answers with the perturbation.", got=counts, expected=wanted)


@right
def by_loop(model, images, perturbation, classes):
    fooled, counts = 0, [0] * classes
    for image in images:
        attacked = torch.clip(image + perturbation, 0, 1)
        was, now = int(model(image[None]).argmax()), int(model(attacked).argmax())
        fooled += was != now
        counts[now] += 1
    return fooled / len(images), counts


@right
def by_comparing_classes(model, images, perturbation, classes):
    x = torch.cat([images, (images + perturbation).clamp(min=0).clamp(max=1)])
    one, other = model(x).max(1).indices.chunk(2)
    return 1 - (one == other).double().mean().item(), [int((other == k).sum()) for k in range(classes)]


@wrong("numbers below 0 or above 1")
def no_clip(model, images, perturbation, classes):
    one, other = model(images).argmax(1), model(images + perturbation).argmax(1)
    return (one != other).float().mean().item(), torch.bincount(other, minlength=classes).tolist()


@wrong("the share of answers that stay")
def stays(model, images, perturbation, classes):
    one, other = model(images).argmax(1), model((images + perturbation).clamp(0, 1)).argmax(1)
    return (one == other).float().mean().item(), torch.bincount(other, minlength=classes).tolist()


@wrong("answers *before*")
def counts_before(model, images, perturbation, classes):
    one, other = model(images).argmax(1), model((images + perturbation).clamp(0, 1)).argmax(1)
    return (one != other).float().mean().item(), torch.bincount(one, minlength=classes).tolist()


@wrong("It counts 0: `minlength`")
def no_minlength(model, images, perturbation, classes):
    one, other = model(images).argmax(1), model((images + perturbation).clamp(0, 1)).argmax(1)
    return (one != other).float().mean().item(), torch.bincount(other).tolist()


@wrong("only the changed answers")
def counts_changed(model, images, perturbation, classes):
    one, other = model(images).argmax(1), model((images + perturbation).clamp(0, 1)).argmax(1)
    return (one != other).float().mean().item(), torch.bincount(other[one != other], minlength=classes).tolist()


@wrong("That is a percentage")
def percent(model, images, perturbation, classes):
    one, other = model(images).argmax(1), model((images + perturbation).clamp(0, 1)).argmax(1)
    return 100 * (one != other).float().mean().item(), torch.bincount(other, minlength=classes).tolist()


@wrong("the number of changed answers")
def number(model, images, perturbation, classes):
    one, other = model(images).argmax(1), model((images + perturbation).clamp(0, 1)).argmax(1)
    return (one != other).sum().item(), torch.bincount(other, minlength=classes).tolist()


@wrong("as value 1 of 2, got a float32 tensor", ".item()")
def tensor(model, images, perturbation, classes):
    one, other = model(images).argmax(1), model((images + perturbation).clamp(0, 1)).argmax(1)
    return (one != other).float().mean(), torch.bincount(other, minlength=classes).tolist()


@wrong("Expected a list", "as value 2 of 2")
def counts_as_tensor(model, images, perturbation, classes):
    one, other = model(images).argmax(1), model((images + perturbation).clamp(0, 1)).argmax(1)
    return (one != other).float().mean().item(), torch.bincount(other, minlength=classes)
