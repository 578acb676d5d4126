"""A lesson's source and its exercise files -> the notebook without outputs. Everything is read as text; nothing is run or imported."""
import ast
import builtins
import copy
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jupytext
import yaml
from nbformat import v4

from medcrypt_lab.exercises import files, source, work
from medcrypt_lab.exercises.source import AuthorError, ExerciseText

FRONT = re.compile(r"---\n(.*?)\n---\n", re.S)
FIELDS = {"title": str, "survey": str, "systems": list, "minutes": int, "needs": list}
EXERCISE_LINE = re.compile(r'^@exercise\("([\w.]+)"\)[ \t]*$', re.M)
PREDICTION = re.compile(r'^predict\("([\w.]+)",', re.M)
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
WIDEST = 76                 # columns of a stub: what fits beside an open file browser
WIDEST_CELL = 92            # columns of any other code: about 93 fit at 1200 pixels beside an open file browser
KINDS = {"points": int, "minutes": int, "difficulty": int, "hints": list, "after": str, "without": list, "changes": list}
FEWEST = {"wrong": 4, "right": 2}


@dataclass
class Lesson:
    """One lesson: its source, what its front matter says, its notebook's place."""

    path: Path
    text: str
    front: dict

    @property
    def chapter(self):
        return self.path.parents[1]

    @property
    def notebook_path(self):
        return self.chapter / (self.path.stem + ".ipynb")

    def line_of(self, part):
        """The line on which `part` first stands."""
        return self.text[:self.text.index(part)].count("\n") + 1

    @cached_property
    def cells(self):
        """The notebook's cells as the Markdown gives them."""
        return jupytext.reads(self.text[FRONT.match(self.text).end():], fmt="md:myst").cells

    @property
    def exercise_ids(self):
        """The exercises that code cells hold; a line that only looks like one, in a plain code block, is refused where it stands."""
        return [id for cell in self.cells if cell.cell_type == "code" for id in EXERCISE_LINE.findall(cell.source)]

    @property
    def prediction_ids(self):
        """The predictions that code cells ask for."""
        return [id for cell in self.cells if cell.cell_type == "code" for id in PREDICTION.findall(cell.source)]


def read(path):
    """The Lesson in a Markdown file; AuthorError if its front matter is not as it should be."""
    text = source.read_text(path)
    found = FRONT.match(text)
    if not found:
        raise AuthorError(path, 1, f"A lesson begins with front matter between two lines `---`: {', '.join(FIELDS)}.")
    try:
        front = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        raise AuthorError(path, getattr(error, "problem_mark", None) and error.problem_mark.line + 2 or 1, f"The front matter is no YAML: {error.problem}.") from None
    if not isinstance(front, dict):
        raise AuthorError(path, 2, "The front matter should be lines of the form `name: value`.")
    for name, kind in FIELDS.items():
        if name not in front:
            raise AuthorError(path, 1, f"The front matter lacks `{name}`.")
        if type(front[name]) is not kind:
            raise AuthorError(path, 1, f"`{name}` in the front matter should be a {kind.__name__}, not {front[name]!r}.")
    if extra := front.keys() - FIELDS:
        raise AuthorError(path, 1, f"The front matter has `{sorted(extra)[0]}`, which nobody reads; it knows {', '.join(FIELDS)}.")
    if bare := re.search(r"^:tags:[ \t]*([^\[\s].*)$", text, re.M):
        raise AuthorError(path, text[:bare.start()].count("\n") + 1, f"Tags are a list: `:tags: [{bare[1]}]`.")
    return Lesson(path, text, front)


def every_lesson():
    """All lessons of the course, in order."""
    return [read(path) for path in sorted((files.root() / "chapters").glob("[0-9][0-9]_*/lessons/*.md"))]


def exercise_paths():
    """All exercise files of the course."""
    return sorted((files.root() / "chapters").glob("[0-9][0-9]_*/exercises/*.py"))


def check_course(lessons):
    """What only the whole course shows: exercises without a file or a lesson, in two lessons, of one name. AuthorError for the first."""
    used = {}
    for lesson in lessons:
        for id in lesson.exercise_ids:
            if id in used:
                raise AuthorError(lesson.path, lesson.line_of(f'@exercise("{id}")'), f"The exercise {id} stands a second time; the first is in {used[id].name}.")
            used[id] = lesson.path
            exercise_path(lesson, id)
        for id in lesson.prediction_ids:
            if id in used:
                raise AuthorError(lesson.path, lesson.line_of(f'predict("{id}",'), f"The prediction {id} has the id of another one, or of an exercise, in {used[id].name}.")
            used[id] = lesson.path
    names = {}
    for path in exercise_paths():
        exercise = ExerciseText(path)
        if exercise.id in names:
            raise AuthorError(path, 1, f"Two exercises are called {exercise.id}; the other is {names[exercise.id]}.")
        names[exercise.id] = path
        if exercise.id not in used:
            raise AuthorError(path, 1, f"No lesson uses the exercise {exercise.id}: write a cell with only @exercise(\"{exercise.id}\") into one.")


def exercise_path(lesson, id):
    """The file of an exercise that a line of the lesson names; AuthorError with that line if there is none."""
    try:
        return files.find(id)
    except files.Unknown:
        expected = f"chapters/NN_{id.replace('.', '/exercises/')}.py"
        raise AuthorError(lesson.path, lesson.line_of(f'@exercise("{id}")'), f"There is no exercise file for {id}; it would be {expected}.") from None


def check_exercise(exercise):
    """What can be said of an exercise file without running it. AuthorError for the first thing wrong."""
    def wrong(line, sentence):
        raise AuthorError(exercise.path, line, sentence)

    for name in ("points", "minutes", "difficulty", "hints"):
        if name not in exercise.settings:
            wrong(1, f"The file does not set `{name}`.")
    for name, kind in KINDS.items():
        value = exercise.settings.get(name, kind())
        if type(value) is not kind or kind is list and not all(type(item) is str for item in value):
            wrong(1, f"`{name}` should be a {kind.__name__}{' of texts' * (kind is list)}, not {value!r}.")
    if exercise.functions[0] != exercise.name:
        wrong(1, f"`functions` should begin with {exercise.name}, the name of the file.")
    check = exercise.function("check") or wrong(1, "The file has no function `check(answer, random)`.")
    for name in exercise.functions:
        if name in source.names_used(check):
            wrong(check.lineno, f"The check names `{name}`: it should judge the `answer` it is given. In a release there is no `{name}`.")
    rest = [n for n in exercise.tree.body if not isinstance(n, ast.FunctionDef) or n.name not in exercise.functions]
    for node in source.reachable(rest, {"check"}):
        if source.calls_uses(node):
            wrong(node.lineno, "The check reaches the reference of another exercise, which a release does not have.")
    for name, stub in exercise.stubs.items():
        for offset, line in enumerate(stub.splitlines()):
            if len(line) > WIDEST:
                wrong(exercise.function(name).lineno + offset, f"A line of the stub has {len(line)} columns; more than {WIDEST} run out of the cell.")
    for line in exercise.reference_cell.splitlines():
        if len(line) > WIDEST_CELL:
            wrong(exercise.source[:exercise.source.index(line)].count("\n") + 1,
                  f"A line of the reference has {len(line)} columns; more than {WIDEST_CELL} run out of the cell.")
    for role, fewest in FEWEST.items():
        count = sum(a.role == role or (role, a.role) == ("wrong", "given") for a in exercise.answers)
        if count < fewest:
            wrong(1, f"{exercise.id} has {count} {role} answers; it needs at least {fewest}.")
    for answer in exercise.answers:
        if answer.role != "right" and not answer.words:
            wrong(answer.line, f"@{answer.role} above `{answer.name}` should say words that its card must contain.")
        if answer.of not in exercise.functions:
            wrong(answer.line, f"`{answer.name}` stands for `{answer.of}`, which is not a function of this exercise.")


def notebook(lesson, solved=False):
    """-> the notebook without outputs, and the exercises in it. solved: with the references in the exercise cells."""
    book = v4.new_notebook(cells=copy.deepcopy(lesson.cells))
    exercises, seen, named = [], {}, {}         # named: cells whose id says nothing of their text -> its fingerprint
    for cell in book.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type != "code" and (line := EXERCISE_LINE.search(cell.source)):
            raise AuthorError(lesson.path, lesson.line_of(line[0]), f"This line stands in no code cell: an exercise stands between ```{{code-cell}} and ```.")
        id = cell.cell_type[0] + work.fingerprint(cell.source)
        if cell.cell_type == "code" and (line := EXERCISE_LINE.search(cell.source)):
            if cell.source.strip() != line[0].strip():
                raise AuthorError(lesson.path, lesson.line_of(line[0]), f"The cell of {line[1]} should hold only the line {line[0].strip()}: the build adds the rest.")
            exercise = ExerciseText(exercise_path(lesson, line[1]))
            check_exercise(exercise)
            exercises.append(exercise)
            id, cell.source = "ex-" + exercise.name, exercise.reference_cell if solved else exercise.stub_cell
            named[id] = work.fingerprint(exercise.stub_cell)
        elif cell.cell_type == "code" and (line := PREDICTION.search(cell.source)):
            id = "predict-" + line[1].partition(".")[2]
            named[id] = work.fingerprint(cell.source)
        seen[id] = seen.get(id, 0) + 1
        cell.id = id if seen[id] == 1 else f"{id}-{seen[id]}"
        cell.metadata = {"tags": list(tags)} if tags else {}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    book.metadata = {"kernelspec": dict(KERNEL), "language_info": dict(LANGUAGE),
                     "medcrypt": {"source": f"lessons/{lesson.path.name}", **{k: lesson.front[k] for k in FIELDS}, "shipped": [c.id for c in book.cells], "named": named}}
    book.nbformat, book.nbformat_minor = 4, 5
    _check_cells(lesson, book)
    _check_names(lesson, book, exercises)
    return book, exercises


def _check_cells(lesson, book):
    """Every code cell can be read and fits the page; none ends in a semicolon, which hides an output from a reader but not from nbval."""
    for cell in book.cells:
        if cell.cell_type == "code":
            first = next((line for line in cell.source.splitlines() if line.strip()), "")
            try:
                tree = ast.parse(cell.source)
            except SyntaxError as error:
                raise AuthorError(lesson.path, lesson.line_of(first) + (error.lineno or 1) - 1, f"Python cannot read this cell: {error.msg}.") from None
            if line := _typed_verdict(tree):
                raise AuthorError(lesson.path, lesson.line_of(first) + line - 1,
                                  "`measured` must be computed, not typed: write an f-string with the value the lesson computed.")
            for line in cell.source.splitlines():
                if len(line) > WIDEST_CELL:
                    raise AuthorError(lesson.path, lesson.line_of(line), f"This line has {len(line)} columns; more than {WIDEST_CELL} run out of the cell.")
            if cell.source.rstrip().endswith(";"):
                raise AuthorError(lesson.path, lesson.line_of(first), "The cell ends in `;`: end a plot with plt.show() instead.")


def _typed_verdict(tree):
    """The line of the first verdict(...) whose `measured` holds no computed value, an f-string's {...} that reads a name; None if there is none."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, "id", getattr(call.func, "attr", None)) == "verdict":
            measured = next((keyword.value for keyword in call.keywords if keyword.arg == "measured"), ast.Constant("", lineno=call.lineno))
            filled = [part.value for part in ast.walk(measured) if isinstance(part, ast.FormattedValue)]
            if not any(isinstance(node, ast.Name) for value in filled for node in ast.walk(value)):
                return measured.lineno
    return None


def _check_names(lesson, book, exercises):
    """Each global that an answer reads must be bound by a cell above it: the student's answer has no other imports."""
    for exercise in exercises:
        bound = set(dir(builtins)) | set(exercise.functions)
        for cell in book.cells:
            if cell.id == "ex-" + exercise.name:
                break
            if cell.cell_type == "code":
                bound |= set().union(*(source.names_bound(node) for node in ast.parse(cell.source).body))
        used = source.names_used(ast.parse(exercise.reference_cell)) - {"exercise"}
        if missing := sorted(used - bound):
            raise AuthorError(lesson.path, lesson.line_of(f'@exercise("{exercise.id}")'),
                              f"The answer of {exercise.id} uses {', '.join(missing)}, which no cell above it binds or imports.")
