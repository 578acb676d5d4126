"""The data of the course: `load("chest")` returns a `Split` of images, `load("vitals")` a `Series`, `load("dicom")` the `Studies`.

What is embedded lies in `data/`, drawn by the course's own programs (`generators/`), and is checked against `data/manifest.json` before
use. `MEDCRYPT_DATA="chest=medmnist,skin=FOLDER"` runs the same lessons on real images.
"""
import hashlib
import io
import json
import os
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from .sources import DataError

FOLDER = Path(__file__).resolve().parents[1] / "data"
SPLITS = ("train", "val", "test")
SIZE, SIZES = 64, (128, 64, 32, 28, 16)         # what is stored, and what there is: 128 is drawn, the smaller ones are averages
GRAY, COLORS = ("gray",), ("red", "green", "blue")


@dataclass(frozen=True)
class Facts:
    """What is the same for all images of a set. Class 0 is the healthy one."""
    classes: tuple
    channels: tuple
    masks: tuple
    variants: tuple = ()
    medmnist: bool = False                      # is there a set of MedMNIST that takes its place?


SETS = {
    "chest": Facts(("normal", "pneumonia"), GRAY, ("lung", "heart", "lesion"), ("covid", "natural_noise"), medmnist=True),
    "brain": Facts(("no tumor", "tumor"), ("T1", "T1ce", "T2", "FLAIR"), ("tumor", "core", "enhancing")),
    "fundus": Facts(("no retinopathy", "mild to moderate retinopathy", "severe retinopathy"), COLORS, ("vessel", "lesion"), medmnist=True),
    "skin": Facts(("benign", "malignant"), COLORS, ("lesion",), medmnist=True),
}
COVID = "COVID-like"                            # the third class of the variant "covid"
SERIES = {                                      # classes, channels, units
    "vitals": (("survived", "died in hospital"), ("heart rate", "systolic blood pressure", "respiratory rate", "temperature", "oxygen saturation",
                                                  "Glasgow coma scale"), ("/min", "mmHg", "/min", "degrees C", "%", "points")),
    "cases": ((), ("new cases",), ("persons a day",)),
}
DICOM = "dicom"


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Images of one split of a set.

    images: float32 (n, channels, height, width) in [0, 1]; labels: int64 (n,), indices into `classes`;
    masks: name -> bool (n, height, width), empty where a source has none; patients: int64 (n,);
    classes: clinical words; card: how the images were made and what they cannot show; channels: a word for each channel.
    """
    images: "torch.Tensor"
    labels: "torch.Tensor"
    masks: dict
    patients: "torch.Tensor"
    classes: tuple
    card: str
    channels: tuple = GRAY

    def __len__(self):
        return len(self.images)

    def __repr__(self):
        counts = ", ".join(f"{int((self.labels == k).sum())} {word}" for k, word in enumerate(self.classes))
        patients = len(self.patients.unique())
        return f"Split of {len(self)} images, {tuple(self.images.shape[1:])} each, of {patients} patients: {counts}"

    def take(self, indices):
        """A Split of the images at `indices`: a slice, integers, or one boolean an image."""
        return self._each(lambda tensor: tensor[indices])

    def to(self, device):
        """The same Split with its tensors on a device, such as "cuda"."""
        return self._each(lambda tensor: tensor.to(device))

    def _each(self, change):
        masks = {name: change(mask) for name, mask in self.masks.items()}
        return Split(change(self.images), change(self.labels), masks, change(self.patients), self.classes, self.card, self.channels)

    def preview(self, count=6):
        """A matplotlib figure of `count` images, spread over the split, with their classes as titles; every channel, where they are no colors."""
        from . import figures
        chosen = np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int).tolist()
        if len(self.channels) in (1, 3):
            return figures.show_images(self.images[chosen], [self.classes[self.labels[i]] for i in chosen], columns=3)
        titles = [f"{self.classes[self.labels[i]]},\n{channel}" for i in chosen for channel in self.channels]
        return figures.show_images(self.images[chosen].flatten(0, 1), titles, columns=len(self.channels), size=96)


@dataclass(frozen=True, eq=False, repr=False)
class Series:
    """Time series of one split, one for each patient or region.

    values: float32 (n, steps, channels), in `units`; labels: int64 (n,), indices into `classes` (none for a set without classes);
    patients: int64 (n,); channels, units: a word for each channel; card: how the series were made and what they cannot show.
    """
    values: "torch.Tensor"
    labels: "torch.Tensor"
    patients: "torch.Tensor"
    classes: tuple
    channels: tuple
    units: tuple
    card: str

    def __len__(self):
        return len(self.values)

    def __repr__(self):
        counts = ": " + ", ".join(f"{int((self.labels == k).sum())} {word}" for k, word in enumerate(self.classes)) if self.classes else ""
        return f"Series of {len(self)}, {self.values.shape[1]} steps of {', '.join(self.channels)}{counts}"

    def take(self, indices):
        """A Series of those at `indices`: a slice, integers, or one boolean each."""
        return self._each(lambda tensor: tensor[indices])

    def to(self, device):
        """The same Series with its tensors on a device."""
        return self._each(lambda tensor: tensor.to(device))

    def _each(self, change):
        return Series(change(self.values), change(self.labels) if self.classes else self.labels, change(self.patients), self.classes,
                      self.channels, self.units, self.card)

    def preview(self, count=6):
        """A matplotlib figure: each channel over time, of `count` series spread over the split."""
        import matplotlib.pyplot as plt
        chosen = np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int).tolist()
        rows = -(-len(self.channels) // 2)
        figure, axes = plt.subplots(rows, min(2, len(self.channels)), figsize=(7.2, 1 + 1.6 * rows), sharex=True, squeeze=False)
        for k, (channel, unit) in enumerate(zip(self.channels, self.units)):
            axes.flat[k].plot(self.values[chosen, :, k].T, linewidth=1)
            axes.flat[k].set_title(f"{channel} ({unit})", fontsize=10)
        return figure


@dataclass(frozen=True, eq=False, repr=False)
class Studies:
    """The DICOM files. paths: where they lie; truth: for each, a dict of what is in it (see the card); card: how they were made."""
    paths: tuple
    truth: tuple
    card: str

    def __len__(self):
        return len(self.paths)

    def __repr__(self):
        return f"Studies: {len(self)} DICOM files in {self.paths[0].parent}"


def load(name, split="train", size=SIZE, limit=None, *, variant=None, source=None):
    """A split of a set.

    name: "chest", "brain", "fundus", "skin" give a `Split`; "vitals", "cases" a `Series`; "dicom", which has no splits, the `Studies`.
    split: "train", "val" or "test", of different patients. size: pixels a side, 64, 32, 28, 16, or 128 (drawn on first use, with a bar).
    limit: only the first so many. variant, of chest only: "covid" (a third class) or "natural_noise" (see the card).
    source: "embedded"; "full" (a larger set, drawn on first use); "medmnist" (real images, downloaded on first use); the path of an .npz
    file or of a folder with a sub-folder a class; or None, which means what MEDCRYPT_DATA says for this set, else "embedded".
    Raises ValueError for an argument that is not available, DataError (a ValueError) for data that cannot be used.
    """
    _choose("set", name, (*SETS, *SERIES, DICOM))
    _choose("split", split, SPLITS)
    _choose("size", size, SIZES)
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValueError(f"limit={limit!r} is no number of images; leave it out for all, or give an integer from 1 up.")
    if name not in SETS:
        _choose(f"variant of {name}", variant, (None,))
        _choose(f"source of {name}", source, (None, "embedded"))
        return _studies(limit) if name == DICOM else _series(name, split, limit)
    _choose(f"variant of {name}", variant, (None, *SETS[name].variants))
    source = source_of(name, source, variant)
    if source not in ("embedded", "full"):
        return _real_split(name, split, size, limit, source)
    if variant == "natural_noise" and source == "full":
        raise ValueError("There is no larger set of the variant natural_noise; leave source out.")
    return _drawn_split(name, variant, split, size, limit, source)


def source_of(name, source=None, variant=None):
    """Where `load(name, source=source, variant=variant)` reads: "embedded", "full", "medmnist", or a path as a string.

    A variant comes from the embedded images only: for it MEDCRYPT_DATA does not count, and a path is an error.
    """
    if source is None:
        source = _sources_from_environment().get(name, "embedded") if variant is None else "embedded"
    source = str(source)
    if variant is not None and source not in ("embedded", "full"):
        raise ValueError(f"The variant {variant} of {name} comes from the embedded images only, not from {source!r}.")
    if source == "medmnist" and not SETS[name].medmnist:
        there = ", ".join(each for each, facts in SETS.items() if facts.medmnist)
        raise ValueError(f"MedMNIST has no set that takes the place of {name}; it has one for {there}.")
    return source if source in ("embedded", "full", "medmnist") else str(Path(source).expanduser())


def _choose(what, value, available):
    # A list or a tensor compares in odd ways: only plain values can be right.
    if type(value) not in (str, int, type(None)) or value not in available:
        raise ValueError(f"There is no {what} {value!r}; there is: {', '.join(map(str, available))}.")


def _sources_from_environment():
    """MEDCRYPT_DATA="chest=medmnist,skin=FOLDER" as a dict."""
    text, sources = os.environ.get("MEDCRYPT_DATA", ""), {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, source = (word.strip() for word in item.partition("="))
        if name not in SETS or name in sources or not source:
            raise DataError(f'MEDCRYPT_DATA cannot be read at {item!r}. Write it as "chest=FILE.npz,skin=FOLDER", each set once; '
                            f"there is: {', '.join(SETS)}.")
        sources[name] = source
    return sources


# ---------------------------------------------------------------- files of the course
def manifest():
    """`data/manifest.json` as a dict: "sets", "weights" and "files", each name -> file, bytes, sha256 and how it was made."""
    try:
        return json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise DataError(f"data/manifest.json is missing or damaged. {_repair('manifest.json')}") from problem


def experiment(id):
    """What an experiment of the course recorded: a dict with "figures", "seeds" and "seconds". id: as in "gradient_attacks.epsilon_curve".

    An experiment is what takes longer than a cell may: a script in a chapter's experiments/, run once, its figures stored beside it.
    Raises DataError where there is no record, or a damaged one.
    """
    course = Path(os.environ.get("MEDCRYPT_ROOT", FOLDER.parent))
    records = {f"{path.parents[1].name[3:]}.{path.stem}": path for path in sorted(course.glob("chapters/[0-9][0-9]_*/experiments/*.json"))}
    if str(id) not in records:
        raise DataError(f"There is no record of an experiment {str(id)[:80]!r}; there is: {', '.join(records) or 'none'}. "
                        "A script beside it, if there is one, is run by `medcrypt build --experiments`.")
    path = records[id]
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {**record, **{key: record[key] for key in ("figures", "seeds", "seconds")}}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        file = path.relative_to(course).as_posix()
        raise DataError(f"{file} is damaged. Repair it with `git checkout {file}`, or unpack the course again.") from problem


def _repair(file):
    return f"Repair it with `git checkout data/{file}`, or unpack the course again."


def verified_bytes(section, name):
    """The bytes of an embedded file, after its SHA-256 was compared with the manifest."""
    try:
        file, expected = (manifest()[section][name][key] for key in ("file", "sha256"))
        content = (FOLDER / file).read_bytes()
    except (KeyError, TypeError) as problem:
        raise DataError(f"data/manifest.json does not list {name}. {_repair('manifest.json')}") from problem
    except OSError as problem:
        raise DataError(f"data/{file} is missing. {_repair(file)}") from problem
    if hashlib.sha256(content).hexdigest() != expected:
        raise DataError(f"data/{file} is damaged: not what data/manifest.json lists. {_repair(file)}")
    return content


def card(name):
    """The data card of a set: Markdown."""
    try:
        return (FOLDER / "cards" / f"{name}.md").read_text(encoding="utf-8")
    except OSError as problem:
        raise DataError(f"data/cards/{name}.md is missing. {_repair(f'cards/{name}.md')}") from problem


# ---------------------------------------------------------------- drawn images
def packed(arrays):
    """Arrays of images and masks as they are stored: images as differences from the left and upper neighbors, modulo 256, which compress
    better; masks as bits."""
    def one(key, values):
        if key.endswith("images"):
            return np.diff(np.diff(values, axis=-1, prepend=np.uint8(0)), axis=-2, prepend=np.uint8(0))
        return np.packbits(values, axis=-1) if values.dtype == bool else values
    return {key: one(key, values) for key, values in arrays.items()}


def unpacked(stored):
    """The inverse of `packed`."""
    def one(key, values):
        if key.endswith("images"):
            return values.cumsum(-2, np.uint8).cumsum(-1, np.uint8)
        return np.unpackbits(values, axis=-1).astype(bool) if values.ndim == 3 else values
    return {key: one(key, values) for key, values in stored.items()}


@lru_cache(maxsize=2)
def embedded_arrays(key):
    """All arrays of an embedded set, verified, in memory: {"train_images": uint8 (n, [channels,] 64, 64), ...}. Do not change them.

    key: a set, or set_variant. Each split has images; labels uint8 (n,); patients int32 (n,); and masks, bool (n, 64, 64).
    """
    with np.load(io.BytesIO(verified_bytes("sets", key)), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    if "train_images" in arrays:
        arrays = unpacked(arrays)
    patients = np.concatenate([np.unique(arrays[f"{split}_patients"]) for split in SPLITS])
    assert len(np.unique(patients)) == len(patients), f"a patient of {key} is in two splits"
    return arrays


def _drawn_arrays(key, split, size, source):
    """images, labels, patients and masks of a split as arrays, at `size` if that is larger than what is stored."""
    if source == "embedded" and size <= SIZE:
        return {name.removeprefix(f"{split}_"): values for name, values in embedded_arrays(key).items() if name.startswith(f"{split}_")}
    from .generators import build
    size, folder = max(size, SIZE), _cache_folder()
    file = folder / f"{key}-{split}-{size}-{source}-{build.source_hash(key)[:12]}.npz"
    try:
        with np.load(file, allow_pickle=False) as stored:
            return unpacked({name: stored[name] for name in stored.files})
    except Exception:               # not there yet, or damaged in a dozen ways: drawn, and drawn again, it is the same
        arrays = build.draw(key, split, build.count(key, split, source), size, bar=f"drawing {key} {split}, {size} pixels")
        _keep(file, packed(arrays))
        return arrays


def _cache_folder():
    from .sources import download
    return download.cache_folder() / "drawn"


def _keep(file, arrays):
    """Write a cache file as a whole or not at all; a disk that is full or read-only only costs the next drawing."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=file.parent, suffix=".part")
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez_compressed(stream, **arrays)
        os.replace(part, file)
    except OSError:
        Path(part).unlink(missing_ok=True)


def _drawn_split(name, variant, split, size, limit, source):
    facts = SETS[name]
    arrays = _drawn_arrays(f"{name}_{variant}" if variant == "natural_noise" else name, split, size, source)
    classes = facts.classes
    if variant == "covid":
        arrays, classes = _interleaved(arrays, _drawn_arrays(f"{name}_covid", split, size, source)), (*classes, COVID)
    return _split(arrays, limit, size, facts, classes, card(f"{name}_{variant}" if variant else name))


def _interleaved(two, third):
    """The images of two classes, patient by patient, and those of a third in between: every prefix holds all classes."""
    pairs, others = np.arange(len(two["labels"])).reshape(-1, 4), len(two["labels"]) + np.arange(len(third["labels"])).reshape(-1, 2)
    assert len(pairs) == len(others), "as many patients of the third class as of each of the others"
    order = np.concatenate([pairs, others], 1).ravel()
    return {key: np.concatenate([values, third[key]])[order] for key, values in two.items()}


def _split(arrays, limit, size, facts, classes, words):
    import torch

    def shrunk(pictures):
        pictures = torch.from_numpy(pictures[:limit]).float()
        pictures = pictures[:, None] if pictures.ndim == 3 else pictures
        return pictures if pictures.shape[-1] == size else torch.nn.functional.interpolate(pictures, size=(size, size), mode="area")
    images = shrunk(arrays["images"]) / 255
    masks = {mask: shrunk(arrays[mask])[:, 0] > .5 for mask in facts.masks}
    labels, patients = (torch.from_numpy(arrays[key][:limit].astype(np.int64)) for key in ("labels", "patients"))
    return Split(images, labels, masks, patients, classes, words, facts.channels)


# ---------------------------------------------------------------- real images
def _real_split(name, split, size, limit, source):
    import torch

    from . import sources
    from .sources import download
    facts, mapping = SETS[name], None
    if source == "medmnist":
        source, mapping = download.fetch(name, SIZE if size > 28 else 28), download.MEDMNIST[name].mapping
    found = sources.read(Path(source), classes=facts.classes, color=facts.channels == COLORS, split=split, size=size, limit=limit,
                         mapping=mapping, what=name)
    images, labels, patients = (torch.from_numpy(values) for values in (found.images, found.labels, found.patients))
    return Split(images, labels, {}, patients, found.classes, found.card, COLORS if facts.channels == COLORS else GRAY)


# ---------------------------------------------------------------- series and studies
def _series(name, split, limit):
    import torch

    arrays = {key: embedded_arrays(name)[f"{split}_{key}"][:limit] for key in ("values", "labels", "patients")}
    values, labels, patients = (torch.from_numpy(arrays[key].astype(kind)) for key, kind in
                                (("values", np.float32), ("labels", np.int64), ("patients", np.int64)))
    return Series(values, labels, patients, *SERIES[name], card(name))


def _studies(limit):
    truth = json.loads(verified_bytes("files", "dicom/truth.json"))
    paths = []
    for name in list(truth)[:limit]:
        verified_bytes("files", f"dicom/{name}")
        paths.append(FOLDER / "dicom" / name)
    return Studies(tuple(paths), tuple(truth[path.name] for path in paths), card(DICOM))
