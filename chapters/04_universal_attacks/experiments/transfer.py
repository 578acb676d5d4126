"""How far do adversarial X-rays carry from a surrogate to its victim: by where the two networks started, and by whose images the surrogate learned from?"""
from dataclasses import replace

import torch
from torch.nn import functional

from medcrypt_lab import data, models

seeds = [0, 1, 2]                               # of victims and surrogates, each with other halves of the patients
epsilon, tried_steps = 8, [1, 10]               # gray levels; the number of steps is chosen on validation images
epochs, small_epochs = 9, 20                    # of 400 images; of the 160 that the lesson's attacker has
blur, gamma, gain, noise = 3, 1.5, 0.85, 0.05   # the other scanner


def run(seeds):
    """Transfer rates, over the images that both networks read rightly, of all test images and of each class; one figure a seed."""
    train, val, test = (data.load("chest", part, source="embedded") for part in ("train", "val", "test"))
    val_once, test = first_of_each_patient(val), first_of_each_patient(test)
    public = learn(other_organs(), 6, start=900)
    pairs, victims = [], {"own random start": [], "public weights": []}
    for seed in seeds:
        mine, others = halves(train, seed)
        start = {"own random start": seed, "public weights": public}
        target = {name: learn(mine, epochs, start[name], seed) for name in victims}
        for name, victim in target.items():
            victims[name].append(victim)
        scanned = other_scanner(others, seed)
        for begin, weights in (("own random start", 100 + seed), ("victim's random start", seed), ("public weights", public)):
            for images, split in (("the victim's images", mine), ("other patients", others), ("other patients, other scanner", scanned)):
                if begin != "victim's random start" or images == "other patients":
                    surrogate = learn(split, epochs, weights, 100 + seed)
                    pairs += [(seed, name, begin, images, victim, surrogate) for name, victim in target.items()
                              if name == "own random start" or begin != "victim's random start"]
    validation = {steps: sum(rate(victim, surrogate, val_once, attack(surrogate, val_once, steps))["all"]
                             for seed, _, _, _, victim, surrogate in pairs if seed == seeds[0]) for steps in tried_steps}
    steps = max(validation, key=validation.get)
    transfer, attacked = {}, {}
    for _, name, begin, images, victim, surrogate in pairs:
        if id(surrogate) not in attacked:
            attacked[id(surrogate)] = attack(surrogate, test, steps)
        row = rate(victim, surrogate, test, attacked[id(surrogate)])
        transfer.setdefault(name, {}).setdefault(begin, {}).setdefault(images, []).append(row)
    count = sum(seed == seeds[0] for seed, *_ in pairs)
    signs = torch.randint(0, 2, test.images.shape, generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    controlled = (test.images + epsilon / 255 * signs).clamp(0, 1)
    controls = {name: {"accuracy": [float(right(v, test).float().mean()) for v in networks],
                       "white box": [rate(v, v, test, attack(v, test, steps)) for v in networks],
                       "random signs": [rate(v, v, test, controlled) for v in networks]} for name, networks in victims.items()}
    shipped, lesson = models.get("small_cnn", trained_on="chest", source="embedded"), {}
    for name, start in (("own random start", None), ("victim's random start", models.SHIPPED["chest_small_cnn"]["seed"])):
        for seed in seeds:
            surrogate = learn(val, small_epochs, 100 + seed if start is None else start, 100 + seed)
            lesson.setdefault(name, []).append({**rate(shipped, surrogate, test, attack(surrogate, test, steps)),
                                                "accuracy": float(right(surrogate, test).float().mean())})
    return {"epsilon": epsilon, "steps": steps, "validation_mean_of_each_number_of_steps": {str(k): v / count for k, v in validation.items()},
            "images": len(test), "transfer": transfer, "victims": controls, "shipped victim, 160 images": lesson,
            "scanner": {"blur": blur, "gamma": gamma, "gain": gain, "noise": noise},
            "rate": "of the images that victim and surrogate read rightly, the share that the victim misreads when attacked"}


def first_of_each_patient(split):
    """One image a patient, so that images are independent."""
    seen = torch.stack([(split.patients == patient).nonzero()[0, 0] for patient in split.patients.unique()])
    return split.take(seen)


def halves(split, seed):
    """Two halves of the patients of each class, drawn by the seed."""
    generator, first = torch.Generator().manual_seed(seed), []
    for label in split.labels.unique():
        patients = split.patients[split.labels == label].unique()
        first.append(patients[torch.randperm(len(patients), generator=generator)[:len(patients) // 2]])
    inside = torch.isin(split.patients, torch.cat(first))
    return split.take(inside), split.take(~inside)


def other_scanner(split, seed):
    """The same patients seen by a scanner that blurs, shows contrast otherwise and has noise of its own."""
    padded = functional.pad(split.images, (blur // 2,) * 4, mode="replicate")
    images = gain * functional.avg_pool2d(padded, blur, 1) ** gamma
    grain = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return replace(split, images=(images + noise * grain).clamp(0, 1))


def other_organs():
    """What the public weights learn: brain, fundus and skin images of one channel, seven classes, no X-ray among them."""
    parts, classes = [], 0
    for name, gray in (("brain", lambda x: x[:, [3]]), ("fundus", lambda x: x[:, [1]]), ("skin", lambda x: x.mean(1, keepdim=True))):
        split = data.load(name, "train", source="embedded")
        parts.append((gray(split.images), split.labels + classes))
        classes += len(split.classes)
    images, labels = (torch.cat(part) for part in zip(*parts))
    return replace(split, images=images, labels=labels, masks={}, patients=torch.arange(len(labels)), classes=tuple(map(str, range(classes))), channels=("gray",))


def learn(split, epochs, start, seed=0):
    """A small network that begins at random weights (start: their seed) or at another network's features (start: that network)."""
    torch.manual_seed(seed if isinstance(start, torch.nn.Module) else start)
    model = models.make("small_cnn", classes=len(split.classes))
    if isinstance(start, torch.nn.Module):
        model.features.load_state_dict(start.features.state_dict())
    models.train(model, split, epochs, seed)
    return model.eval().requires_grad_(False)


def attack(model, split, steps):
    """BIM on the surrogate: the victim is never asked."""
    size, changed = epsilon / 255, split.images
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        slope, = torch.autograd.grad(functional.cross_entropy(model(changed), split.labels), changed)
        changed = changed + (size if steps == 1 else size / 4) * slope.sign()
        changed = (split.images + (changed - split.images).clamp(-size, size)).clamp(0, 1)
    return changed.detach()


def right(model, split, images=None):
    return models.predict(model, split.images if images is None else images).argmax(1) == split.labels


def rate(victim, surrogate, split, attacked):
    both = right(victim, split) & right(surrogate, split)
    fooled = both & ~right(victim, split, attacked)
    classes = {"all": both | True, **{name: split.labels == k for k, name in enumerate(split.classes)}}
    return {name: float((fooled & which).sum() / (both & which).sum()) for name, which in classes.items()}
