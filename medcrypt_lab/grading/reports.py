"""What an instructor and a student read of a graded class: tables, a page for each student, one for the class.

Everything is drawn from what results.json holds, so that the same results give the same files, and a student can be taken out of all of them.
"""
import csv
import functools
import hashlib
import io
import json
import os
import re
import statistics
from collections import Counter
from pathlib import Path

from medcrypt_lab import __version__
from medcrypt_lab.exercises import card, files, judging
from medcrypt_lab.exercises.source import ExerciseText

from . import planning, reading, submissions

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
MISSING = "missing"         # a status beside those of judging: no cell of what was handed in holds the exercise
FOUND = {judging.RIGHT: "solved", "partly": "partly right", judging.WRONG: "no points", judging.UNTRIED: "not tried", MISSING: "not found",
         judging.BROKEN: "our own fault"}
BINS = 10
SHORT = 15                  # nodes of a syntax tree beyond the stub's: a shorter answer leaves no choice
FORMATS = ("canvas", "moodle")
WRITTEN = ["grades.csv", "class.html", "results.json"]
COMMON, SHARE = 3, 0.1      # an answer that more students have, and more than this part of the class, is a natural one
# Canvas: https://github.com/instructure/canvas-lms, lib/gradebook_importer.rb, reads these columns in this order, the columns of assignments after
# Section, and a row of Points Possible. It knows students by ID, else SIS User ID, else SIS Login ID.
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
# Moodle: https://docs.moodle.org/311/en/Grade_import: you map one column to the user's ID number, e-mail address or username, and others to grade
# items and to their feedback.
MOODLE = {"First name": ("first name", "firstname"), "Last name": ("last name", "surname", "lastname"), "ID number": ("id number", "idnumber"),
          "Email address": ("email address", "email"), "Username": ("username",)}


# ---------------------------------------------------------------- files
def stem_of(name):
    """The name of a student's files: safe anywhere, one for each student."""
    safe = "".join(c if c.isalnum() and c.isascii() else "_" for c in name)[:40]
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def write(path, text, lasting=True):
    """A file whole or not at all; lasting: also if the power fails now, which takes a moment."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    with open(unfinished, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        if lasting:
            os.fsync(file.fileno())
    os.replace(unfinished, path)


def safe(cell):
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip().startswith(FORMULA) else cell


def table(rows):
    """Rows as CSV; the mark at its begin tells spreadsheets that it is UTF-8."""
    page = io.StringIO()
    csv.writer(page).writerows([[safe(cell) for cell in row] for row in rows])
    return "\ufeff" + page.getvalue()


def number(value):
    """Points without more digits than they need."""
    value = round(value, 2)
    return int(value) if float(value).is_integer() else value


# ---------------------------------------------------------------- what is reported
def gather(found, kept, lessons, exercises, plan, overrides, *, unsafe, format):
    """The class's results as results.json holds them. ValueError if the overrides do not fit them."""
    strange, students = [list(pair) for pair in found.strange], {}
    handed_in = set()           # lessons that anybody handed in: without a plan their exercises count for all
    for name, handed in found.students.items():
        looked_at = kept[name].of("file") if handed else []
        strange += [[label, why or "no exercise of the course is in it"] for label, lesson, why in looked_at if why or not lesson]
        results = kept[name].results if handed else {}
        handed_in |= {lesson for _, lesson, _ in looked_at if lesson}
        handed_in |= {lesson.path.stem for lesson in lessons if results.keys() & set(lesson.exercises)}
        students[name] = {"files": looked_at, "graded": bool(kept[name].of("done")) if handed else None, "known_as": found.known_as.get(name, {}),
                          "results": {id: {key: value for key, value in result.items() if key not in ("tree", "seconds")} for id, result in results.items()}}
    counted = {}
    for lesson in lessons:
        stem = lesson.path.stem
        weights = {id: plan.weight(stem, id) for id in lesson.exercises if plan.weight(stem, id)}
        if weights and (plan.lessons is not None or stem in handed_in):
            counted[stem] = {"title": lesson.title, "column": plan.columns.get(stem, lesson.title), "exercises": list(weights), "weights": weights,
                             "of": number(sum(weight * exercises.points[id] for id, weight in weights.items()))}
    ids = [id for lesson in counted.values() for id in lesson["exercises"]]
    for name, changes in overrides.items():
        for id, (points, reason) in changes.items():
            if id not in ids:
                raise ValueError(f"overrides.csv gives {name} points for {id}, which does not count: by the plan, or since nobody handed in its lesson.")
            result = students[name]["results"].setdefault(id, {"exercise": id, "status": MISSING, "points": 0, "of": exercises.points[id]})
            result |= {"points": points, "override": {"was": result["points"], "reason": reason}}
    of = sum(lesson["of"] for lesson in counted.values())
    scale = plan.maximum / of if plan.maximum and of else 1
    for student in students.values():
        points = {stem: sum(weight * student["results"].get(id, {}).get("points", 0) for id, weight in lesson["weights"].items())
                  for stem, lesson in counted.items()}
        student["lessons"] = {stem: number(value) for stem, value in points.items()}
        student |= {"points": number(scale * sum(points.values())), "of": number(scale * of)}
    return {"course": __version__, "sandbox": not unsafe, "exercises": {id: exercises.points[id] for id in ids}, "lessons": counted, "maximum": plan.maximum,
            "format": format, "students": students, "strange": strange, "alike": alike({name: kept[name] for name, handed in found.students.items() if handed}, ids)}


def seconds(kept):
    """exercise -> [median, longest] seconds of judging it. Not part of the results, which are the same however long it took."""
    took = {}
    for student in kept.values():
        for id, result in student.results.items():
            took.setdefault(id, []).append(result.get("seconds", 0))
    return {id: [round(statistics.median(values), 2), max(values)] for id, values in took.items()}


def alike(kept, ids):
    """Answers that are the same syntax tree -> {"rare": [{"exercise", "students", "answers"}], "common": [{"exercise", "why", "groups", "answers"}]}.

    What many would write alike by themselves is only counted, how many have each: an answer of the course's own, a short one, one that many have.
    """
    rare, common = [], []
    for id in ids:
        trees, groups, (natural, least) = {}, {}, _natural(files.find(id))
        for name, student in kept.items():
            result = student.results.get(id)
            if result and result["status"] in (judging.RIGHT, judging.WRONG) and result.get("tree"):
                trees.setdefault(tuple(result["tree"]), []).append(name)
        answers = sum(map(len, trees.values()))
        for (digest, size), names in sorted(trees.items(), key=lambda item: (-len(item[1]), item[0])):
            if len(names) < 2:
                continue
            why = ("one of the answers that the course itself knows" if digest in natural else "a short one" if size < least else
                   "one that many have, so it seems natural" if len(names) > max(COMMON, SHARE * answers) else None)
            if why:
                groups.setdefault(why, []).append(len(names))
            else:
                rare.append({"exercise": id, "students": names, "answers": answers})
        common += [{"exercise": id, "why": why, "groups": counts, "answers": answers} for why, counts in groups.items()]
    return {"rare": rare, "common": common}


@functools.cache
def _natural(path):
    """The trees of an exercise's own answers, right and wrong; and the size below which an answer is short."""
    text = ExerciseText(path)
    wanted = {text.id: {"functions": list(text.functions), "stubs": text.stubs}}
    trees = set()
    for answer in [None, *text.answers]:
        cell = {"cells": [{"cell_type": "code", "source": text.answer_cell(answer)}]}
        trees.add((reading.plan(json.dumps(cell).encode(), wanted)["exercises"][text.id]["tree"] or [None])[0])
    stubs = reading.tree([node for stub in text.stubs.values() for node in reading.parsed(stub)[1]])
    return trees, stubs[1] + SHORT


# ---------------------------------------------------------------- written
def report(out, results, took=None):
    """Write all that is told of the results into the folder `out`. took: of `seconds`; what was written before if None."""
    if took is None:
        took = json.loads((out / "times.json").read_text(encoding="utf-8"))
    write(out / "times.json", json.dumps(took, indent=1))
    write(out / "results.json", json.dumps(results, indent=1, ensure_ascii=False))
    write(out / "grades.csv", table(_grades(results)))
    if results["format"]:
        write(out / f"{results['format']}.csv", table({"canvas": _canvas, "moodle": _moodle}[results["format"]](results)))
    (out / "feedback").mkdir(exist_ok=True)
    old = set((out / "feedback").glob(f"*-{'[0-9a-f]' * 8}.html"))         # pages of names that are no longer in the class go
    for name, student in results["students"].items():
        if student["files"] or student["results"]:
            path = out / "feedback" / f"{stem_of(name)}.html"
            write(path, page("feedback", name=name, student=student, **results), lasting=False)
            old.discard(path)
    for path in old:
        path.unlink()
    write(out / "class.html", page("class", **results, **_class(results, took)))


def _grades(results):
    """The rows of grades.csv."""
    ids = list(results["exercises"])
    yield ["student", *ids, "total", "of", "remarks"]
    for name, student in results["students"].items():
        of = student["results"]
        by_hand = [(id, of[id]["points"], of[id]["override"]) for id in ids if "override" in of.get(id, {})]
        remarks = ["graded without a sandbox"] * (not results["sandbox"] and bool(student["files"]))
        remarks += ["nothing handed in"] * (student["graded"] is None) + ["not graded yet"] * (student["graded"] is False)
        remarks += [f"{label}: {why}" for label, _, why in student["files"] if why]
        remarks += [f"{id}: our own check broke" for id in ids if of.get(id, {}).get("status") == judging.BROKEN]
        remarks += [f"{id}: {points} instead of {override['was']}, {override['reason']}" for id, points, override in by_hand]
        yield [name, *(of.get(id, {}).get("points", 0) for id in ids), student["points"], student["of"], "; ".join(remarks)]


def _columns(results):
    """(heading, its exercises, points possible, student -> points, "" for what they did not hand in) of each column in an LMS: one a lesson, or the
    total where the plan sets its maximum."""
    if results["maximum"]:
        return [("MedCrypt Lab", list(results["exercises"]), number(results["maximum"]), lambda student: student["points"] if student["results"] else "")]

    def points(stem, ids):
        return lambda student: student["lessons"][stem] if student["results"].keys() & set(ids) else ""
    return [(lesson["column"], lesson["exercises"], lesson["of"], points(stem, lesson["exercises"])) for stem, lesson in results["lessons"].items()]


def _canvas(results):
    columns = _columns(results)
    yield [*CANVAS, *(heading for heading, *_ in columns)]
    yield ["    Points Possible", *[""] * (len(CANVAS) - 1), *(of for _, _, of, _ in columns)]
    for name, student in results["students"].items():
        known = student["known_as"]
        yield [name, *(known.get(column.lower(), "") for column in CANVAS[1:]), *(points(student) for *_, points in columns)]


def _moodle(results):
    columns, students = _columns(results), results["students"]
    who = [heading for heading, names in MOODLE.items() if any(known in student["known_as"] for student in students.values() for known in names)]
    yield ["Full name", *who, *(part for heading, *_ in columns for part in (heading, f"{heading} (feedback)"))]
    for name, student in students.items():
        known = [next((student["known_as"][known] for known in MOODLE[heading] if known in student["known_as"]), "") for heading in who]
        told = {id: f"{id}: {result['points']} of {result['of']}" for id, result in student["results"].items()}
        yield [name, *known, *(part for _, ids, _, points in columns for part in (points(student), "; ".join(told[id] for id in ids if id in told)))]


def can_be_told(format, known_as):
    """ValueError unless the LMS can know the students again: known_as: of submissions.Class."""
    names = ("id", "sis user id", "sis login id") if format == "canvas" else (*MOODLE["ID number"], *MOODLE["Email address"], *MOODLE["Username"])
    if not any(known.get(name) for known in known_as.values() for name in names):
        where = ("Give --roster the file that Canvas exports (Grades, Export)" if format == "canvas" else
                 "Give --roster a file that Moodle exports (Grades, Export, Plain text file), with the ID number, e-mail address or username of each student")
        raise ValueError(f"{format.capitalize()} would not know these students: only their names are known. {where}.")


def _class(results, took):
    """What the class page shows beside the results themselves."""
    students = results["students"]
    marked = {name: student for name, student in students.items() if student["graded"]}
    bins = Counter(min(BINS - 1, int(BINS * student["points"] / student["of"])) for student in marked.values() if student["of"])
    exercises = []
    for id, of in results["exercises"].items():
        each = [student["results"].get(id, {"status": MISSING, "points": 0}) for student in marked.values()]
        kinds = Counter(_kind(result) for result in each)
        said = {}                       # the same sentence with other numbers is the same misconception
        for result in each:
            if words := result.get("misconception") or (result.get("failed") and f"Does not hold: {result['failed']}."):
                said.setdefault(re.sub(r"\d[\d.]*", "0", words), []).append(words)
        mean = round(statistics.mean(result["points"] for result in each), 1) if each else 0
        exercises.append({"id": id, "of": of, "kinds": [kinds[kind] for kind in FOUND], "mean": mean, "took": took.get(id, [0, 0]),
                          "said": sorted(((len(words), min(words)) for words in said.values()), key=lambda pair: (-pair[0], pair[1]))})
    points = [student["points"] for student in marked.values()]
    by_hand = [(name, id, result) for name, student in students.items() for id, result in student["results"].items() if "override" in result]
    return {"marked": len(marked), "bins": [(100 * i // BINS, 100 * (i + 1) // BINS, bins[i]) for i in range(BINS)], "most": max(bins.values(), default=1),
            "median": number(statistics.median(points)) if points else 0, "of": next((student["of"] for student in marked.values()), 0),
            "told": exercises, "found": FOUND, "by_hand": by_hand,
            "stems": {name: stem_of(name) for name, student in students.items() if student["files"] or student["results"]}}


def _kind(result):
    """What FOUND calls a result; points given by hand change nothing of what was found."""
    points = result.get("override", {}).get("was", result["points"])
    return "partly" if result["status"] == judging.WRONG and points else result["status"]


def page(template, **content):
    """A page from its template; whatever is no HTML of ours is escaped."""
    return _templates().get_template(f"{template}.html").render(**content)


@functools.cache
def _templates():
    import jinja2
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                   undefined=jinja2.StrictUndefined)
    templates.filters["marked"] = card.marked
    return templates


# ---------------------------------------------------------------- taken out
def delete(out, name):
    """Take all that is stored of a student out of the folder `out` -> sentences that say what went. ValueError if nothing is stored of that name."""
    path, overrides = out / "results.json", out / "overrides.csv"
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"students": {}}
    student = planning.named(name, results["students"]) or name
    gone = [file for folder in ("results", "feedback") for file in sorted((out / folder).glob(f"*{stem_of(student)}*"))]
    if not gone and student not in results["students"]:
        raise ValueError(f"Nothing is stored of a student called {name!r} in {out}. There are: {', '.join(results['students']) or 'none'}.")
    gone += out.glob(".*.unfinished")           # what a crash left
    said = []
    if student in results["students"]:
        labels, mine = {label for label, _, _ in results["students"].pop(student)["files"]}, submissions.plain(student)
        results["strange"] = [[label, why] for label, why in results["strange"] if label not in labels and not (mine and mine in submissions.plain(label))]
        for group in results["alike"]["rare"]:
            group["students"] = [other for other in group["students"] if other != student]
        results["alike"]["rare"] = [group for group in results["alike"]["rare"] if len(group["students"]) > 1]
        gone += [out / f"{format}.csv" for format in FORMATS if format != results["format"] and (out / f"{format}.csv").exists()]
        report(out, results)
        said.append(f"{student} is no longer in {', '.join(WRITTEN + [results['format'] + '.csv'] * bool(results['format']))}.")
    if overrides.exists():
        rows, columns = submissions.table(overrides)
        kept = [row for _, row in rows if planning.named(row.get("name", ""), [student]) is None]
        if len(kept) < len(rows):
            write(overrides, table([columns, *([row.get(column, "") for column in columns] for row in kept)]))
            said.append(f"{len(rows) - len(kept)} of {len(rows)} lines of overrides.csv are removed.")
    for file in gone:
        file.unlink(missing_ok=True)
    return [*said, *(f"{file} is removed." for file in gone),
            "What was handed in, and the roster, are yours and stay: if the notebooks are still there, the next run grades them again."]
