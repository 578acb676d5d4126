"""Projection into the L-infinity ball: back to within epsilon of the image at every pixel, and to a picture."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 6, 1
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "A tailor with one rule: no pixel may be more than epsilon from where it began. What is done to a pixel that is too far, and to one that is not?",
    "The rule speaks of the *change*, `changed - images`. Cut each of its numbers to the range from -epsilon to epsilon, then add the images again.",
    "`change = (changed - images).clamp(..., ...)`, then `(images + change)` and, for the picture's own range, one more `.clamp(..., ...)`.",
]
after = ("Each pixel has limits of its own, so the largest allowed set of changes is a box, and cutting pixel by pixel gives the nearest point of it. "
         "Both cuts are boxes: here, their order would not matter.")


def project_linf(changed, images, epsilon):
    """The nearest pictures to `changed` within epsilon of `images`.

    changed, images: float32, of one shape, (n, channels, height, width);
    `images` lie in [0, 1], `changed` may lie anywhere.
    Returns new pictures of that shape: each pixel at most epsilon from
    where it was in `images`, and inside [0, 1].
    x.clamp(low, high) cuts every number of x to that range.
    """
    # BEGIN SOLUTION
    change = (changed - images).clamp(-epsilon, epsilon)
    return (images + change).clamp(0, 1)
    # END SOLUTION


def by_hand(changed, images, epsilon):
    """Pixel by pixel, without a tensor's clamp -> float32."""
    low, high = images.double() - epsilon, images.double() + epsilon
    x = torch.where(changed.double() > high, high, torch.where(changed.double() < low, low, changed.double()))
    return torch.where(x > 1, 1.0, torch.where(x < 0, 0.0, x)).float()


def pictures(random, n=4, size=4, epsilon=0.1):
    """Images of which some pixels are exactly 0 or 1, and changed ones: near, too far, and outside [0, 1]. No two images change alike."""
    images = random.tensor(n, 1, size, size, low=-0.3, high=1.3).clamp(0, 1)
    change = random.tensor(n, 1, size, size, low=-3 * epsilon, high=3 * epsilon)
    change[:, :, 0] /= 4                    # a row that is near enough already
    change[:, :, 1] = change[:, :, 1].sign() * (1.5 * epsilon + change[:, :, 1].abs() / 2)      # and one that is too far
    # Of the pixels that are black or white some leave the box, and in each image one inside it is too far up, one too far down.
    images[:, :, 1, 0], images[:, :, 1, 1], images[:, :, 1, 2], images[:, :, 1, 3] = 0.5, 0.4, 0.0, 1.0
    change[:, :, 1] = change[:, :, 1].abs() * torch.tensor([1.0, -1.0, -1.0, 1.0])
    return images, images + change


def check(answer, random):
    """Madry et al. 2018, section 2.1, the set S of allowed changes; by hand for each pixel."""
    epsilon = 0.1
    images, changed = pictures(random, epsilon=epsilon)
    result = answer(changed, images, epsilon)
    expect_like(result, images)
    change, expected = changed - images, by_hand(changed, images, epsilon)

    def is_this(candidate):
        return not close(candidate, expected) and close(result, candidate)

    largest = change.abs().amax()
    own = change.abs().flatten(1).amax(1).reshape(-1, 1, 1, 1)
    suspect(is_this(changed), "These are the changed pictures as they came. Where is the limit? (`x.clamp(...)` leaves x itself as it is: keep what it returns.)")
    suspect(is_this(images), "These are the images as they were: whatever was within the limit is lost, too.")
    cut = change.clamp(-epsilon, epsilon)
    suspect(any(is_this(x) for x in (cut, cut.clamp(0, 1), (changed.clamp(0, 1) - images).clamp(-epsilon, epsilon))),
            "That is the change alone, cut to size: add it to the images.")
    suspect(any(is_this(x) for x in (changed.clamp(-epsilon, epsilon), changed.clamp(-epsilon, epsilon).clamp(0, 1))),
            "You cut the picture to [-epsilon, epsilon]. That is the range of the change: take `changed - images` first.")
    suspect(is_this(changed.clamp(0, 1)), lambda: f"It is a picture, but a pixel is {far(result - images):.2f} from where it began, and epsilon is {epsilon}.")
    suspect(is_this(images + cut), lambda: "No pixel is too far now, but "
            f"{int(((result < 0) | (result > 1)).sum())} of them left [0, 1]: a black pixel cannot get darker. Cut the sum as well.")
    suspect(is_this(changed + cut) or is_this((changed + cut).clamp(0, 1)),
            "You add the cut change to `changed`, which has moved already. It belongs on `images`.")
    suspect(any(is_this((images + x).clamp(0, 1)) for x in (change.abs().clamp(0, epsilon), change.abs().clamp(max=epsilon), cut.abs())),
            "You dropped the sign of the change: a pixel that had become darker is brighter now. `clamp` takes a negative lower end.")
    suspect(any(is_this((images + x).clamp(0, 1)) or is_this(images + x) for x in (epsilon * change.sign(), change * epsilon)),
            "You move pixels that were near enough already. Cut what is too far and leave the rest as it is: nothing is scaled, no sign is taken.")
    scaled = [change * (epsilon / x) for x in (largest, own)]
    suspect(any(is_this((images + x).clamp(0, 1)) or is_this(images + x) for x in scaled),
            "You shrink all pixels because one is too far. Each pixel has a limit of its own: cut those beyond it, and no other.")
    suspect(is_this(by_hand(images, changed, epsilon)) or is_this(changed + (images - changed).clamp(-epsilon, epsilon)),
            "You took the two pictures the wrong way round: stay near `images`, and take the change that leads from them to `changed`.")
    suspect(is_this((images + change.clamp(0, epsilon)).clamp(0, 1)) or is_this((images + change.clamp(max=epsilon)).clamp(0, 1)),
            "Up is limited, down is not as it should be: a change may be negative, so its range begins at -epsilon.")
    suspect(any(is_this((images + change.clamp(-x, x)).clamp(0, 1)) for x in (epsilon / 255, 255 * epsilon)),
            "Your limit is 255 times too large or too small: epsilon is already a fraction of the range [0, 1].")
    other = 0.03
    images2, changed2 = pictures(random, n=3, epsilon=other)
    again = answer(changed2, images2, other)
    expect_like(again, images2)
    suspect(close(result, expected) and close(again, by_hand(changed2, images2, epsilon)) and not close(again, by_hand(changed2, images2, other)),
            "With another epsilon you cut at the same place: use the argument.")
    for x, y, promise in ((result - images, epsilon, "no pixel further than epsilon"), (again - images2, other, "the same with another epsilon")):
        expect(promise, far(x) <= y + 1e-6, lambda: f"A pixel is {far(x):.2f} from where it began; epsilon is {y}.")
    expect("stays inside [0, 1]", all(((x >= 0) & (x <= 1)).all() for x in (result, again)), "Some pixels lie outside [0, 1]: cut the sum to that range, too.")
    nearest = close(result, expected) and close(again, by_hand(changed2, images2, other))
    expect("the nearest such picture", nearest, "Some pixel that had to move moved too far, or one that was right was touched.", points=3, got=result, expected=expected)


def far(change):
    """The largest of all changes."""
    return float(change.abs().max())


@right
def by_limits(changed, images, epsilon):
    return torch.maximum(torch.minimum(changed, images + epsilon), images - epsilon).clamp(0, 1)


@right
def box_first(changed, images, epsilon):
    low, high = (images - epsilon).clamp(min=0), (images + epsilon).clamp(max=1)
    return torch.min(torch.max(changed, low), high)


@right
def picture_first(changed, images, epsilon):
    return images + (changed.clip(0, 1) - images).clip(-epsilon, epsilon)


@wrong("You cut the picture to [-epsilon, epsilon]")
def clamps_the_picture(changed, images, epsilon):
    return changed.clamp(-epsilon, epsilon)


@wrong("left [0, 1]: a black pixel cannot get darker")
def no_box(changed, images, epsilon):
    return images + (changed - images).clamp(-epsilon, epsilon)


@wrong("It is a picture, but a pixel is")
def only_the_box(changed, images, epsilon):
    return changed.clamp(0, 1)


@wrong("That is the change alone")
def change_alone(changed, images, epsilon):
    return (changed - images).clamp(-epsilon, epsilon)


@wrong("nothing is scaled, no sign is taken")
def takes_the_sign(changed, images, epsilon):
    return (images + epsilon * (changed - images).sign()).clamp(0, 1)


@wrong("because one is too far")
def shrinks_all(changed, images, epsilon):
    change = changed - images
    largest = change.abs().max()
    if largest > epsilon:
        change = change * epsilon / largest
    return (images + change).clamp(0, 1)


@wrong("the wrong way round")
def swapped(changed, images, epsilon):
    return (changed + (images - changed).clamp(-epsilon, epsilon)).clamp(0, 1)


@wrong("its range begins at -epsilon")
def only_up(changed, images, epsilon):
    return (images + (changed - images).clamp(0, epsilon)).clamp(0, 1)


@wrong("which has moved already")
def on_the_changed(changed, images, epsilon):
    change = (changed - images).clamp(-epsilon, epsilon)
    return (changed + change).clamp(0, 1)


@wrong("You dropped the sign of the change")
def sizes_only(changed, images, epsilon):
    size = torch.minimum((changed - images).abs(), torch.tensor(epsilon))
    return (images + size).clamp(0, 1)


@wrong("255 times too large or too small")
def divides_again(changed, images, epsilon):
    change = (changed - images).clamp(-epsilon / 255, epsilon / 255)
    return (images + change).clamp(0, 1)


@wrong("Where is the limit?")
def forgot_to_keep(changed, images, epsilon):
    (changed - images).clamp(-epsilon, epsilon)
    return changed


@wrong("changed its argument `changed` in place")
def in_place(changed, images, epsilon):
    changed -= images
    changed.clamp_(-epsilon, epsilon)
    return (images + changed).clamp(0, 1)


@wrong("use the argument")
def written_in(changed, images, epsilon):
    return (images + (changed - images).clamp(-0.1, 0.1)).clamp(0, 1)


@wrong("a call into torchattacks does not count")
def ready_made(changed, images, epsilon):
    import torchattacks
    return torchattacks.PGD(torch.nn.Flatten(), eps=epsilon)(images, torch.zeros(len(images), dtype=torch.int64))
