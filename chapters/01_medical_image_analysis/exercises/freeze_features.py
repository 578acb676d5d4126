"""Freezing properly: weights that do not learn, and batch-norm averages that do not move."""
import copy

import torch
from torch import nn
from torch.nn import functional

from medcrypt_lab import models
from medcrypt_lab.exercises import expect, right, suspect, wrong

points, minutes, difficulty = 4, 7, 2
changes = ["model"]
hints = [
    "Two things move in a network while it trains. The optimizer moves one of them. Who moves the other, and when?",
    "`part.requires_grad_(False)` stops the weights of a part, `part.eval()` its averages. Neither does the other's work.",
    "The first line of the stub woke everything. Two more put one part to sleep, `model.features`: one line a switch.",
]
after = ("Whoever calls model.train() after this wakes batch norm again, and nothing warns you. That is why it is called in place of model.train(), "
         "each time. Some authors override train() in the network's class instead.")


def freeze_features(model):
    """Called in place of model.train(): from here on only the head learns.

    model: a network with model.features (convolutions and batch norm) and
    model.head. Afterwards, training steps change the head, and not one
    number of the features: no weight, no average.
    Switches on the model itself; returns nothing.
    """
    model.train().requires_grad_(True)      # all awake, however it came
    # BEGIN SOLUTION
    model.features.requires_grad_(False)
    model.features.eval()
    # END SOLUTION


def arriving(random, learning, training):
    """A small network with weights and averages of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random.getrandbits(40))
        model = models.make("small_cnn", classes=2, width=2)
    for module in norms(model):
        module.running_mean.copy_(random.tensor(len(module.running_mean), low=-0.5, high=0.5))
        module.running_var.copy_(random.tensor(len(module.running_var), low=0.5, high=2))
    return model.train(training).requires_grad_(learning)


def norms(model):
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def learns(part):
    """The names of the parameters that an optimizer would move."""
    return [name for name, parameter in part.named_parameters() if parameter.requires_grad]


def changed(before, after):
    """The names of the numbers that are not what they were."""
    return [name for name, tensor in before.items() if name not in after or not torch.equal(tensor, after[name])]


def trained(model, random):
    """A copy after four training steps: exactly what learns is moved. Nobody calls train() or eval() here."""
    model = copy.deepcopy(model)
    optimizer = torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=0.5)
    for _ in range(4):
        loss = functional.cross_entropy(model(random.tensor(8, 1, 16, 16)), torch.tensor([0, 1] * 4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def check(answer, random):
    """Ioffe and Szegedy 2015: what batch normalization keeps. A network that is all awake, one that is all asleep, as models.get gives it,
    and one of each kind; then real training steps, after which the features must be what they were, bit for bit."""
    states = {"awake": (True, True), "asleep": (False, False), "learning in evaluation mode": (True, False)}
    before = {state: arriving(random, *flags) for state, flags in states.items()}
    after = {state: (*answer(model=model), None)[1] for state, model in before.items()}
    suspect(None in after.values(), "The function should have one argument, called `model`.")

    awake, asleep = after["awake"], after["asleep"]
    suspect(any(before[state].state_dict().keys() != model.state_dict().keys() for state, model in after.items()),
            "Parts of the network are gone. Keep batch norm where it is: the features were learned with it.")
    touched = [name for state in states for name in changed(before[state].state_dict(), after[state].state_dict())]
    suspect(any("running" in name or "tracked" in name for name in touched), "You changed batch norm's averages. They are what the features learned about their images: keep them.")
    suspect(bool(touched), lambda: f"Your function changed the numbers in {touched[0]}. It only prepares; training comes later.")

    features = learns(awake.features)
    kinds = {type(awake.features[int(name.split(".")[0])]) for name in features}
    total = len(list(awake.features.parameters()))
    is_waking = [module.training for module in norms(awake)]
    untouched = len(features) == total and all(is_waking)
    suspect(untouched and not learns(asleep.head), "The network you were given is as it was. Work on `model` itself: a copy is thrown away, and so is what happens to it.")
    suspect(len(features) == total, "Every weight of the features still learns. `.eval()` stops the averages, not the optimizer: that takes `.requires_grad_(False)`. "
            "(`features.requires_grad = False` only writes a word on the module that nobody reads.)")
    suspect(kinds == {nn.BatchNorm2d}, "The convolutions stand still, but batch norm has weights as well, a scale and a shift for each channel, and these still learn.")
    suspect(kinds == {nn.Conv2d}, "You froze batch norm alone; the convolutions still learn.")
    expect("no weight of the features learns", not any(learns(model.features) for model in after.values()),
           lambda: f"{len(features)} of the {total} parameters of the features still learn, {(features or ['...'])[0]} first.", points=1)
    suspect(not learns(awake.head), "Nothing learns any more: the head is frozen as well.")
    suspect(not learns(asleep.head), "A network that arrives frozen, as models.get gives it, stays frozen, its head too. Switch the head on.")
    expect("every weight of the head learns", all(len(learns(model.head)) == 2 for model in after.values()),
           lambda: f"Of the head only {learns(awake.head)} learns.", points=1)

    runs = {state: trained(model, random) for state, model in after.items()}
    moved = {state: len(changed(after[state].features.state_dict(), run.features.state_dict())) for state, run in runs.items()}
    suspect(any(module.training for module in norms(awake)), lambda: f"No weight of the features learns, yet after four training steps {moved['awake']} of their tensors "
            "are others: in training mode batch norm keeps averaging, whatever requires_grad says. The mode is a switch of its own. (And it goes to all parts "
            "below: after model.train(), the features' own comes last.)")
    expect("no number of the features moves in training", not any(moved.values()),
           lambda: f"After four training steps {max(moved.values())} tensors of the features are not what they were.", points=1)
    suspect(not awake.head.training, "You sent the whole network to evaluation mode, the head with it. A head with dropout would then learn without it: only the features sleep.")
    suspect(not asleep.head.training, "A network that arrives in evaluation mode keeps its head there. You are called in place of model.train(): do its work too.")
    expect("the head trains", all(model.head.training for model in after.values()) and all(len(changed(after[s].head.state_dict(), runs[s].head.state_dict())) == 2 for s in states),
           "The head did not change in four training steps.", points=1)


@right
def part_by_part(model):
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("head.")
    model.train()
    for module in model.features.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()


@right
def outside_in(model):
    model.eval().requires_grad_(False)
    model.head.train().requires_grad_(True)
    return model


@wrong("whatever requires_grad says")
def weights_only(model):
    model.train().requires_grad_(True)
    model.features.requires_grad_(False)


@wrong("Every weight of the features still learns")
def attribute_of_the_module(model):
    model.features.requires_grad = False
    model.head.requires_grad_(True)
    model.train()
    model.features.eval()


@wrong("a scale and a shift for each channel")
def convolutions_only(model):
    model.train()
    model.head.requires_grad_(True)
    for module in model.features:
        if isinstance(module, torch.nn.Conv2d):
            module.requires_grad_(False)
    model.features.eval()


@wrong("You froze batch norm alone")
def norms_only(model):
    model.train()
    for module in model.features:
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval().requires_grad_(False)


@wrong("the head is frozen as well")
def all_frozen(model):
    model.requires_grad_(False)
    model.train()
    model.features.eval()


@wrong("stays frozen, its head too")
def head_forgotten(model):
    model.features.requires_grad_(False)
    model.train()
    model.features.eval()


@wrong("You sent the whole network to evaluation mode")
def all_asleep(model):
    model.requires_grad_(False)
    model.head.requires_grad_(True)
    model.eval()


@wrong("do its work too")
def only_eval(model):
    model.features.requires_grad_(False)
    model.head.requires_grad_(True)
    model.features.eval()


@wrong("a copy is thrown away")
def works_on_a_copy(model):
    import copy
    model = copy.deepcopy(model)
    model.requires_grad_(False)
    model.head.requires_grad_(True)
    model.train()
    model.features.eval()
    return model


@wrong("You changed batch norm's averages")
def forgets_the_averages(model):
    model.requires_grad_(False)
    model.head.requires_grad_(True)
    for module in model.features:
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
    model.train()
    model.features.eval()


@wrong("It only prepares; training comes later")
def new_head(model):
    model.requires_grad_(False)
    model.head.requires_grad_(True)
    model.head.reset_parameters()
    model.train()
    model.features.eval()
