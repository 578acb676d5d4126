"""Four attacks on X-rays, fundus and skin images, image by image: what does the worst of them leave, as floats and saved as 8 bits?"""
import runpy
from pathlib import Path

import torch

from medcrypt_lab import attacks, data, models

seeds = [0]                                     # of the random starts and signs
# Gray levels. On fundus and skin PGD has done its work at 2; FGSM goes on, to show that it recovers.
levels = {"chest": {"fgsm": [1, 2, 8], "pgd": [1, 2, 8], "margin": [1, 2, 8], "bim": [1, 2], "random signs": [1, 2, 8]},
          "fundus": {"fgsm": [0.25, 0.5, 1, 2, 4, 8, 16], "pgd": [0.25, 0.5, 1, 2, 8], "margin": [1, 2], "bim": [1, 2], "random signs": [1, 2, 8]}}
levels["skin"] = levels["fundus"]
saved_levels, steps = [1, 2], 10


def run(seeds):
    """For each set, attack and level: a text with one digit an image, the class that the network gives it. Step lengths as "steps_and_starts.py" chose
    them on validation images."""
    walks = runpy.run_path(str(Path(__file__).with_name("steps_and_starts.py")))
    chosen = data.experiment("gradient_attacks.steps_and_starts")["figures"]
    return {"levels": levels, "saved_levels": saved_levels, "steps": steps,
            **{name: measure(name, chosen[name]["alpha_as_share_of_epsilon"], walks["pgd"], seeds[0]) for name in levels}}


def measure(name, share, pgd, seed):
    model, test = models.get("small_cnn", trained_on=name, source="embedded"), data.load(name, "test", source="embedded")
    signs = torch.randint(0, 2, test.images.shape, generator=torch.Generator().manual_seed(seed)) * 2.0 - 1
    make = {"fgsm": lambda epsilon: pgd(model, test, epsilon, epsilon, 1),
            "bim": lambda epsilon: pgd(model, test, epsilon, share * epsilon, steps),
            "pgd": lambda epsilon: pgd(model, test, epsilon, share * epsilon, steps, restart=0),
            "margin": lambda epsilon: attacks.MarginPGD(model, epsilon=epsilon, alpha=share * epsilon, steps=steps, seed=seed)(test.images, test.labels),
            "random signs": lambda epsilon: (test.images + epsilon * signs).clamp(0, 1)}

    def guesses(images):
        with torch.no_grad():
            return "".join(str(int(k)) for k in model(images).argmax(1))

    found = {"alpha_as_share_of_epsilon": share, "clean": guesses(test.images), "saved": {}, "cut off": {}, "largest_change_when_cut_off": {}}
    for kind, some in levels[name].items():
        for level in some:
            images = make[kind](level / 255)
            found.setdefault(kind, {})[str(level)] = guesses(images)
            if level in saved_levels:
                found["saved"].setdefault(kind, {})[str(level)] = guesses((255 * images).round() / 255)
            if level in saved_levels and kind == "pgd":
                cut = (255 * images).floor() / 255
                found["cut off"][str(level)] = guesses(cut)
                found["largest_change_when_cut_off"][str(level)] = float(255 * (cut - test.images).abs().max())
    return found
