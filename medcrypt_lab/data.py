"""The images of the course: `load("chest")` returns a `Split`.

Embedded sets lie in `data/` and are checked against `data/manifest.json` before use. `MEDCRYPT_DATA="chest=FILE.npz"`
runs the same lessons on real images in MedMNIST's format.
"""
import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[1] / "data"
SPLITS = ("train", "val", "test")
SIZE, SIZES = 64, (64, 32, 16)                  # what is stored, and what comes from it by area averaging
CLASSES = {"chest": ("normal", "pneumonia")}
MASKS = {"chest": ("lung", "heart", "lesion")}
LARGEST_ARRAY = 512 * 2 ** 20                   # bytes


class DataError(ValueError):
    """A set that cannot be used; its text is one sentence or two for the reader, with the remedy."""


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Images of one split of a set, all tensors on the CPU.

    images: float32 (n, channels, height, width) in [0, 1]; labels: int64 (n,), indices into `classes`;
    masks: name -> bool (n, height, width), empty where a source has none; patients: int64 (n,);
    classes: clinical words; card: how the images were made and what they cannot show.
    """
    images: "torch.Tensor"
    labels: "torch.Tensor"
    masks: dict
    patients: "torch.Tensor"
    classes: tuple
    card: str

    def __len__(self):
        return len(self.images)

    def __repr__(self):
        counts = ", ".join(f"{int((self.labels == k).sum())} {word}" for k, word in enumerate(self.classes))
        patients = len(self.patients.unique())
        return f"Split of {len(self)} images, {tuple(self.images.shape[1:])} each, of {patients} patients: {counts}"

    def take(self, indices):
        """A Split of the images at `indices`: a slice, integers, or one boolean an image."""
        masks = {name: mask[indices] for name, mask in self.masks.items()}
        return Split(self.images[indices], self.labels[indices], masks, self.patients[indices], self.classes, self.card)

    def preview(self, count=6):
        """A matplotlib figure of `count` images, spread over the split, with their classes as titles."""
        from . import figures
        chosen = np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int).tolist()
        return figures.show_images(self.images[chosen], [self.classes[self.labels[i]] for i in chosen], columns=3)


def load(name, split="train", size=SIZE, limit=None, *, variant=None, source=None):
    """A split of a set, as a `Split`.

    name: "chest"; split: "train", "val" or "test", of different patients; size: 64, 32 or 16 pixels a side;
    limit: only the first so many images; source: "embedded", the path of an .npz file in MedMNIST's format, or None,
    which means what MEDCRYPT_DATA says for this set, else "embedded".
    Raises ValueError for an argument that is not available, DataError (a ValueError) for data that cannot be used.
    """
    _choose("set", name, CLASSES)
    _choose("split", split, SPLITS)
    _choose("size", size, SIZES)
    _choose(f"variant of {name}", variant, (None,))
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValueError(f"limit={limit!r} is no number of images; leave it out for all, or give an integer from 1 up.")
    source = source_of(name, source)
    if source == "embedded":
        return _embedded_split(name, split, size, limit)
    return _medmnist_split(name, split, size, limit, Path(source))


def source_of(name, source=None):
    """Where `load(name, source=source)` reads: "embedded", or the path of a file as a string."""
    if source is None:
        source = _sources_from_environment().get(name, "embedded")
    if source == "embedded":
        return source
    if not str(source).endswith(".npz"):
        raise ValueError(f"source={source!r} is not available for {name}; there is: 'embedded', or the path of an .npz file.")
    return str(Path(source).expanduser())


def _choose(what, value, available):
    # A list or a tensor compares in odd ways: only plain values can be right.
    if type(value) not in (str, int, type(None)) or value not in available:
        raise ValueError(f"There is no {what} {value!r}; there is: {', '.join(map(str, available))}.")


def _sources_from_environment():
    """MEDCRYPT_DATA="chest=FILE.npz,skin=FILE.npz" as a dict."""
    text, sources = os.environ.get("MEDCRYPT_DATA", ""), {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, source = (word.strip() for word in item.partition("="))
        if name not in CLASSES or name in sources or not source:
            raise DataError(f'MEDCRYPT_DATA cannot be read at {item!r}. Write it as "chest=FILE.npz", each set once; '
                            f"there is: {', '.join(CLASSES)}.")
        sources[name] = source
    return sources


def manifest():
    """`data/manifest.json` as a dict: "sets" and "weights", each name -> file, bytes, sha256 and how it was made."""
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


@lru_cache(maxsize=4)
def embedded_arrays(name):
    """All arrays of an embedded set, verified, in memory: {"train_images": uint8 (n, 64, 64), ...}. Do not change them.

    Each split has images; labels uint8 (n,); patients int32 (n,); and masks, bool (n, 64, 64).
    """
    with np.load(io.BytesIO(verified_bytes("sets", name)), allow_pickle=False) as stored:
        arrays = {key: stored[key] for key in stored.files}
    for split in SPLITS:
        # Stored as differences from the left and upper neighbors, modulo 256, which compress better.
        arrays[f"{split}_images"] = arrays[f"{split}_images"].cumsum(1, np.uint8).cumsum(2, np.uint8)
        for mask in MASKS[name]:
            arrays[f"{split}_{mask}"] = np.unpackbits(arrays[f"{split}_{mask}"], axis=2).astype(bool)
    patients = np.concatenate([np.unique(arrays[f"{split}_patients"]) for split in SPLITS])
    assert len(np.unique(patients)) == len(patients), f"a patient of {name} is in two splits"
    return arrays


def _embedded_split(name, split, size, limit):
    import torch
    arrays = {key: embedded_arrays(name)[f"{split}_{key}"][:limit] for key in ("images", "labels", "patients", *MASKS[name])}

    def shrunk(pictures):
        return torch.nn.functional.avg_pool2d(torch.from_numpy(pictures).float()[:, None], SIZE // size)
    images = shrunk(arrays["images"]) / 255
    masks = {mask: shrunk(arrays[mask])[:, 0] > .5 for mask in MASKS[name]}
    labels, patients = (torch.from_numpy(arrays[key].astype(np.int64)) for key in ("labels", "patients"))
    return Split(images, labels, masks, patients, CLASSES[name], (FOLDER / f"{name}.md").read_text(encoding="utf-8"))


def _medmnist_split(name, split, size, limit, path):
    import torch
    try:
        images, labels = _medmnist_arrays(name, split, path)
    except DataError:
        raise
    except Exception as problem:      # zipfile, zlib and numpy raise a dozen kinds on a broken file; the remedy is one
        raise DataError(f"{path} cannot be read as an .npz file: it is damaged, or something else. "
                        "Download it again, or save it with numpy.savez_compressed.") from problem
    side, color = images.shape[1], images.ndim == 4
    settings = {"mode": "bicubic", "align_corners": False} if side < size else {"mode": "area"}
    resized = f"enlarged bicubically to {size}" if side < size else f"averaged down to {size}" if side > size else "as they are"

    def prepared(part):
        gray = torch.tensor(part).float() / 255
        gray = gray.mean(3)[:, None] if color else gray[:, None]
        return torch.nn.functional.interpolate(gray, size=(size, size), **settings).clamp(0, 1)
    # In portions: a file of large images must not lie in memory as floats.
    images, labels, total = images[:limit], labels[:limit], len(images)
    pictures = torch.cat([prepared(images[start:start + 256]) for start in range(0, len(images), 256)])
    card = (f"Images of {path.name}, a file in MedMNIST's format that you brought: {total} in its {split} split, "
            f"{side} pixels a side, {resized}{', their colors averaged to gray' if color else ''}. The file names no "
            "patients: each image counts as a patient of its own, so nobody can check that the splits share none. "
            "It has no masks. Its license is that of its source.")
    return Split(pictures, torch.from_numpy(labels.astype(np.int64)), {}, torch.arange(len(pictures)), CLASSES[name], card)


def _medmnist_arrays(name, split, path):
    """images uint8 (n, side, side) or (n, side, side, 3) and labels (n,) of one split; nothing in the file is trusted."""
    if not path.is_file():
        raise DataError(f"There is no file {path}. Give its full path, or unset MEDCRYPT_DATA for the embedded images.")
    with zipfile.ZipFile(path) as archive:
        wanted = [f"{part}_{kind}.npy" for part in SPLITS for kind in ("images", "labels")]
        missing = [member.removesuffix(".npy") for member in wanted if member not in archive.namelist()]
        if missing:
            raise DataError(f"{path} is not in MedMNIST's format: it has no {', '.join(missing)}.")
        images, labels = (_read_member(path, archive, f"{split}_{kind}") for kind in ("images", "labels"))
    if images.dtype != np.uint8 or not (images.ndim == 3 or images.shape[3:] == (3,)) or images.shape[1] != images.shape[2]:
        raise DataError(f"{split}_images of {path} is {images.dtype} {images.shape}, not uint8 (n, side, side[, 3]).")
    if len(images) == 0 or not 8 <= images.shape[1] <= 1024:
        raise DataError(f"{split}_images of {path} is {images.shape}; needed is an image or more, of 8 to 1024 pixels a side.")
    if labels.dtype.kind not in "iu" or labels.shape not in ((len(images), 1), (len(images),)):
        raise DataError(f"{split}_labels of {path} is {labels.dtype} {labels.shape}, not integers ({len(images)}, 1).")
    if labels.min() < 0 or labels.max() >= len(CLASSES[name]):
        raise DataError(f"{split}_labels of {path} run from {labels.min()} to {labels.max()}; {name} has the classes "
                        + ", ".join(f"{k} {word}" for k, word in enumerate(CLASSES[name])) + ".")
    return images, labels.reshape(-1)


def _read_member(path, archive, key):
    """One array, read without pickle and without allocating what the file merely claims."""
    with archive.open(f"{key}.npy") as member:
        content = member.read(LARGEST_ARRAY + 1)
    if len(content) > LARGEST_ARRAY:
        raise DataError(f"{key} of {path} is larger than {LARGEST_ARRAY // 2 ** 20} MiB: too large for a lesson.")
    stream = io.BytesIO(content)
    # Format 1.0 holds every plain array; later ones allow headers of gigabytes and names of fields.
    if np.lib.format.read_magic(stream) != (1, 0):
        raise DataError(f"{key} of {path} is not a plain array. Save it with numpy.savez_compressed.")
    shape, columns_first, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject or dtype.kind not in "iufb":
        raise DataError(f"{key} of {path} holds Python objects or text: refused. Save it as an array of integers.")
    # A view of the bytes that are there: a header that claims more, or less, cannot be met and raises.
    return np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape, order="F" if columns_first else "C")
