"""The student's own folder: copies of the lessons and a log of what was tried. Nothing in it is ever overwritten."""
import datetime
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

from . import files

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


def _log():
    return None if os.environ.get("MEDCRYPT_PROGRESS") == "off" else folder() / "progress.jsonl"


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


def exercise_ids():
    """The ids of all exercises, in the order in which the lessons meet them; those that no lesson shows come last."""
    chapters = files.root() / "chapters"
    met = [id for book in sorted(chapters.glob("[0-9][0-9]_*/*.ipynb"))
           for id in re.findall(r'@exercise\(\\"([\w.]+)\\"\)', book.read_text(encoding="utf-8"))]
    known = [f"{path.parent.parent.name[3:]}.{path.stem}" for path in sorted(chapters.glob("[0-9][0-9]_*/exercises/*.py"))]
    return sorted(known, key=lambda id: met.index(id) if id in met else len(met))


def copy_lessons():
    """Put each lesson that is not there yet into the student's folder -> [(path, is new, is an older edition)], in the course's order."""
    found = []
    for lesson in sorted((files.root() / "chapters").glob("[0-9][0-9]_*/*.ipynb")):
        mine = folder() / lesson.parent.name / lesson.name
        new = not mine.exists()
        if new:
            mine.parent.mkdir(parents=True, exist_ok=True)
            unfinished = mine.with_name(f".{mine.name}.{os.getpid()}")
            shutil.copyfile(lesson, unfinished)
            os.replace(unfinished, mine)
        found.append((mine, new, not new and _edition(mine) != _edition(lesson)))
    return found


def _edition(path):
    """The ids of the cells that a lesson was shipped with; they change when its content does."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["metadata"]["medcrypt"]["shipped"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
