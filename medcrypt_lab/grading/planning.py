"""What an instructor decides: which lessons count and how much (plan.toml), and points given by hand (overrides.csv)."""
import math
import re
import tomllib
from dataclasses import dataclass, field

from . import submissions

HEAVIEST = 1000
COLUMNS = ("name", "exercise", "points", "reason")


@dataclass
class Plan:
    """lessons: name -> weight of those that count, or None: all that anybody handed in. columns: lesson -> its column in an LMS."""

    lessons: dict = None
    exercises: dict = field(default_factory=dict)
    columns: dict = field(default_factory=dict)
    maximum: float = None

    def weight(self, lesson, exercise):
        """How many times the points of an exercise count."""
        return (1 if self.lessons is None else self.lessons.get(lesson, 0)) * self.exercises.get(exercise, 1)


def read_plan(path, lessons, exercises):
    """The Plan in a file. lessons, exercises: the names there are. ValueError names the line of what is wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        given = tomllib.loads(text)
    except ValueError as error:             # also of text that is not UTF-8
        raise ValueError(f"{path} cannot be read: {error}.") from None

    def wrong(key, words):
        lines = [re.sub("[\"' ]", "", line) for line in text.splitlines()]
        line = next((number for number, line in enumerate(lines, 1) if line.startswith((f"{key}=", f"[{key}]"))), None)
        return ValueError(f"{path}{f', line {line}' if line else ''}, {key}: {words}.")

    def weighed(key, value, most=HEAVIEST):
        if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value <= most:
            raise wrong(key, f"a number from 0 to {most} belongs here")
        return value

    def table(key, names, kind):
        found = given.get(key, {})
        if not isinstance(found, dict):
            raise wrong(key, f"this should be a table, [{key}], with a line for each {kind}")
        flat = {}                           # a.b = 1 without quotes is a table in a table
        for name, value in found.items():
            flat.update({f"{name}.{below}": v for below, v in value.items()} if isinstance(value, dict) else {name: value})
        for name in flat:
            if name not in names:
                raise wrong(name, f"there is no such {kind}. There are: {', '.join(names)}")
        return flat

    if unknown := given.keys() - {"lessons", "exercises", "columns", "maximum"}:
        key = min(unknown)
        raise wrong(key, "a plan holds [lessons], [exercises], [columns] and maximum, nothing else")
    weights = [{name: weighed(name, value) for name, value in table(key, names, kind).items()}
               for key, names, kind in (("lessons", lessons, "lesson"), ("exercises", exercises, "exercise"))]
    columns = table("columns", lessons, "lesson")
    for name, value in columns.items():
        if not isinstance(value, str) or not submissions.visible(value):
            raise wrong(name, "the name of the column in your LMS belongs here, in quotes")
    maximum = given.get("maximum")
    if maximum is not None and not weighed("maximum", maximum, 1_000_000):
        raise wrong("maximum", "this must be more than 0")
    return Plan(weights[0] if "lessons" in given else None, weights[1], columns, maximum)


def read_overrides(path, students, exercises):
    """student -> {exercise: [points, reason]} of a CSV file. students: their names. exercises: id -> its points. ValueError names the line."""
    found = {}
    rows, columns = submissions.table(path)
    if missing := [column for column in COLUMNS if column not in columns]:
        raise ValueError(f"{path} has no column `{missing[0]}`: its first line should be {','.join(COLUMNS)}.")
    for line, row in rows:
        name, exercise, points, reason = (row.get(column, "") for column in COLUMNS)
        where = f"{path}, line {line}"
        student = named(name, students)
        if student is None:
            raise ValueError(f"{where}: no student, or more than one, is called {name!r}. Write the name as in grades.csv.")
        if exercise not in exercises:
            raise ValueError(f"{where}: there is no exercise {exercise!r}. There are: {', '.join(exercises)}.")
        if not re.fullmatch(r"\d{1,6}([.,]\d{1,4})?", points) or float(points.replace(",", ".")) > exercises[exercise]:
            raise ValueError(f"{where}: the points of {exercise} are a number from 0 to {exercises[exercise]}, not {points!r}.")
        if not reason:
            raise ValueError(f"{where}: say the reason; the student reads it.")
        if exercise in found.setdefault(student, {}):
            raise ValueError(f"{where}: {exercise} of {name} stands in an earlier line, too.")
        value = float(points.replace(",", "."))
        found[student][exercise] = [int(value) if value.is_integer() else value, reason]
    return found


def named(name, students):
    """The one student of this name: exactly, else but for case and punctuation; None if there is none, or more than one."""
    if name in students:
        return name
    fitting = [student for student in students if submissions.plain(student) == submissions.plain(name)]
    return fitting[0] if len(fitting) == 1 and submissions.plain(name) else None
