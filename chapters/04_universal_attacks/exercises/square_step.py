"""One query of Square Attack for each image: change a square, ask, keep what helps."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 10, 3
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "A safecracker turns one dial, listens, and turns it back if the click was no better. He never looks inside.",
    "Inside its square the candidate is the ORIGINAL image plus epsilon times the sign, clipped; elsewhere it stays what was best so far. "
    "Ask once about all candidates, then decide image by image.",
    "`candidate[window] = (images[window] + epsilon * signs[i]).clamp(0, 1)`; after the loop `found = ask(candidate)`, `better = found < ahead`, "
    "then copy `candidate[better]` into a clone of `best` and take `torch.where(better, found, ahead)`.",
]
after = ("No slope is asked for anywhere, so a defense that only hides slopes changes nothing. What the attack needs is an answer with numbers. If the victim gives "
         "a label alone, decision-based attacks (Brendel et al. 2018) walk along the boundary, with many more queries.")


def square_step(ask, images, best, ahead, epsilon, corners, side, signs):
    """One try at each image, for one query each.

    ask(pictures): shows n pictures, one of each image, to the victim; gives
    (n,), how far the right diagnosis is ahead of the others (<= 0: fooled).
    images: the originals, in [0, 1]; best: the best pictures so far, of the
    same shape; ahead: (n,), what `ask` said about them.
    corners: n pairs (row, column), the upper left of each square; side.
    signs: (n, channels, 1, 1), +1 or -1 for each square and channel.
    In the square a picture is its original plus epsilon * sign, in [0, 1];
    elsewhere it is as in `best`. Keep it only if it is less far ahead.
    Returns (best, ahead) after that, new tensors. torch.where(yes, a, b)
    chooses; for whole pictures, of n answers yes, yes[:, None, None, None].
    """
    candidate = best.clone()
    for i, (row, column) in enumerate(corners):
        window = (i, slice(None), slice(row, row + side),
                  slice(column, column + side))      # candidate[window]
        # BEGIN SOLUTION
        candidate[window] = (images[window] + epsilon * signs[i]).clamp(0, 1)
    found = ask(candidate)
    better = found < ahead
    best = best.clone()
    best[better] = candidate[better]
    return best, torch.where(better, found, ahead)
    # END SOLUTION


class Counter:
    """A victim that is a weighted sum of the pixels, and counts the pictures it is shown."""

    def __init__(self, weights, bias):
        self.weights, self.bias, self.shown, self.together = weights, bias, 0, True

    def __call__(self, pictures):
        self.shown += len(pictures)
        self.together = self.together and len(pictures) == 6
        return (pictures * self.weights).flatten(1).sum(1) + self.bias


def setting(random):
    """Six pictures of two channels in the middle of an attack. Half of the candidates are better, half are not; some originals are nearly black or white."""
    n, channels, pixels, side, epsilon = 6, 2, 8, random.choice([3, 4]), random.choice([0.05, 0.08])
    images = random.tensor(n, channels, pixels, pixels, low=-0.4, high=1.4).clamp(0, 1)
    old = torch.where(random.tensor(n, channels, pixels, pixels) < 0.5, -1.0, 1.0)
    best = (images + epsilon * old).clamp(0, 1)
    while True:
        ask = Counter(random.tensor(1, channels, pixels, pixels, low=-1, high=1), 3.0)
        corners = [(random.randrange(pixels - side + 1), random.randrange(pixels - side + 1)) for _ in range(n)]
        signs = torch.where(random.tensor(n, channels, 1, 1) < 0.5, -1.0, 1.0)
        ahead = ask(best)
        candidate = best.clone()
        for k in range(n):
            for c in range(channels):
                for y in range(corners[k][0], corners[k][0] + side):
                    for x in range(corners[k][1], corners[k][1] + side):
                        candidate[k, c, y, x] = min(1.0, max(0.0, float(images[k, c, y, x]) + epsilon * float(signs[k, c, 0, 0])))
        found = ask(candidate)
        better = [bool(found[k] < ahead[k]) for k in range(n)]
        fooled = [bool(lead <= 0) for lead in found]
        # Clear cases only, and as many of one kind as of the other, so that one decision for all is wrong for some; "fooled" is another question than "better".
        if any(fooled) and any(b and not f for b, f in zip(better, fooled)) and not all(fooled) and sum(better) == 3 and (found - ahead).abs().min() > 0.02 and (images - candidate).abs().amax() <= epsilon + 1e-6:
            break
    ask.shown, ask.together = 0, True
    wanted = torch.stack([candidate[k] if better[k] else best[k] for k in range(n)])
    return (ask, images, best, ahead, epsilon, corners, side, signs), candidate, found, torch.tensor(better), wanted


def check(answer, random):
    """Andriushchenko et al. 2020, algorithms 1 and 2, with the square, its place and its sign given; the victim is a weighted sum, counted in a plain loop."""
    seen = []
    for _ in range(2):
        arguments, candidate, found, better, wanted = setting(random)
        ask, images, best, ahead, epsilon, corners, side, signs = arguments
        result = answer(*arguments)
        expect_like(result, (best, ahead))
        pictures, leads = result
        n, shown, together = len(images), ask.shown, ask.together

        def is_this(other):
            return close(pictures, other, 1e-5)

        def where(rows, one, other):
            return torch.where(rows[:, None, None, None], one, other)

        only_square = images.clone()
        inside = torch.zeros(n, 1, *images.shape[2:], dtype=torch.bool)
        for k, (row, column) in enumerate(corners):
            inside[k, :, row:row + side, column:column + side] = True
        only_square = torch.where(inside, candidate, images)
        added = torch.where(inside, (best + epsilon * signs).clamp(0, 1), best)
        free = torch.where(inside, images + epsilon * signs, best)
        suspect(shown == 0, "The victim was never asked.")
        suspect(shown > n, lambda: f"The victim was shown {shown} pictures; one query for each of the {n} images is enough. What it said about `best` is in `ahead`.")
        suspect(not together, "Finish all candidates first, then ask once about all of them together: `ask` takes one picture of each image.")
        suspect(is_this(candidate), "You keep every candidate. Keep one only where the right diagnosis is less far ahead than before.")
        suspect(is_this(where(~better, candidate, best)), "You keep the candidates that made it worse for the attacker: the lead of the right diagnosis should fall.")
        suspect(float((pictures - images).abs().max()) > epsilon + 1e-4 or is_this(added) or is_this(where(ask(added) < ahead, added, best)),
                "The square was added to what `best` has there. Squares that meet then add up beyond epsilon: start from the original in `images`.")
        suspect(is_this(only_square) or is_this(where(ask(only_square) < ahead, only_square, best)),
                "Outside the square the candidate went back to the original: what earlier queries won is lost.")
        suspect(bool(((pictures < 0) | (pictures > 1)).any()) or is_this(where(ask(free) < ahead, free, best)),
                "Some pixels leave [0, 1]: no file can hold them. Clip the square.")
        suspect(is_this(where(found <= 0, candidate, best)),
                "You keep a candidate only where the victim is fooled outright. A smaller lead is progress, too: the next squares build on it.")
        suspect(is_this(best), "Nothing was kept, although some candidates are better: decide for each image by itself, not for all at once.")
        suspect(is_this(wanted) and (close(leads, ahead) or close(leads, found)), lambda: "The pictures are right. The leads must belong to the pictures that you return: "
                "the new one where you kept the candidate, the old one elsewhere.")
        seen.append((pictures, leads, wanted, torch.where(better, found, ahead), inside, candidate, best))
    expect("stays as it was outside the square", all(bool(torch.where(inside, best, got).sub(best).abs().max() < 1e-6) for got, _, _, _, inside, _, best in seen),
           "Outside its square a picture has changed.")
    expect("keeps a candidate where it helps, and only there", all(close(got, wanted, 1e-5) for got, _, wanted, *_ in seen),
           "The pictures are not right yet: look at one image and one square.", points=2, got=seen[0][0], expected=seen[0][2])
    expect("returns the lead of each picture it keeps", all(close(leads, wanted, 1e-4) for _, leads, _, wanted, *_ in seen),
           "The leads are not those of the pictures.", points=2, got=seen[0][1], expected=seen[0][3])


@right
def with_a_mask(ask, images, best, ahead, epsilon, corners, side, signs):
    rows, columns = torch.arange(images.shape[2])[:, None], torch.arange(images.shape[3])
    inside = torch.stack([(rows >= r) & (rows < r + side) & (columns >= c) & (columns < c + side) for r, c in corners])[:, None]
    tried = torch.where(inside, torch.clamp(images + signs * epsilon, 0, 1), best)
    said = ask(tried)
    return torch.where((said < ahead)[:, None, None, None], tried, best), torch.minimum(said, ahead)


@right
def decides_in_a_loop(ask, images, best, ahead, epsilon, corners, side, signs):
    pictures, leads = list(best.clone()), ahead.tolist()
    trial = best.clone()
    for image, new, (row, column), sign in zip(images, trial, corners, signs):
        place = (slice(None), slice(row, row + side), slice(column, column + side))
        new[place] = (image[place] + epsilon * sign).clip(0, 1)
    for k, said in enumerate(ask(trial).tolist()):
        if said < leads[k]:
            pictures[k], leads[k] = trial[k], said
    return torch.stack(pictures), torch.tensor(leads)


def tried(start, base, epsilon, corners, side, signs, clip=True):
    """A wrong answer's candidates: squares on `base`, the rest from `start`."""
    new = start.clone()
    for k, (r, c) in enumerate(corners):
        square = base[k, :, r:r + side, c:c + side] + epsilon * signs[k]
        new[k, :, r:r + side, c:c + side] = square.clamp(0, 1) if clip else square
    return new


def keep(better, new, best):
    return torch.where(better[:, None, None, None], new, best)


@wrong("The square was added to what `best` has there")
def adds_up(ask, images, best, ahead, epsilon, corners, side, signs):
    new = tried(best, best, epsilon, corners, side, signs)
    said = ask(new)
    return keep(said < ahead, new, best), torch.minimum(said, ahead)


@wrong("Clip the square")
def no_clip(ask, images, best, ahead, epsilon, corners, side, signs):
    new = tried(best, images, epsilon, corners, side, signs, clip=False)
    said = ask(new)
    return keep(said < ahead, new, best), torch.minimum(said, ahead)


@wrong("what earlier queries won is lost")
def starts_over(ask, images, best, ahead, epsilon, corners, side, signs):
    new = tried(images, images, epsilon, corners, side, signs)
    said = ask(new)
    return keep(said < ahead, new, best), torch.minimum(said, ahead)


@wrong("You keep every candidate")
def keeps_all(ask, images, best, ahead, epsilon, corners, side, signs):
    new = tried(best, images, epsilon, corners, side, signs)
    return new, ask(new)


@wrong("made it worse for the attacker")
def wrong_way(ask, images, best, ahead, epsilon, corners, side, signs):
    new = tried(best, images, epsilon, corners, side, signs)
    said = ask(new)
    return keep(said > ahead, new, best), torch.maximum(said, ahead)


@wrong("only where the victim is fooled outright")
def only_fooled(ask, images, best, ahead, epsilon, corners, side, signs):
    new = tried(best, images, epsilon, corners, side, signs)
    said = ask(new)
    return keep(said <= 0, new, best), torch.where(said <= 0, said, ahead)


@wrong("decide for each image by itself")
def all_or_nothing(ask, images, best, ahead, epsilon, corners, side, signs):
    new = tried(best, images, epsilon, corners, side, signs)
    said = ask(new)
    return (new, said) if bool((said < ahead).all()) else (best.clone(), ahead.clone())


@wrong("one query for each of the 6 images is enough")
def asks_twice(ask, images, best, ahead, epsilon, corners, side, signs):
    new = tried(best, images, epsilon, corners, side, signs)
    better = ask(new) < ask(best)
    best = keep(better, new, best)
    return best, torch.where(better, ask(new), ahead)


@wrong("The leads must belong to the pictures")
def old_leads(ask, images, best, ahead, epsilon, corners, side, signs):
    new = tried(best, images, epsilon, corners, side, signs)
    return keep(ask(new) < ahead, new, best), ahead.clone()


@wrong("Finish all candidates first")
def asks_in_the_loop(ask, images, best, ahead, epsilon, corners, side, signs):
    new, found = best.clone(), ahead.clone()
    for k, (r, c) in enumerate(corners):
        new[k] = tried(best[k:k + 1], images[k:k + 1], epsilon, [(r, c)], side, signs[k:k + 1])[0]
        found[k] = ask(new[k:k + 1])[0]
    return keep(found < ahead, new, best), torch.minimum(found, ahead)


@wrong("The victim was never asked")
def never_asks(ask, images, best, ahead, epsilon, corners, side, signs):
    return tried(best, images, epsilon, corners, side, signs), ahead.clone()


@wrong("Expected a tuple of 2 values")
def only_pictures(ask, images, best, ahead, epsilon, corners, side, signs):
    new = tried(best, images, epsilon, corners, side, signs)
    return keep(ask(new) < ahead, new, best)
