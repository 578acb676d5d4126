"""What all readers need: names that can be printed, streams that cannot be abused, resizing, dividing."""
import io
import itertools
import logging
import warnings
from contextlib import contextmanager

import numpy as np

from . import LARGEST_RESULT, SPLITS, DataError


def shown(path):
    """A path for a sentence or a card: any script as it is, but a replacement sign for what steers a screen, and for Markdown's `."""
    joiners = "\u200c\u200d"        # not printable by themselves, but part of Persian and Indic words
    fits = (letter in joiners or letter.isprintable() and letter != "`" for letter in str(path))
    return "".join(letter if fit else "\N{REPLACEMENT CHARACTER}" for letter, fit in zip(str(path), fits))


def told(classes, form="{} {}"):
    """The classes for a sentence: '0 normal, 1 pneumonia'."""
    return ", ".join(form.format(k, word) for k, word in enumerate(classes))


@contextmanager
def failing_as(sentence):
    """Whatever error a library raises inside becomes a DataError; none of its words or warnings is shown: some quote patients' data."""
    logger = logging.getLogger("pydicom")
    disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            yield
    except (DataError, PermissionError):
        raise
    except Exception:
        raise DataError(sentence) from None
    finally:
        logger.disabled = disabled


class Careful(io.BufferedReader):
    """A stream for other people's parsers: who asks for too much, or too often, gets an error before memory is full."""
    largest, total, reads = 2 ** 20, 2 ** 40, 100_000           # bytes at a time, bytes, times

    def read(self, size=-1):
        content = super().read(self.largest + 1 if size is None or size < 0 else min(size, self.largest + 1))
        self.reads, self.total = self.reads - 1, self.total - len(content)
        if min(self.reads, self.total) < 0 or len(content) > self.largest:
            raise OverflowError("more than an honest file needs")
        return content


def room(n, color, size, name):
    """An empty array for the n images that will be returned."""
    if n * (3 if color else 1) * size * size * 4 > LARGEST_RESULT:
        raise DataError(f"{name} has {n} images for this split, more than {LARGEST_RESULT // 2 ** 20} MiB. Ask for fewer with limit=.")
    return np.empty((n, 3 if color else 1, size, size), np.float32)


def resized(images, size):
    """float32 (n, channels, side, side) -> (n, channels, size, size) in [0, 1]: averaged down, or enlarged bicubically."""
    import torch
    pictures = torch.from_numpy(np.ascontiguousarray(images))
    if images.shape[-1] != size:
        pictures = torch.nn.functional.interpolate(pictures, (size, size), mode="area" if images.shape[-1] > size else "bicubic")
    return pictures.clamp(0, 1).numpy()


def squares(planes, white, size):
    """Arrays (height, width) -> their middle squares, float32 (channels, size, size), 0 to `white` as 0 to 1."""
    cut = []
    for plane in planes:
        side = min(plane.shape)
        top, left = ((length - side) // 2 for length in plane.shape)
        cut.append(resized(plane[None, None, top:top + side, left:left + side] / np.float32(white), size)[0])
    return np.concatenate(cut)


def numbered(people):
    """Digests of people as numbers from 0 up, int64, the same for the same person."""
    return np.unique(np.array(people, "S32"), return_inverse=True)[1].astype(np.int64)


def divided(people, labels, classes, name):
    """The split of each image: about 70, 10 and 20 percent of the people of each class, by the order of their digests; none is in two."""
    labels, worst, place = np.asarray(labels, np.int64), {}, {}
    for person, label in zip(people, labels):
        worst[person] = max(label, worst.get(person, 0))
    for label in range(len(classes)):
        group = sorted(person for person in worst if worst[person] == label)
        val, test = (max(1, round(len(group) * share)) for share in (.1, .2))
        place |= {person: SPLITS[(k >= len(group) - val - test) + (k >= len(group) - test)] for k, person in enumerate(group)}
    splits = np.array([place[person] for person in people])
    for label, word in enumerate(classes):
        if len(set(splits[labels == label])) < len(SPLITS):
            raise DataError(f"{name} has {label} {word} of {len({*itertools.compress(people, labels == label)})} patients (equal images "
                            "count as one): too few for train, val and test to share none. Have three a class, or make split folders.")
    return splits
