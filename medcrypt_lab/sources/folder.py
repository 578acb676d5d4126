"""A folder of PNG, JPEG and DICOM files: one sub-folder a class, perhaps inside `train`, `val` and `test`."""
import hashlib
import itertools
import os
import re
import unicodedata
from collections import Counter, namedtuple
from pathlib import Path

import numpy as np

from . import LARGEST_FILE, SPLITS, DataError, Found, pictures
from .shared import divided, numbered, room, shown, told

MOST_FILES = 20_000
IGNORED = ("thumbs.db", "desktop.ini", "__macosx")                  # what operating systems leave; and all hidden files
ALIASES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test"}
# person, content: digests; named: the person's, if the file names one; burned, film: says it that it has text burned in, or several frames?
Picture = namedtuple("Picture", "person content path label split named burned film")


def read(path, *, classes, color, split, size, limit, what):
    """One split of a folder, as `Found`; `sources.read` describes the arguments."""
    counts, sides, colored = Counter(), [], 0
    # In the order of the digests, which mixes the classes, for who asks for the first few.
    found = sorted(filter(None, (_inspected(*file, counts) for file in _files(path.resolve(), classes, what, counts))))
    people, labels, given = [one.person for one in found], [one.label for one in found], any(one.split for one in found)
    places = [one.split for one in found] if given else divided(people, labels, classes, shown(path))
    here = [k for k, place in enumerate(places) if place == split]
    if missing := [f"{label} {word}" for label, word in enumerate(classes) if label not in {labels[k] for k in here}]:
        raise DataError(f"{shown(path)} has no PNG, JPEG or DICOM picture of {', '.join(missing)} for {split}. All classes are needed.")
    total, here = len(here), here[:limit]
    n, images, chosen = len(here), room(len(here), color, size, shown(path)), [found[k] for k in here]
    for k, one in enumerate(chosen):
        pixels, side = pictures.picture(_content(one.path), shown(one.path), size)
        images[k] = pixels if color else pixels.mean(0)
        sides.append(side)
        colored += len(pixels) == 3
    named, burned, films = (sum(bool(getattr(one, fact)) for one in chosen) for fact in ("named", "burned", "film"))
    shared = sum(count > 1 for count in Counter(person for person, _ in {*zip(people, places)}).values())
    facts = {
        f"Pictures of the folder `{shown(path.name)}` that you brought: {n} of the {total} in its {split} split. The middle square of "
        f"each, {min(sides)} to {max(sides)} pixels a side, was averaged down or enlarged bicubically to {size}.": True,
        f"{colored} had colors, averaged to gray.": colored and not color,
        f"{n - colored} were gray, and have it in three channels.": color and colored < n,
        "The course divided them, 70, 10 and 20 percent of the patients of each class.": not given,
        f"**{shared} patients, or equal files, are in several split folders.**": shared,
        f"The headers of {named} name their patient.": True,
        "A file that names none counts as a patient of its own, equal files as one: nobody can check what the splits share.": named < n,
        f"**{burned} say that text, perhaps a name, is burned into the picture.**": burned,
        f"{films} have several frames; the middle one is used.": films,
        f"{counts['report']} DICOM files without a picture and {counts['other']} files of other kinds were left out.":
            counts["report"] + counts["other"],
        "They have no masks. Their license is that of their source.": True}
    card = " ".join(sentence for sentence, holds in facts.items() if holds)
    return Found(images, np.array(labels, np.int64)[here], numbered(people)[here], classes, card)


def _content(path):
    """All bytes of a file that is not too large."""
    if not path.is_file() or path.stat().st_size > LARGEST_FILE:
        raise DataError(f"{shown(path)} is larger than {LARGEST_FILE // 2 ** 20} MiB, no plain file, or a link to nowhere. Remove it.")
    return path.read_bytes()


def _inspected(path, label, split, counts):
    """What must be known of a file before it is drawn, as a Picture; None where it is none."""
    content, name = _content(path), shown(path)
    kind, digest = pictures.kind(content), hashlib.sha256(content).digest()
    if kind is None and path.suffix.lower() in (".png", ".jpg", ".jpeg", ".dcm", ".dicom"):
        raise DataError(f"{name} is not what its name says: neither PNG nor JPEG nor DICOM. Save it again, or move it out of the folder.")
    facts = pictures.facts(content, name) if kind == "DICOM" else (None, False, False)
    if kind is None or facts is None:
        counts["report" if kind else "other"] += 1
        return None
    return Picture(facts[0] or digest, digest, path, label, split, *facts)


def _files(root, classes, what, counts):
    """Each file in the class folders as (path, label, split); split is None where there are no split folders."""
    parts = [(ALIASES[_plain(part.name)], part) for part in _inside(root, root, counts) if _plain(part.name) in ALIASES and part.is_dir()]
    if parts and sorted(split for split, _ in parts) != sorted(SPLITS):
        raise DataError(f"{shown(root)} has the split folders {', '.join(shown(part.name) for _, part in parts)}; needed is one each of "
                        "train, val and test. Add what is missing, or remove the split folders: then the course divides the images.")
    for split, part in parts or [(None, root)]:
        for label, folder in _class_folders([path for path in _inside(part, root, counts) if path.is_dir()], part, classes, what):
            waiting, seen = [folder], set()             # each folder once, whatever links there are
            while waiting:
                real = os.path.realpath(folder := waiting.pop())
                for path in _inside(folder, root, counts) if real not in seen else ():
                    if path.is_dir():
                        waiting.append(path)
                    else:
                        yield path, label, split
                seen.add(real)


def _inside(folder, root, counts):
    """What is in a folder, in the order of names: hidden files left out, links out of `root` refused."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in itertools.islice(entries, MOST_FILES + 1))
    counts["found"] += len(names)
    if counts["found"] > MOST_FILES:
        raise DataError(f"{shown(root)} has more than {MOST_FILES} files and folders: too many for a lesson. Keep a part of them.")
    for path in (folder / name for name in names if not name.startswith(".") and name.casefold() not in IGNORED):
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
            raise DataError(f"{shown(path)} is a link that leads out of the folder: refused. Replace it with a copy of what it points to.")
        yield path


def _class_folders(folders, part, classes, what):
    """(label, folder) of each class, by its word or by the number before its name."""
    words, places, odd = [_plain(word) for word in classes], {}, False
    for folder in folders:
        number = re.match(r"\s*(\d+)(?:[\s_.-]+(.*)|$)", folder.name, re.S)
        word = _plain(number[2] or "" if number else folder.name)
        label = int(number[1]) if number else words.index(word) if word in words else -1
        odd |= not 0 <= label < len(words) or label in places or word in words and words[label] != word
        places[label] = folder
    if odd or len(places) < len(words):
        names = ", ".join(shown(folder.name) for folder in folders[:8]) + (" ..." if len(folders) > 8 else "")
        raise DataError(f"{shown(part)} has the folders: {names or 'none'}; for {what} it must have one for each class, {told(classes)}; "
                        f"0 is the healthy one. Rename what stands for them to {told(classes, '`{}_{}`')}, and move all others away.")
    return places.items()


def _plain(name):
    """A name without what differs between systems and habits: case, encoding of accents, spaces, hyphens, underscores."""
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name).casefold())
