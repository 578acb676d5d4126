"""FGSM: one step of size epsilon along the sign of the loss gradient."""
import torch
from torch.nn import functional

from medcrypt_lab.exercises import close, expect, expect_like, linear_classifier, linear_gradient, right, suspect, wrong

points, minutes, difficulty = 3, 10, 2
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "For each pixel ask one thing only: does the loss grow when this pixel gets brighter, or when it gets darker?",
    "`torch.autograd.grad(loss, images)[0]` is the slope at each pixel; `.sign()` keeps its direction and forgets its size.",
    "Three things in a row: `gradient = torch.autograd.grad(...)[0]`, then `images + epsilon * ...`, then `.clamp(0, 1).detach()`.",
]
after = ("Almost every pixel moves by epsilon, each in its own direction. In the picture that is a fine grain; in the loss thousands of "
         "small pushes pull the same way.")


def fgsm(model, images, labels, epsilon):
    """One step of size epsilon along the sign of the loss gradient.

    model: takes images, returns logits (one score a class).
    images: (n, channels, height, width) in [0, 1]; labels: (n,) int64.
    Returns new images of the same shape, inside [0, 1] and detached:
    x.detach() has the same numbers without the record of gradients.
    """
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    # BEGIN SOLUTION
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient.sign()).clamp(0, 1).detach()
    # END SOLUTION


def mean_loss(model, images, labels):
    with torch.no_grad():
        return functional.cross_entropy(model(images), labels).item()


def check(answer, random):
    """Goodfellow et al. 2015, section 4, on a linear model whose gradient is known by hand. Some pixels are exactly 0 or 1, so that a
    forgotten clip shows; each third label is not the model's choice, so that a used prediction shows."""
    model, images, labels = linear_classifier(random, classes=3, size=4)
    # The images with the large gradients, whose label is not the model's choice, must not come first: they would hide all that is added up.
    images, labels = images.roll(-1, 0), labels.roll(-1, 0)
    epsilon = 8 / 255
    adversarial = answer(model, images, labels, epsilon)
    expect_like(adversarial, images)

    gradient = linear_gradient(model, images, labels)
    step = epsilon * gradient.sign()
    expected = (images + step).clamp(0, 1)
    predicted = linear_gradient(model, images, model(images).argmax(1).detach())

    def is_step(direction):
        """Is the answer this change of the images, clipped or not? On some images a mistake gives the right answer: then it is none."""
        return not close(adversarial, expected) and (close(adversarial, images + direction) or close(adversarial, (images + direction).clamp(0, 1)))

    suspect(close(adversarial, images), "These are the images unchanged.")
    suspect(close(adversarial, step) or close(adversarial, step.clamp(0, 1)), "That is the perturbation alone: add it to the images.")
    suspect(is_step(-step), lambda: f"You went down the gradient: the loss fell from {mean_loss(model, images, labels):.2f} "
            f"to {mean_loss(model, adversarial, labels):.2f}. FGSM climbs.")
    suspect(is_step(epsilon * predicted.sign()), "You used the model's own prediction as the label. Where it was wrong already, you pushed the image back to the truth.")
    suspect(any(is_step(sign * epsilon * gradient / n) for n in (1, len(images)) for sign in (1, -1)),
            lambda: f"You took the gradient itself, without its sign: the largest change is {gray(adversarial - images)} gray levels, the budget is 8.")
    suspect(any(is_step(epsilon * gradient.abs() / n) for n in (1, len(images))), "You took the gradient's size and dropped its direction: "
            "`.abs()` forgets up and down. `.sign()` forgets the size.")
    suspect(is_step(epsilon * torch.ones_like(images)), "Every pixel got brighter by the same: that is the sign of one number, the loss. "
            "Each pixel has a slope of its own.")
    suspect(is_step(epsilon * images.sign()), "You took the sign of the image, which is 1 wherever there is light. Take that of the gradient.")
    suspect(is_step(step.clamp(min=0)), "No pixel of yours gets darker. Clip the sum to [0, 1], not the step: half of the slopes point down.")
    suspect(is_step(epsilon * gradient / gradient.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)),
            "You divided the gradient by its length: strong pixels move, the others hardly. The budget lets every pixel move by epsilon: take the sign.")
    suspect(is_step(-epsilon * model[1].weight.detach()[labels].reshape(images.shape).sign()),
            "You lowered the score of the true class alone. The loss also lifts the other classes: climb cross_entropy(model(images), labels).")
    suspect(close(adversarial, (255 * expected).round() / 255), "You rounded to whole gray levels, which moves pixels by up to half a level more "
            "than epsilon. A file must do that; the attack itself does not.")
    suspect(is_step(epsilon * gradient.mean(0, keepdim=True).sign().expand_as(images)), "You gave all images one and the same step. Each has a gradient of its own.")
    suspect(is_step(epsilon * gradient.cumsum(0).sign()), "Your gradients add up from image to image. "
            "Whoever calls backward() in a loop sets .grad to None (or to zero) before each call.")
    suspect(is_step(255 * step), "Your step is 255 times too large. The images live in [0, 1], and epsilon = 8/255 is already in their unit.")
    suspect(is_step(step / 255), "Your step is 255 times too small. Epsilon is already a fraction of the range [0, 1]: do not divide it again.")
    suspect(close(answer(model, images, labels, 0.0), adversarial), "With epsilon = 0 you return the same: your step does not use epsilon.")
    alone = [answer(model, images[i:i + 1], labels[i:i + 1], epsilon) for i in (0, 1)]
    moved = (adversarial - images).abs()
    partial = (moved > 1e-6) & (moved < epsilon - 1e-6) & (adversarial > 0) & (adversarial < 1)
    suspect(partial.any() and not close(torch.cat(alone), adversarial[:2]), "An image comes out otherwise alone than among others: "
            "your step depends on the batch. The sign needs no scaling by a maximum, a mean or a norm.")
    suspect(close(adversarial, (images + step).clamp(-1, 1)), "You clipped to [-1, 1]; these images live in [0, 1], where 0 is black.")
    suspect(close(adversarial, (images + step).clamp(0, 255)), "Nothing clips at 1, or the limit is 255: these images live in [0, 1], where 1 is white.")
    suspect(close(adversarial, (images + step).clamp(-epsilon, epsilon)), "You clipped the image to [-epsilon, epsilon]: that is the range of the perturbation, not of a pixel.")

    inner = images * 0.5 + 0.2           # no pixel of these is 0 or 1: whoever clips to the images' own range is seen
    middle = answer(model, inner, labels, epsilon)
    suspect(close(middle, (inner + epsilon * linear_gradient(model, inner, labels).sign()).clamp(inner.min(), inner.max())),
            "You clip to the darkest and the brightest pixel of these images. A picture may use all of [0, 1].")
    change = adversarial - images
    expect("moves no pixel by more than epsilon", change.abs().max() <= epsilon + 1e-6,
           lambda: f"The largest change is {gray(change)} gray levels, the budget is 8.")
    outside = (adversarial < 0) | (adversarial > 1)
    expect("stays inside [0, 1]", not outside.any(),
           lambda: f"{int(outside.sum())} pixels left [0, 1]; the first is {float(adversarial[outside][0]):.3f}. Clip after adding the step, and "
           "keep what comes out: `x.clamp(0, 1)` returns a new tensor and leaves `x` as it was.", points=1)
    expect("equals the step computed by hand", close(adversarial, expected),
           "This is not yet the image plus epsilon times the sign of the gradient.", points=2, got=adversarial, expected=expected)


def gray(change):
    """The largest change in gray levels, as text."""
    return f"{255 * float(change.abs().max()):.3g}"


@right
def with_backward(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    functional.cross_entropy(model(images), labels).backward()
    return torch.clamp(images + epsilon * images.grad.sign(), 0, 1).detach()


@right
def one_by_one(model, images, labels, epsilon):
    adversarial = []
    for image, label in zip(images, labels):
        image = image[None].clone().requires_grad_(True)
        loss = functional.nll_loss(functional.log_softmax(model(image), 1), label[None])
        gradient, = torch.autograd.grad(loss, image)
        adversarial.append((image + epsilon * torch.sign(gradient)).clamp(min=0, max=1).detach())
    return torch.cat(adversarial)


@right
def up_or_down(model, images, labels, epsilon):
    images = images.detach().clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels, reduction="sum")
    gradient = torch.autograd.grad(loss, images)[0]
    with torch.no_grad():
        return torch.where(gradient > 0, images + epsilon, images - epsilon).clip(0, 1)


@wrong("down the gradient")
def minus(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images - epsilon * gradient.sign()).clamp(0, 1).detach()


@wrong("without its sign")
def no_sign(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient).clamp(0, 1).detach()


@wrong("Clip after adding the step", "stays inside [0, 1]")
def no_clip(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient.sign()).detach()


@wrong("clipped to [-1, 1]")
def clip_minus_one(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient.sign()).clamp(-1, 1).detach()


@wrong("Nothing clips at 1")
def clip_255(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient.sign()).clamp(0, 255).detach()


@wrong("darkest and the brightest pixel")
def clip_to_own_range(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient.sign()).clamp(images.min().item(), images.max().item()).detach()


@wrong("one and the same step")
def mean_gradient(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient.mean(0).sign()).clamp(0, 1).detach()


@wrong("range of the perturbation")
def clip_epsilon(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient.sign()).clamp(-epsilon, epsilon).detach()


@wrong("255 times too large")
def whole_levels(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + 255 * epsilon * gradient.sign()).clamp(0, 1).detach()


@wrong("255 times too small")
def divided_twice(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon / 255 * gradient.sign()).clamp(0, 1).detach()


@wrong("model's own prediction")
def own_prediction(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    logits = model(images)
    loss = functional.cross_entropy(logits, logits.argmax(1))
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient.sign()).clamp(0, 1).detach()


@wrong("add up from image to image")
def accumulated(model, images, labels, epsilon):
    perturbation = torch.zeros_like(images[:1], requires_grad=True)
    adversarial = []
    for image, label in zip(images, labels):
        functional.cross_entropy(model(image[None] + perturbation), label[None]).backward()
        adversarial.append((image + epsilon * perturbation.grad[0].sign()).clamp(0, 1))
    return torch.stack(adversarial)


@wrong("depends on the batch")
def scaled_by_maximum(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient / gradient.abs().max()).clamp(0, 1).detach()


@wrong("does not use epsilon")
def epsilon_written_in(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + 8 / 255 * gradient.sign()).clamp(0, 1).detach()


@wrong("forgets up and down")
def absolute(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient.abs()).clamp(0, 1).detach()


@wrong("the sign of one number, the loss")
def sign_of_the_loss(model, images, labels, epsilon):
    loss = functional.cross_entropy(model(images), labels)
    return (images + epsilon * loss.sign()).clamp(0, 1).detach()


@wrong("You took the sign of the image")
def sign_of_the_image(model, images, labels, epsilon):
    return (images + epsilon * images.sign()).clamp(0, 1)


@wrong("No pixel of yours gets darker")
def clips_the_step(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient.sign().clamp(0, 1)).detach()


@wrong("divided the gradient by its length")
def unit_length(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    length = gradient.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    return (images + epsilon * gradient / length).clamp(0, 1).detach()


@wrong("score of the true class alone")
def lowers_the_score(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    score = model(images).gather(1, labels[:, None]).sum()
    gradient, = torch.autograd.grad(score, images)
    return (images - epsilon * gradient.sign()).clamp(0, 1).detach()


@wrong("rounded to whole gray levels")
def rounded(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    adversarial = (images + epsilon * gradient.sign()).clamp(0, 1)
    return ((255 * adversarial).round() / 255).detach()


@wrong("Two tensors of different shapes met")
def gradient_of_the_weights(model, images, labels, epsilon):
    loss = functional.cross_entropy(model(images), labels)
    gradient = torch.autograd.grad(loss, list(model.parameters()))[0]
    return (images + epsilon * gradient.sign()).clamp(0, 1).detach()


@wrong("changed its argument `images` in place")
def in_place(model, images, labels, epsilon):
    images.requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    images.data += epsilon * gradient.sign()
    return images.data.clamp_(0, 1)


@wrong("left `model` in another mode")
def training_mode(model, images, labels, epsilon):
    model.train()
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient.sign()).clamp(0, 1).detach()


@wrong("perturbation alone")
def step_only(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return epsilon * gradient.sign()


@wrong("returns nothing")
def forgot_return(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    adversarial = (images + epsilon * gradient.sign()).clamp(0, 1)


@wrong("`images.grad` before `backward()`", "images.grad.sign()")
def forgot_backward(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    return (images + epsilon * images.grad.sign()).clamp(0, 1).detach()


@wrong("Expected a float32 tensor", "got a tuple of 1 value")
def gradient_is_a_tuple(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    return torch.autograd.grad(loss, images)


@wrong("a call into torchattacks does not count")
def ready_made(model, images, labels, epsilon):
    import torchattacks
    return torchattacks.FGSM(model, eps=epsilon)(images, labels)
