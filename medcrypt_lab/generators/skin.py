"""Simulated dermoscopy of pigmented lesions: maps of melanin, blood and scar, seen through the Beer-Lambert law.

Labels: 0 benign (nevus), 1 malignant (melanoma-like). The label enters through one hidden number, the severity, which sets how
unevenly shape, pigment and structures are laid out; the ranges of the two classes overlap. How much pigment there is, how large
the lesion is and everything around it (skin, hair, light, focus) do not depend on the label.
Two images a patient: same skin and lesion, turned, with other hair, light, focus and noise.
Lengths are in halves of the image side unless a comment says otherwise.
"""
from functools import lru_cache

import numpy as np
from scipy import ndimage

from .phantom import SUPERSAMPLE, collect, field, grid, pool, streams, strokes, to_uint8

CLASSES = ("benign", "malignant")
MASKS = ("lesion",)
# Absorbance in red, green and blue of one unit of a pigment, the amount that lets 1/e of the green light through.
MELANIN = np.array([.69, 1.00, 1.35])                   # brown: absorbs the more, the shorter the wave
BLOOD = np.array([.07, 1.00, .85])
# Reflectance of dermis without pigment or blood, and the share of it that comes back from above the deep melanin. Blue light
# turns back higher up than red, so that deep melanin takes more of the red: brown pigment looks blue-gray from above.
DERMIS = np.array([.92, .84, .80])
SHALLOW = np.array([.16, .27, .43])
FIBER = np.array([.84, .70, .68])                       # reflectance of scarred dermis, which hides the blood below


def make(n, seed=0, size=64, classes=(0, 1), bar=None):
    """n photographs as a dict of arrays; patient p has label classes[p % len(classes)] and images 2p and 2p + 1.

    Returns images (n, 3, size, size) uint8, red, green, blue; labels (n,) uint8; patients (n,) int32;
    lesion (n, size, size) bool. Image i does not depend on n. bar: the words beside a progress bar, or None for none.
    """
    return collect(draw, n, seed, size, classes, MASKS, channels=3, bar=bar)


def draw(label, seed, patient, k, size):
    """The k-th photograph of one patient: image (3, size, size) uint8, then the lesion's mask (size, size) bool."""
    _, _, scan = streams(seed, patient, k + 1)
    scene, tone = _patient(int(label), int(seed), int(patient), size * SUPERSAMPLE)
    *colors, lesion = _pose(scan, scene)
    return _photograph(scan, np.stack(colors), tone, size), pool(lesion) > .5


@lru_cache(maxsize=1)                                   # the photographs of a patient share it
def _patient(label, seed, patient, side):
    """What there is to photograph, (4, side, side): reflectance in red, green and blue, the lesion's mask; and the skin's tone."""
    body, lesion, _ = streams(seed, patient)
    x, y = grid(side)
    severity = lesion.uniform(.44, 1) if label else lesion.uniform(0, .46)
    *skin, tone = _skin(body, x, y)
    depth = _outline(lesion, x, y, severity)
    added = _pigments(lesion, x, y, depth, severity)
    return np.stack([*_reflectance(*_level(lesion, skin, added, depth < 1)), depth < 1]), tone


def _cells(random, x, y, pitch, jitter):
    """A jittered honeycomb at the points x, y: distance to the nearest center, how much farther the next one is, and a
    random number in [0, 1) for each cell. Both distances are in units of `pitch`, the distance between centers."""
    rows, columns = int(2.6 / (pitch * .866)) + 6, int(2.6 / pitch) + 6
    shift = random.normal(0, jitter, (2, rows, columns)).clip(-.42, .42).astype(np.float32).reshape(2, -1)
    share = random.random((rows, columns)).astype(np.float32).ravel()
    x, y = ((x + 1.3) / pitch + 2).astype(np.float32), ((y + 1.3) / (pitch * .866) + 2).astype(np.float32)
    middle = np.rint(y).astype(np.int32)
    first, second, cell = np.full(x.shape, 9, np.float32), np.full(x.shape, 9, np.float32), np.zeros(x.shape, np.int32)
    for row in (middle - 1, middle, middle + 1):
        odd = np.float32(.5) * (row & 1)
        column = np.rint(x - odd).astype(np.int32)
        for step in (-1, 0, 1):
            index = row * columns + column + step
            across = x - odd - column - step - shift[0].take(index, mode="clip")
            down = (y - row) * np.float32(.866) - shift[1].take(index, mode="clip")
            distance = across * across + down * down
            nearer = distance < first
            second = np.where(nearer, first, np.minimum(second, distance))
            first = np.where(nearer, distance, first)
            cell = np.where(nearer, index, cell)
    first, second = np.sqrt(first), np.sqrt(second)
    return first.astype(float), (second - first).astype(float), share.take(cell, mode="clip").astype(float)


def _ramp(value, low, high):
    """0 below `low`, 1 above `high`, smooth between."""
    part = np.clip((value - low) / (high - low), 0, 1)
    return part * part * (3 - 2 * part)


def _skin(body, x, y):
    """Melanin and blood of healthy skin at every pixel, and its mean melanin: the tone."""
    side = len(x)
    tone = .08 + 2.7 * body.beta(.7, 1.6)
    fine = field(body, side, 1 / 60)
    melanin = tone * (1 + .05 * field(body, side, 1 / 4) + .03 * fine) + .02 * fine
    blood = body.uniform(.06, .18) * field(body, side, 1 / 6) + body.uniform(.04, .12) * field(body, side, 1 / 30)
    blood = body.uniform(.22, .50) * (1 + blood)
    stretch, turn = body.uniform(1.1, 2.2), body.uniform(0, np.pi)
    along, across = x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)
    _, gap, share = _cells(body, along / stretch, across, body.uniform(.07, .12), .24)
    furrow = np.exp(-(gap / .2) ** 2)
    melanin = melanin * (1 + body.uniform(-.06, .14) * furrow + .10 * (share - .5))
    blood = blood * (1 - body.uniform(0, .35) * furrow)
    if body.random() < .35:
        melanin = melanin + body.uniform(.1, .45) * _freckles(body, x, y)
    return melanin, blood, tone


def _freckles(body, x, y):
    """Freckles, 1 where darkest."""
    side = len(x)
    wobble = .025 * field(body, side, 1 / 20)
    distance, _, share = _cells(body, x + wobble, y - wobble, body.uniform(.12, .26), .3)
    present = np.clip(1 - share / body.uniform(.08, .5), 0, 1)           # the cell's number decides whether and how strong
    return _ramp(.10 + .20 * present - distance, -.10, .12) * present * np.clip(1 + .4 * field(body, side, 1 / 40), 0, 2)


def _outline(lesion, x, y, severity):
    """The lesion's depth map: 0 at the center, 1 at the border, more outside."""
    side, rough = len(x), severity ** 1.3
    radius, flat = lesion.uniform(.32, .60), lesion.uniform(.76, 1.0) ** .5
    across, down = x * flat / radius, y / flat / radius
    angle, depth = np.arctan2(down, across), np.hypot(across, down)
    for wave in (1, 2, 3, 4, 5):
        depth = depth + (.012 + .13 * rough) / wave ** .8 * lesion.normal() * np.cos(wave * angle + lesion.uniform(0, 2 * np.pi))
    ragged = .6 * field(lesion, side, 1 / 10) + .45 * field(lesion, side, 1 / 22) + .35 * field(lesion, side, 1 / 45)
    depth = depth + (.03 + .17 * rough) * ragged * np.clip(depth * 1.5, 0, 1)
    depth = depth - _streaks(lesion, angle, rough) * np.clip(depth, 0, 1) ** 3
    depth = depth + .8 * _ramp(np.hypot(x, y), .65, .95)                # the lesion ends before the scene does
    # The border runs where it encloses the area of the plain ellipse: size says nothing about the class.
    border = np.quantile(depth, np.pi * radius ** 2 / 4)
    return np.clip(depth / border, 0, None)


def _streaks(lesion, angle, rough):
    """How far pigment shoots out of the border in each direction: spikes of all lengths along one part of it."""
    count = lesion.integers(25, 45)
    turns = np.sort(lesion.uniform(-np.pi, np.pi, count))
    lengths = lesion.exponential(.5, count) * (np.arange(count) % 2)
    sector = _ramp(np.cos(angle - lesion.uniform(0, 2 * np.pi)), .0, .9) * (lesion.random() < .5)
    return lesion.uniform(.05, .20) * rough * sector * np.interp(angle, turns, lengths)


def _pigments(lesion, x, y, depth, severity):
    """What the lesion adds: epidermal melanin (before leveling), deep melanin, blood, and scar in [0, 1]."""
    side, uneven = len(x), _ramp(severity, .15, .85)
    melanin = _browns(lesion, x, y, depth, severity)
    grain = .8 * field(lesion, side, 1 / 45) + .6 * field(lesion, side, 1 / 90)
    structure = _structures(lesion, x, y, depth, uneven)
    soft = lesion.uniform(.10, .40) * np.clip(1 + .4 * field(lesion, side, 1 / 4), .4, 2)
    cover = _ramp((1 - depth + .06 * structure) / soft, -.5, .5)
    veil, red, white = (_patch(lesion, side, uneven, depth, grain) for _ in range(3))
    # Half of the uneven lesions have partly healed: scar, with grains of melanin that sank under it.
    scar = np.clip(white * lesion.uniform(-.35, .35), 0, .8) * uneven
    deep = lesion.choice([.05, .20, .60], p=[.4, .4, .2]) * lesion.uniform(.5, 1.5) * veil + .5 * scar * np.clip(grain, 0, 2)
    blood = lesion.choice([.05, .20]) * lesion.uniform(.5, 1.5) * red * (1 + .2 * grain)
    milky = .6 * np.clip(veil - 1, 0, 1) * uneven                       # no structure shows over thick patches of deep melanin
    melanin = melanin * np.clip(1 + structure * (1 - milky) + lesion.uniform(.06, .23) * (1.2 - .5 * uneven) * grain, .15, None)
    melanin = melanin * (1 - .7 * milky) * (1 - scar)
    halo = lesion.uniform(0, .25) * _ramp(-depth, -1.5, -.9) * (1 - cover)
    return melanin * cover + halo, deep * cover, blood * cover, scar * cover


def _patch(lesion, side, uneven, depth, grain):
    """Weights of mean about 1: even over the lesion where `uneven` is 0, gathered in a few patches where it is 1."""
    mottled = field(lesion, side, 1 / 7) + .4 * field(lesion, side, 1 / 18) + .15 * grain
    patch = _ramp(mottled, lesion.uniform(-.3, .4), lesion.uniform(1.2, 2.2)) * (1.3 - .5 * np.clip(depth, 0, 1))
    patch = patch / max(patch[depth < 1].mean(), .3)
    return (1 - uneven) * (1.3 - .6 * np.clip(depth, 0, 1)) + uneven * patch


def _browns(lesion, x, y, depth, severity):
    """Epidermal melanin without fine structure, in units of about its mean."""
    side, rough = len(x), severity ** 1.5
    center = lesion.choice([-.4, .3, 1.5]) * lesion.uniform(.3, 1)       # a paler, an even or a darker middle
    melanin = 1 + center * _ramp(-depth + .22 * field(lesion, side, 1 / 10), -lesion.uniform(.7, 1.1), -lesion.uniform(-.2, .3))
    angle = lesion.uniform(0, 2 * np.pi)
    slope = rough * lesion.normal(0, 1.5) * (x * np.cos(angle) + y * np.sin(angle))
    blotch = (.07 + .62 * rough) * field(lesion, side, 1 / 7) + (.07 + .18 * rough) * field(lesion, side, 1 / 18)
    return melanin * np.exp(slope + blotch + .08 * field(lesion, side, 1 / 32))


def _structures(lesion, x, y, depth, uneven):
    """Relative change of melanin by fine structure: a network or globules or neither, and pale follicles.

    Where `uneven` is 0, meshes are alike; where it is 1, they are coarse and irregular, thick here and broken there.
    """
    side, near = len(x), depth < 1.5
    strength = np.clip(1 + (.3 + .4 * uneven) * field(lesion, side, 1 / 8), .05, 1.8)
    strength = strength * (1 - lesion.uniform(0, .9) * _ramp(-depth, -.8, 0))           # often only the rim shows it
    warp = .016 * field(lesion, side, 1 / 12) + .006 * field(lesion, side, 1 / 36)
    x, y, strength = (x + warp)[near], (y - warp)[near], strength[near]
    pitch, contrast = lesion.uniform(.044, .066) * (1 + .4 * uneven), lesion.uniform(.10, .55) * (1.4 - .6 * uneven)
    distance, gap, share = _cells(lesion, x, y, pitch, .17 + .15 * uneven)
    kind = lesion.choice(["network", "globules", "neither"], p=[.5, .25, .25])
    if kind == "network":
        width = np.clip(.28 + .20 * (strength - 1) + .1 * (share - .5), .1, .6)
        lines = np.exp(-(gap / width) ** 2)
        change = 1.7 * contrast * strength * (lines - .45) - .3 * (share - .5)
    elif kind == "globules":
        radius = .20 + .12 * share + .10 * uneven * (share - .3)
        change = 1.4 * contrast * strength * (_ramp(radius - distance, -.12, .12) - .3)
    else:
        change = .3 * contrast * strength * (share - .5)
    distance, _, share = _cells(lesion, x, y, lesion.uniform(.16, .24), .35)
    structure = np.zeros_like(depth)
    structure[near] = change - lesion.uniform(0, .6) * _ramp(.15 * share ** 2 - distance, -.07, .05)
    return structure


def _level(lesion, skin, added, inside):
    """Skin and lesion together: melanin, deep melanin, blood, scar.

    The lesion's melanin is scaled until its mean green in the picture is a drawn fraction of the skin's: neither its darkness
    nor its mean color gives the class away. A picture's numbers go roughly with the square root of the light.
    """
    melanin, deep, blood, scar = added
    wanted = lesion.uniform(.32, .70)
    unscaled, other = melanin[inside], (np.exp(-blood) * _through(deep, 1))[inside]
    low, high = -2.0, 2.0                                               # the scale's natural logarithm, by bisection
    for _ in range(12):
        middle = (low + high) / 2
        too_bright = np.sqrt(other * np.exp(-_packed(np.exp(middle) * unscaled))).mean() > wanted
        low, high = (middle, high) if too_bright else (low, middle)
    return skin[0] + _packed(np.exp(middle) * melanin), deep, skin[1] + blood, scar


def _packed(melanin):
    """Effective amount of melanin: what is packed densely shades itself, so that black keeps some color and detail."""
    return 4.5 * (1 - np.exp(-melanin / 4.5))


def _through(deep, channel):
    """Share of one color of light that comes back from dermis with deep melanin."""
    return SHALLOW[channel] + (1 - SHALLOW[channel]) * np.exp(-deep)


def _pose(scan, scene):
    """The scene (layers, side, side) as this image shows it: turned, shifted and zoomed."""
    layers, side, _ = scene.shape
    x, y = grid(side)
    turn, zoom, right, down = scan.uniform(0, 2 * np.pi), scan.uniform(.92, 1.08), scan.normal(0, .06), scan.normal(0, .06)
    x, y = (x - right) / zoom, (y - down) / zoom
    corner, part = [], []
    for place in (-x * np.sin(turn) + y * np.cos(turn), x * np.cos(turn) + y * np.sin(turn)):
        # Beyond its edge the scene goes on as mirrored strips of its outermost quarter, where there is only skin.
        beyond = np.clip(np.abs(place) - 1, 0, None)
        place = np.sign(place) * (np.minimum(np.abs(place), 1) - (.25 - np.abs(.25 - beyond % .5)))
        place = np.clip((place + 1) / 2 * side - .5, 0, side - 1)
        corner.append(np.minimum(place.astype(int), side - 2))
        part.append((place - corner[-1])[..., None])
    # Between pixels, the average of the four around, weighted by nearness.
    pixels, first = scene.reshape(layers, -1).T.copy(), corner[0] * side + corner[1]
    above, below = (pixels.take(first + step, axis=0) * (1 - part[1]) + pixels.take(first + step + 1, axis=0) * part[1]
                    for step in (0, side))
    return np.moveaxis(above * (1 - part[0]) + below * part[0], 2, 0)


def _reflectance(melanin, deep, blood, scar):
    """Share of red, green and blue light that comes back, (3, side, side)."""
    image = np.empty((3, *melanin.shape))
    for channel in range(3):
        dermis = DERMIS[channel] * np.exp(-BLOOD[channel] * blood)
        dermis = (dermis + .7 * scar * (FIBER[channel] - dermis)) * _through(deep, channel)
        image[channel] = dermis * np.exp(-MELANIN[channel] * melanin)
    return image


def _photograph(scan, image, tone, size):
    """Reflectance (3, side, side) to a picture (3, size, size) uint8: hair, gel, focus, light, quanta, camera curve."""
    side = image.shape[-1]
    if scan.random() < .4:
        image = image * np.exp(-_hair(scan, side) * MELANIN[:, None, None])
    if scan.random() < .2:
        image = _bubbles(scan, image)
    blur = scan.uniform(.0012, .005) * side
    image = np.stack([pool(ndimage.gaussian_filter(color, blur)) for color in image])
    glare = scan.uniform(.004, .02)                                     # what the polarizer lets through
    image = (image + glare) * _light(scan, tone, size)
    contrast, quanta = scan.uniform(0, .5), 10 ** scan.uniform(3.7, 4.4) * (64 / size) ** 2      # a smaller pixel catches fewer
    image = image + np.sqrt(np.clip(image, 0, None) / quanta) * scan.standard_normal(image.shape)
    image = np.clip(image, 0, 1) ** (1 / 2.2)
    return to_uint8(image + contrast * (image * image * (3 - 2 * image) - image))


def _light(scan, tone, size):
    """The lamp's light times the exposure, (3, size, size): uneven, tinted, now and then cut off by the instrument's tube."""
    x, y = grid(size)
    slope, angle = scan.uniform(0, .12), scan.uniform(0, 2 * np.pi)
    light = 1 + slope * (x * np.cos(angle) + y * np.sin(angle)) - scan.uniform(0, .2) * (x * x + y * y)
    if scan.random() < .2:
        from_axis = np.hypot(x - scan.normal(0, .04), y - scan.normal(0, .04))
        light = light * np.clip((scan.uniform(.95, 1.3) - from_axis) / scan.uniform(.04, .3), 0, 1)
    # The camera exposes for the skin, half-heartedly: dark skin stays darker.
    expected = DERMIS[0] * np.exp(-MELANIN[0] * tone)
    tint = np.array([scan.normal(1, .02), 1, scan.normal(1.02, .07)])
    return light * scan.uniform(.68, 1.04) * (.8 / expected) ** .22 * tint[:, None, None]


def _bubbles(scan, image):
    """The image with air bubbles in the immersion gel: a dark rim and the lamp's reflection."""
    x, y = grid(image.shape[-1])
    image = image.copy()
    for _ in range(scan.integers(1, 6)):
        right, down, radius = scan.uniform(-1, 1), scan.uniform(-1, 1), scan.uniform(.02, .06)
        near = (np.abs(x - right) < 1.6 * radius) & (np.abs(y - down) < 1.6 * radius)
        across, along = (x[near] - right) / radius, (y[near] - down) / radius
        rim = np.exp(-((np.hypot(across, along) - 1) / .2) ** 2)
        shine = np.exp(-((across + .4) ** 2 + (along + .4) ** 2) / .22 ** 2)
        image[:, near] = image[:, near] * (1 - .3 * rim) + .5 * shine
    return image


def _hair(scan, side):
    """Absorbing melanin of hairs over the skin, (side, side): curved, thinner towards the tip, some with a shine along the middle."""
    lines, heading = [], scan.uniform(0, 2 * np.pi)
    color, thick, shine = scan.uniform(1.2, 4), scan.uniform(.010, .024), scan.random() < .6
    for _ in range(scan.integers(2, 16)):
        turns = heading + scan.normal(0, .5) + scan.normal(0, .8) * np.linspace(0, 1, 9)
        steps = np.stack([np.cos(turns), np.sin(turns)], 1) * scan.uniform(.4, 1.6) / 9
        points = [tuple(point) for point in scan.uniform(-1.2, 1.2, 2) + np.cumsum(steps, 0)]
        width = thick * scan.uniform(.7, 1.3) * np.linspace(1, .4, 8)
        lines += [(points[piece:piece + 2], width[piece], color) for piece in range(8)]
        if shine and width[0] > .016:
            lines += [(points[piece:piece + 2], .35 * width[piece], .4 * color) for piece in range(1, 6)]
    return strokes(side, lines)
