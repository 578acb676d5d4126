"""How good is the network after the short and after the full recipe, and where does it look? Five training seeds each."""
import torch
from torch.nn import functional

from medcrypt_lab import data, models

seeds = [0, 1, 2, 3, 4]                         # of training; the first, with the full recipe, gives the shipped network
epochs = {"short": 6, "full": models.SHIPPED["chest_small_cnn"]["epochs"]}
pneumonia = 1


def run(seeds):
    """Train with each recipe and seed -> what each network is worth on the test images, and the shares of Grad-CAM's heat."""
    test = data.load("chest", "test", source="embedded")
    return {"epochs": epochs, **{recipe: gathered([measured(network(seed, count), test) for seed in seeds]) for recipe, count in epochs.items()},
            "untrained": gathered([heat_shares(models.fresh({**models.SHIPPED["chest_small_cnn"], "seed": seed}, test), test) for seed in seeds])}


def gathered(rows):
    """[{name: value}] as {name: [value of each seed]}."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def network(seed, count):
    recipe, train = {**models.SHIPPED["chest_small_cnn"], "seed": seed}, data.load("chest", "train", source="embedded")
    model = models.fresh(recipe, train)
    models.train(model, train, count, seed)
    return model


def measured(model, test):
    return {**models.measure(model, test), **heat_shares(model, test)}


def heat_shares(model, test):
    """The share of Grad-CAM's heat for pneumonia in the lesion and in the lungs, mean over the ill; and of other patients' heat."""
    ill = test.take(test.labels == pneumonia)
    features = model.features((ill.images - .5) / .25).detach().requires_grad_(True)
    scores = model.head(torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1))[:, pneumonia]
    slopes, = torch.autograd.grad(scores.sum(), features)
    heat = (slopes.mean((2, 3), keepdim=True) * features).sum(1, keepdim=True).relu().detach()
    heat = functional.interpolate(heat, size=ill.images.shape[2:], mode="bilinear").flatten(1)
    share = heat / heat.sum(1, keepdim=True).clamp(min=1e-12)
    own, strangers = torch.eye(len(ill), dtype=torch.bool), ill.patients[:, None] != ill.patients
    shares = {}
    for part in ("lesion", "lung"):
        inside = share @ ill.masks[part].flatten(1).float().T
        shares |= {f"heat in the {part}": inside[own].mean().item(), f"others' heat in the {part}": inside[strangers].mean().item()}
    return shares
