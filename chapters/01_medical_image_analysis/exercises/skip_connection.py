"""The skip connection of a U-Net: coarse features, enlarged, beside fine ones."""
import torch
from torch.nn import functional

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 2, 5, 1
hints = [
    "Before two stacks of feature maps can lie on top of each other, their height and width must agree. Which of the two must grow?",
    "`functional.interpolate(deep, size=size)` enlarges. Images are dimension 0 of these tensors, channels dimension 1.",
    "`larger = functional.interpolate(deep, size=size)`, then `torch.cat([..., ...], ...)`: which one first, along which dimension?",
]
after = ("Nothing is added up or thrown away: the next convolution sees both and learns what to take from each. "
         "The original U-Net cut a border off the shallow maps instead, because its convolutions had no padding.")


def skip_connection(deep, shallow):
    """Coarse features, enlarged, side by side with fine ones.

    deep: float32 (n, a, height, width), from lower in the U.
    shallow: float32 (n, b, taller, wider), about twice as large.
    Returns (n, a + b, taller, wider): deep's channels, then shallow's.
    functional.interpolate(maps, size=...) repeats pixels up to a size;
    torch.cat([one, other], axis) joins tensors along an axis.
    """
    size = shallow.shape[-2:]       # (taller, wider), may be odd
    # BEGIN SOLUTION
    larger = functional.interpolate(deep, size=size)
    return torch.cat([larger, shallow], 1)
    # END SOLUTION


def enlarged(deep, height, width):
    """By hand: pixel (y, x) of the large map is pixel (y * h // height, x * w // width) of the small one."""
    h, w = deep.shape[-2:]
    rows, columns = [y * h // height for y in range(height)], [x * w // width for x in range(width)]
    return deep[:, :, rows][:, :, :, columns]


def check(answer, random):
    """Ronneberger et al. 2015. The first time both have as many channels, so that a sum runs and shows; then odd and oblong sizes."""
    deep, shallow = random.tensor(2, 3, 4, 5), random.tensor(2, 3, 8, 10, low=2, high=3)
    larger = enlarged(deep, 8, 10)
    result = answer(deep, shallow)
    if hasattr(result, "shape"):
        shape = tuple(result.shape)
        suspect(shape == (2, 3, 8, 10) and close(result, larger + shallow), "You added the two. That is a residual connection (ResNet); a U-Net puts them "
                "side by side along the channels, and the next convolution weighs them.")
        suspect(shape == (4, 3, 8, 10), "Your result has twice as many images: you concatenated along dimension 0. The channels are dimension 1.")
        suspect(shape in ((2, 3, 16, 10), (2, 3, 8, 20)), "Your result is a picture twice as high or wide: you concatenated along rows or columns. "
                "The channels are dimension 1.")
        suspect(shape == (2, 6, 4, 5), "You shrank the fine features to the coarse size: their detail, which the U-Net wants back, is gone. Enlarge `deep` instead.")
        suspect(shape == (2, 3, 8, 10) and close(result, larger), "That is `deep`, enlarged; `shallow` is not in it.")
    expect_like(result, torch.cat([larger, shallow], 1))
    suspect(close(result, torch.cat([shallow, larger], 1)), "The fine features come first. A network that was trained with the coarse ones first would read each "
            "channel as another: `deep` first.")
    suspect(close(result[:, 3:], shallow) and close(result[:, :3], deep.repeat(1, 1, 2, 2)), "`repeat` lays copies of the whole map side by side, four small brains. "
            "Each pixel must become a block: `repeat_interleave`, or interpolate.")
    smooth = [functional.interpolate(deep, size=(8, 10), mode=mode, align_corners=corners) for mode in ("bilinear", "bicubic") for corners in (False, True)]
    suspect(close(result[:, 3:], shallow) and any(close(result[:, :3], one, 1e-4) for one in smooth), "You enlarged smoothly (bilinear or bicubic). Many U-Nets do; "
            'this one repeats pixels, mode="nearest".')
    padded = functional.pad(deep, (2, 3, 2, 2)), functional.pad(deep, (0, 5, 0, 4))
    suspect(close(result[:, 3:], shallow) and any(close(result[:, :3], one) for one in padded), "You framed the coarse features with zeros: the brain stays small. "
            "Enlarge them, so that a pixel lies on the same tissue in both.")
    results, expecteds = [result], [torch.cat([larger, shallow], 1)]
    for a, b, (h, w), (height, width) in ((4, 2, (5, 3), (11, 6)), (1, 5, (3, 6), (7, 13))):
        deep, shallow = random.tensor(1, a, h, w), random.tensor(1, b, height, width, low=2, high=3)
        result = answer(deep, shallow)
        if hasattr(result, "shape"):
            suspect(tuple(result.shape) == (1, a + b, 2 * h, 2 * w), lambda: f"`shallow` is {height} x {width} here, `deep` {h} x {w}: you cut a row or a column "
                    "off the fine features, and the mask would lack it. Enlarge `deep` to the size of `shallow`.")
        expect_like(result, torch.cat([enlarged(deep, height, width), shallow], 1))
        if len(results) == 1:
            expect("the fine features untouched, in the last channels", close(results[0][:, 3:], expecteds[0][:, 3:]) and close(result[:, a:], shallow),
                   "The last channels should be `shallow`, number for number.", got=result[:, a:], expected=shallow)
        results.append(result)
        expecteds.append(torch.cat([enlarged(deep, height, width), shallow], 1))
    expect("twice the size: each pixel becomes a block", close(results[0], expecteds[0]), "The first channels are not the coarse features with each pixel repeated.",
           points=1, got=results[0], expected=expecteds[0])
    doubled = functional.pad(enlarged(deep, 2 * h, 2 * w), (0, width - 2 * w, 0, height - 2 * h))
    suspect(close(results[2][:, :a], doubled), "You doubled and filled the odd row and column with zeros: a stripe where the network sees nothing. "
            "Enlarge straight to the size of `shallow`.")
    expect("odd sizes", all(close(r, e) for r, e in zip(results[1:], expecteds[1:])), "With odd sides the first channels are not the nearest pixels of `deep`.",
           points=1, got=results[1], expected=expecteds[1])


@right
def by_index(deep, shallow):
    height, width = shallow.shape[-2:]
    rows = torch.arange(height) * deep.shape[2] // height
    columns = torch.arange(width) * deep.shape[3] // width
    return torch.cat((deep[:, :, rows][..., columns], shallow), dim=1)


@right
def with_upsample(deep, shallow):
    n, a, _, _ = deep.shape
    result = torch.empty(n, a + shallow.shape[1], *shallow.shape[2:])
    result[:, :a] = torch.nn.Upsample(size=tuple(shallow.shape[2:]), mode="nearest")(deep)
    result[:, a:] = shallow
    return result


@wrong("The fine features come first")
def shallow_first(deep, shallow):
    return torch.cat([shallow, functional.interpolate(deep, size=shallow.shape[-2:])], 1)


@wrong("residual connection")
def added(deep, shallow):
    return functional.interpolate(deep, size=shallow.shape[-2:]) + shallow


@wrong("Sizes of tensors must match", "interpolate(deep, scale_factor=2), shallow")
def always_twice(deep, shallow):
    return torch.cat([functional.interpolate(deep, scale_factor=2), shallow], 1)


@wrong("you cut a row or a column")
def crops_shallow(deep, shallow):
    larger = functional.interpolate(deep, scale_factor=2)
    return torch.cat([larger, shallow[:, :, :larger.shape[2], :larger.shape[3]]], 1)


@wrong("filled the odd row and column with zeros")
def pads(deep, shallow):
    larger = functional.interpolate(deep, scale_factor=2)
    missing = shallow.shape[3] - larger.shape[3], shallow.shape[2] - larger.shape[2]
    return torch.cat([functional.pad(larger, (0, missing[0], 0, missing[1])), shallow], 1)


@wrong("twice as many images")
def along_images(deep, shallow):
    return torch.cat([functional.interpolate(deep, size=shallow.shape[-2:]), shallow])


@wrong("twice as high or wide")
def along_rows(deep, shallow):
    return torch.cat([functional.interpolate(deep, size=shallow.shape[-2:]), shallow], 2)


@wrong("enlarged smoothly")
def bilinear(deep, shallow):
    return torch.cat([functional.interpolate(deep, size=shallow.shape[-2:], mode="bilinear"), shallow], 1)


@wrong("four small brains")
def repeated(deep, shallow):
    return torch.cat([deep.repeat(1, 1, 2, 2), shallow], 1)


@wrong("You shrank the fine features")
def shrinks(deep, shallow):
    return torch.cat([deep, functional.interpolate(shallow, size=deep.shape[-2:])], 1)


@wrong("Sizes of tensors must match", "torch.cat([deep, shallow], 1)")
def forgot_to_enlarge(deep, shallow):
    return torch.cat([deep, shallow], 1)


@wrong("`shallow` is not in it")
def only_deep(deep, shallow):
    return functional.interpolate(deep, size=shallow.shape[-2:])
