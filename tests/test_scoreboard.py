"""Verdicts: stored with their fields, computed and not typed, gathered into a scoreboard that says what is wrong with them."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

from medcrypt_lab import cli
from medcrypt_lab.authoring import build, lessons, scoreboard
from medcrypt_lab.exercises import notebook
from medcrypt_lab.exercises.source import AuthorError
from tests import tiny
from tests.test_authoring import nbval

COURSE = Path(__file__).resolve().parents[1]
FIELDS = {"row": "A1", "metric": "success", "published": "none", "measured": "success 72%", "attack": "FGSM, white box", "outcome": "reproduced",
          "because": "It does."}
HEAD = "| row | system | outcome | measured here | lesson |\n|---|---|---|---|---|\n"


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDCRYPT_ROOT", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(COURSE))
    return tmp_path


def output(text=None, **changed):
    """A stored verdict; a field changed to None is left out."""
    fields = {name: value for name, value in {**FIELDS, **changed}.items() if value is not None}
    try:
        text = text or notebook.verdict_box(**fields)[0]
    except (TypeError, ValueError, AttributeError):
        text = "a box of an edition before this one"
    return {"output_type": "display_data", "data": {notebook.VERDICT: fields, "text/plain": text.splitlines(True), "text/html": ""}}


def store(course, name, systems, *outputs):
    """A notebook with a cell for each output."""
    path = course / "chapters" / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [{"cell_type": "markdown", "source": "A lesson"}, *({"cell_type": "code", "source": "verdict(...)", "outputs": [o]} for o in outputs)]
    path.write_text(json.dumps({"cells": cells, "metadata": {"medcrypt": {"title": "One | two", "systems": systems}}}), encoding="utf-8")


# ---------------------------------------------------------------- what is gathered
def test_sound_verdicts_are_gathered_in_the_surveys_order(course):
    store(course, "01_a/1_first", ["B10", "B2"], output(row="B10"), output(row="B2", outcome="stands under no collusion"))
    store(course, "02_b/1_second", ["A1"], output())
    store(course, "02_b/2_third", [])
    verdicts, problems = scoreboard.gather()
    assert [v["row"] for v in verdicts] == ["A1", "B2", "B10"] and problems == []
    assert verdicts[0] == {**FIELDS, "title": "One | two", "path": "chapters/02_b/1_second.ipynb"}


def test_a_course_without_notebooks_has_no_verdicts(course):
    assert scoreboard.gather() == ([], [])


PLACE = "chapters/01_a/1_first.ipynb: "
PROBLEMS = {
    "no verdict": (["A1", "A2"], [output()], 'the lesson names A2 and stores no verdict on it: end it with verdict("A2", ...), then medcrypt build 1_first'),
    "a box without fields": (["A1"], [{"output_type": "display_data", "data": {"text/plain": "Verdict A1: reproduced"}}], "the lesson names A1 and stores no verdict on it"),
    "a row the lesson does not name": (["A1"], [output(), output(row="A2")], "there is a verdict on A2, which the lesson's front matter does not name under `systems`."),
    "judged twice": (["A1"], [output(), output()], "A1 was judged already, in chapters/01_a/1_first.ipynb; a system has one verdict in the course."),
    "a field missing": (["A1"], [output(attack=None)], "the verdict on A1 lacks attack: correct it in the lesson, then medcrypt build 1_first"),
    "a field empty": (["A1"], [output(measured=" ")], "the verdict on A1 lacks measured"),
    "a field that is no text": (["A1"], [output(published=99.9)], "the verdict on A1 lacks published"),
    "unknown outcome": (["A1"], [output(outcome="fine")], "the verdict on A1 has the outcome 'fine', which is none"),
    "no assumption": (["A1"], [output(outcome="stands under ")], "the verdict on A1 has the outcome 'stands under ', which is none"),
    "unknown row": (["Z9"], [output(row="Z9")], "the verdict on Z9 is on no row of the survey's tables"),
    "another text": (["A1"], [output(text=notebook.verdict_box(**{**FIELDS, "measured": "success 99%"})[0])], "the verdict on A1 says something else in its text than in its data"),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_what_is_wrong_with_a_verdict_is_a_sentence(course, case, capsys):
    systems, outputs, said = PROBLEMS[case]
    store(course, "01_a/1_first", systems, *outputs)
    problem, = scoreboard.gather()[1]
    assert problem.startswith(PLACE + said)
    assert cli.main(["verdicts", "--check"]) == 1 and capsys.readouterr().err == problem + "\n"
    assert cli.main(["verdicts"]) == 0 and problem in capsys.readouterr().out


def test_two_lessons_judge_one_system(course):
    store(course, "01_a/1_first", ["A1"], output())
    store(course, "02_b/1_second", ["A1"], output(outcome="not reproduced"))
    verdicts, problems = scoreboard.gather()
    assert problems == ["chapters/02_b/1_second.ipynb: A1 was judged already, in chapters/01_a/1_first.ipynb; a system has one verdict in the course."]
    assert [v["outcome"] for v in verdicts] == ["reproduced"]


@pytest.mark.parametrize("content", ["{", "{}", ""])
def test_a_notebook_that_cannot_be_read_is_a_sentence(course, content):
    store(course, "01_a/1_first", ["A1"])
    (course / "chapters" / "01_a" / "1_first.ipynb").write_text(content)
    assert scoreboard.gather() == ([], [PLACE.replace(": ", " cannot be read: medcrypt build 1_first")])


# ---------------------------------------------------------------- the command
def test_the_command_prints_a_table(course, capsys):
    store(course, "01_a/1_first", ["A1", "C1"], output(), output(row="C1", outcome="stands under a fresh key", measured="AUROC 0.9"))
    assert cli.main(["verdicts"]) == 0
    assert capsys.readouterr().out == ("row  outcome                   measured here  lesson\n"
                                       "A1   reproduced                success 72%    chapters/01_a/1_first.ipynb\n"
                                       "C1   stands under a fresh key  AUROC 0.9      chapters/01_a/1_first.ipynb\n")
    assert cli.main(["verdicts", "--check", "C1"]) == 0
    assert "C1   stands" in (said := capsys.readouterr().out) and "A1" not in said
    assert cli.main(["verdicts", "--check"]) == 0 and "A1" in capsys.readouterr().out
    assert cli.main(["verdicts", "--check", "C1", "B2", "Z9"]) == 1
    assert capsys.readouterr().err == "B2 has no sound verdict.\nZ9 has no sound verdict.\n"


def test_the_command_prints_the_readmes_table(course, capsys):
    store(course, "01_a/1_first", ["A1"], output(measured="a | b"))
    assert cli.main(["verdicts", "--markdown"]) == 0
    assert capsys.readouterr().out == HEAD + r"| A1 | FGSM | reproduced | a \| b | [One \| two](chapters/01_a/1_first.ipynb) |" + "\n"


def test_the_command_needs_nothing_but_the_course(course):
    store(course, "01_a/1_first", ["A1"], output())
    code = "import sys; sys.modules.update(jupytext=None, nbval=None, pytest=None); from medcrypt_lab.cli import main; sys.exit(main(['verdicts', '--check', 'A1']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "A1   reproduced" in done.stdout, done.stderr


# ---------------------------------------------------------------- the README
def test_the_readme_gets_the_table_between_its_marks_and_keeps_all_else(course):
    readme = course / "README.md"
    assert scoreboard.stale() == []
    scoreboard.write_readme()
    assert not readme.exists()
    readme.write_text("# A course\n")
    assert scoreboard.stale() == []
    readme.write_text(f"# A course\n{scoreboard.BEGIN}\nold\n{scoreboard.END}\nThe end.\n")
    assert scoreboard.stale() == ["The scoreboard in README.md is not what the notebooks say: medcrypt build"]
    store(course, "01_a/1_first", ["A1"], output())
    scoreboard.write_readme()
    row = r"| A1 | FGSM | reproduced | success 72% | [One \| two](chapters/01_a/1_first.ipynb) |"
    assert readme.read_bytes().decode() == f"# A course\n{scoreboard.BEGIN}\n{HEAD}{row}\n{scoreboard.END}\nThe end.\n"
    assert scoreboard.stale() == []


# ---------------------------------------------------------------- computed, not typed
TYPED = ['"success 72%"', 'f"success 72%"', 'f"success {72}%"', '"success " + f"{0.72:.0%}"', "words", '"success {}".format(share)', "**fields"]
COMPUTED = ['f"success {share:.0%}"', '"success " f"{share:.0%} at " f"{4}/255"', '"success " + f"{100 * curves[at]}"', 'f"{len(found)} of 320"']


def read(course, cell):
    """The notebook of the tiny lesson with this cell in it, not executed."""
    chapter = tiny.make_course(course, lesson=tiny.LESSON.replace('print("doubled:", doubled)', cell))
    return lessons.notebook(lessons.read(chapter / "lessons" / "1_tiny.md"))


@pytest.mark.parametrize("measured", TYPED)
@pytest.mark.parametrize("name", ["verdict", "exercises.verdict"])
def test_a_typed_figure_is_refused_with_its_line(course, measured, name):
    argument = measured if measured.startswith("**") else f"measured={measured}"
    with pytest.raises(AuthorError) as error:
        read(course, f'print("doubled:", doubled)\n{name}("A1", attack=f"{{doubled}}",\n        {argument})')
    line = 27 if measured.startswith("**") else 28
    assert str(error.value) == f"{course / 'chapters/01_tiny/lessons/1_tiny.md'}:{line}: `measured` must be computed, not typed: write an f-string with the value the lesson computed."


@pytest.mark.parametrize("measured", COMPUTED)
def test_a_computed_figure_is_fine(course, measured):
    read(course, f'print("verdict", verdict)\nverdict("A1", measured={measured})')


# ---------------------------------------------------------------- from the lesson to the scoreboard
def test_a_verdict_is_stored_gathered_and_compared(course):
    cell = ('from medcrypt_lab.exercises import verdict\nverdict("A1", metric="sum", published="none", measured=f"a sum of {sum(doubled)}", '
            '\n        attack="none", outcome="reproduced", because="It adds up.")')
    lesson = tiny.LESSON.replace('print("doubled:", doubled)', cell).replace("systems: []", "systems: [A1]")
    chapter = tiny.make_course(course, lesson=lesson)
    (course / "README.md").write_text(f"{scoreboard.BEGIN}\n{scoreboard.END}\n")
    build.build(say=lambda words: None)
    assert build.stale() == []
    verdict, = scoreboard.gather()[0]
    assert (verdict["measured"], verdict["path"], verdict["title"]) == ("a sum of 12", "chapters/01_tiny/1_tiny.ipynb", "A tiny lesson")
    assert "| A1 | FGSM | reproduced | a sum of 12 | [A tiny lesson](chapters/01_tiny/1_tiny.ipynb) |" in (course / "README.md").read_text()

    solved, = build.solved(course / "solved")
    done = nbval(chapter / "1_tiny.ipynb", solved)
    assert done.returncode == 0, done.stdout[-3000:]
    for path in (chapter / "1_tiny.ipynb", solved):
        path.write_text(path.read_text().replace('"measured": "a sum of 12"', '"measured": "a sum of 13"'))
        done = nbval(path)
        assert done.returncode == 1 and notebook.VERDICT in done.stdout


def test_outside_a_notebook_a_verdict_is_text_alone(capsys):
    code = f"from medcrypt_lab.exercises import verdict; verdict(**{FIELDS!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == notebook.verdict_box(**FIELDS)[0] + "\n", done.stderr


def test_every_verdict_of_the_course_is_sound():
    verdicts, problems = scoreboard.gather()
    assert problems == [] and verdicts
