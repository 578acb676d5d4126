"""JSMA on X-rays, darkening and brightening: how many pixels does it take, where are they, and what do random pixels, a median filter, one pixel at a
time and Carlini and Wagner's L0 attack need?"""
import math

import torch
from torch.nn import functional

from medcrypt_lab import data, models
from medcrypt_lab.attacks import JSMA, CarliniWagnerL0

seeds = [0]                                     # of the draw of images and of the random pixels
thetas, gamma = [-1, -0.5, 0.5, 1], 0.05        # theta is chosen on validation images; gamma is the budget, in shares of the pixels
of_class = {"val": 8, "test": 30, "costly": 15}                 # X-rays of each class, one of a patient; "costly": the first of these, for slow attacks
draws = 10                                      # of as many random pixels


def run(seeds):
    """Numbers of pixels, one an X-ray that the network has right; infinity (a failure) is stored as null. The first half of each list is healthy."""
    seed, = seeds
    model = models.get("small_cnn", trained_on="chest", source="embedded")
    val, test = (chosen(model, split, seed) for split in ("val", "test"))
    tried = {str(theta): pixels(JSMA(model, theta=theta, gamma=gamma), val)[1] for theta in thetas}
    results = {"thetas": thetas, "gamma": gamma, "draws": draws, "validation": tried, "index": test["index"], "healthy": int((test["labels"] == 0).sum()),
               "values_of_a_picture": test["images"][0].numel()}
    median_model = Filtered(model)
    results["filter alone: still right"] = share(median_model(test["images"]).argmax(1) == test["labels"])
    for theta in (-1, 1):
        changed, numbers = pixels(JSMA(model, theta=theta, gamma=gamma), test)
        found = torch.tensor([number is not None for number in numbers])
        saved = (255 * changed).round() / 255
        results[f"theta {theta}"] = {
            "pixels": numbers,
            "as many random pixels flip": control(model, test, numbers, theta, seed),
            "flipped, saved as 8 bits": share(model(saved[found]).argmax(1) != test["labels"][found]),
            "flipped, right again after the filter": share(median_model(changed[found]).argmax(1) == test["labels"][found]),
            **{f"in the {part}": inside(changed != test["images"], test, part, found) for part in ("lung", "lesion")}}
    few = first(test, of_class["costly"])
    results["costly_healthy"] = int((few["labels"] == 0).sum())
    results["few"] = {"pairs": pixels(JSMA(model, theta=-1, gamma=gamma), few)[1], "one at a time": one_at_a_time(model, few),
                      "through the filter": pixels(JSMA(median_model, theta=-1, gamma=gamma), few)[1],
                      "Carlini and Wagner, L0": pixels(CarliniWagnerL0(model), few)[1]}
    return results


class Filtered(torch.nn.Module):
    """The network behind a median filter of 3 x 3 pixels."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        around = functional.unfold(functional.pad(images, (1, 1, 1, 1), mode="reflect"), 3)
        return self.model(around.median(1).values.reshape(images.shape))


def chosen(model, split, seed):
    """X-rays that the network has right, healthy ones first, each of another patient."""
    name, split = split, data.load("chest", split, source="embedded")
    right = model(split.images).argmax(1) == split.labels
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed)).tolist()
    index, seen = [], set()
    for k in (0, 1):
        mine = []
        for i in order:
            if len(mine) < of_class[name] and split.labels[i] == k and right[i] and int(split.patients[i]) not in seen:
                seen.add(int(split.patients[i]))
                mine.append(i)
        index += mine
    part = split.take(torch.tensor(index))
    return {"index": index, "images": part.images, "labels": part.labels, "masks": part.masks}


def first(some, n):
    """The first n of each class."""
    rows = torch.cat([torch.nonzero(some["labels"] == k).flatten()[:n] for k in (0, 1)])
    return {"images": some["images"][rows], "labels": some["labels"][rows]}


def pixels(attack, some):
    """The changed X-rays and how many pixels of each changed, None where the attack failed."""
    changed = attack(some["images"], some["labels"])
    return changed, [int(n) if math.isfinite(n) else None for n in attack.norms.tolist()]


def share(which):
    return float(which.float().mean())


def control(model, some, numbers, theta, seed):
    """As many pixels as JSMA changed, at random among those that theta moves, pushed as far: the share of flips."""
    random, flips, tries = torch.Generator().manual_seed(seed), 0, 0
    for image, label, number in zip(some["images"], some["labels"], numbers):
        for _ in range(draws if number is not None else 0):
            x = image.clone().flatten()
            movable = torch.nonzero(x < 1 if theta > 0 else x > 0).flatten()
            x[movable[torch.randperm(len(movable), generator=random)[:number]]] += theta
            flips += int(model(x.clamp(0, 1).reshape(1, *image.shape)).argmax() != label)
            tries += 1
    return flips / tries


def inside(changed, some, part, found):
    """Of the ill: the share of the changed pixels inside a part of the chest, and that part's share of the picture."""
    ill = found & (some["labels"] == 1)
    mask = some["masks"][part][ill].bool()
    return {"changed": float((changed[ill, 0] & mask).sum() / changed[ill, 0].sum()), "area": share(mask)}


def one_at_a_time(model, some):
    """The single-pixel map: in each step the one pixel with the largest A * |B|, darkened by 1."""
    numbers = []
    for image, label in zip(some["images"], some["labels"].tolist()):
        x, number = image[None], None
        for step in range(int(gamma * image.numel()) + 1):
            x = x.detach().requires_grad_(True)
            logits = model(x)[0]
            if logits.argmax() != label:
                number = step
                break
            a, b = (-torch.autograd.grad(logits[k], x, retain_graph=True)[0] for k in (1 - label, label))
            map_ = a.clamp(min=0) * (-b).clamp(min=0) * (x > 0)
            if map_.max() <= 0:
                break
            x = x.detach().clone()
            x.view(-1)[map_.argmax()] = 0
        numbers.append(number)
    return numbers
