"""Gray pictures, of whole numbers or of fractions, as one batch."""
import numpy as np
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 7, 2
hints = [
    "The pictures need not all be treated alike. What tells you, for sure, which of them count gray levels?",
    "`picture.dtype == np.uint8` tells the two kinds apart: divide the one, leave the other. `plane.dtype` no longer tells them apart.",
    "In the loop `if picture.dtype == ...:` and one line under it. Below the loop `torch.stack(...)`, which is (n, h, w), then `[:, None]`, which "
    "puts an axis of length 1 after the first.",
]
after = ("Nothing in a tensor says which range its numbers have: that agreement lives in docstrings and in heads. Many a broken attack, "
         "and many a broken hospital pipeline, is a factor of 255.")


def to_batch(pictures):
    """Gray pictures as one batch, the way a network wants them.

    pictures: a list of numpy arrays, all of one shape (h, w). Some hold
    gray levels (uint8, 0 to 255), some fractions (float, 0 to 1).
    Returns a float32 tensor (n, 1, h, w), all of it in [0, 1], 1 = white.
    """
    planes = []
    for picture in pictures:
        plane = torch.from_numpy(picture).float()   # the same numbers
        # BEGIN SOLUTION
        if picture.dtype == np.uint8:
            plane = plane / 255
        # END SOLUTION
        planes.append(plane)
    # BEGIN SOLUTION
    return torch.stack(planes)[:, None]
    # END SOLUTION


def batch_of(planes):
    """The same by a plain loop over numbers: a list of (h, w) arrays of values in [0, 1] -> (n, 1, h, w)."""
    return torch.tensor([[[[float(value) for value in row] for row in plane]] for plane in planes], dtype=torch.float32)


def check(answer, random):
    """Height, width and number all differ, so that a swapped axis shows; no picture uses its whole range, so that a stretch to the
    brightest pixel shows; the second list holds gray levels 0 and 1 only, so that a guess by the brightest value shows."""
    numbers = random.numpy()
    n, h, w = 5, 4, 6
    levels = [numbers.integers(3, 250, (h, w)).astype(np.uint8) for _ in range(3)]
    fractions = [numbers.uniform(0.1, 0.8, (h, w)).astype(kind) for kind in (np.float32, np.float64)]
    mixed = [levels[0], fractions[0], levels[1], fractions[1], levels[2]]
    result = answer(mixed)

    shape = tuple(getattr(result, "shape", ()))
    suspect(shape == (n, h, w), "The channel axis is missing: a network wants (n, channels, height, width), also for one channel.")
    suspect(shape == (n, h, w, 1), "The channel axis is at the end: that is how files and plots have it. PyTorch wants it right after n.")
    suspect(shape == (1, n, h, w), "The new axis is in front: this reads as one picture with 5 channels. It belongs after n.")
    suspect(shape == (n, 1, w, h), "Height and width are swapped: your pictures lie on their side.")
    expect_like(result, batch_of([np.zeros((h, w))] * n))

    whole, parts = result[[0, 2, 4]], result[[1, 3]]
    raw, truth = batch_of(levels), batch_of(fractions)

    def each(fraction):
        return torch.stack([fraction(plane) for plane in raw])

    suspect(close(parts, truth.floor()), "The float pictures came out black: as whole numbers, all values below 1 are 0. Divide first, and only the uint8 ones.")
    suspect(close(whole, raw / 255) and close(parts[0], truth[0]) and close(parts[1], truth[1] / 255), "You divided a float64 picture by 255, for not being "
            "float32. There are several floats, and one uint8.")
    suspect(close(parts, truth / 255), "You divided all pictures by 255. Those of floats were in [0, 1] already: they are now almost black. "
            "One list may hold both kinds: ask each picture.")
    suspect(close(whole, raw), "The uint8 pictures still hold gray levels up to 255. A change of dtype keeps the numbers; the range is another matter. "
            "(If you do divide by 255, your `if` never says yes: after `.float()` all are float32, and a tensor's dtype is torch.uint8, not np.uint8.)")
    suspect(close(whole, (raw / 255).floor()), "Your uint8 pictures came out black: `//` drops the fraction, and every gray level below 255 becomes 0. Use `/`.")
    suspect(close(whole, raw / 256), "You divided by 256. There are 256 gray levels, but white is number 255: it should become exactly 1.")
    suspect(close(whole, raw / raw.max()), "You divided by the brightest pixel of all. What a picture becomes now depends on its neighbors: divide by 255.")
    suspect(close(whole, each(lambda plane: plane / plane.max())), "You divided each picture by its own brightest pixel: a dark X-ray and a bright one now look alike. Divide by 255.")
    suspect(close(whole, each(lambda plane: (plane - plane.min()) / (plane.max() - plane.min()))),
            "You stretched each picture from its darkest to its brightest pixel: that changes the exposure. Divide by 255.")
    suspect(close(whole, raw / 127.5 - 1), "These run from -1 to 1. Some networks want that; ours want [0, 1].")
    expect("gray levels become fractions of 255", close(whole, raw / 255), "The uint8 pictures are not their gray levels divided by 255, in the list's order.",
           points=1, got=whole, expected=raw / 255)
    expect("fractions stay what they are", close(parts, truth), "The float pictures were in [0, 1] already; they should come out with the same values.",
           points=1, got=parts, expected=truth)

    dark = [numbers.integers(0, 2, (3, 5)).astype(np.uint8), numbers.uniform(0, 1, (3, 5))]
    dark[0][0, :2] = 0, 1
    result, expected = answer(dark), batch_of([dark[0] / 255, dark[1]])
    expect_like(result, expected)
    suspect(close(result, batch_of(dark)), "You tell the kinds apart by their brightest value. A nearly black X-ray holds the gray levels 0 and 1 and "
            "is taken for fractions: a few stray photons become white. Ask for the dtype.")
    expect("a nearly black picture stays nearly black", close(result, expected), "Another list, another shape: this one comes out wrong.",
           points=1, got=result, expected=expected)


@right
def in_numpy(pictures):
    planes = [p.astype(np.float32) / 255 if p.dtype == np.uint8 else p.astype(np.float32) for p in pictures]
    return torch.from_numpy(np.stack(planes)).unsqueeze(1)


@right
def filled(pictures):
    batch = torch.zeros(len(pictures), 1, *pictures[0].shape)
    for i, picture in enumerate(pictures):
        scale = 1 if np.issubdtype(picture.dtype, np.floating) else 255
        batch[i, 0] = torch.tensor(picture) / scale
    return batch


@right
def concatenated(pictures):
    h, w = pictures[0].shape
    return torch.cat([torch.tensor(p / (255.0 if p.dtype.kind == "u" else 1.0), dtype=torch.float32).reshape(1, 1, h, w) for p in pictures])


@wrong("You divided all pictures by 255")
def all_divided(pictures):
    return torch.stack([torch.from_numpy(p) / 255 for p in pictures]).float()[:, None]


@wrong("`//` drops the fraction")
def integer_division(pictures):
    return torch.stack([torch.from_numpy(p // 255 if p.dtype == np.uint8 else p).float() for p in pictures])[:, None]


@wrong("still hold gray levels up to 255")
def only_float(pictures):
    return torch.stack([torch.from_numpy(p).float() for p in pictures])[:, None]


@wrong("tell the kinds apart by their brightest value")
def by_brightest(pictures):
    return torch.stack([torch.from_numpy(p / 255 if p.max() > 1 else p).float() for p in pictures])[:, None]


@wrong("came out black: as whole numbers")
def everything_to_uint8(pictures):
    return torch.stack([torch.from_numpy(p.astype(np.uint8)) for p in pictures])[:, None] / 255


@wrong("each picture by its own brightest pixel")
def own_maximum(pictures):
    return torch.stack([torch.from_numpy(p / p.max() if p.dtype == np.uint8 else p).float() for p in pictures])[:, None]


@wrong("brightest pixel of all")
def one_maximum(pictures):
    whole = max(p.max() for p in pictures)
    return torch.stack([torch.from_numpy(p / whole if p.dtype == np.uint8 else p).float() for p in pictures])[:, None]


@wrong("divided by 256")
def by_256(pictures):
    return torch.stack([torch.from_numpy(p / 256 if p.dtype == np.uint8 else p).float() for p in pictures])[:, None]


@wrong("The channel axis is missing")
def no_channel(pictures):
    return torch.stack([torch.from_numpy(p / 255 if p.dtype == np.uint8 else p).float() for p in pictures])


@wrong("The channel axis is at the end")
def channels_last(pictures):
    return torch.stack([torch.from_numpy(p / 255 if p.dtype == np.uint8 else p).float() for p in pictures])[..., None]


@wrong("The new axis is in front")
def axis_in_front(pictures):
    return torch.stack([torch.from_numpy(p / 255 if p.dtype == np.uint8 else p).float() for p in pictures])[None]


@wrong("The numbers should be float32, yours are float64")
def doubles(pictures):
    return torch.from_numpy(np.stack([p / 255 if p.dtype == np.uint8 else p for p in pictures])[:, None])


@wrong("float32 tensor of shape (5, 1, 4, 6), got a float32 array")
def stays_an_array(pictures):
    return np.stack([p / 255 if p.dtype == np.uint8 else p for p in pictures])[:, None].astype(np.float32)


@wrong("got a list of 5 values")
def a_list(pictures):
    return [torch.from_numpy(p / 255 if p.dtype == np.uint8 else p).float()[None] for p in pictures]


@wrong("changed its argument `pictures` in place")
def in_place(pictures):
    for i, picture in enumerate(pictures):
        if picture.dtype == np.uint8:
            pictures[i] = picture / 255
    return torch.from_numpy(np.stack(pictures)).float()[:, None]


@wrong("A list knows no axes")
def never_stacked(pictures):
    planes = [torch.from_numpy(p / 255 if p.dtype == np.uint8 else p).float() for p in pictures]
    return planes[:, None]


@wrong("There are several floats, and one uint8")
def only_float32_is_a_float(pictures):
    return torch.stack([torch.from_numpy(p if p.dtype == np.float32 else p / 255).float() for p in pictures])[:, None]
