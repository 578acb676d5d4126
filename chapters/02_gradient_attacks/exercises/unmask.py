"""Unmask an evaluation: three ways to report too much robust accuracy, told from what the bench hands over."""
import torch

from medcrypt_lab import models
from medcrypt_lab.exercises import expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 9, 3
WORDS = ("counting", "masked", "weak", "honest")
hints = [
    "The bench claims a figure, and hands over its pictures. First count them yourself. Then look at those that are still right: did it even try?",
    "`theirs.float().mean().item()` is the figure that its pictures deserve. `(attacked == images).flatten(1).all(1)` says which pictures came back "
    "untouched; `&` with `theirs` leaves those that are still right. And `sum()` counts who survived which attack.",
    "`if abs(reported - ...) > 0.001: return \"counting\"`; `if (theirs & untouched).any(): return \"masked\"`; `if mine.sum() < ...: return \"weak\"`.",
]
after = ("None of the three questions needs the vendor's code. All need the attacked pictures: a robustness figure without them cannot be checked.")


def unmask(model, images, labels, reported, attacked, own):
    """What is wrong with a robust accuracy that somebody reports?

    reported: the robust accuracy claimed, of all images; attacked: the
    pictures that it rests on; own: the same images attacked by you, within
    the same budget. Returns the first of these that is true:
      "counting": reported is off by more than 0.001 from what `attacked`
                  gives;
      "masked": a picture is still right, and is exactly as it was: the
                attack did not move it;
      "weak": fewer images survive your own attack than theirs;
      "honest": none of it.
    x.flatten(1).all(1): one true or false a picture: all of it true?
    x.any(): is one of them true?
    """
    def survivors(changed):
        """True where the model is right before and after: (n,)."""
        before = model(images).argmax(1) == labels
        return before & (model(changed).argmax(1) == labels)

    theirs, mine = survivors(attacked), survivors(own)
    # BEGIN SOLUTION
    if abs(reported - theirs.float().mean().item()) > 0.001:
        return "counting"
    untouched = (attacked == images).flatten(1).all(1)
    if (theirs & untouched).any():
        return "masked"
    if mine.sum() < theirs.sum():
        return "weak"
    return "honest"
    # END SOLUTION


class Case:
    """Images of which the model gets some right, and what a bench hands over. right, theirs, mine: who is right before, after the bench's attack, after
    one's own; still: which pictures the bench returns as they were; of: how the bench counts."""

    def __init__(self, random, wanted, theirs, mine, still=(), counted=None, n=12, first=9, moved=0.0):
        self.model, self.wanted = models.make("linear", classes=2, size=4), wanted
        self.pixels = random.sample(range(16), 2)
        with torch.no_grad():
            self.model[1].weight.zero_()
            self.model[1].bias.zero_()
            self.model[1].weight[range(2), self.pixels] = 10
        self.labels, n_right = torch.tensor([random.randrange(2) for _ in range(n)]), torch.arange(n) < first
        place = random.sample(range(n), n)

        def draw(hit):
            images = random.tensor(n, 1, 4, 4, low=0.1, high=0.5)
            images.reshape(n, 16)[torch.arange(n), torch.tensor(self.pixels)[torch.where(hit, self.labels, 1 - self.labels)]] = 0.9
            return images

        def rows(numbers):
            return torch.isin(torch.arange(n), torch.tensor(sorted(numbers)))

        self.images, self.attacked, self.own = draw(n_right), draw(rows(theirs)), draw(rows(mine))
        keep = rows(still)
        self.attacked[keep] = self.images[keep]
        spare = next(i for i in range(16) if i not in self.pixels)
        if moved:                       # barely moved, in one pixel
            self.attacked[keep, 0, spare // 4, spare % 4] += moved
        survive = (n_right & rows(theirs)).sum().item()
        self.reported = survive / n if counted is None else counted
        self.survive, self.first, self.n, self.after = survive, first, n, len(set(theirs))
        for name in ("images", "attacked", "own", "labels"):
            setattr(self, name, getattr(self, name)[place])

    def ask(self, answer):
        word = answer(self.model, self.images, self.labels, self.reported, self.attacked, self.own)
        expect_like(word, "honest")
        suspect(word not in WORDS, lambda: f'Return one of {", ".join(WORDS)}, spelled so; you returned "{word[:20]}".')
        return word


def check(answer, random):
    """Planned benches, honest and tampered; images 0 to 8 of 12 are right before. Each word is asked for and refused at least twice."""
    def case(wanted, theirs, mine, **more):
        return Case(random, wanted, theirs, mine, **more)

    honest = case("honest", [0, 1, 2], [0, 1, 2])
    stronger = case("honest", [0, 1], [0, 1, 2, 3])
    other = case("honest", [0, 1, 2], [5, 6, 7])                    # as many survive, but others
    mended = case("honest", [0, 1, 2, 9, 10], [0, 1, 2])            # two that were wrong come out right by accident
    lazy = case("honest", [0, 1], [0, 1], still=[9, 10, 11])        # leaves alone what is wrong already
    barely = case("honest", [0, 1], [0, 1], still=[0, 1], moved=.004)
    round_off = case("honest", [0, 1, 2], [0, 1, 2], counted=.2504)
    over_right = case("counting", [0, 1, 2], [0, 1, 2], counted=3 / 9)
    average = case("counting", [0, 1], [0, 1], counted=.5)
    lower = case("counting", [0, 1, 2], [0, 1, 2], counted=.1)
    after_only = case("counting", [0, 1, 2, 9, 10], [0, 1, 2], counted=5 / 12)
    both = case("counting", range(9), [0], still=range(9), counted=.9)
    masked = case("masked", range(9), [0, 1], still=range(12))
    one = case("masked", [0, 1, 2], [0, 1, 2], still=[1])           # weak for nobody, but one picture was never tried
    slow = case("weak", [0, 1, 2, 3, 4], [0, 1])
    others = case("weak", [0, 1, 2], [7, 8])
    wrong_still = case("weak", [0, 1, 2], [1], still=[9, 10])

    def told(one_case):
        return one_case.ask(answer) == one_case.wanted

    words = {name: each.ask(answer) for name, each in {"honest": honest, "stronger": stronger, "other": other, "mended": mended, "lazy": lazy, "barely": barely,
             "round_off": round_off, "over_right": over_right, "average": average, "lower": lower, "after_only": after_only, "both": both, "masked": masked,
             "one": one, "slow": slow, "others": others, "wrong_still": wrong_still}.items()}
    suspect(len(set(words.values())) == 1, lambda: f'You always say "{words["honest"]}".')
    suspect(words["honest"] == words["stronger"] == "counting" and words["average"] == "honest", "You say counting where the figure fits, and honest where it does not: it is the other way round.")
    suspect(words["honest"] == "counting" and words["over_right"] == "honest", "You recount over the images that were right before. Robust accuracy is of all images.")
    suspect(words["honest"] == "counting", "This figure is what the bench's own pictures give, and you call it miscounted. Recount: the share of all images in `theirs`.")
    suspect(words["round_off"] == "counting", "A figure off by less than 0.001 is rounded, not wrong.")
    suspect(words["lower"] not in ("counting",) and words["average"] == "counting", "A reported figure that is too low is miscounted as well: compare the difference without its sign, abs().")
    suspect(words["over_right"] == "honest" and words["average"] == "honest", "Here the figure is not the one that the pictures give, and you say nothing of it. Recount first.")
    suspect(words["mended"] == "counting" or words["after_only"] == "honest", "You recounted all that are right after the attack. Some were wrong before: `theirs` has those right before and after.")
    suspect(words["both"] != "counting", "This bench miscounts and its attack does not move the pictures. The first that is true counts: ask about the counting first.")
    suspect(words["honest"] == "masked" or words["stronger"] == "masked", "These pictures differ from the images somewhere, and you call them untouched. "
            "A picture is untouched if all of its pixels are the same: `.flatten(1).all(1)`.")
    suspect(words["lazy"] == "masked" or words["wrong_still"] == "masked", "These untouched pictures were wrong before anybody attacked: there was nothing to do. Look at untouched ones that are still right, in `theirs`.")
    suspect(words["barely"] == "masked", "These pictures moved, if only a little. Masked means exactly as they were: `==`, in every pixel.")
    suspect(words["masked"] == "masked" and words["one"] == "honest", "Here one single picture, still right, came back untouched, and that is "
            "enough; you ask for all, or for most. Compare picture by picture, which gives (n,), as `theirs` is; then `.any()`.")
    suspect(words["masked"] == "weak", "Nothing was moved here, which also lets more images survive than yours. The first that is true counts: masked before weak.")
    suspect(words["stronger"] == "weak" and words["slow"] in ("honest", "weak"), "Their attack leaves fewer than yours: it is the stronger one. Weak is the other way round, or you compare with `!=`.")
    suspect(words["other"] == "weak", "Their attack leaves as many as yours, only other ones. Compare how many survive: sums.")
    suspect(words["honest"] == "weak", "Their attack leaves exactly as many as yours. Weak needs fewer survivors on your side: `<`, not `<=`.")
    suspect(words["others"] == "honest" and words["slow"] == "weak", "Here other images survive yours than theirs, but fewer. Compare how many, not whether all of yours are among theirs.")
    expect("tells a miscount from a figure that its pictures give", all(map(told, (honest, round_off, mended, over_right, average, lower, after_only, both))),
           "The counting is not told right yet.", points=1)
    expect("finds pictures that were never moved", all(map(told, (masked, one, lazy, barely))), lambda: f'Untouched pictures are not told right yet: for one bench "masked" is right, '
           f'you said "{words["masked"]}"; for one that left alone what was wrong anyway "honest", you said "{words["lazy"]}".', points=1)
    expect("knows a weak attack by a stronger one", all(map(told, (slow, others, wrong_still, stronger, other))),
           lambda: f'The weak one is not told right yet: you said "{words["slow"]}".', points=1)


@right
def by_numbers(model, images, labels, reported, attacked, own):
    right = model(images).argmax(1) == labels
    still, mine = (right & (model(x).argmax(1) == labels) for x in (attacked, own))
    if not still.sum().item() / len(labels) - 0.001 <= reported <= still.sum().item() / len(labels) + 0.001:
        return "counting"
    largest = (attacked - images).abs().flatten(1).amax(1)
    if (largest[still] == 0).any():
        return "masked"
    return "weak" if still.sum() > mine.sum() else "honest"


@right
def by_loop(model, images, labels, reported, attacked, own):
    kept = [i for i in range(len(labels)) if model(images[[i]]).argmax() == labels[i] == model(attacked[[i]]).argmax()]
    mine = [i for i in range(len(labels)) if model(images[[i]]).argmax() == labels[i] == model(own[[i]]).argmax()]
    found = {"counting": abs(len(kept) / len(labels) - reported) > 0.001,
             "masked": any(torch.equal(images[i], attacked[i]) for i in kept), "weak": len(mine) < len(kept), "honest": True}
    return next(word for word, true in found.items() if true)


@wrong("Robust accuracy is of all images")
def over_the_right(model, images, labels, reported, attacked, own):
    right, after, mine = (model(x).argmax(1) == labels for x in (images, attacked, own))
    if abs(reported - (right & after).sum().item() / right.sum().item()) > 0.001:
        return "counting"
    if (right & after & (attacked == images).flatten(1).all(1)).any():
        return "masked"
    return "weak" if (right & mine).sum() < (right & after).sum() else "honest"


@wrong("you say nothing of it")
def never_returns_it(model, images, labels, reported, attacked, own):
    right, after, mine = (model(x).argmax(1) == labels for x in (images, attacked, own))
    if abs(reported - (right & after).float().mean().item()) > 0.001:
        "counting"
    if (right & after & (attacked == images).flatten(1).all(1)).any():
        return "masked"
    return "weak" if (right & mine).sum() < (right & after).sum() else "honest"


@wrong("is miscounted as well")
def only_too_high(model, images, labels, reported, attacked, own):
    right, after, mine = (model(x).argmax(1) == labels for x in (images, attacked, own))
    if reported > (right & after).float().mean().item() + 0.001:
        return "counting"
    if (right & after & (attacked == images).flatten(1).all(1)).any():
        return "masked"
    return "weak" if (right & mine).sum() < (right & after).sum() else "honest"


@wrong("is rounded, not wrong")
def to_the_last_digit(model, images, labels, reported, attacked, own):
    right, after, mine = (model(x).argmax(1) == labels for x in (images, attacked, own))
    if abs(reported - (right & after).float().mean().item()) > 1e-6:
        return "counting"
    if (right & after & (attacked == images).flatten(1).all(1)).any():
        return "masked"
    return "weak" if (right & mine).sum() < (right & after).sum() else "honest"


@wrong("You recounted all that are right after the attack")
def right_after(model, images, labels, reported, attacked, own):
    right, after, mine = (model(x).argmax(1) == labels for x in (images, attacked, own))
    if abs(reported - after.float().mean().item()) > 0.001:
        return "counting"
    if (right & after & (attacked == images).flatten(1).all(1)).any():
        return "masked"
    return "weak" if (right & mine).sum() < (right & after).sum() else "honest"


@wrong("there was nothing to do")
def any_untouched(model, images, labels, reported, attacked, own):
    right, after, mine = (model(x).argmax(1) == labels for x in (images, attacked, own))
    if abs(reported - (right & after).float().mean().item()) > 0.001:
        return "counting"
    if (attacked == images).flatten(1).all(1).any():
        return "masked"
    return "weak" if (right & mine).sum() < (right & after).sum() else "honest"


@wrong("one single picture, still right")
def all_untouched(model, images, labels, reported, attacked, own):
    right, after, mine = (model(x).argmax(1) == labels for x in (images, attacked, own))
    if abs(reported - (right & after).float().mean().item()) > 0.001:
        return "counting"
    if torch.equal(attacked, images):
        return "masked"
    return "weak" if (right & mine).sum() < (right & after).sum() else "honest"


@wrong("you call them untouched")
def any_pixel(model, images, labels, reported, attacked, own):
    right, after, mine = (model(x).argmax(1) == labels for x in (images, attacked, own))
    if abs(reported - (right & after).float().mean().item()) > 0.001:
        return "counting"
    if (right & after & (attacked == images).flatten(1).any(1)).any():
        return "masked"
    return "weak" if (right & mine).sum() < (right & after).sum() else "honest"


@wrong("masked before weak")
def weak_first(model, images, labels, reported, attacked, own):
    right, after, mine = (model(x).argmax(1) == labels for x in (images, attacked, own))
    if abs(reported - (right & after).float().mean().item()) > 0.001:
        return "counting"
    if (right & mine).sum() < (right & after).sum():
        return "weak"
    return "masked" if (right & after & (attacked == images).flatten(1).all(1)).any() else "honest"


@wrong("it is the stronger one")
def turned_round(model, images, labels, reported, attacked, own):
    right, after, mine = (model(x).argmax(1) == labels for x in (images, attacked, own))
    if abs(reported - (right & after).float().mean().item()) > 0.001:
        return "counting"
    if (right & after & (attacked == images).flatten(1).all(1)).any():
        return "masked"
    return "weak" if (right & mine).sum() > (right & after).sum() else "honest"


@wrong("only other ones")
def other_images(model, images, labels, reported, attacked, own):
    right, after, mine = (model(x).argmax(1) == labels for x in (images, attacked, own))
    if abs(reported - (right & after).float().mean().item()) > 0.001:
        return "counting"
    if (right & after & (attacked == images).flatten(1).all(1)).any():
        return "masked"
    return "weak" if (right & after & ~mine).any() and (right & mine).sum() <= (right & after).sum() else "honest"


@wrong("`<`, not `<=`")
def at_most(model, images, labels, reported, attacked, own):
    right, after, mine = (model(x).argmax(1) == labels for x in (images, attacked, own))
    if abs(reported - (right & after).float().mean().item()) > 0.001:
        return "counting"
    if (right & after & (attacked == images).flatten(1).all(1)).any():
        return "masked"
    return "weak" if (right & mine).sum() <= (right & after).sum() and bool((right & mine).eq(right & after).all()) else "honest"


@wrong("spelled so")
def in_other_words(model, images, labels, reported, attacked, own):
    right, after = (model(x).argmax(1) == labels for x in (images, attacked))
    return "fine" if abs(reported - (right & after).float().mean().item()) < 0.001 else "miscounted"
