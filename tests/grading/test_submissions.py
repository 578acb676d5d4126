"""Finding what a class handed in: layouts, archives made to hurt, rosters."""
import io
import os
import stat
import struct
import zipfile

import pytest

from medcrypt_lab.grading import reading, submissions
from tests.grading import common

STEMS = ["1_fgsm", "2_bim_and_pgd", "1_how_this_course_works"]
BOOK = common.notebook("x = 1")


def put(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(BOOK)
    return folder


def archive(path, entries, **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **settings) as out:
        for name, data in entries:
            out.writestr(name, data)
    return path


def students(folder, roster=None):
    found = submissions.find(folder, STEMS, roster)
    return {name: [handed.label for handed in files] for name, files in found.students.items()}


@pytest.mark.parametrize("path, student", [
    ("alice/1_fgsm.ipynb", "alice"),
    ("alice/work/02_gradient_attacks/1_fgsm.ipynb", "alice"),
    ("alice_1_fgsm.ipynb", "alice"),
    ("alice-1_fgsm.ipynb", "alice"),
    ("1_fgsm_alice.ipynb", "alice"),
    ("alice_b_2_bim_and_pgd (1).ipynb", "alice_b"),
    ("alice_3_1_fgsm.ipynb", "alice_3"),
    ("alice.ipynb", "alice"),
    ("Ana Núñez/renamed by me.ipynb", "Ana Núñez"),
    ("Alice van Berg_1234567_assignsubmission_file_/1_fgsm.ipynb", "Alice van Berg"),
    ("Alice van Berg_1234567_assignsubmission_file_1_fgsm.ipynb", "Alice van Berg"),
    ("Alice van Berg_1234567_assignsubmission_file/1_fgsm.ipynb", "Alice van Berg"),
    ("alice b Alice van Berg_77_assignsubmission_file/deeper/1_fgsm.ipynb", "alice b Alice van Berg"),
    ("Participant 12_345_assignsubmission_file_/1_fgsm.ipynb", "Participant 12"),
    ("FGSM/Alice van Berg_1234567_assignsubmission_file_/1_fgsm.ipynb", "Alice van Berg"),
    ("bergalice_12345_67890_1_fgsm.ipynb", "bergalice"),
    ("bergalice_LATE_12345_67890_1_fgsm-1.ipynb", "bergalice"),
    ("bergalice_12345_67890_my homework.ipynb", "bergalice"),
    ("anon_x1Y2z_67890_1_fgsm.ipynb", "anon_x1Y2z"),
    ("LATE_anon_x1Y2z_67890_1_fgsm.ipynb", "anon_x1Y2z"),
    ("=cmd|x, \"y\"/1_fgsm.ipynb", "=cmd|x, \"y\""),
    ("evil\u202egnp/1_fgsm.ipynb", "evilgnp"),
    ("alice/1_fgsm.py", "alice")])
def test_layouts(tmp_path, path, student):
    put(tmp_path, path, "zoe/1_fgsm.ipynb")
    assert set(students(tmp_path)) == {student, "zoe"}


def test_what_cannot_be_matched_is_listed(tmp_path):
    put(tmp_path, "1_fgsm.ipynb", "02_gradient_attacks/1_fgsm.ipynb", "alice/1_fgsm.ipynb", "alice/photo.png", "alice/.ipynb_checkpoints/1_fgsm.ipynb")
    os.symlink("/etc/passwd", tmp_path / "alice" / "2_bim_and_pgd.ipynb")
    os.symlink(tmp_path / "alice", tmp_path / "bob")
    os.mkfifo(tmp_path / "alice" / "pipe.ipynb")
    found = submissions.find(tmp_path, STEMS)
    assert list(found.students) == ["alice"] and len(found.students["alice"]) == 1
    assert {label for label, _ in found.strange} == {"1_fgsm.ipynb", "02_gradient_attacks/1_fgsm.ipynb", "alice/photo.png", "alice/2_bim_and_pgd.ipynb", "bob",
                                                     "alice/pipe.ipynb"}


def test_one_folder_around_all_is_looked_through(tmp_path):
    put(tmp_path / "a", "class/alice/1_fgsm.ipynb", "class/bob/1_fgsm.ipynb")
    assert set(students(tmp_path / "a")) == {"alice", "bob"}
    archive(tmp_path / "b" / "download.zip", [("alice/1_fgsm.ipynb", BOOK), ("bob/1_fgsm.ipynb", BOOK)])
    assert set(students(tmp_path / "b")) == {"alice", "bob"}
    put(tmp_path / "c", "alice/02_gradient_attacks/1_fgsm.ipynb", "alice/02_gradient_attacks/2_bim_and_pgd.ipynb")
    assert set(students(tmp_path / "c")) == {"alice"}


def test_several_lessons_and_natural_order(tmp_path):
    put(tmp_path, *(f"alice/1_fgsm-{n}.ipynb" for n in (10, 9, 1)), "bob_1_fgsm.ipynb", "bob_2_bim_and_pgd.ipynb")
    found = students(tmp_path)
    assert found["alice"] == [f"alice/1_fgsm-{n}.ipynb" for n in (1, 9, 10)] and len(found["bob"]) == 2


def test_two_people_of_one_name_stay_two(tmp_path):
    put(tmp_path, "Anna Smith_11_assignsubmission_file_/1_fgsm.ipynb", "Anna Smith_12_assignsubmission_file_/1_fgsm.ipynb",
        "smithanna_7_1_1_fgsm.ipynb", "smithanna_8_2_1_fgsm.ipynb")
    assert set(students(tmp_path)) == {"Anna Smith (11)", "Anna Smith (12)", "smithanna (7)", "smithanna (8)"}


def test_one_person_in_two_moodle_downloads_is_one(tmp_path):
    archive(tmp_path / "FGSM.zip", [("Anna Smith_11_assignsubmission_file_/1_fgsm.ipynb", BOOK), ("Bo_12_assignsubmission_file_/1_fgsm.ipynb", BOOK)])
    archive(tmp_path / "PGD.zip", [("Anna Smith_21_assignsubmission_file_/2_bim_and_pgd.ipynb", BOOK)])
    assert {name: len(files) for name, files in submissions.find(tmp_path, STEMS).students.items()} == {"Anna Smith": 2, "Bo": 1}


def test_archives_inside(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as out:
        out.writestr("work/1_fgsm.ipynb", BOOK)
    archive(tmp_path / "alice.zip", [("my.zip", inner.getvalue()), ("2_bim_and_pgd.ipynb", BOOK)])
    found = submissions.find(tmp_path, STEMS)
    assert [submissions.read(handed) for handed in found.students["alice"]] == [BOOK, BOOK]


def link(name, target):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target


@pytest.mark.parametrize("entries, why", [
    ([("../../bob/1_fgsm.ipynb", BOOK)], "out of the archive"), ([("/etc/1_fgsm.ipynb", BOOK)], "out of the archive"),
    ([("..\\bob\\1_fgsm.ipynb", BOOK)], "out of the archive"), ([("C:/1_fgsm.ipynb", BOOK)], "out of the archive"),
    ([link("1_fgsm.ipynb", "/etc/passwd")], "link"), ([(f"{n}.ipynb", b"") for n in range(5001)], "more than any"),
    ([("1_fgsm.ipynb", b"\0" * (450 << 20))], "more than any")], ids=["slip", "absolute", "backslash", "drive", "link", "many", "bomb"])
def test_archives_made_to_hurt(tmp_path, entries, why):
    archive(tmp_path / "mallory.zip", entries)
    put(tmp_path, "zoe/1_fgsm.ipynb")
    found = submissions.find(tmp_path, STEMS)
    assert list(found.students) == ["zoe"] and why in found.strange[0][1]


def test_damaged_archives(tmp_path):
    put(tmp_path, "zoe/1_fgsm.ipynb")
    whole = archive(tmp_path / "whole.zip", [("1_fgsm.ipynb", os.urandom(3000))]).read_bytes()
    (tmp_path / "whole.zip").unlink()
    pieces = {"empty": b"", "text": b"not an archive", "cut": whole[:-30], "no_start": whole[2000:], "long_list": whole[:-22 + 12] + struct.pack("<I", 3 << 20) + whole[-6:],
              "locked": whole.replace(b"PK\1\2" + whole[whole.find(b"PK\1\2") + 4:][:4] + b"\0\0", b"PK\1\2" + whole[whole.find(b"PK\1\2") + 4:][:4] + b"\1\0")}
    for name, data in pieces.items():
        (tmp_path / f"{name}.zip").write_bytes(data)
    found = submissions.find(tmp_path, STEMS)
    assert {label.split("/")[0].removesuffix(".zip") for label, _ in found.strange} >= set(pieces) - set(found.students)
    changed = bytearray(whole)
    changed[40:60] = bytes(20)
    (tmp_path / "changed.zip").write_bytes(changed)
    for handed in submissions.find(tmp_path, STEMS).students.get("changed", []):
        with pytest.raises(Exception):
            submissions.read(handed)


def test_an_entry_that_claims_too_little_gives_no_more(tmp_path):
    path = archive(tmp_path / "liar.zip", [("1_fgsm.ipynb", b"\0" * (1 << 20))])
    data = path.read_bytes().replace(struct.pack("<I", 1 << 20), struct.pack("<I", 10))
    path.write_bytes(data)
    put(tmp_path, "zoe/1_fgsm.ipynb")
    handed, = submissions.find(tmp_path, STEMS).students["liar"]
    with pytest.raises(zipfile.BadZipFile):
        submissions.read(handed)


MOODLE = "First name,Last name,ID number,Email address\nAlice,van Berg,s1,alice@x\nBob,Ray,s2,bob@x\nCarla,Diaz,s3,c@x\n"
CANVAS = "Student,ID,SIS User ID,SIS Login ID,Section\nPoints Possible,,,,\n\"van Berg, Alice\",12345,s1,aberg,A\n\"Ray, Bob\",12346,s2,bray,A\n"


@pytest.mark.parametrize("text, names", [(MOODLE, ["Alice van Berg", "Bob Ray", "Carla Diaz"]), (CANVAS, ["van Berg, Alice", "Ray, Bob"]),
                                         ("name\nAlice van Berg\n", ["Alice van Berg"]), ("\ufeffname;id\nAlice van Berg;s1\n", ["Alice van Berg"])])
def test_a_roster(tmp_path, text, names):
    (tmp_path / "roster.csv").write_text(text, encoding="utf-8")
    roster = submissions.read_roster(tmp_path / "roster.csv")
    put(tmp_path / "class", "vanbergalice_12345_67890_1_fgsm.ipynb", "Alice van Berg_77_assignsubmission_file_/2_bim_and_pgd.ipynb", "stranger/1_fgsm.ipynb")
    found = submissions.find(tmp_path / "class", STEMS, roster)
    assert len(found.students[names[0]]) == 2 and set(found.students) == {*names, "stranger"}
    assert any(label == "stranger" and "roster" in why for label, why in found.strange)


def test_two_people_of_one_name_on_a_roster_are_told_by_their_ids(tmp_path):
    (tmp_path / "roster.csv").write_text("name,id\nAnna Smith,s1\nAnna Smith,s2\n")
    roster = submissions.read_roster(tmp_path / "roster.csv")
    put(tmp_path / "class", "s2/1_fgsm.ipynb", "Anna Smith/1_fgsm.ipynb")
    found = submissions.find(tmp_path / "class", STEMS, roster)
    assert {name: len(files) for name, files in found.students.items()} == {"Anna Smith": 1, "Anna Smith (s1)": 0, "Anna Smith (s2)": 1}
    assert found.known_as["Anna Smith (s2)"] == {"name": "Anna Smith", "id": "s2"} and any(label == "Anna Smith" for label, _ in found.strange)


def test_a_roster_without_names_says_so(tmp_path):
    (tmp_path / "roster.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no column `name`"):
        submissions.read_roster(tmp_path / "roster.csv")


# ---------------------------------------------------------------- notebooks
WANTED = {"x.fgsm": {"functions": ["fgsm"], "stubs": {"fgsm": "def fgsm(a):\n    ...  # your code here"}}}


@pytest.mark.parametrize("data", [
    common.notebook("def fgsm(a):\n    return a"),
    b"\xef\xbb\xbf" + common.notebook("def fgsm(a):\n    return a", colab={"provenance": []}),
    b'{"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["def fgsm(a):\\n", "    return a"]}]}]}',
    b"#!/usr/bin/env python\n# coding: utf-8\n\n# In[1]:\n\nimport torch\n\n# In[ ]:\n\n@exercise('x.fgsm')\ndef fgsm(a):\n    return a\n",
    b'# -*- coding: utf-8 -*-\n"""1_fgsm.ipynb\n\nAutomatically generated by Colab.\n"""\n\n!pip install torch\n\ndef fgsm(a):\n    return a\n',
    b"# %% [markdown]\n# # FGSM\n# %%\ndef fgsm(a):\n    return a\n"], ids=["plain", "colab", "version_3", "nbconvert", "colab_script", "vs_code"])
def test_an_exercise_is_found_in(data):
    found = reading.plan(data, WANTED)["exercises"]["x.fgsm"]
    assert found["copies"] == 1 and found["functions"] == {"fgsm": "fgsm"} and not found["stubs"]


@pytest.mark.parametrize("data, why", [(b"", "no notebook"), (b"\xff\xfe", "UTF-8"), (b'{"cells": [', "not whole"), (b"{}", "no notebook"), (b"[1]", "no notebook"),
                                       (b'{"cells": 7}', "no notebook"), (b'{"cells": [{"cell_type": "code", "source": 7}]}', "no notebook"),
                                       (b'{"cells":' + b"[" * 100_000, "no notebook"), (b"PNG picture", "no notebook")])
def test_what_is_no_notebook_says_why(data, why):
    assert why in reading.plan(data, WANTED)["error"]


def test_only_what_the_function_reaches_is_chosen():
    cells = ["import torch, matplotlib\nfrom os import path, sep", "big = make_much()\nused = torch.ones(1)", "def helper(a):\n    return a + used",
             "plot(big)\nfor i in range(3):\n    pass", "@exercise('x.fgsm')\ndef fgsm(a):\n    return helper(a), sep", "fgsm(big)"]
    found = reading.plan(common.notebook(*cells), WANTED)["exercises"]["x.fgsm"]
    assert found["statements"] == [[1, 0, ["torch"]], [1, 1, ["sep"]], [2, 1, []], [3, 0, []], [5, 0, []]]
    assert found["named"]
