"""By how much does a test set cut out by images, not by patients, flatter a model, and when does it not?"""
import torch
from torch.nn import functional

from medcrypt_lab import data, models

seeds = [0, 1, 2, 3, 4]
sets = {"brain": 480, "chest": 400}             # images of each, two a patient
size, epochs, tested = 32, 40, 0.25             # pixels a side; no augmentation, so that the network can learn its images by heart
labels_of, splits, judged = ("coin", "true"), ("image", "patient"), ("nearest neighbor", "network")


def run(seeds):
    """Accuracy on the tested quarter: {set: {labels: {split: {model: [one a seed]}}}}."""
    accuracy = {name: {labels: {split: {model: [] for model in judged} for split in splits} for labels in labels_of} for name in sets}
    for name, count in sets.items():
        images = data.load(name, "train", size=size, limit=count)
        for seed in seeds:
            for labels in labels_of:
                truth = coin_a_patient(images.patients, seed) if labels == "coin" else images.labels
                for split in splits:
                    test = a_quarter(images.patients if split == "patient" else torch.arange(count), seed)
                    parts = images.images[~test], truth[~test], images.images[test], truth[test]
                    for model, judge in zip(judged, (nearest_neighbor, network)):
                        accuracy[name][labels][split][model].append(judge(*parts, seed))
    return {"images": sets, "size": size, "epochs": epochs, "tested": tested, "accuracy": accuracy}


def coin_a_patient(patients, seed):
    """A label for each image, 0 or 1 by the toss of a coin for its patient: nothing in the picture tells it."""
    names, of_image = patients.unique(return_inverse=True)
    return torch.randint(0, 2, (len(names),), generator=torch.Generator().manual_seed(1000 + seed))[of_image]


def a_quarter(groups, seed):
    """True for the images of a quarter of the groups, drawn at random; groups: (n,), of images or of patients."""
    names, of_image = groups.unique(return_inverse=True)
    drawn = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))[:round(tested * len(names))]
    return torch.isin(of_image, drawn)


def nearest_neighbor(images, labels, unseen, truth, seed):
    """Accuracy of the label of the training image whose pixels are nearest; nothing is learned."""
    nearest = torch.cdist(unseen.flatten(1), images.flatten(1)).argmin(1)
    return (labels[nearest] == truth).float().mean().item()


def network(images, labels, unseen, truth, seed):
    """Accuracy of a small_cnn trained until it knows its images by heart."""
    torch.manual_seed(seed)
    model = models.make("small_cnn", channels=images.shape[1]).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for batch in torch.tensor_split(torch.randperm(len(images)), len(images) // 16):
            loss = functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return (models.predict(model.eval(), unseen).argmax(1) == truth).float().mean().item()
