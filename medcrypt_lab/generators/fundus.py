"""Simulated fundus photographs, in color: the back of the eye with its vessels, and what diabetes does to it.

Labels: 0 no retinopathy; 1 mild to moderate (few red dots, some exudate); 2 severe (many hemorrhages, exudate, cotton wool).
Drusen, dust on the lens and reflexes occur in every class. Small lesions are drawn larger than life: at 64 pixels a true
microaneurysm, a tenth of a millimeter wide, would cover a hundredth of a pixel.
Two images a patient: first the right eye, then the left, of the same pigment and grade; all else is each eye's own.
Lengths are in halves of the image side; "nasal" is the sign of the direction from the macula to the optic disc.
"""
import numpy as np
from scipy import ndimage
from scipy.special import expit

from .phantom import SUPERSAMPLE, collect, field, grid, pool, streams, strokes, to_uint8

CLASSES = ("no retinopathy", "mild to moderate retinopathy", "severe retinopathy")
MASKS = ("vessel", "lesion")
# The shares of red, green and blue light that something dark absorbs.
ABSORBED = {"artery": (.20, .50, .38), "vein": (.36, .64, .44), "macula": (.28, .35, .35), "dark spot": (.35, .70, .55)}
# Red, green and blue of what is paler than the retina, under full light.
COLOR = {"disc": (.95, .72, .42), "cup": (.99, .83, .55), "exudate": (.95, .84, .40), "cotton wool": (.92, .87, .70),
         "druse": (.90, .66, .33), "reflex": (1., .95, .80)}
THINNING = .975                                         # of a vessel, in each of the short lines that it is drawn by


def make(n, seed=0, size=64, classes=(0, 1, 2), bar=None):
    """n photographs as a dict of arrays; patient p has label classes[p % len(classes)] and images 2p and 2p + 1.

    Returns images (n, 3, size, size) uint8, red, green and blue; labels (n,) uint8; patients (n,) int32;
    vessel, lesion (n, size, size) bool. Image i does not depend on n. bar: the words beside a progress
    bar, or None for none.
    """
    return collect(draw, n, seed, size, classes, MASKS, channels=3, bar=bar)


def draw(label, seed, patient, k, size):
    """The k-th eye of one patient: image (3, size, size) uint8, then its vessel and lesion masks, bool."""
    body, _, _ = streams(seed, patient)
    eye, disease, scan = streams(seed, patient, k + 1)
    x, y = grid(size * SUPERSAMPLE)
    nasal = 1 - 2 * k                                   # a right eye's disc is on the right of its picture
    disc, macula = _landmarks(eye, nasal)
    radius = scan.uniform(.90, .97)                     # of the camera's round field of view
    light = _light(eye, scan, x, y, radius)
    image = _retina(body, eye, x, y, light, disc, macula)
    image, vessels = _add_vessels(eye, image, disc, macula, nasal)
    image, _ = _add_spots(scan, x, y, image, light, _look_alikes(scan, disc))
    lesions = np.zeros_like(x)
    if label:
        image, lesions = _add_spots(disease, x, y, image, light, _lesions(disease, disc, severe=label == 2))
    inside = np.hypot(x, y) < radius
    masks = [pool(mask * inside) > .30 for mask in (vessels, lesions)]
    return _photograph(scan, image, inside), *masks


def _landmarks(eye, nasal):
    """The centers of the optic disc and of the macula, two arrays (x, y)."""
    disc = np.array([nasal * eye.uniform(.42, .55), eye.uniform(-.08, .08)])
    return disc, disc + (-nasal * eye.uniform(.78, .88), eye.uniform(0, .10))


def _light(eye, scan, x, y, radius):
    """How much light comes back from each place: falling toward the edge, slightly uneven."""
    falling = 1 - .38 * (x ** 2 + y ** 2) / radius ** 2
    return falling + .05 * field(scan, len(x), 1 / 3) + .03 * field(eye, len(x), 1 / 12)


def _retina(body, eye, x, y, light, disc, macula):
    """The back of the eye without its vessels, (3, side, side): pigment, optic disc with its cup, macula."""
    pigment = body.uniform(.62, .85), body.uniform(.28, .42), body.uniform(.08, .18)
    image = np.stack([amount * light for amount in pigment])
    image[0] *= 1 + .03 * field(eye, len(x), 1 / 25)
    wide, rim, hollow, shine = eye.uniform(.90, 1.0), eye.uniform(.13, .17), eye.uniform(.35, .60), eye.uniform(.88, 1.06)
    distance = np.hypot((x - disc[0]) / wide, y - disc[1])
    # Nerve fibers leave the eye over the rim; the cup within it has none and is paler.
    image = _over(image, expit((rim - distance) / .016), "disc", light * shine)
    image = _over(image, .8 * expit((hollow * rim - distance) / .020), "cup", light * shine)
    spot = np.exp(-((x - macula[0]) ** 2 + (y - macula[1]) ** 2) / (2 * .15 ** 2))
    return _through(image, spot, "macula")


def _over(image, cover, name, light):
    """The image with something pale over it, where and as much as `cover`, in [0, 1], says."""
    color = np.asarray(COLOR[name])[:, None, None]
    return image * (1 - cover) + color * light * cover


def _through(image, amount, name):
    """The image seen through something that absorbs light; amount: 1 for the shares in ABSORBED."""
    return image * np.clip(1 - np.asarray(ABSORBED[name])[:, None, None] * amount, 0, 1)


def _add_vessels(eye, image, disc, macula, nasal):
    """The image with its vessels, and where they are, in [0, 1].

    Veins are wider and darker than arteries, whose round walls reflect the flash along their middle.
    """
    side, density, vessels = image.shape[1], eye.uniform(.75, 1.1), np.zeros(image.shape[1:])
    heights = eye.uniform(.47, .64, 2)                  # of the upper and the lower arcade; veins and arteries run side by side
    for name, widths in (("vein", (.029, .037)), ("artery", (.020, .026))):
        lines = _vessel_lines(eye, disc, macula, nasal, heights, widths)
        heights = heights + eye.choice([-1, 1], 2) * eye.uniform(.05, .10, 2)
        if name == "artery":
            lines += [(points, .3 * width, .45) for points, width, _ in lines if width > .012]
        drawn = np.clip(ndimage.gaussian_filter(strokes(side, lines), side / 260), 0, 1)
        image, vessels = _through(image, density * drawn, name), np.maximum(vessels, drawn)
    return image, vessels


def _vessel_lines(eye, disc, macula, nasal, heights, widths):
    """The lines of all arteries, or of all veins: above and below, an arcade around the macula and a trunk to the nasal side."""
    lines = []
    for down, height in zip((-1, 1), heights):
        width = eye.uniform(*widths)
        arcade = _arcade(eye, disc, macula, down * height)
        lines += _lines_along(arcade, width)
        for i in 3 + np.flatnonzero(eye.random(len(arcade) - 4) < .15):
            right, below = arcade[i + 1] - arcade[i]
            turn = eye.choice([-1, 1]) * eye.uniform(.40, .85)
            lines += _branch(eye, arcade[i], np.arctan2(below, right) + turn, .62 * width * THINNING ** i, 20, macula)
        heading = (0 if nasal > 0 else np.pi) + nasal * down * eye.uniform(.35, 1.0)
        lines += _branch(eye, disc, heading, .70 * width, 14, macula)
    return lines


def _lines_along(points, width):
    """A thinning vessel through the points, as `strokes` takes it: each line thinner than the one before."""
    points = points.tolist()
    return [(points[i:i + 2], width * THINNING ** i, 1.) for i in range(len(points) - 1)]


def _arcade(eye, disc, macula, height):
    """Points of a large vessel, (points, 2): from the disc along an ellipse around the macula; height: its half axis along y."""
    angle = np.arange(0, eye.uniform(1.7, 2.4), .06)
    meander = sum(eye.uniform(-.022, .022) * np.sin(eye.uniform(4, 11) * angle + eye.uniform(0, 6)) for _ in range(3))
    stretch = 1 + meander * np.clip(2 * angle, 0, 1)
    right = macula[0] + (disc[0] - macula[0]) * np.cos(angle) * stretch
    below = macula[1] + ((disc[1] - macula[1]) * np.cos(angle) + height * np.sin(angle)) * stretch
    return np.stack([right, below], 1)


def _branch(eye, start, heading, width, steps, macula):
    """The lines of a wandering, thinning and forking vessel; it ends where it would enter the center of the macula."""
    headings = heading + np.cumsum(eye.normal(0, .13, steps))
    path = np.stack([np.cos(headings), np.sin(headings)], 1).cumsum(0)
    points = start + .035 * np.concatenate([np.zeros((1, 2)), path])
    allowed = (np.hypot(*(points - macula).T) > .22) & (np.hypot(*points.T) < 1)
    points = points[:len(points) if allowed.all() else allowed.argmin()]
    lines = _lines_along(points, width)
    for i in 2 + np.flatnonzero(eye.random(max(len(points) - 3, 0)) < .12):
        thin, turn = .70 * width * THINNING ** i, eye.choice([-1, 1]) * eye.uniform(.4, .8)
        if thin > .006:
            lines += _branch(eye, points[i], headings[i] + turn, thin, steps // 2, macula)
    return lines


def _place(random, disc):
    """A point of the retina, not on the optic disc."""
    while True:
        angle, distance = random.uniform(0, 2 * np.pi), np.sqrt(random.uniform(0, .62))
        point = np.array([distance * np.cos(angle), distance * np.sin(angle)])
        if np.hypot(*(point - disc)) > .26:
            return point


def _look_alikes(scan, disc):
    """Spots that could pass for lesions, in every class: drusen, dust on the lens, a pale reflex. See _add_spots."""
    spots = []
    if scan.random() < .45:
        spots += [("druse", _place(scan, disc), scan.uniform(.014, .026, 2), 0., .2, scan.uniform(.2, .5))
                  for _ in range(scan.integers(1, 7))]
    if scan.random() < .35:
        spots += [("dark spot", _place(scan, disc), scan.uniform(.014, .024, 2), 0., .2, scan.uniform(.3, .8))
                  for _ in range(scan.integers(1, 3))]
    if scan.random() < .25:
        radii = scan.uniform(.08, .25), scan.uniform(.05, .15)
        spots.append(("reflex", scan.uniform(-.6, .6, 2), radii, scan.uniform(0, 3), .2, scan.uniform(.05, .18)))
    return spots


def _lesions(disease, disc, severe):
    """The spots of diabetic retinopathy, see _add_spots: microaneurysms, hemorrhages, clusters of exudate, cotton wool."""
    clear, spots = disease.uniform(.62, 1.), []             # cloudy eyes show everything fainter
    for _ in range(disease.integers(7, 17) if severe else disease.integers(3, 8)):
        radii, strength = disease.uniform(.020, .032, 2), disease.uniform(.8, 1.1)
        spots.append(("dark spot", _place(disease, disc), radii, 0., .2, clear * strength))
    for _ in range(disease.integers(3, 9) if severe else disease.integers(0, 3)):
        place, radii = _place(disease, disc), (disease.uniform(.035, .090), disease.uniform(.028, .060))
        right, below = place - disc
        along = np.arctan2(below, right) + disease.normal(0, .4)      # blood spreads along the nerve fibers, which leave by the disc
        spots.append(("dark spot", place, radii, along, .4, clear * disease.uniform(.7, 1.05)))
    for _ in range(disease.integers(0, 4) if severe else disease.integers(0, 2)):
        center = _place(disease, disc)
        spots += [("exudate", center + disease.normal(0, .09, 2), disease.uniform(.018, .034, 2), 0., .2, clear * disease.uniform(.5, 1))
                  for _ in range(disease.integers(4, 12))]
    for _ in range(disease.integers(0, 4) if severe else 0):
        radii = disease.uniform(.06, .11), disease.uniform(.05, .08)
        spots.append(("cotton wool", _place(disease, disc), radii, disease.uniform(0, 3), .3, .55 * clear))
    return spots


def _add_spots(random, x, y, image, light, spots):
    """The image with spots, and what they cover, in [0, 1].

    spots: (name in ABSORBED or COLOR, center, two radii, angle of the first, how rough the edge is, strength).
    """
    ragged, image, covered = field(random, len(x), 1 / 22), image.copy(), np.zeros_like(x)
    for name, center, radii, angle, rough, strength in spots:
        # Nothing of the spot lies farther out: computing within this window saves most of the time.
        columns, rows = (_pixels(middle, 2.6 * max(radii), len(x)) for middle in center)
        right, below = x[rows, columns] - center[0], y[rows, columns] - center[1]
        u = (right * np.cos(angle) + below * np.sin(angle)) / radii[0]
        v = (-right * np.sin(angle) + below * np.cos(angle)) / radii[1]
        cover = expit((1 - np.hypot(u, v) - rough * ragged[rows, columns]) / .18)
        window = image[:, rows, columns]
        image[:, rows, columns] = (_through(window, strength * cover, name) if name in ABSORBED
                                   else _over(window, strength * cover, name, light[rows, columns]))
        covered[rows, columns] = np.maximum(covered[rows, columns], cover)
    return image, covered


def _pixels(middle, reach, side):
    """The slice of the columns, or rows, that lie between middle - reach and middle + reach."""
    first, last = ((edge + 1) / 2 * side for edge in (middle - reach, middle + reach))
    return slice(max(0, int(first)), max(0, int(np.ceil(last))))


def _photograph(scan, image, inside):
    """Ideal colors to gray levels (3, size, size) uint8: focus, the camera's round field of view, exposure, noise."""
    blur = scan.uniform(.3, 1.1) * len(inside) / 128
    image = ndimage.gaussian_filter(image, (0, blur, blur)) * inside
    exposure, noise = scan.uniform(.75, 1.12), scan.uniform(.008, .022, (3, 1, 1))          # each color has its own sensor
    image = np.stack([pool(np.clip(channel * exposure, 0, 1)) for channel in image])
    # Noise is drawn last: its count depends on the size, and what came before must not.
    return to_uint8(image + noise * scan.standard_normal(image.shape) * (pool(inside * 1.0) > .5))
