"""What is written of a graded class: pages, tables, plan, points by hand, likeness, deletion; and that no name breaks any of it."""
import csv
import html
import io
import json
import re
from types import SimpleNamespace

import pytest

from medcrypt_lab import cli
from medcrypt_lab.grading import grade, planning, reading, reports, sandbox, submissions
from tests.grading import common
from tests.grading.test_grade import ALL, DOUBLE, HALF, QUADRUPLE, REST, course, hand_in, run  # noqa: F401
from tests.test_pages import browser  # noqa: F401

NASTY = ["=cmd|' C'!A0", "+1", "@SUM(A1)", "-2", "Berg, Alice", 'Bo "the" X', "Ünal 🩻", "שלום עולם", "<b>Eve<", "a'b\"c&amp;", "{{ name }}", "new\nline", "x" * 200]


def rows(path):
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))


def pages(out):
    return {path.name: path.read_text(encoding="utf-8") for path in [*out.glob("feedback/*.html"), out / "class.html"]}


def files_of(out):
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name not in ("times.json", "class.html")}


def result(points=1, of=2, **more):
    return {"exercise": "tiny.double", "status": "right" if points == of else "wrong", "points": points, "of": of, "sentence": None, "misconception": None,
            "failed": None, "html": "<div>a card</div>", **more}


def results(names, format=None, **more):
    """A graded class without grading it."""
    students = {name: {"files": [[f"{name}/1_tiny.ipynb", "1_tiny", None]], "graded": True, "known_as": {}, "results": {"tiny.double": result()},
                       "lessons": {"1_tiny": 1}, "points": 1, "of": 2} for name in names}
    lesson = {"title": "A tiny lesson", "column": "A tiny lesson", "exercises": ["tiny.double"], "weights": {"tiny.double": 1}, "of": 2}
    return {"course": "0", "sandbox": True, "exercises": {"tiny.double": 2}, "lessons": {"1_tiny": lesson}, "maximum": None, "format": format,
            "students": students, "strange": [], "alike": {"rare": [], "common": []}, **more}


# ---------------------------------------------------------------- names that hurt
def test_names_hurt_no_page_and_no_table(tmp_path):
    names = [submissions.visible(name) for name in NASTY]
    told = results(names, strange=[[name, "it is a link"] for name in names], alike={"rare": [{"exercise": "tiny.double", "students": names, "answers": 9}], "common": []})
    for student in told["students"].values():
        student["results"]["tiny.double"]["override"] = {"was": 0, "reason": "=1+1 <script>"}
    for format in reports.FORMATS:
        reports.report(tmp_path, {**told, "format": format}, {})
    for name in ("grades.csv", "canvas.csv", "moodle.csv"):
        table = rows(tmp_path / name)
        assert all(len(row) == len(table[0]) for row in table)
        assert not any(cell.startswith(("=", "+", "-", "@")) for row in table for cell in row)
        assert {row[0].removeprefix("'") for row in table} >= set(names) - {"a'b\"c&amp;"}
    for name, text in pages(tmp_path).items():
        assert re.fullmatch(r"[A-Za-z0-9_-]+\.html", name) and len(name) < 60
        assert "<script" not in text and "<b>Eve" not in text and "<bdi>" in text
    everything = html.unescape(pages(tmp_path)["class.html"])
    assert all(f"<bdi>{name}</bdi>" in everything for name in names) and len(pages(tmp_path)) == len(names) + 1


def test_pages_of_who_left_the_class_go_and_other_files_stay(tmp_path):
    reports.report(tmp_path, results(["Ana", "Bo"]), {})
    (tmp_path / "feedback" / "my-homework.html").write_text("mine")
    reports.report(tmp_path, results(["Ana"]), {})
    assert sorted(path.name for path in (tmp_path / "feedback").iterdir()) == [f"{reports.stem_of('Ana')}.html", "my-homework.html"]


def test_a_page_asks_for_nothing_and_runs_nothing(tmp_path):
    reports.report(tmp_path, results(["Ana"]), {})
    for text in pages(tmp_path).values():
        assert not re.search(r"https?:|<script|<link|@import|url\(|\bsrc=(?!\"data:)", text)
        assert "default-src 'none'" in text


# ---------------------------------------------------------------- from a class
def test_the_pages_of_a_class(course, tmp_path):  # noqa: F811
    loud = common.notebook("def double(values):\n    print('my values are', values)\n    return 7", "def quadruple(values):\n    while True: pass")
    folder = hand_in(tmp_path / "class", ana=ALL, bo=HALF, loud=loud, broken=ALL[:-20])
    (folder / "notes.txt").write_text("hello")
    out = tmp_path / "out"
    run(folder, out, limits=sandbox.Limits(cpu=2, wall=4, imports=()))
    page = {name.partition("-")[0]: text for name, text in pages(out).items()}
    assert "7 of 7 points" in page["ana"] and "Doubling is adding a list to itself." in page["ana"] and "A tiny lesson" in page["ana"]
    assert "You squared the numbers" in page["bo"] and "No cell of what you handed in holds this exercise" in page["bo"] and "Hint 1 of 3" in page["bo"]
    assert "computed for too long" in page["loud"] or "within 4 seconds" in page["loud"]
    assert "my values are" not in page["loud"] and "is not shown here" in page["loud"]
    assert "it is not whole" in page["broken"] and "Nothing of this lesson was found" in page["broken"]
    told = page["class.html"]
    assert "notes.txt</bdi>: it is no notebook" in told and "broken/1_tiny.ipynb" in told and "1 student: You squared the numbers" in told
    secret = json.loads((out / "run.json").read_text())["seed"]
    for text in page.values():
        assert secret not in text and str(tmp_path) not in text and "medcrypt_lab/" not in text
    again = pages(out)
    run(folder, out)
    assert pages(out) == again


def test_without_the_sandbox_the_class_page_says_so(tmp_path):
    reports.report(tmp_path, results(["Ana"], sandbox=False), {})
    assert "Graded without the sandbox" in pages(tmp_path)["class.html"] and rows(tmp_path / "grades.csv")[1][-1] == "graded without a sandbox"


# ---------------------------------------------------------------- plan and points by hand
PLAN = 'maximum = 20\n[lessons]\n"1_tiny" = 2\n[exercises]\ntiny.double = 3\n"tiny.share" = 0\n'


def test_a_plan_counts_and_stays(course, tmp_path):  # noqa: F811
    folder, out = hand_in(tmp_path / "class", ana=ALL, bo=HALF), tmp_path / "out"
    (tmp_path / "mine.toml").write_text(PLAN)
    found = run(folder, out, plan=tmp_path / "mine.toml")
    assert found["lessons"]["1_tiny"]["weights"] == {"tiny.double": 6, "tiny.quadruple": 2, "tiny.greatest": 2, "tiny.lock": 2}
    assert [(s["points"], s["of"]) for s in found["students"].values()] == [(20, 20), (2, 20)]          # 20 of 20 weighted points; 2
    assert run(folder, out) == found
    assert "counted 6 times" in (out / "feedback" / f"{reports.stem_of('bo')}.html").read_text()
    (tmp_path / "mine.toml").write_text("[lessons]\n1_tiny = 0\n")
    assert run(folder, out, plan=tmp_path / "mine.toml")["exercises"] == {}


@pytest.mark.parametrize("text, words", [
    ("[lessons]\n1_tini = 1", "line 2, 1_tini: there is no such lesson. There are: 1_tiny."), ("[exercises]\n'tiny.dubble' = 1", "line 2, tiny.dubble: there is no such exercise"),
    ("\nmaximum = 0", "line 2, maximum: this must be more than 0"), ("[lessons]\n1_tiny = -1", "line 2, 1_tiny: a number from 0"), ("[lessons]\n1_tiny = nan", "a number from 0"),
    ("[lessons]\n1_tiny = true", "a number"), ("lesson = 1", "line 1, lesson: a plan holds"), ("lessons = 3", "line 1, lessons: this should be a table"),
    ("[columns]\n1_tiny = 3", "line 2, 1_tiny: the name of the column"), ("[lessons\n", "line 1")])
def test_a_plan_that_is_wrong_names_the_line(tmp_path, text, words):
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(ValueError) as caught:
        planning.read_plan(tmp_path / "plan.toml", ["1_tiny"], ["tiny.double"])
    assert words in str(caught.value) and "plan.toml" in str(caught.value)


def test_points_by_hand_survive(course, tmp_path):  # noqa: F811
    folder, out = hand_in(tmp_path / "class", ana=ALL, bo=HALF), tmp_path / "out"
    run(folder, out)
    by_hand = b'name;exercise;points;reason\r\nBO;tiny.double;1,5;"shown in class; =1+1"\r\nbo;tiny.share;1;on paper\r\n'
    (out / "overrides.csv").write_bytes(by_hand)
    found = run(folder, out)
    before = files_of(out)
    assert rows(out / "grades.csv")[2] == ["bo", "1.5", "1", "0", "0", "1", "3.5", "7", "tiny.double: 1.5 instead of 0, shown in class; =1+1; "
                                           "tiny.share: 1 instead of 0, on paper"]
    assert run(folder, out, regrade=["tiny.double"]) == found
    after = files_of(out)
    assert {name: data for name, data in after.items() if not name.startswith("results")} == {name: data for name, data in before.items() if not name.startswith("results")}
    assert after["overrides.csv"] == by_hand
    page = (out / "feedback" / f"{reports.stem_of('bo')}.html").read_text()
    assert "Given by your instructor, in place of 0: <bdi>on paper" in page and "<bdi>bo</bdi>, tiny.double: 1.5 instead of 0" in pages(out)["class.html"]


@pytest.mark.parametrize("line, words", [
    ("zoe,tiny.double,1,x", "line 2: no student"), ("ana,tiny.dubble,1,x", "line 2: there is no exercise 'tiny.dubble'"), ("ana,tiny.double,3,x", "from 0 to 2, not '3'"),
    ("ana,tiny.double,-1,x", "not '-1'"), ("ana,tiny.double,nan,x", "not 'nan'"), ("ana,tiny.double,1,", "say the reason"),
    ("ana,tiny.double,1,x\nANA,tiny.double,1,x", "line 3: tiny.double of ANA stands in an earlier line"), ("A-na B,tiny.double,1,x", "no student, or more than one"),
    ("ana,tiny.double", "not ''")])
def test_points_by_hand_that_fit_nobody_are_refused(tmp_path, line, words):
    (tmp_path / "overrides.csv").write_text(f"name,exercise,points,reason\n{line}\n")
    with pytest.raises(ValueError) as caught:
        planning.read_overrides(tmp_path / "overrides.csv", ["ana", "ana b", "an ab"], {"tiny.double": 2})
    assert words in str(caught.value)


def test_points_by_hand_for_what_does_not_count_are_refused(course, tmp_path):  # noqa: F811
    folder, out = hand_in(tmp_path / "class", ana=ALL), tmp_path / "out"
    out.mkdir()
    (out / "plan.toml").write_text("[exercises]\n'tiny.share' = 0\n")
    (out / "overrides.csv").write_text("name,exercise,points,reason\nana,tiny.share,1,x\n")
    with pytest.raises(grade.GradingError, match="tiny.share, which does not count"):
        run(folder, out)
    (out / "overrides.csv").write_text("who,what\n")
    with pytest.raises(grade.GradingError, match="no column `name`"):
        run(folder, out)


# ---------------------------------------------------------------- Canvas and Moodle
CANVAS = "Student,ID,SIS User ID,SIS Login ID,Section\nPoints Possible,,,,\n\"Berg, Ana\",12,s1,ana,A\n\"Ray, Bo\",13,s2,bo,B\n"
MOODLE = "First name,Last name,ID number,Email address\nAna,Berg,s1,ana@x\nBo,Ray,s2,bo@x\n"


def test_a_table_for_canvas(course, tmp_path):  # noqa: F811
    (tmp_path / "roster.csv").write_text(CANVAS)
    folder, out = hand_in(tmp_path / "class"), tmp_path / "out"
    folder.mkdir()
    (folder / "bergana_LATE_12_900_1_tiny.ipynb").write_bytes(ALL)
    run(folder, out, format="canvas", roster=tmp_path / "roster.csv")
    assert rows(out / "canvas.csv") == [["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "A tiny lesson"], ["    Points Possible", "", "", "", "", "7"],
                                        ["Berg, Ana", "12", "s1", "ana", "A", "7"], ["Ray, Bo", "13", "s2", "bo", "B", ""]]
    (out / "plan.toml").write_text("[columns]\n1_tiny = 'Homework 1 (4711)'\n")
    run(folder, out, format="canvas")           # the file's name tells Canvas's ID
    assert rows(out / "canvas.csv")[0][-1] == "Homework 1 (4711)" and rows(out / "canvas.csv")[2] == ["bergana", "12", "", "", "", "7"]


def test_a_table_for_moodle(course, tmp_path):  # noqa: F811
    (tmp_path / "roster.csv").write_text(MOODLE)
    folder, out = hand_in(tmp_path / "class", **{"Ana Berg_77_assignsubmission_file": HALF}), tmp_path / "out"
    run(folder, out, format="moodle", roster=tmp_path / "roster.csv")
    assert rows(out / "moodle.csv") == [["Full name", "First name", "Last name", "ID number", "Email address", "A tiny lesson", "A tiny lesson (feedback)"],
                                        ["Ana Berg", "Ana", "Berg", "s1", "ana@x", "1", "tiny.double: 0 of 2; tiny.quadruple: 1 of 1"],
                                        ["Bo Ray", "Bo", "Ray", "s2", "bo@x", "", ""]]
    with pytest.raises(grade.GradingError, match="Moodle would not know these students"):
        run(folder, out, format="moodle")


# ---------------------------------------------------------------- likeness
ODD = "def double(values):\n    # mine\n    out = []\n    for v in values:\n        w = v * 3\n        w = w - v\n        out.append(w)\n    return out"
COPY = 'def double(values):\n    """Another docstring."""\n\n    res = []\n    for item in values:\n        k = (item*3)  # why\n        k = k - item\n        res.append(k)\n    return res'


def test_copies_under_other_names_are_alike_and_other_answers_are_not(course, tmp_path):  # noqa: F811
    students = {"ana": ODD, "bo": COPY, "cleo": ODD.replace("w - v", "v + w"), **{f"s{n}": DOUBLE for n in range(3)}}
    found = run(hand_in(tmp_path / "class", **{name: common.notebook(text) for name, text in students.items()}), tmp_path / "out")
    assert found["alike"]["rare"] == [{"exercise": "tiny.double", "students": ["ana", "bo"], "answers": 6}]
    assert [(group["groups"], group["why"]) for group in found["alike"]["common"]] == [([3], "a short one")]
    assert "2 of 6 answers: <bdi>ana</bdi>, <bdi>bo</bdi>" in pages(tmp_path / "out")["class.html"]


def test_an_answer_that_many_have_is_natural():
    id, cell = "gradient_attacks.fgsm", common.solved("gradient_attacks.fgsm")
    known = reading.plan(common.notebook(cell), {id: {"functions": ["fgsm"], "stubs": {}}})["exercises"][id]["tree"]

    def alike(count, tree):
        found = reports.alike({f"s{n}": SimpleNamespace(results={id: {"status": "right", "tree": tree}}) for n in range(count)}, [id])
        return found["common"][0]["why"] if found["common"] else found["rare"][0]["students"]
    assert alike(3, ["ab" * 32, 1000]) == ["s0", "s1", "s2"] and "many have" in alike(4, ["ab" * 32, 1000])
    assert alike(2, ["ab" * 32, 3]) == "a short one" and alike(2, known) == "one of the answers that the course itself knows"


@pytest.mark.parametrize("text", ["def f(a):\n    return " + "-" * 5000 + "a", "def f(a):\n    return 0x" + "f" * 9000, "def f(a):\n    return '\ud800'"],
                         ids=["deep", "long_number", "half_a_character"])
def test_no_text_breaks_the_comparison(text):
    with_tree = reading.plan(common.notebook(text), {"x.f": {"functions": ["f"], "stubs": {"f": "def f(a):\n    ..."}}})["exercises"]
    assert all(found["tree"] is None or len(found["tree"][0]) == 64 for found in with_tree.values())


# ---------------------------------------------------------------- deletion
def test_nothing_of_a_deleted_student_is_left(course, tmp_path, capsys):  # noqa: F811
    name = "Zofia Zych"
    folder = hand_in(tmp_path / "class", ana=common.notebook(ODD, QUADRUPLE), **{name: common.notebook(COPY, REST[0]), "bo": ALL})
    (folder / name / "zofia_zych.txt").write_text("x")
    (folder / name / "1_tiny copy.ipynb").write_bytes(ALL[:-9])
    out = tmp_path / "out"
    out.mkdir()
    (out / "overrides.csv").write_text(f"name,exercise,points,reason\n{name},tiny.double,1,x\nana,tiny.double,0,copied\n")
    (tmp_path / "roster.csv").write_text(f"name,id\nana,1\nbo,2\n{name},3\n")
    run(folder, out, roster=tmp_path / "roster.csv", format="canvas")
    before = {path for path in folder.rglob("*")}

    def traces():
        return [path for path in out.rglob("*") for word in ("zofia", "zych") if word in path.name.lower() or path.is_file() and word in path.read_text("utf-8").lower()]
    assert len(traces()) > 5
    assert cli.main(["grade", "--delete", "zofia zych", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "no longer in grades.csv, class.html, results.json, canvas.csv" in said and "1 of 2 lines of overrides.csv" in said and "What was handed in" in said
    assert not traces() and before == {path for path in folder.rglob("*")}
    assert [row[0] for row in rows(out / "grades.csv")] == ["student", "ana", "bo"] and rows(out / "grades.csv")[1][1] == "0"
    assert json.loads((out / "results.json").read_text())["alike"]["rare"] == []
    assert cli.main(["grade", "--delete", name, "--out", str(out)]) == 1
    assert "Nothing is stored of a student called 'Zofia Zych'" in capsys.readouterr().err


def test_a_student_of_an_interrupted_run_is_deleted_too(tmp_path):
    (tmp_path / "results").mkdir()
    grade.Kept(tmp_path / "results", "Ana").add("submission", "x")
    assert "is removed" in reports.delete(tmp_path, "Ana")[0] and not list((tmp_path / "results").iterdir())


# ---------------------------------------------------------------- in a browser
def test_pages_fit_a_phone(tmp_path, browser):  # noqa: F811
    long = result(html='<div><pre>' + "x" * 300 + '</pre><code>' + "y" * 300 + '</code><table><tr><td><img alt="a" src="data:image/gif;base64,'
                  'R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==" style="width:112px"></td><td>b</td></tr></table></div>')
    told = results(["Ana", "x" * 200, "Ray, Bo"], strange=[["y" * 200, "it is no notebook"]])
    told["students"]["Ana"]["results"]["tiny.double"] = long
    reports.report(tmp_path, told, {})
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
        page, said = context.new_page(), []
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        for path in [*tmp_path.glob("feedback/*.html"), tmp_path / "class.html"]:
            page.goto(path.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
            back = page.evaluate("getComputedStyle(document.documentElement).backgroundColor, getComputedStyle(document.body).color")
            assert back == ("rgb(0, 0, 0)" if scheme == "light" else "rgb(255, 255, 255)")
        page.set_viewport_size({"width": 718, "height": 1000})          # A4 between margins
        page.emulate_media(media="print")
        assert page.evaluate("document.documentElement.scrollWidth") <= 718 and page.pdf(format="A4").startswith(b"%PDF")
        assert not said
        context.close()
