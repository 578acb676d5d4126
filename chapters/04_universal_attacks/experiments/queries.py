"""How many questions does it take to change a victim's diagnosis: Square Attack, from the X-ray or from a surrogate's guess, beside plain noise with as many tries?"""
import runpy
from pathlib import Path

import torch

from medcrypt_lab import data, models

seeds = [0, 1, 2]                               # of the squares and the noise
epsilon, budget, of_each_class = 8, 300, 20
shares, validation_budget, validation_images = [0.05, 0.2, 0.5], 150, 10        # the first square's share of the picture is chosen on validation images
marks = [1, 3, 10, 30, 100, 300]                # the curves are recorded at these numbers of queries


def run(seeds):
    """For each way of asking and each seed: the share of images fooled within so many queries, the median, and the largest change."""
    other = runpy.run_path(str(Path(__file__).with_name("transfer.py")))
    victim = models.get("small_cnn", trained_on="chest", source="embedded")
    val, test = (data.load("chest", part, source="embedded") for part in ("val", "test"))
    tuning, test = (read_rightly(victim, other["first_of_each_patient"](split), n) for split, n in ((val, validation_images), (test, of_each_class)))
    fooled = {share: float(torch.isfinite(square(victim, tuning, stripes(tuning.images, 0), share, validation_budget, seed=0)[0]).float().mean()) for share in shares}
    share = max(fooled, key=fooled.get)
    ways = {}
    surrogate = other["learn"](val, other["small_epochs"], 100, 100)
    guessed = other["attack"](surrogate, test, 10)
    for seed in seeds:
        ways.setdefault("square", []).append(summary(square(victim, test, stripes(test.images, seed), share, budget, seed), test))
        ways.setdefault("square, from the surrogate", []).append(summary(square(victim, test, guessed, share, budget, seed), test))
        ways.setdefault("random signs", []).append(summary(noise(victim, test, seed), test))
    return {"epsilon": epsilon, "budget": budget, "images": len(test), "marks": marks, "share": share, "ways": ways,
            "validation_success_of_each_share": {str(k): v for k, v in fooled.items()}}


def read_rightly(model, split, n):
    """The first n images of each class that the model reads rightly."""
    is_right = models.predict(model, split.images).argmax(1) == split.labels
    return split.take(torch.cat([(is_right & (split.labels == k)).nonzero()[:n, 0] for k in range(len(split.classes))]))


def lead(scores, labels):
    """How far the label's score is ahead of the best other: at 0 or below, the diagnosis has changed."""
    rows = torch.arange(len(labels))
    others = scores.clone()
    others[rows, labels] = -torch.inf
    return scores[rows, labels] - others.amax(1)


def stripes(images, seed):
    """The paper's start: each column of each image up or down by epsilon."""
    signs = torch.randint(0, 2, (len(images), images.shape[1], 1, images.shape[3]), generator=torch.Generator().manual_seed(seed)) * 2.0 - 1
    return (images + epsilon / 255 * signs).clamp(0, 1)


def side(asked, budget, share, pixels):
    """The side of the next square: its area is `share` of the picture, halved at the paper's marks (of 10,000 queries, scaled to the budget)."""
    at = asked / budget * 10_000
    halved = sum(at > mark for mark in (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000))
    return min(max(round((share / 2 ** halved) ** 0.5 * pixels), 1), pixels - 1)


def square(victim, split, start, share, budget, seed):
    """Square Attack, L-infinity (Andriushchenko et al. 2020): queries to the first success, infinity where there is none; largest change."""
    generator, size = torch.Generator().manual_seed(seed), epsilon / 255
    images, labels, best = split.images, split.labels, start.clone()
    ahead = lead(models.predict(victim, best), labels)
    queries = torch.where(ahead <= 0, 1.0, torch.inf)
    for asked in range(1, budget):
        at = (ahead > 0).nonzero()[:, 0]
        if not len(at):
            break
        s, pixels = side(asked, budget, share, images.shape[-1]), images.shape[-1]
        corners = torch.randint(0, pixels - s + 1, (len(at), 2), generator=generator)
        signs = torch.randint(0, 2, (len(at), images.shape[1], 1, 1), generator=generator) * 2.0 - 1
        candidate = best[at]
        for one, image, (row, column), sign in zip(candidate, images[at], corners.tolist(), signs):
            window = (slice(None), slice(row, row + s), slice(column, column + s))
            one[window] = (image[window] + size * sign).clamp(0, 1)
        found = lead(models.predict(victim, candidate), labels[at])
        better = found < ahead[at]
        best[at[better]], ahead[at[better]] = candidate[better], found[better]
        queries[at[found <= 0]] = asked + 1.0
    return queries, float((best - images).abs().max())


def noise(victim, split, seed):
    """The control: at each query new random signs of the same size on every pixel; any one that fools counts."""
    generator, size = torch.Generator().manual_seed(seed), epsilon / 255
    queries = torch.full((len(split),), torch.inf)
    for asked in range(1, budget + 1):
        at = torch.isinf(queries).nonzero()[:, 0]
        signs = torch.randint(0, 2, split.images[at].shape, generator=generator, dtype=torch.int8) * 2 - 1
        scores = models.predict(victim, (split.images[at] + size * signs).clamp(0, 1))
        queries[at[lead(scores, split.labels[at]) <= 0]] = float(asked)
    return queries, size


def summary(result, split):
    queries, largest = result
    groups = {"all": torch.ones(len(split), dtype=torch.bool), **{name: split.labels == k for k, name in enumerate(split.classes)}}
    rows = {name: {"fooled": [float((queries[which] <= mark).float().mean()) for mark in marks],
                   "median": finite(queries[which].sort().values[(int(which.sum()) - 1) // 2])} for name, which in groups.items()}
    return {**rows, "largest change in gray levels": 255 * largest}


def finite(value):
    """A plain number; None for infinity, which JSON does not know."""
    return float(value) if torch.isfinite(value) else None
