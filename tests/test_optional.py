"""What a student sees where TenSEAL cannot be had: words that help, and all other lessons as ever."""
import sys
from pathlib import Path

import nbformat
import pytest

from medcrypt_lab.authoring import execution, lessons
from medcrypt_lab.exercises import files

CHAPTERS = Path(__file__).parents[1] / "chapters"
GONE = 'import sys\nsys.modules["tenseal"] = None'
NEED_IT = ["7_bfv", "8_ckks"]


def without_tenseal(name):
    book = nbformat.read(next(CHAPTERS.glob(f"*/{name}.ipynb")), 4)
    book.cells.insert(0, nbformat.v4.new_code_cell(GONE))
    return book


@pytest.mark.parametrize("name", NEED_IT)
def test_a_lesson_that_needs_it_stops_and_says_what_to_do(name):
    with pytest.raises(execution.CellFailed, match=r"This lesson needs TenSEAL\. `python3 course\.py lab` installs it"):
        execution.run(without_tenseal(name), CHAPTERS / "06_encryption")


def test_the_lesson_that_compares_runs_without_it():
    book = without_tenseal("9_choosing")
    execution.run(book, CHAPTERS / "06_encryption")
    assert any("TenSEAL is missing" in str(cell.get("outputs")) for cell in book.cells)


def test_no_other_lesson_needs_it():
    assert {path.stem for path in CHAPTERS.glob("*/*.ipynb") if "import tenseal" in path.read_text(encoding="utf-8")} == {*NEED_IT, "9_choosing"}


@pytest.mark.parametrize("path", [path for path in lessons.exercise_paths() if "tenseal" in path.read_text(encoding="utf-8")], ids=lambda path: path.stem)
def test_an_exercise_file_loads_without_it(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tenseal", None)
    assert files._load.__wrapped__(path, None).name == path.stem
