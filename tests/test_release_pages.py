"""A release as a class meets it: unpacked in a new place, started by its README's commands, run from top to bottom in a browser."""
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from medcrypt_lab.authoring import release
from tests import test_pages
from tests.test_pages import browser  # noqa: F401

LESSON = test_pages.LESSON
WAITING = "waits for the exercise"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The release of one lesson, unpacked, with the environment that `course.py` would have made there: this one's packages, the release's own code."""
    folder = tmp_path_factory.mktemp("new place")
    with zipfile.ZipFile(release.release(folder, [Path(LESSON).stem])) as archive:
        archive.extractall(folder)
    here = folder / release.FOLDER
    venv.create(here / ".venv", symlinks=True)
    for name in ("share", "etc"):           # where JupyterLab's pages and settings are
        if (Path(sys.prefix) / name).exists():
            shutil.rmtree(here / ".venv" / name, ignore_errors=True)
            (here / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    description = importlib.util.spec_from_file_location("course_of_the_release", here / "course.py")
    course = importlib.util.module_from_spec(description)
    description.loader.exec_module(course)
    environment = course.chosen_environment()
    packages = [here, sysconfig.get_paths()["purelib"], *(path for path in sys.path if path.endswith("site-packages"))]
    (environment.site_packages() / "here.pth").write_text("".join(f"{path}\n" for path in dict.fromkeys(map(str, packages))))
    course.write_record(environment, course.fingerprints("lab", course.read_lock()))
    return here


@pytest.fixture(scope="module")
def commands(unpacked):
    """The commands that the README gives, verb -> words, with the Python that is here."""
    found = re.findall(r"^```\npython3 (course\.py (\w+))\n```$", (unpacked / "README.md").read_text(encoding="utf-8"), re.M)
    assert [verb for _, verb in found] == ["lab", "doctor"]
    return {verb: [sys.executable, *words.split()] for words, verb in found}


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """The environment variables of somebody who has only the release."""
    home = tmp_path_factory.mktemp("student")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MEDCRYPT_", "JUPYTER", "IPYTHON", "PYTHON", "CONDA", "VIRTUAL_ENV"))}
    return {**kept, **{name: str(home / name.lower()) for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}}


def test_doctor_finds_the_release_whole(unpacked, commands, student):
    done = subprocess.run(commands["doctor"], cwd=unpacked, env=student, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_unsolved_it_runs_to_its_end_and_says_what_it_waits_for(browser, unpacked, commands, student, tmp_path):  # noqa: F811
    work = unpacked / "work"
    with test_pages.serving(commands["lab"], student, unpacked, work, tmp_path / "output.txt") as server:
        page = browser.new_page(viewport=test_pages.VIEWPORT)
        page.set_default_timeout(1000 * test_pages.PATIENCE)
        page.goto(server.front_door)
        test_pages.kernel_is_ready(page)
        test_pages.run_all(page, len(test_pages.code_cells(unpacked / "chapters" / LESSON)))
        test_pages.nothing_pops_up(page)
        test_pages.save(page, work / LESSON)
        test_pages.picture(page, "release")
        page.close()
    waiting = 0
    for stored, run in zip(test_pages.code_cells(unpacked / "chapters" / LESSON), test_pages.code_cells(work / LESSON)):
        assert "@exercise(" not in "".join(run["source"]) or "not tried yet" in said(run)
        assert (WAITING in said(stored)) == (WAITING in said(run)), run["source"]
        waiting += WAITING in said(run)
    assert waiting > 3


def said(cell):
    """The words of a cell's outputs."""
    return "".join("".join(output.get("data", {}).get("text/plain", output.get("text", ""))) for output in cell["outputs"])
