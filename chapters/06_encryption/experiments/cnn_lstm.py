"""A CNN-LSTM finds brain tumors: how good is it by the images it is tested on, by the patients, and on SHA-256 hashes of the images?"""
import hashlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from medcrypt_lab import data, models

seeds = list(range(10))
images, size, epochs, tested = 254, 32, 30, 0.25        # as many images as the survey's set has, but two of each patient


class CnnLstm(nn.Module):
    """Three convolutions; the rows of what they found, from top to bottom, go through an LSTM."""

    def __init__(self, channels, size):
        super().__init__()
        layers, widths = [], (channels, 12, 24, 32)
        for inputs, outputs in zip(widths, widths[1:]):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.lstm = nn.LSTM(32 * size // 8, 32, batch_first=True)
        self.head = nn.Linear(32, 2)

    def forward(self, pictures):
        rows = self.features((pictures - 0.5) / 0.25).permute(0, 2, 1, 3).flatten(2)
        return self.head(self.lstm(rows)[0][:, -1])


def run(seeds):
    """Accuracy on the tested quarter, one a seed: {recipe: {split: [...]}}; `hashes`: the same network on the images' digests."""
    scans = data.load("brain", "train", size=size, limit=images, source="embedded")
    pictures = digests(scans.images)
    accuracy = {recipe: {split: [] for split in ("image", "patient")} for recipe in ("plain", "augmented")}
    hashes = []
    for seed in seeds:
        by = {"image": a_quarter(torch.arange(images), seed), "patient": a_quarter(scans.patients, seed)}
        for split, test in by.items():
            accuracy["plain"][split].append(plain(scans.images, scans.labels, test, seed))
            accuracy["augmented"][split].append(augmented(scans, test, seed))
        hashes.append(plain(pictures, scans.labels, by["image"], seed))
    return {"images": images, "patients": len(scans.patients.unique()), "size": size, "epochs": epochs, "tested": tested, "accuracy": accuracy,
            "hashes": hashes}


def a_quarter(groups, seed):
    """True for the images of a quarter of the groups, drawn at random; groups: (n,), of images or of patients."""
    names, of_image = groups.unique(return_inverse=True)
    drawn = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))[:round(tested * len(names))]
    return torch.isin(of_image, drawn)


def digests(pictures):
    """SHA-256 of each image's bytes, its 256 bits as a picture of 16 x 16."""
    hashed = [hashlib.sha256(picture.tobytes()).digest() for picture in (pictures * 255).round().byte().numpy()]
    bits = np.unpackbits(np.frombuffer(b"".join(hashed), np.uint8)).reshape(-1, 1, 16, 16)
    return torch.tensor(bits, dtype=torch.float32)


def plain(pictures, labels, test, seed):
    """Trained on the images as they are, until it knows them by heart."""
    torch.manual_seed(seed)
    network = CnnLstm(pictures.shape[1], pictures.shape[2]).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    known, truth = pictures[~test], labels[~test]
    for _ in range(epochs):
        for batch in torch.randperm(len(known)).split(16):
            loss = functional.cross_entropy(network(known[batch]), truth[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return float((models.predict(network.eval(), pictures[test]).argmax(1) == labels[test]).float().mean())


def augmented(scans, test, seed):
    """Trained with random flips and shifts, as the course's networks are."""
    torch.manual_seed(seed)
    network = CnnLstm(scans.images.shape[1], size)
    models.train(network, scans.take(~test), epochs, seed)
    return models.measure(network, scans.take(test))["accuracy"]
