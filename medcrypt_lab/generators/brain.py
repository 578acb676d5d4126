"""Simulated brain MRI: one slice without its skull in four sequences, with tumors and their masks.

Anatomy: an atlas slice bent into an individual head, its sulci and ventricles made wider or narrower.
Contrast: the signal equations of spin echo and inversion recovery, with relaxation times at 1.5 tesla.
Labels: 0 no tumor, 1 tumor. Half of the tumors are diffuse and take up no contrast agent; half have a necrotic center and a
rim that does, and only these have an enhancing mask. White-matter spots, old infarcts and bright vessels occur in both classes.
Two images a patient: same brain and tumor, another level, position, field and noise.
Lengths are in halves of the image side, in the coordinates of the atlas unless a comment says otherwise.
"""
from functools import lru_cache

import numpy as np
from scipy import ndimage
from scipy.special import expit

from .. import data
from .phantom import SUPERSAMPLE, collect, field, grid, pool, streams, to_uint8

CLASSES = ("no tumor", "tumor")
MODALITIES = ("T1", "T1ce", "T2", "FLAIR")              # T1ce: T1 after a contrast agent that shortens T1 where it leaks out
MASKS = ("tumor", "core", "enhancing")                  # everything abnormal; without edema; the rim that takes up contrast agent
# Repetition, echo and inversion time in ms; None: spin echo, without inversion. FLAIR measures 1750 ms after the inversion, when
# the recovering signal of fluid passes through zero.
SEQUENCES = {"T1": (420, 12, None), "T1ce": (420, 12, None), "T2": (4000, 95, None), "FLAIR": (9000, 110, 1750)}
# T1 in ms, T2 in ms, proton density. Fluid, gray and white matter: the BrainWeb simulator (Kwan, Evans and Pike 1999);
# the others are set between these, where disease lies: more water, longer times. Vessels count with contrast agent in the blood.
TISSUES = {"fluid": (2569, 329, 1.0), "gray": (833, 83, .86), "white": (500, 70, .77), "gliosis": (850, 125, .86),
           "edema": (1000, 125, .90), "core": (1120, 140, .91), "necrosis": (2100, 280, .97), "vessel": (250, 60, .80)}
# Gray level of the median brain pixel: fixed, so that a bright tumor does not darken the rest and give its label away.
MEDIAN = {"T1": .60, "T1ce": .48, "T2": .34, "FLAIR": .46}
STEP = 1.6                                              # atlas levels from a patient's first slice to the second; one is 2 mm


def make(n, seed=0, size=64, classes=(0, 1), bar=None):
    """n slices as a dict of arrays; patient p has label classes[p % len(classes)] and images 2p and 2p + 1.

    Returns images (n, 4, size, size) uint8 in the order of MODALITIES; labels (n,) uint8; patients (n,) int32;
    tumor, core, enhancing (n, size, size) bool, each within the one before. Image i does not depend on n. bar: the words beside a progress
    bar, or None for none.
    """
    return collect(draw, n, seed, size, classes, MASKS, channels=4, bar=bar)


def draw(label, seed, patient, k, size):
    """The k-th slice of one patient: image (4, size, size) uint8, then its tumor, core and enhancing masks, bool."""
    body, disease, _ = streams(seed, patient)
    _, _, scan = streams(seed, patient, k + 1)
    level = body.uniform(2.3, len(atlas()) - 3.4)
    x, y = _head(body, scan, size * SUPERSAMPLE)
    center, radius, pressure = _tumor_site(disease, level, k)
    aside = _pushed_aside(x, y, center, radius, pressure) if label else (x, y)
    gray, white, brain = _slice(level + (k - .5) * STEP)
    # The skull does not give way: a tumor moves the tissue, not the outline.
    brain, tissue = _brain(body, brain, x, y), _tissue(body, gray, white, *aside)
    inside = brain > .5
    parts, vessels = _look_alikes(body, level, x, y, tissue, inside)
    masks, uptake = [np.zeros_like(inside)] * len(MASKS), 0.
    if label:
        parts, masks, uptake = _tumor(disease, x, y, center, radius, parts, inside)
    relaxation = _relaxation(body, disease, len(x))
    measured = []
    for modality in MODALITIES:
        shown = _with_contrast_agent(parts, vessels, uptake) if modality == "T1ce" else parts
        measured.append(brain * sum(part * signal(*relaxation[name], modality) for name, part in shown.items()))
    image = _scan(scan, measured, brain)
    return image, *(pool(mask * 1.0) > .5 for mask in masks)


def signal(t1, t2, protons, modality):
    """What a sequence measures of a tissue, 0 to about 1; t1 and t2 in ms, numbers or arrays; protons: their density.

    The Bloch equations, solved for a train of equal excitations whose echo is much shorter than their repetition: along the field
    the magnetization recovers with T1, from zero or, after an inversion, from its negative; across the field, where it is
    measured, it decays with T2 until the echo.
    """
    repetition, echo, inversion = SEQUENCES[modality]
    recovered = 1 - np.exp(-repetition / t1)
    if inversion:
        recovered = np.abs(1 - 2 * np.exp(-inversion / t1) + np.exp(-repetition / t1))
    return protons * recovered * np.exp(-echo / t2)


@lru_cache(maxsize=1)
def atlas():
    """(33, 3, 128, 128) float32 in [0, 1]: 33 levels, 2 mm apart, of gray matter, white matter and brain. Do not change it.

    `data/atlas_mni.npz` holds these maps of the MNI ICBM152 2009a nonlinear template, 128 pixels a side, as uint8;
    its copyright notice is `data/MNI_NOTICE.txt`.
    """
    with np.load(data.FOLDER / "atlas_mni.npz", allow_pickle=False) as stored:
        return stored["atlas"].astype(np.float32) / 255


@lru_cache(maxsize=64)
def _depth(level):
    """(128, 128): how far inside the brain each pixel of an atlas level lies; 0 outside. Do not change it."""
    brain = atlas()[level, 2]
    return ndimage.distance_transform_edt(brain > .5) * 2 / len(brain)


def _site(random, level, margin, white=0.):
    """A point of the brain at least `margin` from its edge; the larger `white`, in [0, 1], the more often in white matter.

    It is looked up in the atlas, not in the picture, so that it is the same at every size and in both slices.
    """
    level = round(level)
    for _ in range(400):
        x, y = random.uniform(-.8, .8, 2)
        row, column = (int((value + 1) / 2 * atlas().shape[-1]) for value in (y, x))
        if _depth(level)[row, column] > margin and atlas()[level, 1, row, column] > white * random.random():
            break
    return x, y


def _head(body, scan, side):
    """Atlas coordinates of every pixel, x and y: this image's position of the head; this patient's head shape and folds."""
    x, y = grid(side)
    turn = np.deg2rad(body.normal(0, 6) + scan.normal(0, 1))
    width, length, mirror = body.uniform(.90, 1.10), body.uniform(.88, 1.04), body.choice([-1, 1])
    x, y = x - body.normal(0, .03) - scan.normal(0, .006), y - body.normal(.012, .025) - scan.normal(0, .006)
    across, along = mirror * (x * np.cos(turn) + y * np.sin(turn)) / width, (-x * np.sin(turn) + y * np.cos(turn)) / length
    for shift, grain in ((.028, 1 / 7), (.016, 1 / 14), (.011, 1 / 24)):
        across, along = across + shift * field(body, side, grain), along + shift * field(body, side, grain)
    return across, along


def _sample(picture, x, y):
    """The atlas picture at the coordinates x and y."""
    side = picture.shape[-1]
    return ndimage.map_coordinates(picture, np.stack([(y + 1) / 2 * side - .5, (x + 1) / 2 * side - .5]), order=1)


def _slice(level):
    """The maps of gray matter, white matter and brain, (3, 128, 128), at a level between two of the atlas."""
    lower = int(level)
    return (1 - level + lower) * atlas()[lower] + (level - lower) * atlas()[lower + 1]


def _brain(body, brain, x, y):
    """How much of each pixel is left after the removal of the skull, in [0, 1]: programs for it cut into the brain, unevenly."""
    cut = 1 + body.uniform(-.005, .03) + .010 * field(body, len(x), 1 / 9)
    return np.clip(_sample(brain, x * cut, y * cut), 0, 1)


def _tissue(body, gray, white, x, y):
    """The shares of fluid, gray and white matter in each pixel, which add to 1.

    The atlas is an average of 152 heads, with faint sulci and wide borders. An individual's come from it by thresholds that
    vary from place to place. Atrophy widens sulci and ventricles together; the second threshold sets how thick the cortex is.
    """
    atrophy = body.beta(1.5, 2.5)
    wider = .30 * atrophy + body.uniform(-.28, .20)
    zoom = 1 - wider * np.exp(-(np.hypot(x, y) / .26) ** 2)                   # the ventricles lie around the origin
    gray, white = _sample(gray, x * zoom, y * zoom), _sample(white, x * zoom, y * zoom)
    sulci = .40 + .38 * atrophy + .10 * field(body, len(x), 1 / 18)
    border = body.uniform(.44, .56) + .05 * field(body, len(x), 1 / 18)
    solid = expit((gray + white - sulci) / .11)
    share = expit((white / np.maximum(gray + white, 1e-6) - border) / .13)
    return {"fluid": 1 - solid, "gray": solid * (1 - share), "white": solid * share}


def _tumor_site(disease, level, k):
    """A tumor's center, its radius in slice k, and how hard it presses on the brain around it."""
    center = _site(disease, level, .10, white=.8)
    radius = (.10 + .20 * disease.beta(1.6, 2.0)) * (1 - .18 * k * disease.random())
    return center, radius, disease.uniform(.05, .35)


def _pushed_aside(x, y, center, radius, pressure):
    """The coordinates of the brain that the tumor has pushed to x and y."""
    right, down = x - center[0], y - center[1]
    distance = np.hypot(right, down)
    push = pressure * radius * np.exp(-(distance / (1.6 * radius)) ** 2) / (distance + 1e-6)
    return x - right * push, y - down * push


def _ragged(random, x, y, center, radius, rough):
    """Distance from a center in units of a radius, for an ellipse with a rough edge: below 1 inside."""
    turn, stretch = random.uniform(0, np.pi), random.uniform(.75, 1.3)
    u = ((x - center[0]) * np.cos(turn) + (y - center[1]) * np.sin(turn)) * stretch
    v = (-(x - center[0]) * np.sin(turn) + (y - center[1]) * np.cos(turn)) / stretch
    distance = np.hypot(u, v) / radius
    ragged = field(random, len(x), 1 / 14) + .4 * field(random, len(x), 1 / 30)
    return distance + rough * ragged * np.clip(distance, 0, 1)              # smooth at its center, or a small one could vanish


def _spot(random, x, y, center, radius, longest):
    """A soft spot, 1 at its center, `radius` wide, stretched along x and y by up to `longest`."""
    wide, high = random.uniform(.7, longest, 2)
    return np.exp(-(((x - center[0]) / wide) ** 2 + ((y - center[1]) / high) ** 2) / (2 * radius ** 2))


def _look_alikes(body, level, x, y, tissue, inside):
    """What could pass for a tumor, in both classes: the tissues with gliosis and old infarcts, and vessels in [0, 1]."""
    gliosis, cavity, vessels = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    if body.random() < .60:
        for _ in range(body.integers(1, 6)):
            spot = _spot(body, x, y, _site(body, level, .10, white=1.), body.uniform(.016, .050), 1.5)
            gliosis = np.maximum(gliosis, body.uniform(.3, .9) * spot)
    if body.random() < .35:
        infarct = _ragged(body, x, y, _site(body, level, .06), body.uniform(.05, .14), .25)
        if body.random() < .5:
            cavity = expit((body.uniform(.5, .8) - infarct) / .08) * inside
        gliosis = np.maximum(gliosis, body.uniform(.5, 1.) * expit((1 - infarct) / .12))
    for _ in range(body.integers(0, 5)):
        spot = _spot(body, x, y, _site(body, level, .01), body.uniform(.010, .024), 3.)
        vessels = np.maximum(vessels, body.uniform(.5, 1.) * spot)
    gliosis = gliosis * inside * (1 - cavity)
    parts = {name: part * (1 - gliosis - cavity) for name, part in tissue.items()}
    return parts | {"fluid": parts["fluid"] + cavity, "gliosis": gliosis}, vessels


def _tumor(disease, x, y, center, radius, parts, inside):
    """The tissues with a tumor among them; its masks, in the order of MASKS; the share of the core that takes up contrast agent."""
    ring, strength = disease.random() < .5, disease.uniform(.45, 1.)
    distance = _ragged(disease, x, y, center, radius, .30)
    # Edema follows the white matter: gray matter is too dense for it.
    spread = inside * np.clip(1.2 * parts["white"] + .15 * parts["gray"], 0, 1)
    swelling = spread * expit((disease.uniform(1.25, 2.0) - distance) / .16) * disease.uniform(.3, 1.) * strength
    if ring:
        solid = inside * expit((1 - distance) / .06)
        uneven = distance + .10 * field(disease, len(x), 1 / 16)
        necrosis = solid * expit((disease.uniform(.45, .72) - uneven) / .07) * disease.uniform(.6, 1.)
        core = solid > .5
    else:
        solid = inside * expit((1 - distance) / .16) * strength
        necrosis = np.zeros_like(x)
        core = solid > .5 * strength
    tumor = {"edema": np.clip(swelling - solid, 0, 1), "core": solid - necrosis, "necrosis": necrosis}
    rest = np.clip(1 - sum(tumor.values()), 0, 1)
    masks = core | (swelling > .30), core, core & (tumor["core"] > .5) & ring
    return {name: part * rest for name, part in parts.items()} | tumor, masks, ring * disease.uniform(.35, 1.)


def _relaxation(body, disease, side):
    """T1, T2 and proton density of each tissue in this patient; tissues with a texture have (side, side) arrays."""
    relaxation = {}
    for name, values in TISSUES.items():
        relaxation[name] = [value * (1 + body.normal(0, spread)) for value, spread in zip(values, (.04, .04, .012))]
    for name in ("gray", "white"):
        t1, t2, protons = relaxation[name]
        relaxation[name] = t1 * (1 + .035 * field(body, side, 1 / 30)), t2 * (1 + .035 * field(body, side, 1 / 30)), protons
    grain = 1 + .06 * field(disease, side, 1 / 24)
    for name in ("edema", "core", "necrosis"):
        t1, t2, protons = relaxation[name]
        relaxation[name] = t1, t2, protons * grain
    # The more contrast agent leaks into a tumor, the shorter its T1.
    relaxation["enhanced core"] = disease.uniform(300, 600), *relaxation["core"][1:]
    return relaxation


def _with_contrast_agent(parts, vessels, uptake):
    """The tissues after the injection: the vessels shine, and a share `uptake` of the tumor's core."""
    parts = {name: part * (1 - vessels) for name, part in parts.items()} | {"vessel": vessels}
    if uptake:
        parts |= {"core": parts["core"] * (1 - uptake), "enhanced core": parts["core"] * uptake}
    return parts


def _scan(scan, measured, brain):
    """Ideal signals, one (side, side) array a modality, to gray levels (4, size, size) uint8: coil, averaging, noise, gray scale."""
    bias = np.exp(scan.uniform(.03, .14) * field(scan, len(brain), 1 / 3))   # the coil hears some places better than others
    gains, noise = scan.uniform(.88, 1.12, len(MODALITIES)), scan.uniform(.012, .040)
    head = pool(brain)
    images = []
    # Noise is drawn last: its count depends on the size, and what came before must not.
    for modality, ideal, gain in zip(MODALITIES, measured, gains):
        clean = pool(ideal * bias)
        deviation = noise * signal(*TISSUES["white"], modality) * (1.2 if modality == "FLAIR" else 1)
        # The scanner measures a complex number, noisy in both parts, and shows its magnitude.
        real = clean + deviation * scan.standard_normal(head.shape)
        imaginary = deviation * scan.standard_normal(head.shape)
        magnitude = np.hypot(real, imaginary) * (head > .4)
        images.append(to_uint8(magnitude / np.median(magnitude[head > .6]) * MEDIAN[modality] * gain))
    return np.stack(images)
