"""The memory that a search for the best pair takes: torchattacks' JSMA and one that looks at the map strip by strip, each in a process of its own."""
import json
import resource
import subprocess
import sys

seeds = [0]
images_at_once = {"torchattacks": [1, 4], "in strips": [1, 4, 100]}


def run(seeds):
    """Bytes at the peak of a process that only asks the network once, and how many more one that attacks."""
    results = {"size": 64, "images_at_once": images_at_once}
    for kind, numbers in images_at_once.items():
        for n in numbers:
            done = subprocess.run([sys.executable, __file__, kind, str(n)], capture_output=True, text=True, check=True)
            results[f"{kind}, {n}"] = json.loads(done.stdout)
    return results


def attack(kind, n):
    import torch
    import torchattacks

    from medcrypt_lab import data, models
    from medcrypt_lab.attacks import JSMA
    torch.set_num_threads(1)
    model = models.get("small_cnn", trained_on="chest", source="embedded")
    split = data.load("chest", "test", source="embedded")
    images = split.images[split.labels == 0][:n]
    labels = torch.zeros(n, dtype=torch.long)
    model(images)
    before = peak()
    pairs = 2 / images[0].numel()               # gamma for one pair, which is all that the peak needs
    if kind == "torchattacks":
        library = torchattacks.JSMA(model, theta=1.0, gamma=pairs)
        library.set_mode_targeted_by_function(lambda images, labels: 1 - labels, quiet=True)
        library(images, labels)
    else:
        JSMA(model, theta=1, gamma=pairs)(images, labels)
    print(json.dumps({"before": before, "peak": peak(), "more": peak() - before}))


def peak():
    """The most memory, in bytes, that this process ever held: Linux counts in kilobytes, macOS in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    attack(sys.argv[1], int(sys.argv[2]))
