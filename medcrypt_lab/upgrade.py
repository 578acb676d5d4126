"""The lessons in the student's folder: copied where absent and, where the course has a newer edition, merged with it.

A merge gives the new edition plus all that is the student's: answers, predictions, cells they added, lesson cells they edited.
"""
import copy
import datetime
import itertools
import json
import os
import re
import shutil
from difflib import SequenceMatcher
from operator import itemgetter

import nbformat
from nbformat import v4

from .exercises import files, work

LESSON_ID = re.compile(r"[cmr][0-9a-f]{8}(-\d+)?")      # a lesson cell's id: its type, the fingerprint of its text, which of several equal ones
OUR_ID = re.compile(r"(note|end)-([0-9a-f]{8})(-\d+)?")                 # the id of a cell that an earlier merge wrote, with its fingerprint
NAMED = re.compile(r'^[ \t]*(@exercise|predict)\(\s*["\']([\w.]+)["\']', re.M)
PREFIX = {"@exercise": "ex-", "predict": "predict-"}    # of the ids of exercise and prediction cells
CARRIED = {"ex": "answer", "predict": "prediction", "own": "added cell", "lesson": "edited lesson cell"}
NEW_START = "*In the newer edition the cell below starts from another text. Yours is as you left it; this is the new start:*\n\n````python\n{}\n````"
YOUR_VERSION = "*The cell below is your version of one that the newer edition changed or does not have.{} Delete it, and this note, when you no longer need it.*"
IT_RUNS = " It still runs; where the lesson has a new cell for it, that one runs after it and has the last word."
THE_END = '## From an earlier edition\n\n*This edition of the lesson does not have {}. What you wrote is kept here; its card will say "There is no exercise".{}*'


# ---------------------------------------------------------------- files
def copy_lessons():
    """Put each lesson that is not there yet into the student's folder -> [(path, is new, is an older edition)], in the course's order."""
    found = []
    for lesson in sorted((files.root() / "chapters").glob("[0-9][0-9]_*/*.ipynb")):
        mine = work.folder() / lesson.parent.name / lesson.name
        new = not os.path.lexists(mine)
        if new:
            mine.parent.mkdir(parents=True, exist_ok=True)
            unfinished = mine.with_name(f".{mine.name}.{os.getpid()}")
            shutil.copyfile(lesson, unfinished)
            os.replace(unfinished, mine)
        found.append((mine, new, not new and _edition(lesson) not in (None, _edition(mine))))
    return found


def _edition(path):
    """What changes when a lesson's cells do, and not when only its outputs do; None where it cannot be read."""
    try:
        ours = json.loads(path.read_text(encoding="utf-8"))["metadata"]["medcrypt"]
        return ours["shipped"], ours.get("named")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def upgrade(mine):
    """Merge the course's edition into the student's copy -> what to tell them, and the old file kept beside it (None if nothing was done)."""
    name = f"{mine.parent.name}/{mine.stem}"
    try:
        if not os.access(mine, os.W_OK):
            raise OSError("it cannot be found or written")
        before = mine.read_bytes()
        merge = Merge(_read(before), _read((files.root() / "chapters" / mine.parent.name / mine.name).read_bytes()))
        if not merge.changes:
            return "", None
        kept = _exchange(mine.resolve(), before, (nbformat.writes(merge.book) + "\n").encode())
    except Exception as error:          # whatever it was, the student's file is as it was
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0][:100]
        return (f"{name}: the course has a newer edition, but your copy stays as it is ({reason}). "
                "Rename it or move it away, and the next start puts the new edition in its place."), None
    return f"{name}: {merge.told} Your old file is kept beside it: {kept.name}.", kept


def _read(data):
    """The notebook in these bytes; ValueError if they hold none."""
    try:
        book = v4.reads(data.decode("utf-8-sig"))
        if book.nbformat == 4 and all(isinstance(cell.source, str) and isinstance(cell.metadata, dict) for cell in book.cells):
            return book
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        pass
    raise ValueError("it is damaged, or no notebook")


def _exchange(mine, before, after):
    """Put the new bytes in the file's place and the old ones beside it, under a free name -> their path. If that fails, all is as it was."""
    names = _numbered(f"{mine.stem}.before-{datetime.date.today()}")
    kept = next(path for name in names if not os.path.lexists(path := mine.with_name(name + ".ipynb")))
    unfinished, written = mine.with_name(f".{mine.name}.{os.getpid()}"), []
    unfinished.unlink(missing_ok=True)          # of a start that was killed
    try:
        for path, data in ((kept, before), (unfinished, after)):
            with open(path, "xb") as file:
                written.append(path)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())         # else a power cut soon after could take both editions
            shutil.copymode(mine, path)
        os.replace(unfinished, mine)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return kept


def _numbered(name):
    """name, name-2, name-3, ..."""
    return itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))


# ---------------------------------------------------------------- cells
class Merge:
    """The new edition plus all that is the student's: `book`; `told` sums it up; `changes`: is the text another than theirs?"""

    def __init__(self, theirs, course):
        theirs, course = copy.deepcopy((theirs, course))
        cells = [cell for cell in theirs.cells if cell.source.strip()]
        ours = theirs.metadata.get("medcrypt", {})
        # Where an editor dropped our metadata, a lesson cell's id still tells that it is one, and whether it was edited.
        self.shipped = ours.get("shipped") or [cell.id for cell in cells if LESSON_ID.fullmatch(cell.get("id", ""))]
        self.started, self.starts = ours.get("named", {}), course.metadata.medcrypt.get("named", {})    # fingerprints of starting texts, then and now
        self.new = {cell.id: cell for cell in course.cells}
        self.places = _places(self.shipped, list(self.new))
        self.standing, self.met = {}, set()     # id in the new edition -> what of the student's stands there; all ids that theirs stand for
        self.beside, self.gone, self.counts = [], [], dict.fromkeys(CARRIED, 0)
        self._sort(cells)
        self.lost = _names(self.gone)
        self.fresh = _names(cell for id, cell in self.new.items() if self.started and id in self.starts and id not in self.started)
        self.used = set(self.new)
        self.book = v4.new_notebook(cells=self._in_order(), metadata={**theirs.metadata, **course.metadata})
        self.changes = [(c.cell_type, c.source) for c in self.book.cells] != [(c.cell_type, c.source) for c in cells]

    def _sort(self, cells):
        """Find for each of the student's cells where it goes: into the lesson, beside one of its cells, or to the end."""
        place, notes = 0, []
        for cell, ids in zip(cells, self._stands_for(cells)):
            ours = OUR_ID.fullmatch(cell.get("id", ""))
            if ours and ours[2] == work.fingerprint(cell.source):
                notes += [cell] * (ours[1] == "note")   # goes with the cell below it; the heading of the end is written anew
                continue
            id = next((id for id in ids if id in self.new and id not in self.standing), ids[0] if ids else "own")
            edited = not ids or self._is_edited(cell, id)
            kind = id.partition("-")[0]
            self.counts[kind if kind in CARRIED else "lesson"] += edited
            self.met.update(ids)
            if id in self.new and id not in self.standing:
                self.standing[id], place = (cell, edited, notes), self.places[id][1]
            elif edited and (not ids or id in self.new):
                self.beside.append(((place, 1), [*notes, cell]))
            elif edited and LESSON_ID.fullmatch(id):
                self.beside.append((self.places[id][0], _version(cell)))
            elif edited:
                cell.id = "gone-" + id.partition("-")[2]        # tells the next merge what it is
                self.gone.append(cell)
            if id not in self.new:
                place = self.places.get(id, (0, place))[1]
            notes = []

    def _stands_for(self, cells):
        """For each cell the ids of the lesson's cells that it stands for: by the names in it, else by its id, else by its text; none if it was added."""
        found = []
        for cell in cells:
            id = cell.get("id", "")
            named = [PREFIX[word] + name.partition(".")[2] for word, name in NAMED.findall(cell.source) if cell.cell_type == "code"]
            found.append([name for name in named if name in self.places or id.startswith("gone-")] or [id] * (id in self.shipped))
        free = [id for id in self.places if LESSON_ID.fullmatch(id) and not any(id in ids for ids in found)]
        for cell, ids in zip(cells, found):
            same = [id for id in free if not ids and id[1:9] == work.fingerprint(cell.source)][:1]
            ids += same
            free = [id for id in free if id not in same]
        return found

    def _is_edited(self, cell, id):
        """Did the student change the cell since it was shipped?"""
        text = work.fingerprint(cell.source)
        if LESSON_ID.fullmatch(id):
            return id[:9] != cell.cell_type[0] + text
        return text not in (self.started.get(id), self.starts.get(id))

    def _in_order(self):
        """All cells of the result, in order."""
        pieces = [((number, 0), self._at(cell)) for number, cell in enumerate(self.new.values())]
        if self.gone:
            fresh = f" New in this edition: {self.fresh}. If that is the same under another name, copy your answer there." if self.fresh else ""
            self.beside.append(((len(self.new), 0), [_note("end", THE_END.format(self.lost, fresh)), *self.gone]))
        pieces += [(place, [self._apart(cell) for cell in piece]) for place, piece in self.beside]
        return [cell for _, piece in sorted(pieces, key=itemgetter(0)) for cell in piece]

    def _at(self, cell):
        """What stands where the new edition has `cell`: that, or what the student made of it."""
        if cell.id not in self.standing:
            return [] if cell.id in self.met else [cell]        # met but not standing: they merged two exercises into one cell
        theirs, edited, notes = self.standing[cell.id]
        start = self.starts.get(cell.id)                        # None for a cell that is no exercise or prediction: no note belongs to it
        if self.started.get(cell.id, start) != start:
            notes = [_note("note", NEW_START.format(cell.source))]
        kept = theirs if edited else cell
        kept.id, kept.metadata = cell.id, _both(theirs.metadata, cell.metadata)
        return [*map(self._apart, notes if edited and start else []), kept]

    def _apart(self, cell):
        """Give a cell that the new edition does not have an id that no other has -> the cell."""
        id = cell.get("id", "")
        id = id if re.fullmatch("[a-zA-Z0-9_-]{1,60}", id) else "own-" + work.fingerprint(cell.source)
        cell.id = next(id for id in _numbered(id) if id not in self.used)
        self.used.add(cell.id)
        return cell

    @property
    def told(self):
        """What the student should know, in a sentence or two."""
        carried = ", ".join(f"{count} {CARRIED[kind]}{'s' * (count > 1)}" for kind, count in self.counts.items() if count)
        told = f"now in the newer edition, with your {carried}." if carried else "now in the newer edition; you had changed nothing in it."
        told += f" It no longer has {self.lost}: what you wrote stands at its end." * bool(self.gone)
        return told + f" New in it: {self.fresh}." * bool(self.gone and self.fresh)


def _places(old, new):
    """Each id -> (where the student's version of a cell goes if the new edition changed it, the number of the new cell that what followed it follows)."""
    places = {}
    for _, i1, i2, j1, j2 in SequenceMatcher(None, old, new).get_opcodes():
        for i in range(i1, i2):
            instead = min(j1 + i - i1, j2 - 1)          # the cell in its place; the one before it if there is none
            after = max(j2 - i2 + i, instead, 0)        # if there are more now than there were, the last of them
            places[old[i]] = (instead, -1) if j2 > j1 and instead else (after, 1), after
    return {**places, **{id: ((number, 1), number) for number, id in enumerate(new)}}


def _names(cells):
    """The names of the exercises and predictions in these cells, as text."""
    return ", ".join(dict.fromkeys(found[2] if (found := NAMED.search(cell.source)) else cell.id.partition("-")[2] for cell in cells))


def _version(cell):
    """The student's version of a cell that the new edition changed or dropped, under a note. Code stays code: it is theirs and they may want it
    to run. It stands before the lesson's new cell, so it changes nothing below that; should it fail by now, Run All goes on."""
    code = cell.cell_type == "code"
    if code:
        cell.metadata = _both(cell.metadata, {"tags": ["raises-exception"]})
    return [_note("note", YOUR_VERSION.format(IT_RUNS * code)), cell]


def _note(kind, text):
    """A cell of our own words; its id tells so, as long as nobody edits it."""
    return nbformat.from_dict({"cell_type": "markdown", "id": f"{kind}-{work.fingerprint(text)}", "metadata": {}, "source": text})


def _both(theirs, ours):
    """The metadata of two cells; where they differ ours, but all tags."""
    tags = list(dict.fromkeys([*ours.get("tags", []), *theirs.get("tags", [])]))
    return nbformat.from_dict({**theirs, **ours, **({"tags": tags} if tags else {})})
