"""FGSM, BIM and PGD on X-rays, fundus and skin images: what do steps, a random start and restarts add, and what survives saving as 8 bits?"""
import hashlib

import numpy as np
import torch
from torch.nn import functional

from medcrypt_lab import data, models

seeds = [0, 1, 2]                               # of training on the X-rays; the first gives the shipped network, the only one for the other two sets
levels = {"chest": [1, 2, 4, 6, 8], "fundus": [0.25, 0.5, 1, 2], "skin": [0.25, 0.5, 1, 2]}       # gray levels
saved_levels, restart_level, restarts = [1, 2], 8, 5
steps, shares = 10, [0.1, 0.25, 0.5]            # of a walk; alpha as a share of epsilon, chosen on validation images with PGD
bootstrap_seed, draws = 0, 1000


def run(seeds):
    """For each set: alpha as chosen on its validation images, then sensitivity and specificity of each attack on its test images."""
    results = {"levels": levels, "steps": steps, "saved_levels": saved_levels, "restart_level": restart_level, "restarts": restarts,
               "bootstrap_seed": bootstrap_seed, "draws": draws, "interval": "2.5 to 97.5 percent of draws of patients (and of a training seed, "
               "where there are several) with replacement", "sensitivity": "the ill called ill, of whatever degree; specificity: the healthy called healthy"}
    for name in levels:
        networks = [network(seed) for seed in seeds] if name == "chest" else [models.get("small_cnn", trained_on=name, source="embedded")]
        results[name] = measure(name, networks)
    return results


def network(seed):
    """The shipped network's recipe with another seed; with its own, the shipped weights."""
    recipe = models.SHIPPED["chest_small_cnn"]
    if seed == recipe["seed"]:
        return models.get("small_cnn", trained_on="chest", source="embedded")
    train = data.load("chest", "train", source="embedded")
    model = models.fresh({**recipe, "seed": seed}, train)
    models.train(model, train, recipe["epochs"], seed)
    return model.eval().requires_grad_(False)


def measure(name, networks):
    val, test = (data.load(name, split, source="embedded") for split in ("val", "test"))
    budget = levels[name][-2] / 255             # not the largest, where every alpha leaves next to nothing
    left = [accuracy(networks[0], pgd(networks[0], val, budget, share * budget, restart=0), val.labels) for share in shares]
    share = max(share for share, rest in zip(shares, left) if rest == min(left))        # of equals the largest: a short step may not reach the edge
    kinds = {"clean": {0: [test.images] * len(networks)}}
    for level in levels[name]:
        epsilon = level / 255
        signs = torch.randint(0, 2, test.images.shape, generator=torch.Generator().manual_seed(0)) * 2.0 - 1
        attacks = {"random signs": lambda model: (test.images + epsilon * signs).clamp(0, 1), "fgsm": lambda model: pgd(model, test, epsilon, epsilon, 1),
                   "bim": lambda model: pgd(model, test, epsilon, share * epsilon), "pgd": lambda model: pgd(model, test, epsilon, share * epsilon, restart=0)}
        for kind, attack in attacks.items():
            kinds.setdefault(kind, {})[level] = [attack(model) for model in networks]
        if level in saved_levels:
            kinds.setdefault("pgd, saved", {})[level] = [(255 * x).round() / 255 for x in kinds["pgd"][level]]
        if name == "chest" and level == restart_level:
            kinds["pgd, worst of restarts"] = {level: [worst(model, test, epsilon, share * epsilon) for model in networks]}
    bootstrap = Bootstrap(test, len(networks))
    return {"alpha_as_share_of_epsilon": share, "validation_accuracy_of_each_share": left,
            **{kind: {str(level): bootstrap.figures([model(x).argmax(1) for model, x in zip(networks, changed)]) for level, changed in of_level.items()}
               for kind, of_level in kinds.items()}}


def pgd(model, split, epsilon, alpha, steps=steps, restart=None):
    """L-infinity PGD; without a restart BIM, which starts at the image."""
    images, labels = split.images, split.labels
    changed = images if restart is None else (images + random_start(images, epsilon, restart)).clamp(0, 1)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        gradient, = torch.autograd.grad(functional.cross_entropy(model(changed), labels), changed)
        changed = (images + (changed + alpha * gradient.sign() - images).clamp(-epsilon, epsilon)).clamp(0, 1)
    return changed.detach()


def random_start(images, epsilon, restart, seed=0):
    """Uniform in the box, from the seed, the restart, and a hash of the image's bytes: as in the lesson."""
    starts = []
    for image in images:
        digest = hashlib.sha256(f"{seed}, {restart}, ".encode() + image.numpy().tobytes()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        starts.append(epsilon * (2 * torch.rand(image.shape, generator=generator) - 1))
    return torch.stack(starts)


def worst(model, split, epsilon, alpha):
    """Of the restarts, for each image, one that fools, if any does."""
    chosen = None
    for restart in range(restarts):
        changed = pgd(model, split, epsilon, alpha, restart=restart)
        if chosen is None:
            chosen = changed
        still_right = model(chosen).argmax(1) == split.labels
        chosen[still_right] = changed[still_right]
    return chosen


def accuracy(model, images, labels):
    return float((model(images).argmax(1) == labels).float().mean())


class Bootstrap:
    """Draws a network, then as many patients as there are: the images of one patient stay together."""

    def __init__(self, split, networks):
        names = split.patients.unique().numpy()
        self.ill, self.labels = split.labels.numpy() > 0, split.labels.numpy()
        self.of_image = (split.patients.numpy()[:, None] == names).astype(float)
        random = np.random.default_rng(bootstrap_seed)
        self.network = random.integers(networks, size=draws)
        self.times = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)

    def figures(self, guesses):
        """guesses: for each network the predicted class of each image -> each figure of the first network, and its interval over all."""
        guesses = np.stack([guess.numpy() for guess in guesses])
        everybody = np.ones(len(self.labels), bool)
        return {"sensitivity": self.share(guesses > 0, self.ill), "specificity": self.share(guesses == 0, ~self.ill),
                "accuracy": self.share(guesses == self.labels, everybody)}

    def share(self, right, counted):
        hits, total = (right & counted) @ self.of_image, counted @ self.of_image
        drawn = (hits @ self.times.T) / (self.times @ total)            # (networks, draws)
        low, high = np.percentile(drawn[self.network, np.arange(draws)], [2.5, 97.5])
        return {"value": float(hits[0].sum() / total.sum()), "low": float(low), "high": float(high)}
