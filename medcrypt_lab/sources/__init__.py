"""Images from outside the course: `read(path, ...)` gives what it `Found` in a learner's folder or .npz file.

`arrays` reads .npz files, `folder` and `pictures` read PNG, JPEG and DICOM files, `download` fetches MedMNIST. Whatever a file claims
is checked before it costs memory, nothing in it is run, and every failure is a `DataError`.
"""
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SPLITS = ("train", "val", "test")
LARGEST_ARRAY = 512 * 2 ** 20       # bytes that one array, or all frames of a DICOM file, may unpack to
LARGEST_RESULT = 2 ** 30            # bytes of images that `read` may return
LARGEST_FILE = 64 * 2 ** 20         # bytes of one PNG, JPEG or DICOM file
LARGEST_PICTURE = 25_000_000        # pixels; in DICOM, pixels times colors


class DataError(ValueError):
    """A set that cannot be used; its text is one sentence or two for the reader, with the remedy."""


@dataclass(frozen=True, eq=False)
class Found:
    """Images of one split.

    images: float32 (n, channels, size, size) in [0, 1]; labels: int64 (n,), indices into `classes`; patients: int64 (n,), the
    same number for the same person, in all splits; classes: clinical words; card: Markdown, what was read and what was done to it.
    """
    images: np.ndarray
    labels: np.ndarray
    patients: np.ndarray
    classes: tuple
    card: str


def read(path, *, classes, color, split, size=64, limit=None, mapping=None, what="chest"):
    """One split of a learner's images, as `Found`. Raises DataError.

    path: a folder, or an .npz file; classes: the set's words in order, the healthy one first; color: True for three channels (gray
    is repeated), False for one (colors are averaged); split: "train", "val" or "test"; size: pixels a side; limit: only the first
    so many; mapping: for an .npz file, the class index of each stored label, if they differ; what: the set's name, for messages.
    """
    from . import arrays, folder
    from .shared import shown
    wanted = {"classes": tuple(classes), "color": color, "split": split, "size": size, "limit": limit, "what": what}
    path = Path(os.path.expanduser(path))
    try:
        if path.is_dir():
            return folder.read(path, **wanted)
        if path.is_file() and path.suffix.lower() == ".npz":
            return arrays.read(path, mapping=mapping, **wanted)
    except OSError as problem:
        raise DataError(f"{shown(problem.filename or path)} cannot be opened ({problem.strerror}). Make it readable.") from None
    raise DataError(f"There is no folder or .npz file {shown(path)}. Give its full path, or unset MEDCRYPT_DATA for the embedded images.")


def medmnist(name, size):
    """The file of MedMNIST for a set, downloaded if need be, and the `mapping` of its labels, for `read`. Raises DataError."""
    from .download import MEDMNIST, fetch
    return fetch(name, 28 if size <= 28 else 64), MEDMNIST[name].mapping
