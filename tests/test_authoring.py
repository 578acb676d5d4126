"""From sources to notebooks, on the tiny course: what is built, what is refused, what nbval notices."""
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from medcrypt_lab.authoring import build, execution, lessons
from medcrypt_lab.exercises.source import AuthorError, ExerciseText
from tests import tiny

DOUBLE = tiny.EXERCISES["double"]
COURSE = Path(__file__).resolve().parents[1]


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDCRYPT_ROOT", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(COURSE))
    return lambda **changed: tiny.make_course(tmp_path, **changed)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The tiny course, built once: its chapter. Tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("built")
    chapter = tiny.make_course(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDCRYPT_ROOT", str(folder))
        patch.setenv("PYTHONPATH", str(COURSE))
        build.build(say=lambda words: None)
    return chapter


@pytest.fixture
def copy_of_built(built, tmp_path, monkeypatch):
    import shutil
    root = tmp_path / "course"
    shutil.copytree(built.parents[1], root)
    monkeypatch.setenv("MEDCRYPT_ROOT", str(root))
    monkeypatch.setenv("PYTHONPATH", str(COURSE))
    return root / "chapters" / "01_tiny"


# ---------------------------------------------------------------- what an author got wrong
def lesson(old, new):
    assert old in tiny.LESSON
    return {"lesson": tiny.LESSON.replace(old, new)}


def double(old, new):
    assert old in DOUBLE
    return {"double": DOUBLE.replace(old, new)}


MISTAKES = {
    "no file": (lesson('@exercise("tiny.greatest")', '@exercise("tiny.greater")'), "1_tiny.md:38: There is no exercise file for tiny.greater"),
    "no lesson": (lesson('```{code-cell}\n@exercise("tiny.share")\n```\n', ""), "share.py:1: No lesson uses the exercise tiny.share"),
    "twice": (lesson('@exercise("tiny.share")', '@exercise("tiny.double")'), "The exercise tiny.double stands a second time"),
    "more in the cell": (lesson('@exercise("tiny.share")', '@exercise("tiny.share")\nprint(1)'), "1_tiny.md:50: The cell of tiny.share should hold only the line"),
    "marker missing": (double("    # BEGIN SOLUTION\n", ""), "double.py:12: `double` has no `# BEGIN SOLUTION`"),
    "too few wrong": ({"double": DOUBLE.replace('@wrong("You sq', '@right\n# ("You sq').replace('@wrong("list unc', '@right\n# ("list unc')}, "double.py:1: tiny.double has 3 wrong answers; it needs at least 4"),
    "too few right": (double("@right\ndef added", "def added"), "tiny.double has 1 right answers; it needs at least 2"),
    "wrong without words": (double('@wrong("A zero stays")', "@wrong()"), "should say words that its card must contain"),
    "no such function": (double('@wrong("A zero stays")', '@wrong("A zero stays", of="treble")'), "stands for `treble`"),
    "no points": (double("points, minutes, difficulty = 2, 3, 1", "minutes, difficulty = 3, 1"), "The file does not set `points`"),
    "computed points": (double("points, minutes, difficulty = 2, 3, 1", "points, minutes, difficulty = 1 + 1, 3, 1"), "written out, not computed"),
    "check names the function": (double("    got = answer(values)", "    got = double(values)"), "The check names `double`"),
    "check needs another reference": ({"quadruple": tiny.EXERCISES["quadruple"].replace("got, again = answer([a])", "got, again = double([a])")}, "reaches the reference of another exercise"),
    "no check": (double("def check(", "def checks("), "no function `check"),
    "wide stub": (double('"""Each number of the list, doubled."""', '"""' + 80 * "x" + '"""'), "90 columns; more than 76"),
    "wide reference": (double("    return secret_of_the_reference", "    return secret_of_the_reference  # " + 90 * "x"), "double.py:16: A line of the reference has 128 columns; more than 92"),
    "exercise unreadable": (double("def double(values):", "def double(values)"), "double.py:12: Python cannot read this exercise"),
    "no front matter": (lesson("---\ntitle", "title"), "1_tiny.md:1: A lesson begins with front matter"),
    "front matter lacks": (lesson("minutes: 5\n", ""), "1_tiny.md:1: The front matter lacks `minutes`"),
    "front matter of another type": (lesson("minutes: 5", "minutes: five"), "`minutes` in the front matter should be a int"),
    "front matter too long": (lesson("needs: []", "needs: []\nauthor: me"), "`author`, which nobody reads"),
    "front matter is no YAML": (lesson("needs: []", "needs: [\nfoo: : bar"), "The front matter is no YAML"),
    "cell unreadable": (lesson("values = [1, 2, 3]", "values = [1, 2, 3"), "Python cannot read this cell"),
    "semicolon": (lesson('print("sum:", sum(quadruple(doubled)))', 'print("sum:", sum(quadruple(doubled)));'), "1_tiny.md:34: The cell ends in `;`"),
    "wide cell": (lesson('print("sum:", sum(quadruple(doubled)))', 'print("sum:", sum(quadruple(doubled)))  # ' + 90 * "x"), "1_tiny.md:34: This line has 132 columns; more than 92"),
    "settings of another type": (double('without = ["textwrap"]', 'without = "textwrap"'), "`without` should be a list of texts, not 'textwrap'"),
    "exercise in a plain block": (lesson('```{code-cell}\n@exercise("tiny.share")', '```python\n@exercise("tiny.share")'), "share.py:1: No lesson uses"),
    "exercise twice, once in a plain block": (lesson("Numbers, doubled.", 'Numbers.\n\n```python\n@exercise("tiny.share")\n```'), "1_tiny.md:14: This line stands in no code cell"),
    "tags are no list": (lesson('```{code-cell}\nprint("sum:"', '```{code-cell}\n:tags: nbval-ignore-output\nprint("sum:"'), "1_tiny.md:34: Tags are a list"),
    "unbound name": ({"double": DOUBLE.replace("[2 * v for v in values]\n    return", "elsewhere.sample([2 * v for v in values], 1)\n    return", 1)}, "The answer of tiny.double uses elsewhere, which no cell above it"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_a_sentence_with_file_and_line(make, mistake):
    changed, said = MISTAKES[mistake]
    make(**changed)
    with pytest.raises(AuthorError) as error:
        build.stale()
    assert said in str(error.value)
    assert str(error.value).startswith(os.environ["MEDCRYPT_ROOT"]) and ":" in str(error.value)


def test_windows_line_ends_and_a_byte_order_mark_are_read(make):
    chapter = make()
    for path in [chapter / "lessons" / "1_tiny.md", *(chapter / "exercises").glob("*.py")]:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert build.stale() == ["1_tiny.ipynb was never built: medcrypt build 1_tiny"]
    (chapter / "lessons" / "1_tiny.md").write_bytes(b"---\n\xff")
    with pytest.raises(AuthorError, match="not UTF-8"):
        build.stale()


def test_two_exercises_of_one_name(make, tmp_path):
    chapter = make()
    other = tmp_path / "chapters" / "02_tiny" / "exercises"
    other.mkdir(parents=True)
    (other / "double.py").write_text(DOUBLE)
    with pytest.raises(AuthorError, match="Two exercises are called tiny.double"):
        build.stale()
    assert chapter.exists()


def test_an_unknown_lesson_is_a_sentence(make):
    make()
    with pytest.raises(build.NoSuchLesson, match="No lesson is called 'fgsm'. There are: 01_tiny/1_tiny"):
        build.stale(["fgsm"])


def test_the_command_says_it_without_a_traceback(make):
    make(**MISTAKES["no points"][0])
    done = subprocess.run([sys.executable, "-m", "medcrypt_lab", "build", "--check"], capture_output=True, text=True)
    assert done.returncode == 1 and "does not set `points`" in done.stderr and "Traceback" not in done.stderr


# ---------------------------------------------------------------- what is built
def test_the_notebook_is_whole(built):
    book = nbformat.read(built / "1_tiny.ipynb", 4)
    nbformat.validate(book)
    assert book.metadata.kernelspec.name == "python3" and book.metadata.medcrypt.source == "lessons/1_tiny.md"
    assert book.metadata.medcrypt.shipped == [cell.id for cell in book.cells]
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    exercise = next(cell for cell in code if cell.id == "ex-double")
    assert "...  # your code here" in exercise.source and "secret_of_the_reference" not in json.dumps(book)
    assert exercise.outputs[0].data["text/plain"].startswith("◌ tiny.double: not tried yet")
    assert "sum: 48" in "".join(cell.outputs[0].text for cell in code if "sum(" in cell.source)


def test_building_twice_gives_the_same_bytes(copy_of_built):
    path = copy_of_built / "1_tiny.ipynb"
    before = path.read_bytes()
    build.build(say=lambda words: None)
    assert path.read_bytes() == before


def test_an_edit_keeps_the_ids_of_all_other_cells(copy_of_built):
    before = nbformat.read(copy_of_built / "1_tiny.ipynb", 4)
    source = copy_of_built / "lessons" / "1_tiny.md"
    source.write_text(source.read_text().replace("Numbers, doubled.", "Numbers, twice."))
    after, _ = lessons.notebook(lessons.read(source))
    assert [a.id == b.id for a, b in zip(after.cells, before.cells)].count(False) == 1


def test_check_names_a_notebook_that_is_not_what_its_source_gives(copy_of_built):
    assert build.stale() == []
    path = copy_of_built / "1_tiny.ipynb"
    book = nbformat.read(path, 4)
    book.cells[0].source += " edited by hand"
    build.write(book, path)
    sentence, = build.stale()
    assert "1_tiny.ipynb is not what lessons/1_tiny.md gives" in sentence and "medcrypt build 1_tiny" in sentence
    path.unlink()
    assert "never built" in build.stale()[0]
    (copy_of_built / "9_stray.ipynb").write_text("{}")
    assert "9_stray.ipynb has no source" in build.stale()[1]


def test_check_names_a_notebook_whose_cards_give_other_hints(copy_of_built):
    path = next((copy_of_built / "exercises").glob("*.py"))
    hint = ExerciseText(path).settings["hints"][0]
    path.write_text(path.read_text().replace(hint, "Another hint."))
    sentence, = build.stale()
    assert "1_tiny.ipynb stores a card with other hints than" in sentence and path.stem in sentence


def test_check_runs_and_imports_nothing(copy_of_built):
    (copy_of_built / "lessons" / "1_tiny.md").write_text(tiny.LESSON.replace('print("the values are", values)', 'open("ran", "w")'))
    for path in (copy_of_built / "exercises").glob("*.py"):
        path.write_text(path.read_text() + '\nopen("imported", "w")\n')
    build.stale()
    assert not list(copy_of_built.parents[1].rglob("ran")) + list(copy_of_built.parents[1].rglob("imported")) + list(Path.cwd().glob("imported"))


def test_an_output_that_hangs_on_the_machine_is_refused(copy_of_built):
    source = copy_of_built / "lessons" / "1_tiny.md"
    source.write_text(source.read_text().replace('print("the values are", values)', 'import os\nprint("runs on", os.environ.get("ATEN_CPU_CAPABILITY"))'))
    with pytest.raises(AuthorError, match=r"1_tiny.md:14: This cell says 'runs on None' here and 'runs on default' with plain CPU instructions"):
        build.build(say=lambda words: None)


def test_a_failing_cell_names_itself_and_leaves_the_old_notebook(copy_of_built):
    before = (copy_of_built / "1_tiny.ipynb").read_bytes()
    source = copy_of_built / "lessons" / "1_tiny.md"
    source.write_text(source.read_text().replace("values = [1, 2, 3]", "values = [1, 2, 3 / 0]"))
    with pytest.raises(execution.CellFailed, match="ZeroDivisionError"):
        build.build(say=lambda words: None)
    assert (copy_of_built / "1_tiny.ipynb").read_bytes() == before


def test_a_picture_keeps_its_bytes_while_its_pixels_do():
    import base64
    import io

    from PIL import Image

    def notebook_with(color, level):
        buffer = io.BytesIO()
        Image.new("RGB", (40, 40), color).save(buffer, "PNG", compress_level=level)
        cell = nbformat.v4.new_code_cell("draw()", id="a")
        cell.outputs = [nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(buffer.getvalue()).decode()})]
        return nbformat.v4.new_notebook(cells=[cell])

    old, same, other = notebook_with("red", 0), notebook_with("red", 9), notebook_with("blue", 9)
    assert old != same
    execution.keep_pictures(same, old)
    assert same.cells[0].outputs == old.cells[0].outputs
    execution.keep_pictures(other, old)
    assert other.cells[0].outputs != old.cells[0].outputs


# ---------------------------------------------------------------- nbval
def nbval(*paths):
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "-c", str(COURSE / "pyproject.toml"), f"--rootdir={COURSE}", "--nbval", "--nbval-current-env",
                           "--nbval-cell-timeout=60", f"--nbval-sanitize-with={COURSE / 'tests' / 'nbval.cfg'}", "-p", "no:cacheprovider", *map(str, paths)],
                          cwd=COURSE, capture_output=True, text=True)


def test_nbval_passes_shipped_and_solved_and_notices_one_changed_number(copy_of_built, tmp_path):
    shipped = copy_of_built / "1_tiny.ipynb"
    solved, = build.solved(tmp_path / "solved")
    assert "secret_of_the_reference" in solved.read_text() and "right, 2 of 2 points" in solved.read_text()
    done = nbval(shipped, solved)
    assert done.returncode == 0, done.stdout[-3000:]
    for path in (shipped, solved):
        path.write_text(path.read_text().replace("sum: 48", "sum: 49"))
        assert nbval(path).returncode == 1


def test_a_reference_that_fails_its_check_stops_the_solved_edition(copy_of_built, tmp_path):
    path = copy_of_built / "exercises" / "double.py"
    path.write_text(path.read_text().replace("secret_of_the_reference = [2 * v", "secret_of_the_reference = [3 * v"))
    with pytest.raises(AuthorError, match="The reference does not pass its own check"):
        build.solved(tmp_path / "solved")
