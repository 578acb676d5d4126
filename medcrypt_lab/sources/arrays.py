"""An .npz file: MedMNIST's format, or just `images` and `labels`. Read without pickle, and without believing what it claims."""
import hashlib
import io
import zipfile

import numpy as np

from . import LARGEST_ARRAY, SPLITS, DataError, Found
from .shared import Careful, divided, failing_as, numbered, resized, room, shown, told

PORTION = 2 ** 22                   # values that are floats at a time
PEOPLE_APART = 10 ** 9              # between the numbers of one split's patients and the next one's


def read(path, *, classes, color, split, size, limit, mapping, what):
    """One split of an .npz file, as `Found`; `sources.read` describes the arguments."""
    with failing_as(f"{shown(path)} cannot be read as an .npz file: it is damaged, or something else. Download it again, or save it with "
                    "numpy.savez_compressed."):
        images, labels, patients, divided_here = _arrays(path, split, classes, mapping, what)
    if missing := [f"{k} {word}" for k, word in enumerate(classes) if k not in labels]:
        raise DataError(f"The {split} images of {shown(path)} have no {', '.join(missing)}. Use a file with all classes: {told(classes)}.")
    total, side, colors, images = len(images), images.shape[1], images.ndim == 4, images[:limit]
    found, step = room(len(images), color, size, shown(path)), max(1, PORTION // images[0].size)
    for start in range(0, len(images), step):
        part = images[start:start + step]
        part = part.astype(np.float32) / np.float32(np.iinfo(part.dtype).max if part.dtype.kind == "u" else 1)
        part = resized(np.moveaxis(part, 3, 1) if colors else part[:, None], size)
        found[start:start + step] = part if color else part.mean(1, keepdims=True)
    how = f"enlarged bicubically to {size}" if side < size else f"averaged down to {size}" if side > size else "as they are"
    how += ", their colors averaged to gray" if colors and not color else ", their gray in three channels" if color and not colors else ""
    division = " The course divided it, 70, 10 and 20 percent of each class, equal images together." if divided_here else ""
    card = (f"Images of `{shown(path.name)}`, a file that you brought: {total} in its {split} split, {side} pixels a side, {how}."
            f"{division} It names no patients: each image counts as a patient of its own, so nobody can check that the splits share none. "
            "It has no masks. Its license is that of its source.")
    return Found(found, labels[:limit], patients[:limit], classes, card)


def _arrays(path, split, classes, mapping, what):
    """images (n, side, side[, 3]), labels and patients int64 (n,) of one split, all checked; and: was the file divided here?"""
    meaning = np.asarray(mapping or range(len(classes)), np.int64)
    with open(path, "rb", buffering=0) as file, zipfile.ZipFile(Careful(file)) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
        wanted = {f"{part}_{kind}" for part in SPLITS for kind in ("images", "labels")}
        whole = {"images", "labels"} <= names and not wanted & names
        if not whole and wanted - names:
            raise DataError(f"{shown(path)} is not in MedMNIST's format: it has no {', '.join(sorted(wanted - names))}. Save these arrays "
                            "with numpy.savez_compressed, or `images` and `labels` alone.")
        before = "" if whole else f"{split}_"
        images, labels = (_member(path, archive, before + kind) for kind in ("images", "labels"))
    floats, side = images.dtype.kind == "f", images.shape[1] if images.ndim > 2 else 0
    if (images.dtype not in (np.uint8, np.uint16, np.float16, np.float32, np.float64) or not 8 <= side <= 1024 or not len(images)
            or images.shape[1:] not in ((side, side), (side, side, 3)) or floats and not (images.min() >= 0 and images.max() <= 1)):
        raise DataError(f"{before}images of {shown(path)} is {images.dtype} {images.shape}; needed is an image or more, (n, side, "
                        "side[, 3]), of 8 to 1024 pixels a side, 8-bit or 16-bit integers or floats from 0 to 1, not NaN. Convert it.")
    if labels.dtype.kind not in "iu" or labels.shape not in ((len(images), 1), (len(images),)):
        raise DataError(f"{before}labels of {shown(path)} is {labels.dtype} {labels.shape}, not integers ({len(images)}, 1). Convert it.")
    if labels.min() < 0 or labels.max() >= len(meaning):
        raise DataError(f"{before}labels of {shown(path)} run from {labels.min()} to {labels.max()}; {what} takes 0 to {len(meaning) - 1}, "
                        f"{'which become' if mapping else 'the classes'} {told(classes)}. Renumber them, or use another file.")
    labels = meaning[labels.reshape(-1).astype(np.int64)]
    if not whole:
        return images, labels, SPLITS.index(split) * PEOPLE_APART + np.arange(len(labels)), False
    people = [hashlib.sha256(np.ascontiguousarray(image)).digest() for image in images]
    here, numbers = np.flatnonzero(divided(people, labels, classes, shown(path)) == split), numbered(people)
    here = here[np.argsort(numbers[here], kind="stable")]               # mixes the classes, for who asks for the first few
    return images[here], labels[here], numbers[here], True


def _member(path, archive, key):
    """One array, read without pickle and without allocating what the file merely claims."""
    name, content = f"{key} of {shown(path)}", bytearray()
    with archive.open(f"{key}.npy") as member:
        # bzip2 and LZMA, which NumPy never writes, would be unpacked without a limit.
        readable = archive.getinfo(f"{key}.npy").compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        while readable and (portion := member.read(2 ** 20)):
            content += portion
            if len(content) > LARGEST_ARRAY:
                raise DataError(f"{name} is larger than {LARGEST_ARRAY // 2 ** 20} MiB: too large for a lesson. Save fewer images.")
    start = io.BytesIO(content[:2 ** 16])
    if np.lib.format.read_magic(start) != (1, 0):       # that holds every plain array; later formats allow headers of gigabytes
        raise DataError(f"{name} is not a plain array. Save it with numpy.savez_compressed.")
    shape, columns_first, dtype = np.lib.format.read_array_header_1_0(start)
    if dtype.kind not in "iufb":
        raise DataError(f"{name} holds Python objects or text: refused. Save it as an array of integers.")
    # A view of the bytes that are there: a header that claims more, or less, cannot be met and raises.
    return np.frombuffer(content, dtype, offset=start.tell()).reshape(shape, order="F" if columns_first else "C")
