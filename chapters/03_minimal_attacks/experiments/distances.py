"""How far are images from another diagnosis? DeepFool, ours and torchattacks', on networks of two, three and four classes; FGSM and noise beside it."""
import torch
import torchattacks

from medcrypt_lab import attacks, data, models

seeds = [0, 1, 2]                               # of training on four classes; the other networks are the shipped ones
images_each, carlini_images = 100, 10
levels = [k / 4 for k in range(1, 25)] + [7, 8, 10, 12, 16, 24, 32]     # gray levels tried with FGSM: a scan, for it is not monotone
factors = [1.0, 1.1, 1.25, 1.5, 2.0]            # the change made longer, then saved as 8 bits
sets = {"chest": ("chest", None), "chest, three classes": ("chest", "covid"), "fundus": ("fundus", None), "skin": ("skin", None)}


class Counted(torch.nn.Module):
    """The network, and how many images went through it, forward and backward."""

    def __init__(self, model):
        super().__init__()
        self.model, self.forward_passes, self.backward_passes = model, 0, 0

    def forward(self, images):
        self.forward_passes += len(images)
        logits = self.model(images)
        if logits.requires_grad:
            logits.register_hook(self.count)
        return logits

    def count(self, gradient):
        self.backward_passes += len(gradient)


def run(seeds):
    """For each set and network: success, median L2 (failures infinite) and passes an image of each DeepFool; FGSM's smallest success, noise, saving."""
    results = {"images_each": images_each, "carlini_images": carlini_images, "factors": factors}
    for name, (base, variant) in sets.items():
        network = models.get("small_cnn", trained_on="chest_covid" if variant else base, source=None if variant else "embedded")
        results[name] = measure(network, data.load(base, "test", limit=images_each, variant=variant, source="embedded"))
    rows = [measure(four_class_network(seed), four_classes(data.load("chest", "test", limit=images_each, source="embedded"))) for seed in seeds]
    results["chest, four classes"] = {"networks": rows}
    return results


def four_classes(split):
    """The class, plus 2 for every second image, whose left half is turned into its negative."""
    turned = torch.arange(len(split)) % 2 == 0
    images, half = split.images.clone(), split.images.shape[-1] // 2
    images[turned, ..., :half] = 1 - images[turned, ..., :half]
    return data.Split(images, split.labels + 2 * turned, {}, split.patients, ("normal", "pneumonia", "normal, turned", "pneumonia, turned"), "")


def four_class_network(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = models.make("small_cnn", classes=4)
    models.train(network, four_classes(data.load("chest", "train", source="embedded")), epochs=8, seed=seed)
    return network.eval().requires_grad_(False)


def measure(network, split):
    images, labels = split.images, split.labels
    right = network(images).argmax(1) == labels
    row = {"images": len(images), "right": int(right.sum()), "patients": len(split.patients.unique())}
    for kind, make in (("ours", lambda m: attacks.DeepFool(m)), ("torchattacks", lambda m: torchattacks.DeepFool(m))):
        counted = Counted(network).eval()
        changed = make(counted)(images, labels).detach()
        norms = size(network, changed, images, labels)[right]
        row[kind] = {"success": float(norms.isfinite().float().mean()), "median": float(norms.median()),
                     "forward": counted.forward_passes / len(images), "backward": counted.backward_passes / len(images)}
        if kind == "ours":
            change = changed - images
    norms = size(network, images + change, images, labels)
    row["median of each class"] = [float(norms[right & (labels == k)].median()) for k in labels.unique()]
    row["saved"] = []
    for factor in factors:
        longer = (images + factor * change).clamp(0, 1)
        survives = network((255 * longer).round() / 255).argmax(1) != labels
        row["saved"].append({"success": float(survives[right].float().mean()), "median": float((longer - images).flatten(1).norm(dim=1)[right].median())})
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    noise = noise * (change.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1)).reshape(-1, 1, 1, 1)
    row["noise"] = float((network((images + noise).clamp(0, 1)).argmax(1) != labels)[right].float().mean())
    x = images.clone().requires_grad_(True)
    slope, = torch.autograd.grad(torch.nn.functional.cross_entropy(network(x), labels), x)
    smallest = torch.full((len(images),), torch.inf)
    for level in levels:
        stepped = (images + level / 255 * slope.sign()).clamp(0, 1)
        smallest = torch.minimum(smallest, size(network, stepped, images, labels))
    row["fgsm"] = {"success": float(smallest[right].isfinite().float().mean()), "median": float(smallest[right].median())}
    some = right.nonzero().flatten()[:carlini_images]
    carlini = attacks.CarliniWagnerL2(network)
    carlini(images[some], labels[some])
    row["ours by Carlini and Wagner's"] = float((norms[some] / carlini.norms).median())
    return row


def size(network, changed, images, labels):
    """The L2 norm of each change; infinity where it did not succeed."""
    return (changed - images).flatten(1).norm(dim=1).masked_fill(network(changed).argmax(1) == labels, torch.inf)
