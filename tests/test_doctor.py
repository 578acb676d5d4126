"""medcrypt doctor: each illness is named where it is and not where it is not, and what is mended is well afterwards."""
import contextlib
import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest

from medcrypt_lab import cli, doctor
from medcrypt_lab.doctor import ILL, REMARK, WELL

REPOSITORY = Path(__file__).resolve().parent.parent
SITE = Path(pytest.__file__).resolve().parents[1]           # where the packages of this environment are
posix = pytest.mark.skipif(os.name != "posix", reason="stand-ins for programs are shell scripts")


# ---------------------------------------------------------------- a small course, packages and programs of our own
@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of which only the lock, pyproject.toml and the lessons are there."""
    folder = tmp_path / "course"
    (folder / "chapters" / "02_gradient_attacks").mkdir(parents=True)
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    monkeypatch.setenv("MEDCRYPT_ROOT", str(folder))
    monkeypatch.setenv("MEDCRYPT_WORK", str(tmp_path / "work"))
    return folder


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that Python searches for packages before all others."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The folder that is taken for this Python's environment."""
    folder = tmp_path / "environment"
    folder.mkdir()
    monkeypatch.setattr(sys, "prefix", str(folder))
    return folder


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """The only folder on the PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A fresh environment without any package, not even pip."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(folder)
    return folder


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    """An environment whose packages are those of this one, but that has no files for Jupyter."""
    return link_environment(tmp_path_factory.mktemp("linked") / "venv", SITE, REPOSITORY)


def link_environment(folder, *where):
    """A new environment that finds its packages in these folders."""
    venv.create(folder)
    program = "import sysconfig; print(sysconfig.get_path('purelib'))"
    Path(subprocess.check_output([python_of(folder), "-c", program], text=True).strip(), "linked.pth").write_text("\n".join(map(str, where)) + "\n")
    return folder


def python_of(environment):
    return str(environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def write_lock(course, course_part, optional="", test=""):
    (course / "requirements.lock").write_text(f"# --- course ---\n{course_part}\n# --- optional ---\n{optional}\n# --- test ---\n{test}\n")


def put_package(site, name, version):
    """Install a package, as far as Python can see."""
    information = site / f"{name.replace('-', '_')}-{version}.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return information


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def put_program(folder, name, script):
    program = write(folder / name, f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def seen(check, *arguments):
    """[(level, what)] of a check."""
    return [(finding.level, finding.what) for finding in check(*arguments)]


def only(check, *arguments):
    """The single finding of a check."""
    (finding,) = check(*arguments)
    return finding


def printed_by(environment, **variables):
    """Run the doctor in another environment, without what this one tells its programs -> (exit code, what was printed)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "MEDCRYPT_", "PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run([python_of(environment), "-m", "medcrypt_lab", "doctor"], capture_output=True, cwd=tempfile.gettempdir(), timeout=60,
                          env={**kept, "PYTHONPATH": str(REPOSITORY), **variables})
    assert b"Traceback" not in done.stdout + done.stderr, done.stderr.decode()
    return done.returncode, done.stdout.decode("utf-8")


# ---------------------------------------------------------------- the whole
def test_without_any_package_it_starts_and_names_what_is_missing(bare, tmp_path):
    home = tmp_path / "homes" / "clara.mueller"
    home.mkdir(parents=True)
    began = time.monotonic()
    code, printed = printed_by(bare, HOME=str(home), USERPROFILE=str(home), MEDCRYPT_WORK=str(home / "work"))
    assert time.monotonic() - began < 10
    assert code == 1
    lines = printed.splitlines()
    assert "MedCrypt Lab 0." in lines[0] and f"Python {sys.version_info.major}." in lines[0] and "packages: missing: anyio" in printed
    assert "send all these lines" in lines[-1] and lines[-1].startswith(f"Wrong: {sum(line.startswith(ILL) for line in lines)}.")
    assert f"go to {Path('~', 'work')}" in printed and "clara" not in printed


def test_a_home_folder_becomes_a_tilde_and_others_stay(monkeypatch, capsys):
    monkeypatch.setenv("HOME", "/home/al")
    monkeypatch.setenv("USERPROFILE", "/home/al")
    doctor.say("/home/al/work, /home/al. /home/alice /home/al-2")
    monkeypatch.setenv("HOME", "/")
    monkeypatch.setenv("USERPROFILE", "/")
    doctor.say("/srv/.venv")
    assert capsys.readouterr().out == "~/work, ~. /home/alice /home/al-2\n/srv/.venv\n"


def test_exit_code_and_sum_follow_what_was_found(monkeypatch, capsys):
    findings = []
    monkeypatch.setattr(doctor, "CHECKS", {"a thing": lambda: findings, "another": lambda: []})
    assert cli.main(["doctor"]) == 0
    assert "✓ a thing: fine" in (out := capsys.readouterr().out) and "Wrong: nothing. Remarks: none." in out
    findings.append(doctor.Finding(REMARK, "odd"))
    assert cli.main(["doctor"]) == 0
    assert "! a thing: odd\n✓ another" in (out := capsys.readouterr().out) and "Wrong: nothing. Remarks: 1." in out
    findings.append(doctor.Finding(ILL, "broken", "Glue it."))
    assert cli.main(["doctor"]) == 1
    assert "✗ a thing: broken\n  → Glue it.\n" in (out := capsys.readouterr().out) and "Wrong: 1. Remarks: 1." in out


def test_a_check_that_fails_is_a_finding_and_the_others_go_on(monkeypatch, capsys):
    def failing():
        yield doctor.Finding(WELL, "as yet")
        raise RuntimeError("no such luck")

    monkeypatch.setattr(doctor, "CHECKS", {"a thing": failing, "another": lambda: []})
    assert doctor.run() == 1
    assert "✗ a thing: could not be checked: RuntimeError: no such luck\n✓ another: fine" in capsys.readouterr().out


def test_nothing_is_mended_unless_asked_for(monkeypatch, capsys):
    broken = ["it"]
    mend = lambda: broken.clear() or "Glued."
    monkeypatch.setattr(doctor, "CHECKS", {"a thing": lambda: [doctor.Finding(ILL, "broken", "Glue it.", mend)] if broken else []})
    assert doctor.run() == 1 and broken
    assert doctor.run(mend=True) == 0 and not broken
    assert "✗ a thing: broken\n  → Glued.\n✓ a thing: fine" in capsys.readouterr().out


def test_signs_survive_a_file_that_cannot_hold_them(bare):
    """On Windows what goes into a file is not UTF-8."""
    assert "✓ data: fine" in printed_by(bare, PYTHONIOENCODING="cp1252")[1]


def test_course_py_runs_it_where_the_installation_was_interrupted(tmp_path):
    course = tmp_path / "course"
    shutil.copytree(REPOSITORY / "medcrypt_lab", course / "medcrypt_lab", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("course.py", "pyproject.toml", "requirements.lock"):
        shutil.copy(REPOSITORY / name, course)
    venv.create(course / ".venv")
    write(course / ".venv" / "made-by-course.py")
    done = subprocess.run([sys.executable, str(course / "course.py"), "doctor"], capture_output=True, text=True, encoding="utf-8", timeout=60)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "The installation was interrupted: `python3 course.py lab` goes on with it." in done.stdout
    assert not (course / ".venv" / "install.log").exists()
    for words in ([], ["--help"]):
        assert "doctor" in subprocess.check_output([sys.executable, str(course / "course.py"), *words], text=True)


# ---------------------------------------------------------------- Python and packages
@pytest.mark.parametrize(("version", "levels", "words"), [
    ((3, 10, 4), [ILL], "too old"), ((3, 11, 0), [], ""), ((3, 13, 9), [], ""), ((3, 14, 0), [REMARK], "not tried")])
def test_python_too_old_or_too_new_is_named(monkeypatch, version, levels, words):
    with monkeypatch.context() as other:
        other.setattr(sys, "version_info", version)
        findings = list(doctor.python())
    assert [finding.level for finding in findings] == levels
    assert all(words in finding.what for finding in findings)


def test_missing_packages_and_other_versions_are_told_apart(course, site, environment):
    write_lock(course, "tiny-one==1.0\ntiny-two==2.0\ntiny-three==3.0\ntiny-never==1.0 ; sys_platform == 'never'", "tiny-four==4.0", "tiny-five==5.0")
    put_package(site, "tiny-one", "1.0+cpu")
    put_package(site, "Tiny_Two", "1.5")
    half = put_package(site, "tiny-three", "3.0")
    (half / "METADATA").unlink()                        # as an interrupted installation leaves it
    if importlib.util.find_spec("importlib_metadata"):
        import importlib_metadata                       # noqa: F401 - once imported it finds packages in Python's place
    missing, other, optional, test, right = doctor.packages()
    assert (missing.level, missing.what) == (ILL, "missing: tiny-three (the course needs them)") and "tiny-three==3.0" in missing.remedy
    assert (other.level, other.what) == (ILL, "other versions than the lock's: tiny-two 1.5, not 2.0") and "tiny-two==2.0" in other.remedy
    assert optional.level == REMARK and "tiny-four" in optional.what and "tiny-four==4.0" in optional.remedy and not optional.mend
    assert test.level == REMARK and "tiny-five (only authors" in test.what and not test.mend
    assert (right.level, right.what) == (WELL, "1 as the lock says")


def test_packages_as_the_lock_says_are_well_and_a_wrong_test_package_is_not(course, site, environment):
    write_lock(course, "tiny-one==1.0", test="tiny-five==5.0")
    put_package(site, "tiny-one", "1.0")
    five = put_package(site, "tiny-five", "5.0")
    assert seen(doctor.packages) == [(WELL, "2 as the lock says")]
    (five / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-five\nVersion: 4.0\n")
    assert seen(doctor.packages)[0] == (ILL, "other versions than the lock's: tiny-five 4.0, not 5.0")


def test_the_real_lock_is_read_as_pip_reads_it(monkeypatch):
    from packaging.requirements import Requirement
    lines = [line for line in (REPOSITORY / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")]
    here = {r.name: str(r.specifier) for r in map(Requirement, lines) if not r.marker or r.marker.evaluate()}
    assert {name: "==" + version for part in doctor.pins().values() for name, version in part.items()} == here


@pytest.fixture
def stand_in_for_pip(site, monkeypatch):
    """`python -m pip` notes down its arguments and makes the packages appear."""
    write(site / "pip" / "__init__.py")
    write(site / "pip" / "__main__.py", f"""
import pathlib, shutil, sys
site = pathlib.Path({str(site)!r})
(site / "calls.txt").open("a").write(" ".join(sys.argv[1:]) + "\\n")
for name, version in (word.split("==") for word in sys.argv if "==" in word):
    for old in site.glob(name + "-*.dist-info"):
        shutil.rmtree(old)
    new = site / (name + "-" + version + ".dist-info")
    new.mkdir(exist_ok=True)
    (new / "METADATA").write_text("Metadata-Version: 2.1\\nName: " + name + "\\nVersion: " + version + "\\n")
""")
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setattr(doctor, "CHECKS", {"packages": doctor.packages})
    return site / "calls.txt"


def test_mend_installs_what_the_course_lacks_but_never_torch(course, site, environment, stand_in_for_pip, capsys):
    write_lock(course, "tinyone==1.0\ntinytwo==2.0\ntorch==99.0", "tinyfour==4.0")
    put_package(site, "tinytwo", "1.5")
    assert doctor.run(mend=True) == 1
    assert [line.split()[-1] for line in stand_in_for_pip.read_text().splitlines()] == ["tinyone==1.0", "tinytwo==2.0"]
    assert all("install --no-deps " in line for line in stand_in_for_pip.read_text().splitlines())
    printed = capsys.readouterr().out
    assert "pip installed tinyone==1.0." in printed and "missing: tinyone" not in printed.split("pip installed tinytwo==2.0.")[1]
    assert "-m pip install torch==99.0`" in printed.split("pip installed tinytwo==2.0.")[1]
    put_package(site, "torch", "99.0")
    assert doctor.run() == 0


def test_pip_that_fails_is_one_sentence(course, environment, monkeypatch, capsys):
    write_lock(course, "no-such-package==1.0")
    monkeypatch.setattr(doctor, "CHECKS", {"packages": doctor.packages})
    for name, value in {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    assert doctor.run(mend=True) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "could not" in line]
    assert "pip could not install no-such-package==1.0. Is there a network?" in line and "No matching distribution found" in line


def test_an_environment_that_is_not_ours_is_left_alone(course, environment, monkeypatch):
    write_lock(course, "no-such-package==1.0")
    assert only(doctor.packages).mend
    monkeypatch.setattr(sys, "base_prefix", sys.prefix)
    finding = only(doctor.packages)
    assert not finding.mend and "`python3 course.py lab` makes an environment" in finding.remedy


@pytest.mark.parametrize(("record", "complete"), [(None, False), ({"installed": {}}, False), ({"installed": {"course": "1"}}, True)])
def test_an_interrupted_installation_is_left_to_course_py(course, environment, record, complete):
    write_lock(course, "no-such-package==1.0")
    write(environment / "made-by-course.py")
    if record:
        write(environment / "course.json", json.dumps(record))
    finding = only(doctor.packages)
    assert ("interrupted" in finding.remedy) is not complete and bool(finding.mend) is complete


def test_in_conda_torchattacks_is_mended_and_versions_may_differ(course, site, tmp_path, stand_in_for_pip, monkeypatch, capsys):
    conda = tmp_path / "medcrypt-lab"
    (conda / "conda-meta").mkdir(parents=True)
    for name in ("prefix", "base_prefix"):
        monkeypatch.setattr(sys, name, str(conda))
    write_lock(course, "numpy==2.4.6\nrequests==2.34.2\ntorchattacks==99.1\nonly-in-the-lock==1.0")
    put_package(site, "numpy", "2.9.0")
    put_package(site, "requests", "2.40.0")
    (finding, well) = doctor.packages()
    assert "missing: torchattacks " in finding.what if not doctor.installed("torchattacks") else "torchattacks" in finding.what
    assert well.what == "2 as pyproject.toml allows, chosen by conda"
    assert doctor.run(mend=True) == 0
    assert stand_in_for_pip.read_text().split()[-1] == "torchattacks==99.1" and "--no-deps" in stand_in_for_pip.read_text()


def test_in_conda_what_torchattacks_dragged_back_is_named(course, site, tmp_path, monkeypatch):
    conda = tmp_path / "medcrypt-lab"
    (conda / "conda-meta").mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(conda))
    write_lock(course, "requests==2.34.2")
    put_package(site, "requests", "2.25.1")
    finding = only(doctor.packages)
    assert (finding.level, finding.what) == (ILL, "other versions than the lock's: requests 2.25.1, not 2.34.2") and finding.mend


def test_torch_that_cannot_be_loaded_is_named(site, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(site))
    put_package(site, "torch", "2.13.0")
    write(site / "torch.py", "raise ImportError('libcudart.so.13: cannot open shared object file')")
    finding = only(doctor.pytorch)
    assert finding.level == ILL and "libcudart.so.13" in finding.what and "--force-reinstall torch==" in finding.remedy
    write(site / "torch.py", "class ones:\n    def __init__(self, n): pass\n    def sum(self): pass")
    assert seen(doctor.pytorch) == []


def test_torch_that_is_missing_is_not_installed_by_two_remedies(site, monkeypatch):
    monkeypatch.setattr(doctor, "installed", lambda name: None)
    monkeypatch.setenv("PYTHONPATH", str(site))
    write(site / "torch.py", "raise ModuleNotFoundError('No module named torch')")
    assert (only(doctor.pytorch).level, only(doctor.pytorch).remedy) == (ILL, "")


def test_a_file_beside_us_is_not_taken_for_torch(site, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(site))
    write(site / "torch.py", "class ones:\n    def __init__(self, n): pass\n    def sum(self): pass")
    write(tmp_path / "here" / "torch.py", "raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path / "here")
    assert seen(doctor.pytorch) == []


# ---------------------------------------------------------------- Crypto
@pytest.fixture
def pycryptodome(course, site):
    write_lock(course, "pycryptodome==3.23.0")
    put_package(site, "pycryptodome", "3.23.0")
    return write(site / "Crypto" / "__init__.py")


def test_crypto_of_pycryptodome_is_well(pycryptodome):
    assert seen(doctor.crypto) == []


@pytest.mark.parametrize("rival", ["pycrypto", "crypto"])
def test_a_rival_package_is_named_with_the_commands(pycryptodome, site, rival):
    put_package(site, rival, "2.6.1")
    finding = only(doctor.crypto)
    assert finding.level == ILL and f"there is {rival}," in finding.what
    assert f"-m pip uninstall -y {rival}`, then" in finding.remedy and "--force-reinstall --no-deps pycryptodome==3.23.0" in finding.remedy


@pytest.mark.parametrize("name", ["Crypto/__init__.py", "Crypto.py"])
def test_a_stray_folder_on_the_path_is_named(pycryptodome, tmp_path, monkeypatch, name):
    stray = write(tmp_path / "stray" / name)
    monkeypatch.syspath_prepend(tmp_path / "stray")
    finding = only(doctor.crypto)
    assert finding.level == ILL and f"finds {stray}" in finding.what and finding.remedy == f"Rename {stray}."


@pytest.mark.parametrize("place", ["Crypto.py", "06_encryption/Crypto.py", "06_encryption/Crypto/__init__.py"])
def test_a_stray_file_beside_the_students_lessons_is_named(pycryptodome, tmp_path, place):
    stray = write(tmp_path / "work" / place)
    finding = only(doctor.crypto)
    assert finding.level == ILL and str(stray) in finding.what and "Rename" in finding.remedy
    shutil.rmtree(tmp_path / "work")
    assert seen(doctor.crypto) == []


def test_files_in_a_folder_called_crypto_are_named(pycryptodome):
    """pip put them there because on a disk that ignores case that folder, of another package, was there before."""
    pycryptodome.parent.rename(pycryptodome.parents[1] / "crypto")
    finding = only(doctor.crypto)
    assert finding.level == ILL and "`import Crypto` finds" in finding.what and str(pycryptodome) in finding.what


# ---------------------------------------------------------------- Jupyter
def look(environment, check, **variables):
    """[(level, what, remedy)] of a check made in another environment."""
    program = f"import json; from medcrypt_lab import doctor; print(json.dumps([f[:3] for f in doctor.{check}()]))"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHON"))}
    kept.update(JUPYTER_PREFER_ENV_PATH="1", MEDCRYPT_ROOT=str(REPOSITORY), **variables)
    return json.loads(subprocess.check_output([python_of(environment), "-c", program], env=kept, text=True))


def test_the_servers_extension_is_missed_found_and_found_to_be_off(linked, tmp_path):
    nobody = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("DATA", "CONFIG")}
    ((level, what, remedy),) = look(linked, "widgets", **nobody)
    assert level == ILL and f"the server's environment {linked} lacks @jupyter-widgets" in what and "jupyterlab-widgets==3" in remedy
    write(linked / "share/jupyter/labextensions" / doctor.EXTENSION / "package.json", "{}")
    assert look(linked, "widgets", **nobody) == []
    settings = linked / "etc/jupyter/labconfig/page_config.json"
    for off in ({doctor.EXTENSION: True}, [doctor.EXTENSION]):
        write(settings, json.dumps({"disabledExtensions": off}))
        ((level, what, remedy),) = look(linked, "widgets", **nobody)
        assert level == ILL and f"switched off for the server, in {settings}" in what and "labextension enable" in remedy
    for on in ({doctor.EXTENSION: False}, ["another"]):
        write(settings, json.dumps({"disabledExtensions": on}))
        assert look(linked, "widgets", **nobody) == []


@pytest.fixture
def kernelspec(tmp_path, monkeypatch):
    """Put a kernel python3 before the environment's own, as one that another course left."""
    def put(program):
        spec = {"argv": [program, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "Python 3", "language": "python"}
        write(tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json", json.dumps(spec))
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
        return tmp_path / "jupyter" / "kernels" / "python3"
    return put


def test_the_kernel_of_this_environment_is_well(kernelspec, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    assert seen(doctor.kernel) == []
    kernelspec("python")                # which Jupyter takes for the server's own
    assert seen(doctor.kernel) == []


def test_a_kernel_whose_environment_lacks_the_widgets_is_named(kernelspec, bare, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    where = kernelspec(python_of(bare))
    finding = only(doctor.kernel)
    assert finding.level == ILL and finding.what == f"the kernel's environment {bare} lacks ipykernel, ipywidgets, torch, medcrypt_lab"
    assert f"{where} says so: remove that folder" in finding.remedy and f"{sys.executable} -m ipykernel install" in finding.remedy


def test_a_kernel_in_another_complete_environment_is_a_remark(kernelspec, linked):
    kernelspec(python_of(linked))
    finding = only(doctor.kernel)
    assert finding.level == REMARK and f"another environment, {linked}" in finding.what


@posix
def test_a_kernel_that_greets_is_understood(kernelspec, bare, tmp_path):
    kernelspec(str(put_program(tmp_path, "python-with-a-greeting", f"echo Hello.; exec '{python_of(bare)}' \"$@\"")))
    assert only(doctor.kernel).what.startswith(f"the kernel's environment {bare} lacks ")


def test_a_kernel_whose_python_is_gone_is_named(kernelspec, tmp_path):
    kernelspec(str(tmp_path / "gone" / "python"))
    finding = only(doctor.kernel)
    assert finding.level == ILL and f"starts {tmp_path / 'gone' / 'python'}, which does not answer" in finding.what and "No such file" in finding.what


def test_the_environments_own_kernel_without_a_package_is_named(tmp_path):
    """The course's own package is not installed where server and kernel run: only the doctor knows where it is."""
    environment = link_environment(tmp_path / "venv", SITE)
    program = f"import sys; sys.path.append({str(REPOSITORY)!r}); import json; from medcrypt_lab import doctor; " \
              "print(json.dumps([f[:3] for f in doctor.kernel()]))"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHON"))}
    printed = subprocess.check_output([python_of(environment), "-c", program], env={**kept, "JUPYTER_PREFER_ENV_PATH": "1"}, text=True)
    ((level, what, remedy),) = json.loads(printed)
    assert (level, what) == (ILL, f"the kernel's environment {environment} lacks medcrypt_lab") and "course.py lab" in remedy


# ---------------------------------------------------------------- the machine
GB = 10 ** 9


def put_machine(folder, available, groups):
    """The files in which Linux tells what memory is free. groups: folder -> {file: content}; the first line of /proc/self/cgroup is ''."""
    write(folder / "proc/meminfo", f"MemTotal: 64000000 kB\nMemFree: 100 kB\nMemAvailable:   {available // 1024} kB\n")
    write(folder / "proc/self/cgroup", groups.pop("", "0::/\n"))
    for group, contents in groups.items():
        for name, content in contents.items():
            write(folder / "sys/fs/cgroup" / group / name, f"{content}\n")
    return folder


def second_kind(limit, used, cache=0):
    return {"memory.max": limit, "memory.current": used, "memory.stat": f"anon 5\ninactive_file {cache}"}


def first_kind(limit, used, cache=0):
    return {"memory.limit_in_bytes": limit, "memory.usage_in_bytes": used, "memory.stat": f"inactive_file 0\ntotal_inactive_file {cache}"}


@pytest.mark.parametrize(("available", "groups", "free"), [
    (12 * GB, {}, "12.0"),
    (GB, {}, "1.0"),
    (12 * GB, {"": "0::/user/me\n", "user/me": second_kind("max", GB)}, "12.0"),
    (12 * GB, {"": "0::/user/me\n", "user/me": second_kind(4 * GB, 3 * GB)}, "1.0"),
    (12 * GB, {"": "0::/user/me\n", "user/me": second_kind(4 * GB, 3 * GB, 2 * GB)}, "3.0"),                     # most of it is given back on demand
    (12 * GB, {"": "0::/user/me\n", "user": second_kind(4 * GB, 3 * GB), "user/me": second_kind("max", 2 * GB)}, "1.0"),
    (12 * GB, {".": second_kind(4 * GB, 3 * GB)}, "1.0"),                     # a container sees its own group as the first
    (12 * GB, {"": "5:cpu:/\n4:memory:/docker/a\n0::/\n", "memory/docker/a": first_kind(4 * GB, 3 * GB)}, "1.0"),
    (12 * GB, {"": "4:memory:/docker/a\n", "memory": first_kind(4 * GB, 3 * GB, GB // 2)}, "1.5"),
    (12 * GB, {"": "4:memory:/a\n", "memory/a": first_kind(9223372036854771712, 3 * GB)}, "12.0"),
])
def test_free_memory_is_what_the_narrowest_limit_leaves(tmp_path, available, groups, free):
    finding = only(doctor.memory, put_machine(tmp_path, available, dict(groups)))
    assert finding.what.startswith(f"{free} GB are free")
    assert finding.level == (REMARK if float(free) < 2 else WELL) and bool(finding.remedy) is (float(free) < 2)


def test_memory_of_this_machine_can_be_told():
    assert float(only(doctor.memory).what.split()[0]) > 0


@pytest.fixture
def open_folder():
    """A folder that everybody can reach, and we act as an ordinary user: root may write anywhere."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    is_root = os.geteuid() == 0
    if is_root and not hasattr(os, "setresuid"):
        pytest.skip("root cannot act as another user here")
    if is_root:
        os.setresuid(65534, 65534, 0)
    yield folder
    if is_root:
        os.setresuid(0, 0, 0)
    with contextlib.suppress(FileNotFoundError):
        (folder / "closed").chmod(0o777)
    shutil.rmtree(folder)


@posix
def test_a_work_folder_that_cannot_be_written_is_named(course, open_folder, monkeypatch):
    (open_folder / "closed").mkdir()
    for inside in ("closed", "closed/deeper/work"):
        monkeypatch.setenv("MEDCRYPT_WORK", str(open_folder / inside))
        monkeypatch.setenv("JUPYTER_DATA_DIR", str(open_folder / "data"))
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(open_folder / "runtime"))
        (open_folder / "closed").chmod(0o777)
        assert [level for level, _ in seen(doctor.folders)] == [WELL]
        (open_folder / "closed").chmod(0o555)
        finding = only(doctor.folders)
        assert finding.level == ILL and f"your work folder {open_folder / inside} cannot be written (Permission denied)" in finding.what
        assert finding.remedy == "Set MEDCRYPT_WORK to a folder of yours."


@posix
def test_a_course_folder_that_is_read_only_is_well(course, open_folder, monkeypatch):
    (open_folder / "closed" / "chapters").mkdir(parents=True)
    (open_folder / "closed").chmod(0o555)
    monkeypatch.setenv("MEDCRYPT_ROOT", str(open_folder / "closed"))
    monkeypatch.delenv("MEDCRYPT_WORK")
    monkeypatch.setenv("HOME", str(open_folder))
    finding = only(doctor.folders)
    assert finding.level == WELL
    where = open_folder / "medcrypt-lab-work"
    assert finding.what == f"your copies of the lessons go to {where}; the course's own folder is read-only, which does no harm"


def test_jupyters_folders_are_remarks(course, tmp_path, monkeypatch):
    file = write(tmp_path / "a file")
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "fine"))
    assert [level for level, _ in seen(doctor.folders)] == [WELL]
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(file / "jupyter"))
    well, *others = doctor.folders()
    assert well.level == WELL and [finding.level for finding in others] == [REMARK, REMARK]
    assert "Set JUPYTER_DATA_DIR" in others[0].remedy and "Set JUPYTER_RUNTIME_DIR" in others[1].remedy


@posix
def test_temporary_files_that_cannot_be_written_are_named(bare, tmp_path):
    """No folder that Python tries can be written: those of the system are hidden from it."""
    program = "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/dev/null/nowhere']; " \
              "from medcrypt_lab import doctor; print([f.what for f in doctor.folders()])"
    printed = subprocess.check_output([python_of(bare), "-c", program], text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY),
                                                                                     "MEDCRYPT_WORK": str(tmp_path)})
    assert "the folder for temporary files cannot be written" in printed and "/dev/null/nowhere" in printed


def test_a_full_disk_is_a_remark(course, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: SimpleNamespace(free=GB // 5))
    levels = seen(doctor.folders)
    assert levels[-1][0] == REMARK and "has only 0.2 GB free" in levels[-1][1]
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10 * GB))
    assert [level for level, _ in seen(doctor.folders)] == [WELL]


@posix
def test_a_browser_that_is_missing_is_a_remark(programs, site, monkeypatch):
    monkeypatch.delenv("MEDCRYPT_CHROMIUM", raising=False)
    monkeypatch.setitem(sys.modules, "playwright", None)
    finding = only(doctor.browser)
    assert finding.level == REMARK and "only authors" in finding.what
    assert "Python's playwright" in finding.what and "none of chromium," in finding.what
    monkeypatch.delitem(sys.modules, "playwright")
    write(site / "playwright.py")
    assert "playwright" not in only(doctor.browser).what
    put_program(programs, "google-chrome", "")
    assert seen(doctor.browser) == []
    (programs / "google-chrome").unlink()
    monkeypatch.setenv("MEDCRYPT_CHROMIUM", "/opt/my/browser")
    assert seen(doctor.browser) == []


def test_the_doctor_looks_for_the_browsers_that_the_tests_look_for():
    from tests.test_pages import BROWSERS
    assert list(doctor.BROWSERS) == BROWSERS


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bubblewrap is for Linux")


@linux
def test_bubblewrap_that_is_missing_or_starts(programs, tmp_path):
    finding = only(doctor.sandbox, tmp_path)
    assert finding.level == REMARK and "not installed" in finding.what and "only instructors" in finding.what
    assert "apt install bubblewrap" in finding.remedy
    put_program(programs, "bwrap", "exit 0")
    assert seen(doctor.sandbox, tmp_path) == []


@linux
@pytest.mark.parametrize(("file", "content", "cause", "remedy"), [
    ("proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone is 0", "kernel.unprivileged_userns_clone=1"),
    ("proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces is 0", "user.max_user_namespaces=15000"),
    ("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns is 1", "AppArmor profile"),
    (".dockerenv", "", "this is a container", "seccomp=unconfined"),
    ("run/.containerenv", "", "this is a container", "seccomp=unconfined")])
def test_bubblewrap_that_cannot_start_is_explained(programs, tmp_path, file, content, cause, remedy):
    put_program(programs, "bwrap", "echo 'bwrap: No permissions to create a new namespace' >&2; exit 1")
    assert only(doctor.sandbox, tmp_path).what.endswith("cannot start: bwrap: No permissions to create a new namespace")
    put_program(programs, "bwrap", "echo 'bwrap: Unknown option --disable-userns' >&2; exit 1")
    assert "older than version 0.8" in only(doctor.sandbox, tmp_path).what
    put_program(programs, "bwrap", "echo 'bwrap: No permissions to create a new namespace' >&2; exit 1")
    write(tmp_path / file, f"{content}\n")
    finding = only(doctor.sandbox, tmp_path)
    assert finding.level == REMARK and "No permissions" in finding.what and finding.what.endswith(cause) and remedy in finding.remedy
    if content:
        write(tmp_path / file, f"{1 - int(content)}\n")
        assert cause not in only(doctor.sandbox, tmp_path).what


@linux
def test_what_is_said_of_this_machines_bubblewrap_is_true():
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    starts = subprocess.run(["bwrap", "--ro-bind", "/", "/", "--unshare-all", "--unshare-user", "--disable-userns", "true"], capture_output=True).returncode == 0
    assert (seen(doctor.sandbox) == []) is starts


def test_elsewhere_than_on_linux_it_says_so(programs, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(doctor.platform, "system", lambda: "Darwin")
    finding = only(doctor.sandbox, tmp_path)
    assert finding.level == REMARK and "it needs Linux, and this is Darwin" in finding.what


# ---------------------------------------------------------------- the course's own files
@pytest.fixture
def data(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    shutil.copytree(REPOSITORY / "data", folder)
    monkeypatch.setattr(doctor, "DATA", folder)
    assert seen(doctor.data) == []
    return folder


def test_damaged_and_missing_data_are_named_file_by_file(data):
    listing = json.loads((data / "manifest.json").read_text())
    files = [entry["file"] for section in ("sets", "weights") for entry in listing[section].values()]
    assert len(files) >= 2
    for file in files:
        content = (data / file).read_bytes()
        (data / file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        finding = only(doctor.data)
        assert (finding.level, finding.what) == (ILL, f"data/{file} is damaged")
        assert finding.remedy == f"Repair it with `git checkout data/{file}`, or unpack the course again."
        (data / file).unlink()
        assert seen(doctor.data) == [(ILL, f"data/{file} is missing")]
        (data / file).write_bytes(content)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"sets": {}}', '{"sets": {"chest": {}}, "weights": {}}'])
def test_a_damaged_manifest_is_named(data, content):
    (data / "manifest.json").unlink()
    if content is not None:
        write(data / "manifest.json", content)
    finding = only(doctor.data)
    assert (finding.level, finding.what) == (ILL, f"data/manifest.json is {'missing' if content is None else 'damaged'}")
    assert "git checkout data/manifest.json" in finding.remedy


LESSON = "02_gradient_attacks/1_fgsm.ipynb"


@pytest.fixture
def lesson(course):
    """A lesson as it is shipped; its text is given back by a function that changes it."""
    path = course / "chapters" / LESSON
    shutil.copy(REPOSITORY / "chapters" / LESSON, path)
    assert seen(doctor.lessons) == []

    def changed(change):
        book = json.loads((REPOSITORY / "chapters" / LESSON).read_text(encoding="utf-8"))
        change(book["cells"])
        path.write_text(json.dumps(book), encoding="utf-8")
        return only(doctor.lessons)
    changed.path = path
    return changed


def place(cells, id):
    """The index of the cell with this id, or the first that begins so."""
    return next(index for index, cell in enumerate(cells) if cell["id"].startswith(id))


def test_all_lessons_of_the_course_are_as_shipped(monkeypatch):
    monkeypatch.setenv("MEDCRYPT_ROOT", str(REPOSITORY))
    assert seen(doctor.lessons) == []


def test_outputs_are_no_edits(lesson):
    book = json.loads(lesson.path.read_text(encoding="utf-8"))
    for cell in book["cells"]:
        cell["metadata"]["collapsed"] = True
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    lesson.path.write_text(json.dumps(book))
    assert seen(doctor.lessons) == []


def test_an_answer_written_in_chapters_is_a_remark(lesson):
    def answer(cells):
        cells[place(cells, "ex-fgsm")]["source"] = "@exercise('gradient_attacks.fgsm')\ndef fgsm(): return 1"
    finding = lesson(answer)
    assert finding.level == REMARK and "(ex-fgsm) was changed" in finding.what and f"chapters/{LESSON} is not as shipped" in finding.what
    assert f"`git checkout chapters/{LESSON}`" in finding.remedy and finding.mend


def test_a_cell_of_ones_own_in_chapters_is_a_remark(lesson):
    own = {"cell_type": "code", "id": "mine", "metadata": {}, "source": "1", "outputs": [], "execution_count": None}
    finding = lesson(lambda cells: cells.insert(3, own))
    assert finding.level == REMARK and finding.what.endswith(": cell 4 was added")


def test_a_changed_lesson_cell_is_ill(lesson):
    finding = lesson(lambda cells: cells[1].update(source=cells[1]["source"] + ["\n# no"]))
    id = json.loads(lesson.path.read_text())["cells"][1]["id"]
    assert finding.level == ILL and finding.what.endswith(f": cell 2 ({id}) was changed")


@pytest.mark.parametrize("start", ["ex-fgsm", "c", "m"])
def test_a_missing_cell_is_ill(lesson, start):
    removed = []
    finding = lesson(lambda cells: removed.append(cells.pop(place(cells, start))))
    assert finding.level == ILL and finding.what.endswith(f": the cell {removed[0]['id']} is missing")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": []}', "[" * 100_000])
def test_a_notebook_that_cannot_be_read_is_ill(lesson, content):
    lesson.path.write_text(content)
    finding = only(doctor.lessons)
    assert finding.level == ILL and "it cannot be read as a notebook of the course" in finding.what


def test_mend_copies_edited_lessons_beside_the_students_own_over_nothing(lesson, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "CHECKS", {"lessons": doctor.lessons})
    own = write(tmp_path / "work" / LESSON, "the student's own copy")
    kept = []
    for text in ("first", "second", "first"):
        lesson(lambda cells: cells[1].update(source=text))
        edited = lesson.path.read_bytes()
        assert doctor.run(mend=True) == 1           # the lesson in chapters/ is as it was: restoring it is not ours
        assert lesson.path.read_bytes() == edited and own.read_text() == "the student's own copy"
        (copy,) = [path for path in own.parent.iterdir() if path.read_bytes() == edited]
        assert copy.name.startswith("1_fgsm.from-chapters-") and copy.suffix == ".ipynb" and f"A copy is in {copy}" in capsys.readouterr().out
        kept.append(copy)
    assert kept[0] == kept[2] and len(list(own.parent.iterdir())) == 3
    kept[0].write_text("what the student made of it")
    assert doctor.run(mend=True) == 1
    assert kept[0].read_text() == "what the student made of it"


def test_a_work_folder_that_takes_no_copy_is_one_sentence(lesson, tmp_path, monkeypatch, capsys):
    lesson(lambda cells: cells[1].update(source="edited"))
    write(tmp_path / "work", "a file where the folder should be")
    monkeypatch.setattr(doctor, "CHECKS", {"lessons": doctor.lessons})
    assert doctor.run(mend=True) == 1
    assert "It could not be copied into" in capsys.readouterr().out
