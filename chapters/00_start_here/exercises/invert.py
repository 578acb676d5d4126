"""A film's negative: black becomes white and white black."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 2, 2, 1
hints = [
    "Black is 0 and white is 1. What shall a pixel of 0.2, nearly black, become?",
    "The new pixel is as far below white as the old one was above black. Arithmetic with `image` works on all its pixels at once.",
    "`return ... - image`: which number makes 1 of 0, and 0 of 1?",
]
after = ("The negative of the negative is the picture again: nothing was lost, and nothing was hidden either, for anyone can undo it "
         "without a key. Keep that in mind until chapter 06, where pictures are encrypted.")


def invert(image):
    """A film's negative: black becomes white and white black.

    image: a float32 tensor (channels, height, width) in [0, 1],
    where 0 is black and 1 is white. Returns a new one like it.
    """
    # BEGIN SOLUTION
    return 1 - image
    # END SOLUTION


def check(answer, random):
    """A disk on a darker ground, whose brightest pixel is not white: whoever takes the picture's maximum for white is seen. Then a picture
    of another shape, in color, with pixels that are exactly 0 and 1."""
    image = disk(random)
    negative = answer(image)
    expect_like(negative, image)
    expected = 1 - image
    shown = {"got": negative, "expected": expected}

    def is_like(candidate, within=1e-4):
        return close(negative, candidate, within)

    low, high = (f"{float(value):.3g}" for value in (negative.min(), negative.max()))
    suspect(is_like(image), "This is the picture unchanged.")
    suspect(is_like(-image), "You changed the sign: black, which is 0, is still 0, and white is now -1, which is darker than black. "
            "Nothing below 0 can be shown. Which number should white become?", **shown)
    suspect(is_like(255 - image, 1e-3), lambda: f"Your pixels lie between {low} and {high}. In a file white is often 255; in this course it is 1.", **shown)
    suspect(is_like(255 * expected, 1e-2), lambda: f"The right way round, but 255 times too large: your brightest pixel is {high}, and white is 1.", **shown)
    suspect(is_like(1 - image / 255) or is_like(expected / 255), "You divided by 255 what was divided already: these pixels run from 0 to 1.", **shown)
    suspect(is_like(image - 1), "You took 1 from each pixel: bright is still brighter than dark, and all of it is below black. "
            "Take the picture from the number, not the number from the picture.", **shown)
    suspect(is_like(image.max() - image), lambda: f"You took {float(image.max()):.2f} for white, the brightest pixel of this one picture. White is 1, "
            "also in a picture that has no white.", **shown)
    suspect(is_like(image.max() + image.min() - image), "You swapped the darkest and the brightest pixel of this one picture. Black and white are the same "
            "for all pictures: 0 and 1.", **shown)
    suspect(any(is_like(image.flip(axes)) for axes in ((1,), (2,), (1, 2))), "You turned or mirrored the picture: its grays only changed places. "
            "In a negative each pixel stays where it is and changes its gray.", **shown)
    suspect(is_like(1 / image, 1e-3), "You divided: 1 / 0.5 is 2, brighter than white, and black would be infinite. Subtract.", **shown)
    suspect(negative.max() == negative.min(), lambda: f"Every pixel came out as {low}: the picture is gone. Clipping cuts off what is too dark or too "
            "bright; it turns nothing round.", **shown)
    suspect(((negative == 0) | (negative == 1)).all(), "Only black and white are left. A negative keeps the grays between them: 0.2 becomes 0.8.", **shown)
    outside = int(((negative < 0) | (negative > 1)).sum())
    expect("stays inside [0, 1]", outside == 0, lambda: f"{outside} of your pixels lie outside [0, 1]; yours run from {low} to {high}.", **shown)
    expect("is the negative of a picture", close(negative, expected), lambda: "This is not the negative yet. Each of these pixels and its negative together "
           "make 1.", points=1, **shown)
    other = random.tensor(3, 6, 5, low=-0.3, high=1.3).clamp(0, 1)
    again = answer(other)
    expect_like(again, other)
    expect("is the negative of another picture, in color", close(again, 1 - other), "Right for the first picture, wrong for the next one: "
           "your function may use its argument only.", points=1, got=again, expected=1 - other)


def disk(random):
    """(1, 16, 16), a bright disk on a dark ground, all of it between 0.1 and 0.9."""
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    inside = (rows - random.uniform(4, 8)) ** 2 + (columns - random.uniform(5, 11)) ** 2 < 16
    return (0.2 + 0.5 * inside + random.tensor(16, 16, low=-0.08, high=0.08))[None]


@right
def from_white(image):
    return torch.ones_like(image) - image


@right
def turned(image):
    return image * -1 + 1


@right
def distance(image):
    negative = torch.empty_like(image)
    for channel in range(len(image)):
        negative[channel] = (image[channel] - 1).abs()
    return negative


@wrong("You changed the sign")
def minus(image):
    return -image


@wrong("In a file white is often 255; in this course it is 1")
def bytes_of_a_file(image):
    return 255 - image


@wrong("The right way round, but 255 times too large")
def as_bytes(image):
    return 255 - 255 * image


@wrong("You divided by 255 what was divided already")
def divided_again(image):
    return (255 - image) / 255


@wrong("Take the picture from the number, not the number from the picture")
def the_other_way(image):
    return image - 1


@wrong("the brightest pixel of this one picture. White is 1")
def from_its_maximum(image):
    return image.max() - image


@wrong("You swapped the darkest and the brightest pixel of this one picture")
def within_its_range(image):
    return image.max() + image.min() - image


@wrong("You turned or mirrored the picture")
def upside_down(image):
    return image.flip(1)


@wrong("You divided: 1 / 0.5 is 2")
def reciprocal(image):
    return 1 / image


@wrong("Only black and white are left")
def threshold(image):
    return (image < 0.5).float()


@wrong("Every pixel came out as 0", "the picture is gone")
def clipped(image):
    return (-image).clamp(0, 1)


@wrong("only implemented on integer")
def bitwise(image):
    return ~image


@wrong("changed its argument `image` in place")
def in_place(image):
    image *= -1
    image += 1
    return image


@wrong("Your function returns nothing")
def forgets_to_return(image):
    negative = 1 - image


@wrong("make 1.")
def half_way(image):
    return 0.95 - image


@wrong("no `if` can ask it")
def asks_if(image):
    if image == 0:
        return 1
    return 0
