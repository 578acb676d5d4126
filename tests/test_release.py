"""The release: it holds no answer, and works where it is unpacked."""
import ast
import functools
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from medcrypt_lab.authoring import execution, lessons, release
from medcrypt_lab.exercises import source
from medcrypt_lab.exercises.source import ExerciseText

PATHS = lessons.exercise_paths()
SMALLEST = 12               # nodes of a syntax tree: shorter blocks, such as `return 1 - x`, are no secret


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    with zipfile.ZipFile(release.release(folder)) as archive:
        archive.extractall(folder)
    return folder / release.FOLDER


def normalized(statements):
    """Statements as text that says nothing of names, comments and layout."""
    names = {}
    tree = ast.parse(ast.unparse(ast.Module(statements, [])))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.setdefault(node.id, f"v{len(names)}")
        elif isinstance(node, ast.arg):
            node.arg, node.annotation = names.setdefault(node.arg, f"v{len(names)}"), None
    return ast.dump(tree)


@functools.cache
def kind(statement):
    """What can be compared quickly: a statement's kind, and how much is in it."""
    return type(statement).__name__, sum(1 for _ in ast.walk(statement))


def kinds(statements):
    return tuple(map(kind, statements))


def blocks(path):
    """(what it is, its statements) of every solution block, and of every right or wrong answer, of an exercise file."""
    text = ExerciseText(path)
    lines = text.source.splitlines()
    for name in text.functions:
        node, inside = text.function(name), []
        begun = False
        for number in range(node.lineno, node.end_lineno + 2):
            line = lines[number - 1].strip() if number <= len(lines) else ""
            begun = line == "# BEGIN SOLUTION" or begun and line != "# END SOLUTION"
            if begun:
                inside.append(number)
        found = [part for part in ast.walk(node) if isinstance(part, ast.stmt) and part.lineno in inside and part is not node]
        nested = {id(below) for part in found for below in ast.walk(part) if below is not part}
        outer = [part for part in found if id(part) not in nested]
        if outer:
            yield f"the solution of {name}", outer
    for answer in text.answers:
        if answer.role != "given":
            body = text.function(answer.name).body
            yield f"the answer {answer.name}", body[ast.get_docstring(text.function(answer.name)) is not None:]


def bodies(tree):
    """Every list of statements in a tree."""
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            found = getattr(node, field, None)
            if isinstance(found, list) and found:
                yield found


def texts(folder):
    """(place, text) of all that could hold code: modules, notebooks' cells and outputs, and any other text."""
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder).as_posix()
        if path.suffix == ".py":
            yield place, path.read_text(encoding="utf-8")
        elif path.suffix == ".ipynb":
            for cell in nbformat.read(path, 4).cells:
                yield place, cell.source
                for output in cell.get("outputs", []):
                    yield f"{place}, output", "\n".join(str(text) for kind, text in output.get("data", {"text": output.get("text", "")}).items()
                                                        if not kind.startswith("image/"))


def parsed(folder):
    for place, text in texts(folder):
        try:
            yield place, ast.parse(text)
        except (SyntaxError, ValueError):
            pass


def test_it_holds_no_answer(unpacked):
    trees = [(place, list(bodies(tree))) for place, tree in parsed(unpacked)]
    wanted = {}
    for path in PATHS:
        for what, statements in blocks(path):
            if sum(1 for part in statements for _ in ast.walk(part)) >= SMALLEST:
                wanted.setdefault(kinds(statements), {})[normalized(statements)] = (ExerciseText(path), what)
    assert sum(map(len, wanted.values())) > len(PATHS)
    for place, lists in trees:
        module = place.removesuffix(".py").replace("/", ".")
        for length in {len(known) for known in wanted}:
            for part in (body[at:at + length] for body in lists for at in range(len(body) - length + 1)):
                found = kinds(part) in wanted and wanted[kinds(part)].get(normalized(part))
                assert not found or any(module.startswith(name) for name in found[0].settings.get("without", [])), f"{place} holds {found[1]} of {found[0].id}"


def test_the_search_finds_a_planted_answer(unpacked):
    text = ExerciseText(next(path for path in PATHS if path.stem == "fgsm"))
    what, statements = next(iter(blocks(text.path)))
    planted = ast.parse("def f(x):\n" + "\n".join("    " + line for part in statements for line in ast.unparse(part).splitlines())
                        .replace("gradient", "slope").replace("images", "x"))
    assert any(normalized(body[-len(statements):]) == normalized(statements) for body in bodies(planted))


def test_no_text_holds_an_answer(unpacked):
    every = [(place, " ".join(text.split())) for place, text in texts(unpacked)]
    for path in PATHS:
        for what, statements in blocks(path):
            said = " ".join(" ".join(ast.unparse(part) for part in statements).split())
            if len(said) > 60:
                assert not [place for place, text in every if said in text], what
    for path in unpacked.glob("chapters/*/exercises/*.py"):
        full = ExerciseText(next(p for p in PATHS if p.name == path.name and p.parent.parent.name == path.parent.parent.name))
        assert not {a.name for a in full.answers} & {n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)}


def test_what_is_in_it(unpacked):
    top = {path.name for path in unpacked.iterdir()}
    assert top == {*release.AT_THE_TOP, "README.md", "chapters", "data", "medcrypt_lab"}
    assert not list(unpacked.rglob("lessons")) and not list(unpacked.rglob("__pycache__")) and not list(unpacked.rglob("experiments/*.py"))
    assert {path.stem for path in unpacked.glob("chapters/*/exercises/*.py")} == {path.stem for path in PATHS}


def medcrypt(folder, *arguments):
    """Run a verb from the folder, although a full copy may be installed here for development."""
    code = "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f)]; from medcrypt_lab import cli; sys.exit(cli.main())"
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True,
                          env={**{k: v for k, v in os.environ.items() if not k.startswith("MEDCRYPT")}, "PYTHONPATH": str(folder)})


def test_its_lessons_are_listed_where_it_is_unpacked(unpacked):
    done = medcrypt(unpacked, "lab", "--list")
    assert done.returncode == 0 and "02_gradient_attacks/1_fgsm" in done.stdout, done.stderr
    assert (unpacked / "work" / "02_gradient_attacks" / "1_fgsm.ipynb").exists()
    done = medcrypt(unpacked, "verdicts")
    assert done.returncode == 1 and "no part of this edition" in done.stderr


def test_the_same_course_gives_the_same_bytes(tmp_path):
    first = release.release(tmp_path / "a", ["1_fgsm"]).read_bytes()
    assert release.release(tmp_path / "b", ["1_fgsm"]).read_bytes() == first
    assert {name.split("/")[2] for name in zipfile.ZipFile(tmp_path / "a" / "medcrypt-lab.zip").namelist() if "/chapters/" in name} == {"02_gradient_attacks"}


def test_unsolved_it_runs_to_its_end_and_says_what_is_stored(unpacked, request):
    paths = sorted(unpacked.glob("chapters/*/*.ipynb"))
    for path in paths if request.config.getoption("--all") else [path for path in paths if path.stem == "1_fgsm"]:
        stored, book = nbformat.read(path, 4), nbformat.read(path, 4)
        execution.run(book, path.parent, {"MEDCRYPT_ROOT": str(unpacked), "PYTHONPATH": str(unpacked)}.items())
        for cell, again in zip(stored.cells, book.cells):
            assert execution.said(cell) == execution.said(again), cell.source
        assert "waits for the exercise" in json.dumps(book) and source.YOUR_CODE in json.dumps(book)


def test_nothing_of_the_machine_stands_in_it(unpacked):
    for path in unpacked.rglob("*"):
        if path.is_file() and path.suffix in (".py", ".md", ".ipynb", ".json", ".toml", ".yml", ".lock"):
            assert str(Path.home()) not in path.read_text(encoding="utf-8"), path
