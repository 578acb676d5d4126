"""The networks of the course: made, trained, fetched ready-trained, and carried across a process boundary.

Every network takes float32 images in [0, 1], (n, channels, height, width), and returns logits (n, classes);
normalization is inside.
"""
import inspect
import time
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from . import data

ARCHITECTURES = {}                              # name -> (builder, allowed values of each of its parameters)
SHIPPED = {"chest_small_cnn": {"architecture": "small_cnn", "data": "chest", "epochs": 18, "seed": 0}}
LIVE_IMAGES = 9_000                             # images seen in live training, all epochs together: under 20 s on slow cores
_trained_live = {}                              # (architecture, set, source) -> description


def architecture(**allowed):
    """Register a builder by its name; `allowed` gives the values of each parameter: a range, or a tuple."""
    def register(builder):
        ARCHITECTURES[builder.__name__] = builder, allowed
        return builder
    return register


@architecture(classes=range(1, 101), size=range(1, 257), channels=range(1, 17))
def linear(classes, size, channels=1):
    """One weight a pixel and class: the smallest network that has a gradient."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, classes))


@architecture(classes=range(1, 101), channels=range(1, 17), width=range(1, 65))
def small_cnn(classes=2, channels=1, width=16):
    """Four convolutions, 61,000 parameters at width 16, for images from 16 x 16 up."""
    return _SmallCNN(classes, channels, width)


class _SmallCNN(nn.Module):
    def __init__(self, classes, channels, width):
        super().__init__()

        def block(inputs, outputs, kernel=3, stride=1):
            return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        self.features = nn.Sequential(
            *block(channels, width, kernel=5, stride=2), nn.MaxPool2d(2), *block(width, 2 * width), nn.MaxPool2d(2),
            *block(2 * width, 4 * width), *block(4 * width, 4 * width))
        self.head = nn.Linear(8 * width, classes)

    def forward(self, images):
        features = self.features((images - .5) / .25)
        # The mean tells how much of the picture looks ill, the maximum whether any spot does.
        return self.head(torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1))


def make(name, **config):
    """An untrained network in eval mode, weights from torch's global generator; ValueError for what is not available.

    `model.architecture` becomes (name, config with its defaults filled in).
    """
    builder, config = _checked(name, config)
    model = builder(**config).eval()
    model.architecture = name, config
    return model


def _checked(name, config):
    if type(name) is not str or name not in ARCHITECTURES:
        raise ValueError(f"There is no architecture {_short(name)}; there is: {', '.join(ARCHITECTURES)}.")
    builder, allowed = ARCHITECTURES[name]
    if type(config) is not dict or not all(type(key) is str and key in allowed for key in config):
        raise ValueError(f"The settings of {name} are: {', '.join(allowed)}.")
    try:
        bound = inspect.signature(builder).bind(**config)
    except TypeError as problem:
        raise ValueError(f"{name} cannot be made: {problem}.") from None
    bound.apply_defaults()
    for key, value in bound.arguments.items():
        if type(value) not in (int, str) or value not in allowed[key]:
            raise ValueError(f"{key}={_short(value)} is not possible for {name}: give one of {allowed[key]}.")
    return builder, dict(bound.arguments)


def _short(value):
    """repr of a small plain value; of anything else its type, for a stranger's repr may run code or never end."""
    plain = type(value) is int and value.bit_length() < 64 or type(value) is str and len(value) < 60
    return repr(value) if plain else f"of type {type(value).__name__}"


@dataclass(frozen=True)
class History:
    """losses, accuracies: one a training epoch, averaged over its images while the network changed; seconds of wall time."""
    losses: tuple
    accuracies: tuple
    seconds: float


@contextmanager
def _seeded(seed):
    """Seed torch inside the block; the caller's random numbers go on afterwards as if nothing had happened."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def train(model, split, epochs, seed=0):
    """Train a network in place on a Split, with random flips and small shifts, and leave it in eval mode: a History.

    AdamW, one learning-rate cycle, batches of at most 32. The same seed and starting weights give the same result.
    Raises ValueError if there is nothing to train.
    """
    from tqdm.auto import tqdm
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters or epochs < 1 or len(split) < 2:
        raise ValueError("Nothing to train: a network with unfrozen parameters, one epoch and two images are the least.")
    started, losses, accuracies = time.perf_counter(), [], []
    batches = -(-len(split) // 32)
    optimizer = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * batches + 1)
    try:
        model.train()
        with _seeded(seed), tqdm(total=epochs * batches, desc="training", leave=False) as bar:
            for _ in range(epochs):
                loss_sum = right = 0
                # Equal shares, not 32 and a rest: a rest of one image would spoil batch normalization's averages.
                for batch in torch.tensor_split(torch.randperm(len(split)), batches):
                    logits, labels = model(_augmented(split.images[batch])), split.labels[batch]
                    loss = functional.cross_entropy(logits, labels)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                    loss_sum += loss.item() * len(batch)
                    right += (logits.argmax(1) == labels).sum().item()
                    bar.update()
                losses.append(loss_sum / len(split))
                accuracies.append(right / len(split))
    finally:
        model.eval().zero_grad()
    return History(tuple(losses), tuple(accuracies), time.perf_counter() - started)


def _augmented(images):
    """Half of the batches mirrored; all shifted by up to a twentieth of the side, around the edge."""
    images = images.flip(-1) if torch.rand(()) < .5 else images
    reach = images.shape[-1] // 20
    return images.roll(torch.randint(-reach, reach + 1, (2,)).tolist(), (-2, -1))


@torch.no_grad()
def measure(model, split):
    """accuracy, sensitivity (ill found ill) and specificity (healthy found healthy), in [0, 1]; class 0 is healthy."""
    guesses = torch.cat([model(batch).argmax(1) for batch in split.images.split(256)])
    right, ill = guesses == split.labels, split.labels > 0
    shares = {"accuracy": right, "sensitivity": guesses[ill] > 0, "specificity": guesses[~ill] == 0}
    return {name: share.float().mean().item() for name, share in shares.items()}


def get(name, trained_on="chest", source=None):
    """A trained network in eval mode with frozen parameters; each call gives a copy of its own.

    On embedded data: the shipped weights, after a checksum. Where `source`, or else MEDCRYPT_DATA, sets other data for `trained_on`
    (see data.load), it is trained on them now (once a session, under 20 s), and one printed line says so.
    """
    entry = f"{trained_on}_{name}"
    if entry not in SHIPPED:
        raise ValueError(f"There are no weights {_short(entry)} (data and network); there are: {', '.join(SHIPPED)}.")
    source = data.source_of(trained_on, source)
    if source != "embedded":
        model = _live(SHIPPED[entry], source)
    else:
        from safetensors.torch import load
        model = _filled(*data.manifest()["weights"][entry]["architecture"], load(data.verified_bytes("weights", entry)))
    return model.eval().requires_grad_(False)


def fresh(recipe, split):
    """The recipe's network, untrained, for a Split's classes and channels; the recipe's seed fixes its weights."""
    with _seeded(recipe["seed"]):
        return make(recipe["architecture"], classes=len(split.classes), channels=split.images.shape[1])


def _live(recipe, source):
    key = recipe["architecture"], recipe["data"], source
    if key not in _trained_live:
        split, val = (data.load(recipe["data"], part, source=source) for part in ("train", "val"))
        order = torch.randperm(len(split), generator=torch.Generator().manual_seed(recipe["seed"]))
        split, model = split.take(order[:LIVE_IMAGES]), fresh(recipe, split)
        train(model, split, max(1, min(recipe["epochs"], round(LIVE_IMAGES / len(split)))), recipe["seed"])
        print(f"MEDCRYPT_DATA sets other images for {recipe['data']}: {recipe['architecture']} was trained on them now, "
              f"{measure(model, val)['accuracy']:.0%} right on their validation images.")
        _trained_live[key] = describe(model)
    return rebuild(_trained_live[key])


def describe(model):
    """A network as plain content: {"name": str, "config": dict, "weights": {name: tensor copy},
    "training": {module path: bool}, "requires_grad": {parameter path: bool}}, from which `rebuild` makes its equal.

    Raises TypeError for a model that `make`, `get` or `rebuild` did not make.
    """
    if not (isinstance(model, nn.Module) and isinstance(getattr(model, "architecture", None), tuple)):
        raise TypeError(f"This {type(model).__name__} is not a network from medcrypt_lab.models: make it with models.make.")
    name, config = model.architecture
    return {"name": name, "config": dict(config),
            "weights": {key: tensor.detach().clone() for key, tensor in model.state_dict().items()},
            "training": {path: module.training for path, module in model.named_modules()},
            "requires_grad": {path: parameter.requires_grad for path, parameter in model.named_parameters()}}


def rebuild(description):
    """The network that `describe` described, its outputs equal bit for bit. Draws no random numbers.

    The description may come from an adversary: ValueError, before anything of the size it claims is allocated.
    """
    if type(description) is not dict or set(description) != {"name", "config", "weights", "training", "requires_grad"}:
        raise ValueError("A network's description is a dict with name, config, weights, training and requires_grad.")
    model = _filled(description["name"], description["config"], description["weights"])
    for field, parts in (("training", dict(model.named_modules())), ("requires_grad", dict(model.named_parameters()))):
        flags = description[field]
        if type(flags) is not dict or set(flags) != set(parts) or not all(type(flag) is bool for flag in flags.values()):
            raise ValueError(f"{field} in a network's description must give True or False for each part of it.")
        for path, part in parts.items():
            setattr(part, field, flags[path])
    return model


def _filled(name, config, weights):
    """Build without memory or random numbers on torch's meta device, compare, then put copies of the weights in."""
    with torch.device("meta"):
        model = make(name, **_checked(name, config)[1])
    expected = model.state_dict()
    if type(weights) is not dict or set(weights) != set(expected):
        raise ValueError(f"The weights' names are not those of {name}.")
    for key, like in expected.items():
        tensor = weights[key]
        # A stranger's tensor may be a subclass, or claim a size that no memory stands behind: only its own kind and shape pass.
        if not (type(tensor) is torch.Tensor and tensor.device.type == "cpu" and tensor.layout == torch.strided
                and tensor.dtype == like.dtype and tensor.shape == like.shape):
            raise ValueError(f"The weights {key} of {name} must be a {like.dtype} CPU tensor of shape {tuple(like.shape)}.")
    model.load_state_dict({key: tensor.detach().clone() for key, tensor in weights.items()}, assign=True)
    return model
