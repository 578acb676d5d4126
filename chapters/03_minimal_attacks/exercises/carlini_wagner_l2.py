"""C&W-L2: the shortest change that wins by a lead of kappa, by Adam on an unbounded w and a binary search on c."""
import itertools

import numpy as np
import torch

from medcrypt_lab import models
from medcrypt_lab.exercises import close, contract, expect, expect_like, linear_classifier, right, suspect, uses, wrong

points, minutes, difficulty = 5, 12, 4
next_c = uses("minimal_attacks.next_c")
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "At every step Adam stands at x. Ask two things of each image: how far is x from it, and does x win by more than kappa? What do you write down, and when? "
    "And what shall Adam make small?",
    "Write x down where it wins AND is closer than `nearest`, over all values of c; note separately where it won with this c. Adam's loss is the squared distance "
    "plus c times f, and f stops falling at -kappa.",
    "`distance = (x - images).square().flatten(1).sum(1)`; `lead = margin(model(x), labels)`; `success |= lead > kappa`; `closer = ... & ...`; "
    "`best[closer], nearest[closer] = x.detach()[closer], distance.detach()[closer]`; `loss = distance + c * (-lead).clamp(min=-kappa)`.",
]
after = ("This was the attack that ended defensive distillation, a defense many had believed in. Nothing in it is random, and nothing asks how large a change is "
         "allowed: it answers how small one can be.")


def carlini_wagner_l2(model, images, labels, c=0.1, searches=5, steps=60,
                      learning_rate=0.01, kappa=0.0):
    """The closest images found that the model gets wrong by over kappa.

    images: (n, channels, height, width) in [0, 1]; labels: (n,) int64.
    c: the first price of f; searches: how many values of c, each with
    so many steps of Adam. Returns images: of all points visited the
    closest success; where there was none, the image itself.

    In the inner loop, for each image by itself, compute
      distance: (n,), the squared L2 length of x - images;
      lead: (n,), the margin of the model's scores of x;
    write down
      best, nearest: x and its distance, where it is a success (lead above
        kappa) and closer than the nearest one so far;
      success: True also where x is a success;
      loss: (n,), distance + c * f, where f = max(-lead, -kappa).
    y.clamp(min=m) is max(y, m); a[where] = b[where] copies where True;
    y.detach() is y without its history: best and nearest need that.
    """
    n = len(images)
    best, nearest = images.clone(), torch.full((n,), torch.inf)
    low, high = torch.zeros(n), torch.full((n,), torch.inf)
    c = torch.full((n,), float(c))
    for _ in range(searches):
        w = torch.atanh(0.999999 * (2 * images - 1)).requires_grad_(True)
        adam = torch.optim.Adam([w], learning_rate)
        success = torch.zeros(n, dtype=torch.bool)
        for _ in range(steps):
            x = (torch.tanh(w) + 1) / 2
            # BEGIN SOLUTION
            distance = (x - images).square().flatten(1).sum(1)
            scores = model(x)
            other = scores.scatter(1, labels[:, None], -torch.inf).amax(1)
            lead = other - scores.gather(1, labels[:, None])[:, 0]
            closer = (lead > kappa) & (distance < nearest)
            best[closer], nearest[closer] = x.detach()[closer], distance.detach()[closer]
            success |= lead > kappa
            loss = distance + c * (-lead).clamp(min=-kappa)
            # END SOLUTION
            w.grad = torch.autograd.grad(loss.sum(), w)[0]
            adam.step()
        low, high, c = next_c(success, low, high, c)
    return best


SETTINGS = {"c": .1, "searches": 5, "steps": 22, "learning_rate": .05}
KAPPA = .05
ALREADY, ATTACKED = 2, [0, 1, 3, 4]         # the image that is wrong before the attack, whose slopes are only rounding; and the others


def scene(random, kappa=0.0, pool=48):
    """A linear model of two classes with small weights, so that c = 1 is too cheap, and images well inside the box, of which one is wrong already. Of a pool of images
    those are taken on which the mistakes of `search` show, so that no two of them give the same norms.
    -> model, images, labels, the exact distance of each to where it loses by kappa, what `search` says, and the length of the lead's slope."""
    while True:
        model = models.make("linear", classes=2, size=4)
        with torch.no_grad():
            model[1].weight.copy_(random.tensor(2, 16, low=-.1, high=.1))
            model[1].bias.zero_()
            slope = model[1].weight[1] - model[1].weight[0]
            length, exact = float(slope.norm()), random.tensor(pool, low=.25, high=.4)
            images, labels = random.tensor(pool, 1, 4, 4, low=.4, high=.6), torch.arange(pool) % 2
            away = (2 * labels - 1.0) * torch.where(torch.arange(pool) == 0, -1, 1)             # on which side the image lies; the first lies on the wrong one
            images += ((away * exact * length - model(images) @ torch.tensor([-1.0, 1.0])) / length ** 2)[:, None, None, None] * slope.reshape(4, 4)
        exact = torch.where(torch.arange(pool) == 0, 0.0, exact + kappa / length)
        ends = search(model, images, labels, kappa, WITH_KAPPA if kappa else MISTAKES)
        fit = (ends["honest"] <= 1.045 * exact) & (kappa > 0 or ends["no price"] < 1e-4) & ((images - .5).abs().flatten(1).amax(1) < .4)
        fit[0] = False
        apart = torch.stack([(ends[one] - ends[other]).abs() >= .006 for one, other in itertools.combinations(ends, 2)])
        taken, alike = [], torch.ones(len(apart), dtype=torch.bool)
        for _ in ATTACKED:          # the image that tells the most pairs apart which nothing told apart before
            taken.append(int(((apart & alike[:, None]).sum(0) * fit + .5 * fit).argmax()))
            alike, fit[taken[-1]] = alike & ~apart[:, taken[-1]], False
        taken.insert(ALREADY, 0)
        images, labels, exact, ends = images[taken], labels[taken], exact[taken], {way: norms[taken] for way, norms in ends.items()}
        together = search(model, images, labels, kappa, ["all together"])
        others = [norms[ATTACKED] for norms in ends.values()]
        if not alike.any() and len(set(taken)) == 5 and all(float((together["all together"][ATTACKED] - other).abs().max()) >= .006 for other in others):
            return model, images, labels, exact, {**ends, **together}, length


# How the search in numpy is made to err: one way each. The first, "honest", does not. "all together" depends on who else is there, so it is asked for later.
MISTAKES = ["honest", "never told", "told at the end", "told when closer", "keeps the last", "keeps the first", "never flat", "no distance", "no price"]
WITH_KAPPA = ["honest", "flat from 0", "flat from the label's lead"]


def search(model, images, labels, kappa, ways):
    """The oracle, in numpy and float64, for two classes of a linear model: erring in each of these ways. -> way: norms, 0 where nothing was found."""

    def errs(*names):
        return np.array([[way in names] for way in ways])           # (ways, 1)

    weight, bias = model[1].weight.detach().double().numpy(), model[1].bias.detach().double().numpy()
    slope, constant, steps, rate = weight[1] - weight[0], bias[1] - bias[0], SETTINGS["steps"], SETTINGS["learning_rate"]
    side, start, shape = 1 - 2 * labels.numpy(), images.flatten(1).double().numpy(), (len(ways), len(images))
    cut_at = np.where(errs("never flat"), np.inf, kappa * np.where(errs("flat from 0"), 0, np.where(errs("flat from the label's lead"), -1, 1)))
    pull = np.where(errs("no distance"), 0, np.where(errs("all together"), len(images), 1))[:, :, None]
    together, last, first_only, no_price = errs("all together"), errs("keeps the last"), errs("keeps the first"), errs("no price")
    when_closer, at_the_end, told = errs("told when closer"), errs("told at the end"), ~errs("never told")
    low, high, c = np.zeros(shape), np.full(shape, np.inf), np.full(shape, SETTINGS["c"])
    nearest, norms = np.full(shape, np.inf), np.zeros(shape)
    for _ in range(SETTINGS["searches"]):
        w, success = np.tile(np.arctanh(.999999 * (2 * start - 1)), (len(ways), 1, 1)), np.zeros(shape, bool)
        first, second = np.zeros_like(w), np.zeros_like(w)
        for step in range(1, steps + 1):
            x = (np.tanh(w) + 1) / 2
            lead, own = side * (x @ slope + constant), ((x - start) ** 2).sum(2)
            far = np.where(together, own.sum(1, keepdims=True), own)
            won = lead > kappa
            closer = won & np.where(first_only, np.isinf(nearest), (far < nearest) | last)
            nearest, norms = np.where(closer, far, nearest), np.where(closer, np.sqrt(own), norms)
            success = (success & ~at_the_end | np.where(when_closer, closer, won)) & told
            push = np.where(no_price, 1, c) * -side * (lead < cut_at)
            gradient = (2 * pull * (x - start) + push[:, :, None] * slope) * 2 * x * (1 - x)
            first, second = .9 * first + .1 * gradient, .999 * second + .001 * gradient ** 2
            w = w - rate * (first / (1 - .9 ** step)) / (np.sqrt(second / (1 - .999 ** step)) + 1e-8)
        low, high = np.where(success, low, c), np.where(success, c, high)
        c = np.where(np.isinf(high), 10 * c, (low + np.where(np.isinf(high), 0, high)) / 2)
    return {way: torch.tensor(row).float() for way, row in zip(ways, norms)}


def leads(model, changed, labels):
    """By how much the wrong one of two classes is ahead."""
    with torch.no_grad():
        return (model(changed) @ torch.tensor([-1.0, 1.0])) * (1 - 2 * labels)


def check(answer, random):
    """Carlini and Wagner 2017, section VI.A, on linear models, where the distance to the boundary is known. A search in numpy, written apart and made to err on
    purpose, recognizes mistakes. Then the contract of minimal attacks."""
    model, images, labels, exact, ends, length = scene(random)
    result = answer(model, images, labels, **SETTINGS)
    expect_like(result, images)
    norms, lead = (result - images).flatten(1).norm(dim=1), leads(model, result, labels)
    attacked = torch.arange(len(labels)) != ALREADY

    def errs(*ways):
        return any(close(norms[ATTACKED], ends[way][ATTACKED], .002) for way in ways)

    if close(result, images, 1e-4):         # one more call, only to say why: with weights 30 times as large c = 1 is plenty
        with torch.no_grad():
            model[1].weight *= 30
            model[1].bias *= 30
        strong = answer(model, images, labels, **SETTINGS)
        suspect(torch.is_tensor(strong) and strong.shape == images.shape and bool((leads(model, strong, labels) > 0).all()),
                "No image was fooled, though a c of 10 is plenty here. A price is there to multiply: is `c` in your loss?")
        suspect(True, "No image was fooled, whatever c is. Which way does your f push? Where the label leads, `lead` is below 0, and f = max(-lead, -kappa) is what has to fall. "
                "And is a success written into `best`?")
    suspect(bool((lead[attacked] <= 0).any()), "An image came back that does not fool, though one on the way did. Write x down only where `lead > kappa`.")
    suspect(errs("never told", "told at the end"), "Your changes are longer than they need be: after a success c does not come down. `success` must be "
            "True for an image that won at ANY step with this c.")
    suspect(errs("told when closer"), "You note a success only where it also is closer than all before. A c that wins, however far away, is large enough, and has to be told to "
            "`next_c`: `success` asks for `lead > kappa` alone.")
    suspect(errs("all together"), "Your distance is one number for all images. Each has its own: sum over its pixels, `.flatten(1).sum(1)`, and keep the images apart.")
    suspect(errs("no distance"), "It fools, but from too far away: once it has won, nothing draws Adam back to the image. The squared distance belongs into the loss.")
    cheap = answer(model, images, labels, **{**SETTINGS, "searches": 1, "c": 1.0})
    expect_like(cheap, images)
    suspect(not close(cheap[attacked], images[attacked], 1e-4), "With c = 1 alone nothing can be fooled here, and you did it: your distance weighs too little. "
            "It is the SUM over the pixels, of each image by itself; a mean over the pixels is something else.")
    suspect(errs("keeps the last"), "You keep the last success, and a closer one was visited before it. Overwrite `best` only where the distance is below `nearest`.")
    suspect(errs("keeps the first"), "You keep the first success for good, and later ones are closer. Overwrite `best` where the distance is below `nearest`.")
    suspect(errs("never flat"), "Your f goes on falling after the success, so Adam runs past the boundary instead of turning back to it. From -kappa on f is flat: "
            "`.clamp(min=-kappa)`.")
    enough = answer(model, images, labels, **{**SETTINGS, "searches": 1, "c": .9 / length})     # enough for a square, whose slope is small near the image
    expect_like(enough, images)
    suspect(close(enough, images, 1e-4), "At a c that is enough where the distance is squared you fool none. The length itself pulls back with full force at once, even right beside "
            "the image; its square lets go there. Is your distance squared?")
    expect("fools every image, inside [0, 1]", bool((lead > 0).all()) and bool(((result >= 0) & (result <= 1)).all()), "Not every image is fooled by a picture in [0, 1].")
    expect("leaves what is wrong already as it was", float(norms[ALREADY]) < 1e-4, "One X-ray was misread from the start: the closest success is the image itself, and you moved it.")
    ratio = float((norms / exact)[attacked].max())
    expect("within 5 % of the exact distance", ratio <= 1.05, lambda: f"On a linear model the distance is known: one of your changes is {100 * (ratio - 1):.0f} % longer.", points=2)

    model, images, labels, exact, ends, length = scene(random, KAPPA)
    result = answer(model, images, labels, **SETTINGS, kappa=KAPPA)
    expect_like(result, images)
    norms, lead = (result - images).flatten(1).norm(dim=1), leads(model, result, labels)
    suspect(bool((lead[attacked] < .9 * KAPPA).any()) and bool((lead > 0).all()),
            lambda: f"Asked for a lead of {KAPPA} you returned one of {float(lead.min()):.3f}: a success is `lead > kappa`, not above 0.")
    suspect(errs("flat from 0"), f"With kappa = {KAPPA} your changes are longer than they need be: your f is flat from 0 on, so nothing pulls an image from 0 to kappa. Cut it at -kappa.")
    suspect(errs("flat from the label's lead"), f"With kappa = {KAPPA} your changes are longer than they need be: your f is flat already where the label leads by kappa, so only "
            "Adam's momentum carries an image across. The sign: cut at MINUS kappa.")
    toy, some, classes = linear_classifier(random, classes=3, size=4)
    make = lambda model: lambda images, labels: answer(model, images, labels, c=1.0, searches=2, steps=5, learning_rate=.1)
    for property, ok, words in contract.minimal(make, toy, .1 + .8 * some, classes):
        expect(property, ok, words)
    ratio = float((norms / exact)[attacked].max())
    expect("wins by kappa, within 5 % of that distance", bool((lead[attacked] > KAPPA - 1e-4).all()) and ratio <= 1.05,
           lambda: f"With kappa = {KAPPA} the smallest lead is {float(lead[attacked].min()):.3f}, and one change is {100 * (ratio - 1):.0f} % longer than it need be.", points=3)


# ---------------------------------------------------------------- answers
def lead_of(logits, labels):
    """The margin, for the answers below: a grader lends the earlier exercise's without slopes."""
    labeled = torch.nn.functional.one_hot(labels, logits.shape[1]).bool()
    return logits.masked_fill(labeled, -torch.inf).max(1).values - logits[labeled]


def each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa):
    """The scaffold; `look(distance, lead, keep, kappa, c, nearest)` is what the student writes: it calls keep(where), and returns the loss and who won."""
    best, nearest = images.clone(), torch.full((len(images),), torch.inf)
    low, high, c = 0 * nearest.nan_to_num(posinf=0), nearest.clone(), torch.full((len(images),), float(c))
    for _ in range(searches):
        w = torch.atanh(0.999999 * (2 * images - 1)).requires_grad_(True)
        adam, success = torch.optim.Adam([w], learning_rate), torch.zeros(len(images), dtype=torch.bool)
        for _ in range(steps):
            x = (torch.tanh(w) + 1) / 2
            distance, lead = (x - images).square().flatten(1).sum(1), lead_of(model(x), labels)

            def keep(where, far=distance):
                best[where], nearest[where] = x.detach()[where], far.detach()[where]
            loss, won = look(distance, lead, keep, kappa, c, nearest)
            success |= won
            w.grad = torch.autograd.grad(loss.sum(), w)[0]
            adam.step()
        low, high, c = next_c(success, low, high, c)
    return best


@right
def with_where(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    best, nearest = images.clone(), torch.full((len(images),), torch.inf)
    low, high, c = torch.zeros(len(images)), nearest, torch.full((len(images),), float(c))
    for _ in range(searches):
        w = torch.atanh(0.999999 * (2 * images - 1)).requires_grad_(True)
        adam = torch.optim.Adam([w], lr=learning_rate)
        success = low < 0
        for _ in range(steps):
            x = (torch.tanh(w) + 1) / 2
            distance = ((x - images) ** 2).sum(dim=(1, 2, 3))
            lead = lead_of(model(x), labels)
            won = (lead > kappa).detach()
            closer = won & (distance.detach() < nearest)
            best = torch.where(closer[:, None, None, None], x.detach(), best)
            nearest = torch.where(closer, distance.detach(), nearest)
            success = success | won
            w.grad, = torch.autograd.grad((distance + c * torch.relu(kappa - lead)).sum(), w)
            adam.step()
        low, high, c = next_c(success, low, high, c)
    return best


@right
def one_by_one(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        won = torch.zeros(len(lead), dtype=torch.bool)
        for i, (far, ahead) in enumerate(zip(distance.tolist(), lead.tolist())):
            won[i] = ahead > kappa
            if ahead > kappa and far < nearest[i]:
                keep(i)
        return distance + c * torch.maximum(-lead, torch.tensor(-kappa)), won
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("nothing draws Adam back to the image")
def no_distance(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        keep((lead > kappa) & (distance < nearest))
        return c * (-lead).clamp(min=-kappa), lead > kappa
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("You keep the last success")
def last_success(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        keep(lead > kappa)
        return distance + c * (-lead).clamp(min=-kappa), lead > kappa
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("You keep the first success for good")
def first_success(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        keep((lead > kappa) & nearest.isinf())
        return distance + c * (-lead).clamp(min=-kappa), lead > kappa
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("after a success c does not come down")
def never_told(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        keep((lead > kappa) & (distance < nearest))
        return distance + c * (-lead).clamp(min=-kappa), lead.isnan()
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("your distance weighs too little")
def mean_over_pixels(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        keep((lead > kappa) & (distance < nearest))
        return distance / 16 + c * (-lead).clamp(min=-kappa), lead > kappa
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("that does not fool, though one on the way did")
def where_it_ends(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        keep(slice(None))
        return distance + c * (-lead).clamp(min=-kappa), lead > kappa
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("From -kappa on f is flat")
def never_flat(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        keep((lead > kappa) & (distance < nearest))
        return distance - c * lead, lead > kappa
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("is `c` in your loss")
def no_c(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        keep((lead > kappa) & (distance < nearest))
        return distance + (-lead).clamp(min=-kappa), lead > kappa
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("Which way does your f push")
def wrong_way(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        keep((lead > kappa) & (distance < nearest))
        return distance + c * lead.clamp(min=-kappa), lead > kappa
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("a success is `lead > kappa`, not above 0")
def kappa_in_the_loss_alone(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        keep((lead > 0) & (distance < nearest))
        return distance + c * (-lead).clamp(min=-kappa), lead > 0
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("your f is flat from 0 on")
def kappa_in_the_success_alone(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        keep((lead > kappa) & (distance < nearest))
        return distance + c * (-lead).clamp(min=0), lead > kappa
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("where it also is closer than all before")
def told_when_closer(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        closer = (lead > kappa) & (distance < nearest)
        keep(closer)
        return distance + c * (-lead).clamp(min=-kappa), closer
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("Is your distance squared")
def not_squared(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        keep((lead > kappa) & (distance < nearest))
        return (distance + 1e-24).sqrt() + c * (-lead).clamp(min=-kappa), lead > kappa
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("one number for all images")
def all_together(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        distance = distance.sum().expand(len(lead))
        won = lead > kappa
        keep(won & (distance < nearest), distance)
        return distance + c * (-lead).clamp(min=-kappa), won
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)


@wrong("The sign: cut at MINUS kappa")
def cut_at_plus_kappa(model, images, labels, c=0.1, searches=5, steps=60, learning_rate=0.01, kappa=0.0):
    def look(distance, lead, keep, kappa, c, nearest):
        keep((lead > kappa) & (distance < nearest))
        return distance + c * (-lead).clamp(min=kappa), lead > kappa
    return each_step(look, model, images, labels, c, searches, steps, learning_rate, kappa)
