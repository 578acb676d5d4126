"""A network that nothing changes any more: no parameter learns, no statistic moves."""
import copy

import torch

from medcrypt_lab import models
from medcrypt_lab.exercises import expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 5, 2
changes = ["model"]
hints = [
    "A network changes in two ways: an optimizer moves its parameters, and a look in training mode moves its batch-norm statistics. "
    "Each has its own switch.",
    "Every parameter has a switch `requires_grad`; `model.parameters()` goes through them all. The mode has its switch on every part; "
    "`model.eval()` goes through all parts.",
    "`for parameter in model.parameters():` and one line that sets its switch; then, below the loop, the mode.",
]
after = ("Both switches are a rule for honest code, no lock: whoever holds the network in memory can turn them back. "
         "Against tampering helps a checksum of the weights, which this course compares each time it loads some.")


def freeze(model):
    """Nothing that you do with this network shall change it any more.

    model: a torch.nn.Module, in whatever mode. Changes `model` itself
    (no copy) and returns it: no parameter records gradients, every part
    is in evaluation mode, the weights keep their values.
    """
    # BEGIN SOLUTION
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.eval()
    # END SOLUTION
    return model


def lively(random, name, **config):
    """A network as a training script leaves it: everything learns, in training mode, statistics that are not those of the start."""
    model = models.make(name, **config).train().requires_grad_(True)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(random.tensor(*tensor.shape, low=0.1, high=0.4))
    return model


def learning(model):
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def training(model):
    return [name for name, module in model.named_modules() if module.training]


def same_weights(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values()))


def drift(model, random):
    """By how much one look at a batch moves a network's batch-norm statistics."""
    before, images = copy.deepcopy(model.state_dict()), random.tensor(4, 1, 16, 16)
    with torch.no_grad():
        model(images)
    return max(float((model.state_dict()[name] - value).abs().max()) for name, value in before.items() if "running" in name)


def check(answer, random):
    """A small convolutional network with batch normalization, all of it alive; then a deeper one that is half frozen already, so that
    whoever toggles the switches shows."""
    model = lively(random, "small_cnn", width=2)
    parameters, parts = len(learning(model)), len(training(model))
    result, *changed = answer(model)
    after = changed[0] if changed else model        # not there: the answer calls its argument otherwise, and changed nothing
    is_network = isinstance(result, torch.nn.Module)
    if result is None or result is ...:
        expect_like(result, model)
    expect("returns the network", is_network, "Return the network itself, so that one can write `model = freeze(model)`.")
    learns, trains = learning(after), training(after)
    untouched = len(learns) == parameters and len(trains) == parts
    suspect(untouched and not learning(result) and not training(result), "You froze a copy. The caller's network learns on, and whoever holds it "
            "still changes it: work on `model` itself.")
    suspect(untouched, f"Nothing changed: all {parameters} parameters still learn, all {parts} parts are in training mode. (What `with torch.no_grad():` "
            "forbids, it forbids only until its block ends.)")
    suspect(not same_weights(after, model), "The weights have other values than before. Freezing keeps what was learned; it only stops the learning.")
    suspect(not learns and len(trains) == parts, lambda: "No parameter learns, yet the network is still in training mode: after one look at a batch its "
            f"batch-norm statistics had moved by up to {drift(after, random):.1f}. That is the other switch.")
    suspect(not trains and len(learns) == parameters, f"The network is in evaluation mode, yet all {parameters} parameters still learn: the next optimizer step "
            "changes them. That is the other switch. (Each parameter has its own, `requires_grad`; `model.requires_grad = False` sets none of them.)")
    suspect(len(learns) == parameters and len(trains) == parts - 1 and "" not in trains, f"`model.training = False` reaches the outermost part alone; {parts - 1} "
            "parts inside still train. And `model.requires_grad = False` only gives the network a new attribute: the parameters hold the switch.")
    suspect(learns and all(not name.startswith("head") for name in learns) and len(learns) == parameters - 2,
            "You froze the last layer alone. All layers before it still learn.")
    suspect(learns and all(name.startswith("head") for name in learns), "All but the last layer is frozen. Useful for learning on few images; here nothing shall change.")
    suspect(learns and len(learns) < parameters, lambda: f"{len(learns)} of {parameters} parameters still learn, `{learns[0]}` for one.")
    suspect(not learns and trains == [""], "Every part inside is in evaluation mode, but not the network itself: call `eval()` on `model`.")
    suspect(trains and len(trains) < parts, lambda: f"{len(trains)} of {parts} parts are still in training mode, `{trains[-1]}` for one. Batch normalization is "
            "not the only one that cares: dropout does too.")
    expect("no parameter learns", not learns, "Some parameters still learn.", points=1)
    expect("every part is in evaluation mode", not trains, "Some parts are still in training mode.", points=1)
    suspect(learning(result) or training(result) or not same_weights(result, after), "You return another network than the one you froze.")

    half = lively(random, "deep_cnn", width=2)
    for i, parameter in enumerate(half.parameters()):
        parameter.requires_grad = i % 2 == 0
    for i, module in enumerate(half.modules()):
        module.training = i % 2 == 0
    result, *changed = answer(half)
    after = changed[0] if changed else half
    suspect(learning(after) or training(after), "A network that was half frozen before is half alive after it: do not toggle the switches, set them.")
    expect("also of a network that was half frozen", isinstance(result, torch.nn.Module) and same_weights(after, half) and not learning(result) and not training(result),
           "Of a network that was half frozen already, something came out wrong: its weights, or what you return.", points=1)


@right
def in_one_line(model):
    return model.requires_grad_(False).eval()


@right
def part_by_part(model):
    for module in model.modules():
        module.training = False
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)
    return model


@right
def train_false(model):
    model.train(False)
    for _, parameter in model.named_parameters():
        parameter.requires_grad = False
    return model


@wrong("after one look at a batch")
def only_parameters(model):
    for parameter in model.parameters():
        parameter.requires_grad = False
    return model


@wrong("The network is in evaluation mode, yet all")
def only_eval(model):
    return model.eval()


@wrong("forbids only until its block ends")
def no_grad_block(model):
    with torch.no_grad():
        return model


@wrong("You froze a copy")
def a_copy(model):
    return copy.deepcopy(model).requires_grad_(False).eval()


@wrong("only gives the network a new attribute")
def attributes(model):
    model.requires_grad = False
    model.training = False
    return model


@wrong("You froze the last layer alone")
def only_the_head(model):
    for parameter in list(model.parameters())[-2:]:
        parameter.requires_grad = False
    return model.eval()


@wrong("All but the last layer is frozen")
def all_but_the_head(model):
    for parameter in list(model.parameters())[:-2]:
        parameter.requires_grad = False
    return model.eval()


@wrong("still learn, `features.1.weight` for one")
def only_convolutions(model):
    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.requires_grad_(False)
    return model.eval()


@wrong("dropout does too")
def only_batch_norm(model):
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    return model.requires_grad_(False)


@wrong("but not the network itself")
def only_children(model):
    for child in model.children():
        child.eval()
    return model.requires_grad_(False)


@wrong("other values than before")
def emptied(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return model.requires_grad_(False).eval()


@wrong("do not toggle the switches")
def toggled(model):
    for parameter in model.parameters():
        parameter.requires_grad = not parameter.requires_grad
    for module in model.modules():
        module.training = not module.training
    return model


@wrong("Is there a `return` at its end?")
def returns_nothing(model):
    model.requires_grad_(False)
    model.eval()
