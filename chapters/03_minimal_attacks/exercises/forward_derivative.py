"""The forward derivative: how fast each logit grows with each pixel."""
import torch
from torch.nn import functional

from medcrypt_lab.exercises import close, contract, expect, expect_like, linear_classifier, right, suspect, wrong

points, minutes, difficulty = 3, 7, 2
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "A gradient is the slope of one number. How many numbers does the network return?",
    "Go through the logits one by one, take the slope of each at the image, flatten it to a row, and put the rows on top of each other.",
    "`rows = []`; `for logit in logits: rows.append(torch.autograd.grad(logit, image, retain_graph=True)[0].flatten())`; then `torch.stack(rows)`.",
]
after = ("FGSM asked for one slope a pixel, that of the loss. You now have one for each class, so the attacker can see what a pixel does *for* the class it "
         "wants and *against* all others.")


def forward_derivative(model, image):
    """The slope of every logit at every pixel: the Jacobian matrix.

    model: takes (n, channels, height, width), returns logits (n, classes).
    image: (channels, height, width).
    Returns (classes, d), d the number of values in the image: row j holds
    the slopes of logit j.
    torch.autograd.grad(y, x, retain_graph=True)[0] is the slope of the
    number y at x, of x's shape; retain_graph keeps what the next call
    needs. torch.stack(list) puts rows on top of each other.
    """
    image = image.clone().requires_grad_(True)
    logits = model(image[None])[0]
    # BEGIN SOLUTION
    rows = []
    for logit in logits:
        slope, = torch.autograd.grad(logit, image, retain_graph=True)
        rows.append(slope.flatten())
    return torch.stack(rows)
    # END SOLUTION


def check(answer, random):
    """Papernot et al. 2016. A linear model's Jacobian is its weights; a network's is compared with finite differences."""
    model, images, labels = linear_classifier(random, classes=3, size=4)
    weight, image = model[1].weight.detach(), images[0]
    with torch.no_grad():
        share = model(image[None])[0].softmax(0)
    result = answer(model, image)
    expect_like(result, weight)
    mean = (share[:, None] * weight).sum(0)
    suspect(close(result, weight.sum(0).expand(3, -1), 1e-5), "All rows are the same: the slope of the sum of all logits. Take one logit at a time.")
    suspect(close(result, weight.cumsum(0), 1e-5), "Each row holds the rows before it as well: .backward() adds to image.grad. Set it to None each time, or use autograd.grad.")
    suspect(close(result, share[:, None] * (weight - mean), 1e-5), "These are the slopes of the probabilities, after softmax. The logits themselves are asked for.")
    suspect(close(result, weight - mean, 1e-5) or close(result, mean - weight, 1e-5),
            "These are the slopes of a loss, or of log-probabilities. FGSM climbs a loss; here the logits themselves are asked for.")
    suspect(close(result, weight.abs(), 1e-5), "The signs are gone. Whether a brighter pixel raises or lowers a logit is the point.")
    suspect(close(result, weight.flip(0), 1e-5), "The rows stand in reverse order: row j belongs to logit j.")
    suspect(close(result, weight * image.flatten(), 1e-5), "You multiplied the slopes by the pixels. That is a contribution; the slope alone is asked for.")
    expect("a linear model's slopes are its weights", close(result, weight, 1e-5),
           "On a linear model, row j should be the weights of logit j. Yours differs.", points=2, got=result, expected=weight)
    network, pictures, _ = contract.toy(random, classes=random.choice([2, 4]))
    small, picture = network.float(), pictures[0].float()
    result = answer(small, picture)
    expect_like(result, torch.zeros(small.head.out_features, picture.numel()))
    network, picture, entries = network.double(), picture.double(), random.sample(range(picture.numel()), 24)
    steps = functional.one_hot(torch.tensor(entries), picture.numel()).double().reshape(-1, *picture.shape) * 1e-6
    with torch.no_grad():
        slopes = ((network(picture + steps) - network(picture - steps)) / 2e-6).T
    # Where a pixel stands exactly on a kink, finite differences say something between its two slopes: one or two may.
    far = ((result[:, entries] - slopes).abs() > 1e-3 * max(1e-3, float(slopes.abs().max()))).any(0)
    expect("and a network's are how much its logits change when a pixel does", int(far.sum()) <= 3,
           lambda: f"On a network {int(far.sum())} of 24 pixels have other slopes than a tiny push of each shows.", points=1)


@right
def by_library(model, image):
    return torch.autograd.functional.jacobian(lambda x: model(x[None])[0], image).flatten(1)


@right
def by_backward(model, image):
    rows = []
    for j in range(len(model(image[None])[0])):
        x = image.clone().requires_grad_(True)
        model(x[None])[0, j].backward()
        rows.append(x.grad.reshape(-1))
    return torch.stack(rows)


@wrong("the slope of the sum of all logits")
def of_the_sum(model, image):
    image = image.clone().requires_grad_(True)
    logits = model(image[None])[0]
    return torch.stack([torch.autograd.grad(logits.sum(), image, retain_graph=True)[0].flatten() for _ in logits])


@wrong(".backward() adds to image.grad")
def piles_up(model, image):
    x = image.clone().requires_grad_(True)
    rows = []
    for logit in model(x[None])[0]:
        logit.backward(retain_graph=True)
        rows.append(x.grad.flatten().clone())
    return torch.stack(rows)


@wrong("the slopes of the probabilities")
def after_softmax(model, image):
    x = image.clone().requires_grad_(True)
    return torch.stack([torch.autograd.grad(p, x, retain_graph=True)[0].flatten() for p in model(x[None])[0].softmax(0)])


@wrong("These are the slopes of a loss")
def of_the_loss(model, image):
    x = image.clone().requires_grad_(True)
    logits = model(x[None])
    losses = [functional.cross_entropy(logits, torch.tensor([j])) for j in range(logits.shape[1])]
    return torch.stack([torch.autograd.grad(loss, x, retain_graph=True)[0].flatten() for loss in losses])


@wrong("The signs are gone")
def sizes(model, image):
    x = image.clone().requires_grad_(True)
    return torch.stack([torch.autograd.grad(y, x, retain_graph=True)[0].flatten().abs() for y in model(x[None])[0]])


@wrong("a second time")
def forgets_to_retain(model, image):
    image = image.clone().requires_grad_(True)
    logits = model(image[None])[0]
    return torch.stack([torch.autograd.grad(logit, image)[0].flatten() for logit in logits])


@wrong("The shape should be (3, 16), yours is (3, 1, 4, 4)")
def still_pictures(model, image):
    image = image.clone().requires_grad_(True)
    logits = model(image[None])[0]
    return torch.stack([torch.autograd.grad(logit, image, retain_graph=True)[0] for logit in logits])


@wrong("The shape should be (3, 16), yours is (16,)")
def of_one_logit(model, image):
    image = image.clone().requires_grad_(True)
    logits = model(image[None])[0]
    return torch.autograd.grad(logits.max(), image)[0].flatten()


@wrong("got a list of 3 values")
def a_list(model, image):
    image = image.clone().requires_grad_(True)
    logits = model(image[None])[0]
    return [torch.autograd.grad(logit, image, retain_graph=True)[0].flatten() for logit in logits]
