"""The student's own folder, and in it the log of what was tried."""
import ast
import contextlib
import datetime
import hashlib
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

from . import files, source

IN_CELLS = {word: re.compile(rf'^@?{word}\(\s*"([\w.]+)"', re.M) for word in ("exercise", "predict")}
_unsaved = []               # events of this process where no file may be written


def folder():
    """Where the student works: MEDCRYPT_WORK, else work/ beside the course, else in the home folder where the course is read-only."""
    if os.environ.get("MEDCRYPT_WORK"):
        return Path(os.environ["MEDCRYPT_WORK"]).expanduser().absolute()
    course = files.root()
    beside = course / "work"
    if os.access(beside if beside.exists() else course, os.W_OK):
        return beside
    return Path.home() / "medcrypt-lab-work"


def is_off():
    """Is nothing recorded, as in builds and tests?"""
    return os.environ.get("MEDCRYPT_PROGRESS") == "off"


def _log():
    return None if is_off() else folder() / "progress.jsonl"


def record(event):
    """Append one event, a dict, to the log: one line, so that two kernels never lose each other's."""
    event = {"time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), **event}
    try:
        path = _log()
        if path is None:
            raise OSError("progress is off")
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
        try:
            os.write(descriptor, ("\n" * _is_cut(path) + json.dumps(event) + "\n").encode())
        finally:
            os.close(descriptor)
    except OSError:
        _unsaved.append(event)


def _is_cut(path):
    """Does the log end in the middle of a line, after a crash?"""
    with open(path, "rb") as log:
        log.seek(0, os.SEEK_END)
        if log.tell() == 0:
            return False
        log.seek(-1, os.SEEK_END)
        return log.read() != b"\n"


def events():
    """All events, oldest first; a damaged line is passed over."""
    found = []
    try:
        path = _log()
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path else []
    except OSError:
        lines = []
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            found.append(event)
    return found + _unsaved


def results():
    """exercise id -> {"solved": bool, "tries": number of different answers that were judged}."""
    codes, solved = {}, set()
    for event in events():
        if event.get("event") == "try":
            codes.setdefault(str(event.get("id")), set()).add(str(event.get("code")))
            if event.get("status") == "right":
                solved.add(str(event.get("id")))
    return {id: {"solved": id in solved, "tries": len(tried)} for id, tried in codes.items()}


def fingerprint(text):
    """Eight hexadecimal digits that change when a cell's text does; a lesson cell's id is "c" or "m" and these."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


class Lesson(NamedTuple):
    """What a student's notebook asks of a lesson: its title, the ids of its exercises and predictions in order, the texts of its cells;
    and where it lies."""

    title: str
    exercises: list
    predictions: list
    cells: list
    path: Path

    def binds(self, name):
        """Does a cell bind this name?"""
        return any(name in cell and name in _names(cell) for cell in self.cells)


def lessons():
    """The lessons of the course in order, as their notebooks tell; one that cannot be read is passed over."""
    found = []
    for path in sorted((files.root() / "chapters").glob("[0-9][0-9]_*/*.ipynb")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            book = json.loads(path.read_text(encoding="utf-8"))
            cells = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
            exercises, predictions = (list(dict.fromkeys(id for cell in cells for id in IN_CELLS[word].findall(cell))) for word in ("exercise", "predict"))
            found.append(Lesson(book["metadata"]["medcrypt"]["title"], exercises, predictions, cells, path))
    return found


def _names(cell):
    """The names that a cell binds; none if Python cannot read it."""
    try:
        return set().union(*map(source.names_bound, ast.parse(cell).body))
    except SyntaxError:
        return set()


def predictions():
    """prediction id -> {"guess", "actual"}: the last guess before the truth was shown beside one; actual is None until then."""
    found = {}
    for event in events():
        id = str(event.get("id"))
        if event.get("event") == "predict" and type(event.get("guess")) in (int, float, str):
            if found.get(id, {}).get("actual") is None:
                found[id] = {"guess": event["guess"], "actual": None}
        elif event.get("event") == "reveal" and id in found and type(event.get("actual")) in (int, float, str):
            found[id]["actual"] = event["actual"]
    return found
