"""Robust accuracy and attack success: two figures, two denominators."""
import torch

from medcrypt_lab import models
from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 10, 2
hints = [
    "Which images can an attack spoil at all? What would you say of one that the model got wrong before anybody touched it?",
    "Two lists of true and false: right before, right after. Robust accuracy counts images that are in both, over all of them. "
    "Success counts those in the first and not in the second, over the first.",
    "`before = model(images).argmax(1) == labels`, `after` the same for the attacked images; then `before & after` and `before & ~after`.",
]
after = ("Papers quote the success when it is their attack and the accuracy when it is their defense. "
         "With both figures and the clean accuracy nobody can hide behind a denominator.")


def robust_accuracy(model, images, labels, attack):
    """How much of the model's accuracy survives an attack?

    model: takes images, returns logits. labels: (n,) int64, the truth.
    attack: attack(images, labels) returns the adversarial images.
    Returns two plain numbers from 0 to 1:
      robust accuracy: right before AND after the attack, of all images;
      success: fooled by the attack, of the images right before it
               (0.0 if the model was right on none).
    x.float().mean().item() is the share of True in x, a plain number.
    """
    # BEGIN SOLUTION
    adversarial = attack(images, labels)
    with torch.no_grad():
        before = model(images).argmax(1) == labels
        after = model(adversarial).argmax(1) == labels
    robust = (before & after).float().mean().item()
    fooled = (before & ~after).sum().item()
    return robust, fooled / max(1, before.sum().item())
    # END SOLUTION


class Bench:
    """A model that reads its class off the brightest of three pixels, images that it gets right or wrong as planned, and an attack that
    fools some of the right ones and, by accident, mends one of the wrong ones."""

    def __init__(self, random, right, fooled, wrong, mended):
        self.model = models.make("linear", classes=3, size=4)
        pixels = random.sample(range(16), 3)
        with torch.no_grad():
            self.model[1].weight.zero_()
            self.model[1].bias.zero_()
            self.model[1].weight[range(3), pixels] = 10
        n = right + wrong
        self.labels = torch.tensor([random.randrange(3) for _ in range(n)])
        off = torch.tensor([1 + random.randrange(2) for _ in range(n)])
        is_right, is_fooled = torch.arange(n) < right, torch.arange(n) < fooled
        is_mended = torch.arange(n) >= n - mended
        seen = torch.where(is_right, self.labels, (self.labels + off) % 3)
        seen_after = torch.where(is_fooled, (self.labels + off) % 3, torch.where(is_mended, self.labels, seen))
        order = random.sample(range(n), n)
        self.labels = self.labels[order]
        self.images = self.draw(random, pixels, seen[order])
        self.attacked = self.draw(random, pixels, seen_after[order])
        self.robust, self.success = (right - fooled) / n, fooled / max(1, right)
        self.clean, self.after_only, self.of_all = right / n, (right - fooled + mended) / n, fooled / n
        self.unchanged, self.of_wrong_after = (right - fooled + wrong - mended) / n, fooled / max(1, fooled + wrong - mended)
        self.labels_used = True

    @staticmethod
    def draw(random, pixels, classes):
        """Images whose pixel of the wanted class is the brightest of the three."""
        images = random.tensor(len(classes), 1, 4, 4, low=0.0, high=0.5)
        images.reshape(len(classes), 16)[torch.arange(len(classes)), torch.tensor(pixels)[classes]] = 0.9
        return images

    def attack(self):
        """A function of images and labels: each image's adversarial twin, in whatever order and number the answer asks for them."""
        def attack(images, labels):
            rows = []
            for image, label in zip(images, labels):
                same = (self.images == image).flatten(1).all(1).nonzero()
                if not len(same):
                    raise ValueError("the attack was given an image that is not among `images`")
                rows.append(int(same[0]))
                self.labels_used = self.labels_used and int(label) == int(self.labels[rows[-1]])
            return self.attacked[rows]
        return attack


def check(answer, random):
    """Carlini et al. 2019, section 4: which images count. Twice, with other numbers, so that no constant passes."""
    # With these numbers no two of the shares that a mistake could give are equal.
    rounds = [Bench(random, right=random.choice([8, 9, 10]), fooled=3, wrong=5, mended=1),
              Bench(random, right=random.choice([11, 12, 13]), fooled=4, wrong=7, mended=1)]
    results = []
    for bench in rounds:
        result = answer(bench.model, bench.images, bench.labels, bench.attack())
        expect_like(result, (0.5, 0.5))
        robust, success = result
        suspect(not bench.labels_used, "You gave the attack the model's own predictions. It attacks the truth: pass it the labels.")
        suspect(close(robust, bench.success) and close(success, bench.robust), "Both figures are right, but in the wrong order: robust accuracy comes first.")
        suspect(close(robust, 100 * bench.robust, 1e-3), "These are percentages; return parts of one, such as 0.4.")
        suspect(close(robust, round(bench.robust * len(bench.labels))), "These are numbers of images; return shares: divide each by its whole.")
        suspect(close(robust, bench.unchanged), "You counted the predictions that stay the same. One that was wrong and stays wrong is not robust: compare with the labels.")
        suspect(close(robust, bench.clean), "That is the accuracy before the attack: robust accuracy asks who is right after it, too.")
        suspect(close(robust, bench.after_only), "You counted whoever is right after the attack. Some of them were wrong before: by accident "
                "the attack moved them to the truth. Robust means right before and after.")
        suspect(close(robust, 1 - bench.success), "Your robust accuracy is over the images that were right before. It is over all images; success is over those.")
        suspect(close(success, 1 - bench.robust), "Your success counts images that were wrong already. Nobody attacks those: take the ones that were right.")
        suspect(close(success, bench.of_wrong_after), "You divided by the images that are wrong after the attack. Success is of the images that were right before.")
        suspect(close(success, bench.of_all), "Your success is over all images. An attack can only spoil what was right: divide by those.")
        results.append((bench, robust, success))
    benches, robusts, successes = zip(*results)
    expect("robust accuracy counts who is right before and after, over all", close(robusts, [b.robust for b in benches]),
           "The robust accuracy is not right yet.", points=2, got=robusts, expected=tuple(b.robust for b in benches))
    expect("success counts the fooled, over those right before", close(successes, [b.success for b in benches]),
           "The success is not right yet.", got=successes, expected=tuple(b.success for b in benches))
    hopeless = Bench(random, right=0, fooled=0, wrong=5, mended=0)
    nothing = answer(hopeless.model, hopeless.images, hopeless.labels, hopeless.attack())
    expect_like(nothing, (0.5, 0.5))
    expect("a model that was right on none", close(nothing, (0.0, 0.0)),
           "Where the model was right on no image, both figures are 0.0.", points=1, got=nothing, expected=(0.0, 0.0))


@right
def by_loop(model, images, labels, attack):
    kept = fooled = 0
    for image, label in zip(images, labels):
        if model(image[None]).argmax() == label:
            if model(attack(image[None], label[None])).argmax() == label:
                kept += 1
            else:
                fooled += 1
    right_before = kept + fooled
    return kept / len(images), fooled / right_before if right_before else 0.0


@right
def attack_the_right_ones(model, images, labels, attack):
    right_before = model(images).argmax(1) == labels
    if not right_before.any():
        return 0.0, 0.0
    chosen = images[right_before], labels[right_before]
    survived = int((model(attack(*chosen)).argmax(1) == chosen[1]).sum())
    return survived / len(images), 1 - survived / len(chosen[0])


@wrong("Robust means right before and after")
def after_only(model, images, labels, attack):
    before = model(images).argmax(1) == labels
    after = model(attack(images, labels)).argmax(1) == labels
    return after.float().mean().item(), ((before & ~after).sum() / before.sum().clamp(min=1)).item()


@wrong("Your success is over all images")
def success_of_all(model, images, labels, attack):
    before = model(images).argmax(1) == labels
    after = model(attack(images, labels)).argmax(1) == labels
    return (before & after).float().mean().item(), (before & ~after).float().mean().item()


@wrong("wrong already. Nobody attacks those")
def one_minus(model, images, labels, attack):
    before = model(images).argmax(1) == labels
    after = model(attack(images, labels)).argmax(1) == labels
    robust = (before & after).float().mean().item()
    return robust, 1 - robust


@wrong("robust accuracy is over the images that were right before")
def both_over_right(model, images, labels, attack):
    before = model(images).argmax(1) == labels
    after = model(attack(images, labels)).argmax(1) == labels
    n = max(1, before.sum().item())
    return (before & after).sum().item() / n, (before & ~after).sum().item() / n


@wrong("predictions that stay the same")
def unchanged(model, images, labels, attack):
    before, after = model(images).argmax(1), model(attack(images, labels)).argmax(1)
    return (before == after).float().mean().item(), (before != after).float().mean().item()


@wrong("divided by the images that are wrong after")
def of_the_wrong(model, images, labels, attack):
    before, after = model(images).argmax(1) == labels, model(attack(images, labels)).argmax(1) == labels
    return (before & after).float().mean().item(), (before & ~after).sum().item() / max(1, (~after).sum().item())


@wrong("These are numbers of images")
def counts(model, images, labels, attack):
    before, after = model(images).argmax(1) == labels, model(attack(images, labels)).argmax(1) == labels
    return (before & after).sum().item(), (before & ~after).sum().item()


@wrong("attack() takes 2 positional arguments but 3 were given")
def attack_with_model(model, images, labels, attack):
    before, after = model(images).argmax(1) == labels, model(attack(model, images, labels)).argmax(1) == labels
    return (before & after).float().mean().item(), (before & ~after).sum().item() / max(1, before.sum().item())


@wrong("Two tensors of different shapes met")
def compares_scores(model, images, labels, attack):
    before, after = model(images) == labels, model(attack(images, labels)) == labels
    return (before & after).float().mean().item(), (before & ~after).sum().item() / max(1, before.sum().item())


@wrong("in the wrong order")
def swapped(model, images, labels, attack):
    before = model(images).argmax(1) == labels
    after = model(attack(images, labels)).argmax(1) == labels
    return (before & ~after).sum().item() / max(1, before.sum().item()), (before & after).float().mean().item()


@wrong("These are percentages")
def percent(model, images, labels, attack):
    before = model(images).argmax(1) == labels
    after = model(attack(images, labels)).argmax(1) == labels
    return 100 * (before & after).float().mean().item(), 100 * (before & ~after).sum().item() / max(1, before.sum().item())


@wrong("model's own predictions")
def attacks_predictions(model, images, labels, attack):
    predicted = model(images).argmax(1)
    before = predicted == labels
    after = model(attack(images, predicted)).argmax(1) == labels
    return (before & after).float().mean().item(), (before & ~after).sum().item() / max(1, before.sum().item())


@wrong("accuracy before the attack")
def never_attacked(model, images, labels, attack):
    attack(images, labels)
    before = model(images).argmax(1) == labels
    after = model(images).argmax(1) == labels
    return (before & after).float().mean().item(), (before & ~after).sum().item() / max(1, before.sum().item())


@wrong("as value 1 of 2, got a float32 tensor", ".item()")
def tensors(model, images, labels, attack):
    before = model(images).argmax(1) == labels
    after = model(attack(images, labels)).argmax(1) == labels
    return (before & after).float().mean(), (before & ~after).sum() / before.sum().clamp(min=1)


@wrong("neither true nor false")
def python_and(model, images, labels, attack):
    before = model(images).argmax(1) == labels
    after = model(attack(images, labels)).argmax(1) == labels
    return (before and after).float().mean().item(), (before and not after).sum().item() / max(1, before.sum().item())


@wrong("ZeroDivisionError")
def divides_by_none(model, images, labels, attack):
    before = model(images).argmax(1) == labels
    after = model(attack(images, labels)).argmax(1) == labels
    return (before & after).float().mean().item(), (before & ~after).sum().item() / before.sum().item()
