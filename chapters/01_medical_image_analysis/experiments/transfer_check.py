"""Was the near source lucky? Twenty images again, with seeds and test patients that nobody had seen when the sources were chosen."""
import runpy
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn import functional

from medcrypt_lab import data
from medcrypt_lab.generators import chest

seeds = list(range(20, 30))                     # transfer_curve has 0 to 4
size, patients_seed = 20, 101                   # the sets of the course are drawn with the seeds 1 to 9


def run(seeds):
    """Balanced accuracy on the new patients for each method and seed; the training is that of transfer_curve."""
    curve = runpy.run_path(str(Path(__file__).with_name("transfer_curve.py")))
    train, test = (data.load("chest", part, size=curve["pixels"], source="embedded") for part in ("train", "test"))
    drawn = {name: torch.from_numpy(values) for name, values in chest.make(len(test), patients_seed).items()}
    images = functional.interpolate(drawn["images"][:, None].float(), size=(curve["pixels"],) * 2, mode="area") / 255
    new = replace(test, images=images, labels=drawn["labels"].long(), patients=drawn["patients"].long() + 100_000 * patients_seed, masks={})
    pretrained = {"near": curve["source"](data.load("chest", "train", size=curve["pixels"], variant="natural_noise")),
                  "far": curve["source"](curve["flair"]())}
    return {"size": size, "images": len(new), "scores": {
        name: [curve["score"](curve["fit"](curve["network"](pretrained.get(begin), seed), curve["some"](train, size, seed), seed=seed), new) for seed in seeds]
        for name, begin in (("scratch", None), ("near, all layers tuned", "near"), ("far, all layers tuned", "far"))}}
