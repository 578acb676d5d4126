"""Draws what is embedded, trains the shipped weights, and writes both with what the manifest says of them.

`build()` and `build_weights()` write; `check()` only draws again and compares. The committed files are the truth: another
version of numpy may round a pixel differently, so a comparison allows one gray level on a ten-thousandth of the pixels. With the
versions that the manifest names, nothing may differ.
"""
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import numpy as np
from safetensors.torch import save

from .. import data, models
from . import brain, chest, fundus, phantom, series, skin

ALLOWED = 1e-4                                          # share of pixels that may differ, by a gray level, with other libraries
LIBRARIES = ("numpy", "scipy", "pillow")
PATIENTS_A_SEED = 100_000                               # patient 17 of seed 2 is number 200017: unique over the splits


def three(train, val, test):
    return {"train": train, "val": val, "test": test}


@dataclass(frozen=True)
class Recipe:
    """How a set is drawn: its generator and function, how many for each split, embedded and in full, with which seed and settings."""
    generator: ModuleType
    counts: dict
    full: dict = None
    seeds: dict = field(default_factory=lambda: three(1, 2, 3))     # different seeds draw different patients
    make: str = "make"
    settings: dict = field(default_factory=dict)


SETS = {
    "chest": Recipe(chest, three(800, 160, 320), three(1600, 320, 640)),
    "chest_covid": Recipe(chest, three(400, 80, 160), three(800, 160, 320), three(4, 5, 6), settings={"classes": (2,)}),
    "chest_natural_noise": Recipe(chest, three(180, 40, 80), seeds=three(7, 8, 9), settings={"natural": True}),
    "brain": Recipe(brain, three(480, 80, 160), three(1600, 320, 640)),
    "fundus": Recipe(fundus, three(468, 78, 138), three(1602, 318, 636)),
    "skin": Recipe(skin, three(448, 72, 128), three(1600, 320, 640)),
    "vitals": Recipe(series, three(800, 200, 400), make="make_vitals"),
    "cases": Recipe(series, three(24, 8, 16), make="make_cases"),
}


def count(key, split, source):
    """How many there are of a set in a split; source: "embedded" or "full"."""
    return (SETS[key].full if source == "full" else SETS[key].counts)[split]


def draw(key, split, number=None, size=data.SIZE, bar=None):
    """The first `number` of a split, fresh from the generator: a dict of arrays. bar: the words beside a progress bar, or None for none."""
    recipe = SETS[key]
    sized = {"size": size, "bar": bar} if key not in data.SERIES else {}
    arrays = getattr(recipe.generator, recipe.make)(number or recipe.counts[split], recipe.seeds[split], **sized, **recipe.settings)
    arrays["patients"] = arrays["patients"] + np.int32(PATIENTS_A_SEED * recipe.seeds[split])
    return arrays


def build(keys=None):
    """Draw sets (all of them, if no keys are given, and the DICOM files), write `data/KEY.npz` and the manifest's entries; returns, as text, what
    was written."""
    lines = []
    for key in keys or SETS:
        recipe = SETS[key]
        arrays = {f"{split}_{name}": values for split in data.SPLITS for name, values in draw(key, split, bar=f"{key} {split}").items()}
        file = data.FOLDER / f"{key}.npz"
        _replace(file, lambda part: np.savez_compressed(part, **data.packed(arrays)))
        _record("sets", key, file, {
            "arrays": {name: {"shape": list(values.shape), "dtype": str(values.dtype)} for name, values in arrays.items()},
            "split_seeds": recipe.seeds, "generator": f"medcrypt_lab/generators/{Path(recipe.generator.__file__).name}",
            "generator_sha256": source_hash(key), "versions": versions()})
        lines.append(f"data/{key}.npz: {', '.join(f'{number} {split}' for split, number in recipe.counts.items())}, {file.stat().st_size:,} bytes")
    if keys is None:
        lines.append(_build_files())
    data.embedded_arrays.cache_clear()
    return "\n".join(lines)


def _build_files():
    """The DICOM files; and the manifest's entries of what no program draws."""
    from . import studies
    folder = data.FOLDER / data.DICOM
    folder.mkdir(exist_ok=True)
    studies.write(folder)
    given = [data.FOLDER / "atlas_mni.npz"]
    for file in [*sorted(folder.iterdir()), *given]:
        _record("files", file.relative_to(data.FOLDER).as_posix(), file, {})
    return f"data/{data.DICOM}/: {len(list(folder.glob('*.dcm')))} files, {sum(file.stat().st_size for file in folder.iterdir()):,} bytes"


def check(number=None, keys=None):
    """Draw every set again (or `number` of each split) and compare with `data/`; nothing is written.

    Returns the problems, as sentences: an empty list says that all is well.
    """
    problems = []
    for key in keys or SETS:
        stored, entry = data.embedded_arrays(key), data.manifest()["sets"][key]
        if entry["generator_sha256"] != source_hash(key):
            problems.append(f"The generator of {key} has changed since data/{key}.npz was drawn: "
                            "run `medcrypt data build` if what it draws changed too.")
        for split in data.SPLITS:
            for name, fresh in draw(key, split, number, bar=None if number else f"{key} {split}").items():
                problem = _difference(fresh, stored[f"{split}_{name}"][:len(fresh)], exactly=entry["versions"] == versions())
                if problem:
                    problems.append(f"{split}_{name} of {key}, drawn again, is not what data/{key}.npz holds: {problem}.")
    return problems if keys else problems + _check_studies()


def _check_studies():
    from . import studies
    with tempfile.TemporaryDirectory() as folder:
        studies.write(folder)
        fresh, stored = (json.loads((Path(place) / "truth.json").read_text(encoding="utf-8")) for place in (folder, data.FOLDER / data.DICOM))
        if fresh != stored:
            return ["The truth about the DICOM files, made again, is not what data/dicom/truth.json says."]
        return [f"data/dicom/{name}, made again, holds other pixels or elements." for name in fresh
                if not studies.same(Path(folder) / name, data.FOLDER / data.DICOM / name)]


def versions():
    """The versions of the libraries that draw."""
    return {package: version(package) for package in LIBRARIES}


def _difference(fresh, stored, exactly):
    """None where two arrays agree as far as they must; otherwise, in words, how they differ."""
    if fresh.shape != stored.shape or fresh.dtype != stored.dtype:
        return f"{fresh.dtype} {fresh.shape} against {stored.dtype} {stored.shape}"
    apart = np.abs(fresh.astype(float) - stored.astype(float))
    if exactly or fresh.ndim == 1 or fresh.dtype == np.float32:
        return f"{(apart > 0).mean():.2g} of the values differ, by up to {apart.max():.3g}" if apart.any() else None
    if apart.max() > 1 or (apart > 0).mean() > ALLOWED:
        return f"{(apart > 0).mean():.2g} of the pixels differ, by up to {apart.max():.0f}"
    return None


def listed():
    """What is embedded, as a table: set, numbers, bytes."""
    entries = data.manifest()
    lines = []
    for key, entry in entries["sets"].items():
        numbers = {split: entry["arrays"][f"{split}_patients"]["shape"][0] for split in data.SPLITS}
        lines.append(f"{key:22} {' / '.join(map(str, numbers.values())):>18} {entry['bytes']:>11,}")
    files = [entry["bytes"] for name, entry in entries["files"].items() if name.startswith(f"{data.DICOM}/")]
    lines.append(f"{data.DICOM:22} {len(files) - 1:>12} files {sum(files):>11,}")
    lines += [f"weights {name:14} {'':>18} {entry['bytes']:>11,}" for name, entry in entries["weights"].items()]
    return "\n".join([f"{'set':22} {'train / val / test':>18} {'bytes':>11}", *lines])


def build_weights(names=None):
    """Train the shipped networks of these names (all of them, if none are given) and write their weights; returns what changed, as text."""
    lines = []
    for name, recipe in models.SHIPPED.items():
        if names and not any(part in name for part in names):
            continue
        before = data.manifest()["weights"].get(name, {}).get("measured")
        splits = {split: models.recipe_split(recipe, split) for split in ("train", "val")}
        model = models.fresh(recipe, splits["train"])
        models.train(model, splits["train"], recipe["epochs"], recipe["seed"], target=models.target(recipe))
        measured = {split: models.measure(model, models.recipe_split({**recipe, "source": "embedded"}, split), models.target(recipe))
                    for split in ("val", "test")}
        file = data.FOLDER / "weights" / f"{name}.safetensors"
        facts = {"architecture": list(model.architecture), "recipe": recipe, "measured": measured,
                 "data_sha256": {key: data.manifest()["sets"][key]["sha256"] for key in models.sets_of(recipe)}, "versions": {"torch": version("torch")}}
        # One metadata key: the format's writer puts several in random order, and equal weights should be equal files.
        content = save(model.state_dict(), {"medcrypt": json.dumps(facts, sort_keys=True)})
        _replace(file, lambda part: part.write_bytes(content))
        _record("weights", name, file, facts)
        score = next(iter(measured["val"]))
        after, was = (", ".join(f"{split} {values[split][score]:.3f}" for split in ("val", "test")) if values
                      else "none" for values in (measured, before))
        lines.append(f"data/weights/{name}.safetensors, {len(content):,} bytes: {score} {after} (before: {was})")
    return "\n".join(lines)


def source_hash(key):
    """SHA-256 over the generator's source, with line ends as in the repository."""
    sources = [Path(SETS[key].generator.__file__), Path(phantom.__file__)]
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
    entries = data.manifest() if path.exists() else {}
    content = file.read_bytes()
    entries = {"sets": {}, "weights": {}, "files": {}, **entries}
    entries[section][name] = {"file": file.relative_to(data.FOLDER).as_posix(), "bytes": len(content),
                              "sha256": hashlib.sha256(content).hexdigest()} | facts
    text = json.dumps(entries, indent=1, sort_keys=True) + "\n"
    _replace(path, lambda part: part.write_text(text, encoding="utf-8", newline="\n"))
