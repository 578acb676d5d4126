"""What takes longer than a cell: scripts in experiments/, each with the figures it recorded in a JSON file beside it."""
import ast
import hashlib
import json
import math
import os
import platform
import re
import time
from importlib.metadata import version

from medcrypt_lab import start
from medcrypt_lab.exercises import files, source
from medcrypt_lab.exercises.source import AuthorError


class NoSuchExperiment(LookupError):
    """A name that fits no experiment; the words list those there are."""


def named():
    """Every experiment of the course: its id, as in gradient_attacks.epsilon_curve -> its script."""
    paths = sorted((files.root() / "chapters").glob("[0-9][0-9]_*/experiments/*.py"))
    return {f"{path.parents[1].name[3:]}.{path.stem}": path for path in paths}


def build(names=(), say=print):
    """Run the experiments whose id holds one of `names`; without names, those whose record is not of their script as it stands."""
    every = named()
    for name in names:
        if not any(name in id for id in every):
            raise NoSuchExperiment(f"No experiment is called {name!r}. There are: {', '.join(every) or 'none'}.")
    for id, path in every.items():
        if any(name in id for name in names) or not names and complaint(path):
            say(f"{id} runs; this can take minutes")
            say(f"{id}: recorded in {record(id, path)} s")
        elif not names:
            say(f"{id}: as recorded")


def record(id, path):
    """Run one experiment and store what it returns, whole or not at all -> the seconds it took."""
    text = source.read_text(path)               # once: an author may go on writing while it runs
    title, line = check(path, text)
    sha256 = fingerprint(path, text)
    os.environ.pop("MEDCRYPT_DATA", None)       # a record is of the embedded images, as stored outputs are
    space = {"__name__": path.stem, "__file__": str(path)}
    began = time.perf_counter()
    exec(compile(text, str(path), "exec"), space)
    start(space["seeds"][0])
    figures, seconds = space["run"](list(space["seeds"])), round(time.perf_counter() - began)
    if type(figures) is not dict:
        raise AuthorError(path, line, f"`run` should return a dict of figures, not a {type(figures).__name__}.")
    try:
        content = {"figures": plain(figures, "figures"), "seeds": plain(space["seeds"], "seeds")}
    except ValueError as error:
        raise AuthorError(path, line, str(error)) from None
    content |= {"experiment": id, "title": title, "seconds": seconds, "script_sha256": sha256,
                "versions": {"python": platform.python_version(), "torch": version("torch"), "numpy": version("numpy")}}
    unfinished = path.with_name(f".{path.stem}.json")
    unfinished.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8", newline="\n")
    os.replace(unfinished, path.with_suffix(".json"))
    return seconds


def check(path, text):
    """The title of a script and the line of its `run`; AuthorError if it lacks what an experiment needs. Nothing is run."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise AuthorError(path, error.lineno or 1, f"Python cannot read this experiment: {error.msg}.") from None
    lines = {name: node.lineno for node in tree.body for name in source.names_bound(node)}
    for name, form in (("seeds", "seeds = [0, 1, 2]"), ("run", "def run(seeds):")):
        if name not in lines:
            raise AuthorError(path, 1, f"The experiment has no `{name}`: write `{form}`.")
    if not ast.get_docstring(tree):
        raise AuthorError(path, 1, "An experiment begins with a docstring that says what it asks.")
    return ast.get_docstring(tree).split("\n")[0], lines["run"]


def plain(value, place):
    """The value as JSON holds it, floats to four significant digits; ValueError for anything that is no plain, finite data."""
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, float) and math.isfinite(value):       # numpy's float64 is one
        return float(f"{value:.4g}")
    if type(value) in (list, tuple):
        return [plain(item, f"{place}[{i}]") for i, item in enumerate(value)]
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: plain(item, f"{place}[{key!r}]") for key, item in value.items()}
    found = f"{value}: a figure must be finite" if isinstance(value, float) else f"a {type(value).__name__}"
    raise ValueError(f"{place} is {found}. Record numbers, texts, None, lists, and dicts with texts as keys (.item() and .tolist() give them).")


def fingerprint(path, text):
    """SHA-256 of a script's text, in which `read_text` made all line ends alike, and of the scripts beside it that it or these name ("NAME.py")."""
    texts = {path.name: text}
    todo = [text]
    for one in todo:                            # which grows on the way
        for name in sorted(set(re.findall(r"\b\w+\.py\b", one)) - set(texts)):
            if path.with_name(name).is_file():
                texts[name] = source.read_text(path.with_name(name))
                todo.append(texts[name])
    return hashlib.sha256("\0".join(texts.values()).encode()).hexdigest()


def complaint(path):
    """What is wrong with the record of a script, in words; None if it is of the script as it stands."""
    try:
        recorded = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["script_sha256"]
    except (OSError, ValueError, LookupError, TypeError):
        return "has no record that can be read"
    return None if recorded == fingerprint(path, source.read_text(path)) else "has changed since it was run"


def stale():
    """Sentences on experiments without a record of their script as it stands, and on records without a script; nothing is run."""
    every, records = named(), sorted((files.root() / "chapters").glob("[0-9][0-9]_*/experiments/*.json"))
    changed = [f"The experiment {id} {words}: medcrypt build --experiments {id}" for id, path in every.items() if (words := complaint(path))]
    return changed + [f"experiments/{path.name} has no script {path.stem}.py: write one or remove the record."
                      for path in records if path.with_suffix(".py") not in every.values()]
