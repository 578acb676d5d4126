"""A test that finds a bug: does a loss change when the same number is added to all logits?"""
import torch

from medcrypt_lab.exercises import expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 8, 2
hints = [
    "A scale that shows the same weight with and without a bag is broken. What do you weigh twice here, and what is the bag?",
    "Compute f once as it is, and again with the offset added to ALL logits. Rounding moves it by a millionth, a bug by more than a thousandth. "
    "One image is enough to convict, and so is one of the two directions.",
    "`before = f(logits, labels)`; `for offset in (-20.0, 20.0):` `change = (f(logits + offset, labels) - before).abs()`; `if change.max() > ...: return True`; "
    "after the loop, `return False`.",
]
after = ("You tested software without knowing one right answer, from a relation alone that must hold between two runs: a metamorphic test. It needs no label, "
         "no other library, and works on a whole attack as well as on a loss.")


def feels_offset(f, logits, labels):
    """Does f change when the same number is added to all logits?

    f(logits, labels): any loss, one number an image, (n,).
    logits: float (n, classes); labels: (n,) int64.
    Try the offsets -20 and 20. A change of up to 0.001 is rounding.
    Returns True or False: did any image's f change by more?
    x.abs() and x.max() are at hand; bool(...) makes a plain True or False.
    """
    # BEGIN SOLUTION
    before = f(logits, labels)
    for offset in (-20.0, 20.0):
        change = (f(logits + offset, labels) - before).abs()
        if change.max() > 0.001:
            return True
    return False
    # END SOLUTION


def lead(logits, labels):
    """The honest margin."""
    return logits.scatter(1, labels[:, None], -torch.inf).amax(1) - logits.gather(1, labels[:, None])[:, 0]


def softmax_loss(logits, labels):
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none")


def masked_by_zero(logits, labels):
    """Feels the way down only, as long as the scores are positive."""
    return logits.scatter(1, labels[:, None], 0.0).amax(1) - logits.gather(1, labels[:, None])[:, 0]


def cut_at_ten(logits, labels):
    """Feels the way up only."""
    return lead(logits.clamp(max=10), labels)


def one_image(logits, labels):
    """Only the last image feels it."""
    result = lead(logits, labels)
    return torch.cat([result[:-1], result[-1:] + logits[-1:].mean(1) / 10])


def one_image_a_little(logits, labels):
    """Only the first image feels it, by 0.004."""
    result = lead(logits, labels)
    return torch.cat([result[:1] + logits[:1].mean(1) / 5000, result[1:]])


def up_and_down(logits, labels):
    """Half of the images feel it upwards, half downwards: the mean does not move."""
    signs = 1.0 - 2 * (torch.arange(len(labels)) % 2)
    return lead(logits, labels) + signs * logits.mean(1) / 10


def a_little(logits, labels):
    """By a fiftieth of a point."""
    return lead(logits, labels) + logits.mean(1) / 1000


def check(answer, random):
    """Eight losses: two that do not feel an offset beyond rounding, and six that do, each in its own way."""
    logits = random.tensor(6, 3, low=1, high=5)
    labels = torch.tensor([random.randrange(3) for _ in range(6)])
    result = answer(masked_by_zero, logits, labels)
    suspect(torch.is_tensor(result) and result.numel() == 1, "That is a tensor with one answer: bool(...) makes a plain True or False of it.")
    suspect(torch.is_tensor(result), "You answer for each image. One verdict on f is asked for: did ANY image change?")
    expect_like(result, True)
    said = {f.__name__: answer(f, logits, labels) for f in (lead, softmax_loss, masked_by_zero, cut_at_ten, one_image, up_and_down, a_little,
                                                       one_image_a_little)}
    for verdict in said.values():
        expect_like(verdict, True)
    felt = [name for name, verdict in said.items() if verdict]
    suspect(felt == ["lead", "softmax_loss"], "Your answers are the wrong way round: True means that f feels the offset, so that it is broken.")
    suspect(len(felt) == 8, "You call every loss broken, an honest margin too. Either rounding was enough for you (only a change above 0.001 counts), "
            "or the offset did not go to ALL logits.")
    suspect(not felt, "You call no loss broken, not even one whose scores were cut. Is the offset added before f is called, and is its result compared?")
    suspect("masked_by_zero" in felt and "cut_at_ten" not in felt, "You missed a loss that goes wrong only when scores rise. Try 20 as well as -20.")
    suspect("masked_by_zero" not in felt and "cut_at_ten" in felt, "You missed a loss that goes wrong only when all scores fall below 0. Try -20 as well as 20.")
    suspect("up_and_down" not in felt and "one_image" in felt, "You missed a loss that rises for some images and falls for others: a sum, or a mean, hides that. "
            "Take the size of each change first.")
    suspect("one_image" not in felt and "up_and_down" in felt, "You missed a loss that goes wrong for one image only. One is enough: ask for the largest change.")
    suspect("a_little" not in felt and "one_image" in felt, "You missed a loss that changes by 0.02. Rounding is far smaller: anything above 0.001 counts.")
    suspect("one_image_a_little" not in felt and "a_little" in felt, "You missed a loss that changes by 0.004, and for one image alone: a mean over the images thins that out. "
            "Ask for the largest change.")
    caught = [name for name in felt if name not in ("lead", "softmax_loss")]
    expect("acquits two honest losses", "lead" not in felt and "softmax_loss" not in felt, "You call an honest loss broken: its change is only rounding.")
    expect("convicts six broken ones", len(caught) == 6, f"You found {len(caught)} of six broken losses.", points=3)
    low = answer(masked_by_zero, -logits, labels), answer(lead, -logits, labels), answer(cut_at_ten, logits + 10, labels)
    expect("whatever the scores are to begin with", low == (True, False, True), "With scores that are all negative, or all large, to begin with, you judge otherwise.", points=1)


@right
def all_close(f, logits, labels):
    before = f(logits, labels)
    return not all(torch.allclose(f(logits + offset, labels), before, rtol=0, atol=0.001) for offset in (-20, 20))


@right
def largest_of_both(f, logits, labels):
    up, down = f(logits + 20, labels), f(logits - 20, labels)
    here = f(logits, labels)
    return max((up - here).abs().max().item(), (down - here).abs().max().item()) > 1e-3


@wrong("Try 20 as well as -20")
def down_alone(f, logits, labels):
    return bool((f(logits - 20, labels) - f(logits, labels)).abs().max() > 0.001)


@wrong("Try -20 as well as 20")
def up_alone(f, logits, labels):
    return bool((f(logits + 20, labels) - f(logits, labels)).abs().max() > 0.001)


@wrong("an honest margin too")
def bit_by_bit(f, logits, labels):
    before = f(logits, labels)
    return not (torch.equal(f(logits + 20, labels), before) and torch.equal(f(logits - 20, labels), before))


@wrong("a sum, or a mean, hides that")
def of_the_mean(f, logits, labels):
    before = f(logits, labels).mean()
    return any(bool((f(logits + offset, labels).mean() - before).abs() > 0.001) for offset in (-20, 20))


@wrong("wrong way round")
def is_it_sound(f, logits, labels):
    before = f(logits, labels)
    return all(torch.allclose(f(logits + offset, labels), before, rtol=0, atol=0.001) for offset in (-20, 20))


@wrong("for one image only")
def every_image_must(f, logits, labels):
    before = f(logits, labels)
    return any(bool(((f(logits + offset, labels) - before).abs() > 0.001).all()) for offset in (-20, 20))


@wrong("thins that out")
def mean_of_the_sizes(f, logits, labels):
    here = f(logits, labels)
    sizes = [(f(logits + offset, labels) - here).abs().mean() for offset in (20, -20)]
    return max(sizes).item() > 0.001


@wrong("You answer for each image")
def an_answer_each(f, logits, labels):
    before = f(logits, labels)
    return ((f(logits - 20, labels) - before).abs() > 0.001) | ((f(logits + 20, labels) - before).abs() > 0.001)


@wrong("not even one whose scores were cut")
def added_to_the_result(f, logits, labels):
    before = f(logits, labels)
    return any(bool((f(logits, labels) + offset - before - offset).abs().max() > 0.001) for offset in (-20, 20))


@wrong("a tensor with one answer")
def not_a_plain_bool(f, logits, labels):
    before = f(logits, labels)
    return (f(logits - 20, labels) - before).abs().max() + (f(logits + 20, labels) - before).abs().max() > 0.001


@wrong("a loss that changes by 0.02")
def generous(f, logits, labels):
    before = f(logits, labels)
    return any(bool((f(logits + offset, labels) - before).abs().max() > 0.1) for offset in (-20, 20))
