"""How many images does a network need, from scratch and from another task? Augmentation, mixup and frozen layers with the same budget."""
import copy
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from medcrypt_lab import data, models

seeds = [0, 1, 2, 3, 4]                         # of the patients drawn, the first weights and the batches
sizes = [20, 50, 200, 800]                      # images to learn from
pixels, steps, source_steps, batch, alpha = 32, 200, 300, 32, 0.4


def run(seeds):
    """Balanced accuracy on the test images for each method, size and seed: (sizes, seeds) each."""
    chest, test = (data.load("chest", part, size=pixels, source="embedded") for part in ("train", "test"))
    pretrained = {"near": source(data.load("chest", "train", size=pixels, variant="natural_noise")), "far": source(flair())}
    rows = {}
    for name, begin, settings, at in [
            ("scratch", None, {}, sizes),
            ("near, all layers tuned", "near", {}, sizes),
            ("near, features frozen", "near", {"mode": frozen}, sizes),
            ("near, batch norm awake", "near", {"mode": half_frozen}, sizes),
            ("far, all layers tuned", "far", {}, sizes),
            ("far, features frozen", "far", {"mode": frozen}, sizes),
            ("scratch, no augmentation", None, {"augment": False}, sizes[:2]),
            ("scratch, mixup instead", None, {"augment": False, "alpha": alpha}, sizes[:2]),
            ("scratch, augmentation and mixup", None, {"alpha": alpha}, sizes[:2])]:
        rows[name] = [[score(fit(network(pretrained.get(begin), seed), some(chest, n, seed), seed=seed, **settings), test) for seed in seeds] for n in at]
    return {"sizes": sizes, "pixels": pixels, "steps": steps, "source_steps": source_steps, "batch": batch, "alpha": alpha, "scores": rows,
            "untrained on the target": {name: score(model, test) for name, model in pretrained.items()}}


def flair():
    """The far source: one modality of the brain, which has as many channels as an X-ray."""
    brain = data.load("brain", "train", size=pixels, source="embedded")
    return replace(brain, images=brain.images[:, [brain.channels.index("FLAIR")]], channels=("FLAIR",))


def source(split):
    """A network that has learned the source's task."""
    return fit(network(None, 0), split, steps=source_steps)


def network(source, seed):
    """A network with a new head; its features are those of `source`, or new."""
    torch.manual_seed(seed)
    model = models.make("small_cnn", classes=2, channels=1)
    if source is not None:
        model.features.load_state_dict(copy.deepcopy(source.features.state_dict()))
    return model


def some(split, n, seed):
    """n images of whole patients, a healthy one and an ill one in turn; those of a smaller n are among those of a larger."""
    order = torch.randperm(len(split) // 4, generator=torch.Generator().manual_seed(seed))
    return split.take((4 * order[:, None] + torch.arange(4)).flatten()[:n])


def frozen(model):
    """Training mode for the head alone."""
    half_frozen(model)
    model.features.eval()


def half_frozen(model):
    """The usual mistake: no weight of the features learns, but batch normalization goes on averaging."""
    model.train()
    model.features.requires_grad_(False)


def fit(model, split, steps=steps, seed=0, mode=nn.Module.train, augment=True, alpha=0):
    """Train with the same number of steps and of images a step, however many images there are."""
    random, beta = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    mode(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps + 1)
    for _ in range(steps):
        chosen = torch.randint(len(split), (batch,), generator=random)
        images, targets = split.images[chosen], functional.one_hot(split.labels[chosen], 2).float()
        if augment:
            images = augmented(images, random)
        if alpha:
            share, order = beta.beta(alpha, alpha), torch.randperm(batch, generator=random)
            images, targets = (share * each + (1 - share) * each[order] for each in (images, targets))
        loss = functional.cross_entropy(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def augmented(images, random):
    """Each mirrored or not; all shifted by up to two pixels."""
    mirrored = torch.rand(len(images), 1, 1, 1, generator=random) < 0.5
    shift = torch.randint(-2, 3, (2,), generator=random).tolist()
    return torch.where(mirrored, images.flip(-1), images).roll(shift, (-2, -1))


def score(model, split):
    return models.measure(model, split)["balanced accuracy"]
