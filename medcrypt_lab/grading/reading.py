"""Notebooks as strangers hand them in: their cells, the exercises in them, and which statements each needs. Read inside the sandbox."""
import ast
import hashlib
import json
import re
from functools import lru_cache

from medcrypt_lab.exercises import source

MAGIC = re.compile(r"^([ \t]*)(?:[%!?].*|[\w.]+\?{1,2}[ \t]*)$", re.M)          # %magic, !command, name?
MAGIC_VALUE = re.compile(r"^([ \t]*[\w, ]+=[ \t]*)[%!].*$", re.M)               # files = !ls
CELL_MAGIC = re.compile(r"\A\s*%%(\w+).*")
STILL_PYTHON = ("time", "timeit", "capture", "prun")
SCRIPT_CELL = re.compile(r"^# ?%%.*$|^# In\[[ \d]*\]:.*$", re.M)                 # as VS Code, Spyder, jupytext and nbconvert write them
EXERCISE_LINE = re.compile(r"""^[ \t]*@(?:\w+\.)?exercise\(\s*["']([\w.]+)""", re.M)
LONGEST = 200_000           # characters of one cell
TOO_MUCH = (RecursionError, ValueError)         # for what looks into a syntax tree: too deep, or a number with more digits than Python writes


class Unreadable(ValueError):
    """This is no notebook; the words say why."""


def cells_of(data):
    """The texts of a notebook's code cells, whatever its version; of a script made from one, too. Unreadable if it is neither."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8 text") from None
    if not text.lstrip().startswith("{"):
        if not re.search(r"^\s*(?:@|def |import |from )", text, re.M):
            raise Unreadable("it is no notebook")
        return [part for part in SCRIPT_CELL.split(text) if part.strip()]
    try:
        book = json.loads(text)
        cells = book["cells"] if "cells" in book else [cell for sheet in book["worksheets"] for cell in sheet["cells"]]
        found = [cell.get("source", cell.get("input", "")) for cell in cells if cell["cell_type"] == "code"]
        return ["".join(lines) for lines in found]
    except json.JSONDecodeError as error:
        raise Unreadable(f"it is not whole: {error.msg} in line {error.lineno}") from None
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise Unreadable("it is JSON, but no notebook") from None


@lru_cache(maxsize=None)
def parsed(text):
    """A cell's text as Python reads it (magics gone, lines in their places), and its top-level statements. SyntaxError if there are none."""
    first = CELL_MAGIC.match(text)
    if first and first[1] not in STILL_PYTHON:
        return "", []
    text = MAGIC_VALUE.sub(r"\1None", MAGIC.sub(r"\1pass", CELL_MAGIC.sub("", text)))
    try:
        if len(text) > LONGEST:
            raise SyntaxError(f"the cell has more than {LONGEST} characters")
        nodes = ast.parse(text).body
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error) or "too deeply nested") from None
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            node.exercise = next(filter(None, map(_names_exercise, node.decorator_list)), None)
            node.decorator_list = [mark for mark in node.decorator_list if not _names_exercise(mark)]
    return text, nodes


def _names_exercise(mark):
    """The id in @exercise("..."), or None for another decorator."""
    if isinstance(mark, ast.Call) and getattr(mark.func, "id", getattr(mark.func, "attr", None)) == "exercise":
        return mark.args[0].value if mark.args and isinstance(mark.args[0], ast.Constant) and isinstance(mark.args[0].value, str) else " "
    return " " if getattr(mark, "id", getattr(mark, "attr", None)) == "exercise" else None


@lru_cache(maxsize=None)
def names_bound(node):
    """As source.names_bound; nothing for a statement too deep to look into."""
    try:
        return source.names_bound(node)
    except TOO_MUCH:
        return set()


@lru_cache(maxsize=None)
def _names_used(node):
    try:
        return source.names_used(node)
    except TOO_MUCH:
        return set()


@lru_cache(maxsize=None)
def _names_changed(node):
    """Names of values that a statement changes without binding them: x[0] = 1, x.a = 1, x.append(1)."""
    found = set()
    for part in [] if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else ast.walk(node):
        if isinstance(part, (ast.Subscript, ast.Attribute)) and isinstance(part.ctx, ast.Store):
            found.add(_root(part))
        elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call) and isinstance(part.value.func, ast.Attribute):
            found.add(_root(part.value.func))
    return found


def _root(node):
    while isinstance(node, (ast.Subscript, ast.Attribute, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return getattr(node, "id", None)


def only(node, names):
    """An import without the names that nobody wants: what they would load costs seconds. Other statements as they are."""
    if names and isinstance(node, (ast.Import, ast.ImportFrom)):
        wanted = [alias for alias in node.names if (alias.asname or alias.name.split(".")[0]) in names or alias.name == "*"]
        return ast.copy_location(type(node)(**{**dict(ast.iter_fields(node)), "names": wanted}), node)
    return node


def plan(data, wanted):
    """What a notebook holds: {"error": words or None, "cells": [text], "exercises": {id: ...}}.

    data: the file's bytes. wanted: id -> {"functions", "stubs"}. Of an exercise: "named" (does its decorator stand there?), "copies" (stubs not
    counted), "functions" (name -> the name it has), "stubs" (names that are untouched or missing), "statements" ([cell, position, names], see Child.load),
    "tree" (of `tree`), "unreadable" (message, line, text, of its cell that Python cannot read, or None).
    """
    try:
        cells = cells_of(data)
    except Unreadable as error:
        return {"error": str(error), "cells": [], "exercises": {}}
    every, broken = [], []              # (cell, position, node); (text, error)
    for number, text in enumerate(cells, 1):
        try:
            every += [(number, at, node) for at, node in enumerate(parsed(text)[1])]
        except SyntaxError as error:
            broken.append((text, error))
    copies = {id: _copies(every, id, exercise) for id, exercise in wanted.items()}
    copied = {at for found in copies.values() for name in found.values() for at, _ in name}
    exercises = {}
    for id, exercise in wanted.items():
        found = _exercise(every, copies[id], copied, exercise)
        unreadable = next((_broken_line(*cell) for cell in reversed(broken) if _is_about(cell[0], id, exercise)), None)
        if found or unreadable:
            exercises[id] = {**(found or {"named": bool(unreadable), "copies": 0, "functions": {}, "stubs": exercise["functions"], "statements": [], "tree": None}),
                             "unreadable": unreadable}
    return {"error": None, "cells": cells, "exercises": exercises}


def _copies(every, id, exercise):
    """name -> [(index into `every`, is it the stub?)] of the definitions that stand for the exercise's functions, in order."""
    found = {}
    for at, (_, _, node) in enumerate(every):
        if not isinstance(node, ast.FunctionDef):
            continue
        name = node.name if node.name in exercise["functions"] else exercise["functions"][0] if len(exercise["functions"]) == 1 else None
        if name and (node.exercise == id or node.exercise in (None, " ") and node.name == name):
            found.setdefault(name, []).append((at, _is_stub(node, exercise["stubs"].get(name))))
    return found


def _is_stub(node, stub):
    try:
        return stub is not None and source.bones(node) == source.bones(stub)
    except TOO_MUCH:
        return False


def _exercise(every, copies, copied, exercise):
    """One exercise of the plan, or None if no cell defines it."""
    if not copies:
        return None
    chosen = {name: next((at for at, is_stub in reversed(found) if not is_stub), found[-1][0]) for name, found in copies.items()}
    stubs = [name for name in exercise["functions"] if name not in copies or all(is_stub for _, is_stub in copies[name])]
    last, keep, seen = max(chosen.values()), set(chosen.values()), set(chosen)
    todo = set().union(*(_names_used(every[at][2]) for at in keep)) - seen
    while todo:
        name = todo.pop()
        seen.add(name)
        makers = [at for at, (_, _, node) in enumerate(every) if at not in copied and name in names_bound(node)]
        makers += _last_copies(every, copied, name)
        makers = [at for at in makers if at < last] or makers           # what stood above when the cell was run, if anything did
        imported = all(isinstance(every[at][2], (ast.Import, ast.ImportFrom)) for at in makers)
        changers = [] if imported else [at for at, (_, _, node) in enumerate(every) if at < last and name in _names_changed(node)]
        stars = [] if makers else [at for at, (_, _, node) in enumerate(every) if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"]
        for at in {*makers, *changers, *stars} - keep:
            keep.add(at)
            node = every[at][2]
            todo |= (set() if isinstance(node, (ast.Import, ast.ImportFrom)) else _names_used(node)) - seen
    statements = []
    for at in sorted(keep):
        number, position, node = every[at]
        statements.append([number, position, sorted(names_bound(node) & seen) if isinstance(node, (ast.Import, ast.ImportFrom)) else []])
    own = [every[at][2] for at in sorted(keep) if isinstance(every[at][2], ast.FunctionDef) and (at in chosen.values() or at not in copied)]
    return {"named": any(every[at][2].exercise not in (None, " ") for at in chosen.values()), "tree": tree(own), "copies": max(sum(not is_stub for _, is_stub in found) for found in copies.values()),
            "functions": {name: every[at][2].name for name, at in chosen.items()}, "stubs": stubs, "statements": statements}


def tree(functions):
    """[digest, number of nodes] of functions without what a copyist changes: their own names, docstrings, annotations, layout. None if too deep."""
    parts = [part for node in functions for part in ast.walk(node)]
    own = {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    own |= {part.arg for part in parts if isinstance(part, ast.arg)} | {part.name for part in parts if isinstance(part, ast.FunctionDef)}
    names, said, count = {}, [], 0

    def tell(part):
        nonlocal count
        if isinstance(part, list):
            for one in part:
                if not (isinstance(one, ast.Pass) or isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)):
                    tell(one)
            said.append("end")
        elif isinstance(part, ast.AST):
            count += 1
            said.append(type(part).__name__)
            for field, value in ast.iter_fields(part):
                if isinstance(part, (ast.Name, ast.arg, ast.FunctionDef)) and isinstance(value, str) and value in own:
                    value = names.setdefault(value, len(names))
                if field not in ("annotation", "returns", "ctx", "kind", "type_comment"):
                    tell(value)
        else:
            said.append(repr(part))

    try:
        tell(functions)
    except TOO_MUCH:
        return None
    return [hashlib.sha256("\n".join(said).encode("utf-8", "replace")).hexdigest(), count]


def _last_copies(every, copied, name):
    """The last definition of another exercise's function `name`."""
    found = [at for at in sorted(copied) if every[at][2].name == name]
    return found[-1:]


def _is_about(text, id, exercise):
    """Does this cell, which Python cannot read, hold the exercise?"""
    named = EXERCISE_LINE.findall(text)
    return id in named if named else any(re.search(rf"^def {name}\b", text, re.M) for name in exercise["functions"])


def _broken_line(text, error):
    """[message, line number, its text] as a notebook's card tells it."""
    line = error.lineno or 1
    return [str(error.msg)[:200], line, (text.splitlines()[line - 1:line] or [""])[0].strip()[:200]]
