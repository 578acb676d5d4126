"""Cross-entropy, soft Dice or their sum: which learns a rare target, and which answers "nothing anywhere"?"""
import torch
from torch.nn import functional

from medcrypt_lab import data, metrics, models

seeds = [0, 1, 2]                               # of the weights and the order of the images
epochs, size, width, rate = 6, 32, 8, 3e-3


def soft_dice(logits, truth):
    """Over the whole batch, smoothing 1: the lesson's exercise."""
    found = torch.sigmoid(logits)
    return 1 - (2 * (found * truth).sum() + 1) / (found.sum() + truth.sum() + 1)


def cross_entropy(logits, truth):
    return functional.binary_cross_entropy_with_logits(logits, truth.float())


LOSSES = {"cross-entropy": cross_entropy, "soft Dice": soft_dice, "their sum": lambda logits, truth: cross_entropy(logits, truth) + soft_dice(logits, truth)}


def run(seeds):
    """For each target and loss, of each seed and after each epoch: the mean Dice, and the pixels marked over the true pixels, on the test images."""
    train, test = data.load("brain", "train", size=size, source="embedded"), data.load("brain", "test", size=size, source="embedded")
    figures = {"epochs": epochs, "size": size}
    for target in ("tumor", "enhancing"):
        figures[target] = {"share of pixels": test.masks[target].float().mean().item()}
        for name, loss in LOSSES.items():
            runs = [learn(loss, train, test, target, seed) for seed in seeds]
            figures[target][name] = {"dice": [[d for d, _ in one] for one in runs], "marked": [[m for _, m in one] for one in runs]}
    return figures


def learn(loss, train, test, target, seed):
    """[(Dice, marked pixels over true pixels)] after each epoch. No augmentation, constant rate, last bias 0: nothing that helps against imbalance."""
    torch.manual_seed(seed)
    model = models.make("unet", channels=4, width=width)
    torch.nn.init.zeros_(model.head.bias)
    optimizer, scores = torch.optim.AdamW(model.parameters(), lr=rate), []
    for _ in range(epochs):
        model.train()
        for batch in torch.randperm(len(train)).split(16):
            optimizer.zero_grad()
            loss(model(train.images[batch])[:, 0], train.masks[target][batch]).backward()
            optimizer.step()
        found = models.predict(model.eval(), test.images)[:, 0] > 0
        truth = test.masks[target]
        scores.append((metrics.dice(found, truth), (found.sum() / truth.sum()).item()))
    return scores
