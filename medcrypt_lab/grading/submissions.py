"""What a class handed in: files found in any sane layout, whose each is, and what cannot be matched. Nothing is unpacked to the disk."""
import csv
import io
import os
import re
import stat
import unicodedata
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

LARGEST_FILE, LARGEST_ARCHIVE, LARGEST_LIST = 200 << 20, 400 << 20, 2 << 20    # bytes: unpacked, unpacked in all, an archive's list of names
MOST_ENTRIES, DEEPEST = 5000, 3
IGNORED = ("__MACOSX", ".DS_Store", ".ipynb_checkpoints", "Thumbs.db", "desktop.ini")
# Moodle's "Download all submissions": First Last_1234_assignsubmission_file as a folder, or before the file's name; older versions end the
# folder in _, too (github.com/moodle/moodle, mod/assign/classes/downloader.php).
MOODLE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_file(?:_.*)?", re.S)
# Canvas's "Download Submissions": [LATE_]anon_x1y2z_fileid_name, or lastfirst_[LATE_]userid_fileid_name (github.com/instructure/canvas-lms,
# lib/content_zipper.rb).
CANVAS = [re.compile(r"(?P<name>)(?:LATE_)?(?P<id>anon_[^\W_]+)_\d+_(?P<rest>.+)", re.S),
          re.compile(r"(?P<name>.+?)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<rest>.+)", re.S)]
AGAIN = re.compile(r"(?:[ _-]\(?\d+\)?|[ _-]?copy\d*)$|^copy of ", re.I)         # what a second upload or copy adds to a name
ROSTER = {"name": ("name", "student", "full name", "fullname"), "first": ("first name", "firstname", "given name"),
          "last": ("surname", "last name", "lastname", "family name"),
          "other": ("id", "id number", "username", "sis user id", "sis login id", "login id", "email", "email address", "identifier")}
TOLD = {*sum(ROSTER.values(), ()), "section"}        # what is kept of a roster, for the tables that go back to where it came from


class Handed(NamedTuple):
    """One file: its place as people read it, its path, and the names that lead to it inside of archives."""

    label: str
    path: Path
    inside: tuple = ()


@dataclass
class Class:
    """What was found. students: name -> files in order; a name of the roster without files handed in nothing. strange: [(label, why)].
    known_as: name -> {column: value}, what the roster or Canvas's file names tell of them."""

    students: dict = field(default_factory=dict)
    strange: list = field(default_factory=list)
    known_as: dict = field(default_factory=dict)


class Roster(dict):
    """plain alias -> name; rows: name -> {column: value}, the columns' names in lower case."""

    def __init__(self, aliases, rows):
        super().__init__(aliases)
        self.rows = rows


def visible(name):
    """A name without what would break a line, or make it read in another order than it is written."""
    name = name.encode("utf-8", "replace").decode()
    return "".join(c for c in name if unicodedata.category(c) != "Cc" and c not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069").strip()


def plain(name):
    """A name as it is compared: no case, spaces or punctuation."""
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def natural(text):
    """A key by which 2 comes before 10."""
    return [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in re.split(r"(\d+)", text)]


def find(folder, stems, roster=None):
    """-> Class. stems: the names of the lessons' notebooks, e.g. "1_fgsm". roster: of `read_roster`, or None."""
    found = Class()
    every = list(_walk(Path(folder), (), found.strange))
    while len(tops := {parts[0] for parts, _ in every}) == 1 and all(len(parts) > 2 for parts, _ in every) and _is_wrapper(every):
        every = [(parts[1:], handed) for parts, handed in every]         # one folder or archive around all
    owners = []
    for parts, handed in every:
        owner = _owner(parts, stems, roster or {})
        if not parts[-1].lower().endswith((".ipynb", ".py")):
            found.strange.append((handed.label, "it is no notebook"))
        elif owner is None:
            found.strange.append((handed.label, "whose it is cannot be told: no folder and no part of its name is a student's"))
        else:
            owners.append((*owner, parts[:-1] if owner[2] else (), handed))
    found.known_as = dict(roster.rows) if roster else {}
    ids = {}                            # the same name twice in one download, with two ids: two people
    for name, id, kind, where, _ in owners:
        ids.setdefault((name, kind, where[:-1] if kind == "folder" else where), set()).add(id)
    twice = {name for (name, _, _), seen in ids.items() if len(seen) > 1}
    for name in roster.rows if roster else ():
        found.students[name] = []
    for name, id, kind, _, handed in owners:
        name = f"{name} ({id})" if name in twice else name
        found.students.setdefault(name, []).append(handed)
        if kind == "canvas" and id.isdecimal():
            found.known_as.setdefault(name, {"id": id})
    if roster:
        found.strange += [(name, "is not on the roster; graded all the same") for name in found.students if name not in roster.rows]
    for files in found.students.values():
        # A second upload, 1_fgsm-1.ipynb, comes after the first; what an upgrade kept, 1_fgsm.before-DATE.ipynb, before both.
        files.sort(key=lambda handed: (".before-" not in handed.label, natural(handed.label.rpartition(".")[0]), handed.label))
    found.students = dict(sorted(found.students.items(), key=lambda item: (plain(item[0]), item[0])))
    return found


def _is_wrapper(every):
    """Does the one folder hold students, not one student's chapters?"""
    return not any(re.match(r"\d\d_", parts[1]) or MOODLE.fullmatch(parts[0]) for parts, _ in every) and len({parts[1] for parts, _ in every}) > 1


def _owner(parts, stems, roster):
    """(name, id, kind of download or "") of a file at `parts`; None if nothing tells."""
    for kind, part in [("folder", p) for p in parts[:-1]] + [("file", parts[-1])]:
        if match := MOODLE.fullmatch(part):
            return roster.get(plain(match["name"]), visible(match["name"])), match["id"], kind
    for part in parts[:-1]:
        if plain(part) in roster:
            return roster[plain(part)], "", ""
    stem = _bare(parts[-1])
    lesson = next((s for s in sorted(stems, key=len, reverse=True) if stem == s or stem.endswith(("_" + s, "-" + s, " " + s)) or
                   stem.startswith((s + "_", s + "-", s + " "))), None)
    match = next(filter(None, (form.fullmatch(stem) for form in CANVAS)), None)
    if match and (lesson is None or _bare(match["rest"]) == lesson):
        name = roster.get(plain(match["id"])) or roster.get(plain(match["name"])) or visible(match["name"] or match["id"])
        return name, match["id"], "canvas"
    if len(parts) > 1:
        name = "" if re.match(r"\d\d_", parts[0]) else parts[0]        # a chapter's folder is nobody's name
    elif lesson is None:
        name = stem
    else:
        name = (stem.removesuffix(lesson) if stem.endswith(lesson) else stem.removeprefix(lesson)).strip("_- ")
    return (roster.get(plain(name), visible(name)), "", "") if visible(name) else None


def _bare(filename):
    """A file's name without its ending and what copies add to it."""
    stem = filename.rpartition(".")[0] if filename.lower().endswith((".ipynb", ".py")) else filename
    return AGAIN.sub("", stem).strip()


def _walk(folder, parts, strange):
    """(parts of the path, Handed) of every file below a folder, archives included."""
    for entry in sorted(os.scandir(folder), key=lambda entry: natural(entry.name)):
        label = visible("/".join([*parts, entry.name]))
        path = Path(entry.path)
        if entry.name in IGNORED:
            continue
        if entry.is_symlink():
            strange.append((label, "it is a link to another place"))
        elif entry.is_dir():
            yield from _walk(path, (*parts, entry.name), strange)
        elif not entry.is_file() or entry.stat().st_size > LARGEST_FILE:
            strange.append((label, "it is too large" if entry.is_file() else "it is no file"))
        elif entry.name.lower().endswith(".zip"):
            yield from _in_archive((*parts, entry.name[:-4]), Handed(label, path), strange)
        else:
            yield (*parts, entry.name), Handed(label, path)


def _in_archive(parts, archive, strange):
    """As _walk, of an archive; whatever is wrong with it is listed."""
    try:
        with zipfile.ZipFile(_checked(archive)) as opened:
            infos = opened.infolist()
            if len(infos) > MOST_ENTRIES or sum(info.file_size for info in infos) > LARGEST_ARCHIVE:
                raise ValueError("it holds more than any submission does")
    except Exception as error:              # zipfile raises many kinds for a file that was made to hurt it
        strange.append((archive.label, f"the archive cannot be read: {error}"))
        return
    for info in sorted(infos, key=lambda info: natural(info.filename)):
        names = PurePosixPath(info.filename.replace("\\", "/")).parts
        inner = Handed(visible(f"{archive.label}/{info.filename}"), archive.path, (*archive.inside, info.filename))
        if info.is_dir() or any(name in IGNORED for name in names):
            continue
        if not names or ".." in names or info.filename.startswith(("/", "\\")) or ":" in names[0]:
            strange.append((inner.label, "its name leads out of the archive"))
        elif stat.S_ISLNK(info.external_attr >> 16):
            strange.append((inner.label, "it is a link to another place"))
        elif info.flag_bits & 1:
            strange.append((inner.label, "it is encrypted"))
        elif names[-1].lower().endswith(".zip"):
            if len(inner.inside) < DEEPEST:
                yield from _in_archive((*parts, *names[:-1], names[-1][:-4]), inner, strange)
            else:
                strange.append((inner.label, f"archives are nested more than {DEEPEST} deep"))
        else:
            yield (*parts, *names), inner


def _checked(archive):
    """The archive as zipfile takes it, its list of names no longer than one that memory can hold."""
    data = io.BytesIO(read(archive)) if archive.inside else open(archive.path, "rb")
    size = data.seek(0, os.SEEK_END)
    data.seek(max(0, size - (1 << 16) - 22))
    end = data.read()
    at = end.rfind(b"PK\5\6")
    if at < 0 or len(end) < at + 22:
        raise ValueError("it is no archive, or not whole")
    if end.find(b"PK\6\7") >= 0 or int.from_bytes(end[at + 12:at + 16], "little") > LARGEST_LIST:
        raise ValueError("it lists more files than any submission does")
    return data


def read(handed):
    """The bytes of a file, at most LARGEST_FILE of them. OSError, ValueError and what zipfile raises for a damaged one."""
    data = None
    for name in handed.inside:
        with zipfile.ZipFile(handed.path if data is None else io.BytesIO(data)) as archive, archive.open(name) as opened:
            data = opened.read(LARGEST_FILE + 1)
    if data is None:
        descriptor = os.open(handed.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with open(descriptor, "rb") as opened:
            data = opened.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ValueError("it is too large")
    return data


def table(path):
    """A CSV file as spreadsheets write it -> (line number, {column in lower case: value}) of each row, and the columns' names."""
    text = Path(path).read_bytes().decode("utf-8-sig", "replace")
    first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",")
    try:
        columns = [visible(name).casefold() for name in next(rows, [])]
        return [(rows.line_num, dict(zip(columns, map(visible, row)))) for row in rows if any(row)], columns
    except csv.Error as error:
        raise ValueError(f"{path}, line {rows.line_num}, cannot be read as CSV: {error}.") from None


def read_roster(path):
    """The Roster in a CSV file. Its header says which column holds what; those of Moodle and Canvas are known."""
    table_rows, columns = table(path)
    of = {kind: [name for name in names if name in columns] for kind, names in ROSTER.items()}
    if not of["name"] and not (of["first"] and of["last"]):
        raise ValueError(f"The roster {path} has no column `name`, nor `first name` and `last name`; it has {', '.join(filter(None, columns)) or 'no header'}.")
    people = []                         # (first, last, name, row)
    for _, row in table_rows:
        first, last = (row.get(of[kind][0], "") if of[kind] else "" for kind in ("first", "last"))
        name = row.get(of["name"][0], "") if of["name"] else f"{first} {last}".strip()
        if name and plain(name) != "pointspossible":
            people.append((first, last, name, row))
    count = Counter(name for _, _, name, _ in people)
    aliases, twice, rows = {}, set(), {}
    for first, last, name, row in people:
        before, comma, after = name.partition(",")
        turned = [after + before] if comma else [" ".join([*name.split()[1:], name.split()[0]]), " ".join([name.split()[-1], *name.split()[:-1]])]
        others = [row[column] for column in of["other"] if row.get(column)]
        written = f"{name} ({others[0]})" if count[name] > 1 and others else name
        rows[written] = {column: value for column, value in row.items() if column in TOLD}
        for alias in {plain(a) for a in [name, last + first, *turned, *others]} - {""}:
            if aliases.setdefault(alias, written) != written:
                twice.add(alias)
    return Roster({alias: name for alias, name in aliases.items() if alias not in twice}, rows)
