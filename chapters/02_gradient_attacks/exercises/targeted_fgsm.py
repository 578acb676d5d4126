"""Targeted FGSM: one step toward the class the attacker wants."""
import torch
from torch.nn import functional

from medcrypt_lab.exercises import close, expect, expect_like, linear_classifier, linear_gradient, right, suspect, wrong

points, minutes, difficulty = 2, 8, 2
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "Away from the truth is up the loss of the true label. What is toward a target, in terms of the target's loss?",
    "Compute the loss against `targets` in place of the labels, then take the step that makes it smaller.",
    "It is fgsm with two changes: `cross_entropy(model(images), targets)`, and a minus in front of epsilon.",
]
after = ("With two classes, toward one is away from the other: targeted and untargeted FGSM give almost the same picture. "
         "With three they part, and the attacker picks the diagnosis.")


def targeted_fgsm(model, images, targets, epsilon):
    """One step of size epsilon that makes the model prefer `targets`.

    model: takes images, returns logits (one score a class).
    images: (n, channels, height, width) in [0, 1].
    targets: (n,) int64, the class each image shall be taken for.
    Returns new images of the same shape, inside [0, 1], detached as before.
    """
    # BEGIN SOLUTION
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), targets)
    gradient, = torch.autograd.grad(loss, images)
    return (images - epsilon * gradient.sign()).clamp(0, 1).detach()
    # END SOLUTION


def check(answer, random):
    """Goodfellow et al. 2015, with the target's loss. The targets are never the model's choice, so that ignoring them shows."""
    model, images, labels = linear_classifier(random, classes=3, size=4)
    epsilon = 8 / 255
    choice = model(images).argmax(1).detach()
    targets = (choice + 1 + torch.arange(len(choice)) % 2) % 3
    adversarial = answer(model, images, targets, epsilon)
    expect_like(adversarial, images)

    gradient = linear_gradient(model, images, targets)
    step = -epsilon * gradient.sign()
    expected = (images + step).clamp(0, 1)
    away = epsilon * linear_gradient(model, images, choice).sign()
    logit = epsilon * model[1].weight.detach()[targets].reshape(images.shape).sign()

    def is_step(direction):
        """Is the answer this change of the images, clipped or not? On some images a mistake gives the right answer: then it is none."""
        return not close(adversarial, expected) and (close(adversarial, images + direction) or close(adversarial, (images + direction).clamp(0, 1)))

    suspect(close(adversarial, images), "These are the images unchanged.")
    suspect(close(adversarial, step), "That is the perturbation alone: add it to the images.")
    suspect(is_step(-step), "You climbed the target's loss, which drives the images away from the target. Toward it, the loss falls.")
    suspect(is_step(away), "You went away from the model's own choice and never looked at the targets: the images may land in any other class.")
    suspect(is_step(-away), "You went toward the class the model chose already: it becomes more certain, not fooled. Use the targets.")
    suspect(is_step(logit), "You climbed the target's logit alone. The loss also pushes the other classes down: descend cross_entropy(model(images), targets).")
    weights = model[1].weight.detach()
    suspect(is_step(epsilon * (weights[targets] - weights[choice]).reshape(images.shape).sign()),
            "You set the target against the model's present choice only. A third class may rise meanwhile: the loss of the target sees them all.")
    suspect(any(is_step(sign * epsilon * gradient / n) for n in (1, len(images)) for sign in (1, -1)), "You took the gradient itself: its sign is missing.")
    suspect(is_step(255 * step) or is_step(step / 255), "Epsilon is already a fraction of the range [0, 1]: neither multiply nor divide it by 255.")
    suspect(close(answer(model, images, targets, 0.0), adversarial), "With epsilon = 0 you return the same: your step does not use epsilon.")
    inner = images * 0.5 + 0.2           # no pixel of these is 0 or 1: whoever clips to the images' own range is seen
    middle = answer(model, inner, targets, epsilon)
    suspect(close(middle, (inner - epsilon * linear_gradient(model, inner, targets).sign()).clamp(inner.min(), inner.max())),
            "You clip to the darkest and the brightest pixel of these images. A picture may use all of [0, 1].")
    outside = (adversarial < 0) | (adversarial > 1)
    change = adversarial - images
    expect("moves no pixel by more than epsilon", change.abs().max() <= epsilon + 1e-6,
           lambda: f"The largest change is {255 * float(change.abs().max()):.3g} gray levels, the budget is 8.")
    expect("stays inside [0, 1]", not outside.any(), lambda: f"{int(outside.sum())} pixels left [0, 1]: clip after the step.")
    expect("equals the step computed by hand", close(adversarial, expected),
           "This is not yet the image minus epsilon times the sign of the gradient of the target's loss.", points=2, got=adversarial, expected=expected)


@right
def negated_loss(model, images, targets, epsilon):
    images = images.clone().requires_grad_(True)
    functional.cross_entropy(model(images), targets).neg().backward()
    return torch.clamp(images + epsilon * images.grad.sign(), 0, 1).detach()


@right
def climb_the_probability(model, images, targets, epsilon):
    images = images.clone().requires_grad_(True)
    probability = functional.softmax(model(images), 1).gather(1, targets[:, None]).sum()
    gradient, = torch.autograd.grad(probability, images)
    return (images + epsilon * gradient.sign()).clamp(0, 1).detach()


@wrong("climbed the target's loss")
def plus(model, images, targets, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), targets)
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient.sign()).clamp(0, 1).detach()


@wrong("never looked at the targets")
def untargeted(model, images, targets, epsilon):
    images = images.clone().requires_grad_(True)
    logits = model(images)
    gradient, = torch.autograd.grad(functional.cross_entropy(logits, logits.argmax(1)), images)
    return (images + epsilon * gradient.sign()).clamp(0, 1).detach()


@wrong("more certain, not fooled")
def toward_own_choice(model, images, targets, epsilon):
    images = images.clone().requires_grad_(True)
    logits = model(images)
    gradient, = torch.autograd.grad(functional.cross_entropy(logits, logits.argmax(1)), images)
    return (images - epsilon * gradient.sign()).clamp(0, 1).detach()


@wrong("target's logit alone")
def climb_the_logit(model, images, targets, epsilon):
    images = images.clone().requires_grad_(True)
    logit = model(images).gather(1, targets[:, None]).sum()
    gradient, = torch.autograd.grad(logit, images)
    return (images + epsilon * gradient.sign()).clamp(0, 1).detach()


@wrong("A third class may rise")
def against_the_choice(model, images, targets, epsilon):
    images = images.clone().requires_grad_(True)
    logits = model(images)
    lead = logits.gather(1, targets[:, None]) - logits.gather(1, logits.argmax(1, keepdim=True))
    gradient, = torch.autograd.grad(lead.sum(), images)
    return (images + epsilon * gradient.sign()).clamp(0, 1).detach()


@wrong("its sign is missing")
def no_sign(model, images, targets, epsilon):
    images = images.clone().requires_grad_(True)
    gradient, = torch.autograd.grad(functional.cross_entropy(model(images), targets), images)
    return (images - epsilon * gradient).clamp(0, 1).detach()


@wrong("neither multiply nor divide it by 255")
def divided_twice(model, images, targets, epsilon):
    images = images.clone().requires_grad_(True)
    gradient, = torch.autograd.grad(functional.cross_entropy(model(images), targets), images)
    return (images - epsilon / 255 * gradient.sign()).clamp(0, 1).detach()


@wrong("clip after the step")
def no_clip(model, images, targets, epsilon):
    images = images.clone().requires_grad_(True)
    gradient, = torch.autograd.grad(functional.cross_entropy(model(images), targets), images)
    return (images - epsilon * gradient.sign()).detach()


@wrong("PyTorch was not told to record gradients")
def forgot_requires_grad(model, images, targets, epsilon):
    loss = functional.cross_entropy(model(images.clone()), targets)
    gradient, = torch.autograd.grad(loss, images)
    return (images - epsilon * gradient.sign()).clamp(0, 1).detach()
