"""A network and Paillier in three ways: a linear layer under the cipher; ciphertexts as images with one fixed r; with a fresh r for every pixel.

Real Paillier throughout, and every r from the operating system. The linear layer uses a modulus of 2048 bits, many patients in one number. The
images of ciphertexts use a toy modulus of 64 bits, new for each seed: what no network learns from these it does not learn from larger ones.
"""
import secrets

import torch
from phe import paillier
from torch import nn
from torch.nn import functional
from tqdm.auto import tqdm

from medcrypt_lab import data, metrics, models

seeds = [0, 1, 2]                               # of the networks; the keys are secret and new in each run
size, epochs, again, toy_bits, real_bits, lane = 16, 12, 24, 64, 2048, 22


def run(seeds):
    """For each way and seed: precision, recall, F1 and support of the two classes, and the AUC, of 320 test images.

    With a fresh r each test image is encrypted 24 times, and the figures are means of the 24: one time says too little about a coin.
    """
    rows = {way: [] for way in ("linear layer", "plain", "fixed r", "fresh r")}
    packs = encrypted_once()
    for seed in seeds:
        rows["linear layer"].append(linear_layer(seed, *packs))
        n = paillier.generate_paillier_keypair(n_length=toy_bits)[0].n
        one = mask(n)
        for way, cipher in (("plain", None), ("fixed r", lambda v: (1 + v * n) * one % n**2), ("fresh r", lambda v: (1 + v * n) * mask(n) % n**2)):
            train = as_images(two_classes("train", size), cipher, n)
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                network = OfCodes()
            models.train(network, train, epochs, seed)
            reports = []
            for _ in range(again if way == "fresh r" else 1):
                test = as_images(two_classes("test", size), cipher, n)
                reports.append(report(models.predict(network, test.images), test.labels))
            rows[way].append({name: mean([each[name] for each in reports]) for name in reports[0]})
    return rows


def mean(values):
    return torch.tensor(values, dtype=torch.float64).mean(0).tolist()


def two_classes(split, size):
    """Normal and COVID-like chests, pixels of 0 to 255; label 1 is COVID-like."""
    found = data.load("chest", split, size=size, variant="covid", source="embedded")
    found = found.take(found.labels != 1)
    return data.Split((255 * found.images).round(), found.labels // 2, {}, found.patients, ("normal", "COVID-like"), "")


def mask(n):
    """r to the n, r fresh from the operating system."""
    return pow(secrets.randbelow(n - 1) + 1, n, n * n)


def as_images(split, cipher, n):
    """Each pixel's ciphertext, cut to its top eight bits: that fits a picture."""
    if cipher is None:
        return split
    pixels = tqdm(split.images.int().flatten().tolist(), leave=False)
    codes = torch.tensor([cipher(v) * 256 // n**2 for v in pixels], dtype=torch.float32)
    return data.Split(codes.reshape(split.images.shape), split.labels, {}, split.patients, split.classes, "")


class OfCodes(nn.Module):
    """The course's small_cnn behind a table that it learns: four numbers for each of the 256 codes, so that their order says nothing."""

    def __init__(self):
        super().__init__()
        self.table, self.network = nn.Embedding(256, 4), models.make("small_cnn", channels=4)
        nn.init.normal_(self.table.weight, std=1e-3)

    def forward(self, codes):
        return self.network(20 * self.table(codes[:, 0].long()).permute(0, 3, 1, 2) + .5)


class TwoLayers(nn.Module):
    """64 pixels -> 8 sums -> 2 scores."""

    def __init__(self):
        super().__init__()
        self.first, self.rest = nn.Linear(64, 8), nn.Linear(8, 2)

    def forward(self, pixels):
        return self.rest(functional.relu(self.first((pixels.flatten(1) - 128) / 64)))


def tiny(split):
    found = two_classes(split, 16)
    return data.Split(functional.avg_pool2d(found.images, 2).round(), found.labels, {}, found.patients, found.classes, "")


def encrypted_once():
    """The 64 pixels of all test patients, packed: (public, private, [(patients, 64 ciphertexts)])."""
    public, private = paillier.generate_paillier_keypair(n_length=real_bits)
    n, packs = public.n, []
    for images in tiny("test").images.flatten(1).long().split((n.bit_length() - 1) // lane):
        packed = [sum(v << lane * k for k, v in enumerate(pixel)) for pixel in images.T.tolist()]
        packs.append((len(images), [(1 + m * n) * mask(n) % n**2 for m in tqdm(packed, leave=False)]))
    return public, private, packs


def linear_layer(seed, public, private, packs):
    """The server multiplies ciphertexts; the clinic decrypts eight sums a patient and does the rest."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = TwoLayers()
    models.train(network, tiny("train"), 40, seed)
    network.requires_grad_(False)
    step = float(network.first.weight.abs().max()) / 127
    weights = (network.first.weight / step).round().long()
    n, sums, half = public.n, [], 1 << lane - 1
    for patients, ciphertexts in packs:
        columns = []
        for row in weights.tolist():
            c = mask(n)                         # a fresh zero
            for x, w in zip(ciphertexts, row):
                c = c * pow(x, w, n**2) % n**2
            m = private.raw_decrypt(c)
            m = (m - n if m > n // 2 else m) + sum(half << lane * k for k in range(patients))
            columns.append([(m >> lane * k) % (1 << lane) - half for k in range(patients)])
        sums += torch.tensor(columns).T.tolist()
    test = tiny("test")
    if sums != (test.images.flatten(1).long() @ weights.T).tolist():
        raise ArithmeticError("what was decrypted is not what the layer gives in the clear")
    bias = network.first.bias - 2 * step * weights.sum(1)       # what the 128 makes of each sum
    hidden = functional.relu(torch.tensor(sums) * step / 64 + bias)
    return report(network.rest(hidden), test.labels)


def report(scores, labels):
    """Of each class in turn; class 1 is COVID-like."""
    said, row = scores.argmax(1), {"precision": [], "recall": [], "f1": [], "support": []}
    for k in (0, 1):
        hit, found, there = (int(x.sum()) for x in ((said == k) & (labels == k), said == k, labels == k))
        row["precision"].append(hit / found if found else 0.0)
        row["recall"].append(hit / there)
        row["f1"].append(2 * hit / (found + there))
        row["support"].append(there)
    return row | {"auc": metrics.auc(scores[:, 1] - scores[:, 0], labels)}
