"""course.py makes the environment: what a fresh machine, an interruption or a full disk does to it.

Real starts happen in a tiny course of its own: course.py itself, a lock of a few
packages, and these packages as wheels of one file each, so that no network is needed.
"""

import ast
import base64
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parent.parent
SPEC = importlib.util.spec_from_file_location("course", REPOSITORY / "course.py")
course = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(course)

EXIT_CODE_OF_MEDCRYPT = 7


# ---- A tiny course ------------------------------------------------------------


def make_wheel(folder, name, version, files=None):
    files = dict(files or {f"{name}.py": f"version = {version!r}\n"})
    information = f"{name}-{version}.dist-info"
    files.setdefault(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    files.setdefault(f"{information}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    record = f"{information}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in files.items():
            content = content if isinstance(content, bytes) else content.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(content)}\n"
            wheel.writestr(path, content)
        wheel.writestr(f"{information}/RECORD", record)


def make_wheel_of_pip(folder):
    """The pip that runs these tests, packed again: the lock's, which understands what course.py asks."""
    pip = importlib.metadata.distribution("pip")
    name = f"pip-{pip.version}.dist-info"
    kept = [f for f in pip.files if f.parts[0] == "pip" or f.name in ("METADATA", "WHEEL", "entry_points.txt")]
    files = {str(f): f.read_binary() for f in kept if f.suffix != ".pyc" and f.parts[0] in ("pip", name)}
    make_wheel(folder, "pip", pip.version, files)
    return pip.version


BACKEND = '''
import os, zipfile
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "medcrypt_lab-0.1.0-py3-none-any.whl"
    information = "medcrypt_lab-0.1.0.dist-info/"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        wheel.writestr("medcrypt_lab.pth", os.getcwd() + "\\n")
        wheel.writestr(information + "METADATA", "Metadata-Version: 2.1\\nName: medcrypt-lab\\nVersion: 0.1.0\\n")
        wheel.writestr(information + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(information + "RECORD", "")
    return name
'''

MEDCRYPT = f"""
import importlib.util, json, os, sys
names = ["torch", "tinypack", "tinyextra", "tinytest"]
versions = {{n: __import__(n).version for n in names if importlib.util.find_spec(n)}}
print(json.dumps({{"arguments": sys.argv[1:], "prefix": sys.prefix, "versions": versions, "cwd": os.getcwd()}}))
sys.exit({EXIT_CODE_OF_MEDCRYPT})
"""

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "medcrypt-lab"
version = "0.1.0"
"""


class TinyCourse:
    def __init__(self, folder, wheels):
        self.folder, self.wheels = folder, wheels
        (folder / "medcrypt_lab").mkdir(parents=True)
        shutil.copy(REPOSITORY / "course.py", folder)
        (folder / "pyproject.toml").write_text(PYPROJECT)
        (folder / "backend.py").write_text(BACKEND)
        (folder / "medcrypt_lab" / "__init__.py").write_text("")
        (folder / "medcrypt_lab" / "__main__.py").write_text(MEDCRYPT)
        self.write_lock()

    def write_lock(self, tinypack="1.0"):
        pip = importlib.metadata.version("pip")
        (self.folder / "requirements.lock").write_text(
            f"# --- course ---\npip=={pip}\ntinypack=={tinypack}\ntorch==2.13.0\n"
            "# --- optional ---\nmissing-extra==1.0\ntinyextra==1.0\n# --- test ---\ntinytest==1.0\n"
        )

    def command(self, *arguments):
        return [sys.executable, str(self.folder / "course.py"), *arguments, "--wheels", str(self.wheels)]

    def start(self, *arguments, **settings):
        """Start it, and see medcrypt get control: (what was printed, what medcrypt saw)."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=120, **settings)
        assert done.returncode == EXIT_CODE_OF_MEDCRYPT, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout, json.loads(done.stdout.splitlines()[-1])

    def refused(self, *arguments, **settings):
        """Start it where it cannot go on: the one sentence it says."""
        done = subprocess.run([*self.command()[:2], *arguments], capture_output=True, text=True, timeout=120, **settings)
        assert done.returncode not in (0, EXIT_CODE_OF_MEDCRYPT), done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr.strip()

    def file(self, name):
        return next((self.folder / ".venv").glob("**/site-packages")) / name


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages of the course")
    make_wheel_of_pip(folder)
    for name, version in [("torch", "2.13.0"), ("tinypack", "1.0"), ("tinypack", "2.0"), ("tinyextra", "1.0"), ("tinytest", "1.0")]:
        make_wheel(folder, name, version)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, wheels):
    """A tiny course, started for the first time by two at once; the tests that use it leave it whole."""
    tiny = TinyCourse(tmp_path_factory.mktemp("a path with spaces") / "course", wheels)
    both = [subprocess.Popen(tiny.command("lab", "--option"), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [start.communicate(timeout=120)[0] for start in both]
    assert [start.returncode for start in both] == [EXIT_CODE_OF_MEDCRYPT] * 2, outputs
    tiny.waiting_output, tiny.first_output = sorted(outputs, key=len)
    tiny.first_seen = json.loads(tiny.first_output.splitlines()[-1])
    return tiny


@pytest.fixture
def fresh(tmp_path, wheels):
    return TinyCourse(tmp_path / "a fresh course", wheels)


# ---- Real starts --------------------------------------------------------------


def test_first_start_installs_and_hands_over(tiny):
    assert tiny.first_seen["arguments"] == ["lab", "--option"]
    assert Path(tiny.first_seen["prefix"]) == tiny.folder / ".venv"
    assert tiny.first_seen["versions"] == {"torch": "2.13.0", "tinypack": "1.0", "tinyextra": "1.0"}


def test_first_start_tells_how_far_it_is_without_control_characters(tiny):
    steps = re.findall(r"^Step (\d) of 5: .*(?:done|failed), \d+ s$", tiny.first_output, re.MULTILINE)
    assert sorted(set(steps)) == list("12345")
    assert "2 to 5 minutes" in tiny.first_output
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", tiny.first_output)


def test_second_of_two_starts_waits_and_says_so(tiny):
    first, *others = tiny.waiting_output.splitlines()
    assert "waiting until" in first
    assert [json.loads(line)["versions"] for line in others] == [tiny.first_seen["versions"]]


def test_optional_package_that_fails_is_one_sentence(tiny):
    words = [line for line in tiny.first_output.splitlines() if "missing-extra could not be installed" in line]
    assert len(words) == 1 and "install.log" in words[0]


def test_second_start_is_quick_and_silent(tiny):
    began = time.monotonic()
    output, _ = tiny.start("lab")
    assert time.monotonic() - began < 1
    assert len(output.splitlines()) == 1


def test_from_another_folder_through_a_link_and_past_misleading_files(tiny, tmp_path):
    for name in ("medcrypt_lab.py", "torch.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong one')")
    (tmp_path / "link.py").symlink_to(tiny.folder / "course.py")
    command = [sys.executable, "link.py", "lab"]
    variables = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == EXIT_CODE_OF_MEDCRYPT, done.stderr
    assert json.loads(done.stdout)["cwd"] == str(tmp_path)


def test_changed_lock_updates_in_place(tiny):
    marker = tiny.folder / ".venv" / "a file of the student's"
    marker.touch()
    tiny.write_lock(tinypack="2.0")
    output, seen = tiny.start("lab")
    assert seen["versions"]["tinypack"] == "2.0" and marker.exists()
    assert "Python environment" not in output
    tiny.write_lock()
    assert tiny.start("lab")[1]["versions"]["tinypack"] == "1.0"


def test_packages_for_tests_come_only_when_asked_for(tiny):
    output, seen = tiny.start("test", "-k", "nothing")
    assert seen["versions"]["tinytest"] == "1.0" and seen["arguments"] == ["test", "-k", "nothing"]
    assert "Step 1 of 1" in output
    assert len(tiny.start("build")[0].splitlines()) == 1


def test_half_installed_package_is_installed_again(tiny):
    record = tiny.folder / ".venv" / "course.json"
    written = json.loads(record.read_text())
    del written["installed"]["course"]  # as if the power had gone before this was noted
    record.write_text(json.dumps(written))
    tiny.file("tinypack.py").write_text("")
    shutil.rmtree(tiny.file("torch-2.13.0.dist-info"))
    assert tiny.start("lab")[1]["versions"].items() >= tiny.first_seen["versions"].items()


def test_no_network_is_one_sentence(tiny):
    tiny.write_lock(tinypack="3.0")
    offline = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    offline |= {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "1", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    words = tiny.refused("lab", env=offline)
    assert len(words.splitlines()) == 1
    assert "could not be reached" in words and "--wheels" in words and "install.log" in words
    tiny.write_lock()
    tiny.start("lab")


def test_moved_course_gets_a_new_environment(tiny):
    moved = tiny.folder.with_name("moved course")
    tiny.folder.rename(moved)
    tiny.folder = moved
    output, seen = tiny.start("lab")
    assert "Python environment" in output and Path(seen["prefix"]) == moved / ".venv"


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is for POSIX systems")
def test_killed_half_way_it_repairs_itself(fresh):
    for moment in ("Step 1 of 5", "of 5: packages of the course"):
        with subprocess.Popen(fresh.command("lab"), stdout=subprocess.PIPE, text=True) as killed:
            for line in killed.stdout:
                if moment in line:
                    time.sleep(0.2)
                    killed.send_signal(signal.SIGKILL)
                    break
        assert killed.wait() == -signal.SIGKILL, moment
    assert fresh.start("lab")[1]["versions"] == {"torch": "2.13.0", "tinypack": "1.0", "tinyextra": "1.0"}


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGINT for one process")
def test_ctrl_c_is_one_sentence_and_exit_code_130(fresh):
    with subprocess.Popen(fresh.command("lab"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as stopped:
        stopped.stdout.readline()
        time.sleep(0.3)
        stopped.send_signal(signal.SIGINT)
        words = stopped.communicate(timeout=30)[1].strip()
    assert stopped.returncode == 130
    assert words == "Interrupted: the same command goes on from here."


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_environment_of_somebody_else_is_left_alone(fresh, kind, tmp_path):
    venv = fresh.folder / ".venv"
    mine = (tmp_path if kind == "link" else venv) / "mine.txt"
    if kind == "folder":
        venv.mkdir()
        mine.write_text("precious")
    elif kind == "file":
        venv.write_text("precious")
    else:
        mine.write_text("precious")
        venv.symlink_to(tmp_path)
    words = fresh.refused("lab")
    assert "did not make it" in words and str(venv) in words
    assert (venv if kind == "file" else mine).read_text() == "precious"
    assert kind == "file" or not (venv / course.MARKER).exists()


def test_help_makes_no_environment(fresh):
    for arguments in ([], ["--help"]):
        done = subprocess.run([*fresh.command()[:2], *arguments], capture_output=True, text=True)
        assert done.returncode == 0 and "course.py lab" not in done.stderr
        assert all(word in done.stdout for word in ("lab", "test", "build", "--wheels"))
    assert "verb first" in fresh.refused("--wrong")
    assert "no such folder" in fresh.refused("lab", "--wheels", "no such folder")
    assert not (fresh.folder / ".venv").exists()


# ---- A stand-in for the rest of the machine -----------------------------------


def old_pythons():
    places = [shutil.which(f"python3.{minor}") for minor in range(6, 11)]
    places += map(str, Path.home().glob(".pyenv/versions/3.*/bin/python3"))
    return sorted({p for p in places if p and re.search(r"3\.([6-9]|10)\b", os.path.realpath(p))})


def test_old_python_is_refused_by_a_sentence():
    with pytest.raises(course.Trouble, match="needs Python 3.11 or newer, and this is Python 3.9"):
        course.refuse_old_python((3, 9, 1))
    course.refuse_old_python((3, 11, 0))
    course.refuse_old_python((4, 0, 0))
    ast.parse((REPOSITORY / "course.py").read_text(), feature_version=(3, 6))
    for python in old_pythons():
        done = subprocess.run([python, str(REPOSITORY / "course.py"), "lab"], stderr=subprocess.PIPE)
        if b"pyenv: " not in done.stderr:  # a stand-in of pyenv for a Python that is not chosen
            assert done.returncode == 1 and b"needs Python 3.11" in done.stderr, (python, done.stderr)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """course.main with its folder in tmp_path, a real lock's shape, and pip's calls noted down instead of made."""
    tiny = TinyCourse(tmp_path / "course", tmp_path)
    calls = []
    answers = SimpleNamespace(brings=lambda arguments: ["torch"], calls=calls, folder=tiny.folder)

    def pip(self, title, *arguments, packages=0):
        calls.append(list(arguments))
        if "--report" in arguments:
            report = {"install": [{"metadata": {"name": name}} for name in answers.brings(arguments)]}
            Path(arguments[arguments.index("--report") + 1]).write_text(json.dumps(report))

    monkeypatch.setattr(course, "HERE", tiny.folder)
    monkeypatch.setattr(course, "LOCK", tiny.folder / "requirements.lock")
    monkeypatch.setattr(course.Installation, "pip", pip)
    monkeypatch.setattr(course.Installation, "make_environment", lambda self: None)
    monkeypatch.setattr(course, "run_medcrypt", lambda *_: EXIT_CODE_OF_MEDCRYPT)
    monkeypatch.setattr(course, "has_nvidia_driver", lambda: False)
    monkeypatch.setattr(course.shutil, "disk_usage", lambda _: SimpleNamespace(free=50e9))
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    return answers


def torch_call(machine):
    return next(call for call in machine.calls if "torch==2.13.0" in call and "--dry-run" not in call)


CUDA = ["torch", "nvidia-cublas", "triton"]


def test_torch_comes_from_the_usual_index_where_that_has_no_cuda(machine, capsys):
    assert course.main(["lab"]) == EXIT_CODE_OF_MEDCRYPT
    assert not any(course.CPU_INDEX in call for call in machine.calls)
    call = torch_call(machine)
    assert "--no-deps" not in call and Path(call[call.index("-c") + 1]).read_text().startswith("pip==")


def test_torch_with_useless_cuda_comes_from_the_cpu_index(machine, capsys):
    machine.brings = lambda arguments: ["torch"] if course.CPU_INDEX in arguments else CUDA
    assert course.main(["lab"]) == EXIT_CODE_OF_MEDCRYPT
    assert course.CPU_INDEX in torch_call(machine)
    assert "GB to download" not in capsys.readouterr().out


@pytest.mark.parametrize("how", ["unreachable, pip goes on without it", "unreachable, pip fails"])
def test_where_the_cpu_index_fails_a_sentence_names_the_size(machine, capsys, how):
    def brings(arguments):
        if course.CPU_INDEX in arguments and how.endswith("fails"):
            raise course.Trouble("no such index")
        return CUDA

    machine.brings = brings
    assert course.main(["lab"]) == EXIT_CODE_OF_MEDCRYPT
    assert course.CPU_INDEX not in torch_call(machine)
    assert capsys.readouterr().out.count("3 GB to download") == 1


def test_torch_with_cuda_comes_where_a_driver_is(machine, monkeypatch, capsys):
    machine.brings = lambda arguments: CUDA
    monkeypatch.setattr(course, "has_nvidia_driver", lambda: True)
    assert course.main(["lab"]) == EXIT_CODE_OF_MEDCRYPT
    assert not any(course.CPU_INDEX in call for call in machine.calls)
    assert "NVIDIA driver" in capsys.readouterr().out


def test_course_part_comes_without_dependencies_and_the_order_is_right(machine):
    assert course.main(["test"]) == EXIT_CODE_OF_MEDCRYPT
    words = [" ".join(call) for call in machine.calls if "--dry-run" not in call]
    order = ["torch==2.13.0", "course.txt", "missing-extra==1.0", "tinyextra==1.0", "test.txt", "--editable"]
    course_calls = [w for w in words if "-c " not in w]
    for expected, call in zip(order, [words[0], *course_calls], strict=True):
        assert expected in call
    assert all("--no-deps" in call for call in course_calls)


def test_too_little_room_is_said_before_anything_is_made(machine, monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.setattr(course, "HERE", machine.folder)
    monkeypatch.setattr(course, "LOCK", machine.folder / "requirements.lock")
    monkeypatch.setattr(course.shutil, "disk_usage", lambda _: SimpleNamespace(free=1.2e9))
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    assert course.main(["lab"]) == 1
    assert "1.2 GB free" in capsys.readouterr().err
    assert not list(machine.folder.glob(".venv/*/python*"))


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_python_without_venv_is_told_what_to_install(machine, monkeypatch, capsys, module):
    monkeypatch.undo()
    monkeypatch.setattr(course, "HERE", machine.folder)
    monkeypatch.setattr(course, "LOCK", machine.folder / "requirements.lock")
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    find = importlib.util.find_spec
    monkeypatch.setattr(course.importlib.util, "find_spec", lambda name: None if name == module else find(name))
    assert course.main(["lab"]) == 1
    words = capsys.readouterr().err
    assert f"module {module} is missing" in words
    assert f"apt install python3.{sys.version_info.minor}-venv" in words


def test_course_folder_that_cannot_be_written(machine, monkeypatch, capsys):
    def refuse(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(course.Path, "mkdir", refuse)
    assert course.main(["lab"]) == 1
    words = capsys.readouterr().err.strip()
    assert str(machine.folder / ".venv") in words and "a folder of your own" in words and len(words.splitlines()) == 1


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: [Errno 13] Permission denied: '/x/y'", "'/x/y'"),
        ("WARNING: Retrying after connection broken by 'NewConnectionError'\nERROR: No matching distribution found for torch==2.13.0", "could not be reached"),
        ("ERROR: No matching distribution found for torch==2.13.0", "macOS 14"),
        ("ERROR: No matching distribution found for phe==1.5.0", "no phe==1.5.0 for this machine"),
        ("ERROR: HINT: This error might have occurred since this system does not have Windows Long Path support", "short path"),
        ("something new", "the fallback"),
    ],
)  # fmt: skip
def test_what_pip_says_becomes_a_sentence(said, sentence):
    words = course.explain(said, "the fallback", torch="torch==2.13.0")
    assert sentence in words and "{" not in words and "\n" not in words


def test_failing_step_names_the_log(machine, tmp_path, capsys):
    environment = course.Environment(tmp_path, conda=False)
    with environment.marker.open("a") as lock:
        installation = course.Installation(environment, None, lock, {"course": ["torch==2.13.0"]}, {})
        installation.steps = 1
        with pytest.raises(course.Trouble, match="install.log"):
            installation.follow("a step", [sys.executable, "-c", "print('odd'); raise SystemExit(3)"])
    assert "odd" in environment.log.read_text()
    assert "failed" in capsys.readouterr().out


def test_only_the_named_conda_environment_is_used(monkeypatch, tmp_path):
    for name, conda in [("medcrypt-lab", True), ("base", False), ("miniconda3", False)]:
        monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / name))
        environment = course.chosen_environment()
        assert environment.conda is conda
        assert environment.folder == (tmp_path / name if conda else REPOSITORY / ".venv")


def test_conda_environment_gets_only_what_conda_lacks(machine, monkeypatch, tmp_path):
    conda = tmp_path / "medcrypt-lab"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(conda)], check=True)
    (conda / "conda-meta").mkdir()
    lock = machine.folder / "requirements.lock"
    lock.write_text(lock.read_text().replace("tinypack==1.0", "torchattacks==3.5.1"))
    monkeypatch.setenv("CONDA_PREFIX", str(conda))
    assert course.main(["lab"]) == EXIT_CODE_OF_MEDCRYPT
    assert (conda / "course.txt").read_text() == "torchattacks==3.5.1\n"
    assert not any("torch==2.13.0" in call for call in machine.calls)
    assert any("--editable" in call for call in machine.calls)
    assert not (machine.folder / ".venv").exists()
    machine.calls.clear()
    assert course.main(["lab"]) == EXIT_CODE_OF_MEDCRYPT and not machine.calls


def test_settings_that_disturb_are_kept_from_the_environment(monkeypatch, tmp_path):
    for name in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PIP_INDEX_URL", "PIP_CERT"):
        monkeypatch.setenv(name, "a value")
    variables = course.Environment(tmp_path, conda=False).variables()
    assert {n for n in variables if n.startswith(("PIP_", "PYTHON"))} >= {"PIP_INDEX_URL", "PIP_CERT"}
    assert not {"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_USER", "PIP_REQUIRE_VIRTUALENV"} & set(variables)


def test_terminal_gets_one_line_that_is_written_over(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(course.sys.stdout, "isatty", lambda: True, raising=False)
    progress = course.Progress("Step 1 of 2: PyTorch", 0, tmp_path)
    progress.last_told -= 1
    progress.show("Collecting torch==2.13.0\nProgress 50000000 of 200000000\n")
    assert "\r" in (out := capsys.readouterr().out) and "torch, 50 of 200 MB" in out and "\n" not in out
    assert progress.state("Collecting a==1\nInstalling collected packages: a, b\n") == "unpacked 0 of 2"
    assert course.Progress("", 3, tmp_path).state("Collecting a==1\nCollecting b==1\n") == "2 of 3, b"


# ---- pyproject.toml, environment.yml and requirements.lock agree ----------------


def project():
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(*parts):
    lock = course.read_lock()
    return {canonicalize_name(r.name): r for part in parts for r in map(Requirement, lock[part])}


def pinned_version(requirement):
    (pin,) = requirement.specifier
    assert pin.operator == "=="
    return pin.version


def test_every_line_of_the_lock_is_a_pin_and_names_no_host():
    lock = course.read_lock()
    assert list(lock) == ["course", "optional", "test"]
    names = [canonicalize_name(Requirement(line).name) for part in lock.values() for line in part]
    assert len(names) == len(set(names)) > 100
    assert all(pinned_version(pin) for pin in pins(*lock).values())
    assert not [name for name in names if re.match("nvidia|cuda|triton|torchvision", name)]
    assert "://" not in (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")


def test_lock_satisfies_every_direct_dependency():
    extras = project()["optional-dependencies"]
    for part, dependencies in [("course", project()["dependencies"]), ("optional", extras["homomorphic"]), ("test", extras["test"])]:
        for wanted in map(Requirement, dependencies):
            pin = pins(part)[canonicalize_name(wanted.name)]
            assert wanted.specifier.contains(pinned_version(pin)), f"{wanted} is not met by {pin}"
    assert "torchattacks" not in map(canonicalize_name, project()["dependencies"])
    assert {"torchattacks", "setuptools", "pip"} <= set(pins("course"))


def test_conda_file_lists_the_same_packages():
    yaml = pytest.importorskip("yaml")
    conda = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))
    assert conda["name"] == course.CONDA_NAME
    lines = [line for line in conda["dependencies"] if isinstance(line, str)]
    (with_pip,) = [line["pip"] for line in conda["dependencies"] if isinstance(line, dict)]
    listed = {Requirement(line.replace("pytorch", "torch")) for line in lines + with_pip}
    ours = {str(r) for r in map(Requirement, project()["dependencies"])}
    assert {str(r) for r in listed if r.name not in ("python", "pip", "setuptools")} == ours
    (python,) = [r for r in listed if r.name == "python"]
    assert str(project()["requires-python"]) in str(python.specifier)


IMPORT_NAMES = {"pycryptodome": "Crypto", "pillow": "PIL", "scikit-image": "skimage", "scikit-learn": "sklearn"}


def test_installed_set_imports_and_is_the_locks():
    if course.chosen_environment().conda:
        pytest.skip("conda chooses its own versions")
    names = [canonicalize_name(Requirement(d).name) for d in project()["dependencies"]] + ["torchattacks"]
    for name in names:
        assert importlib.metadata.version(name).partition("+")[0] == pinned_version(pins("course")[name])
    modules = ", ".join(IMPORT_NAMES.get(name, name) for name in names)
    subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)
    version = subprocess.check_output([sys.executable, "-m", "jupyterlab", "--version"], text=True).strip()
    assert version.startswith("4.") and version == pinned_version(pins("course")["jupyterlab"])


def test_pip_install_alone_leaves_jupyterlab_4(tmp_path):
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--retries", "0"]
    done = subprocess.run([*command, "--report", str(report), *project()["dependencies"]], capture_output=True, text=True)
    if done.returncode:
        if "could not be reached" in course.explain(done.stderr, ""):
            pytest.skip("no network: pip cannot resolve the dependencies")
        raise AssertionError(textwrap.shorten(done.stderr, 2000))
    comes = {canonicalize_name(p["metadata"]["name"]): p["metadata"]["version"] for p in json.loads(report.read_text())["install"]}
    assert comes["jupyterlab"].startswith("4.") and "torchattacks" not in comes
