"""The networks of the course: made, trained, fetched ready-trained, and carried across a process boundary.

Every network takes float32 images in [0, 1], (n, channels, height, width), and normalizes them itself. Classifiers return logits
(n, classes); `unet` returns logits (n, classes, height, width), one a pixel; `autoencoder` returns images like those it got.
"""
import copy
import inspect
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn
from torch.nn import functional

from . import data, metrics

ARCHITECTURES = {}                              # name -> (builder, allowed values of each of its parameters)
SHIPPED = {             # entry -> how its weights are made: from the embedded images or, where these are too few, from the full set
    "chest_small_cnn": {"architecture": "small_cnn", "data": "chest", "epochs": 18, "seed": 0},
    "chest_covid_small_cnn": {"architecture": "small_cnn", "data": "chest", "variant": "covid", "epochs": 18, "seed": 0},
    "chest_dense_net": {"architecture": "dense_net", "data": "chest", "epochs": 10, "seed": 0},
    "brain_small_cnn": {"architecture": "small_cnn", "data": "brain", "epochs": 24, "seed": 0},
    "fundus_small_cnn": {"architecture": "small_cnn", "config": {"stride": 1}, "data": "fundus", "source": "full", "epochs": 15, "seed": 0},
    "skin_small_cnn": {"architecture": "small_cnn", "config": {"stride": 1}, "data": "skin", "source": "full", "epochs": 15, "seed": 0},
    "brain_unet": {"architecture": "unet", "data": "brain", "target": "tumor", "source": "full", "epochs": 4, "seed": 0},
    "fundus_unet": {"architecture": "unet", "data": "fundus", "target": "vessel", "epochs": 14, "seed": 0},
}
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


@architecture(classes=range(1, 101), channels=range(1, 17), width=range(1, 65), stride=(1, 2))
def small_cnn(classes=2, channels=1, width=16, stride=2):
    """Four convolutions, 61,000 parameters at width 16, for images from 16 x 16 up. With stride 1 it sees finer detail and is slower."""
    if stride == 2:
        layers = [*_block(channels, width, kernel=5, stride=2), nn.MaxPool2d(2), *_block(width, 2 * width), nn.MaxPool2d(2), *_block(2 * width, 4 * width)]
    else:
        layers = [*_block(channels, width), nn.MaxPool2d(2), *_block(width, 2 * width), nn.MaxPool2d(2), *_block(2 * width, 4 * width), nn.MaxPool2d(2)]
    return _Classifier([*layers, *_block(4 * width, 4 * width)], 4 * width, classes)


@architecture(classes=range(1, 101), channels=range(1, 17), width=range(1, 65))
def deep_cnn(classes=2, channels=1, width=16):
    """Thirteen convolutions with shortcuts around each pair, after He et al. 2016 (ResNet), 175,000 parameters at width 16."""
    layers = [*_block(channels, width, kernel=5, stride=2)]
    for inputs, outputs in ((width, width), (width, 2 * width), (2 * width, 4 * width)):
        layers += [_Residual(inputs, outputs, stride=1 if inputs == outputs else 2), _Residual(outputs, outputs)]
    return _Classifier(layers, 4 * width, classes)


@architecture(classes=range(1, 101), channels=range(1, 17), growth=range(1, 33))
def dense_net(classes=2, channels=1, growth=12):
    """Three blocks of four layers, each of which sees all layers before it, after Huang et al. 2017 (DenseNet), 58,000 parameters at growth 12."""
    width = 2 * growth
    layers = [*_block(channels, width, kernel=5, stride=2)]
    for _ in range(3):
        layers += [_Dense(width + k * growth, growth) for k in range(4)]
        layers += [*_block(width + 4 * growth, (width + 4 * growth) // 2, kernel=1), nn.AvgPool2d(2)]
        width = (width + 4 * growth) // 2
    return _Classifier(layers, width, classes)


@architecture(classes=range(1, 101), channels=range(1, 17), width=range(1, 65))
def mobile_net(classes=2, channels=1, width=16):
    """Six inverted bottlenecks of depthwise convolutions, after Sandler et al. 2018 (MobileNetV2), 74,000 parameters at width 16."""
    layers = [*_block(channels, width, kernel=3, stride=2)]
    for inputs, outputs, stride in ((1, 1, 1), (1, 2, 2), (2, 2, 1), (2, 3, 2), (3, 3, 1), (3, 4, 1)):
        layers.append(_Bottleneck(inputs * width, outputs * width, stride))
    return _Classifier(layers, 4 * width, classes)


@architecture(classes=range(1, 101), channels=range(1, 17), width=range(1, 65))
def unet(classes=1, channels=1, width=12):
    """Two levels down and up with bridges, after Ronneberger et al. 2015, 67,000 parameters at width 12; sides divisible by 4."""
    return _UNet(classes, channels, width)


@architecture(channels=range(1, 17), width=range(1, 65), code=range(1, 257))
def autoencoder(channels=1, width=16, code=16):
    """Three convolutions down to `code` numbers for each 8 x 8 pixels, three up again; sides divisible by 8."""
    return _Autoencoder(channels, width, code)


def _block(inputs, outputs, kernel=3, stride=1, groups=1):
    """Convolution, batch normalization, ReLU."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()


def _normalized(images):
    return (images - .5) / .25


class _Classifier(nn.Module):
    def __init__(self, layers, width, classes):
        super().__init__()
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, images):
        features = self.features(_normalized(images))
        # The mean tells how much of the picture looks ill, the maximum whether any spot does.
        return self.head(torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1))


class _Residual(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.around = nn.Identity() if inputs == outputs else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.through = nn.Sequential(*_block(inputs, outputs, stride=stride), *_block(outputs, outputs)[:2])

    def forward(self, features):
        return functional.relu(self.around(features) + self.through(features))


class _Dense(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.new = nn.Sequential(*_block(inputs, 2 * growth, kernel=1), *_block(2 * growth, growth))

    def forward(self, features):
        return torch.cat([features, self.new(features)], 1)


class _Bottleneck(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        wide = 4 * inputs
        self.through = nn.Sequential(*_block(inputs, wide, kernel=1), *_block(wide, wide, stride=stride, groups=wide), *_block(wide, outputs, kernel=1)[:2])
        self.keeps_shape = inputs == outputs and stride == 1

    def forward(self, features):
        return features + self.through(features) if self.keeps_shape else self.through(features)


class _UNet(nn.Module):
    def __init__(self, classes, channels, width):
        super().__init__()

        def two(inputs, outputs):
            return nn.Sequential(*_block(inputs, outputs), *_block(outputs, outputs))
        self.down = nn.ModuleList([two(channels, width), two(width, 2 * width), two(2 * width, 4 * width)])
        self.up = nn.ModuleList([two(6 * width, 2 * width), two(3 * width, width)])
        self.head = nn.Conv2d(width, classes, 1)
        nn.init.constant_(self.head.bias, -3)       # what is looked for covers few pixels: to begin with, expect it nowhere

    def forward(self, images):
        fine = self.down[0](_normalized(images))
        middle = self.down[1](functional.max_pool2d(fine, 2))
        coarse = self.down[2](functional.max_pool2d(middle, 2))
        middle = self.up[0](torch.cat([functional.interpolate(coarse, scale_factor=2), middle], 1))
        return self.head(self.up[1](torch.cat([functional.interpolate(middle, scale_factor=2), fine], 1)))


class _Autoencoder(nn.Module):
    def __init__(self, channels, width, code):
        super().__init__()
        self.encode = nn.Sequential(*_block(channels, width, stride=2), *_block(width, 2 * width, stride=2), nn.Conv2d(2 * width, code, 3, 2, 1))
        wider = nn.Upsample(scale_factor=2)
        self.decode = nn.Sequential(wider, *_block(code, 2 * width), wider, *_block(2 * width, width), wider, nn.Conv2d(width, channels, 3, 1, 1), nn.Sigmoid())

    def forward(self, images):
        return self.decode(self.encode(_normalized(images)))


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
    """losses, accuracies: one a training epoch, averaged over its images while the network changed; validation: the score on `val` after
    each epoch, where there was one; best: the epoch, from 1, whose weights were kept; seconds of wall time.

    The accuracy of a segmentation is its mean Dice overlap; an autoencoder has none.
    """
    losses: tuple
    accuracies: tuple
    seconds: float
    validation: tuple = ()
    best: int = None

    def curve(self):
        """The learning curve, a matplotlib figure."""
        import matplotlib.pyplot as plt
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.8))
        epochs = range(1, len(self.losses) + 1)
        left.plot(epochs, self.losses)
        left.set(title="training loss", xlabel="epoch")
        for name, values in (("training", self.accuracies), ("validation", self.validation)):
            if values:
                right.plot(epochs, values, label=name)
        right.set(title="share right", xlabel="epoch")
        right.legend()
        return figure


@contextmanager
def _seeded(seed):
    """Seed torch inside the block; the caller's random numbers go on afterwards as if nothing had happened."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def train(model, split, epochs, seed=0, *, target="labels", val=None, patience=None):
    """Train a network in place on a Split, with random flips and small shifts, and leave it in eval mode: a History.

    target: "labels" (cross-entropy), the name of a mask (cross-entropy a pixel plus 1 - Dice), or "images" (mean squared error).
    val: a Split to measure on after each epoch; the weights of the best epoch are kept. patience: stop after so many epochs without a
    better one. AdamW, one learning-rate cycle, batches of at most 32, of 16 where every pixel is learned. The same seed and starting weights give the same result.
    Raises ValueError if there is nothing to train.
    """
    from tqdm.auto import tqdm
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters or epochs < 1 or len(split) < 2:
        raise ValueError("Nothing to train: a network with unfrozen parameters, one epoch and two images are the least.")
    if target not in ("labels", "images", *split.masks):
        raise ValueError(f"target={_short(target)} is not there to be learned; there is: {', '.join(('labels', 'images', *split.masks))}.")
    started, losses, accuracies, validation, best = time.perf_counter(), [], [], [], None
    batches = -(-len(split) // (32 if target == "labels" else 16))
    optimizer = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * batches + 1)
    try:
        # tqdm's bar for notebooks does not read TQDM_DISABLE by itself.
        quiet = bool(os.environ.get("TQDM_DISABLE"))
        with _seeded(seed), tqdm(total=epochs * batches, desc="training", leave=False, disable=quiet) as bar:
            for epoch in range(1, epochs + 1):
                model.train()
                loss_sum = right = 0
                # Equal shares, not 32 and a rest: a rest of one image would spoil batch normalization's averages.
                for batch in torch.tensor_split(torch.randperm(len(split)), batches):
                    images, truth = _augmented(split.images[batch], None if target in ("labels", "images") else split.masks[target][batch])
                    truth = split.labels[batch] if target == "labels" else images if target == "images" else truth
                    loss, good = _loss(model(images), truth)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                    loss_sum += loss.item() * len(batch)
                    right += good
                    bar.update()
                losses.append(loss_sum / len(split))
                accuracies.append(right / len(split))
                if val is not None:
                    validation.append(_score(model.eval(), val, target))
                    if best is None or validation[-1] > validation[best[0] - 1]:
                        best = epoch, copy.deepcopy(model.state_dict())
                    elif patience is not None and epoch - best[0] >= patience:
                        break
        if best is not None:
            model.load_state_dict(best[1])
    finally:
        model.eval().zero_grad()
    seconds = time.perf_counter() - started
    return History(tuple(losses), () if target == "images" else tuple(accuracies), seconds, tuple(validation), best and best[0])


def _loss(output, truth):
    """The loss of a batch, and how many are right (of masks: the sum of their Dice overlaps)."""
    if truth.dtype == torch.int64:
        return functional.cross_entropy(output, truth), (output.argmax(1) == truth).sum().item()
    if truth.dtype == torch.bool:
        wanted, found = truth.float(), torch.sigmoid(output[:, 0])
        overlap = (2 * (found * wanted).sum() + 1) / (found.sum() + wanted.sum() + 1)
        return functional.binary_cross_entropy_with_logits(output[:, 0], wanted) + 1 - overlap, overlap.item() * len(truth)
    return functional.mse_loss(output, truth), 0


def _augmented(images, masks=None):
    """Half of the batches mirrored; all shifted by up to a twentieth of the side, around the edge. Masks move with their images."""
    mirrored, reach = torch.rand(()) < .5, images.shape[-1] // 20
    shift = torch.randint(-reach, reach + 1, (2,)).tolist()
    return (part if part is None else (part.flip(-1) if mirrored else part).roll(shift, (-2, -1)) for part in (images, masks))


@torch.no_grad()
def predict(model, images):
    """The network's output for any number of images, in portions."""
    return torch.cat([model(batch) for batch in images.split(256)])


def _score(model, split, target):
    """What early stopping compares, larger is better: accuracy, Dice overlap, or minus the squared error."""
    output = predict(model, split.images)
    if target == "images":
        return -functional.mse_loss(output, split.images).item()
    if target == "labels":
        return (output.argmax(1) == split.labels).float().mean().item()
    return metrics.dice(output[:, 0] > 0, split.masks[target])


def measure(model, split, target="labels"):
    """What a network is worth on a Split, as a dict of numbers in [0, 1].

    target "labels": accuracy; balanced accuracy; and, class 0 being healthy, sensitivity (ill found ill) and specificity (healthy found
    healthy). The name of a mask: dice. "images": the mean squared error.
    """
    if target != "labels":
        return {"squared error": -_score(model, split, target)} if target == "images" else {"dice": _score(model, split, target)}
    guesses = predict(model, split.images).argmax(1)
    right, ill = guesses == split.labels, split.labels > 0
    shares = {"accuracy": right, "sensitivity": guesses[ill] > 0, "specificity": guesses[~ill] == 0}
    return {**{name: share.float().mean().item() for name, share in shares.items()},
            "balanced accuracy": metrics.balanced_accuracy(guesses, split.labels)}


def get(name, trained_on="chest", source=None):
    """A trained network in eval mode with frozen parameters; each call gives a copy of its own.

    trained_on: a set, or "chest_covid" for the three classes. On embedded data: the shipped weights, after a checksum. Where `source`, or
    else MEDCRYPT_DATA, sets other data for `trained_on` (see data.load), it is trained on them now (once a session, under 20 s), and one
    printed line says so. A network that learned masks stays the shipped one: no other source has any.
    """
    entry = f"{trained_on}_{name}"
    if entry not in SHIPPED:
        raise ValueError(f"There are no weights {_short(entry)} (data and network); there are: {', '.join(SHIPPED)}.")
    recipe = SHIPPED[entry]
    source = data.source_of(recipe["data"], source, recipe.get("variant"))
    if source not in ("embedded", "full") and target(recipe) == "labels":
        model = _live(recipe, source)
    else:
        from safetensors.torch import load
        model = _filled(*data.manifest()["weights"][entry]["architecture"], load(data.verified_bytes("weights", entry)))
    return model.eval().requires_grad_(False)


def target(recipe):
    """What a recipe's network learns: "labels" or the name of a mask."""
    return recipe.get("target", "labels")


def recipe_split(recipe, split, source=None):
    """The images that a recipe's network learns from, or is measured on."""
    return data.load(recipe["data"], split, variant=recipe.get("variant"), source=source or recipe.get("source", "embedded"))


def sets_of(recipe):
    """The embedded sets that a recipe reads, as the manifest names them."""
    return [recipe["data"], *([f"{recipe['data']}_{recipe['variant']}"] if "variant" in recipe else [])]


def fresh(recipe, split):
    """The recipe's network, untrained, for a Split's classes and channels; the recipe's seed fixes its weights."""
    classes = {"classes": len(split.classes)} if target(recipe) == "labels" else {}
    with _seeded(recipe["seed"]):
        return make(recipe["architecture"], channels=split.images.shape[1], **classes, **recipe.get("config", {}))


def _live(recipe, source):
    key = recipe["architecture"], recipe["data"], source
    if key not in _trained_live:
        split, val = (recipe_split(recipe, part, source) for part in ("train", "val"))
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
            object.__setattr__(part, field, flags[path])
    return model


@lru_cache(maxsize=16)
def _empty(name, *config):
    """A network on torch's meta device: shapes, and no numbers."""
    with torch.device("meta"):
        return make(name, **dict(config))


def _twin(module, known):
    """A copy of a network without numbers, in a tenth of the time that copy.deepcopy takes. known: id -> copy, for a part that stands in two places."""
    if id(module) not in known:
        twin = known[id(module)] = object.__new__(type(module))
        vars(twin).update({name: value.copy() if isinstance(value, (dict, set)) else value for name, value in vars(module).items()})
        vars(twin)["_modules"] = {name: _twin(part, known) for name, part in module._modules.items()}
    return known[id(module)]


def _places(module, path=""):
    """(name as in the state_dict, module, its own name there) of each weight. load_state_dict takes five times as long for the same."""
    for own, weight in [*module._parameters.items(), *module._buffers.items()]:
        if weight is not None:
            yield path + own, module, own
    for name, part in module._modules.items():
        yield from _places(part, f"{path}{name}.")


def _filled(name, config, weights):
    """Build without memory or random numbers, compare, then put copies of the weights in."""
    config = _checked(name, config)[1]
    model = _twin(_empty(name, *config.items()), {})
    model.architecture = name, config
    places = list(_places(model))
    if type(weights) is not dict or set(weights) != {key for key, _, _ in places}:
        raise ValueError(f"The weights' names are not those of {name}.")
    for key, module, own in places:
        like, tensor = getattr(module, own), weights[key]
        # A stranger's tensor may be a subclass, or claim a size that no memory stands behind: only its own kind and shape pass.
        if not (type(tensor) is torch.Tensor and tensor.device.type == "cpu" and tensor.layout == torch.strided
                and tensor.dtype == like.dtype and tensor.shape == like.shape):
            raise ValueError(f"The weights {key} of {name} must be a {like.dtype} CPU tensor of shape {tuple(like.shape)}.")
        copied = tensor.detach().clone()
        if own in module._parameters:
            module._parameters[own] = nn.Parameter(copied, like.requires_grad)
        else:
            module._buffers[own] = copied
    return model
