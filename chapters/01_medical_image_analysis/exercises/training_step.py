"""The training step: the four lines that every training loop consists of."""
import copy

import torch
from torch.nn import functional

from medcrypt_lab import models
from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 6, 2
changes = ["model"]
hints = [
    "Say it in words first: old slopes away, guess, how wrong was it, slopes, one step down. Which call stands for which?",
    "`optimizer.zero_grad()` clears the slopes, `loss.backward()` computes new ones, `optimizer.step()` moves each weight against its slope.",
    "In this order: `optimizer.zero_grad()`, `loss = functional.cross_entropy(model(images), labels)`, `loss.backward()`, `optimizer.step()`.",
]
after = ("These lines train anything, up to the largest networks of today. Turn one sign, let the pixels learn in place of the weights, and they "
         "are an attack: chapter 02.")


def training_step(model, batches, learning_rate):
    """Take one training step for each batch: the model learns in place.

    model: takes images, returns logits.
    batches: a list of pairs (images, labels).
    Returns the list of the losses, each before its step.
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    model.train()
    losses = []
    for images, labels in batches:
        # Four lines; the loss itself is
        # functional.cross_entropy(model(images), labels).
        # BEGIN SOLUTION
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        # END SOLUTION
        losses.append(loss.item())
    return losses


def small_network(random):
    """In evaluation mode, with weights from the check's own numbers."""
    model = models.make("small_cnn", classes=3, width=2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(random.tensor(*parameter.shape, low=-0.5, high=0.7))
    return model


def move(weights, slopes, length):
    with torch.no_grad():
        for weight, slope in zip(weights, slopes):
            weight -= length * slope


def descend(model, batches, rate, mode=True, stale=False, sign=1, lag=False, loss_of=functional.cross_entropy):
    """Gradient descent by hand, and, asked for, with a mistake -> (losses, losses measured after the step, weights)."""
    model = copy.deepcopy(model).train(mode)
    weights, losses, after, kept = list(model.parameters()), [], [], None
    for images, labels in batches:
        if lag and kept is not None:
            move(weights, kept, rate)
        loss = loss_of(model(images), labels)
        slopes = torch.autograd.grad(loss, weights)
        if stale and kept is not None:
            slopes = [new + old for new, old in zip(slopes, kept)]
        if not lag:
            move(weights, slopes, sign * rate)
        kept = slopes
        losses.append(loss.item())
        with torch.no_grad():
            after.append(loss_of(copy.deepcopy(model)(images), labels).item())
    return losses, after, [weight.detach() for weight in weights]


def check(answer, random):
    """Against gradient descent by hand, weight by weight. Batch normalization tells the modes apart; three batches show slopes that add up."""
    model, rate = small_network(random), 0.07
    batches = [(random.tensor(6, 1, 16, 16), torch.tensor([0, 1, 2, random.randrange(3), random.randrange(3), random.randrange(3)])) for _ in range(3)]
    returned = answer(model, batches, rate)
    losses, learned = returned if type(returned) is tuple and len(returned) == 2 else (returned, None)
    expected, afterwards, weights = descend(model, batches, rate)
    suspect(type(losses) is list and losses == [], "Your list of losses is empty: append each batch's loss to it.")
    expect_like(losses, [0.0] * 3)
    found = [weight.detach() for weight in learned.parameters()]

    def are(losses_and_weights):
        return close(found, losses_and_weights[2], 1e-4)

    def still(weights):
        return close(weights, [weight.detach() for weight in model.parameters()], 1e-7)

    suspect(still(found), "No weight has moved. Slopes must be there when the optimizer steps: first `backward()`, then `step()`, both with their brackets, and nothing that clears them in between. "
            "(By hand: `weight = weight - ...` makes a new tensor and leaves the network's as it is.)")
    suspect(are(descend(model, batches, rate, stale=True)), "Your first step is right, the later ones are not: each `backward()` adds to the slopes of the batch before. "
            "`optimizer.zero_grad()` clears them.")
    suspect(are(descend(model, batches, rate, sign=-1)), lambda: "You went up: the weights moved along the slope, so that the loss grows. Training goes down.")
    suspect(are(descend(model, batches, rate, mode=False)), "Your network stayed in evaluation mode: batch normalization used stored averages and learned none. "
            "`model.train()` switches.")
    suspect(are(descend(model, batches, rate, mode=False, stale=True)), "Two lines are missing. Nothing says that the network learns now (`model.train()`), and "
            "nothing clears the old slopes (`optimizer.zero_grad()`).")
    suspect(are(descend(model, batches, rate, lag=True)), "You step before you compute the new slopes: each step uses those of the batch before. First `backward()`, then `step()`.")
    suspect(are(descend(model, batches, rate, loss_of=lambda logits, labels: functional.cross_entropy(logits.softmax(1), labels))),
            "You took a softmax before the cross-entropy. It wants logits and takes the softmax itself: twice makes the slopes faint.")
    suspect(are(descend(model, batches, rate, loss_of=lambda logits, labels: functional.cross_entropy(logits, labels, reduction="sum"))),
            "Your loss is a sum over the batch, so the steps are six times too long. The default of cross_entropy is the mean.")
    suspect(are(descend(model, [batches[0]] * 3, rate)), "You trained three times on the first batch. The loop gives you `images` and `labels` anew each time.")
    suspect(any(are(descend(model, batches, other)) for other in (0.001, 0.01, 0.1, 1.0)), "Your steps have a length of your own choice: use `learning_rate`.")
    suspect(are(descend(model, batches[:1], rate)), "Only the first batch moved a weight.")
    suspect(close(losses, afterwards, 1e-5), "These are the losses after each step, by a second look. The one you took the slopes of is there already: no second pass.")
    expect("moves every weight by learning_rate times its slope", close(found, weights, 1e-4),
           "The weights are not yet those that one step for each batch would give.", points=2)
    expect("returns each batch's loss before its step", close(losses, expected, 1e-4), "The weights are right, the losses are not: append that of the "
           "forward pass, a mean over the batch.", got=losses, expected=[round(loss, 4) for loss in expected])

    model, rate = small_network(random), 0.2
    returned = answer(model, batches[1:], rate)
    expected, _, weights = descend(model, batches[1:], rate)
    losses, learned = returned
    expect_like(losses, [0.0] * 2)
    right = close(losses, expected, 1e-3) and close([weight.detach() for weight in learned.parameters()], weights, 1e-3)
    expect("again with another network and another rate", right, "With another network and learning rate it comes out wrong.", points=1)


@right
def slopes_by_hand(model, batches, learning_rate):
    model.train()
    losses = []
    for images, labels in batches:
        model.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= learning_rate * parameter.grad
        losses.append(loss.item())
    return losses


@right
def cleared_at_the_end(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    model.train()
    losses = []
    for images, labels in batches:
        loss = torch.nn.CrossEntropyLoss()(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses += [loss.item()]
    model.eval()
    return losses


@wrong("each `backward()` adds to the slopes")
def no_zero_grad(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    losses = []
    for images, labels in batches:
        model.train()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@wrong("No weight has moved")
def cleared_too_late(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    losses = []
    for images, labels in batches:
        model.train()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        losses.append(loss.item())
    return losses


@wrong("You went up")
def uphill(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    losses = []
    for images, labels in batches:
        model.train()
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        (-loss).backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@wrong("stayed in evaluation mode")
def no_train_mode(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    losses = []
    for images, labels in batches:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@wrong("Two lines are missing")
def three_lines(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    losses = []
    for images, labels in batches:
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@wrong("Weights moved between the forward pass")
def step_too_early(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    losses = []
    for images, labels in batches:
        model.train()
        loss = functional.cross_entropy(model(images), labels)
        optimizer.step()
        loss.backward()
        losses.append(loss.item())
    return losses


@wrong("You step before you compute the new slopes")
def step_first(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    losses = []
    for images, labels in batches:
        model.train()
        optimizer.step()
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        losses.append(loss.item())
    return losses


@wrong("a softmax before the cross-entropy")
def softmax_twice(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    losses = []
    for images, labels in batches:
        model.train()
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images).softmax(1), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@wrong("six times too long")
def summed(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    losses = []
    for images, labels in batches:
        model.train()
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels, reduction="sum")
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@wrong("three times on the first batch")
def first_batch_again(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    losses = []
    for _ in batches:
        images, labels = batches[0]
        model.train()
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@wrong("a length of your own choice")
def own_rate(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    for images, labels in batches:
        model.train()
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@wrong("got a float32 tensor", ".item()")
def tensors(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    losses = []
    for images, labels in batches:
        model.train()
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return losses


@wrong("Expected a list of 3 values")
def returns_in_the_loop(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    for images, labels in batches:
        model.train()
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()


@wrong("Your list of losses is empty")
def nothing_appended(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    losses = []
    for images, labels in batches:
        model.train()
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
    return losses


@wrong("by a second look")
def loss_afterwards(model, batches, learning_rate):
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    losses = []
    for images, labels in batches:
        model.train()
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        losses.append(functional.cross_entropy(model(images), labels).item())
    return losses
