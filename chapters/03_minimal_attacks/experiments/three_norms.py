"""Carlini and Wagner's three attacks on X-rays: how small is each change in each norm, and what survives saving as 8 bits, or a median filter?"""
import numpy as np
import torch
from torch.nn import functional

from medcrypt_lab import data, models
from medcrypt_lab.attacks import CarliniWagnerL0, CarliniWagnerL2, CarliniWagnerLinf, DeepFool, size

seeds = [0]                                     # of the random controls and of the bootstrap; the attacks draw nothing
norms = ["L0", "L2", "Linf"]
attacks = {"DeepFool": DeepFool, "L2": CarliniWagnerL2, "L0": CarliniWagnerL0, "Linf": CarliniWagnerLinf}
choices = {"L2": [{"learning_rate": 0.01}, {"learning_rate": 0.03}], "L0": [{"share": 0.1}, {"share": 0.2}, {"learning_rate": 0.03}],
           "Linf": [{"learning_rate": 0.001}, {"learning_rate": 0.002}, {"learning_rate": 0.005}]}
each_class = {"val": 6, "test": 24}             # images of each class, one a patient, that the network answers right
tries, draws = 10, 1000                         # random changes an image; draws of the bootstrap


def run(seeds):
    """Settings by the smallest median norm on validation images, all figures from test images. An attack that fails counts as infinity."""
    model, torch_random = models.get("small_cnn", trained_on="chest", source="embedded"), torch.Generator().manual_seed(seeds[0])
    val, test = chosen_images(model, "val"), chosen_images(model, "test")
    results = {"each_class": each_class["test"], "images": test.rows, "tries": tries, "settings": {}, "validation": {}, "attacks": {},
               "interval": "2.5 to 97.5 percent of the medians of draws of patients with replacement"}
    for name, options in choices.items():
        medians = []
        for option in options:
            attack = attacks[name](model, **option)
            attack(val.images, val.labels)
            medians.append(float(attack.norms.median()))
        results["settings"][name] = options[int(np.argmin(medians))]
        results["validation"][name] = medians
    results["filter_alone"] = {name: float((model(median_filter(test.images)).argmax(1) != test.labels)[test.labels == label].float().mean())
                               for label, name in enumerate(("healthy", "ill"))}
    for name, kind in attacks.items():
        attack = kind(model, **results["settings"].get(name, {}))
        changed = attack(test.images, test.labels)
        results["attacks"][name] = measure(model, test, changed, torch_random, np.random.default_rng(seeds[0]))
    return results


class Chosen:
    def __init__(self, images, labels, rows):
        self.images, self.labels, self.rows = images, labels, rows


def chosen_images(model, split):
    """The first images of each class that the network answers right, one a patient."""
    found = data.load("chest", split, source="embedded")
    right, seen, rows = model(found.images).argmax(1) == found.labels, set(), []
    for label in (0, 1):
        mine = []
        for i in torch.nonzero(right & (found.labels == label)).flatten().tolist():
            if int(found.patients[i]) not in seen and len(mine) < each_class[split]:
                seen.add(int(found.patients[i]))
                mine.append(i)
        rows += mine
    return Chosen(found.images[rows], found.labels[rows], rows)


def measure(model, test, changed, random, numpy_random):
    """Each figure for the healthy and the ill apart."""
    change = changed - test.images
    fooled = model(changed).argmax(1) != test.labels
    saved = model((255 * changed).round() / 255).argmax(1) != test.labels
    filtered = model(median_filter(changed)).argmax(1) != test.labels
    control = controls(model, test, change, random)
    rows = {}
    for name, mine in (("healthy", test.labels == 0), ("ill", test.labels == 1)):
        rows[name] = {"success": float(fooled[mine].float().mean()), "saved": float(saved[mine].float().mean()),
                      "filtered": float(filtered[mine].float().mean()),
                      "random": {norm: float(hit[mine].float().mean()) for norm, hit in control.items()}}
        for norm in norms:
            values = size(change, norm).masked_fill(~fooled, torch.inf)[mine].numpy()
            drawn = np.median(values[numpy_random.integers(len(values), size=(draws, len(values)))], 1)
            low, high = np.percentile(drawn, [2.5, 97.5], method="nearest")
            rows[name][norm] = {"median": float(np.median(values)), "low": float(low), "high": float(high), "each": values.tolist()}
    return rows


def median_filter(images):
    """Each pixel becomes the median of the 3 x 3 around it."""
    around = functional.unfold(functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3)
    return around.median(1).values.reshape(images.shape)


def controls(model, test, change, random):
    """For each norm: the share of random changes of the same size that fool, averaged over the tries. (n,)"""
    n, shape = len(change), change.shape
    hits = {norm: torch.zeros(n) for norm in norms}
    for _ in range(tries):
        signs = torch.randint(0, 2, shape, generator=random) * 2.0 - 1
        noise = torch.randn(shape, generator=random)
        places = torch.rand(shape, generator=random).flatten(1).argsort(1).argsort(1).reshape(shape) < size(change, "L0").reshape(-1, 1, 1, 1)
        drawn = {"L0": torch.where(places, (signs > 0).float(), test.images),                   # as many pixels, each black or white
                 "L2": test.images + noise * (size(change, "L2") / size(noise, "L2")).reshape(-1, 1, 1, 1),
                 "Linf": test.images + signs * size(change, "Linf").reshape(-1, 1, 1, 1)}
        for norm, x in drawn.items():
            hits[norm] += (model(x.clamp(0, 1)).argmax(1) != test.labels).float() / tries
    return hits
