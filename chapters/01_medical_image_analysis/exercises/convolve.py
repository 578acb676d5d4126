"""The convolution of a network, by hand: slide each kernel over the picture, multiply, add up."""
import torch
from torch.nn import functional

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 7, 2
without = ["torch.conv2d", "torch.nn.modules.conv", "scipy", "skimage"]
hints = [
    "Look at one number of the output first, row 0 and column 0 of kernel 0. Which patch of the picture does the kernel cover there?",
    "It covers `height` rows, from row i on, and `width` columns, from column j on: `i:i + height` in a slice. A `:` in front takes all channels.",
    "`padded = functional.pad(image, (padding, padding, padding, padding))`; in the loops `patch = padded[:, i:i + height, j:j + width]`, then "
    "`output[k, i, j]` is the sum of `patch * kernels[k]`.",
]
after = ("Every output pixel used the same few weights. So a network finds an opacity wherever it lies, and needs far fewer weights than one "
         "for each pixel.")


def convolve(image, kernels, padding=0):
    """Slide each kernel over the image: multiply, add up. No conv2d.

    image: (channels, h, w) float32; padding: zeros on each of four sides.
    kernels: (n, channels, height, width) float32; none is flipped.
    functional.pad(x, (left, right, top, bottom)) puts zeros around x.
    """
    n, _, height, width = kernels.shape
    # First `padded`: the image with its zeros.
    # BEGIN SOLUTION
    padded = functional.pad(image, (padding, padding, padding, padding))
    # END SOLUTION
    rows = padded.shape[1] - height + 1
    columns = padded.shape[2] - width + 1
    output = torch.zeros(n, rows, columns)
    for k in range(n):
        for i in range(rows):
            for j in range(columns):
                # Now output[k, i, j]: kernel k on the patch that begins
                # at row i, column j, and has all channels.
                # BEGIN SOLUTION
                patch = padded[:, i:i + height, j:j + width]
                output[k, i, j] = (patch * kernels[k]).sum()
                # END SOLUTION
    return output


def slide(image, kernels, padding=0):
    return functional.conv2d(image[None], kernels, padding=padding)[0]


def has_shape(result, *shape):
    return type(result) is torch.Tensor and tuple(result.shape) == shape


def check(answer, random):
    """Against torch's conv2d. Height and width differ, of picture and kernel, so that a swap shows; two channels, three kernels."""
    image, kernels = random.tensor(2, 6, 5), random.tensor(3, 2, 3, 3, low=-1)
    expected = slide(image, kernels)
    plain = answer(image, kernels)
    suspect(has_shape(plain, 3, 3, 2), "Your output is one row and one column short. Three rows cover six in four places, at rows 0, 1, 2 and 3: 6 - 3 + 1.")
    suspect(has_shape(plain, 3, 6, 5), "Your output is as large as the image. Without padding the kernel may not stick out over the edge: there are fewer places.")
    suspect(has_shape(plain, 3, 2, 4, 3), "You kept one picture a channel. A kernel adds up over its channels too: all of them give one number.")
    suspect(has_shape(plain, 4, 3), "You gave one picture back, though there are three kernels: each makes a picture of its own.")
    suspect(has_shape(plain, 3, 2, 1), "Your kernel jumps by its own size. It slides: one pixel at a time.")
    expect_like(plain, expected)
    suspect(not plain.any(), "Every number of your output is still zero: in the loops, write into `output[k, i, j]`.")
    suspect(close(plain, slide(image, kernels.flip(2, 3))), "You turned the kernel upside down and left to right. That is the convolution of mathematics; "
            "what deep learning calls so does not flip (it is a cross-correlation). The kernel lies on the patch as it is.", got=plain, expected=expected)
    suspect(close(plain, slide(image, kernels.transpose(2, 3))), "Rows and columns of your kernel are swapped: `i` counts rows, the second-last axis, `j` columns.")
    suspect(not plain[:, 0].any() and not plain[:, :, 0].any() and close(plain[:, 1:, 1:], expected[:, 1:, 1:], 1e-5),
            "The first row and the first column of your output are still empty. Python counts from 0: `range(n)` is 0, 1, ..., n - 1.")
    for channel, word in ((0, "first"), (1, "last")):
        suspect(close(plain, slide(image[[channel]], kernels[:, [channel]])),
                f"Only the {word} channel counts in your output: " + ("the others must be added." if channel == 0 else
                "each channel overwrote the one before. Add them up: `+=`, or one sum over all."))
    suspect(any(close(plain, expected / n) for n in (2, 9, 18)), "You took a mean. A convolution adds up; the kernel's own numbers say how much each pixel counts.")
    suspect(close(plain, image.unfold(1, 3, 1).unfold(2, 3, 1).sum((0, 3, 4)).expand_as(expected)),
            "You added up the pixels of each patch and left the kernel out: multiply by it first.")
    suspect(close(plain, slide(image, kernels.sum(1, keepdim=True).expand_as(kernels))), "Each channel got the sum of the kernel's channels. "
            "Channel 0 of the kernel belongs to channel 0 of the image, 1 to 1.")
    suspect(close(plain, expected.sum(0).expand_as(expected), 1e-5), "All your pictures are equal: your sum runs over the kernels, too. Keep that axis: "
            "`.sum((1, 2, 3))`, or one kernel at a time.")
    suspect(close(plain, expected[:1].expand_as(expected)), "All your pictures are those of kernel 0: is there a `0` that should be `k`?")
    expect("equals conv2d without padding", close(plain, expected, 1e-5), "This is not yet each kernel laid on each patch, multiplied and added up.",
           points=2, got=plain, expected=expected)

    padded = answer(image, kernels, 1)
    expected = slide(image, kernels, 1)
    suspect(has_shape(padded, *plain.shape), "With padding=1 your output is as small as without: the zeros around the image are missing.")
    suspect(has_shape(padded, 3, 4, 5), "Your zeros lie left and right only. `functional.pad` takes four numbers for four sides: left, right, top, bottom.")
    suspect(has_shape(padded, 3, 6, 3), "Your zeros lie above and below only: the left and the right side want some, too.")
    suspect(has_shape(padded, 3, 5, 4), "With padding=1 your image grew by one row and one column. There are two more of each: one on either side.")
    expect_like(padded, expected)
    for what, sides in (("below and to the right", (0, 2, 0, 2)), ("above and to the left", (2, 0, 2, 0))):
        suspect(close(padded, slide(functional.pad(image, sides), kernels)), f"All your zeros lie {what} of the image: it belongs in their middle.")
    suspect(close(padded, slide(functional.pad(image[None], (1, 1, 1, 1), mode="replicate")[0], kernels)),
            "You repeated the pixels of the edge; what is asked for around the image is zeros.")
    suspect(close(padded, slide(functional.pad(image, (1, 1, 1, 1), value=1.0), kernels)), "You laid a border of ones around the image; the padding is zeros.")
    suspect(close(padded, functional.pad(slide(image, kernels), (1, 1, 1, 1))), "You put the zeros around the output. They belong around the image, "
            "before the kernel slides.")
    expect("equals conv2d with padding", close(padded, expected, 1e-5), "Without padding you are right; with one row and column of zeros on each side not yet.",
           points=1, got=padded, expected=expected)

    image, kernels = random.tensor(1, 5, 7), random.tensor(2, 1, 2, 4, low=-1)
    oblong, expected = answer(image, kernels, 2), slide(image, kernels, 2)
    expect_like(oblong, expected)
    expect("an oblong kernel, two rows by four columns", close(oblong, expected, 1e-5),
           "A kernel of 2 rows and 4 columns comes out wrong: did you take one of its sides for both?", points=1, got=oblong, expected=expected)


@right
def five_loops(image, kernels, padding=0):
    channels, h, w = image.shape
    n, _, height, width = kernels.shape
    output = torch.zeros(n, h + 2 * padding - height + 1, w + 2 * padding - width + 1)
    for k in range(n):
        for i in range(output.shape[1]):
            for j in range(output.shape[2]):
                for u in range(height):
                    for v in range(width):
                        row, column = i + u - padding, j + v - padding
                        if 0 <= row < h and 0 <= column < w:
                            output[k, i, j] += (image[:, row, column] * kernels[k, :, u, v]).sum()
    return output


@right
def shifted_pictures(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    height, width = kernels.shape[2:]
    rows, columns = padded.shape[1] - height + 1, padded.shape[2] - width + 1
    return sum(torch.einsum("kc,chw->khw", kernels[:, :, u, v], padded[:, u:u + rows, v:v + columns]) for u in range(height) for v in range(width))


@right
def unfolded(image, kernels, padding=0):
    padded = functional.pad(image, (padding, padding, padding, padding))
    patches = padded.unfold(1, kernels.shape[2], 1).unfold(2, kernels.shape[3], 1)
    return torch.einsum("chwuv,kcuv->khw", patches, kernels)


@wrong("You turned the kernel upside down", "cross-correlation")
def flipped(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    patches = padded.unfold(1, kernels.shape[2], 1).unfold(2, kernels.shape[3], 1)
    return torch.einsum("chwuv,kcuv->khw", patches, kernels.flip(2, 3))


@wrong("Rows and columns of your kernel are swapped")
def transposed(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    patches = padded.unfold(1, kernels.shape[3], 1).unfold(2, kernels.shape[2], 1)
    return torch.einsum("chwuv,kcvu->khw", patches, kernels)


@wrong("one row and one column short")
def off_by_one(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    n, _, height, width = kernels.shape
    output = torch.zeros(n, padded.shape[1] - height, padded.shape[2] - width)
    for i in range(output.shape[1]):
        for j in range(output.shape[2]):
            output[:, i, j] = (padded[:, i:i + height, j:j + width] * kernels).sum((1, 2, 3))
    return output


@wrong("Python counts from 0")
def counts_from_one(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    n, _, height, width = kernels.shape
    output = torch.zeros(n, padded.shape[1] - height + 1, padded.shape[2] - width + 1)
    for i in range(1, output.shape[1]):
        for j in range(1, output.shape[2]):
            output[:, i, j] = (padded[:, i:i + height, j:j + width] * kernels).sum((1, 2, 3))
    return output


@wrong("Your zeros lie left and right only")
def two_sides_padded(image, kernels, padding=0):
    padded = functional.pad(image, (padding, padding))
    patches = padded.unfold(1, kernels.shape[2], 1).unfold(2, kernels.shape[3], 1)
    return torch.einsum("chwuv,kcuv->khw", patches, kernels)


@wrong("a slice up to `-p` is empty where p is 0")
def minus_nothing(image, kernels, padding=0):
    channels, h, w = image.shape
    padded = torch.zeros(channels, h + 2 * padding, w + 2 * padding)
    padded[:, padding:-padding, padding:-padding] = image
    patches = padded.unfold(1, kernels.shape[2], 1).unfold(2, kernels.shape[3], 1)
    return torch.einsum("chwuv,kcuv->khw", patches, kernels)


@wrong("as large as the image")
def size_of_the_image(image, kernels, padding=0):
    channels, h, w = image.shape
    n, _, height, width = kernels.shape
    padded = functional.pad(image, (height, height, width, width))
    output = torch.zeros(n, h, w)
    for i in range(h):
        for j in range(w):
            output[:, i, j] = (padded[:, i:i + height, j:j + width] * kernels).sum((1, 2, 3))
    return output


@wrong("one picture a channel")
def channels_kept_apart(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    patches = padded.unfold(1, kernels.shape[2], 1).unfold(2, kernels.shape[3], 1)
    return torch.einsum("chwuv,kcuv->kchw", patches, kernels)


@wrong("one picture back, though there are three kernels")
def kernels_added(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    patches = padded.unfold(1, kernels.shape[2], 1).unfold(2, kernels.shape[3], 1)
    return torch.einsum("chwuv,kcuv->hw", patches, kernels)


@wrong("jumps by its own size")
def jumps(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    patches = padded.unfold(1, kernels.shape[2], kernels.shape[2]).unfold(2, kernels.shape[3], kernels.shape[3])
    return torch.einsum("chwuv,kcuv->khw", patches, kernels)


@wrong("Only the first channel counts")
def first_channel(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    n, _, height, width = kernels.shape
    output = torch.zeros(n, padded.shape[1] - height + 1, padded.shape[2] - width + 1)
    for i in range(output.shape[1]):
        for j in range(output.shape[2]):
            output[:, i, j] = (padded[0, i:i + height, j:j + width] * kernels[:, 0]).sum((1, 2))
    return output


@wrong("each channel overwrote the one before")
def overwritten(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    n, channels, height, width = kernels.shape
    output = torch.zeros(n, padded.shape[1] - height + 1, padded.shape[2] - width + 1)
    for k in range(n):
        for c in range(channels):
            for i in range(output.shape[1]):
                for j in range(output.shape[2]):
                    output[k, i, j] = (padded[c, i:i + height, j:j + width] * kernels[k, c]).sum()
    return output


@wrong("You took a mean")
def mean(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    n, _, height, width = kernels.shape
    output = torch.zeros(n, padded.shape[1] - height + 1, padded.shape[2] - width + 1)
    for i in range(output.shape[1]):
        for j in range(output.shape[2]):
            output[:, i, j] = (padded[:, i:i + height, j:j + width] * kernels).mean((1, 2, 3))
    return output


@wrong("All your pictures are those of kernel 0")
def kernel_zero(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    n, _, height, width = kernels.shape
    output = torch.zeros(n, padded.shape[1] - height + 1, padded.shape[2] - width + 1)
    for i in range(output.shape[1]):
        for j in range(output.shape[2]):
            output[:, i, j] = (padded[:, i:i + height, j:j + width] * kernels[0]).sum()
    return output


@wrong("your sum runs over the kernels, too")
def sum_over_everything(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    n, _, height, width = kernels.shape
    output = torch.zeros(n, padded.shape[1] - height + 1, padded.shape[2] - width + 1)
    for i in range(output.shape[1]):
        for j in range(output.shape[2]):
            output[:, i, j] = (padded[:, i:i + height, j:j + width] * kernels).sum()
    return output


@wrong("did you forget to add them up")
def never_added(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    n, _, height, width = kernels.shape
    output = torch.zeros(n, padded.shape[1] - height + 1, padded.shape[2] - width + 1)
    for k in range(n):
        for i in range(output.shape[1]):
            for j in range(output.shape[2]):
                output[k, i, j] = padded[:, i:i + height, j:j + width] * kernels[k]
    return output


@wrong("Every number of your output is still zero")
def never_written(image, kernels, padding=0):
    n, _, height, width = kernels.shape
    padded = functional.pad(image, (padding,) * 4)
    output = torch.zeros(n, padded.shape[1] - height + 1, padded.shape[2] - width + 1)
    for k in range(n):
        for i in range(output.shape[1]):
            for j in range(output.shape[2]):
                (padded[:, i:i + height, j:j + width] * kernels[k]).sum()
    return output


@wrong("left the kernel out")
def no_kernel(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    n, _, height, width = kernels.shape
    output = torch.zeros(n, padded.shape[1] - height + 1, padded.shape[2] - width + 1)
    for i in range(output.shape[1]):
        for j in range(output.shape[2]):
            output[:, i, j] = padded[:, i:i + height, j:j + width].sum()
    return output


@wrong("the zeros around the image are missing")
def no_padding(image, kernels, padding=0):
    patches = image.unfold(1, kernels.shape[2], 1).unfold(2, kernels.shape[3], 1)
    return torch.einsum("chwuv,kcuv->khw", patches, kernels)


@wrong("grew by one row and one column")
def padded_once(image, kernels, padding=0):
    padded = functional.pad(image, (padding, 0, padding, 0))
    patches = padded.unfold(1, kernels.shape[2], 1).unfold(2, kernels.shape[3], 1)
    return torch.einsum("chwuv,kcuv->khw", patches, kernels)


@wrong("below and to the right", "in their middle")
def image_in_the_corner(image, kernels, padding=0):
    channels, h, w = image.shape
    padded = torch.zeros(channels, h + 2 * padding, w + 2 * padding)
    padded[:, :h, :w] = image
    patches = padded.unfold(1, kernels.shape[2], 1).unfold(2, kernels.shape[3], 1)
    return torch.einsum("chwuv,kcuv->khw", patches, kernels)


@wrong("zeros around the output")
def output_padded(image, kernels, padding=0):
    patches = image.unfold(1, kernels.shape[2], 1).unfold(2, kernels.shape[3], 1)
    return functional.pad(torch.einsum("chwuv,kcuv->khw", patches, kernels), (padding,) * 4)


@wrong("repeated the pixels of the edge")
def edge_repeated(image, kernels, padding=0):
    padded = functional.pad(image[None], (padding,) * 4, mode="replicate")[0]
    patches = padded.unfold(1, kernels.shape[2], 1).unfold(2, kernels.shape[3], 1)
    return torch.einsum("chwuv,kcuv->khw", patches, kernels)


@wrong("a call into torch.conv2d does not count")
def ready_made(image, kernels, padding=0):
    return functional.conv2d(image, kernels, padding=padding)


@wrong("The shape should be (2, 8, 8)")
def square_kernels_only(image, kernels, padding=0):
    padded = functional.pad(image, (padding,) * 4)
    n, _, size, _ = kernels.shape
    output = torch.zeros(n, padded.shape[1] - size + 1, padded.shape[2] - size + 1)
    for i in range(output.shape[1]):
        for j in range(min(output.shape[2], padded.shape[2] - kernels.shape[3] + 1)):
            output[:, i, j] = (padded[:, i:i + size, j:j + kernels.shape[3]] * kernels).sum((1, 2, 3))
    return output
