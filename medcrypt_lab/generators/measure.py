"""Measures what the data cards say: shortcuts, how hard each task is, what an attack does. Takes minutes.

`measure()` writes `data/measured.json` and, from it, the tables of the cards, which stand between two marks.
"""
import io
import json
import re
import time
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from .. import data, metrics, models

FILE = "measured.json"
SEEDS = (0, 1, 2)
LEVELS = (0, 1, 2, 4, 8)                # of an attack, in gray levels
CUES = ("mean", "corners", "border", "noise", "file size")          # what a classifier must not be able to live on
MARKS = re.compile(r"(<!-- measured -->\n).*?(<!-- end of measured -->)", re.S)


def measure(keys=None, real=None):
    """Measure sets (None: all), write the record and the cards' tables; returns what was measured, as text.

    real: the path of a real set in PneumoniaMNIST's format, for the comparison in the card of chest.
    """
    path = data.FOLDER / FILE
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for entry, recipe in models.SHIPPED.items():
        if keys is None or recipe["data"] in keys or entry in keys:
            record[entry] = classifier(recipe) if models.target(recipe) == "labels" else segmenter(recipe)
    if keys is None or "chest_natural_noise" in keys:
        train, val, test = (data.load("chest", split, variant="natural_noise", source="embedded") for split in data.SPLITS)
        record["chest_natural_noise"] = {"cues": cues_alone(train, joined(val, test))}
    if real:
        record["chest_real"] = against_real(real)
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8", newline="\n")
    for card in sorted((data.FOLDER / "cards").glob("*.md")):
        text = card.read_text(encoding="utf-8")
        card.write_text(with_tables(card.stem, text, record), encoding="utf-8", newline="\n")
    return "\n\n".join(f"{entry}\n{json.dumps(figures)}" for entry, figures in record.items())


def classifier(recipe):
    """Everything about a set with classes, for the recipe of its shipped network: balanced accuracies, on images of other patients."""
    train, test = (models.recipe_split(recipe, split) for split in ("train", "test"))
    embedded = models.recipe_split(recipe, "test", source="embedded")
    networks = [trained(recipe, train, seed) for seed in SEEDS]
    return {
        "images": [len(train), len(test)], "chance": 1 / len(train.classes), "cues": cues_alone(train, test), "linear": linear(train, test),
        "networks": [models.measure(network, test)["balanced accuracy"] for network in networks],
        "networks on the embedded test": [models.measure(network, embedded)["balanced accuracy"] for network in networks],
        "attack": attack_curve(networks[0], embedded)}


def segmenter(recipe):
    """Dice of the recipe's network over the seeds, and the seconds that its training took."""
    train, test = (models.recipe_split(recipe, split) for split in ("train", "test"))
    networks, seconds = [], []
    for seed in SEEDS:
        began = time.perf_counter()
        networks.append(trained(recipe, train, seed))
        seconds.append(time.perf_counter() - began)
    return {"images": [len(train), len(test)], "dice": [models.measure(network, test, recipe["target"])["dice"] for network in networks],
            "seconds": round(max(seconds))}


def trained(recipe, split, seed):
    """The recipe's network with any seed; with its own it is the shipped one."""
    if seed == recipe["seed"]:
        return models.get(recipe["architecture"], "_".join(filter(None, (recipe["data"], recipe.get("variant")))), source="embedded")
    return taught(recipe, split, seed)


def taught(recipe, split, seed):
    """The recipe's network, trained now on any images."""
    model = models.fresh({**recipe, "seed": seed}, split)
    models.train(model, split, recipe["epochs"], seed, target=models.target(recipe))
    return model.requires_grad_(False)


def attack_curve(model, split):
    """Accuracy under FGSM and under random signs, at each of LEVELS."""
    images = split.images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), split.labels)
    sign = torch.autograd.grad(loss, images)[0].sign()
    coins = torch.randint(0, 2, images.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images = split.images

    def accuracies(direction):
        return [(models.predict(model, (images + level / 255 * direction).clamp(0, 1)).argmax(1) == split.labels).float().mean().item()
                for level in LEVELS]
    return {"FGSM": accuracies(sign), "random signs": accuracies(coins)}


# ---------------------------------------------------------------- shortcuts
def cues(images):
    """name -> features (n, k) that say nothing of the disease. images: float (n, channels, height, width) in [0, 1]."""
    images = images.numpy()
    edge = max(2, images.shape[-1] // 16)
    corner = [images[..., rows, columns] for rows in (slice(edge), slice(-edge, None)) for columns in (slice(edge), slice(-edge, None))]
    border = [images[..., :2, :], images[..., -2:, :], images[..., :2], images[..., -2:]]
    inner = images[..., 1:-1, 1:-1]
    laplacian = np.abs(4 * inner - images[..., :-2, 1:-1] - images[..., 2:, 1:-1] - images[..., 1:-1, :-2] - images[..., 1:-1, 2:])
    return {"mean": images.mean((2, 3)), "corners": _flat(corner), "border": _flat(border), "noise": np.median(laplacian, (2, 3)),
            "file size": np.array([[png_bytes(image)] for image in images], float)}


def _flat(parts):
    return np.concatenate([part.reshape(len(part), -1) for part in parts], 1)


def png_bytes(image):
    """The length of an image's PNG file; channels that are no colors stand below each other."""
    pixels = np.round(image * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0) if len(pixels) == 3 else np.concatenate(list(pixels))).save(buffer, "PNG")
    return buffer.tell()


def cues_alone(train, test):
    """cue -> the balanced accuracy of a classifier that sees nothing else: the better of a logistic regression and a random forest."""
    known, unknown = cues(train.images), cues(test.images)
    return {cue: max(_fitted(_logistic(known[cue]), known[cue], train, unknown[cue], test), _fitted(_forest(), known[cue], train, unknown[cue], test))
            for cue in CUES}


def joined(one, other):
    """Two Splits as one."""
    both = {name: torch.cat([getattr(one, name), getattr(other, name)]) for name in ("images", "labels", "patients")}
    return replace(one, **both, masks={})


def linear(train, test):
    """The balanced accuracy of a linear classifier on all pixels (on their 60 principal components)."""
    known, unknown = (split.images.flatten(1).numpy() for split in (train, test))
    return _fitted(_logistic(known), known, train, unknown, test)


def _fitted(classifier, known, train, unknown, test):
    return metrics.balanced_accuracy(classifier.fit(known, train.labels.numpy()).predict(unknown), test.labels)


def _logistic(features):
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    fewer = [PCA(60, random_state=0)] if features.shape[1] > 60 else []
    return make_pipeline(StandardScaler(), *fewer, LogisticRegression(C=.3, max_iter=500))


def _forest():
    from sklearn.ensemble import RandomForestClassifier
    return RandomForestClassifier(100, min_samples_leaf=5, random_state=0)


# ---------------------------------------------------------------- real images
def against_real(path):
    """The shipped network's recipe on real X-rays, with as many images and epochs, beside our own; and each network on the other's images."""
    recipe = models.SHIPPED["chest_small_cnn"]
    ours = {split: models.recipe_split(recipe, split, source="embedded") for split in ("train", "test")}
    real = {split: data.load("chest", split, source=str(path)) for split in ("train", "test")}
    few = torch.randperm(len(real["train"]), generator=torch.Generator().manual_seed(0))[:len(ours["train"])]
    on_ours, on_real = (taught(recipe, split, recipe["seed"]) for split in (ours["train"], real["train"].take(few)))

    def ranks(model, split):
        logits = models.predict(model, split.images)
        return metrics.auc(logits[:, 1] - logits[:, 0], split.labels)
    return {"images": len(few), "auc": {"ours": ranks(on_ours, ours["test"]), "real": ranks(on_real, real["test"]),
                                        "ours to real": ranks(on_ours, real["test"]), "real to ours": ranks(on_real, ours["test"])},
            "balanced accuracy": {name: models.measure(model, split["test"])["balanced accuracy"]
                                  for name, model, split in (("ours", on_ours, ours), ("real", on_real, real))},
            "attack": {name: attack_curve(model, split["test"]) for name, model, split in (("ours", on_ours, ours), ("real", on_real, real))},
            "cues": cues_alone(real["train"].take(few), real["test"])}


# ---------------------------------------------------------------- cards
def with_tables(name, text, record):
    """A card's text with its tables drawn from the record."""
    tables = {entry: figures for entry, figures in record.items() if entry.startswith(name)}
    return MARKS.sub(lambda found: found[1] + "\n\n".join(table(name, tables)) + "\n" + found[2], text)


def table(name, record):
    """The Markdown tables of one card."""
    if name == "chest_natural_noise":
        yield "Balanced accuracy from a cue alone, chance 0.50:\n\n" + _rows(["cue", *CUES], [["share right", *_ordered(record[name]["cues"], CUES)]])
        return
    entry = record.get(f"{name}_small_cnn")
    if entry:
        count, tested = entry["images"]
        networks = " ".join(f"{value:.2f}" for value in entry["networks"])
        yield (f"Balanced accuracy, trained on {count} images, measured on {tested} of other patients; chance is {entry['chance']:.2f}. A cue is the only "
               "thing that its classifier sees (the better of a logistic regression and a random forest).\n\n"
               + _rows([*CUES, "pixels, linear", "small CNN, three seeds"], [[*_ordered(entry["cues"], CUES), entry["linear"], networks]]))
        yield ("The shipped network under attack, accuracy on the embedded test images, by the largest change in gray levels:\n\n"
               + _rows(["", *LEVELS], [[kind, *values] for kind, values in entry["attack"].items()]))
    if entry := record.get(f"{name}_unet"):
        dices = ", ".join(f"{value:.2f}" for value in entry["dice"])
        yield f"A U-Net that learns the masks from {entry['images'][0]} images: mean Dice {dices} with three seeds, {entry['seconds']} s of training on two cores."
    if entry := record.get("chest_real") if name == "chest" else None:
        yield (f"The same network with the same {entry['images']} images and epochs on real X-rays of children (PneumoniaMNIST's images, 28 pixels, enlarged), "
               "accuracy by the largest change in gray levels:\n\n"
               + _rows(["", *LEVELS], [[f"{whose}, {kind}", *values] for whose, curves in entry["attack"].items() for kind, values in curves.items()]))
        yield ("Area under the curve, by what it learned from and what it is asked about:\n\n"
               + _rows(["ours", "real", "learned from ours, asked about real", "learned from real, asked about ours"], [_ordered(entry["auc"], ("ours", "real", "ours to real", "real to ours"))]))
        yield "The real set's own shortcuts, balanced accuracy from a cue alone:\n\n" + _rows(CUES, [_ordered(entry["cues"], CUES)])


def _ordered(figures, names):
    return [figures[name] for name in names]


def _rows(head, rows):
    cells = [[value if isinstance(value, str) else f"{value:.2f}" if isinstance(value, float) else str(value) for value in row] for row in (head, *rows)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
