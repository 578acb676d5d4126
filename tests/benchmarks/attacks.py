"""Side by side: torchattacks 3.5.1, foolbox 3.3.4 and ours, on the same network and the same 100 images.

    python tests/benchmarks/attacks.py [2 | 4 | saliency | universal]

Needs the optional extra `benchmarks`. 2 classes: chest and its shipped network. 4 classes: no embedded set has so many, so the chest images get four, from what
is embedded: normal or pneumonia, each as it is or with the gray levels of its left half turned around; a small_cnn learns them within the minute, from fixed seeds.
A row: success on the images that were right | median L2 of these, failures being infinite | forward and backward passes an image | CPU seconds, one torch thread.
Each part runs in a process of its own; of JSMA's the peak memory, torch included, is printed. UAPs are made on training images and judged on test images.
"""
import resource
import runpy
import subprocess
import sys
import time
import warnings
from pathlib import Path

import torch
import torchattacks

from medcrypt_lab import attacks, data, models

warnings.filterwarnings("ignore")


# The four classes, the network that learns them, and the count of passes are those of a lesson's experiment.
lesson = runpy.run_path(str(Path(__file__).parents[2] / "chapters" / "03_minimal_attacks" / "experiments" / "distances.py"))
Counted, four_classes, four_class_network = (lesson[name] for name in ("Counted", "four_classes", "four_class_network"))


def problem(classes):
    """A network and 100 test images with their labels."""
    if classes == 2:
        split, model = data.load("chest", "test", limit=100), models.get("small_cnn", "chest")
    else:
        split, model = four_classes(data.load("chest", "test", limit=100)), four_class_network(0)
    return model, split.images, split.labels


def runs(classes):
    """name -> function of the counted model that gives adversarial images."""
    import foolbox
    fool = foolbox.attacks

    def fb(attack):
        return lambda model, images, labels: attack(foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), images, labels, epsilons=None)[0]

    def of(make):
        return lambda model, images, labels: make(model)(images, labels)
    grid = [.1, 1, 10]
    return {
        "DeepFool torchattacks": of(lambda m: torchattacks.DeepFool(m, steps=50, overshoot=.02)),
        "DeepFool foolbox": fb(fool.L2DeepFoolAttack(steps=50, overshoot=.02)),
        "DeepFool ours": of(lambda m: attacks.DeepFool(m)),
        "C&W torchattacks, c = 1, 50 steps": of(lambda m: torchattacks.CW(m, c=1, steps=50)),
        "C&W torchattacks, c = .1, 1, 10, 100 steps": of(lambda m: torchattacks.MultiAttack([torchattacks.CW(m, c=c, steps=100) for c in grid])),
        "C&W foolbox, 4 searches, 75 steps": fb(fool.L2CarliniWagnerAttack(binary_search_steps=4, steps=75, stepsize=.01, initial_const=.1)),
        "C&W ours, 4 searches, 75 steps": of(lambda m: attacks.CarliniWagnerL2(m, searches=4, steps=75)),
        "PGD on cross-entropy torchattacks, 2/255": of(lambda m: torchattacks.PGD(m, eps=2 / 255, alpha=.25 / 255, steps=20, random_start=False)),
        "PGD on margin ours, 2/255": of(lambda m: attacks.MarginPGD(m, epsilon=2 / 255, random_start=False)),
    }


def compared(classes):
    model, images, labels = problem(classes)
    with torch.no_grad():
        right = model(images).argmax(1) == labels
    print(f"\n{classes} classes, {int(right.sum())} of {len(images)} images right\n\n| attack | success | median L2 | passes | CPU s |\n|---|---|---|---|---|")
    for name, run in runs(classes).items():
        counted = Counted(model).eval()
        torch.manual_seed(0)
        began = time.process_time()
        adversarial = run(counted, images, labels).detach()
        seconds = time.process_time() - began
        with torch.no_grad():
            success = model(adversarial).argmax(1) != labels
        norms = attacks.size(adversarial - images, "L2").masked_fill(~success, torch.inf)[right]
        print(f"| {name} | {float(success[right].float().mean()):.3f} | {float(norms.median()):.4f} | {counted.forward_passes / len(images):.1f} / "
              f"{counted.backward_passes / len(images):.1f} | {seconds:.2f} |", flush=True)


def saliency():
    """JSMA on 100 images of 64 x 64 pixels and two classes: run in a process of its own, for its peak memory."""
    model, images, labels = problem(2)
    began = time.process_time()
    right = model(images).argmax(1) == labels
    attack = attacks.JSMA(model, gamma=.02)
    attack(images, labels)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    print(f"\nJSMA ours, 100 images of 64 x 64, at most 80 pixels: success {float(attack.norms[right].isfinite().float().mean()):.3f}, median L0 "
          f"{float(attack.norms[right].median()):.0f}, {time.process_time() - began:.0f} CPU s, peak {peak:.2f} GB including torch", flush=True)


def universal():
    train, test, model = data.load("chest", "train", limit=200), data.load("chest", "test"), models.get("small_cnn", "chest")
    answers, random = models.predict(model, test.images).argmax(1), torch.Generator().manual_seed(0)

    def fooled(images):
        now = models.predict(model, images).argmax(1)
        return f"{float((now != answers).float().mean()):.3f}, answers {torch.bincount(now, minlength=2).tolist()}"
    print(f"\nUniversal perturbations of 2 %, 200 training images, judged on {len(test)} others, whose answers were {torch.bincount(answers, minlength=2).tolist()}")
    for seed in range(3):
        signs = .02 * torch.randn(1, 1, 64, 64, generator=random).sign()
        print(f"random signs: fooled {fooled((test.images + signs).clamp(0, 1))}")
    ill = torch.ones(len(train), dtype=torch.long)
    for name, attack, labels in (("MiniBatchUAP", attacks.MiniBatchUAP(model, epsilon=.02), None), ("UAP", attacks.UAP(model, epsilon=.02), None),
                                 ("UAP towards pneumonia", attacks.UAP(model, epsilon=.02, passes=2, targeted=True), ill)):
        began = time.process_time()
        attack(train.images, labels)
        print(f"{name}: fooled {fooled(attack.add_to(test.images))}, {time.process_time() - began:.1f} CPU s", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parts = {"2": lambda: compared(2), "4": lambda: compared(4), "saliency": saliency, "universal": universal}
    if len(sys.argv) == 2:
        parts[sys.argv[1]]()
    for part in parts if len(sys.argv) == 1 else ():
        subprocess.run([sys.executable, __file__, part], check=True)
