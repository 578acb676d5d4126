"""Grading a class from the command line on: what is found, kept, resumed, written; and the grader's own faults."""
import csv
import dataclasses
import io
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from medcrypt_lab import cli
from medcrypt_lab.exercises import files
from medcrypt_lab.exercises.source import ExerciseText
from medcrypt_lab.grading import grade, sandbox, submissions
from tests import tiny
from tests.grading import common

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10
DOUBLE = "def double(values):\n    return [2 * v for v in values]"
QUADRUPLE = "def quadruple(values):\n    return double(double(values))"
REST = ["def greatest(a, b):\n    while b:\n        a, b = b, a % b\n    return a", "def share(right, wrong):\n    return right / (right + wrong)",
        "def lock(data, key):\n    return bytes(b ^ key for b in data) + bytes([len(data) % 256])",
        "def unlock(locked, key):\n    if not locked or locked[-1] != (len(locked) - 1) % 256:\n        return None\n    return bytes(b ^ key for b in locked[:-1])"]
ALL = common.notebook(DOUBLE, QUADRUPLE, *REST)
HALF = common.notebook(DOUBLE.replace("2 * v", "v ** 2"), QUADRUPLE)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """The tiny course as the one that is graded."""
    common.needs_sandbox()
    monkeypatch.setenv("MEDCRYPT_ROOT", str(tmp_path / "course"))
    chapter = tiny.make_course(tmp_path / "course")
    store(chapter)
    return chapter


def store(chapter):
    """As tiny.store_notebook, with the stubs' cells."""
    ids = [f"tiny.{name}" for name in ("double", "quadruple", "greatest", "lock", "share")]
    cells = [{"cell_type": "code", "source": f'@exercise("{id}")\ndef f(): ...'} for id in ids]
    (chapter / "1_tiny.ipynb").write_text(json.dumps({"cells": cells, "metadata": {"medcrypt": {"title": "A tiny lesson"}}}), encoding="utf-8")


def hand_in(folder, **students):
    for name, data in students.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "1_tiny.ipynb").write_bytes(data)
    return folder


def run(folder, out, **settings):
    return grade.run(folder, out, **{"workers": 1, "limits": common.WITHOUT_TORCH, "say": print, **settings})


def marks(results):
    return {name: student["points"] for name, student in results["students"].items()}


def rows(out):
    return list(csv.reader(io.StringIO((out / "grades.csv").read_bytes().decode("utf-8-sig"))))


def test_a_class_from_the_command_line(course, tmp_path, capsys):
    folder = hand_in(tmp_path / "class", alice=ALL, bob=HALF)
    (folder / "notes.txt").write_text("hello")
    assert cli.main(["grade", str(folder), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "Not graded: notes.txt: it is no notebook." in said and "2 of 2" in said
    assert rows(tmp_path / "out") == [["student", "tiny.double", "tiny.quadruple", "tiny.greatest", "tiny.lock", "tiny.share", "total", "of", "remarks"],
                                      ["alice", "2", "1", "1", "2", "1", "7", "7", ""], ["bob", "0", "1", "0", "0", "0", "1", "7", ""]]
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert "You squared the numbers" in results["students"]["bob"]["results"]["tiny.double"]["sentence"]
    assert str(json.loads((tmp_path / "out" / "run.json").read_text())["seed"]) not in json.dumps(results)


def test_a_failed_earlier_exercise_is_lent_and_a_right_one_is_their_own(course, tmp_path):
    extra = common.notebook(DOUBLE.replace("values)", "values, twice=False)").replace("2 * v", "(4 if twice else 2) * v"),
                            "def quadruple(values):\n    return double(values, twice=True)")
    results = run(hand_in(tmp_path / "class", lent=HALF, own=extra, alone=common.notebook(QUADRUPLE)), tmp_path / "out")
    assert {name: student["results"]["tiny.quadruple"]["points"] for name, student in results["students"].items()} == {"lent": 1, "own": 1, "alone": 1}


def test_names_that_hurt_tables(course, tmp_path):
    names = ["=cmd|' C'!A0", "+1", "@SUM(A1)", "a,b", 'say "x"', "Ünal 🩻", "שלום עולם", "new\nline", "-2"]
    results = run(hand_in(tmp_path / "class", **dict.fromkeys(names, HALF)), tmp_path / "out")
    table = rows(tmp_path / "out")
    assert {row[0] for row in table[1:]} == {"'=cmd|' C'!A0", "'+1", "'@SUM(A1)", "a,b", 'say "x"', "Ünal 🩻", "שלום עולם", "newline", "'-2"}
    assert all(len(row) == len(table[0]) and row[-3] == "1" for row in table[1:]) and len(results["students"]) == len(names)


def test_what_was_graded_stays_until_it_changes(course, tmp_path):
    folder, out = hand_in(tmp_path / "class", alice=ALL, bob=HALF), tmp_path / "out"
    first = run(folder, out)
    said = []
    assert run(folder, out, say=said.append) == first and not said
    hand_in(folder, bob=ALL)
    assert marks(run(folder, out, say=said.append)) == {"alice": 7, "bob": 7} and len(said) == 1
    (course / "exercises" / "double.py").write_text(tiny.EXERCISES["double"].lstrip().replace("points=2, got", "points=1, got")
                                                    .replace("points, minutes, difficulty = 2", "points, minutes, difficulty = 1"))
    assert marks(run(folder, out, regrade=["tiny.double"], student="ALICE")) == {"alice": 6, "bob": 7}
    assert marks(run(folder, out, regrade=["tiny.double"])) == {"alice": 6, "bob": 6}
    with pytest.raises(grade.GradingError, match="no exercise tiny.triple"):
        run(folder, out, regrade=["tiny.triple"])
    with pytest.raises(grade.GradingError, match="No student is called 'zoe'"):
        run(folder, out, student="zoe")


def test_files_that_are_none_cost_themselves_alone(course, tmp_path):
    folder = hand_in(tmp_path / "class", broken=ALL[:-20], empty=b"", nested=b'{"cells":' + b"[" * 10**6, bob=ALL)
    book = json.loads(ALL)
    book["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * (100 << 20)}]
    hand_in(folder, large=json.dumps(book).encode())
    with zipfile.ZipFile(folder / "zipped.zip", "w") as out:
        out.writestr("work/1_tiny.ipynb", ALL)
        out.writestr("../bob/1_tiny.ipynb", HALF)
    (folder / "broken" / "1_tiny copy.ipynb").write_bytes(HALF)
    results = run(folder, tmp_path / "out")
    assert marks(results) == {"bob": 7, "broken": 1, "empty": 0, "large": 7, "nested": 0, "zipped": 7}
    assert {label for label, _ in results["strange"]} == {"broken/1_tiny.ipynb", "empty/1_tiny.ipynb", "nested/1_tiny.ipynb", "zipped.zip/../bob/1_tiny.ipynb"}
    assert all("1_tiny.ipynb: it is" in row[-1] for row in rows(tmp_path / "out") if row[0] in ("broken", "empty", "nested"))


def test_copies_in_two_files(course, tmp_path):
    folder = hand_in(tmp_path / "class", alice=HALF)
    (folder / "alice" / "1_tiny-1.ipynb").write_bytes(ALL)
    (folder / "alice" / "9_untouched 1_tiny.ipynb").write_bytes(common.notebook('@exercise("tiny.double")\ndef double(values):\n    """X."""\n    ...'))
    results = run(folder, tmp_path / "out")["students"]["alice"]["results"]
    assert results["tiny.double"]["points"] == 2 and any("2 copies of your answer" in note and "1_tiny-1.ipynb" in note for note in results["tiny.double"]["notes"])


def test_a_roster_lists_who_handed_in_nothing(course, tmp_path):
    (tmp_path / "roster.csv").write_text("name\nAlice\nZoe\n")
    run(hand_in(tmp_path / "class", alice=ALL), tmp_path / "out", roster=tmp_path / "roster.csv")
    assert [row[0] for row in rows(tmp_path / "out")[1:]] == ["Alice", "Zoe"] and rows(tmp_path / "out")[2][-1] == "nothing handed in"


# ---------------------------------------------------------------- the grader's own faults
def test_a_grader_that_fails_its_own_answers_grades_nobody(course, tmp_path, capsys):
    path = course / "exercises" / "double.py"
    path.write_text(path.read_text().replace("return secret_of_the_reference", "return values"))
    assert cli.main(["grade", str(hand_in(tmp_path / "class", alice=ALL)), "--out", str(tmp_path / "out")]) == 1
    assert "The grader is broken" in capsys.readouterr().err and not (tmp_path / "out" / "grades.csv").exists()


def test_an_exercise_that_cannot_be_loaded_stops_the_run_with_its_own_words(course, tmp_path):
    path = course / "exercises" / "double.py"
    path.write_text(path.read_text() + "\nraise RuntimeError('no such picture')\n")
    with pytest.raises(RuntimeError, match="no such picture"):
        run(hand_in(tmp_path / "class", alice=ALL), tmp_path / "out")


def test_a_seed_on_which_the_right_answer_fails_is_drawn_again(course, tmp_path, monkeypatch):
    monkeypatch.setattr(grade, "DRAWS", 40)
    path = course / "exercises" / "double.py"
    path.write_text(path.read_text().replace("    got = answer(values)\n", "    got = answer(values)\n    suspect(random.random() < .7, 'Bad luck.')\n"))
    assert marks(run(hand_in(tmp_path / "class", alice=ALL), tmp_path / "out")) == {"alice": 7}


@pytest.mark.parametrize("check, words", [("os.kill(os.getpid(), 9)", "could not bear"), ("[0 for _ in iter(int, 1)]", "did not come to an end"),
                                          ("bytearray(1 << 40)", "could not read"), ("1 / 0", "could not read")])
def test_a_check_that_a_result_breaks_costs_one_exercise(course, tmp_path, monkeypatch, check, words):
    monkeypatch.setattr(grade, "CHECK_WITHIN", -8)
    path = course / "exercises" / "double.py"
    path.write_text(path.read_text().replace("    got = answer(values)\n", f"    got = answer(values)\n    import os\n    got == 'poison' and {check}\n"))
    poison = common.notebook("def double(values):\n    return 'poison'", QUADRUPLE, *REST)
    results = run(hand_in(tmp_path / "class", alice=ALL, mallory=poison, zoe=ALL), tmp_path / "out")
    assert marks(results) == {"alice": 7, "mallory": 5, "zoe": 7}
    assert words in results["students"]["mallory"]["results"]["tiny.double"]["sentence"]


def test_a_submission_that_stalls_everywhere_takes_no_longer_than_is_stated(course, tmp_path, monkeypatch):
    monkeypatch.setattr(grade, "CHECK_WITHIN", 1)
    monkeypatch.setattr(grade, "SILENT", 5)
    limits = dataclasses.replace(common.WITHOUT_TORCH, wall=2, submission=5)
    names = ("double", "quadruple", "greatest", "share", "lock", "unlock")
    stalling = common.notebook("import time", *(f"def {name}(a, b=0):\n    time.sleep(99)" for name in names))
    run(hand_in(tmp_path / "class", alice=ALL), tmp_path / "out")           # a stalling submission after this one costs nobody a proof
    began = time.monotonic()
    results = run(hand_in(tmp_path / "class", mallory=stalling), tmp_path / "out", limits=limits)
    start = 10                  # of the grader itself, and the proof
    assert time.monotonic() - began < grade.longest(limits) + start
    assert marks(results) == {"alice": 7, "mallory": 0}
    said = [result["sentence"] for result in results["students"]["mallory"]["results"].values()]
    assert "within 2 seconds" in said[0] and said[-1] == "What stands above it in this submission took 0.083 minutes: it was not run." and len(said) == 5
    file = submissions.Handed("1_tiny.ipynb", tmp_path / "class" / "alice" / "1_tiny.ipynb")
    with sandbox.Worker(limits) as worker:
        assert list(grade.graded(worker, [file], {}, {}, until=0)) == [("begin", file.label), ("file", [file.label, None, "the files before it took 0.083 minutes"])]


def test_memory_stays_flat(course, tmp_path):
    """Of the grader and of its grading process, over 200 submissions."""
    folder, used = hand_in(tmp_path / "class", **{f"student{n}": [common.notebook(DOUBLE), HALF][n % 2] for n in range(200)}), []

    def look(_):
        processes = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
        used.append(sum(int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{number}/status").read_text())[1]) for number in processes))

    run(folder, tmp_path / "out", say=look)
    assert len(used) == 200
    assert statistics.median(used[150:]) - statistics.median(used[50:100]) < 4 << 10, "kB, of two processes"


def test_two_workers_are_faster_than_one(tmp_path, request):
    if not request.config.getoption("--all"):
        pytest.skip("slow: in `test --all`")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core")
    common.needs_sandbox()
    ids = [f"gradient_attacks.{name}" for name in ("fgsm", "targeted_fgsm", "robust_accuracy", "attack_pixels")]
    lesson = common.notebook(*(ExerciseText(files.find(id)).answer_cell(None) for id in ids))
    folder = common.hand_in(tmp_path / "class", **{f"student{n}": lesson for n in range(60)})

    def seconds(workers):
        """From the first submission to the last: starting up does not count."""
        moments = []
        grade.run(folder, tmp_path / f"out{workers}", workers=workers, say=lambda _: moments.append(time.monotonic()))
        return moments[-1] - moments[0]

    assert seconds(1) > 1.3 * seconds(2)


def test_a_release_grades_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDCRYPT_ROOT", str(tmp_path))
    with pytest.raises(grade.GradingError, match="no reference answers"):
        run(tmp_path, tmp_path / "out")


def test_without_a_sandbox_it_refuses_and_says_why(course, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sandbox, "why_not", lambda: "bwrap: No permissions to create a new namespace")
    folder = hand_in(tmp_path / "class", alice=ALL)
    assert cli.main(["grade", str(folder), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "No permissions to create a new namespace" in said and "--unsafe" in said
    assert cli.main(["grade", str(folder), "--out", str(tmp_path / "out"), "--unsafe", "--workers", "1"]) == 0
    assert rows(tmp_path / "out")[1] == ["alice", "2", "1", "1", "2", "1", "7", "7", "graded without a sandbox"]
    assert json.loads((tmp_path / "out" / "results.json").read_text())["sandbox"] is False


def test_killed_at_any_moment_it_goes_on_to_the_same_table(course, tmp_path):
    folder = hand_in(tmp_path / "class", **{f"student{n}": [ALL, HALF, common.notebook(QUADRUPLE, *REST[n % 3:])][n % 3] for n in range(60)})
    run(folder, tmp_path / "whole")
    out, stream, killed = tmp_path / "out", random.Random(3), 0
    out.mkdir()
    shutil.copy(tmp_path / "whole" / "run.json", out)

    def kept():
        return sum(path.read_bytes().count(b'"result"') for path in out.glob("results/*.jsonl"))

    command = [sys.executable, "-c", "import pathlib, sys; from medcrypt_lab.grading import grade; from tests.grading import common; "
               "grade.run(*map(pathlib.Path, sys.argv[1:]), workers=1, limits=common.WITHOUT_TORCH)", str(folder), str(out)]
    for _ in range(KILLS):
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, start_new_session=True)
        began, deadline = kept(), time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline and kept() <= began:
            time.sleep(0.01)
        time.sleep(stream.random() * 0.2)
        if process.poll() is None:
            killed += 1
            process.kill()
        process.wait()
    assert killed == KILLS
    path = next((out / "results").glob("*.jsonl"))
    path.write_bytes(path.read_bytes()[:-7])           # as a crash of the machine may leave it
    run(folder, out)
    for name in ("grades.csv", "results.json", *(f"feedback/{path.name}" for path in (tmp_path / "whole" / "feedback").iterdir())):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
