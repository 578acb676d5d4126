"""What the image generators share: the loop over patients, random streams, smooth random fields, grids, strokes.

Three rules make the pictures repeatable:
  * a patient is drawn from `streams(seed, patient)`, one image of that patient from `streams(seed, patient, k)` with
    k >= 1; nothing depends on how many images were drawn before, so image i is the same whatever n is;
  * lengths are fractions of the image side, so one seed draws the same patient at every size;
  * pictures are drawn SUPERSAMPLE times too large and averaged down, which smooths their edges.
"""
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw
from tqdm.auto import tqdm

SUPERSAMPLE = 2
IMAGES_PER_PATIENT = 2


def collect(draw, n, seed, size, classes, masks, channels=None, bar=None, **settings):
    """n pictures of draw(label, seed, patient, k, size, **settings) -> picture, masks; as arrays.

    Patient p has label classes[p % len(classes)] and pictures 2p and 2p + 1. channels: how many, None for gray pictures without that axis.
    bar: the words beside a progress bar, or None for none. Returns images uint8, labels uint8 (n,), patients int32 (n,) and each of `masks`,
    bool (n, size, size).
    """
    arrays = {"images": np.zeros((n, *((channels,) if channels else ()), size, size), np.uint8)}
    arrays |= {name: np.zeros((n, size, size), bool) for name in masks}
    patients = np.arange(n, dtype=np.int32) // IMAGES_PER_PATIENT
    labels = np.asarray(classes, np.uint8)[patients % len(classes)]
    for i in tqdm(range(n), desc=bar, disable=bar is None, leave=False):
        for name, picture in zip(arrays, draw(labels[i], seed, patients[i], i % IMAGES_PER_PATIENT, size, **settings)):
            arrays[name][i] = picture
    return arrays | {"labels": labels, "patients": patients}


def streams(*key, names=("body", "lesion", "scan")):
    """Independent numpy Generators, one a name, derived from the non-negative integers in `key`.

    numpy pads a short key with zeros: (1, 2) and (1, 2, 0) are the same key. So images count from 1, not from 0.
    """
    children = np.random.SeedSequence([int(number) for number in key]).spawn(len(names))
    return [np.random.default_rng(child) for child in children]


@lru_cache(maxsize=None)
def _kernel(side, length):
    """(side, nodes) float64: Gaussian weights of width `length` from a coarse row of nodes to the pixel centers."""
    spacing = length / 1.5
    nodes = int(np.ceil((1 + 6 * length) / spacing)) + 1
    centers = (np.arange(nodes) - (nodes - 1) / 2) * spacing + 0.5
    pixels = (np.arange(side) + 0.5) / side
    weights = np.exp(-0.5 * ((pixels[:, None] - centers) / length) ** 2)
    return weights / np.sqrt((weights ** 2).sum(1, keepdims=True))


def field(random, side, length):
    """Smooth Gaussian random field, (side, side) float64, mean 0, variance 1; `length` is its grain, a fraction of the side."""
    weights = _kernel(int(side), float(length))
    noise = weights @ random.standard_normal((weights.shape[1],) * 2) @ weights.T
    return (noise - noise.mean()) / (noise.std() + 1e-9)


def grid(side):
    """Pixel-center coordinates x and y, each (side, side), in (-1, 1); y grows downwards."""
    y, x = np.mgrid[0:side, 0:side]
    return (x + 0.5) / side * 2 - 1, (y + 0.5) / side * 2 - 1


def pool(array, factor=SUPERSAMPLE):
    """Mean over factor x factor blocks of a (height, width) array."""
    height, width = array.shape
    return array.reshape(height // factor, factor, width // factor, factor).mean((1, 3))


def strokes(side, lines):
    """Draw lines, later ones over earlier ones, antialiased: (side, side) float32.

    lines: (points in (-1, 1), width as a fraction of half the side, value).
    """
    fine = 2 * side
    canvas = Image.new("F", (fine, fine), 0.0)
    pen = ImageDraw.Draw(canvas)
    for points, width, value in lines:
        pen.line([((x + 1) / 2 * fine, (y + 1) / 2 * fine) for x, y in points], fill=float(value),
                 width=max(1, int(round(width * fine / 2))), joint="curve")
    return pool(np.asarray(canvas), 2)


def to_uint8(array):
    """[0, 1] to 0..255, rounded and clipped."""
    return np.clip(np.round(array * 255), 0, 255).astype(np.uint8)
