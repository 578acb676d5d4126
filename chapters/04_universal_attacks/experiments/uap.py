"""One perturbation for all images: how many answers does it change on held-out images, of which class, and what do random signs of the same size change?"""
import numpy as np
import torch
from torch.nn import functional

from medcrypt_lab import data, models
from medcrypt_lab.attacks import UAP

seeds = [0, 1]                                  # of the draw of fitted images; the first is the lesson's
fitted, passes, batch = 100, 5, 25              # training images that a perturbation is fitted on
epsilons = {"chest": {"1 %": .01, "2 %": .02, "4 %": .04}, "fundus": {"1/255": 1 / 255, "2/255": 2 / 255, "2 %": .02},
            "skin": {"1/255": 1 / 255, "2/255": 2 / 255, "2 %": .02}}
chosen_at, shares = .02, [.1, .25]              # of epsilon: a step's length, chosen on validation images at this epsilon
sequential_passes, controls, bootstrap_seed, draws = 1, 10, 0, 1000


def run(seeds):
    """For each set and epsilon: the share of test answers that change, in all and of each class, and the answers before and after."""
    results = {"fitted": fitted, "passes": passes, "batch": batch, "sequential_passes": sequential_passes, "controls": controls,
               "interval": "2.5 to 97.5 percent of draws, with replacement, of patients and of a seed where there are several (of the fitted images, or of the random signs)"}
    return {**results, **{name: measure(name, seeds) for name in epsilons}}


def measure(name, seeds):
    model = models.get("small_cnn", trained_on=name, source="embedded")
    train, val, test = (data.load(name, split, source="embedded") for split in ("train", "val", "test"))
    drawn = [train.take(torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:fitted]).images for seed in seeds]
    rates = [float(changed(model, val.images, minibatch(model, drawn[0], chosen_at, share * chosen_at)).float().mean()) for share in shares]
    share = shares[int(np.argmax(rates))]
    found = {}
    for words, epsilon in epsilons[name].items():
        untargeted = [minibatch(model, images, epsilon, share * epsilon) for images in drawn]
        found[words] = {"untargeted": untargeted, "untargeted, saved": untargeted}
    epsilon, at = chosen_at, found["2 %"]
    at["random signs"] = [epsilon * (torch.randint(0, 2, test.images[:1].shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1) for seed in range(controls)]
    at["sequential"] = [sequential(model, images, epsilon) for images in drawn]
    for k, word in enumerate(test.classes):
        at[f"towards {word}"] = [minibatch(model, images, epsilon, share * epsilon, target=k) for images in drawn[:1]]
        at[f"sequential, towards {word}"] = [sequential(model, images, epsilon, target=k) for images in drawn[:1]]
        at[f"sequential, fitted on {word}"] = [sequential(model, images[says(model, images) == k], epsilon) for images in drawn[:1]]
    return {"step_as_share_of_epsilon": share, "validation_rate_of_each_share": rates, "answers": says(model, test.images).bincount(minlength=len(test.classes)).tolist(),
            **{words: {kind: figures(model, test, perturbations, "saved" in kind) for kind, perturbations in kinds.items()} for words, kinds in found.items()}}


def says(model, images):
    return models.predict(model, images).argmax(1)


def added(images, perturbation):
    return (images + perturbation).clamp(0, 1)


def changed(model, images, perturbation):
    return says(model, added(images, perturbation)) != says(model, images)


def minibatch(model, images, epsilon, alpha, target=None):
    """As in the lesson: sign steps up the loss of the model's own answers, or down that of the target."""
    aims = says(model, images) if target is None else torch.full((len(images),), target)
    v = torch.zeros_like(images[:1])
    for _ in range(passes):
        for some, aim in zip(images.split(batch), aims.split(batch)):
            v = v.detach().requires_grad_(True)
            gradient, = torch.autograd.grad(functional.cross_entropy(model(added(some, v)), aim), v)
            v = (v.detach() + (alpha if target is None else -alpha) * gradient.sign()).clamp(-epsilon, epsilon)
    return v


def sequential(model, images, epsilon, target=None):
    attack = UAP(model, epsilon=epsilon, passes=sequential_passes, targeted=target is not None)
    attack(images, None if target is None else torch.full((len(images),), target))
    return attack.perturbation


def figures(model, test, perturbations, saved):
    """Of the first perturbation: fooled, in all and by the answer before, and the answers after; with an interval over all perturbations and patients."""
    said = says(model, test.images)
    after = []
    for perturbation in perturbations:
        images = added(test.images, perturbation)
        after.append(says(model, (255 * images).round() / 255 if saved else images))
    fooled = torch.stack([one != said for one in after]).double().numpy()
    names = test.patients.unique()
    of_image = (test.patients[:, None] == names).double().numpy()
    random = np.random.default_rng(bootstrap_seed)
    times = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    of_draw = (fooled @ of_image @ times.T) / (times @ of_image.sum(0))             # (perturbations, draws)
    low, high = np.percentile(of_draw[random.integers(len(fooled), size=draws), np.arange(draws)], [2.5, 97.5])
    return {"fooled": float(fooled[0].mean()), "low": float(low), "high": float(high), "largest_of_all": float(fooled.mean(1).max()),
            "of_class": [float(fooled[0][said == k].mean()) for k in said.unique()],
            "sensitivity": float((after[0] > 0)[test.labels > 0].double().mean()), "specificity": float((after[0] == 0)[test.labels == 0].double().mean()),
            "answers_after": after[0].bincount(minlength=len(test.classes)).tolist()}
