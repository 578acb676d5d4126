"""The stored notebooks: what nbval cannot see."""
import base64
import io
import json
import os
import re

import nbformat
import pytest

from medcrypt_lab.authoring import build, lessons, scoreboard
from medcrypt_lab.exercises import files

LESSONS = lessons.every_lesson()
every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=[lesson.path.stem for lesson in LESSONS])
LARGEST_NOTEBOOK, LARGEST_PICTURE = 600_000, 40_000
PRECISE = re.compile(r"(?<![\w.])\d*\.(?=\d*[1-9])0*\d{4,}")        # more than three digits after the point's leading zeros
SECRETS_OF_A_MACHINE = re.compile(r"/(?:home|root|tmp|Users|work)/|ipykernel_|0x[0-9a-f]{8}")


def book_of(lesson):
    return nbformat.read(lesson.notebook_path, 4)


def code_cells(lesson):
    return [cell for cell in book_of(lesson).cells if cell.cell_type == "code"]


def outputs(lesson):
    return [output for cell in code_cells(lesson) for output in cell.outputs]


def test_there_are_lessons():
    assert LESSONS


def test_every_notebook_is_what_its_source_gives():
    assert build.stale() == []


@every_lesson
def test_every_cell_was_executed_in_order(lesson):
    counts = [cell.execution_count for cell in code_cells(lesson)]
    assert counts == list(range(1, len(counts) + 1))


@every_lesson
def test_no_stored_output_is_an_error(lesson):
    assert not [o for o in outputs(lesson) if o.output_type == "error" or o.get("name") == "stderr"]


@every_lesson
def test_no_progress_bar_is_stored(lesson):
    assert not [o for o in outputs(lesson) if "it/s]" in o.get("text", "") + o.get("data", {}).get("text/plain", "")]


@every_lesson
def test_pictures_are_there_small_and_not_blank(lesson):
    from PIL import Image
    pictures = [base64.b64decode(o.data["image/png"]) for o in outputs(lesson) if "image/png" in o.get("data", {})]
    assert pictures
    for data in pictures:
        assert len(data) < LARGEST_PICTURE
        with Image.open(io.BytesIO(data)) as picture:
            assert len(picture.convert("RGB").getcolors(2**24)) > 10, "a blank picture"


@every_lesson
def test_a_cell_that_plots_shows_it_and_tells_it_in_words(lesson):
    for cell in code_cells(lesson):
        plots = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        if plots:
            assert "plt.show()" in cell.source
            words = [o for o in cell.outputs if o.get("data", {}).get("text/plain", "").startswith("The figure in words")]
            assert len(words) == len(plots), "each figure needs figures.in_words(...) after plt.show()"


@every_lesson
def test_texts_hold_no_path_and_few_digits(lesson):
    for output in outputs(lesson):
        text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
        assert not SECRETS_OF_A_MACHINE.search(text), text
        assert not PRECISE.search(text), f"{PRECISE.search(text)[0]} has too many digits to be the same on another machine"


@every_lesson
def test_size_and_shape(lesson):
    assert lesson.notebook_path.stat().st_size < LARGEST_NOTEBOOK
    cells = book_of(lesson).cells
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    assert 20 <= len(cells) <= 30, f"{len(cells)} cells"
    assert 600 <= words <= 1500, f"{words} words"
    tagged = [cell for cell in code_cells(lesson) if "nbval-ignore-output" in cell.metadata.get("tags", [])]
    assert len(tagged) <= len(code_cells(lesson)) / 3
    assert not [cell for cell in cells if "nbval-skip" in cell.metadata.get("tags", [])]


@every_lesson
def test_no_reference_stands_in_what_the_student_opens(lesson):
    shipped = json.dumps(book_of(lesson))
    for id in lesson.exercise_ids:
        exercise = lessons.ExerciseText(files.find(id))
        for name in exercise.functions:
            node = exercise.function(name)
            solution = [line.strip() for line in exercise.text_of(node).splitlines() if line not in exercise.stubs[name].splitlines()]
            whole = "\n".join(line for line in solution if not line.startswith("#"))
            assert whole and json.dumps(whole)[1:-1] not in shipped.replace("\\n    ", "\\n")


@every_lesson
def test_an_exercise_has_a_verdict_for_each_system(lesson):
    said = "".join(o.get("data", {}).get("text/plain", "") for o in outputs(lesson))
    for row in lesson.front["systems"]:
        assert f"Verdict {row}: " in said


@every_lesson
def test_a_lesson_runs_on_other_images(lesson, request, tmp_path):
    """Images of the learner's own in place of chest, without masks and of 28 pixels: solved or not, no cell may fail."""
    if not request.config.getoption("--all"):
        pytest.skip("it trains on them, which takes long: with --all")
    import numpy as np
    from nbclient import NotebookClient

    from medcrypt_lab import data
    arrays = {}
    for name in data.SPLITS:
        split = data.load("chest", name, size=28)
        arrays |= {f"{name}_images": (255 * split.images[:, 0]).round().byte().numpy(), f"{name}_labels": split.labels[:, None].byte().numpy()}
    np.savez(tmp_path / "mine.npz", **arrays)
    for book in (book_of(lesson), lessons.notebook(lesson, solved=True)[0]):
        NotebookClient(book, timeout=300, resources={"metadata": {"path": str(lesson.chapter)}}).execute(
            env={**os.environ, "MEDCRYPT_DATA": f"chest={tmp_path / 'mine.npz'}", "MEDCRYPT_WORK": str(tmp_path / "work")})


def test_the_readme_holds_the_scoreboard():
    readme = (files.root() / "README.md").read_text(encoding="utf-8")
    assert scoreboard.BEGIN in readme and scoreboard.END in readme, f"mark the table's place by {scoreboard.BEGIN} and {scoreboard.END}"
    assert scoreboard.stale() == []


def test_the_readmes_map_names_every_lesson_and_no_other():
    readme = (files.root() / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\[([^\]]+)\]\((chapters/\S+?\.ipynb)\) \((?:([^()]*), )?(\d+) min\)", readme)
    wanted = [(lesson.front["title"], lesson.notebook_path.relative_to(files.root()).as_posix(), ", ".join(lesson.front["systems"]), str(lesson.front["minutes"]))
              for lesson in LESSONS]
    assert linked == wanted
    chapters = re.findall(r"^\| (\d\d) ([\w -]+?) \|.*$", readme, re.M)
    assert [number for number, _ in chapters] == [f"{i:02}" for i in range(13)]
    for number, _ in chapters:
        row = next(line for line in readme.splitlines() if line.startswith(f"| {number} "))
        assert ("planned" in row) or list((files.root() / "chapters").glob(f"{number}_*/*.ipynb"))
