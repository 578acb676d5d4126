"""Predictions, their truth, and the drawing of progress, on the tiny course."""
import json

import pytest

from medcrypt_lab.exercises import work
from tests import tiny
from tests.test_engine import RIGHT, Notebook, book  # noqa: F401

LESSON = tiny.LESSON.replace("```{code-cell}\n@exercise(\"tiny.double\")", """```{code-cell}
predict("tiny.sum", ..., unit="points")
```

```{code-cell}
predict("tiny.which", ..., choices=["left", "right"])
```

```{code-cell}
@exercise("tiny.double")""")


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    course = tmp_path / "course"
    monkeypatch.setenv("MEDCRYPT_ROOT", str(course))
    monkeypatch.setenv("MEDCRYPT_WORK", str(tmp_path / "work"))
    monkeypatch.delenv("MEDCRYPT_PROGRESS", raising=False)
    chapter = tiny.make_course(course, lesson=LESSON)
    tiny.store_notebook(chapter)
    return chapter


@pytest.fixture
def lesson(book):  # noqa: F811
    book.run("from medcrypt_lab.exercises import predict, reveal, progress")
    return book


def test_an_open_prediction_asks_and_its_truth_is_folded_away(lesson):
    assert "put a number of points in place of the `...`" in lesson.run('predict("tiny.sum", ..., unit="points")')
    assert "It is 12 points." in lesson.run('reveal("tiny.sum", 12, unit="points")')
    assert "<details>" in lesson.html and "12 points" not in lesson.html.split("</summary>")[0]


def test_a_prediction_stands_beside_the_truth(lesson):
    assert lesson.run('predict("tiny.sum", 10, unit="points")') == "● You say 10 points."
    assert lesson.run('reveal("tiny.sum", 12.0, unit="points")') == "● You said 10 points. It is 12 points. Well judged."
    assert "<details>" not in lesson.html


def test_far_off_says_on_which_side(lesson):
    lesson.run('predict("tiny.sum", 2)')
    assert "The truth is higher than you thought." in lesson.run('reveal("tiny.sum", 12)')
    lesson.run('predict("tiny.other", 200)')
    assert "The truth is lower than you thought." in lesson.run('reveal("tiny.other", 12)')


def test_a_choice_is_one_of_the_choices(lesson):
    assert '"left" or "right"' in lesson.run('predict("tiny.which", ..., choices=["left", "right"])')
    assert "not what was asked for" in lesson.run('predict("tiny.which", "up", choices=["left", "right"])')
    assert lesson.run('predict("tiny.which", " Left ", choices=["left", "right"])') == '● You say "left".'
    assert "Not what you expected" in lesson.run('reveal("tiny.which", "right")')
    lesson.run('predict("tiny.again", "right", choices=["left", "right"])')
    assert "Right." in lesson.run('reveal("tiny.again", "right")')


@pytest.mark.parametrize("guess", ['"12"', "float('nan')", "True", "None", "[12]", "1e400", "10**5000", "object()", "'x' * 10**6", "b'12'"])
def test_what_is_no_number_is_asked_for_again_and_not_recorded(lesson, guess):
    text = lesson.run(f'predict("tiny.sum", {guess}, unit="points")')
    assert "is not what was asked for: write a number of points, as plain digits." in text and len(text) < 200
    assert work.predictions() == {}


def test_a_number_from_numpy_or_torch_is_a_number(lesson):
    lesson.run('import torch, numpy\npredict("tiny.sum", torch.tensor(1.5))\npredict("tiny.other", numpy.float32(2.5))')
    assert work.predictions() == {"tiny.sum": {"guess": 1.5, "actual": None}, "tiny.other": {"guess": 2.5, "actual": None}}


def test_a_guess_may_change_until_the_truth_was_seen_and_not_after(lesson):
    lesson.run('predict("tiny.sum", 1)')
    assert lesson.run('predict("tiny.sum", 2)') == "● You say 2."
    lesson.run('reveal("tiny.sum", 12)')
    assert "what counts is your first word, 2." in lesson.run('predict("tiny.sum", 12)')
    assert "You said 2." in lesson.run('reveal("tiny.sum", 12)')


def test_a_truth_that_was_run_past_does_not_spoil_a_later_prediction(lesson):
    lesson.run('reveal("tiny.sum", 12)')
    lesson.run('predict("tiny.sum", 11)')
    assert "Well judged" in lesson.run('reveal("tiny.sum", 12)')


def test_progress_names_the_lesson_at_hand_and_draws_the_course(lesson):
    text = lesson.run("progress()")
    assert text.splitlines() == ["0 of 5 exercises solved, 0 of 2 predictions made", "  1 lesson not begun"]
    lesson.run(RIGHT)
    lesson.run('predict("tiny.sum", 10)\nreveal("tiny.sum", 12)\npredict("tiny.which", "left", choices=["left", "right"])')
    text = lesson.run("progress()")
    assert "1 of 5 exercises solved, 2 of 2 predictions made" in text
    assert "✓ tiny.double: solved" in text and "◌ tiny.lock: not tried yet" in text
    assert "● tiny.sum: within 20% of the truth" in text and "◐ tiny.which: predicted" in text
    assert "■□□□□●◐ A tiny lesson" in text
    lesson.run('reveal("tiny.which", "right")')
    assert "◐ tiny.which: missed" in lesson.run("progress()")


def test_progress_says_how_good_the_predictions_of_a_chapter_were(lesson, chapter):
    lesson.run('predict("tiny.sum", 10)')
    assert "In this chapter" not in lesson.run("progress()")           # nothing has met its truth yet
    lesson.run('reveal("tiny.sum", 12)')
    assert "  In this chapter: 1 of 1 predictions right or within 20% of the truth; of your numbers 1 too low, 0 too high" in lesson.run("progress()").splitlines()
    assert "In this chapter: 1 of 1 predictions" in lesson.html
    lesson.run('predict("tiny.which", "left", choices=["left", "right"])\nreveal("tiny.which", "right")')
    lesson.run('predict("tiny.another", 7)\nreveal("tiny.another", 3)')      # of another edition: no lesson asks it
    assert "In this chapter: 1 of 2 predictions right or within 20% of the truth; of your numbers 1 too low, 0 too high" in lesson.run("progress()")
    more = {"cells": [{"cell_type": "code", "source": [f'predict("{id}", ...)']} for id in ("tiny.more", "tiny.exact", "elsewhere.far")],
            "metadata": {"medcrypt": {"title": "Another lesson"}}}
    (chapter / "2_another.ipynb").write_text(json.dumps(more))
    for id, guess, actual in (("elsewhere.far", 1, 100), ("tiny.exact", 3, 3), ("tiny.more", 9, 3)):
        lesson.run(f'predict("{id}", {guess})\nreveal("{id}", {actual})')
    assert "In this chapter: 2 of 4 predictions right or within 20% of the truth; of your numbers 1 too low, 1 too high" in lesson.run("progress()")


def test_progress_says_nothing_of_low_and_high_where_no_number_missed(lesson):
    lesson.run('predict("tiny.sum", 12)\nreveal("tiny.sum", 12)')
    assert "In this chapter: 1 of 1 predictions right or within 20% of the truth" in [line.strip() for line in lesson.run("progress()").splitlines()]


def test_predictions_outlive_the_kernel_and_a_foreign_line(lesson, tmp_path):
    lesson.run('predict("tiny.sum", 10)')
    with open(tmp_path / "work" / "progress.jsonl", "a") as log:
        for event in ({"event": "predict", "id": "tiny.sum", "guess": [1]}, {"event": "reveal", "id": "tiny.sum", "actual": True}, {"event": "predict"}):
            log.write(json.dumps(event) + "\n")
    assert work.predictions()["tiny.sum"] == {"guess": 10, "actual": None}


def test_a_notebook_of_the_course_that_cannot_be_read_is_passed_over(lesson, chapter):
    (chapter / "2_broken.ipynb").write_text("{")
    (chapter / "3_odd.ipynb").write_text('{"cells": [1], "metadata": {}}')
    assert lesson.run("progress()").startswith("0 of 5 exercises solved")


def test_predictions_are_carried_by_name_in_the_built_notebook(chapter):
    from medcrypt_lab.authoring import lessons
    built, _ = lessons.notebook(lessons.every_lesson()[0])
    ids = [cell.id for cell in built.cells]
    assert "predict-sum" in ids and "predict-which" in ids and set(built.metadata.medcrypt["named"]) == {i for i in ids if "-" in i}


def test_a_stored_page_says_nothing_of_who_built_it(lesson, monkeypatch):
    lesson.run(RIGHT)
    monkeypatch.setenv("MEDCRYPT_PROGRESS", "off")
    assert lesson.run("progress()") == "Run this cell: it draws what you solved and predicted, here and in the whole course."


def test_two_predictions_of_one_id_are_an_authors_mistake(chapter):
    from medcrypt_lab.authoring import lessons
    lesson = lessons.every_lesson()[0]
    lessons.check_course([lesson])
    again = lessons.Lesson(lesson.path, lesson.text.replace('"tiny.which"', '"tiny.sum"'), lesson.front)
    with pytest.raises(lessons.AuthorError, match="prediction tiny.sum has the id of another one"):
        lessons.check_course([again])
