"""Projection into the L2 ball: each image's whole change is shortened to length epsilon, if it is longer."""
import math

import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 10, 3
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "A dog on a leash runs where it likes until the leash is tight. How long is one image's leash, and what is done to a change that is too long?",
    "Length of one image's change: the root of the sum of its squares over *all* of that image's numbers. "
    "Multiply the change by the smaller of 1 and epsilon / length, each image by its own.",
    "`change = changed - images`; `length = change.flatten(1).norm(dim=1)` has one number an image; `factor = (epsilon / length.clamp(min=1e-12)).clamp(max=1)`. "
    "`factor.reshape(-1, *[1] * (images.dim() - 1))` gives it as many dimensions as the images have.",
]
after = ("After the ball comes the cut to [0, 1]. It moves every pixel toward the original picture or not at all, so no change gets longer by it and both "
         "promises hold. It is not always the *nearest* such picture: for that, ball and box would have to be searched together. Attacks do without.")


def project_l2(changed, images, epsilon):
    """Pictures near `changed` whose change has L2 length <= epsilon.

    changed, images: float32, of one shape: (n, channels, height, width),
    or (n, channels, depth, height, width), a batch of 3-D volumes.
    For each image: if its change, changed - images, is longer than
    epsilon, shorten it to that length; then cut the picture to [0, 1].
    Returns new pictures. x.flatten(1) has one row an image, and
    x.flatten(1).norm(dim=1) is the length of each row. To multiply
    pictures by it, reshape it to (n, 1, 1, 1), volumes need a 1 more:
    length.reshape(-1, *[1] * (images.dim() - 1)) fits both.
    """
    # BEGIN SOLUTION
    change = changed - images
    length = change.flatten(1).norm(dim=1).clamp(min=1e-12)
    factor = (epsilon / length).clamp(max=1)
    factor = factor.reshape(-1, *[1] * (images.dim() - 1))
    return (images + factor * change).clamp(0, 1)
    # END SOLUTION


def by_hand(changed, images, epsilon):
    """Image by image in float64, with Python's own square root -> float32."""
    result = []
    for x, start in zip(changed.double(), images.double()):
        length = math.sqrt(sum(v * v for v in (x - start).flatten().tolist()))
        result.append(start + (x - start) * (epsilon / length if length > epsilon else 1.0))
    return torch.stack(result).clamp(0, 1).float()


def pictures(random, lengths, shape):
    """Images inside (0, 1), one pixel exactly 0 and one exactly 1, and the same ones after changes of these lengths."""
    images = random.tensor(len(lengths), *shape, low=0.3, high=0.7)
    change = random.tensor(len(lengths), *shape, low=-1, high=1)
    change = change + 0.2 * change.sign()               # no pixel's change is next to nothing
    flat, moves = images.flatten(1), change.flatten(1)
    flat[:, 0], flat[:, -1] = 0, 1
    moves[:, 5] = 6 * moves[:, 5].sign()                # one pixel changes most
    moves[:, 0], moves[:, -1] = -moves[:, 0].abs(), moves[:, -1].abs()      # these two would leave the box
    change = change / moves.norm(dim=1).reshape(-1, *[1] * len(shape))
    return images, images + change * torch.tensor(lengths).reshape(-1, *[1] * len(shape))


def check(answer, random):
    """Madry et al. 2018, appendix; two lengths beyond epsilon, one below it, and one image that was not changed at all."""
    epsilon, shape = 0.4, (2, 3, 4)
    images, changed = pictures(random, [0.9, 0.2, 0.0, 0.6], shape)
    result = answer(changed, images, epsilon)
    unchanged_broken = torch.is_tensor(result) and result.shape == images.shape and bool(result[2:3].isnan().any()) and not bool(result[:2].isnan().any())
    suspect(unchanged_broken, "The image without any change came out as NaN: 0 / 0. Its length is 0; keep the divisor above zero, say by `.clamp(min=1e-12)`.")
    expect_like(result, images)
    change, expected = changed - images, by_hand(changed, images, epsilon)
    rows = change.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)

    def is_this(*scales, step=change):
        """Is the answer the images plus the change times one of these, cut to [0, 1] or not, and wrong?"""
        candidates = [images + step * torch.as_tensor(x) for x in scales]
        return any(not close(x, expected, 1e-5) and close(result, x, 1e-5) for c in candidates for x in (c, c.clamp(0, 1)))

    def cut(length, low=1e-12):
        return (epsilon / length.clamp(min=low)).clamp(max=1)

    suspect(close(result, images), "These are the images as they were: a change within the limit may stay.")
    suspect(close(result, changed) or close(result, changed.clamp(0, 1)), lambda: f"One image's change has length {float(rows[0]):.1f}, and epsilon is {epsilon}: nothing was shortened.")
    suspect(close(result, change * cut(rows), 1e-5) or close(result, (change * cut(rows)).clamp(0, 1), 1e-5), "That is the shortened change alone: add it to the images.")
    suspect(close(result, images + change * cut(rows), 1e-5) and not close(expected, images + change * cut(rows), 1e-5),
            lambda: f"The lengths are right, but {int(((result < 0) | (result > 1)).sum())} pixels left [0, 1]: cut the sum to that range at the end.")
    everything = change.norm()
    suspect(is_this(cut(everything)), lambda: f"You took one length of the whole batch, {float(everything):.2f}: an image is shortened because its neighbor "
            "changed much. Each image has a length of its own, `.flatten(1).norm(dim=1)`.")
    suspect(is_this(epsilon / rows.clamp(min=1e-12), epsilon / (rows + 1e-12), epsilon / everything),
            "You bring every change to length epsilon. One that was shorter must stay as it is: never multiply by more than 1.")
    suspect(is_this(1 / rows.clamp(min=1e-12), torch.where(rows > epsilon, 1 / rows.clamp(min=1e-12), 1.0)),
            "Divided by its length, a change has length 1. It should have length epsilon, so multiply by that.")
    tall = changed.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    suspect(is_this(cut(tall)) or any(close(result, x, 1e-5) for x in (changed * cut(tall), (changed * cut(tall)).clamp(0, 1))),
            "You measured the picture, not its change: take the length of `changed - images`.")
    suspect(is_this(cut(rows.square())), "You divided by the square of the length: the root is missing. `.norm` takes it for you.")
    suspect(is_this(cut(change.abs().flatten(1).sum(1).reshape(-1, 1, 1, 1))), "You added up the sizes of the changes: that is the L1 length. L2: the root of the sum of squares.")
    suspect(is_this(cut(change.abs().flatten(1).amax(1).reshape(-1, 1, 1, 1))), "You measured the largest single change: that is L-infinity. L2 counts all of an image's pixels together.")
    suspect(is_this(1.0, step=change.clamp(-epsilon, epsilon)), "You cut pixel by pixel, as for L-infinity. L2 keeps the direction and shortens the whole change.")
    suspect(is_this(cut(change.square().mean((1, 2, 3), keepdim=True).sqrt())), "You took the mean of the squares; the length is the root of their sum.")
    suspect(is_this(*(cut(change.norm(dim=d, keepdim=True)) for d in (1, 2, 3))), "You took the length along one dimension only: of each pixel, row or column. "
            "It goes over all numbers of an image.")
    suspect(is_this((epsilon / rows.clamp(min=1e-12)).clamp(min=1)), "You shorten what was short enough and let the long ones be: of 1 and epsilon / length take the *smaller*.")
    again_images, again = pictures(random, [0.2, 0.0, 0.5], shape)
    second = answer(again, again_images, 0.1)
    expect_like(second, again_images)
    suspect(close(result, expected, 1e-5) and close(second, by_hand(again, again_images, epsilon), 1e-5), "With another epsilon you shorten to the same length: use the argument.")
    lengths = (result - images).flatten(1).norm(dim=1)
    expect("no image's change is longer than epsilon", bool((lengths <= epsilon + 1e-5).all()),
           lambda: f"One change has length {float(lengths.max()):.2f} now, and epsilon is {epsilon}.")
    expect("stays inside [0, 1]", bool(((result >= 0) & (result <= 1)).all()), "Some pixels lie outside [0, 1]: cut the sum.")
    expect("each image by its own length", close(result, expected, 1e-5) and close(second, by_hand(again, again_images, 0.1), 1e-5),
           "This is not yet the image plus its shortened change.", points=3, got=result, expected=expected)
    volumes, moved = pictures(random, [0.8, 0.0, 0.3], (1, 2, 3, 4))
    third = answer(moved, volumes, epsilon)
    suspect(torch.is_tensor(third) and third.shape != volumes.shape, lambda: "Pictures come out right; a batch of volumes, (n, channels, depth, height, "
            f"width), goes in with shape {tuple(volumes.shape)} and comes out with {tuple(third.shape)}. The length needs one dimension of size 1 more than for "
            "pictures: let `images.dim()` count them.")
    expect_like(third, volumes)
    expect("3-D volumes as well", close(third, by_hand(moved, volumes, epsilon), 1e-5),
           "Pictures come out right, the volumes do not: each volume has one length, over all of its numbers.",
           points=1)


@right
def in_a_loop(changed, images, epsilon):
    result = []
    for x, image in zip(changed, images):
        change = x - image
        if change.norm() > epsilon:
            change = change * epsilon / change.norm()
        result.append((image + change).clamp(0, 1))
    return torch.stack(result)


@right
def by_where(changed, images, epsilon):
    shape = [len(images)] + [1] * (images.dim() - 1)
    delta = changed - images
    norm = (delta ** 2).reshape(len(images), -1).sum(1).sqrt().view(shape)
    return torch.where(norm > epsilon, images + delta * (epsilon / norm), changed).clip(0, 1)


@right
def by_maximum(changed, images, epsilon):
    flat = (changed - images).flatten(1)
    flat = flat * epsilon / flat.norm(dim=1, keepdim=True).clamp(min=epsilon)
    return (images + flat.reshape(images.shape)).clamp(0, 1)


@right
def tiny_added(changed, images, epsilon):
    delta = changed - images
    norm = torch.linalg.vector_norm(delta, dim=tuple(range(1, delta.dim())), keepdim=True)
    return (images + delta * torch.clamp(epsilon / (norm + 1e-10), max=1)).clamp(0, 1)


@wrong("one length of the whole batch")
def whole_batch(changed, images, epsilon):
    change = changed - images
    return (images + change * (epsilon / change.norm()).clamp(max=1)).clamp(0, 1)


@wrong("You bring every change to length epsilon")
def always_scales(changed, images, epsilon):
    change = changed - images
    length = change.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
    return (images + epsilon * change / length).clamp(0, 1)


@wrong("came out as NaN")
def divides_by_zero(changed, images, epsilon):
    change = changed - images
    length = change.flatten(1).norm(dim=1).reshape(-1, *[1] * (images.dim() - 1))
    return (images + change * torch.where(length > epsilon, epsilon / length, length / length)).clamp(0, 1)


@wrong("let `images.dim()` count them")
def pictures_only(changed, images, epsilon):
    change = changed - images
    length = change.flatten(1).norm(dim=1).clamp(min=1e-12)
    return (images + change * (epsilon / length).clamp(max=1).reshape(-1, 1, 1, 1)).clamp(0, 1)


@wrong("a change has length 1")
def to_length_one(changed, images, epsilon):
    change = changed - images
    length = change.flatten(1).norm(dim=1).reshape(-1, *[1] * (images.dim() - 1))
    return torch.where(length > epsilon, images + change / length, changed).clamp(0, 1)


@wrong("You measured the picture, not its change")
def length_of_the_picture(changed, images, epsilon):
    length = changed.flatten(1).norm(dim=1).reshape(-1, *[1] * (images.dim() - 1))
    return (images + (epsilon / length).clamp(max=1) * (changed - images)).clamp(0, 1)


@wrong("the root is missing")
def no_root(changed, images, epsilon):
    change = changed - images
    length = change.square().flatten(1).sum(1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
    return (images + change * (epsilon / length).clamp(max=1)).clamp(0, 1)


@wrong("that is the L1 length")
def absolute_values(changed, images, epsilon):
    change = changed - images
    length = change.abs().flatten(1).sum(1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
    return (images + change * (epsilon / length).clamp(max=1)).clamp(0, 1)


@wrong("pixel by pixel, as for L-infinity")
def like_linf(changed, images, epsilon):
    return (images + (changed - images).clamp(-epsilon, epsilon)).clamp(0, 1)


@wrong("the length along one dimension only")
def one_dimension(changed, images, epsilon):
    change = changed - images
    return (images + change * (epsilon / change.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1)).clamp(0, 1)


@wrong("take the *smaller*")
def the_larger(changed, images, epsilon):
    change = changed - images
    length = change.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
    return (images + change * (epsilon / length).clamp(min=1)).clamp(0, 1)


@wrong("pixels left [0, 1]")
def no_box(changed, images, epsilon):
    change = changed - images
    length = change.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
    return images + change * (epsilon / length).clamp(max=1)


@wrong("the shortened change alone")
def change_alone(changed, images, epsilon):
    change = changed - images
    length = change.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
    return change * (epsilon / length).clamp(max=1)


@wrong("nothing was shortened")
def forgot(changed, images, epsilon):
    change = changed - images
    change.flatten(1).norm(dim=1).clamp(max=epsilon)
    return (images + change).clamp(0, 1)


@wrong("changed its argument `changed` in place")
def in_place(changed, images, epsilon):
    changed -= images
    length = changed.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
    changed *= (epsilon / length).clamp(max=1)
    return (images + changed).clamp(0, 1)
