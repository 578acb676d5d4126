"""PGD: many small steps up the loss, each followed by a projection; BIM is the case that starts at the image itself."""
import torch
from torch.nn import functional

from medcrypt_lab.exercises import close, expect, expect_like, linear_classifier, right, suspect, uses, wrong

points, minutes, difficulty = 5, 10, 3
project_linf = uses("gradient_attacks.project_linf")
project_l2 = uses("gradient_attacks.project_l2")
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "One turn of the loop: feel the slope under your feet, take one step up, and if the leash is tight, come back. Where is the leash tied?",
    'L-infinity: `alpha * gradient.sign()`. L2: the gradient divided by its own length, image by image, times alpha; where that length is 0, no step. Then '
    "`project(..., images, epsilon)`, around the images, never around the last step.",
    '`if norm == "linf": step = gradient.sign()`; `else: length = gradient.flatten(1).norm(dim=1)`, made 1 where it is 0, reshaped as in project_l2, and '
    "`step = gradient / length`; then `changed = project(changed + alpha * step, images, epsilon)`.",
]
after = ("You wrote three attacks: one step from zero with alpha = epsilon is FGSM, many steps from zero are BIM, and from a random start PGD. "
         "The projection is what lets you walk further than epsilon in all, and turn around on the way.")


def pgd(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    """Projected gradient descent, up the loss; with start 0 it is BIM.

    images: (n, ...) in [0, 1], pictures or volumes; labels: (n,) int64.
    start: the first change, of the images' shape. alpha: length of a step:
      "linf": each pixel moves by alpha, along the gradient's sign;
      "l2": the step of each image has L2 length alpha, or is 0 where
            that image's gradient is 0.
    After each step, project: project(changed, images, epsilon).
    length.where(length > 0, 1.0) is length with a 1 wherever it is 0;
    reshape it as in project_l2 before you divide by it.
    """
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        # BEGIN SOLUTION
        if norm == "linf":
            step = gradient.sign()
        else:
            length = gradient.flatten(1).norm(dim=1)
            length = length.where(length > 0, 1.0)
            step = gradient / length.reshape(-1, *[1] * (images.dim() - 1))
        changed = project(changed + alpha * step, images, epsilon)
        # END SOLUTION
    return changed.detach()


def ball(changed, images, epsilon, norm):
    """The projection, image by image in float64, written apart from the exercises'."""
    change = (changed - images).double()
    if norm == "linf":
        change = torch.minimum(torch.maximum(change, torch.full_like(change, -epsilon)), torch.full_like(change, epsilon))
    else:
        change = torch.stack([one * min(1.0, epsilon / max(float(one.square().sum()) ** 0.5, 1e-30)) for one in change])
    return (images.double() + change).clamp(0, 1).float()


def slope(model, x, labels):
    """The gradient by hand, in float64: (probabilities - one hot) W; what float32 cannot tell from 0 is 0."""
    weight = model[1].weight.detach().double()
    probabilities = (x.double().flatten(1) @ weight.T).softmax(1)
    gradient = ((probabilities - functional.one_hot(labels, len(weight))) @ weight).reshape(x.shape)
    return gradient.where(gradient.abs() > 1e-30, 0.0)


def walk(model, images, labels, start, epsilon, alpha, steps, norm, *, way=1, stale=False, follow=None, back_to="images", smallest=None):
    """The oracle. The keywords make it err in one way each: direction, gradient of the first step in all, another step than the norm's, and
    where the projection brings it back to. smallest: a list that receives the smallest size of a slope on the way."""
    x = ball(images + start, images, epsilon, norm)
    first = None
    for k in range(steps):
        gradient = slope(model, x, labels)
        first = gradient if first is None else first
        gradient = first if stale else gradient
        if smallest is not None:
            smallest.append(float(gradient.abs().min()))
        lengths = gradient.flatten(1).norm(dim=1).reshape(-1, *[1] * (x.dim() - 1))
        step = {"linf": gradient.sign(), "l2": gradient / lengths.where(lengths > 0, 1.0), "raw": gradient / len(x),
                "batch": gradient / gradient.norm()}[follow or norm]
        there = (images if back_to == "each time" else x) + way * alpha * step.float()
        if back_to in ("images", "each time") or back_to == "all but last" and k < steps - 1 or back_to == "at the end" and k == steps - 1:
            there = ball(there, images, epsilon, norm)
        elif back_to == "itself":
            there = ball(there, x, epsilon, norm)
        elif back_to == "step alone":
            there = ball(way * alpha * step.float(), images, epsilon, norm)
        elif back_to == "the start":
            there = ball(there, ball(images + start, images, epsilon, norm), epsilon, norm)
        x = there
    return x


# What may go wrong on the way, in the words of `walk`.
MISTAKES = {"downhill": {"way": -1}, "raw": {"follow": "raw"}, "shared": {"follow": "l2"}, "batch": {"follow": "batch"}, "stale": {"stale": True},
            "last": {"back_to": "all but last"}, "end": {"back_to": "at the end"}, "itself": {"back_to": "itself"}, "nothing": {"back_to": "nothing"},
            "alone": {"back_to": "step alone"}, "start": {"back_to": "the start"}, "anchored": {"back_to": "each time"}}


def scene(random, epsilon, alpha, steps):
    """A linear model of three classes, images and labels for L-infinity, and a start. On the way no slope is so near to zero that rounding
    could turn its sign, and no two of the mistakes end at one place."""
    while True:
        model, images, labels = linear_classifier(random, classes=3, size=4)
        start, smallest = random.tensor(*images.shape, low=-epsilon, high=epsilon), []
        given = model, images, labels
        ends = [walk(*given, start, epsilon, alpha, steps, "linf", smallest=smallest), walk(*given, 0 * start, epsilon, alpha, steps, "linf"),
                walk(*given, start, epsilon, epsilon, steps, "linf"), walk(*given, start, epsilon, alpha, 1, "linf"),
                *(walk(*given, start, epsilon, alpha, steps, "linf", **ways) for ways in MISTAKES.values())]
        if min(smallest) > 1e-5 and all(float((x - y).abs().max()) > 0.01 for i, x in enumerate(ends) for y in ends[:i]):
            return model, images, labels, start


def steep_scene(random, reach):
    """The same for L2 with two classes, where the slope's direction never turns, and steeper: the first image's slope is a thousandth of the
    others', the last one's is exactly 0 however far it may go."""
    while True:
        model, images, labels = linear_classifier(random, classes=2, size=4)
        with torch.no_grad():
            model[1].weight.mul_(80)
            labels = 1 - model(images).argmax(1)                    # the model is wrong: a slope of full size
            uphill = [model[1].weight[k] - model[1].weight[1 - k] for k in (0, 1)]
            images[-1] = (uphill[labels[-1]] > 0).float().reshape(1, 4, 4)
            low, high = images[0], (uphill[labels[0]] > 0).float().reshape(1, 4, 4)
            for _ in range(40):                                     # between a picture it is wrong on and one it is sure of: where the lead is 7
                middle = (low + high) / 2
                low, high = (middle, high) if lead(model, middle, labels[0]) < 7 else (low, middle)
            images[0] = low
            if lead(model, images[-1], labels[-1]) > 150 + reach * float(uphill[0].norm()):
                return model, images, labels


def lead(model, image, label):
    """By how much the label's score is ahead."""
    scores = model(image[None])[0]
    return float(scores[label] - scores[1 - label])


def check(answer, random):
    """Kurakin et al. 2017 and Madry et al. 2018, on linear models, whose gradient is known by hand: with three classes it turns on the way,
    with two it does not."""
    epsilon, alpha, steps = 0.2, 0.05, 5
    model, images, labels, start = scene(random, epsilon, alpha, steps)
    zero = torch.zeros_like(images)
    result = answer(model, images, labels, start, epsilon, alpha, steps)
    expect_like(result, images)
    expected = walk(model, images, labels, start, epsilon, alpha, steps, "linf")

    def errs(begin=start, epsilon=epsilon, alpha=alpha, steps=steps, **ways):
        """Is this what the answer did, and wrong?"""
        other = walk(model, images, labels, begin, epsilon, alpha, steps, "linf", **ways)
        return not close(other, expected, 1e-3) and close(result, other, 1e-4)

    drift = float((result - images).abs().max())
    too_far = f"A pixel is {drift:.2f} from where it was in `images`, and epsilon is {epsilon}. "
    suspect(close(result, images), "These are the images as they were. Does `project` get the changed pictures first and the images second?")
    suspect(errs(steps=0), "This is where the walk began. A tensor does not change by itself: give `changed` its new value in each turn.")
    suspect(errs(**MISTAKES["downhill"]), "You walk down: the loss falls. An attack without a target climbs.")
    suspect(errs(**MISTAKES["raw"]), "You step along the gradient itself: where the slope is gentle you hardly move. L-infinity takes its sign.")
    suspect(errs(**MISTAKES["shared"]) or errs(**MISTAKES["batch"]), 'For "linf" you divide the gradient by a length: most pixels then move by much less than alpha. Take the sign.')
    suspect(errs(**MISTAKES["stale"]), "You use the first gradient in every step: that is one long step in pieces. Ask for the slope anew wherever you are.")
    suspect(errs(**MISTAKES["last"]), too_far + "Your last step is not projected: step first, then project.")
    suspect(errs(**MISTAKES["itself"]), too_far + "Your leash is tied to the last step and walks with you: project around `images`.")
    suspect(errs(**MISTAKES["nothing"]), too_far + "Nothing brings a step back: call `project` after each.")
    suspect(errs(**MISTAKES["end"]), "You project once, after all the steps: in between you walked outside what is allowed. Project after each step, inside the loop.")
    suspect(errs(**MISTAKES["alone"]), "You projected the step alone. A walk goes on from where it is: `changed + alpha * step`.")
    suspect(errs(**MISTAKES["start"]), "Your leash is tied to the random start. Project around `images`: the start is only where the walk begins.")
    suspect(errs(**MISTAKES["anchored"]), "Each of your steps begins at `images`, so only the last one counts. Walk on from where you are: `changed`.")
    suspect(errs(begin=zero), "You began at the image itself: the start was not used. Leave `changed` as the line above the loop makes it.")
    suspect(errs(alpha=epsilon), "Each of your steps is as long as the whole budget: the step is alpha, not epsilon.")
    suspect(errs(steps=1), "All your steps together are as long as one should be. Does `return` stand in the loop? Or did you divide alpha by the steps?")
    expect("L-infinity: within epsilon, inside [0, 1]", drift <= epsilon + 1e-5 and bool(((result >= 0) & (result <= 1)).all()),
           lambda: too_far + "Or a pixel left [0, 1]. Project after each step.")
    fast = answer(model, images, labels, zero, 0.05, 0.05, 1)
    expect_like(fast, images)
    ends = close(result, expected, 1e-4) and close(fast, (images + 0.05 * slope(model, images, labels).sign().float()).clamp(0, 1), 1e-5)
    expect("L-infinity: the path computed by hand, and FGSM in one step", ends, "The walk for L-infinity ends elsewhere.", points=2, got=result, expected=expected)

    reach, pace, steps = 0.28, 0.15, 2
    model, images, labels = steep_scene(random, reach)
    start = random.tensor(*images.shape, low=-0.02, high=0.02)
    start[0] = 0                # it would be sure, or wrong, before the first step
    result = answer(model, images, labels, start, reach, pace, steps, "l2")
    broken = torch.is_tensor(result) and result.shape == images.shape and bool(result[-1].isnan().any())
    suspect(broken, "One image's gradient is exactly 0, and its picture came out as NaN: 0 / 0. Where the length is 0, divide by 1: the step is then 0.")
    expect_like(result, images)
    expected = walk(model, images, labels, start, reach, pace, steps, "l2")

    def errs_l2(**ways):
        other = walk(model, images, labels, start, reach, pace, steps, "l2", **ways)
        return not close(other, expected, 1e-2) and close(result, other, 1e-3)

    suspect(errs_l2(follow="linf"), 'For "l2" you take the sign, so that the step is far longer than alpha. Divide the gradient by its length.')
    suspect(errs_l2(follow="batch"), "You divide by one length of the whole batch: an image of small gradient hardly moves because its neighbor's is large. Each has its own.")
    suspect(errs_l2(follow="raw"), 'For "l2" you step by the gradient itself: divide it by its length, so that each step has length alpha.')
    suspect(errs_l2(way=-1), 'For "l2" you walk down, for "linf" up.')
    longest = float((result - images).flatten(1).norm(dim=1).max())
    expect("L2: within epsilon, inside [0, 1]", longest <= reach + 1e-4 and bool(((result >= 0) & (result <= 1)).all()),
           lambda: f"One change has length {longest:.2f}, and epsilon is {reach}.")
    expect("L2: steps of length alpha, none where the gradient is 0", close(result, expected, 1e-3), "The walk for L2 ends elsewhere.",
           points=2, got=result, expected=expected)
    volumes = images.reshape(-1, 2, 2, 2, 2)
    result = answer(model, volumes, labels, start.reshape(volumes.shape), reach, pace, steps, "l2")
    expect_like(result, volumes)
    expected = walk(model, volumes, labels, start.reshape(volumes.shape), reach, pace, steps, "l2")
    expect("3-D volumes as well", close(result, expected, 1e-3), "Pictures come out right, volumes do not: let the length's shape follow `images.dim()`.", points=1)


@right
def image_by_image(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = project_linf if norm == "linf" else project_l2
    results = []
    for image, label, first in zip(images.split(1), labels.split(1), start.split(1)):
        changed = project(image + first, image, epsilon)
        for _ in range(steps):
            changed = changed.detach().requires_grad_(True)
            functional.cross_entropy(model(changed), label).backward()
            gradient = changed.grad
            size = gradient.norm().item()
            step = gradient.sign() if norm == "linf" else gradient / size if size else 0 * gradient
            changed = project(changed.detach() + alpha * step, image, epsilon)
        results.append(changed)
    return torch.cat(results)


@right
def by_the_change(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    delta = (project_linf if norm == "linf" else project_l2)(images + start, images, epsilon) - images
    for _ in range(steps):
        x = (images + delta).detach().requires_grad_(True)
        g, = torch.autograd.grad(functional.cross_entropy(model(x), labels, reduction="sum"), x)
        with torch.no_grad():
            if norm == "linf":
                delta = (delta + alpha * g.sign()).clamp(-epsilon, epsilon)
            else:
                axes = tuple(range(1, g.dim()))
                delta = delta + alpha * g / (g.square().sum(axes, keepdim=True).sqrt() + 1e-12)
                size = delta.square().sum(axes, keepdim=True).sqrt()
                delta = delta * (epsilon / size.clamp(min=epsilon))
            delta = (images + delta).clamp(0, 1) - images
    return images + delta


@right
def normalized(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        gradient = torch.autograd.grad(functional.cross_entropy(model(changed), labels, reduction="sum"), changed)[0]
        step = torch.sign(gradient) if norm == "linf" else functional.normalize(gradient.flatten(1), dim=1).reshape(images.shape)
        changed = project(changed + alpha * step, images, epsilon)
    return changed.detach()


@wrong("You walk down: the loss falls")
def downhill(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
        changed = project(changed - alpha * step, images, epsilon)
    return changed.detach()


@wrong("L-infinity takes its sign")
def no_sign(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
        changed = project(changed + alpha * step, images, epsilon)
    return changed.detach()


@wrong('For "l2" you take the sign')
def sign_for_both(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient.sign()
        changed = project(changed + alpha * step, images, epsilon)
    return changed.detach()


@wrong("tied to the last step")
def around_the_last(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
        changed = project(changed + alpha * step, changed, epsilon).detach()
    return changed.detach()


@wrong("Nothing brings a step back")
def never_projected(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
        changed = changed + alpha * step
    return changed.detach()


@wrong("so only the last one counts")
def steps_from_the_images(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
        changed = project(images + alpha * step, images, epsilon)
    return changed.detach()


@wrong("tied to the random start")
def around_the_start(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = begin = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
        changed = project(changed + alpha * step, begin, epsilon)
    return changed.detach()


@wrong("divide it by its length, so that each step")
def no_division(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient
        changed = project(changed + alpha * step, images, epsilon)
    return changed.detach()


@wrong("one length of the whole batch")
def batch_length(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.norm().clamp(min=1e-12)
        changed = project(changed + alpha * step, images, epsilon)
    return changed.detach()


@wrong("came out as NaN")
def zero_by_zero(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).reshape(-1, *[1] * (images.dim() - 1))
        changed = project(changed + alpha * step, images, epsilon)
    return changed.detach()


@wrong("Two tensors of different shapes met")
def pictures_only(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, 1, 1, 1)
        changed = project(changed + alpha * step, images, epsilon)
    return changed.detach()


@wrong("as long as the whole budget")
def epsilon_steps(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
        changed = project(changed + epsilon * step, images, epsilon)
    return changed.detach()


@wrong("This is where the walk began")
def not_kept(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
        project(changed + alpha * step, images, epsilon)
    return changed.detach()


@wrong("You projected the step alone")
def step_alone(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
        changed = project(alpha * step, images, epsilon)
    return changed.detach()


@wrong("the changed pictures first and the images second")
def wrong_way_round(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
        changed = project(images, changed + alpha * step, epsilon)
    return changed.detach()


@wrong("the start was not used")
def bim_always(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = images
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
        changed = project(changed + alpha * step, images, epsilon)
    return changed.detach()


@wrong("Does `return` stand in the loop?")
def returns_early(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
        changed = project(changed + alpha * step, images, epsilon)
        return changed.detach()


@wrong("Your last step is not projected")
def projects_before(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = project(changed, images, epsilon).detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
        changed = changed + alpha * step
    return changed.detach()


@wrong("You project once, after all the steps")
def projects_at_the_end(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon)
    for _ in range(steps):
        changed = changed.detach().requires_grad_(True)
        loss = functional.cross_entropy(model(changed), labels)
        gradient = torch.autograd.grad(loss, changed)[0]
        step = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (images.dim() - 1))
        changed = changed + alpha * step
    return project(changed, images, epsilon).detach()


@wrong("You use the first gradient in every step")
def stale_gradient(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    project = {"linf": project_linf, "l2": project_l2}[norm]
    changed = project(images + start, images, epsilon).requires_grad_(True)
    gradient = torch.autograd.grad(functional.cross_entropy(model(changed), labels), changed)[0]
    step = gradient.sign() if norm == "linf" else functional.normalize(gradient.flatten(1), dim=1).reshape(images.shape)
    for _ in range(steps):
        changed = project(changed.detach() + alpha * step, images, epsilon)
    return changed


@wrong("a call into torchattacks does not count")
def ready_made(model, images, labels, start, epsilon, alpha, steps, norm="linf"):
    import torchattacks
    return torchattacks.PGD(model, eps=epsilon, alpha=alpha, steps=steps)(images, labels)
