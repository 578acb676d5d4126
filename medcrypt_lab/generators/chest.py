"""Simulated chest radiographs: a thorax described by formulas, projected with the Beer-Lambert law.

Labels: 0 normal, 1 pneumonia (lobar, bronchial or interstitial opacity), 2 COVID-like (both lungs, peripheral, hazy).
Two images a patient: same anatomy and disease, another pose, exposure and noise. "Natural" noise: all exposures with one low dose,
and opacities with the grain of half-filled air spaces, so that texture, and with it the length of a compressed file, follows disease.
Lengths are in halves of the image side unless a comment says centimeters.
"""
import numpy as np
from scipy import ndimage

from .phantom import SUPERSAMPLE, collect, field, grid, pool, streams, strokes, to_uint8

CLASSES = ("normal", "pneumonia")
MASKS = ("lung", "heart", "lesion")
# Effective attenuation per cm of a diagnostic beam; bone is what it adds to the soft tissue it displaces.
SOFT, LUNG, BONE = 0.20, 0.055, 0.30
# Powers of ten of the quanta that would meet a pixel in air, from and to; and how much the grain of an opacity varies.
DOSE, LOW_DOSE, GRAIN = (5.2, 5.9), (4.3, 4.4), 1.0


def make(n, seed=0, size=64, classes=(0, 1), natural=False, bar=None):
    """n radiographs as a dict of arrays; patient p has label classes[p % len(classes)] and images 2p and 2p + 1.

    Returns images (n, size, size) uint8; labels (n,) uint8; patients (n,) int32;
    lung, heart, lesion (n, size, size) bool. Image i does not depend on n. natural: with natural noise. bar: the words beside a progress
    bar, or None for none.
    """
    return collect(draw, n, seed, size, classes, MASKS, bar=bar, natural=natural)


def draw(label, seed, patient, k, size, natural=False):
    """The k-th radiograph of one patient: image (size, size) uint8, then its lung, heart and lesion masks, bool."""
    body, disease, _ = streams(seed, patient)
    _, _, scan = streams(seed, patient, k + 1)
    x, y = _pose(body, scan, size * SUPERSAMPLE)
    inspiration = body.normal(0, .07)
    depth = body.uniform(19, 24)                                    # chest, front to back, in cm
    tissue = _torso(body, x, y, depth)
    lung = _lungs(body, x, y, depth, inspiration)
    hidden, heart = _heart_and_mediastinum(body, x, y, inspiration)
    lung = lung * (1 - hidden)
    inside = lung > 1.2
    vessels, bones = _vessels_and_bones(body, x, y, lung)
    extra = _look_alikes(body, x, y, lung) - _gas(body, x, y, inspiration)
    lost = _lost_air(label, disease, x, y)
    if natural:
        lost = lost * (1 + GRAIN * field(disease, len(x), 1 / 90))
    lost = np.clip(lost, 0, .92)
    air = lung * (1 - lost) * (1 + .02 * field(body, len(x), 1 / 30))
    path = SOFT * (tissue - air + vessels * (1 - lost) + extra) + LUNG * air + BONE * bones
    healthy = SOFT * (tissue - lung) + LUNG * lung
    image = _expose(scan, np.clip(path, 0, None), healthy, inside, size, LOW_DOSE if natural else DOSE)
    half = [pool(mask * 1.0) > .5 for mask in (inside, heart, (lost > .10) & inside)]
    return image, *half


def _pose(body, scan, side):
    """Body coordinates of every pixel: this image's rotation, zoom and shift; this patient's build."""
    x, y = grid(side)
    turn, zoom = np.deg2rad(scan.normal(0, 2.5)), scan.uniform(.98, 1.24)
    right, down = scan.normal(0, .04), scan.normal(.05, .06)
    across = ((x - right) * np.cos(turn) + (y - down) * np.sin(turn)) / zoom + .018 * field(body, side, 1 / 5)
    along = (-(x - right) * np.sin(turn) + (y - down) * np.cos(turn)) / zoom + .018 * field(body, side, 1 / 5)
    return across / body.uniform(.92, 1.10), along


def _torso(body, x, y, depth):
    """Centimeters of soft tissue along the ray: flat in front, falling at the flanks, sloping shoulders, neck."""
    width = body.uniform(.94, 1.06) - .03 * np.clip(y, 0, 1)
    tissue = depth * np.clip(1 - (np.abs(x) / width) ** 4, 0, 1) ** .5
    slope = .16 * np.clip(np.abs(x) - .18, 0, 1) + .28 * np.clip(np.abs(x) - .45, 0, 1) ** 1.5
    shoulder = np.clip((y + .90 - slope - body.uniform(-.08, .05)) / .14, 0, 1)
    neck = np.clip((.27 - np.abs(x)) / .10, 0, 1) ** .7 * .62
    tissue = tissue * np.maximum(shoulder ** .5, neck) * (.93 + .12 * np.clip(y, -1, 1))
    muscle = np.exp(-((np.abs(x) - .80) / .16) ** 2 - ((y + .62) / .30) ** 2)
    return tissue + body.uniform(0, 3) * muscle * (shoulder > 0)


def _lungs(body, x, y, depth, inspiration):
    """Centimeters of lung along the ray, before the heart hides some of it."""
    lung = np.zeros_like(x)
    width, thickness, narrow = body.uniform(.66, .74), depth * body.uniform(.60, .70), body.uniform(.85, 1.1)
    for side in (-1, 1):
        outward = side * x
        top = -.80 + body.normal(0, .02)
        # The liver pushes the right dome up; the patient's right is on the left of a radiograph.
        dome = .46 + inspiration + (-.035 if side < 0 else .025) + body.normal(0, .015)
        down = (y - top) / (dome - top)
        bulge = np.clip(down / .62, 0, 1)
        lateral = .20 + (width - .20) * np.clip(1 - (1 - bulge) ** 2, 0, 1) ** .72 + .02 * np.clip(down - .6, 0, 1)
        medial = .085 + .03 * narrow + .05 * np.clip(down - .45, 0, 1)
        across = np.clip((outward - medial) / np.maximum(lateral - medial, 1e-3), 0, 1)
        far = np.clip((outward - .10) / .60, 0, 1.4)
        floor = dome + .20 * far ** 2.4 - .045 * np.sin(np.clip(far, 0, 1) * np.pi)
        lung += (thickness * np.clip(4 * across * (1 - across), 0, 1) ** .42 * np.clip((floor - y) / .16, 0, 1) ** .6
                 * np.clip(down / .20, 0, 1) ** .6 * (.80 + .25 * np.clip(down, 0, 1)))
    return lung


def _heart_and_mediastinum(body, x, y, inspiration):
    """The fraction of lung that heart, aortic knob and mediastinum replace, in [0, 1], and the heart's mask."""
    scale, tilt = body.uniform(.85, 1.15), np.deg2rad(body.uniform(28, 42))
    right, down = .12 + body.normal(0, .015), .26 + inspiration * .6 + body.normal(0, .02)
    u = (x - right) * np.cos(tilt) + (y - down) * np.sin(tilt)
    v = -(x - right) * np.sin(tilt) + (y - down) * np.cos(tilt)
    heart = np.clip(np.clip(1 - (u / (.33 * scale)) ** 2 - (v / (.235 * scale)) ** 2, 0, 1) / .35, 0, 1) ** .55
    knob = np.clip(1 - ((x - .135) / .075) ** 2 - ((y + .28) / .085) ** 2, 0, 1) ** .5
    half_width = .100 + .03 * body.uniform(.85, 1.1) + .05 * np.clip(y + .1, 0, .5)
    middle = np.clip((half_width - np.abs(x - .012)) / .05, 0, 1) ** .7
    return np.maximum(np.maximum(heart * body.uniform(.70, .82), knob * .5), middle * .92), heart > .3


def _vessels_and_bones(body, x, y, lung):
    """Centimeters of vessel and of bone along the ray; drawn upright, then carried into the pose."""
    side = len(x)
    upright = np.stack([(y + 1) / 2 * side - .5, (x + 1) / 2 * side - .5])
    vessels = ndimage.map_coordinates(strokes(side, _vessel_lines(body)), upright, order=1)
    bones = ndimage.map_coordinates(strokes(side, _bone_lines(body)), upright, order=1)
    vertebrae = 1.1 + .25 * np.clip(3 * np.sin(y * 30 + body.uniform(0, 6)), -1, 1)
    spine = np.clip((.075 - np.abs(x)) / .03, 0, 1) * vertebrae
    vessels = ndimage.gaussian_filter(vessels, side / 220) * np.clip(lung / 4, 0, 1)
    return vessels, ndimage.gaussian_filter(bones, side / 260) + spine


def _vessel_lines(body):
    """Branching trees from both hila."""
    scale, lines = body.uniform(.75, 1.35), []
    for side in (-1, 1):
        hilum = np.array([side * (.155 + .02 * body.random()), .0 if side < 0 else -.05])
        for _ in range(11):
            angle, step = np.deg2rad(body.uniform(-80, 85)), body.uniform(.16, .26)
            start, width, thickness = hilum + body.normal(0, .02, 2), .026 * scale, 1.5
            for level in range(5):
                end = start + np.array([side * np.cos(angle), np.sin(angle)]) * step
                lines.append(([tuple(start), tuple(end)], width, thickness))
                if level and body.random() < .7:
                    fork = angle + body.uniform(-.8, .8)
                    tip = end + np.array([side * np.cos(fork), np.sin(fork)]) * step * .8
                    lines.append(([tuple(end), tuple(tip)], width * .6, thickness * .6))
                angle += body.normal(0, .25)
                start, width, thickness, step = end, width * .70, thickness * .74, step * .86
    return lines


def _bone_lines(body):
    """Ten pairs of ribs (posterior arcs, fainter anterior parts) and the clavicles."""
    density, lines = body.uniform(1.05, 1.55), []
    along = np.linspace(0, 1, 14)
    for side in (-1, 1):
        for rib in range(10):
            y = -.80 + .145 * rib + body.normal(0, .006)
            width = min(.40 + .30 * np.sqrt(min(rib / 5, 1)), .74)
            arc = list(zip(side * (.05 + (width - .05) * np.sin(along * np.pi / 2) ** .9),
                           y - .05 * np.sin(along * np.pi * .8) + (.13 + .018 * rib) * along ** 2.2))
            lines += [(arc, .062, 1.05 * density), (arc, .034, .55 * density)]         # cortex, then marrow over it
            if 1 <= rib <= 7:
                front = (side * (width - .02 - (width - .24) * along),
                         y + .17 + .018 * rib + .20 * along - .04 * np.sin(along * np.pi))
                lines.append((list(zip(*front)), .055, .42 * density))
        clavicle = (side * (.05 + .61 * along),
                    -.66 - .16 * along + .05 * np.sin(along * np.pi * 2) + body.normal(0, .01))
        lines.append((list(zip(*clavicle)), .055, .95 * density))
    return lines


def _gas(body, x, y, inspiration):
    """Centimeters of gas in the trachea, and in the stomach of every other patient."""
    trachea = (np.clip(1 - ((x - .005) / .034) ** 2, 0, 1) ** .5 * np.clip((-.14 - y) / .05, 0, 1)
               * np.clip((y + 1.05) / .05, 0, 1) * 1.6)
    wide, high, amount = body.uniform(.08, .17), body.uniform(.05, .10), body.choice([0, 0, 4, 7])
    stomach = np.clip(1 - ((x - .33) / wide) ** 2 - ((y - .72 - inspiration) / high) ** 2, 0, 1) ** .5
    return trachea + stomach * amount


def _look_alikes(body, x, y, lung):
    """Centimeters of tissue that could pass for disease, in every class alike: breasts, full hila, plate atelectasis."""
    extra = np.clip(.30 * field(body, len(x), 1 / 9), -.5, .8)
    if body.random() < .45:
        thickness = body.uniform(.25, 1.1)
        for side in (-1, 1):
            extra += thickness * np.clip(1 - ((x - side * .40) / .30) ** 2 - ((y - .36) / .24) ** 2, 0, 1) ** .5
    if body.random() < .40:
        hilum = _blob(body, x, y, (body.choice([-1, 1]) * .20, body.uniform(-.05, .08)), (.10, .14), edge=.9)
        extra += body.uniform(.3, 1.0) * hilum * np.clip(lung / 4, 0, 1)
    if body.random() < .25:
        center = body.choice([-1, 1]) * body.uniform(.25, .5), body.uniform(.1, .4)
        extra += body.uniform(.3, .9) * _blob(body, x, y, center, (.16, .018), .05, .8, body.uniform(-.4, .4))
    return extra


def _blob(random, x, y, center, radii, rough=.35, edge=.35, angle=None):
    """A soft, rough-edged ellipse, 1 inside and 0 outside."""
    turn = random.uniform(0, np.pi) if angle is None else angle
    u = ((x - center[0]) * np.cos(turn) + (y - center[1]) * np.sin(turn)) / radii[0]
    v = (-(x - center[0]) * np.sin(turn) + (y - center[1]) * np.cos(turn)) / radii[1]
    ragged = .45 * field(random, len(x), 1 / 11) + .22 * field(random, len(x), 1 / 28)
    ramp = np.clip((1 + edge / 2 - np.sqrt(u * u + v * v) - rough * ragged) / edge, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def _lost_air(label, disease, x, y):
    """The fraction of the lung's air that fluid has replaced, at every pixel; zero where label is 0."""
    severity = disease.beta(1.8, 1.5)
    if label == 1:
        kind = disease.choice([_lobar, _bronchial, _interstitial], p=[.50, .35, .15])
        return kind(disease, x, y, severity)
    if label == 2:
        return _covid_like(disease, x, y, severity)
    return np.zeros_like(x)


def _site(disease, side=None, lower=False, peripheral=False):
    """The center of an opacity, in one lung."""
    across = (side or disease.choice([-1, 1])) * (disease.uniform(.38, .60) if peripheral else disease.uniform(.20, .58))
    return across, disease.uniform(-.1, .42) if lower else disease.uniform(-.55, .42)


def _lobar(disease, x, y, severity):
    radius = .18 + .22 * severity
    radii = radius * disease.uniform(.8, 1.3), radius * disease.uniform(.8, 1.4)
    opacity = _blob(disease, x, y, _site(disease), radii, .6, disease.uniform(.7, 1.3))
    return (.26 + .60 * severity) * opacity * (1 + .15 * field(disease, len(x), 1 / 24))


def _bronchial(disease, x, y, severity):
    lost, radius = np.zeros_like(x), .10 + .10 * severity
    for _ in range(disease.integers(3, 8)):
        patch = _blob(disease, x, y, _site(disease), (radius * disease.uniform(.8, 1.3), radius), .7, 1.2)
        lost = np.maximum(lost, (.26 + .44 * severity) * disease.uniform(.7, 1.1) * patch)
    return lost


def _interstitial(disease, x, y, severity):
    haze = _blob(disease, x, y, _site(disease), (.45, .5), edge=.8)
    return (.28 + .35 * severity) * haze * np.clip(.75 + .6 * field(disease, len(x), 1 / 40), 0, 2)


def _covid_like(disease, x, y, severity):
    lost, radius = np.zeros_like(x), .15 + .10 * severity
    for side in (-1, 1):
        for _ in range(disease.integers(2, 5)):
            patch = _blob(disease, x, y, _site(disease, side, lower=True, peripheral=True),
                          (radius * .8, radius * 1.35), .45, 1.7, disease.uniform(-.4, .4))
            lost = np.maximum(lost, (.20 + .30 * severity) * disease.uniform(.7, 1.15) * patch)
    return lost * np.clip(1 + .22 * field(disease, len(x), 1 / 38), 0, 2)


def _expose(scan, path, healthy, inside, size, dose):
    """Attenuation along each ray to gray levels (size, size) uint8: beam, scatter, blur, quanta, film."""
    beam, scatter = np.exp(-path), scan.uniform(.12, .32)
    beam = (1 - scatter) * beam + scatter * ndimage.gaussian_filter(beam, len(path) / 12)
    beam = pool(ndimage.gaussian_filter(beam, len(path) / 300))
    quanta = 10 ** scan.uniform(*dose) * (64 / size) ** 2              # a smaller pixel catches fewer
    contrast, base, gain = scan.uniform(.55, 1.15), scan.uniform(.13, .28), scan.uniform(.56, .72)
    gamma = scan.uniform(.85, 1.2)
    # Noise is drawn last: its count depends on the size, and what came before must not.
    beam = beam + np.sqrt(beam / quanta) * scan.standard_normal(beam.shape)
    density = -np.log(np.maximum(beam, 1.5 / quanta))
    dark, bright = _exposure_window(density, healthy, inside, size)
    density = base + gain * (density - dark) / (bright - dark)
    density = density + contrast * .175 * np.tanh((density - .5) * 2.2)
    return to_uint8(np.clip(density, 0, 1) ** gamma)


def _exposure_window(density, healthy, inside, size):
    """The two densities that the film spreads its grays over.

    The dark end is this patient's lung *as if healthy*, the bright end the mediastinum: an opacity must not shift the
    whole gray scale, or a classifier would read the label from the mean.
    """
    edge = size // 8
    solid = ~(pool(inside * 1.0) > 0)[edge:-edge, edge:-edge]
    return np.quantile(healthy[inside], .10), np.percentile(density[edge:-edge, edge:-edge][solid], 90)
