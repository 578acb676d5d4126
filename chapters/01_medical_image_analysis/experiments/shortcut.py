"""How far must a scanner's mark go with the disease until a network reads the mark instead of the lung?"""
import dataclasses

import torch

from medcrypt_lab import data, models

seeds = [0, 1, 2, 3, 4]
shares = [0.5, 0.7, 0.8, 0.9, 0.95, 1.0]        # of the training images whose mark agrees with the label; 0.5: it says nothing
count, epochs = 400, 8


def run(seeds):
    """Accuracy on the same test images, stamped in three ways: {"agrees", "disagrees", "none": {share: [one a seed]}}, and as in training."""
    train, test = data.load("chest", "train", limit=count), data.load("chest", "test")
    figures = {kind: {str(share): [] for share in shares} for kind in ("agrees", "disagrees", "none", "as in training")}
    for share in shares:
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            torch.manual_seed(seed)
            model = models.make("small_cnn")
            models.train(model, marked(train, share, generator), epochs, seed)
            shown = {"agrees": marked(test, 1.0, generator), "disagrees": marked(test, 0.0, generator), "none": test,
                     "as in training": marked(test, share, generator)}
            for kind, split in shown.items():
                figures[kind][str(share)].append(models.measure(model, split)["accuracy"])
    return {"shares": shares, "images": count, "epochs": epochs, **figures}


def marked(split, share, generator):
    """A letter L in the upper left corner of the ill and of no healthy, but for 1 - share of the images, where it is the other way round."""
    agrees = torch.rand(len(split), generator=generator) < share
    has_mark = (split.labels == 1) == agrees
    images = split.images.clone()
    images[has_mark, :, 4:12, 5:7] = 1
    images[has_mark, :, 10:12, 5:10] = 1
    return dataclasses.replace(split, images=images)
