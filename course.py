#!/usr/bin/env python3
"""Start MedCrypt Lab:   python3 course.py VERB [options]      (Windows: py course.py ...)

    lab       open the course in JupyterLab, on your own copies of the lessons
    test      run all tests
    build     make the lessons' notebooks from their sources (for authors)
    release   make the zip that a class is given (for instructors)
    grade     grade what the class hands in (for instructors)
    doctor    say what is wrong with this installation, and how to mend it

The first start makes the environment, a folder .venv beside this file, with the
packages that requirements.lock names: about 1.5 GB, usually 2 to 5 minutes.
Later starts take a second. Whatever interrupts the first start, start again:
it goes on from there. `python3 course.py VERB --help` tells a verb's options.

    --wheels DIR   install from this folder instead of the network. To fill it:
                   pip download --no-deps -r requirements.lock -d DIR
                   --extra-index-url https://download.pytorch.org/whl/cpu
"""
# Needs nothing but Python's standard library, and keeps to a syntax that old
# Pythons can read, so that they get as far as the sentence that refuses them.
import contextlib
import csv
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "requirements.lock"
OLDEST_PYTHON = (3, 11)
CONDA_NAME = "medcrypt-lab"  # as environment.yml says
VERBS_WITH_TESTS = ("test", "build", "release")  # these need the lock's third part, too
CPU_INDEX = "https://download.pytorch.org/whl/cpu"  # PyTorch's own, without CUDA
SPACE_GB = 2.5  # what pip needs while it works; 1.5 remain
CUDA_DOWNLOAD_GB, CUDA_SPACE_GB = 3, 9
FROM_HERE = "import sys; sys.path.append(sys.argv.pop(1)); from medcrypt_lab.cli import main; sys.exit(main())"
MARKER = "made-by-course.py"  # a .venv without this file is somebody else's

# A user's settings for pip that say where packages come from are kept. The
# others (PIP_TARGET, PIP_USER, ...) could put packages in the wrong place.
KEPT_PIP_SETTINGS = {
    "PIP_" + name
    for name in "INDEX_URL EXTRA_INDEX_URL FIND_LINKS NO_INDEX TRUSTED_HOST CERT CLIENT_CERT PROXY TIMEOUT"
    " DEFAULT_TIMEOUT RETRIES CACHE_DIR NO_CACHE_DIR CONFIG_FILE KEYRING_PROVIDER".split()
}
DISTURBING = {"PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "__PYVENV_LAUNCHER__"}

# What pip says when it fails, or the system says to us, and what a person can do about it.
REASONS = [
    (
        "No space left|Disk quota exceeded|WinError 112",
        "The disk is full (the one with {here}, or the one for temporary files): free {space} GB and start again.",
    ),
    (
        "Long Path",
        "Windows refuses the long file names below {here}: move the course to a short path such as C:\\medcrypt.",
    ),
    (
        r"Permission denied|Operation not permitted|Read-only file system|WinError (5|32)\b",
        "A file could not be written or changed ({detail}): close programs that use the course, or put it in a folder "
        "of your own, and start again.",
    ),
    (
        "NewConnection|NameResolution|Connect(ion)?Timeout|ReadTimeout|ConnectionError|Connection (refused|reset)"
        "|ProxyError|SSLError|SSLCertVerification|ProtocolError|IncompleteRead|HTTP error",
        "The package index could not be reached (see {log}): connect to the network and start again, or give a folder "
        "with the packages by --wheels DIR.",
    ),
    (
        "No matching distribution found for torch==",
        "pip found no {torch} for this machine ({machine}): it needs 64-bit Linux or Windows, or macOS 14 or "
        "newer on Apple silicon (see {log}).",
    ),
    (
        r"No matching distribution found for (?P<package>\S+)",
        "pip found no {package} for this machine ({machine}) where it looked (see {log}).",
    ),
]


class Trouble(Exception):
    """What went wrong and what to do, in words for the person who started us."""


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    try:
        refuse_old_python(sys.version_info)
        verb, options, wheels = read_arguments(arguments)
        environment = chosen_environment()
        if verb != "doctor" or environment.version() is None:  # doctor looks at what is there, complete or not
            prepare(environment, verb, wheels)
        return run_medcrypt(environment, verb, options)
    except Trouble as trouble:
        sentence = str(trouble)
    except KeyboardInterrupt:
        print("\nInterrupted: the same command goes on from here.", file=sys.stderr)
        return 130
    except OSError as error:
        sentence = explain(str(error), f"The system refused what course.py needs: {error}.")
    print("\n" + sentence, file=sys.stderr)
    return 1


def refuse_old_python(version):
    if tuple(version[:2]) < OLDEST_PYTHON:
        raise Trouble(
            "MedCrypt Lab needs Python 3.11 or newer, and this is Python {}.{}: install a newer one "
            "(from python.org, say) and start course.py with it, as in `python3.12 course.py lab`.".format(*version[:2])
        )


def read_arguments(arguments):
    """The verb, its options, and the folder of --wheels, which is ours alone."""
    rest, wheels = [], None
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--wheels" or word.startswith("--wheels="):
            given = word[len("--wheels=") :] or (waiting.pop(0) if waiting else "")
            wheels = Path(given).expanduser().resolve()
            if not given or not any(wheels.glob("*.whl")):
                raise Trouble(f"--wheels needs a folder with packages (files *.whl); {given!r} is none.")
        else:
            rest.append(word)
    if not rest or rest[0].startswith("-"):
        raise Trouble("course.py needs a verb first, as in `python3 course.py lab`; --help lists them.")
    return rest[0], rest[1:], wheels


class Environment:
    """A folder with a Python of its own, and what we note down in it."""

    def __init__(self, folder, conda):
        self.folder, self.conda = folder, conda
        windows = os.name == "nt"
        self.programs = folder / ("Scripts" if windows else "bin")
        self.python = (folder if windows and conda else self.programs) / ("python.exe" if windows else "python")
        self.marker = folder / MARKER
        self.record = folder / "course.json"
        self.log = folder / "install.log"

    def site_packages(self):
        return next(self.folder.glob("lib/python3*/site-packages"), self.folder / "Lib" / "site-packages")

    def variables(self):
        """The environment variables for programs that we run in it."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in DISTURBING and (not name.startswith("PIP_") or name in KEPT_PIP_SETTINGS)
        }
        kept.update(PYTHONNOUSERSITE="1", PATH=str(self.programs) + os.pathsep + os.environ.get("PATH", ""))
        if not self.conda:
            kept["VIRTUAL_ENV"] = str(self.folder)
        return kept

    def run(self, *arguments):
        """What its Python prints, or None when that fails."""
        try:
            return subprocess.check_output(
                [str(self.python), *arguments], env=self.variables(), stderr=subprocess.DEVNULL, universal_newlines=True
            )
        except (OSError, subprocess.CalledProcessError):
            return None

    def version(self):
        """As "3.11"; None when there is no Python in it, or none that runs."""
        printed = self.run("-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        return printed and printed.strip()


def chosen_environment():
    """The conda environment of environment.yml where that is active; else our own."""
    conda = os.environ.get("CONDA_PREFIX", "")
    if Path(conda).name == CONDA_NAME:
        return Environment(Path(conda), conda=True)
    return Environment(HERE / ".venv", conda=False)


# ---- What is there, and what is missing -------------------------------------


def read_lock():
    """The lines of requirements.lock under each of its headings."""
    parts, lines = {}, None
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        heading = re.fullmatch(r"# --- (\w+) ---", line)
        if heading:
            lines = parts[heading.group(1)] = []
        elif line.strip() and not line.startswith("#"):
            lines.append(line.strip())
    return parts


def fingerprints(verb, parts):
    """For each part that the verb needs, a number that changes with its text."""
    texts = {name: "\n".join(parts[name]) for name in ("course", "optional")}
    if verb in VERBS_WITH_TESTS:
        texts["test"] = "\n".join(parts["test"])
    texts["package"] = (HERE / "pyproject.toml").read_text(encoding="utf-8")
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}


def read_record(environment):
    """What was installed, as far as it is still true: of this folder and this Python.

    Whoever moves the course or upgrades the system's Python breaks an environment.
    """
    try:
        record = json.loads(environment.record.read_text(encoding="utf-8"))
        if record["folder"] == str(HERE) and record["python"] == environment.version():
            return record
    except (OSError, ValueError, KeyError):
        pass
    return None


def write_record(environment, installed):
    """In one move, so that a power cut leaves the old record or the new one."""
    record = {"folder": str(HERE), "python": environment.version(), "installed": installed}
    draft = environment.record.with_suffix(".new")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(record, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(str(draft), str(environment.record))


def missing_parts(environment, needed):
    installed = (read_record(environment) or {"installed": {}})["installed"]
    return [name for name in needed if installed.get(name) != needed[name]]


# ---- Making it so ------------------------------------------------------------


def prepare(environment, verb, wheels):
    parts = read_lock()
    needed = fingerprints(verb, parts)
    if not missing_parts(environment, needed):
        return
    claim(environment)
    with only_one_installs(environment) as lock:
        if missing_parts(environment, needed):  # else another start has just done it
            Installation(environment, wheels, lock, parts, needed).run()


def claim(environment):
    """Leave our marker, but never in a folder that somebody else made."""
    folder = environment.folder
    ours = environment.marker.exists() or environment.conda
    if folder.is_symlink() or (folder.exists() and not ours and (not folder.is_dir() or any(folder.iterdir()))):
        raise Trouble(f"{folder} is there, but course.py did not make it: move or rename it and start again.")
    folder.mkdir(exist_ok=True)
    with environment.marker.open("a"):
        pass


@contextlib.contextmanager
def only_one_installs(environment):
    """Wait while another start installs. The operating system ends the lock with its process."""
    with environment.marker.open("a") as marker:
        told = False
        while not lock_file(marker):
            if not told:
                say("Another start is still installing (or one that was cut off): waiting until it is done.")
            told = True
            time.sleep(0.3)
        yield marker


def lock_file(file):
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True  # a file system without locks: better unguarded than never
    return True


class Installation:
    """One run through the steps that make an environment complete."""

    def __init__(self, environment, wheels, lock, parts, needed):
        self.environment, self.lock, self.parts, self.needed = environment, lock, parts, needed
        self.source = ["--no-index", "--find-links", str(wheels)] if wheels else []
        self.step, self.started = 0, time.monotonic()

    def run(self):
        environment = self.environment
        environment.log.unlink(missing_ok=True)
        record = read_record(environment)
        anew = not environment.conda and (record is None or environment.run("-m", "pip", "--version") is None)
        self.installed = {} if anew or record is None else record["installed"]
        steps = [("environment", self.make_environment)] if anew else []
        missing = [name for name in self.needed if self.installed.get(name) != self.needed[name]]
        for name in missing:
            if name == "course" and not environment.conda:
                steps.append(("PyTorch", self.install_torch))
            steps.append((name, getattr(self, "install_" + name)))
        say(f"MedCrypt Lab: {'making' if anew else 'completing'} its environment, {environment.folder}")
        if anew:
            say("This happens once, usually in 2 to 5 minutes (longer on a slow network), and takes 1.5 GB.")
        elif not environment.conda:
            remove_half_installed(environment)
        self.steps = len(steps)
        for self.step, (name, install) in enumerate(steps, 1):
            install()
            if name in self.needed:
                self.installed[name] = self.needed[name]
            if environment.conda or environment.python.exists():
                write_record(environment, self.installed)
        say(f"The environment is complete, after {duration(time.monotonic() - self.started)}.")

    def make_environment(self):
        for module in ("venv", "ensurepip"):
            if importlib.util.find_spec(module) is None:
                raise Trouble(
                    f"This Python ({sys.executable}) cannot make environments, its module {module} is missing: on "
                    f"Debian and Ubuntu `sudo apt install python3.{sys.version_info[1]}-venv` brings it."
                )
        require_space(SPACE_GB)
        empty(self.environment)
        # The Python that runs us may itself be the old environment's.
        python = getattr(sys, "_base_executable", None) or sys.executable
        self.follow("Python environment", [python, "-m", "venv", str(self.environment.folder)])
        self.pip("pip, which installs the rest", "install", *self.source, self.pin("pip"))

    def install_torch(self):
        torch = self.pin("torch")
        pins = self.write_requirements("course", self.parts["course"])
        wanted = ["--only-binary=:all:", "-c", pins, torch]
        index = self.source or self.index_without_useless_cuda(wanted)
        self.pip("PyTorch", "install", "--progress-bar", "raw", *index, *wanted)

    def pin(self, name):
        return next(line for line in self.parts["course"] if line.startswith(name + "=="))

    def index_without_useless_cuda(self, wanted):
        """pip's options with which PyTorch comes without gigabytes that this machine cannot use."""
        if not self.brings_cuda(wanted):
            return []
        why = "This machine has an NVIDIA driver, so PyTorch comes with CUDA"
        if not has_nvidia_driver():
            cpu = ["--extra-index-url", CPU_INDEX]  # its builds count as newer: pip prefers them
            with contextlib.suppress(Trouble):  # whatever stands between us and that index
                if not self.brings_cuda([*cpu, *wanted]):
                    return cpu
            why = "PyTorch's smaller CPU build could not be had, so the one with CUDA comes (it needs no GPU)"
        say(f"{why}: about {CUDA_DOWNLOAD_GB} GB to download.")
        require_space(CUDA_SPACE_GB)
        return []

    def brings_cuda(self, wanted):
        report = self.environment.folder / "report.json"
        self.pip("PyTorch: which build?", "install", "--dry-run", "--report", str(report), "--retries", "1", *wanted)
        packages = json.loads(report.read_text(encoding="utf-8"))["install"]
        return any(re.match(r"nvidia|cuda|triton", package["metadata"]["name"]) for package in packages)

    def install_course(self):
        self.install_lines("packages of the course", "course")

    def install_test(self):
        self.install_lines("packages for tests", "test")

    def install_lines(self, title, part):
        lines = self.lines(part)
        if lines:
            options = ["--no-deps", "--only-binary=:all:", "-r", self.write_requirements(part, lines)]
            self.pip(title, "install", *self.source, *options, packages=len(lines))

    def install_optional(self):
        for line in self.lines("optional"):
            name = line.partition("==")[0]
            try:
                self.pip(name, "install", *self.source, "--no-deps", "--only-binary=:all:", line)
            except Trouble:
                log = self.environment.log
                say(f"{name} could not be installed (see {log}): only the few lessons that use it miss it.")

    def install_package(self):
        """The course itself, as a link to this folder: what is edited here is what runs."""
        options = ["--no-index", "--no-deps", "--no-build-isolation", "--editable", str(HERE)]
        self.pip("the course itself", "install", *options)

    def lines(self, part):
        """A part's packages; in conda's environment, whose versions conda chose, those that it lacks."""
        if not self.environment.conda:
            return self.parts[part]
        program = "import importlib.metadata as m, json; print(json.dumps([d.name for d in m.distributions()]))"
        present = [plain_name(name) for name in json.loads(self.environment.run("-c", program) or "[]")]
        wanted = [self.pin("torchattacks")] if part == "course" else self.parts[part]
        return [line for line in wanted if plain_name(line.partition("==")[0]) not in present]

    def write_requirements(self, part, lines):
        file = self.environment.folder / (part + ".txt")
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(file)

    def pip(self, title, *arguments, packages=0):
        command = [str(self.environment.python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
        self.follow(title, command, packages)

    def follow(self, title, command, packages=0):
        """Run a command whose words go into the log, and tell how far it has come."""
        progress = Progress(f"Step {self.step} of {self.steps}: {title}", packages, self.environment.site_packages())
        variables = dict(self.environment.variables(), PYTHONUNBUFFERED="1", PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0")
        # The child holds our lock, too: should we be killed, it still keeps others out until it ends.
        held = [self.lock.fileno()] if os.name == "posix" else []
        with self.environment.log.open("ab") as log, self.environment.log.open("rb") as reader:
            reader.seek(0, os.SEEK_END)
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables, cwd=str(HERE), pass_fds=held
            )
            said = b""
            try:
                while child.poll() is None:
                    time.sleep(0.1)
                    said += reader.read()
                    progress.show(said.decode(errors="replace"))
            except BaseException:
                child.terminate()
                child.wait()
                raise
            said += reader.read()
        if child.returncode:
            progress.end("failed")
            log = self.environment.log
            otherwise = f"This failed: {title}. Why is at the end of {log}; starting again tries it again."
            raise Trouble(explain(said.decode(errors="replace"), otherwise, log, self.pin("torch")))
        progress.end("done")


def has_nvidia_driver():
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def plain_name(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def require_space(gigabytes):
    free = shutil.disk_usage(str(HERE)).free / 1e9
    if free < gigabytes:
        raise Trouble(
            f"The disk with {HERE} has {free:.1f} GB free, and the environment needs {gigabytes}: "
            "make room and start again."
        )


def empty(environment):
    """Remove all of our environment but the marker, which says that it is ours."""
    for path in environment.folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(str(path))
        elif path not in (environment.marker, environment.log):
            path.unlink()


def remove_half_installed(environment):
    """Make pip forget packages that an interruption left incomplete, so that it installs them again.

    A package's file RECORD lists its files with their sizes; pip writes it last.
    """
    site = environment.site_packages()
    for leftover in site.glob("~*"):  # where pip put the old version aside
        shutil.rmtree(str(leftover), ignore_errors=True)
    for information in site.glob("*.dist-info"):
        if not is_complete(site, information):
            shutil.rmtree(str(information))


def is_complete(site, information):
    try:
        with (information / "RECORD").open(encoding="utf-8", newline="") as record:
            sizes = [(name, size) for name, _, size in csv.reader(record) if size]
        return all(os.path.getsize(str(site / name)) == int(size) for name, size in sizes)
    except (OSError, ValueError):
        return False


# ---- Telling a person --------------------------------------------------------


def say(words):
    print(words, flush=True)


def is_newer(file, moment):
    try:
        return file.stat().st_mtime >= moment
    except OSError:  # pip removes an old version just now
        return False


def duration(seconds):
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


class Progress:
    """One line that is written over on a terminal; elsewhere a line now and then."""

    def __init__(self, title, packages, site_packages):
        self.title, self.packages, self.site_packages = title, packages, site_packages
        self.started = self.last_told = time.time()
        self.on_terminal = sys.stdout.isatty()
        if not self.on_terminal:
            say(title + " ...")

    def show(self, said):
        if time.time() - self.last_told > (0.5 if self.on_terminal else 15):
            self.last_told = time.time()
            self.tell(self.state(said))

    def state(self, said):
        """How far pip has come, from what it said and from what lies there."""
        _, unpacking, names = said.rpartition("Installing collected packages: ")
        if unpacking:
            done = [file for file in self.site_packages.glob("*.dist-info/INSTALLER") if is_newer(file, self.started)]
            return f"unpacked {len(done)} of {len(names.splitlines()[0].split(','))}"
        names = re.findall(r"^(?:Collecting|Requirement already satisfied:) ([\w.-]+)", said, re.MULTILINE)
        loaded = re.findall(r"^Progress (\d+) of (\d+)", said, re.MULTILINE)
        if loaded and not self.packages:
            return f"{names[-1]}, {int(loaded[-1][0]) / 1e6:.0f} of {int(loaded[-1][1]) / 1e6:.0f} MB"
        return f"{len(names)} of {self.packages or 'some'}, {names[-1]}" if names else "at work"

    def tell(self, state):
        line = f"{self.title}: {state}, {duration(time.time() - self.started)}"
        if self.on_terminal:
            width = shutil.get_terminal_size().columns - 1
            print("\r" + line[:width].ljust(width), end="", flush=True)
        else:
            say(line)

    def end(self, state):
        self.tell(state)
        if self.on_terminal:
            print()


def explain(said, otherwise, log="install.log", torch=""):
    """The sentence of REASONS for what pip or the system said."""
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    for pattern, sentence in REASONS:
        match = re.search(pattern, said)
        if match:
            detail = said[said.rfind("\n", 0, match.start()) + 1 :].partition("\n")[0].strip()
            known = dict(here=HERE, space=SPACE_GB, log=log, torch=torch, machine=machine, detail=detail)
            return sentence.format(**known, **match.groupdict())
    return otherwise


# ---- The course takes over ---------------------------------------------------


def run_medcrypt(environment, verb, options):
    # -P: a file in the current folder that is named like a package must not be taken for it.
    command = [str(environment.python), "-P", "-m", "medcrypt_lab", verb, *options]
    if verb == "doctor":  # runs also where the installation ended before the course itself was installed
        command[2:4] = ["-c", FROM_HERE, str(HERE)]
    sys.stdout.flush()
    if os.name == "posix":
        os.execve(command[0], command, environment.variables())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the course's to answer
    return subprocess.call(command, env=environment.variables())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
