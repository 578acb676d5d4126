"""FGSM over epsilon: how much of the curves hangs on the training seed, and how much on the patients?"""
import numpy as np
import torch
from torch.nn import functional

from medcrypt_lab import data, models

seeds = [0, 1, 2]                               # of training; the first gives the shipped network
levels = [0, 1, 2, 3, 4, 6, 8, 12, 16]          # gray levels
control_seed, bootstrap_seed, draws = 0, 0, 2000
normal, pneumonia = 0, 1


def run(seeds):
    """Train, attack, count: each metric for each seed, with an interval over seeds and patients, for FGSM and for random signs."""
    test = data.load("chest", "test")
    generator = torch.Generator().manual_seed(control_seed)
    coins = torch.randint(0, 2, test.images.shape, generator=generator) * 2.0 - 1       # one picture an image, for every network and level
    right = {"fgsm": [], "random signs": []}
    for seed in seeds:
        model = network(seed)
        right["fgsm"].append(right_after(model, test, gradient_signs(model, test)))
        right["random signs"].append(right_after(model, test, coins))
    patients = Patients(test, len(seeds))
    return {"levels": levels, "control_seed": control_seed, "bootstrap_seed": bootstrap_seed, "draws": draws,
            "interval": "2.5 to 97.5 percent of draws of a training seed and of patients with replacement",
            **{kind: metrics(np.stack(per_seed), test.labels.numpy(), patients) for kind, per_seed in right.items()}}


def network(seed):
    """The shipped network's recipe with another seed; with its own it must give the shipped weights, bit for bit."""
    recipe, train = {**models.SHIPPED["chest_small_cnn"], "seed": seed}, data.load("chest", "train")
    model = models.fresh(recipe, train)
    models.train(model, train, recipe["epochs"], seed)
    if seed == models.SHIPPED["chest_small_cnn"]["seed"]:
        shipped = models.get("small_cnn", trained_on="chest").state_dict()
        if not all(torch.equal(tensor, shipped[key]) for key, tensor in model.state_dict().items()):
            raise RuntimeError("Training with the shipped network's seed did not give the shipped weights, so the lesson would show another network "
                               "than this records. Run it where the weights were made, or make them anew: medcrypt build --weights.")
    return model.eval().requires_grad_(False)


def gradient_signs(model, split):
    """FGSM's direction, the sign of the loss's slope at each pixel: the same for every epsilon."""
    images = split.images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), split.labels)
    return torch.autograd.grad(loss, images)[0].sign()


def right_after(model, split, direction):
    """Is each image right after a step of each size in this direction? -> bool (levels, images)"""
    with torch.no_grad():
        guesses = [model((split.images + level / 255 * direction).clamp(0, 1)).argmax(1) for level in levels]
    return np.stack([(guess == split.labels).numpy() for guess in guesses])


def metrics(right, labels, patients):
    """The three curves of right, bool (seeds, levels, images)."""
    everybody = np.ones(len(labels), bool)
    return {"sensitivity": patients.curve(right, labels == pneumonia), "specificity": patients.curve(right, labels == normal),
            "robust accuracy": patients.curve(right & right[:, :1], everybody)}         # right before, at level 0, and after


class Patients:
    """A bootstrap that draws a training seed, then as many patients as there are: the images of one patient stay together."""

    def __init__(self, split, networks):
        names = split.patients.unique().numpy()
        self.of_image = (split.patients.numpy()[:, None] == names).astype(float)        # (images, patients)
        random = np.random.default_rng(bootstrap_seed)
        self.network = random.integers(networks, size=draws)
        self.times = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)    # how often each patient is drawn

    def curve(self, right, counted):
        """The share that is right of the images counted: of each seed, the ends of the interval, and which of the two spreads it more.

        right: bool (seeds, levels, images); counted: bool (images,).
        """
        hits, total = (right & counted) @ self.of_image, counted @ self.of_image        # how many of each patient's images
        shares = np.einsum("slp,dp->sdl", hits, self.times) / (self.times @ total)[:, None]     # of every network on every draw of patients
        low, high = np.percentile(shares[self.network, np.arange(draws)], [2.5, 97.5], axis=0)
        per_seed = hits.sum(2) / total.sum()
        return {"per_seed": per_seed.tolist(), "low": low.tolist(), "high": high.tolist(),
                "sd_over_seeds": per_seed.std(0, ddof=1).tolist(), "sd_over_patients": shares.std(1).mean(0).tolist()}
