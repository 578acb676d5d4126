"""A universal perturbation by gradient steps over mini-batches, away from the model's own answers or to one class."""
import itertools

import torch
from torch.nn import functional

from medcrypt_lab.exercises import close, contract, expect, expect_like, linear_classifier, right, suspect, wrong

points, minutes, difficulty = 4, 9, 3
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "It is PGD, with one difference: what has the gradient, and what do all images of a batch share?",
    "The loss of the batch with the perturbation added, clipped to [0, 1]. Its gradient at `perturbation` adds up all images. One sign step: up away from their "
    "own answers, down to a target. Then cut the whole perturbation to epsilon.",
    "`loss = functional.cross_entropy(model((some + perturbation).clamp(0, 1)), aim)`; `gradient = torch.autograd.grad(loss, perturbation)[0]`; "
    "`perturbation = perturbation + alpha * gradient.sign()`, with a minus if there is a target; then `.clamp(...)`.",
]
after = ("Count the passes: a hundred images, five times, and you own something that needs no network, no gradient and no computing at the hospital. "
         "Whoever attacks adds the same numbers to every picture.")


def minibatch_uap(model, images, epsilon, alpha, passes, batch,
                  target=None):
    """One perturbation for all images, by sign steps over mini-batches.

    images: (n, channels, height, width) in [0, 1]; no labels.
    target: None, away from the model's own answers: the loss goes up;
      or a class, the same for all: the loss goes down.
    Each batch takes one step: alpha times the sign of the gradient, at
    the perturbation, of the batch's cross-entropy. The model sees image
    plus perturbation, clipped to [0, 1]. After each step no entry of the
    perturbation is beyond epsilon. Returns (1, channels, height, width).
    Tools: functional.cross_entropy(logits, aim) and
    torch.autograd.grad(loss, perturbation)[0].
    """
    with torch.no_grad():
        aims = model(images).argmax(1)              # its own answers
    if target is not None:
        aims = torch.full_like(aims, target)
    perturbation = torch.zeros_like(images[:1])
    for _ in range(passes):
        for some, aim in zip(images.split(batch), aims.split(batch)):
            perturbation = perturbation.detach().requires_grad_(True)
            # BEGIN SOLUTION
            logits = model((some + perturbation).clamp(0, 1))
            loss = functional.cross_entropy(logits, aim)
            gradient = torch.autograd.grad(loss, perturbation)[0]
            step = gradient.sign() if target is None else -gradient.sign()
            perturbation = (perturbation + alpha * step).clamp(-epsilon, epsilon)
            # END SOLUTION
    return perturbation.detach()


def by_hand(model, images, epsilon, alpha, passes, batch, target, mistake=""):
    """The same on a linear model, with its gradient written out in float64: the perturbation, and the smallest slope met that was not 0."""
    weight, bias = model[1].weight.detach().double(), model[1].bias.detach().double()
    x = images.double().flatten(1)
    aims = (x @ weight.T + bias).argmax(1) if target is None else torch.full((len(x),), target)
    v, least = torch.zeros_like(x[:1]), 1.0
    for _ in range(passes):
        for some, aim in zip(x.split(batch), aims.split(batch)):
            some, aim = (x, aims) if mistake == "all" else (some, aim)
            moved = some + v
            seen = moved if mistake == "no clip" else some + v.clamp(0, 1) if mistake == "parenthesis" else moved.clamp(0, 1)
            if mistake == "answers now":
                aim = (seen @ weight.T + bias).argmax(1)
            error = (seen @ weight.T + bias).softmax(1) - torch.nn.functional.one_hot(aim, len(weight))
            slopes = error @ weight
            if mistake == "parenthesis":
                slopes = slopes * (v >= 0)
            elif mistake != "no clip":
                slopes = slopes * ((moved >= 0) & (moved <= 1))         # a clipped pixel has no slope
            slope = slopes.mean(0, keepdim=True)
            if (slope != 0).any():
                least = min(least, float(slope[slope != 0].abs().min()))
            step = slope if mistake == "raw" else slope.sign()
            up = (target is None or mistake == "always up") and mistake != "down"
            step = (1 if up else -1) * (epsilon if mistake == "epsilon steps" else alpha) * step
            v = (step if mistake == "last step" else v + step)
            v = v if mistake in ("no projection", "at the end") else v.clamp(0 if mistake == "brighter" else -epsilon, epsilon)
    v = v.clamp(-epsilon, epsilon) if mistake == "at the end" else v
    return v.reshape(images[:1].shape).float(), least


def check(answer, random):
    """Shafahi et al. 2020 on a linear model, where each gradient can be written out; then the contract of universal attacks."""
    words = {
        "no clip": "The model saw numbers below 0 or above 1: clip image plus perturbation before you ask it.",
        "down": "Without a target the loss must go up, and yours goes down: you make the model surer.",
        "always up": "With a target the loss must go down, and yours goes up: you drive the images away from the wanted class.",
        "raw": "Your step is the gradient itself. Take its sign: each pixel moves by alpha.",
        "epsilon steps": "Your steps are as long as the whole budget: a step is alpha.",
        "last step": "You return the last step. Each step is added to the perturbation.",
        "answers now": "You took what the model says to the *perturbed* images. Once an image is fooled, that pushes it back: the aims are given.",
        "all": "Each of your steps asks about all images. A step takes its mini-batch: `some`, with `aim`.",
        "at the end": "You cut to epsilon only once, when all steps are done. Do it after each: the next step begins at what was cut.",
        "parenthesis": "You clipped the perturbation before you added it, so that nothing in it below 0 arrives. Add first, in parentheses, and clip the sum.",
        "brighter": "Your perturbation can only brighten: the ball reaches from -epsilon to epsilon. The picture is clipped to [0, 1], not the perturbation.",
    }
    for target in (None, random.choice([1, 2]), 0):
        arguments = dict(epsilon=random.uniform(0.10, 0.14), alpha=random.uniform(0.03, 0.05), passes=3, batch=3, target=target)
        while True:
            model, images, labels = linear_classifier(random, n=8)
            images = images * 0.9 + random.choice([0.0, 0.1])           # black or white pixels at which a clip shows
            wanted, least = by_hand(model, images, **arguments)
            others = {mistake: by_hand(model, images, **arguments, mistake=mistake) for mistake in (*words, "no projection")}
            told = {m: v for m, (v, small) in others.items() if not close(v, wanted, 1e-4)}
            apart = all(not close(one, other, 1e-3) for one, other in itertools.combinations(told.values(), 2))
            if least > 1e-4 and apart and len(told) >= len(others) - (1 if target is None else 2):
                break
        result = answer(model, images, **arguments)
        suspect(getattr(result, "shape", None) == images.shape and hasattr(result, "dtype"), "That is one perturbation for each image. Universal means one for all: its shape begins with 1.")
        expect_like(result, wanted)
        suspect(close(result, told.get("no projection"), 1e-4) or float(result.abs().max()) > arguments["epsilon"] + 1e-6,
                lambda: f"An entry is {float(result.abs().max()) / arguments['epsilon']:.2g} times epsilon: cut the whole perturbation after each step, not the step.")
        suspect(target == 0 and close(result, told.get("always up"), 1e-4),
                "Towards class 0 your loss goes up, towards others down. Is there an `if target:`? 0 counts as false in Python: ask for `target is None`.")
        for mistake, sentence in words.items():
            suspect(close(result, told.get(mistake), 1e-4), sentence)
        expect({None: "steps up, away from the model's own answers", 0: "steps down to class 0, too"}.get(target, "steps down to a target"), close(result, wanted, 1e-4),
               "The perturbation is not right yet.", points=0 if target == 0 else 1, got=result, expected=wanted)
    model, images, labels = linear_classifier(random, n=8)

    def make(model, epsilon):
        return lambda images, labels: (images + answer(model, images, epsilon=epsilon, alpha=epsilon / 4, passes=2, batch=4)).clamp(0, 1)
    broken = [sentence for _, ok, sentence in contract.universal(make, model, images, labels, epsilon=0.1) if not ok]
    expect("one change for all, inside the ball, no gradients left on the model", not broken, lambda: broken[0]() if callable(broken[0]) else broken[0], points=2)


@right
def with_backward(model, images, epsilon, alpha, passes, batch, target=None):
    with torch.no_grad():
        own = model(images).max(1).indices
    wanted, way = (own, 1) if target is None else (torch.full((len(images),), target), -1)
    v = torch.zeros(1, *images.shape[1:])
    for turn in range(passes):
        for first in range(0, len(images), batch):
            v = v.detach().requires_grad_()
            part = slice(first, first + batch)
            scores = torch.clip(images[part] + v, 0, 1)
            error = functional.nll_loss(model(scores).log_softmax(1), wanted[part])
            slope, = torch.autograd.grad(error, [v])
            v = torch.clip(v + way * alpha * slope.sign(), -epsilon, epsilon)
    return v.detach()


@right
def sum_of_images(model, images, epsilon, alpha, passes, batch, target=None):
    said = model(images).argmax(1).detach()
    v = torch.zeros_like(images[0])[None]
    for k in list(range(0, len(images), batch)) * passes:
        x = images[k:k + batch]
        copies = v.expand(len(x), -1, -1, -1).clone().requires_grad_(True)          # one for each image
        logits = model((x + copies).clamp(0, 1))
        aim = said[k:k + batch] if target is None else torch.tensor([target] * len(x))
        loss = functional.cross_entropy(logits, aim, reduction="sum") * (1 if target is None else -1)
        v = (v + alpha * torch.autograd.grad(loss, copies)[0].sum(0, keepdim=True).sign()).clamp(-epsilon, epsilon)
    return v


@wrong("yours goes down")
def descends(model, images, epsilon, alpha, passes, batch, target=None):
    aims = model(images).argmax(1) if target is None else torch.full((len(images),), target)
    v = torch.zeros_like(images[:1])
    for k in list(range(0, len(images), batch)) * passes:
        v = v.detach().requires_grad_(True)
        loss = functional.cross_entropy(model((images[k:k + batch] + v).clamp(0, 1)), aims[k:k + batch])
        v = (v - alpha * torch.autograd.grad(loss, v)[0].sign()).clamp(-epsilon, epsilon)
    return v.detach()


@wrong("yours goes up")
def ascends_to_the_target(model, images, epsilon, alpha, passes, batch, target=None):
    aims = model(images).argmax(1) if target is None else torch.full((len(images),), target)
    v = torch.zeros_like(images[:1])
    for k in list(range(0, len(images), batch)) * passes:
        v = v.detach().requires_grad_(True)
        loss = functional.cross_entropy(model((images[k:k + batch] + v).clamp(0, 1)), aims[k:k + batch])
        v = (v + alpha * torch.autograd.grad(loss, v)[0].sign()).clamp(-epsilon, epsilon)
    return v.detach()


@wrong("clip image plus perturbation before you ask it")
def no_clip(model, images, epsilon, alpha, passes, batch, target=None):
    aims, way = (model(images).argmax(1), 1) if target is None else (torch.full((len(images),), target), -1)
    v = torch.zeros_like(images[:1])
    for k in list(range(0, len(images), batch)) * passes:
        v = v.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(images[k:k + batch] + v), aims[k:k + batch])
        v = (v + way * alpha * torch.autograd.grad(loss, v)[0].sign()).clamp(-epsilon, epsilon)
    return v.detach()


@wrong("times epsilon: cut the whole perturbation")
def projects_the_step(model, images, epsilon, alpha, passes, batch, target=None):
    aims, way = (model(images).argmax(1), 1) if target is None else (torch.full((len(images),), target), -1)
    v = torch.zeros_like(images[:1])
    for k in list(range(0, len(images), batch)) * passes:
        v = v.detach().requires_grad_(True)
        loss = functional.cross_entropy(model((images[k:k + batch] + v).clamp(0, 1)), aims[k:k + batch])
        v = v + (way * alpha * torch.autograd.grad(loss, v)[0].sign()).clamp(-epsilon, epsilon)
    return v.detach()


@wrong("Take its sign")
def raw_gradient(model, images, epsilon, alpha, passes, batch, target=None):
    aims, way = (model(images).argmax(1), 1) if target is None else (torch.full((len(images),), target), -1)
    v = torch.zeros_like(images[:1])
    for k in list(range(0, len(images), batch)) * passes:
        v = v.detach().requires_grad_(True)
        loss = functional.cross_entropy(model((images[k:k + batch] + v).clamp(0, 1)), aims[k:k + batch])
        v = (v + way * alpha * torch.autograd.grad(loss, v)[0]).clamp(-epsilon, epsilon)
    return v.detach()


@wrong("a step is alpha")
def epsilon_steps(model, images, epsilon, alpha, passes, batch, target=None):
    aims, way = (model(images).argmax(1), 1) if target is None else (torch.full((len(images),), target), -1)
    v = torch.zeros_like(images[:1])
    for k in list(range(0, len(images), batch)) * passes:
        v = v.detach().requires_grad_(True)
        loss = functional.cross_entropy(model((images[k:k + batch] + v).clamp(0, 1)), aims[k:k + batch])
        v = (v + way * epsilon * torch.autograd.grad(loss, v)[0].sign()).clamp(-epsilon, epsilon)
    return v.detach()


@wrong("You return the last step")
def last_step(model, images, epsilon, alpha, passes, batch, target=None):
    aims, way = (model(images).argmax(1), 1) if target is None else (torch.full((len(images),), target), -1)
    v = torch.zeros_like(images[:1])
    for k in list(range(0, len(images), batch)) * passes:
        v = v.detach().requires_grad_(True)
        loss = functional.cross_entropy(model((images[k:k + batch] + v).clamp(0, 1)), aims[k:k + batch])
        v = (way * alpha * torch.autograd.grad(loss, v)[0].sign()).clamp(-epsilon, epsilon)
    return v.detach()


@wrong("what the model says to the *perturbed* images")
def answers_now(model, images, epsilon, alpha, passes, batch, target=None):
    v = torch.zeros_like(images[:1])
    for k in list(range(0, len(images), batch)) * passes:
        v = v.detach().requires_grad_(True)
        logits = model((images[k:k + batch] + v).clamp(0, 1))
        aims, way = (logits.argmax(1), 1) if target is None else (torch.full((len(logits),), target), -1)
        v = (v + way * alpha * torch.autograd.grad(functional.cross_entropy(logits, aims), v)[0].sign()).clamp(-epsilon, epsilon)
    return v.detach()


@wrong("its shape begins with 1")
def one_for_each(model, images, epsilon, alpha, passes, batch, target=None):
    aims, way = (model(images).argmax(1), 1) if target is None else (torch.full((len(images),), target), -1)
    v = torch.zeros_like(images)
    for _ in range(passes):
        v = v.detach().requires_grad_(True)
        loss = functional.cross_entropy(model((images + v).clamp(0, 1)), aims)
        v = (v + way * alpha * torch.autograd.grad(loss, v)[0].sign()).clamp(-epsilon, epsilon)
    return v.detach()


@wrong("0 counts as false in Python")
def zero_is_false(model, images, epsilon, alpha, passes, batch, target=None):
    aims, way = (torch.full((len(images),), target), -1) if target else (model(images).argmax(1), 1)
    aims = aims if target is None else torch.full_like(aims, target)
    v = torch.zeros_like(images[:1])
    for k in list(range(0, len(images), batch)) * passes:
        v = v.detach().requires_grad_(True)
        loss = functional.cross_entropy(model((images[k:k + batch] + v).clamp(0, 1)), aims[k:k + batch])
        v = (v + way * alpha * torch.autograd.grad(loss, v)[0].sign()).clamp(-epsilon, epsilon)
    return v.detach()


@wrong("A step takes its mini-batch")
def all_at_once(model, images, epsilon, alpha, passes, batch, target=None):
    aims, way = (model(images).argmax(1), 1) if target is None else (torch.full((len(images),), target), -1)
    v = torch.zeros_like(images[:1])
    for k in list(range(0, len(images), batch)) * passes:
        v = v.detach().requires_grad_(True)
        loss = functional.cross_entropy(model((images + v).clamp(0, 1)), aims)
        v = (v + way * alpha * torch.autograd.grad(loss, v)[0].sign()).clamp(-epsilon, epsilon)
    return v.detach()


@wrong("can only brighten")
def only_brighter(model, images, epsilon, alpha, passes, batch, target=None):
    aims, way = (model(images).argmax(1), 1) if target is None else (torch.full((len(images),), target), -1)
    v = torch.zeros_like(images[:1])
    for k in list(range(0, len(images), batch)) * passes:
        v = v.detach().requires_grad_(True)
        loss = functional.cross_entropy(model((images[k:k + batch] + v).clamp(0, 1)), aims[k:k + batch])
        v = (v + way * alpha * torch.autograd.grad(loss, v)[0].sign()).clamp(0, epsilon)
    return v.detach()


@wrong("only once, when all steps are done")
def projects_at_the_end(model, images, epsilon, alpha, passes, batch, target=None):
    aims, way = (model(images).argmax(1), 1) if target is None else (torch.full((len(images),), target), -1)
    v = torch.zeros_like(images[:1])
    for k in list(range(0, len(images), batch)) * passes:
        v = v.detach().requires_grad_(True)
        loss = functional.cross_entropy(model((images[k:k + batch] + v).clamp(0, 1)), aims[k:k + batch])
        v = v + way * alpha * torch.autograd.grad(loss, v)[0].sign()
    return v.detach().clamp(-epsilon, epsilon)


@wrong("Add first, in parentheses")
def clips_before_adding(model, images, epsilon, alpha, passes, batch, target=None):
    aims, way = (model(images).argmax(1), 1) if target is None else (torch.full((len(images),), target), -1)
    v = torch.zeros_like(images[:1])
    for k in list(range(0, len(images), batch)) * passes:
        v = v.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(images[k:k + batch] + v.clamp(0, 1)), aims[k:k + batch])
        v = (v + way * alpha * torch.autograd.grad(loss, v)[0].sign()).clamp(-epsilon, epsilon)
    return v.detach()
