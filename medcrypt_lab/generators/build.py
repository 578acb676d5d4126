"""Draws the embedded sets, trains the shipped weights, and writes both with what the manifest says of them.

`build()` and `build_weights()` write; `check()` only draws again and compares. The committed files are the truth: another
version of numpy may round a pixel differently, so a comparison allows one gray level on a ten-thousandth of the pixels.
"""
import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors.torch import save

from .. import data, models
from . import chest

SETS = {"chest": chest}
SEEDS = {"train": 1, "val": 2, "test": 3}               # different seeds draw different patients
COUNTS = {"chest": {"train": 800, "val": 160, "test": 320}}
ALLOWED = 1e-4                                          # share of pixels that may differ
PATIENTS_A_SEED = 100_000                               # patient 17 of seed 2 is number 200017: unique over the splits


def draw(name, split, count=None):
    """The first `count` images of a split, fresh from the generator, keyed and typed as `data.embedded_arrays` has them."""
    count, seed = count or COUNTS[name][split], SEEDS[split]
    arrays = SETS[name].make(count, seed, data.SIZE)
    arrays["patients"] = arrays["patients"] + np.int32(PATIENTS_A_SEED * seed)
    return {f"{split}_{key}": values for key, values in arrays.items()}


def build():
    """Draw every set, write `data/NAME.npz` and the manifest's entries; returns what was written, as text."""
    lines = []
    for name in SETS:
        arrays = {key: values for split in data.SPLITS for key, values in draw(name, split).items()}
        stored = {key: _differences(values) if key.endswith("_images")
                  else np.packbits(values, axis=2) if values.dtype == bool else values for key, values in arrays.items()}
        file = data.FOLDER / f"{name}.npz"
        _replace(file, lambda part: np.savez_compressed(part, **stored))
        _record("sets", name, file, {
            "arrays": {key: {"shape": list(values.shape), "dtype": str(values.dtype)} for key, values in arrays.items()},
            "split_seeds": SEEDS, "generator": f"medcrypt_lab/generators/{name}.py", "generator_sha256": _source_hash(name),
            "versions": {package: version(package) for package in ("numpy", "scipy", "pillow")}})
        lines.append(f"data/{name}.npz: {', '.join(f'{COUNTS[name][split]} {split}' for split in data.SPLITS)} images, "
                     f"{file.stat().st_size:,} bytes")
    data.embedded_arrays.cache_clear()
    return "\n".join(lines)


def _differences(images):
    """Images (n, h, w) uint8 as differences from their left and upper neighbors, modulo 256."""
    return np.diff(np.diff(images, axis=2, prepend=np.uint8(0)), axis=1, prepend=np.uint8(0))


def check(count=None):
    """Draw every set again (or `count` images a split) and compare with `data/`; nothing is written.

    Returns the problems, as sentences: an empty list says that all is well.
    """
    problems = []
    for name in SETS:
        stored = data.embedded_arrays(name)
        if data.manifest()["sets"][name]["generator_sha256"] != _source_hash(name):
            problems.append(f"The generator of {name} has changed since data/{name}.npz was drawn: "
                            "run `medcrypt build --data` if its pictures changed too.")
        for split in data.SPLITS:
            for key, fresh in draw(name, split, count).items():
                problem = _difference(fresh, stored[key][:len(fresh)])
                if problem:
                    problems.append(f"{key} of {name}, drawn again, is not what data/{name}.npz holds: {problem}.")
    return problems


def _difference(fresh, stored):
    """None where two arrays agree as far as they must; otherwise, in words, how they differ."""
    if fresh.shape != stored.shape or fresh.dtype != stored.dtype:
        return f"{fresh.dtype} {fresh.shape} against {stored.dtype} {stored.shape}"
    apart = np.abs(fresh.astype(int) - stored.astype(int))
    if fresh.ndim == 1:
        return f"{int((apart > 0).sum())} entries differ" if apart.any() else None
    if apart.max() > 1 or (apart > 0).mean() > ALLOWED:
        return f"{(apart > 0).mean():.2g} of the pixels differ, by up to {apart.max()}"
    return None


def build_weights():
    """Train every shipped network on the embedded data and write its weights; returns what changed, as text."""
    lines = []
    for name, recipe in models.SHIPPED.items():
        before = data.manifest()["weights"].get(name, {}).get("measured")
        train = data.load(recipe["data"], "train", source="embedded")
        model = models.fresh(recipe, train)
        models.train(model, train, recipe["epochs"], recipe["seed"])
        measured = {split: models.measure(model, data.load(recipe["data"], split, source="embedded"))
                    for split in ("val", "test")}
        file = data.FOLDER / "weights" / f"{name}.safetensors"
        facts = {"architecture": list(model.architecture), "recipe": recipe, "measured": measured,
                 "data_sha256": data.manifest()["sets"][recipe["data"]]["sha256"], "versions": {"torch": version("torch")}}
        # One metadata key: the format's writer puts several in random order, and equal weights should be equal files.
        content = save(model.state_dict(), {"medcrypt": json.dumps(facts, sort_keys=True)})
        _replace(file, lambda part: part.write_bytes(content))
        _record("weights", name, file, facts)
        after, was = (", ".join(f"{split} {values[split]['accuracy']:.3f}" for split in ("val", "test")) if values
                      else "none" for values in (measured, before))
        lines.append(f"data/weights/{name}.safetensors, {len(content):,} bytes: accuracy {after} (before: {was})")
    return "\n".join(lines)


def _source_hash(name):
    """SHA-256 over the generator's source, with line ends as in the repository."""
    sources = [Path(SETS[name].__file__), Path(__file__).with_name("phantom.py")]
    return hashlib.sha256(b"".join(path.read_bytes().replace(b"\r\n", b"\n") for path in sources)).hexdigest()


def _replace(file, write):
    """Write beside the file and rename: an interrupted build leaves the old one whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name("part-" + file.name)
    try:
        write(part)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def _record(section, name, file, facts):
    """Put an entry into the manifest, creating it where there is none."""
    path = data.FOLDER / "manifest.json"
    entries = data.manifest() if path.exists() else {"sets": {}, "weights": {}}
    content = file.read_bytes()
    entries[section][name] = {"file": file.relative_to(data.FOLDER).as_posix(), "bytes": len(content),
                              "sha256": hashlib.sha256(content).hexdigest()} | facts
    text = json.dumps(entries, indent=1, sort_keys=True) + "\n"
    _replace(path, lambda part: part.write_text(text, encoding="utf-8", newline="\n"))
