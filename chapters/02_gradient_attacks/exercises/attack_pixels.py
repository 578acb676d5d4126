"""Find the bug: an attack that forgets where the pixels live."""
from functools import lru_cache

import torch
import torchattacks
from torch.nn import functional

from medcrypt_lab import data, models
from medcrypt_lab.exercises import close, expect, expect_like, given, linear_classifier, linear_gradient, right, score, suspect, wrong

points, minutes, difficulty = 2, 8, 2
hints = [
    "The normalization can stand before the attack, or inside of what is attacked. Where does it stand now? Where do pixels stay pixels?",
    "The library clips what it is given to [0, 1] and moves it by epsilon. Both are right for pixels. What does it get here?",
    "Either write the step yourself, as in fgsm: images that record gradients, the loss of `network((images - mean) / std)`, its slope at the "
    "images. Or keep all lines and tell the library, after `attack = ...`: `attack.set_normalization_used(mean=[mean], std=[std])`.",
]
LEVELS = (8, 12, 16, 24, 32)        # gray levels; each costs the check a call
after = ("An attack belongs where the attacker is: before every step that the hospital computes. If you like, go on: an answer that takes "
         "several small steps, each kept within epsilon, is right as well, and flips what one step cannot.")


def attack_pixels(network, images, labels, epsilon, mean, std):
    """FGSM for a network that expects (images - mean) / std.

    images: (n, 1, height, width) in [0, 1]; labels: (n,) int64;
    epsilon: a number, as before, in pixel values; mean, std: numbers.
    Returns X-rays: no pixel moved by more than epsilon, all in [0, 1].
    """
    attack = torchattacks.FGSM(network, eps=epsilon)
    attack.set_normalization_used(mean=[mean], std=[std])
    attacked = attack((images - mean) / std, labels)
    return (attacked * std + mean).clamp(0, 1)


@given("with epsilon = 0", "Normalize inside")
def attack_normalized(network, images, labels, epsilon, mean, std):
    """FGSM for a network that expects (images - mean) / std.

    images: (n, 1, height, width) in [0, 1]; labels: (n,) int64;
    epsilon: a number, as before, in pixel values; mean, std: numbers.
    Returns X-rays: no pixel moved by more than epsilon, all in [0, 1].
    """
    normalized = (images - mean) / std
    attack = torchattacks.FGSM(network, eps=epsilon)
    attacked = attack(normalized, labels)
    return (attacked * std + mean).clamp(0, 1)


def gradient_sign(network, images, labels, mean, std):
    """The sign of the loss gradient of a linear network behind its normalization, by hand."""
    return linear_gradient(network, (images - mean) / std, labels).sign()


def mean_loss(network, images, labels, mean, std):
    with torch.no_grad():
        return functional.cross_entropy(network((images - mean) / std), labels).item()


def check(answer, random):
    """Two linear networks. With two classes one step and many steps end in the same place, which is known by hand; with three the
    gradient depends on whether the pixels were normalized. Some pixels are exactly 0 or 1."""
    mean, std, epsilon = 0.5, 0.25, 8 / 255
    network, images, labels = linear_classifier(random, classes=2, size=4)
    adversarial = answer(network, images, labels, epsilon, mean, std)
    expect_like(adversarial, images)
    sign = gradient_sign(network, images, labels, mean, std)
    expected = (images + epsilon * sign).clamp(0, 1)
    normalized = (images - mean) / std
    largest = 255 * float((adversarial - images).abs().max())

    suspect(close(adversarial, images), "These are the X-rays unchanged.")
    suspect(close(adversarial, (expected - mean) / std, 1e-5) or close(adversarial, normalized + epsilon * sign, 1e-5),
            "You returned normalized numbers, not X-rays: undo the normalization (times std, plus mean).")
    still = answer(network, images, labels, 0.0, mean, std)
    suspect(close(still, adversarial), "With epsilon = 0 you return the same: your step does not use epsilon.")
    changed = f"Your X-rays come back changed with epsilon = 0, by up to {255 * float((still - images).abs().max()):.0f} gray levels: "
    suspect(close(still, normalized.clamp(0, 1) * std + mean, 1e-5), changed + "the attack clips what it is given to [0, 1], as torchattacks and "
            "fgsm always do, and normalized pixels do not live there. Give the attack the X-rays themselves, "
            "for which epsilon is right as it is. Normalize inside: write a function that first normalizes and then calls the network, and attack that with fgsm.")
    suspect(close(still, normalized.clamp(-1, 1) * std + mean, 1e-5), changed + "the attack, or you, clips normalized pixels to [-1, 1], where they do not live.")
    suspect(close(still, images * std + mean, 1e-5) or close(still, normalized, 1e-5) or close(still, normalized.clamp(0, 1), 1e-5),
            "With epsilon = 0 your X-rays come back in another range: you normalize, or undo it, one time too often or too seldom.")
    suspect(close(adversarial, (images + epsilon * std * sign).clamp(0, 1), 1e-5) or close(adversarial, images + epsilon * std * sign, 1e-5),
            lambda: f"The largest change is {largest:.3g} gray levels, the budget is 8: in normalized numbers a step of epsilon is only epsilon * std in pixels.")
    suspect(close(adversarial, (images + epsilon * std * std * sign).clamp(0, 1), 1e-5),
            lambda: f"The largest change is {largest:.3g} gray levels, the budget is 8: you multiplied epsilon by std; it should be divided.")
    suspect(close(adversarial, (images - epsilon * sign).clamp(0, 1), 1e-5), "You went down the loss: FGSM climbs.")

    suspect(abs(largest - 8 / std) < .01, lambda: f"The largest change is {largest:.3g} gray levels, the budget is 8: you told the library that its "
            "images are normalized, and gave it raw ones. It undoes what nobody did, and stretches the step.")
    attacked = torchattacks.FGSM(network, eps=epsilon)(normalized, labels) * std + mean
    suspect(close(adversarial, torch.min(torch.max(attacked, images - epsilon), images + epsilon).clamp(0, 1), 1e-5),
            "You cut the result back to the budget, but it was made from clipped numbers: most of your change is the clipping, little of it the attack.")

    expect("changes nothing with epsilon = 0", close(still, images, 1e-5),
           lambda: f"With epsilon = 0 a pixel changed by {255 * float((still - images).abs().max()):.3g} gray levels.")
    expect("moves no pixel by more than epsilon", largest <= 8 + 1e-3, lambda: f"The largest change is {largest:.3g} gray levels, the budget is 8.")
    outside = (adversarial < 0) | (adversarial > 1)
    expect("stays inside [0, 1]", not outside.any(), lambda: f"{int(outside.sum())} pixels left [0, 1]: clip the X-rays, after the normalization is undone.")

    network, images, labels, raw = _where_normalization_shows(random, mean, std)
    again = answer(network, images, labels, epsilon, mean, std)
    suspect(close(again, raw, 1e-5), "The attack now moves pixels, as it must, but the network got them raw. Write "
            "a function that first computes (images - mean) / std and then calls the network, and attack that with fgsm, which takes any function for its model.")
    one_step = (images + epsilon * gradient_sign(network, images, labels, mean, std)).clamp(0, 1)
    reached, wanted = (mean_loss(network, x, labels, mean, std) for x in (again, one_step))
    expect("climbs the loss of network and normalization together", again.shape == images.shape and reached >= .98 * wanted,
           lambda: f"The loss after your attack is {reached:.2f}; one step along the right sign reaches {wanted:.2f}.")
    expect("uses the whole budget on a network known by hand", close(adversarial, expected, 1e-5), "Some pixels could go further, or in the other direction.",
           points=2, got=adversarial, expected=expected)
    least = _least_gray_levels(answer)
    score(f"To go on: the first of {', '.join(map(str, LEVELS))} gray levels that flips the surest pneumonia", least or "none, for one step is not enough")


def _where_normalization_shows(random, mean, std):
    """A network of three classes, X-rays and labels where one step on raw pixels differs from the right one; and that step's result."""
    while True:
        network, images, labels = linear_classifier(random, classes=3, size=4)
        raw = linear_gradient(network, images, labels).sign()
        if not close(raw, gradient_sign(network, images, labels, mean, std)):
            return network, images, labels, (images + 8 / 255 * raw).clamp(0, 1)


@lru_cache
def _surest_pneumonia():
    """The network of the lesson, and the X-ray of the test split that it is surest to be a pneumonia, with its label."""
    xrays, network = data.load("chest", split="test", source="embedded"), models.get("small_cnn", source="embedded")
    ill = xrays.take(xrays.labels == 1)
    with torch.no_grad():
        logits = network(ill.images)
    surest = (logits[:, 1] - logits[:, 0]).argmax().item()
    return network, ill.images[[surest]], ill.labels[[surest]]


def _least_gray_levels(answer):
    """The first of LEVELS with which the answer turns the surest pneumonia into `normal`, or None."""
    network, image, label = _surest_pneumonia()
    for k in LEVELS:
        changed = answer(network, image, label, k / 255, 0.0, 1.0)
        if close(changed, image, k / 255 + 1e-5) and network(changed).argmax().item() == 0:
            return k
    return None


@right
def own_step(network, images, labels, epsilon, mean, std):
    pixels = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(network((pixels - mean) / std), labels)
    gradient, = torch.autograd.grad(loss, pixels)
    return (images + epsilon * gradient.sign()).clamp(0, 1)


@right
def step_in_normalized_numbers(network, images, labels, epsilon, mean, std):
    normalized = ((images - mean) / std).requires_grad_(True)
    loss = functional.cross_entropy(network(normalized), labels)
    gradient, = torch.autograd.grad(loss, normalized)
    return ((normalized + epsilon / std * gradient.sign()).detach() * std + mean).clamp(0, 1)


@right
def ten_small_steps(network, images, labels, epsilon, mean, std):
    attacked = images.clone()
    for _ in range(10):
        pixels = attacked.clone().requires_grad_(True)
        loss = functional.cross_entropy(network((pixels - mean) / std), labels)
        gradient, = torch.autograd.grad(loss, pixels)
        step = attacked + epsilon / 5 * gradient.sign()
        attacked = torch.min(torch.max(step, images - epsilon), images + epsilon).clamp(0, 1)
    return attacked


@wrong("clips normalized pixels to [-1, 1]")
def clips_to_minus_one(network, images, labels, epsilon, mean, std):
    normalized = ((images - mean) / std).requires_grad_(True)
    gradient, = torch.autograd.grad(functional.cross_entropy(network(normalized), labels), normalized)
    return ((normalized + epsilon / std * gradient.sign()).clamp(-1, 1) * std + mean).detach()


@wrong("returned normalized numbers")
def never_undone(network, images, labels, epsilon, mean, std):
    attack = torchattacks.FGSM(network, eps=epsilon)
    attack.set_normalization_used(mean=[mean], std=[std])
    return attack((images - mean) / std, labels)


@wrong("a step of epsilon is only epsilon * std in pixels")
def epsilon_of_normalized_numbers(network, images, labels, epsilon, mean, std):
    normalized = ((images - mean) / std).requires_grad_(True)
    gradient, = torch.autograd.grad(functional.cross_entropy(network(normalized), labels), normalized)
    return ((normalized + epsilon * gradient.sign()).detach() * std + mean).clamp(0, 1)


@wrong("it should be divided")
def epsilon_times_std(network, images, labels, epsilon, mean, std):
    normalized = ((images - mean) / std).requires_grad_(True)
    gradient, = torch.autograd.grad(functional.cross_entropy(network(normalized), labels), normalized)
    return ((normalized + epsilon * std * gradient.sign()).detach() * std + mean).clamp(0, 1)


@wrong("clip the X-rays, after the normalization is undone")
def never_clipped(network, images, labels, epsilon, mean, std):
    normalized = ((images - mean) / std).requires_grad_(True)
    gradient, = torch.autograd.grad(functional.cross_entropy(network(normalized), labels), normalized)
    return ((normalized + epsilon / std * gradient.sign()) * std + mean).detach()


@wrong("the network got them raw")
def never_normalized(network, images, labels, epsilon, mean, std):
    return torchattacks.FGSM(network, eps=epsilon)(images, labels)


@wrong("one time too often or too seldom")
def told_twice(network, images, labels, epsilon, mean, std):
    attack = torchattacks.FGSM(network, eps=epsilon)
    attack.set_normalization_used(mean=[mean], std=[std])
    attacked = attack(images, labels)
    return (attacked * std + mean).clamp(0, 1)


@wrong("gave it raw ones")
def told_and_not_done(network, images, labels, epsilon, mean, std):
    attack = torchattacks.FGSM(network, eps=epsilon)
    attack.set_normalization_used(mean=[mean], std=[std])
    return attack(images, labels).clamp(0, 1)


@wrong("cut the result back")
def cut_back(network, images, labels, epsilon, mean, std):
    attacked = torchattacks.FGSM(network, eps=epsilon)((images - mean) / std, labels) * std + mean
    return torch.min(torch.max(attacked, images - epsilon), images + epsilon).clamp(0, 1)


@wrong("Something wants a list")
def numbers_not_lists(network, images, labels, epsilon, mean, std):
    attack = torchattacks.FGSM(network, eps=epsilon)
    attack.set_normalization_used(mean=mean, std=std)
    return (attack((images - mean) / std, labels) * std + mean).clamp(0, 1)


@wrong("torchattacks wants a network")
def a_function_for_a_network(network, images, labels, epsilon, mean, std):
    return torchattacks.FGSM(lambda pixels: network((pixels - mean) / std), eps=epsilon)(images, labels)


@wrong("You went down the loss")
def minus(network, images, labels, epsilon, mean, std):
    pixels = images.clone().requires_grad_(True)
    gradient, = torch.autograd.grad(functional.cross_entropy(network((pixels - mean) / std), labels), pixels)
    return (images - epsilon * gradient.sign()).clamp(0, 1)


@wrong("X-rays unchanged")
def nothing(network, images, labels, epsilon, mean, std):
    return images.clone()
