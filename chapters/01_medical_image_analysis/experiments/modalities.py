"""Which modality matters? One taken from a trained network, one taken before training, and each one alone."""
import torch

from medcrypt_lab import data, metrics, models

seeds = [0, 1, 2]                               # of the weights and the order of the images
epochs, size, width = 4, 32, 8


def run(seeds):
    """Mean Dice on the test slices with a tumor, for each seed, of small U-Nets trained on the channels that are left."""
    train, test = data.load("brain", "train", size=size, source="embedded"), data.load("brain", "test", size=size, source="embedded")
    test = test.take(test.labels == 1)
    names, everything = train.channels, range(4)
    figures = {"epochs": epochs, "size": size, "all four": [], "filled in": {n: [] for n in names}, "trained without": {n: [] for n in names},
               "trained on it alone": {n: [] for n in names}}
    level = [train.images[:, k][train.images[:, k] > 0].mean() for k in everything]
    for seed in seeds:
        model = learn(train, everything, seed)
        figures["all four"].append(score(model, test.images, test))
        for k, name in enumerate(names):
            filled = test.images.clone()
            filled[:, k] = (test.images > 0).any(1) * level[k]
            figures["filled in"][name].append(score(model, filled, test))
            others = [c for c in everything if c != k]
            figures["trained without"][name].append(score(learn(train, others, seed), test.images[:, others], test))
            figures["trained on it alone"][name].append(score(learn(train, [k], seed), test.images[:, [k]], test))
    return figures


def learn(train, channels, seed):
    """A small U-Net trained on some of the channels by the course's own recipe."""
    channels = list(channels)
    some = data.Split(train.images[:, channels], train.labels, train.masks, train.patients, train.classes, train.card)
    torch.manual_seed(seed)
    model = models.make("unet", channels=len(channels), width=width)
    models.train(model, some, epochs, seed, target="tumor")
    return model


def score(model, images, test):
    return metrics.dice(models.predict(model, images)[:, 0] > 0, test.masks["tumor"])
