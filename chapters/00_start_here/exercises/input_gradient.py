"""The gradient of each image's own loss at its pixels."""
import copy

import torch
from torch.nn import functional

from medcrypt_lab.exercises import close, expect, expect_like, linear_classifier, linear_gradient, noted, right, suspect, wrong

points, minutes, difficulty = 4, 7, 3
hints = [
    "Go through the tiny example line by line: which of its lines stand for pixels, network, loss and slope?",
    "One number must come out before you can ask for slopes. If it is the sum of all losses, each pixel's slope is that of its own image's "
    "loss, for the other losses do not depend on it.",
    "`loss = functional.cross_entropy(..., ..., reduction=\"sum\")` of the network's answer to `pixels`; then "
    "`return torch.autograd.grad(..., ...)[0]`.",
]
after = ("One pass forward and one back give the slopes of all pixels at once; trying them one by one takes as many passes as there are "
         "pixels. Training and attacking both live on that.")


def input_gradient(model, images, labels):
    """How fast each image's loss grows when one of its pixels brightens.

    model: takes images, returns logits.
    images: float32 (n, channels, height, width); labels: int64 (n,).
    Returns a float32 tensor of the images' shape: at each pixel the slope
    of its OWN image's cross-entropy, whatever else is in the batch.
    Leaves no `.grad` on the model's parameters.
    """
    pixels = images.clone().requires_grad_(True)
    # BEGIN SOLUTION
    loss = functional.cross_entropy(model(pixels), labels, reduction="sum")
    return torch.autograd.grad(loss, pixels)[0]
    # END SOLUTION


def check(answer, random):
    """A linear network, whose gradient is known by hand: (probabilities - one hot) W. Each third label is not the network's choice, so
    that a used prediction shows; six images, then four, so that a mean over the images shows."""
    model, images, labels = linear_classifier(random, classes=3, size=4)
    images, labels = images.roll(-1, 0), labels.roll(-1, 0)
    result = answer(model, images, labels)
    suspect(isinstance(result, tuple) and len(result) == 1, "`torch.autograd.grad` returns a tuple, also for one gradient. Take its first value: `[0]`.")
    expect_like(result, images)

    gradient, n = linear_gradient(model, images, labels), len(images)
    weight = model[1].weight.detach()
    probabilities = model(images).softmax(1).detach()
    own = probabilities[range(n), labels].reshape(n, 1, 1, 1)
    predicted = linear_gradient(model, images, probabilities.argmax(1))
    true_score = weight[labels].reshape(images.shape)
    # d CE(softmax(p)) / dx by the chain rule, for whoever puts probabilities where logits belong
    twice = (probabilities.softmax(1) - functional.one_hot(labels, 3)) * probabilities
    twice = ((twice - probabilities * twice.sum(1, keepdim=True)) @ weight).reshape(images.shape)
    of_one_class = [(p * (weight[k] - probabilities @ weight)).reshape(images.shape) for k, p in enumerate(probabilities.T[..., None])]
    lengths = gradient.flatten(1).norm(dim=1).reshape(n, 1, 1, 1)

    def is_(wanted):
        return close(result, wanted) or close(result, wanted / n)

    suspect(close(result, torch.zeros_like(images)), "All slopes are 0: a `.grad` that was read after it had been cleared, or a loss that does not depend on the pixels.")
    suspect(close(result, gradient / n), f"Every slope is {n} times too small, and there are {n} images: cross_entropy takes the MEAN over the batch "
            "unless told otherwise. The slope of one patient's loss must not depend on how many others are in the batch.")
    suspect(is_(gradient.sign()), "These are signs, only up or down. The slopes themselves were asked for; the sign comes with the first attack.")
    suspect(is_(-gradient), "Your slopes point down: this is how the loss falls. Return the gradient of the loss itself, without a minus.")
    suspect(is_(gradient.abs()), "You dropped the signs: a slope below 0 says that the loss falls when this pixel brightens.")
    suspect(is_(predicted), "You used the network's own guesses as labels. The loss is about the truth: use `labels`.")
    suspect(is_(true_score), "That is the slope of the true class's score (logit), not of the loss. The loss also looks at the other classes.")
    suspect(is_(own * -gradient), "That is the slope of the true class's probability. The loss is minus its logarithm: functional.cross_entropy.")
    suspect(any(is_(slopes) for slopes in of_one_class), "That is the slope of one class's probability, the same class for all images; no label goes into it. "
            "Ask for the slope of the loss.")
    suspect(close(result, gradient / 255), "Your slopes are 255 times too small: they count in gray levels. Here a pixel runs from 0 to 1, and a slope is for one unit.")
    suspect(is_(weight.sum(0).expand(n, -1).reshape(images.shape)), "That is the slope of all scores added up; no label goes into it. Ask for the slope of the loss.")
    suspect(is_(twice), "You gave probabilities to cross_entropy. It wants logits and takes the softmax itself: yours was taken twice.")
    suspect(is_(images + gradient), "You added the gradient to the images. Return the slopes alone.")
    suspect(is_(gradient.cumsum(0)), "Your slopes add up from image to image: backward() ADDS to `.grad`. Start each image with a fresh copy.")
    suspect(is_(gradient / lengths), "You divided each gradient by its length. The length is news, too: it says how sensitive this diagnosis is.")
    suspect(is_(gradient.mean(0, keepdim=True).expand_as(images)), "All images got the same slopes, the average. Each has slopes of its own.")
    expect("is the slope of each image's own loss", close(result, gradient), "These are not the slopes of the cross-entropy at the pixels.",
           points=2, got=result, expected=gradient)

    model, images, labels = linear_classifier(random, classes=4, size=5, n=4)
    alone = answer(model, images[:1], labels[:1])
    expect_like(alone, images[:1])
    expect("says the same of an image alone", close(alone, linear_gradient(model, images[:1], labels[:1])),
           "Another network, one image: these slopes are wrong.", points=1, got=alone, expected=linear_gradient(model, images[:1], labels[:1]))
    result = answer(model, images, labels)
    expect_like(result, images)
    expect("says the same of it among others", close(result, linear_gradient(model, images, labels)),
           "Four images: these slopes are wrong, while one alone was right.", got=result, expected=linear_gradient(model, images, labels))
    left, switched = noted("left gradients on the parameters"), noted("switched gradients on")
    suspect(left, "The slopes are right, but `backward()` also wrote a `.grad` on every parameter of the network: the owner's "
            "next training step would add them up. `torch.autograd.grad(loss, pixels)` hands over the slopes and writes nothing.")
    suspect(switched, "The slopes are right, but the caller's own images now record gradients: `requires_grad_` changes the tensor it "
            "is called on. Call it on `images.clone()`.")
    expect("leaves the caller's images and network alone", not (left or switched), "", points=1)


@right
def one_by_one(model, images, labels):
    slopes = []
    for image, label in zip(images, labels):
        pixels = image[None].clone().requires_grad_(True)
        loss = -model(pixels).log_softmax(1)[0, label]
        slopes.append(torch.autograd.grad(loss, pixels)[0])
    return torch.cat(slopes)


@right
def mean_times_n(model, images, labels):
    pixels = images.detach().clone()
    pixels.requires_grad = True
    loss = functional.cross_entropy(model(pixels), labels)
    gradient, = torch.autograd.grad(loss, pixels)
    return gradient * len(images)


@right
def backward_on_a_copy(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    losses = functional.cross_entropy(copy.deepcopy(model)(pixels), labels, reduction="none")
    losses.backward(torch.ones_like(losses))
    return pixels.grad


@wrong("takes the MEAN over the batch")
def mean(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(pixels), labels)
    return torch.autograd.grad(loss, pixels)[0]


@wrong("wrote a `.grad` on every parameter")
def backward(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    functional.cross_entropy(model(pixels), labels, reduction="sum").backward()
    return pixels.grad


@wrong("the caller's own images now record gradients")
def callers_images(model, images, labels):
    images.requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels, reduction="sum")
    return torch.autograd.grad(loss, images)[0]


@wrong("These are signs")
def signs(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(pixels), labels, reduction="sum")
    return torch.autograd.grad(loss, pixels)[0].sign()


@wrong("Your slopes point down")
def downhill(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(pixels), labels, reduction="sum")
    return -torch.autograd.grad(loss, pixels)[0]


@wrong("network's own guesses as labels")
def own_guess(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    logits = model(pixels)
    loss = functional.cross_entropy(logits, logits.argmax(1), reduction="sum")
    return torch.autograd.grad(loss, pixels)[0]


@wrong("slope of the true class's score")
def true_logit(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    score = model(pixels)[range(len(images)), labels].sum()
    return torch.autograd.grad(score, pixels)[0]


@wrong("slope of the true class's probability")
def true_probability(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    probability = model(pixels).softmax(1)[range(len(images)), labels].sum()
    return torch.autograd.grad(probability, pixels)[0]


@wrong("one class's probability, the same class")
def probability_of_class_one(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    return torch.autograd.grad(model(pixels).softmax(1)[:, 1].sum(), pixels)[0]


@wrong("they count in gray levels")
def for_one_gray_level(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(pixels), labels, reduction="sum")
    return torch.autograd.grad(loss, pixels)[0] / 255


@wrong("Did an image lose its first axis")
def without_the_batch_axis(model, images, labels):
    slopes = []
    for image, label in zip(images, labels):
        pixels = image.clone().requires_grad_(True)
        slopes.append(torch.autograd.grad(functional.cross_entropy(model(pixels), label), pixels)[0])
    return torch.stack(slopes)


@wrong("In a loss the network's scores stand first")
def swapped(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    return torch.autograd.grad(functional.cross_entropy(labels, model(pixels), reduction="sum"), pixels)[0]


@wrong("slope of all scores added up")
def all_logits(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    return torch.autograd.grad(model(pixels).sum(), pixels)[0]


@wrong("yours was taken twice")
def softmax_first(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(pixels).softmax(1), labels, reduction="sum")
    return torch.autograd.grad(loss, pixels)[0]


@wrong("returns a tuple, also for one gradient")
def a_tuple(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(pixels), labels, reduction="sum")
    return torch.autograd.grad(loss, pixels)


@wrong("Only one number has slopes")
def no_reduction(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    losses = functional.cross_entropy(model(pixels), labels, reduction="none")
    return torch.autograd.grad(losses, pixels)[0]


@wrong("was not computed from the tensor whose gradient you ask for")
def wrong_tensor(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels, reduction="sum")
    return torch.autograd.grad(loss, pixels)[0]


@wrong("PyTorch was not told to record gradients")
def inside_no_grad(model, images, labels):
    pixels = images.clone().requires_grad_(True)
    with torch.no_grad():
        loss = functional.cross_entropy(model(pixels), labels, reduction="sum")
    return torch.autograd.grad(loss, pixels)[0]


@wrong("add up from image to image")
def accumulated(model, images, labels):
    nudge = torch.zeros_like(images[:1], requires_grad=True)
    slopes = []
    for image, label in zip(images, labels):
        functional.cross_entropy(model(image[None] + nudge), label[None]).backward()
        slopes.append(nudge.grad[0].clone())
    return torch.stack(slopes)


@wrong("The shape should be (6, 1, 4, 4), yours is ()")
def the_loss(model, images, labels):
    return functional.cross_entropy(model(images), labels, reduction="sum").detach()
