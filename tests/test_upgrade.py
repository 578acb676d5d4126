"""A newer edition of a lesson reaches the student: nothing of theirs is lost, and the lesson is the new one. And other ways of students."""
import copy
import datetime
import json
import os
import random
import socket
import stat
from pathlib import Path

import nbformat
import pytest
from nbformat import v4
from nbformat.sign import NotebookNotary

from medcrypt_lab import cli, upgrade
from medcrypt_lab.authoring import lessons
from medcrypt_lab.exercises import source, work
from tests import tiny
from tests.test_engine import DOUBLE, RIGHT, Notebook, book  # noqa: F401

TITLE, TALK, END = "# Title", "# Talk of doubling", "# The end"
SETUP, SHOW = "values = [1, 2, 3]", "print(double(values))"
GUESS = 'predict("tiny.sum", ..., unit="points")'
STUB = '@exercise("tiny.double")\ndef double(values):\n    ...  # your code here'
SECOND = '@exercise("tiny.quadruple")\ndef quadruple(values):\n    ...  # your code here'
LESSON = [TITLE, SETUP, TALK, GUESS, STUB, SHOW, SECOND, END]
ANSWER = STUB.replace("...  # your code here", "return [2 * v for v in values]")
TODAY = datetime.date.today().isoformat()


# ---------------------------------------------------------------- an edition, and what a student does to it
def edition(*texts, **metadata):
    """A lesson as the build stores it: ids and metadata from the texts; a text that begins with # is Markdown."""
    cells, seen, named = [], {}, {}
    for text in texts:
        cell = v4.new_markdown_cell(text) if text.startswith("#") else v4.new_code_cell(text, execution_count=1, outputs=[v4.new_output("stream", text="as shipped")])
        found = upgrade.NAMED.search(text)
        id = upgrade.PREFIX[found[1]] + found[2].partition(".")[2] if found else cell.cell_type[0] + work.fingerprint(text)
        if found:
            named[id] = work.fingerprint(text)
        seen[id] = seen.get(id, 0) + 1
        cell.id = id if seen[id] == 1 else f"{id}-{seen[id]}"
        cells.append(cell)
    return v4.new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}, **metadata,
                                                  "medcrypt": {"title": "T", "shipped": [c.id for c in cells], "named": named}})


class Student:
    """A student's copy of an edition, and the edits they make."""

    def __init__(self, *texts):
        self.book = edition(*texts)

    def at(self, text):
        return next(i for i, cell in enumerate(self.book.cells) if cell.source == text)

    def edit(self, text, typed):
        cell = self.book.cells[self.at(text)]
        cell.source = typed
        if cell.cell_type == "code":
            cell.outputs = [v4.new_output("stream", text="as the student ran it")]
        return cell

    def add(self, typed, after=None, kind="code"):
        cell = (v4.new_code_cell if kind == "code" else v4.new_markdown_cell)(typed)
        self.book.cells.insert(0 if after is None else self.at(after) + 1, cell)
        return cell

    def delete(self, text):
        return self.book.cells.pop(self.at(text))

    def upgraded(self, *texts, **metadata):
        """The result of a merge with the edition of these texts."""
        self.merge = upgrade.Merge(self.book, edition(*texts, **metadata))
        check(self.merge.book)
        assert self.merge.book.metadata.medcrypt == edition(*texts).metadata.medcrypt
        return self.merge.book


def check(book):
    """Is it a valid notebook, each cell with an id of its own?"""
    assert len({cell.id for cell in book.cells}) == len(book.cells)
    nbformat.validate(book)


def texts(book):
    return [cell.source for cell in book.cells]


def without_notes(book):
    return [cell.source for cell in book.cells if not cell.id.startswith(("note-", "end-"))]


def changed(*pairs, of=LESSON):
    """The lesson with some texts replaced; None drops one."""
    new = {old: text for old, text in pairs}
    return [new.get(text, text) for text in of if new.get(text, text) is not None]


def the(book, text):
    cell, = [cell for cell in book.cells if cell.source == text]
    return cell


# ---------------------------------------------------------------- the rule
def test_an_untouched_copy_becomes_the_new_edition():
    newer = changed((TALK, "# More of doubling"), (SETUP, None), (STUB, STUB + "\n    # more"), (GUESS, GUESS.replace("sum", "total")))
    student = Student(*LESSON)
    assert student.upgraded(*newer).cells == edition(*newer).cells
    assert student.merge.told == "now in the newer edition; you had changed nothing in it."


def test_an_answer_stays_with_its_outputs_where_the_exercise_now_stands():
    student = Student(*LESSON)
    student.edit(STUB, ANSWER)
    newer = [TITLE, SETUP, SECOND, "# New talk", STUB, SHOW, END]
    result = student.upgraded(*newer)
    assert texts(result) == changed((STUB, ANSWER), of=newer)
    assert the(result, ANSWER).outputs[0].text == "as the student ran it" and the(result, ANSWER).id == "ex-double"
    assert the(result, SHOW).outputs[0].text == "as shipped"
    assert student.merge.told == "now in the newer edition, with your 1 answer."


def test_an_answer_to_an_exercise_with_a_new_start_stays_and_a_note_shows_the_new_start():
    student = Student(*LESSON)
    student.edit(STUB, ANSWER)
    start = STUB.replace("values):", "values, times):") + '\n    """```"""'
    result = student.upgraded(*changed((STUB, start)))
    place = texts(result).index(ANSWER)
    note = result.cells[place - 1]
    assert without_notes(result) == changed((STUB, ANSWER)) and note.cell_type == "markdown"
    assert "starts from another text. Yours is as you left it" in note.source and f"````python\n{start}\n````" in note.source
    again = Student()
    again.book = result
    assert texts(again.upgraded(*changed((STUB, start), (TALK, "# Other talk")))) == [t.replace(TALK, "# Other talk") for t in texts(result)]         # the note stays
    result = again.upgraded(*changed((STUB, start + "\n    # third")))
    assert len(result.cells) == len(LESSON) + 1 and "# third" in result.cells[place - 1].source                        # and is not doubled


def test_an_untouched_start_becomes_the_new_start():
    student = Student(*LESSON)
    newer = changed((STUB, STUB + "\n    # more"), (GUESS, GUESS.replace("points", "lines")))
    assert texts(student.upgraded(*newer)) == newer


def test_a_prediction_stays_and_a_note_shows_the_new_question():
    student = Student(*LESSON)
    guess = GUESS.replace("...", "12")
    student.edit(GUESS, guess)
    assert texts(student.upgraded(*changed((TALK, "# New talk")))) == changed((TALK, "# New talk"), (GUESS, guess))
    result = student.upgraded(*changed((GUESS, GUESS.replace("points", "lines"))))
    assert without_notes(result) == changed((GUESS, guess)) and 'unit="lines"' in result.cells[texts(result).index(guess) - 1].source
    assert student.merge.told == "now in the newer edition, with your 1 prediction."


def test_added_cells_follow_the_nearest_earlier_cell_that_is_still_there():
    student = Student(*LESSON)
    student.add("mine = 1", after=SETUP).outputs = [v4.new_output("stream", text="one")]
    student.add("# my note", after="mine = 1", kind="markdown")
    student.add("mine = 2", after=SHOW)
    student.add("mine = 3", after=END)
    result = student.upgraded(TITLE, SETUP, "# New", STUB, "other = 1", SECOND, END, "# Newest")      # SHOW was replaced: what follows it follows its place
    assert texts(result) == [TITLE, SETUP, "mine = 1", "# my note", "# New", STUB, "other = 1", "mine = 2", SECOND, END, "mine = 3", "# Newest"]
    assert the(result, "mine = 1").outputs[0].text == "one"
    assert student.merge.told == "now in the newer edition, with your 4 added cells."
    result = student.upgraded(TITLE, SETUP, STUB, SECOND, END)                                         # SHOW was dropped
    assert texts(result) == [TITLE, SETUP, "mine = 1", "# my note", STUB, "mine = 2", SECOND, END, "mine = 3"]
    result = student.upgraded(*LESSON[:5], "shown = 1", "shown = 2", SECOND, END)                      # SHOW became two
    assert texts(result)[7:10] == ["shown = 1", "shown = 2", "mine = 2"]


def test_a_cell_added_at_the_top_stands_below_the_title():
    student = Student(*LESSON)
    student.add("mine = 1")
    assert texts(student.upgraded("# Another title", *LESSON[1:]))[:3] == ["# Another title", "mine = 1", SETUP]


def test_an_empty_cell_is_not_carried():
    student = Student(*LESSON)
    student.add(" \n", after=END)
    student.edit(STUB, "")
    assert texts(student.upgraded("# New title", *LESSON[1:])) == ["# New title", *LESSON[1:]]


def test_an_edited_lesson_cell_stays_in_its_place_where_the_course_did_not_change_it():
    student = Student(*LESSON)
    student.edit(SHOW, "print(double([7]))")
    student.edit(TALK, "# My own words")
    newer = [TITLE, TALK, SETUP, STUB, SHOW, SECOND, "# New end"]
    result = student.upgraded(*newer)
    assert texts(result) == changed((SHOW, "print(double([7]))"), (TALK, "# My own words"), of=newer)
    assert the(result, "print(double([7]))").outputs[0].text == "as the student ran it"
    assert student.merge.told == "now in the newer edition, with your 2 edited lesson cells."


def test_an_edited_cell_that_the_course_changed_too_runs_before_the_new_one_under_a_note():
    student = Student(*LESSON)
    student.edit(SETUP, "values = [4]")
    student.edit(TALK, "# My own words")
    student.add("print(values)", after="# My own words")
    result = student.upgraded(*changed((SETUP, "values = [1, 2]"), (TALK, "# New talk")))
    assert without_notes(result)[:6] == [TITLE, "values = [4]", "values = [1, 2]", "# My own words", "# New talk", "print(values)"]
    theirs = the(result, "values = [4]")
    assert theirs.cell_type == "code" and theirs.metadata.tags == ["raises-exception"] and theirs.outputs[0].text == "as the student ran it"
    note = result.cells[texts(result).index("values = [4]") - 1].source
    assert "your version of one that the newer edition changed" in note and "has the last word" in note
    assert "runs" not in result.cells[texts(result).index("# My own words") - 1].source and "tags" not in the(result, "# My own words").metadata
    again = Student()
    again.book = result
    assert texts(again.upgraded(*changed((SETUP, "values = [1]"), (TALK, "# New talk"), (END, None)))) == \
        [t.replace("values = [1, 2]", "values = [1]") for t in texts(result) if t != END]


def test_an_edited_cell_that_the_student_moved_down_does_not_run_after_the_new_one():
    student = Student(*LESSON)
    student.edit(SETUP, "values = [4]")
    student.book.cells.append(student.delete("values = [4]"))
    assert without_notes(student.upgraded(*changed((SETUP, "values = [1, 2]"))))[:3] == [TITLE, "values = [4]", "values = [1, 2]"]


def test_a_note_that_the_student_wrote_into_is_theirs():
    student = Student(*LESSON)
    student.edit(STUB, ANSWER)
    student.book = student.upgraded(*changed((STUB, None)))
    heading = student.book.cells[-2]
    heading.source += "\nI shall copy this."
    result = student.upgraded(*LESSON)
    assert texts(result) == [*changed((STUB, ANSWER)), heading.source]


def test_no_note_rises_above_the_title():
    student = Student(*LESSON)
    student.edit(TALK, "# My own words")
    student.edit(TITLE, "# My title")
    newer = changed((TALK, "# New talk"))
    student.book = student.upgraded(*newer)
    student.book.cells.insert(2, student.book.cells.pop(0))
    assert student.book.cells[1].id.startswith("note-")
    assert texts(student.upgraded(*newer, "# More"))[0] == "# My title"


def test_an_edited_cell_that_the_course_dropped_stays_under_a_note():
    student = Student(*LESSON)
    student.edit(SHOW, "shown = double([7])")
    student.add("print(shown)", after="shown = double([7])")
    result = student.upgraded(*changed((SHOW, None)))
    assert without_notes(result) == [TITLE, SETUP, TALK, GUESS, STUB, "shown = double([7])", "print(shown)", SECOND, END]
    assert "your version" in result.cells[5].source


def test_an_edited_title_that_the_course_changed_too_stands_below_the_new_title():
    student = Student(*LESSON)
    student.edit(TITLE, "# My title")
    assert without_notes(student.upgraded("# New title", *LESSON[1:]))[:3] == ["# New title", "# My title", SETUP]


def test_an_answer_whose_exercise_is_gone_is_kept_at_the_end():
    student = Student(*LESSON)
    guess = GUESS.replace("...", "12")
    student.edit(STUB, ANSWER)
    student.edit(GUESS, guess)
    result = student.upgraded(*changed((STUB, None), (GUESS, None)), "# Epilogue")
    assert without_notes(result) == [TITLE, SETUP, TALK, SHOW, SECOND, END, "# Epilogue", guess, ANSWER]
    assert "does not have tiny.sum, tiny.double. What you wrote is kept here" in result.cells[-3].source
    assert "1 answer, 1 prediction. It no longer has tiny.sum, tiny.double: what you wrote stands at its end." in student.merge.told
    assert the(result, ANSWER).outputs[0].text == "as the student ran it"


def test_two_answers_to_what_is_gone_are_kept_and_named_once_and_nothing_old_is_called_new():
    student = Student(*LESSON)
    student.edit(STUB, ANSWER)
    student.add(ANSWER + "  # better", after=ANSWER)
    del student.book.metadata.medcrypt["named"]         # as an early build left it
    result = student.upgraded(*changed((STUB, None)))
    assert texts(result)[-2:] == [ANSWER, ANSWER + "  # better"]
    assert "It no longer has tiny.double: what you wrote stands at its end." in student.merge.told and "New in" not in student.merge.told


def test_an_untouched_exercise_that_is_gone_leaves_nothing():
    student = Student(*LESSON)
    assert texts(student.upgraded(*changed((STUB, None), (GUESS, None)))) == changed((STUB, None), (GUESS, None))


def test_a_renamed_exercise_is_a_fresh_start_and_the_words_name_both():
    student = Student(*LESSON)
    student.edit(STUB, ANSWER)
    renamed = STUB.replace("double", "twice")
    result = student.upgraded(*changed((STUB, renamed)))
    assert without_notes(result) == [*changed((STUB, renamed)), ANSWER]
    assert "does not have tiny.double" in result.cells[-2].source and "New in this edition: tiny.twice" in result.cells[-2].source
    assert "no longer has tiny.double" in student.merge.told and "New in it: tiny.twice." in student.merge.told


def test_an_answer_at_the_end_stays_there_until_its_exercise_comes_back():
    student = Student(*LESSON)
    student.edit(STUB, ANSWER)
    student.book = student.upgraded(*changed((STUB, None)))
    student.book = student.upgraded(*changed((STUB, None), (SECOND, None)), "# Epilogue")
    assert without_notes(student.book)[-2:] == ["# Epilogue", ANSWER] and len(student.book.cells) == len(LESSON) - 2 + 3
    assert texts(student.upgraded(*LESSON)) == changed((STUB, ANSWER))


def test_an_exercise_of_another_lesson_that_the_student_brought_is_a_cell_of_their_own():
    student = Student(*LESSON)
    student.add('@exercise("other.thing")\ndef thing():\n    return 1', after=SETUP)
    result = student.upgraded(*changed((TALK, "# New talk")))
    assert texts(result)[2].startswith('@exercise("other.thing")') and "1 added cell." in student.merge.told


# ---------------------------------------------------------------- what students do to cells
def test_deleted_cells_come_back():
    student = Student(*LESSON)
    for text in (TALK, STUB, GUESS, SHOW):
        student.delete(text)
    newer = changed((END, "# New end"))
    assert texts(student.upgraded(*newer)) == newer


def test_a_split_answer_stays_in_order():
    """JupyterLab leaves the old id with the last part."""
    student = Student(*LESSON)
    cell = student.edit(STUB, "    return helper(values)")
    student.add("def helper(values):\n    return [2 * v for v in values]", after=GUESS)
    student.add('@exercise("tiny.double")\ndef double(values):', after="def helper(values):\n    return [2 * v for v in values]")
    result = student.upgraded(*changed((STUB, STUB + "\n    # more")))
    assert cell.id == "ex-double"
    assert without_notes(result)[3:8] == [GUESS, "def helper(values):\n    return [2 * v for v in values]", '@exercise("tiny.double")\ndef double(values):',
                                          "    return helper(values)", SHOW]


def test_two_answers_to_one_exercise_both_stay_in_order():
    student = Student(*LESSON)
    student.edit(STUB, ANSWER)
    student.add("import math", after=ANSWER)
    student.add(ANSWER + "  # better", after="import math")
    student.add(ANSWER + "  # once more", after=END)
    result = student.upgraded(*changed((TALK, "# New talk")))
    assert texts(result) == [TITLE, SETUP, "# New talk", GUESS, ANSWER, "import math", ANSWER + "  # better", SHOW, SECOND, END, ANSWER + "  # once more"]
    assert "3 answers, 1 added cell." in student.merge.told


def test_two_exercises_in_one_cell_stay_one_cell_and_no_start_takes_the_answer_back():
    student = Student(*LESSON)
    both = ANSWER + "\n\n" + SECOND.replace("...  # your code here", "return double(double(values))")
    student.edit(STUB, both)
    student.delete(SECOND)
    assert texts(student.upgraded(*changed((TALK, "# New talk")))) == changed((TALK, "# New talk"), (STUB, both), (SECOND, None))


def test_moved_cells_go_where_the_course_has_them_and_added_cells_with_them():
    student = Student(*LESSON)
    student.add("mine = 1", after=SHOW)
    cells = student.book.cells
    cells.insert(1, cells.pop(student.at(SHOW)))
    cells.insert(2, cells.pop(student.at("mine = 1")))
    cells.append(cells.pop(student.at(STUB)))
    newer = changed((TALK, "# New talk"))
    result = texts(student.upgraded(*newer))
    assert result == newer[:6] + ["mine = 1"] + newer[6:]


def test_a_cell_of_another_type_is_an_edited_one():
    for keep_id in (True, False):
        student = Student(*LESSON)
        old = student.book.cells[student.at(TALK)]
        new = v4.new_code_cell(TALK)
        new.id = old.id if keep_id else new.id
        student.book.cells[student.at(TALK)] = new
        newer = changed((END, "# New end"))
        result = student.upgraded(*newer)
        assert texts(result) == newer and the(result, TALK).cell_type == "code"


def test_an_answer_without_its_first_line_is_still_the_answer():
    student = Student(*LESSON)
    bare = ANSWER.partition("\n")[2]
    student.edit(STUB, bare)
    assert texts(student.upgraded(*changed((TALK, "# New talk")))) == changed((TALK, "# New talk"), (STUB, bare))
    result = student.upgraded(*changed((STUB, None)))
    assert texts(result)[-1] == bare and "does not have double" in texts(result)[-2]


def test_a_markdown_cell_that_quotes_an_exercise_is_no_answer():
    student = Student(*LESSON)
    student.add("# I write\n" + STUB, after=SETUP, kind="markdown")
    assert texts(student.upgraded(*LESSON[:-1]))[:4] == [TITLE, SETUP, "# I write\n" + STUB, TALK]


def test_equal_lesson_cells_keep_apart():
    student = Student(TITLE, SHOW, TALK, SHOW, END)
    student.book.cells[3].source = "print(7)"
    result = student.upgraded(TITLE, SHOW, TALK, SHOW, "# New end")
    assert texts(result) == [TITLE, SHOW, TALK, "print(7)", "# New end"]
    student = Student(TITLE, SHOW, TALK, SHOW, END)
    student.book.cells[3].metadata = {"tags": ["second"]}
    drop_ids(student.book)
    result = student.upgraded(TITLE, SHOW, TALK, SHOW, "# New end")
    assert "tags" not in result.cells[1].metadata and result.cells[3].metadata.tags == ["second"]


def test_a_copy_of_a_lesson_cell_is_an_added_cell():
    student = Student(*LESSON)
    student.add(SHOW, after=END)
    assert texts(student.upgraded(*LESSON[:-1], "# New end")) == [*LESSON[:-1], "# New end", SHOW]


def test_tags_and_folds_of_the_student_stay_and_so_do_other_keys_of_their_notebook():
    student = Student(*LESSON)
    student.book.cells[student.at(SETUP)].metadata = {"collapsed": True, "tags": ["mine"]}
    student.edit(STUB, ANSWER).metadata = {"jupyter": {"source_hidden": True}}
    student.book.metadata.update(kernelspec={"name": "other", "display_name": "Other"}, widgets={"state": {}})
    result = student.upgraded(*changed((TALK, "# New talk")))
    assert the(result, SETUP).metadata == {"collapsed": True, "tags": ["mine"]} and the(result, ANSWER).metadata == {"jupyter": {"source_hidden": True}}
    assert result.metadata.kernelspec.name == "python3" and result.metadata.widgets == {"state": {}}


def test_the_tags_of_the_new_edition_join_the_students():
    student = Student(*LESSON)
    student.book.cells[student.at(SETUP)].metadata = {"tags": ["mine"]}
    newer = edition(*LESSON, "# More")
    newer.cells[1].metadata = {"tags": ["nbval-ignore-output"]}
    assert the(upgrade.Merge(student.book, newer).book, SETUP).metadata.tags == ["nbval-ignore-output", "mine"]


def test_a_strange_or_taken_id_is_replaced():
    student = Student(*LESSON)
    student.add("mine = 1", after=SETUP).id = "not a valid id!"
    student.add("mine = 2", after=SETUP).id = "c" + work.fingerprint("new = 1")
    result = student.upgraded(*LESSON, "new = 1")
    assert the(result, "mine = 1").id.startswith("own-") and the(result, "new = 1").id != the(result, "mine = 2").id


# ---------------------------------------------------------------- other editors
def drop_ids(book):
    for cell in book.cells:
        del cell["id"]
    book.nbformat_minor = 4


def new_ids(book):
    for cell in book.cells:
        cell.id = v4.new_raw_cell().id


def drop_metadata(book):
    book.metadata = {}


@pytest.mark.parametrize("editor", [drop_ids, new_ids])
def test_without_our_ids_cells_are_found_by_their_text(editor):
    student = Student(*LESSON)
    student.edit(STUB, ANSWER)
    student.edit(GUESS, GUESS.replace("...", "12"))
    student.add("mine = 1", after=SHOW)
    editor(student.book)
    newer = changed((TALK, "# New talk"), (SECOND, SECOND + "\n    # more"))
    result = texts(student.upgraded(*newer))
    expected = changed((STUB, ANSWER), (GUESS, GUESS.replace("...", "12")), of=newer)
    assert result == expected[:6] + ["mine = 1"] + expected[6:]


@pytest.mark.parametrize("editor", [drop_ids, new_ids])
def test_without_our_ids_an_edited_lesson_cell_is_kept_and_the_lessons_comes_back(editor):
    student = Student(*LESSON)
    student.edit(SHOW, "print(double([7]))")
    editor(student.book)
    result = texts(student.upgraded(*LESSON, "# More"))
    assert [t for t in result if t != "print(double([7]))"] == [*LESSON, "# More"] and "print(double([7]))" in result


def test_without_our_metadata_the_ids_tell_what_is_the_students():
    student = Student(*LESSON)
    student.edit(STUB, ANSWER)
    student.edit(SHOW, "print(double([7]))")
    student.add("mine = 1", after=SETUP)
    drop_metadata(student.book)
    newer = changed((TALK, "# New talk"))
    result = texts(student.upgraded(*newer))
    assert result == [TITLE, SETUP, "mine = 1", "# New talk", GUESS, ANSWER, "print(double([7]))", SECOND, END]
    assert student.merge.told.endswith("with your 1 answer, 1 added cell, 1 edited lesson cell.")


def test_without_ids_and_metadata_nothing_is_lost():
    student = Student(*LESSON)
    student.edit(STUB, ANSWER)
    student.edit(SHOW, "print(double([7]))")
    drop_metadata(student.book), drop_ids(student.book)
    result = texts(student.upgraded(*changed((TALK, "# New talk"))))
    assert result == [TITLE, SETUP, TALK, "# New talk", GUESS, ANSWER, "print(double([7]))", SHOW, SECOND, END]


# ---------------------------------------------------------------- any edits, any editions
def random_edition(chance, texts):
    """An author's work on a lesson: cells changed, dropped, moved, new; exercises too."""
    newer = list(texts)
    for _ in range(chance.randrange(1, 5)):
        i = chance.randrange(1, len(newer))
        what = chance.choice(["change", "drop", "insert", "move"])
        if what == "change":
            newer[i] += f"\n# or {chance.randrange(10**9)}"
        elif what == "drop" and len(newer) > 4:
            del newer[i]
        elif what == "insert":
            number = chance.randrange(10**9)
            newer.insert(i, chance.choice([f"# New {number}", f"new = {number}", STUB.replace("double", f"task{number}"), GUESS.replace("sum", f"sum{number}")]))
        elif what == "move":
            newer.insert(chance.randrange(1, len(newer)), newer.pop(i))
    return newer


def random_edits(chance, book):
    """A student's work on a notebook: each kind of edit, some of them several times."""
    for _ in range(chance.randrange(1, 9)):
        i, cells, typed = chance.randrange(len(book.cells)), book.cells, f"typed = {chance.randrange(10**9)}"
        what = chance.choice(["edit", "edit", "replace", "add", "delete", "move", "split", "again", "clear", "type"])
        if what == "edit":
            cells[i].source += "\n" + typed
        elif what == "replace":
            cells[i].source = typed
        elif what == "add":
            cells.insert(i, chance.choice([v4.new_code_cell, v4.new_markdown_cell])(typed))
        elif what == "delete" and len(cells) > 3:
            del cells[i]
        elif what == "move":
            cells.insert(chance.randrange(len(cells)), cells.pop(i))
        elif what == "split" and "\n" in cells[i].source:
            first, _, cells[i].source = cells[i].source.partition("\n")
            cells.insert(i, v4.new_code_cell(first))
        elif what == "again":
            cells.insert(chance.randrange(len(cells)), v4.new_code_cell(cells[i].source + "\n" + typed))
        elif what == "clear" and cells[i].cell_type == "code":
            cells[i].outputs = []
        elif what == "type" and cells[i].cell_type == "markdown":
            cells[i] = v4.new_code_cell(cells[i].source, id=cells[i].id)
    for editor, chances in ((drop_ids, .1), (new_ids, .1), (drop_metadata, .05)):
        if chance.random() < chances:
            editor(book)


def lines(cells):
    return [line for cell in cells for line in cell.source.splitlines() if line.strip()]


@pytest.mark.parametrize("seed", range(80))
def test_whatever_is_edited_nothing_typed_is_lost_and_the_lesson_is_whole(seed):
    chance = random.Random(seed)
    of_course, notes = LESSON, []
    mine = edition(*of_course)
    for _ in range(3):
        random_edits(chance, mine)
        known = {*lines(edition(*of_course).cells), *lines(notes)}
        typed = [line for line in lines(mine.cells) if line not in known]
        of_course = random_edition(chance, of_course)
        newer = edition(*of_course)
        result = upgrade.Merge(mine, newer).book
        check(result)
        kept = lines(result.cells)
        assert [line for line in typed if line not in kept] == []
        wanted = [cell.id for cell in newer.cells]
        assert [cell.id for cell in result.cells if cell.id in wanted] == wanted and result.cells[0].id == wanted[0]
        assert result.metadata.medcrypt == newer.metadata.medcrypt
        mine, notes = result, [cell for cell in result.cells if cell.id.startswith(("note-", "end-"))]


# ---------------------------------------------------------------- files
@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one lesson that `ship` changes; the student's folder is beside it."""
    monkeypatch.setenv("MEDCRYPT_ROOT", str(tmp_path / "course"))
    monkeypatch.setenv("MEDCRYPT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "running"))
    (tmp_path / "course" / "chapters" / "01_tiny").mkdir(parents=True)
    ship(*LESSON)
    return tmp_path / "course"


def ship(*texts):
    path = Path(os.environ["MEDCRYPT_ROOT"], "chapters", "01_tiny", "1_tiny.ipynb")
    path.write_text(nbformat.writes(edition(*texts)), encoding="utf-8")
    return path


def mine(name="1_tiny.ipynb"):
    return Path(os.environ["MEDCRYPT_WORK"], "01_tiny", name)


def answer(path=None):
    """The student answers, in their copy -> its bytes."""
    book = nbformat.read(path or mine(), 4)
    next(cell for cell in book.cells if cell.id == "ex-double").source = ANSWER
    nbformat.write(book, path or mine())
    return (path or mine()).read_bytes()


@pytest.fixture
def lab(course, monkeypatch, capsys):
    """Runs `medcrypt lab` as far as the server's start -> what it prints."""
    monkeypatch.setattr(cli, "start_jupyterlab", lambda folder, notebook, *rest: print("opens", notebook) or 0)

    def run(*arguments, code=0):
        assert cli.main(["lab", *arguments]) == code
        printed = capsys.readouterr()
        return printed.out + printed.err
    return run


NEWER = changed((TALK, "# New talk"))


def test_copies_are_made_once_and_told_apart_by_edition(course):
    (path, new, older), = upgrade.copy_lessons()
    assert new and not older and path == mine() and path.read_bytes() == ship(*LESSON).read_bytes()
    before = answer()
    assert upgrade.copy_lessons() == [(mine(), False, False)] and mine().read_bytes() == before
    shipped = ship(*LESSON)
    shipped.write_text(shipped.read_text().replace("as shipped", "as shipped anew"))
    assert upgrade.copy_lessons() == [(mine(), False, False)]           # only outputs differ
    for newer in (NEWER, changed((STUB, STUB + "\n    # more"))):
        ship(*newer)
        assert upgrade.copy_lessons() == [(mine(), False, True)] and mine().read_bytes() == before
    shipped.write_text("{}")
    assert upgrade.copy_lessons() == [(mine(), False, False)]           # a course that is damaged itself


def test_a_newer_edition_comes_with_the_next_start_and_the_old_file_is_kept(lab):
    lab()
    before = answer()
    os.chmod(mine(), 0o640)
    ship(*NEWER)
    said = lab()
    kept = mine(f"1_tiny.before-{TODAY}.ipynb")
    assert f"01_tiny/1_tiny: now in the newer edition, with your 1 answer. Your old file is kept beside it: {kept.name}." in said
    assert f"opens {mine()}" in said
    assert kept.read_bytes() == before and texts(nbformat.read(mine(), 4)) == changed((STUB, ANSWER), of=NEWER)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (mine(), kept)] == [0o640, 0o640]
    after = mine().read_bytes()
    assert "newer edition" not in lab() and mine().read_bytes() == after
    assert sorted(path.name for path in mine().parent.iterdir()) == [kept.name, mine().name]


def test_a_byte_order_mark_does_no_harm(lab):
    lab()
    mine().write_bytes(b"\xef\xbb\xbf" + answer())
    ship(*NEWER)
    assert "with your 1 answer" in lab()


def test_old_files_never_overwrite_each_other_and_are_no_lessons(lab):
    lab()
    olds = []
    for number in range(3):
        olds.append(answer())
        ship(*changed((TALK, f"# Talk {number}")))
        lab()
    kept = [mine(f"1_tiny.before-{TODAY}{end}.ipynb") for end in ("", "-2", "-3")]
    assert [path.read_bytes() for path in kept] == olds and len(set(olds)) == 3
    assert lab("--list").splitlines() == ["01_tiny/1_tiny"] and "No lesson is called 'before'" in lab("before", code=1)


def test_renamed_and_copied_notebooks_are_left_alone_and_the_lesson_comes_anew(lab):
    lab()
    before = answer()
    for name in ("my_tiny.ipynb", "1_tiny-Copy1.ipynb"):
        mine(name).write_bytes(before)
    mine().unlink()
    ship(*NEWER)
    said = lab()
    assert "newer" not in said and texts(nbformat.read(mine(), 4)) == NEWER
    assert mine("my_tiny.ipynb").read_bytes() == mine("1_tiny-Copy1.ipynb").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"nbformat": 4, "cells": [1]}', b"\xff\xfe", b'{"cells": [', b"[" * 99999, b'{"nbformat": 3, "worksheets": []}',
                                     b'{"nbformat": 5, "nbformat_minor": 0, "metadata": {}, "cells": []}'], ids=lambda content: str(content[:30]))
def test_a_file_that_is_no_notebook_is_left_alone_with_a_sentence(lab, content):
    mine().parent.mkdir(parents=True)
    mine().write_bytes(content)
    said = lab()
    assert "your copy stays as it is (it is damaged, or no notebook). Rename it" in said and "Traceback" not in said
    assert mine().read_bytes() == content and len(list(mine().parent.iterdir())) == 1


def test_a_folder_or_a_broken_link_in_the_lessons_place_is_a_sentence(lab, tmp_path):
    mine().mkdir(parents=True)
    assert "your copy stays as it is (Is a directory)" in lab()
    mine().rmdir()
    mine().symlink_to(tmp_path / "nowhere")
    assert "your copy stays as it is (it cannot be found or written)" in lab() and mine().is_symlink()


def test_a_link_stays_a_link(lab, tmp_path):
    lab()
    before = answer()
    mine().rename(tmp_path / "elsewhere.ipynb")
    mine().symlink_to(tmp_path / "elsewhere.ipynb")
    ship(*NEWER)
    assert f"elsewhere.before-{TODAY}.ipynb" in lab() and mine().is_symlink()
    assert texts(nbformat.read(mine(), 4)) == changed((STUB, ANSWER), of=NEWER) and (tmp_path / f"elsewhere.before-{TODAY}.ipynb").read_bytes() == before


@pytest.mark.parametrize("broken", ["read-only file", "read-only folder", "full disk", "no exchange", "merge"])
def test_where_it_fails_the_students_file_is_as_it_was(lab, monkeypatch, broken):
    lab()
    before = answer()
    ship(*NEWER)

    def fail(*arguments):
        raise OSError(28, "No space left on device")
    if broken == "read-only file":
        monkeypatch.setattr(upgrade.os, "access", lambda path, mode: Path(path) != mine())
    elif broken == "read-only folder":
        monkeypatch.setattr("builtins.open", lambda path, mode="r", *rest, real=open, **more: fail() if mode == "xb" else real(path, mode, *rest, **more))
    else:
        place = {"full disk": (upgrade.os, "fsync"), "no exchange": (upgrade.os, "replace"), "merge": (upgrade.Merge, "_sort")}[broken]
        monkeypatch.setattr(*place, fail)
    said = lab()
    assert "01_tiny/1_tiny: the course has a newer edition, but your copy stays as it is (" in said and "Traceback" not in said
    assert mine().read_bytes() == before and len(list(mine().parent.iterdir())) == 1


def test_a_work_folder_that_cannot_be_made_is_a_sentence(lab, monkeypatch, tmp_path):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("MEDCRYPT_WORK", str(tmp_path / "a file" / "below"))
    assert "cannot be written (Not a directory). Set MEDCRYPT_WORK" in lab(code=1)


def test_a_read_only_course_puts_writable_copies_into_the_home_folder(lab, course, monkeypatch, tmp_path):
    monkeypatch.delenv("MEDCRYPT_WORK")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setattr(os, "access", lambda path, mode, real=os.access: course not in (Path(path), *Path(path).parents) and real(path, mode))      # root may write everywhere
    os.chmod(ship(*LESSON), 0o444)
    copy = tmp_path / "home" / "medcrypt-lab-work" / "01_tiny" / "1_tiny.ipynb"
    assert f"opens {copy}" in lab()
    assert copy.stat().st_mode & stat.S_IWUSR
    before = answer(copy)
    os.chmod(ship(*NEWER), 0o444)
    assert "with your 1 answer" in lab()
    assert copy.stat().st_mode & stat.S_IWUSR and copy.with_name(f"1_tiny.before-{TODAY}.ipynb").read_bytes() == before


def test_an_editor_that_drops_our_metadata_causes_no_upgrade_at_each_start(lab):
    lab()
    book = nbformat.read(mine(), 4)
    drop_metadata(book)
    nbformat.write(book, mine())
    answer()
    before = mine().read_bytes()
    assert "newer" not in lab() and mine().read_bytes() == before and len(list(mine().parent.iterdir())) == 1


# ---------------------------------------------------------------- trust, running servers
def is_trusted(path):
    return NotebookNotary().check_signature(nbformat.read(path, 4))


def test_a_merged_copy_is_trusted_if_the_old_one_was(lab):
    lab("--list")
    assert is_trusted(mine())
    ship(*NEWER)
    lab()
    assert is_trusted(mine())
    answer()                    # saved by a program that does not sign
    ship(*LESSON)
    lab()
    assert not is_trusted(mine())


@pytest.fixture
def server(tmp_path):
    """Tells Jupyter that a server of this process runs on a folder; the port is open until the test ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        def run(folder):
            (tmp_path / "running").mkdir(exist_ok=True)
            information = {"pid": os.getpid(), "hostname": "127.0.0.1", "port": listening.getsockname()[1], "root_dir": str(folder)}
            (tmp_path / "running" / "jpserver-1.json").write_text(json.dumps(information))
            return listening
        yield run


def test_under_a_running_server_only_absent_lessons_come(lab, server, tmp_path):
    lab()
    before = answer()
    ship(*NEWER)
    server(tmp_path / "work")
    other = mine().parents[1] / "02_tiny" / "1_more.ipynb"
    (Path(os.environ["MEDCRYPT_ROOT"]) / "chapters" / "02_tiny").mkdir()
    (Path(os.environ["MEDCRYPT_ROOT"]) / "chapters" / "02_tiny" / "1_more.ipynb").write_text(nbformat.writes(edition(*LESSON)))
    said = lab()
    assert "newer edition of 1_tiny. A Jupyter server is running" in said and "after that server was stopped" in said
    assert mine().read_bytes() == before and other.exists()


def test_a_server_on_another_folder_or_one_that_was_killed_does_not_hinder(lab, server, tmp_path):
    lab()
    ship(*NEWER)
    server(tmp_path)
    assert "now in the newer edition" in lab()
    ship(*LESSON)
    server(tmp_path / "work").close()
    assert "now in the newer edition" in lab()


# ---------------------------------------------------------------- with the lessons' own tools
def test_two_editions_as_the_build_makes_them(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDCRYPT_ROOT", str(tmp_path))
    chapter = tiny.make_course(tmp_path)
    page = chapter / "lessons" / "1_tiny.md"
    first, exercises = lessons.notebook(lessons.read(page))
    mine = copy.deepcopy(first)
    cells = {cell.id: cell for cell in mine.cells}
    cells["ex-double"].source = exercises[0].reference_cell
    cells["ex-greatest"].source = next(e for e in exercises if e.name == "greatest").reference_cell
    next(cell for cell in mine.cells if cell.source.startswith("doubled =")).source = "doubled = double([7])"
    mine.cells.insert(3, v4.new_code_cell("mine = 1"))
    page.write_text(page.read_text().replace("Numbers, doubled.", "Numbers, twice.").replace('```{code-cell}\n@exercise("tiny.share")\n```\n', ""))
    path = chapter / "exercises" / "double.py"
    path.write_text(path.read_text().replace("Each number of the list, doubled.", "Twice each number."))
    newer, _ = lessons.notebook(lessons.read(page))
    result = upgrade.Merge(mine, newer).book
    expected = [{"ex-double": cells["ex-double"].source, "ex-greatest": cells["ex-greatest"].source}.get(c.id, c.source) for c in newer.cells]
    expected[expected.index(next(t for t in expected if t.startswith("doubled =")))] = "doubled = double([7])"
    expected.insert(2, "mine = 1")
    got = without_notes(result)
    assert got.remove("mine = 1") is None and expected.remove("mine = 1") is None and got == expected
    assert "Twice each number." in result.cells[[c.id for c in result.cells].index("ex-double") - 1].source
    assert "tiny.share" not in json.dumps(result)


# ---------------------------------------------------------------- students' ways in a kernel
@pytest.fixture
def chapter(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDCRYPT_ROOT", str(tmp_path / "course"))
    monkeypatch.setenv("MEDCRYPT_WORK", str(tmp_path / "work"))
    monkeypatch.delenv("MEDCRYPT_PROGRESS", raising=False)
    chapter = tiny.make_course(tmp_path / "course")
    tiny.store_notebook(chapter)
    return chapter


def test_the_exercises_of_a_copied_and_renamed_notebook_count_as_the_lessons(chapter, tmp_path, monkeypatch):
    from nbclient import NotebookClient
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
    folder = tmp_path / "course" / "work" / "01_tiny"
    folder.mkdir(parents=True)
    monkeypatch.setenv("MEDCRYPT_WORK", str(folder.parent))
    monkeypatch.delenv("MEDCRYPT_ROOT")
    renamed = v4.new_notebook(cells=[v4.new_code_cell("from medcrypt_lab.exercises import exercise"), v4.new_code_cell(RIGHT)])
    nbformat.write(renamed, folder / "my tiny-Copy1.ipynb")
    NotebookClient(nbformat.read(folder / "my tiny-Copy1.ipynb", 4), timeout=60, resources={"metadata": {"path": str(folder)}}).execute()
    assert work.results() == {"tiny.double": {"solved": True, "tries": 1}}


def test_the_later_of_two_answers_is_what_the_name_means_and_nothing_solved_is_lost(book, chapter):  # noqa: F811
    assert "right" in book.run(RIGHT)
    assert "not right yet" in book.run(DOUBLE.format("[v * v for v in values]"))
    assert book.value("double([3])") == [6] and book.value("double.yours([3])") == [9]
    assert "not tried yet" in book.run(source.ExerciseText(chapter / "exercises" / "double.py").stub_cell)
    assert book.value("double([3])") == [6] and book.value("double.yours([3])") is None
    assert work.results()["tiny.double"] == {"solved": True, "tries": 2}
    assert "right" in book.run(RIGHT) and book.value("double is double.yours")


def test_an_answer_above_the_cell_of_its_helper_says_what_is_missing(book):  # noqa: F811
    card = book.run(DOUBLE.format("[helper(v) for v in values]"))
    assert "NameError: name 'helper' is not defined" in card and "imported above the function" in card and "Traceback" not in card
    book.run("def helper(v):\n    return 2 * v\n")
    assert "right" in book.run(DOUBLE.format("[helper(v) for v in values]"))
