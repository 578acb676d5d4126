"""An axial CT slice of a thorax, schematic: ellipses of tissue in Hounsfield units, for the DICOM files."""
import numpy as np
from scipy import ndimage

from .phantom import SUPERSAMPLE, field, grid, pool, streams

SLICE = 9003                                            # tells the random streams of a slice from those of chest.py
LEVELS = (-.9, -.5, -.1, .3, .7, 1.)                    # of the multi-frame study: below to above the heart
HEART = LEVELS[2]                                       # the level of single slices, and where the nodule is widest


def draw(label, seed, patient, visit, level, size):
    """Hounsfield units (size, size) of an axial slice, seen from the feet, and its nodule, bool.

    Lengths are in halves of the side, y grows towards the back. level: -1 liver, 0 heart, 1 aortic arch.
    """
    body, disease, _ = streams(seed, patient, SLICE)
    _, texture, scan = streams(seed, patient, SLICE, visit + 1, int(round((level + 1) * 10)) + 1)
    x, y = grid(size * SUPERSAMPLE)
    x, y = x / body.uniform(.95, 1.05), y / body.uniform(.95, 1.05)
    wide, deep, fat = .84 - .04 * level, .58 - .02 * level, body.uniform(.03, .08)
    values = np.full_like(x, -1000.)
    values[_ellipse(x, y, 0, .68, 1.1, .09) & (y > .62)] = -100                                         # the table
    values[(np.abs(x) / wide) ** 2.4 + (np.abs(y) / deep) ** 2.4 < 1] = -100                            # skin and fat
    muscle = (np.abs(x) / (wide - fat)) ** 2.4 + (np.abs(y) / (deep - fat)) ** 2.4 < 1
    values[muscle] = 50 + 8 * field(texture, len(x), 1 / 30)[muscle]
    cage = wide - fat - .07, deep - fat - .06
    lung = _lung_fields(body, x, y, cage, level)
    values[_ellipse(x, y, 0, 0, *cage)] = 35
    values[lung] = (-860 + 70 * y + 18 * field(texture, len(x), 1 / 14))[lung]
    _add_vessels(texture, values, x, y, lung)
    _add_heart_and_vessels(body, values, x, y, level)
    _add_bones(body, values, x, y, cage, level)
    nodule = np.zeros_like(lung)
    if label:
        nodule = _nodule(disease, x, y, lung, visit, level)
        values[nodule] = -560 + 40 * field(texture, len(x), 1 / 40)[nodule]                             # ground glass
    values = ndimage.gaussian_filter(pool(values), .5 * size / 160)
    return values + 13 * scan.standard_normal(values.shape), pool(nodule * 1.0) > .5


def _ellipse(x, y, right, down, wide, deep, turn=0.):
    """Inside an ellipse, bool; `turn` is its first axis' angle in radians."""
    u = (x - right) * np.cos(turn) + (y - down) * np.sin(turn)
    v = -(x - right) * np.sin(turn) + (y - down) * np.cos(turn)
    return (u / wide) ** 2 + (v / deep) ** 2 < 1


def _lung_fields(body, x, y, cage, level):
    """Both lungs, bool: the cage without the mediastinum, and without the liver's dome at the lowest levels."""
    middle = .10 + .05 * body.random() + .10 * np.clip(y / cage[1], 0, 1) ** 2 + .04 * np.clip(-y / cage[1], 0, 1)
    lung = _ellipse(x, y, 0, 0, cage[0] - .02, cage[1] - .02) & (np.abs(x - .01) > middle)
    lung &= ~_ellipse(x, y, 0, cage[1], .22, .14)                                                       # beside the spine
    if level < -.6:
        lung &= ~_ellipse(x, y, -.36, -.08, .30, .27)                                                   # the liver's dome
    return lung


def _add_vessels(texture, values, x, y, lung):
    """Vessels of the lung: discs, thick near the hila and thin at the edge."""
    for _ in range(90):
        side, away, angle = texture.choice([-1, 1]), texture.random() ** .8, texture.uniform(-1.4, 1.4)
        right, down = side * (.17 + .52 * away * np.cos(angle)), .02 + .42 * away * np.sin(angle)
        radius = (.030 * (1 - away) + .007) * texture.uniform(.6, 1.2)
        values[_ellipse(x, y, right, down, radius * texture.uniform(1, 1.8), radius, angle * side) & lung] = 45


def _add_heart_and_vessels(body, values, x, y, level):
    """The heart with contrast medium in its chambers, or the great vessels above it; aorta, airways, fat between them."""
    size = body.uniform(.9, 1.1)
    if level < .4:
        share = np.sqrt(1 - (level / 1.35 + .15) ** 2)
        values[_ellipse(x, y, .10, -.12, .34 * size * share, .25 * size * share, .35)] = -80            # fat around it
        values[_ellipse(x, y, .10, -.12, .32 * size * share, .23 * size * share, .35)] = 60             # its muscle
        values[_ellipse(x, y, .22, -.06, .15 * size * share, .10 * size * share, .45)] = 170
        values[_ellipse(x, y, .00, -.20, .15 * size * share, .11 * size * share, .25)] = 150
    else:
        values[_ellipse(x, y, .01, -.10, .21, .22)] = -80
        values[_ellipse(x, y, -.05, -.13, .075, .075)] = 180                                            # ascending aorta
        values[_ellipse(x, y, .07, -.02, .16 * (1.2 - level), .05, -.4)] = 165                          # pulmonary artery
    values[_ellipse(x, y, .11, .23, .065 * size, .065 * size)] = 175                                    # descending aorta
    values[_ellipse(x, y, .03, .16, .035, .025)] = 30                                                   # esophagus
    apart = np.clip(.35 - .5 * level, 0, .16)                                                           # the trachea divides
    for side in (-1, 1):
        radius = .052 if apart == 0 else .036
        values[_ellipse(x, y, side * apart, .07, radius + .010, radius + .010)] = 20
        values[_ellipse(x, y, side * apart, .07, radius, radius)] = -1000


def _add_bones(body, values, x, y, cage, level):
    """Vertebra, ribs, sternum and shoulder blades: a hard shell around marrow."""
    bones = [(0, .33, .115, .085, 0), (0, -cage[1] - .015, .10, .028, 0), (0, .49, .022, .05, 0)]
    bones += [(side * .15, .42, .09, .026, side * -.35) for side in (-1, 1)]
    phase = body.uniform(-.05, .05) + .12 * level
    for side in (-1, 1):
        for angle in np.deg2rad((-62, -34, -8, 18, 44, 66)) + phase:
            right, down = side * (cage[0] + .012) * np.cos(angle), (cage[1] + .012) * np.sin(angle)
            along = np.arctan2(cage[1] * np.cos(angle), -side * cage[0] * np.sin(angle))
            bones.append((right, down, .085, .027, along))
        if level > 0:
            bones.append((side * .60, .36, .17, .016, side * -.75))
    hardness = body.uniform(.85, 1.15)
    for right, down, wide, deep, turn in bones:
        values[_ellipse(x, y, right, down, wide, deep, turn)] = 650 * hardness
        values[_ellipse(x, y, right, down, wide - .014, max(deep - .014, .002), turn)] = 220 * hardness
    values[_ellipse(x, y, 0, .435, .048, .042)] = 25                                                    # the spinal canal


def _nodule(disease, x, y, lung, visit, level):
    """A ball in one lung, half as wide again at the second visit, bool; levels cut it at different heights."""
    side = disease.choice([-1, 1])
    right, down = side * disease.uniform(.47, .56), disease.uniform(.05, .20)
    radius = disease.uniform(.055, .075) * (1.5 if visit else 1)
    share = max(0, 1 - ((level - HEART) / .6) ** 2) ** .5
    return _ellipse(x, y, right, down, radius * share + 1e-9, radius * share + 1e-9) & lung
