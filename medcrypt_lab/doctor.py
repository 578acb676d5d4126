"""`medcrypt doctor`: what is wrong with this installation, and how to mend it. It starts without any package: a check imports what it needs."""
import contextlib
import hashlib
import importlib
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from importlib import machinery, metadata, util
from pathlib import Path

from medcrypt_lab import __version__
from medcrypt_lab.exercises import files, work

DATA = Path(__file__).resolve().parents[1] / "data"
MEMORY_GB, DISK_GB = 2, 0.5     # what a lesson takes with its server and browser; what a work folder may grow by
BROWSERS = "chromium", "chromium-browser", "google-chrome"
EXTENSION = "@jupyter-widgets/jupyterlab-manager"
SAFELY = "import sys; sys.path[:] = filter(None, sys.path); "       # so that no file in the current folder is taken for a package
ASK_KERNEL = SAFELY + "import json, importlib.util as u; print(json.dumps([sys.prefix, " \
    "[n for n in ('ipykernel', 'ipywidgets', 'torch', 'medcrypt_lab') if u.find_spec(n) is None]]))"
LIMITS = ("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")   # limit and use, in both kinds of control groups
FORBIDDEN = [                   # what keeps bubblewrap from starting: a setting, its value, the remedy
    ("kernel.unprivileged_userns_clone", "0", "`sudo sysctl kernel.unprivileged_userns_clone=1`"),
    ("user.max_user_namespaces", "0", "`sudo sysctl user.max_user_namespaces=15000`"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "an AppArmor profile that grants bwrap `userns`, "
     "or `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`")]
LACK = {"course": "the course needs them", "optional": "the few lessons that use them do not run; all others do",
        "test": "only authors need them, for the verbs test and build"}
WELL, REMARK, ILL = "✓", "!", "✗"
# One thing that a check saw. mend: a function that mends it and returns a sentence of what it did, or of what stood in the way.
Finding = namedtuple("Finding", "level what remedy mend", defaults=("", None))


def run(mend=False):
    """Make every check, mend what can be mended if asked to, and print what was seen -> 1 if anything ill remains, else 0."""
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")      # for our signs, also where Windows writes into a file
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"                     # as `medcrypt lab` sets it
    say(f"MedCrypt Lab {__version__} in {files.root()}, Python {platform.python_version()} in {sys.prefix}, {platform.platform()}")
    levels = []
    for title, check in CHECKS.items():
        findings = examined(check)
        mendable = [finding for finding in findings if mend and finding.mend]
        for finding in mendable:
            say(f"{finding.level} {title}: {finding.what}\n  → {finding.mend()}")
        for finding in (examined(check) if mendable else findings) or [Finding(WELL, "fine")]:
            levels.append(finding.level)
            say(f"{finding.level} {title}: {finding.what}" + f"\n  → {finding.remedy}" * bool(finding.remedy))
    say(f"Wrong: {levels.count(ILL) or 'nothing'}. Remarks: {levels.count(REMARK) or 'none'}. If you ask for help, send all these lines.")
    return int(ILL in levels)


def examined(check):
    """A check's findings; one that fails is a finding itself: what could not be looked at cannot be called well."""
    try:
        return list(check())
    except Exception as error:          # whatever a broken installation does to us
        return [Finding(ILL, f"could not be checked: {type(error).__name__}: {error}")]


def say(words):
    """Print words, with ~ for the home folder: what is sent to others should name no user."""
    home = Path(os.path.expanduser("~"))
    for path in {str(home), str(home.resolve())} if len(home.parts) > 1 else ():
        words = re.sub(re.escape(path) + r"(?![\w-])", "~", words)
    print(words, flush=True)


def listed(items, most=8):
    """The first few items, and how many more there are."""
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def ask(command, seconds, **settings):
    """Run a program -> (whether it succeeded, what it printed, the last line of its complaints)."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=seconds, **settings)
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, "", str(error)
    return done.returncode == 0, done.stdout, (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[-1].strip()


def python():
    """Is it a Python that the lock's packages are made for?"""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        old = sys.version_info < (3, 11)
        words = f"Python {platform.python_version()} is too old" if old else f"the course was not tried with Python {platform.python_version()}"
        yield Finding(ILL if old else REMARK, words, "Start course.py with Python 3.11, 3.12 or 3.13, as in `python3.12 course.py lab`.")


def pins():
    """Each part of requirements.lock -> {package: version}, as far as its condition holds here."""
    parts, can_decide = {}, util.find_spec("packaging")     # else the few lines with a condition are passed over
    for line in (files.root() / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"# --- (\w+) ---", line):
            part = parts[heading[1]] = {}
        elif pin := re.fullmatch(r"([\w.-]+)==([^\s;]+)(?:\s*;\s*(.+))?", line):
            if not pin[3] or can_decide and importlib.import_module("packaging.markers").Marker(pin[3]).evaluate():
                part[pin[1]] = pin[2]
    return parts


def conda_ranges():
    """In an environment whose versions conda chose, package -> the versions that pyproject.toml allows; elsewhere nothing."""
    if not (Path(sys.prefix) / "conda-meta").is_dir():
        return {}
    import tomllib
    from packaging.requirements import Requirement
    project = tomllib.loads((files.root() / "pyproject.toml").read_text(encoding="utf-8"))
    lines = map(Requirement, project["project"]["dependencies"] + project["tool"]["uv"]["override-dependencies"])
    return {line.name: line.specifier for line in lines if not line.marker or line.marker.evaluate()}


def installed(name):
    """A package's version without what its builder appended, as the +cpu of PyTorch; None if it is missing."""
    # What an interrupted installation left: KeyError, or FileNotFoundError where the package importlib_metadata took Python's place.
    with contextlib.suppress(metadata.PackageNotFoundError, KeyError, FileNotFoundError):
        return (metadata.version(name) or "").partition("+")[0] or None


def packages():
    """Is every package of the lock there, in its version?"""
    fitting, ranges = 0, conda_ranges()
    for part, pinned in pins().items():
        if ranges and part == "course":         # conda brought what our own dependencies need; it cannot bring torchattacks
            pinned = {name: version for name, version in pinned.items() if name in ranges or name == "torchattacks"}
        there = {name: installed(name) for name in pinned}
        missing = {name: pinned[name] for name in pinned if there[name] is None}
        other = {name: pinned[name] for name in pinned if there[name] not in (None, pinned[name])
                 and not (name in ranges and ranges[name].contains(there[name], prereleases=True))}
        fitting += len(pinned) - len(missing) - len(other)
        if missing:
            yield Finding(ILL if part == "course" else REMARK, f"missing: {listed([*missing])} ({LACK[part]})", *repair(part, missing))
        if other:
            words = listed([f"{name} {there[name]}, not {version}" for name, version in other.items()])
            yield Finding(ILL, f"other versions than the lock's: {words}", *repair(part, other))
    if fitting:
        yield Finding(WELL, f"{fitting} as " + ("pyproject.toml allows, chosen by conda" if ranges else "the lock says"))


def repair(part, wanted):
    """How to get these packages, name -> version -> (the remedy in words, the function that does it or None)."""
    here, record = Path(sys.prefix), Path(sys.prefix, "course.json")
    if sys.prefix == sys.base_prefix and here.name != "medcrypt-lab":       # a system's Python, or conda's base: not ours to change
        return "`python3 course.py lab` makes an environment of its own and starts the course in it.", None
    if (here / "made-by-course.py").exists() and not (record.exists() and "course" in json.loads(record.read_text(encoding="utf-8"))["installed"]):
        return "The installation was interrupted: `python3 course.py lab` goes on with it.", None
    pip = [sys.executable, "-P", "-m", "pip", "install", "--no-deps", "--only-binary=:all:"]
    specs = [f"{name}=={version}" for name, version in wanted.items() if name != "torch"]
    words = f"`{' '.join([*pip, *specs])}`." * bool(specs)
    if len(specs) > 8:                  # more than anybody would read
        words = f"`python3 course.py {'test' if part == 'test' else 'lab'}` brings them, in an environment of its own."
    if "torch" in wanted:               # gigabytes, and which build is right depends on the machine: never by itself
        words += f" torch, up to 3 GB, is left to you: `{sys.executable} -m pip install torch=={wanted['torch']}`."
    if part != "course" or not specs:
        return words.strip(), None
    return f"--mend lets pip install {'the others' if 'torch' in wanted else 'what is right'}; by hand: {words}", lambda: install(pip, specs)


def install(pip, specs):
    """Let pip install these -> a sentence of how it went."""
    worked, _, said = ask([*pip, "--no-input", "--disable-pip-version-check", "--retries", "1", *specs], 900)
    importlib.invalidate_caches()
    return f"pip installed {listed(specs)}." if worked else f"pip could not install {listed(specs)}. Is there a network? Its last words: {said}"


def pytorch():
    """Can PyTorch be loaded? A build for another machine is installed and yet does not start."""
    worked, _, said = ask([sys.executable, "-c", SAFELY + "import torch; torch.ones(2).sum()"], 60)
    if not worked:
        again = f"Install it again: `{sys.executable} -m pip install --force-reinstall torch=={pins()['course']['torch']}` (up to 3 GB)."
        yield Finding(ILL, f"torch cannot be loaded: {said}", again if installed("torch") else "")         # packages said how to get it


def crypto():
    """Is the module Crypto the one of pycryptodome?"""
    pip, again = f"{sys.executable} -m pip", f"install --force-reinstall --no-deps pycryptodome=={pins()['course']['pycryptodome']}"
    beside = [folder / name for folder in (work.folder(), *work.folder().glob("*/")) for name in ("Crypto/__init__.py", "Crypto.py")]
    found = getattr(machinery.PathFinder.find_spec("Crypto"), "origin", None) or "nothing"
    wanted = metadata.distribution("pycryptodome").locate_file("Crypto/__init__.py") if installed("pycryptodome") else "not installed"
    if rivals := " ".join(name for name in ("pycrypto", "crypto") if installed(name)):
        yield Finding(ILL, f"there is {rivals}, which takes the folder of pycryptodome's module Crypto: lessons that encrypt fail",
                      f"`{pip} uninstall -y {rivals}`, then `{pip} {again}`.")
    elif stray := [str(path) for path in beside if path.exists()]:
        yield Finding(ILL, f"the lessons beside it would take {' and '.join(stray)} for pycryptodome", "Rename it.")
    elif os.path.realpath(found) != os.path.realpath(wanted):
        remedy = f"Rename {found}." if found != "nothing" else f"`{pip} {again}`." if installed("pycryptodome") else ""
        yield Finding(ILL, f"`import Crypto` finds {found}; pycryptodome's: {wanted}", remedy)


def widgets():
    """Does the environment that runs JupyterLab have the extension that draws widgets, switched on?"""
    from jupyter_core.paths import jupyter_config_path, jupyter_path
    if not any((Path(folder) / EXTENSION / "package.json").exists() for folder in jupyter_path("labextensions")):
        pin = f"jupyterlab-widgets=={pins()['course']['jupyterlab-widgets']}"
        yield Finding(ILL, f"the server's environment {sys.prefix} lacks {EXTENSION}: sliders and buttons are not drawn",
                      f"`{sys.executable} -m pip install --force-reinstall --no-deps {pin}`, then start JupyterLab again.")
    places = [Path(folder) / "labconfig" for folder in jupyter_config_path()] + [Path(sys.prefix) / "share/jupyter/lab/settings"]
    for path in [place / "page_config.json" for place in places if (place / "page_config.json").exists()]:
        disabled = json.loads(path.read_text(encoding="utf-8")).get("disabledExtensions", {})
        if EXTENSION in disabled:           # the first file that speaks of it decides: in a list of names, or by name -> is it off?
            if isinstance(disabled, list) or disabled[EXTENSION]:
                yield Finding(ILL, f"{EXTENSION} is switched off for the server, in {path}", f"`jupyter labextension enable {EXTENSION}`.")
            break


def kernel():
    """Which Python do notebooks run in, and has it what the lessons import?"""
    from jupyter_client.kernelspec import get_kernel_spec
    spec = get_kernel_spec("python3")
    program = sys.executable if re.fullmatch(r"python(3(\.\d+)?)?", spec.argv[0]) else spec.argv[0]         # as Jupyter itself reads it
    worked, printed, said = ask([program, "-c", ASK_KERNEL], 20, env={**os.environ, **spec.env})
    prefix, missing = json.loads(printed.splitlines()[-1]) if worked else (None, [])
    here = prefix and os.path.realpath(prefix) == os.path.realpath(sys.prefix)
    remedy = "It is this one: `python3 course.py lab` makes one that has all." if here else \
        f"{spec.resource_dir} says so: remove that folder, then `{sys.executable} -m ipykernel install --sys-prefix`."
    if not worked:
        yield Finding(ILL, f"the kernel python3 starts {program}, which does not answer: {said}", remedy)
    elif missing:
        yield Finding(ILL, f"the kernel's environment {prefix} lacks {', '.join(missing)}", remedy)
    elif not here:
        yield Finding(REMARK, f"notebooks run in another environment, {prefix}, whose versions were not looked at", remedy)


def memory(machine=Path("/")):
    """Is there memory for a lesson, as Linux and its control groups say, elsewhere psutil?"""
    if (machine / "proc/meminfo").exists():
        free = [1024 * int(re.search(r"^MemAvailable:\s+(\d+)", (machine / "proc/meminfo").read_text(), re.M)[1])]
        for kind, path in re.findall(r"^\d+:(memory|):/(.*)", (machine / "proc/self/cgroup").read_text(), re.M):
            group = machine / "sys/fs/cgroup" / kind / path
            above = list(group.parents)[:len(Path(path).parts)]             # these bind it, too
            for folder, (limit, used) in itertools.product([group, *above], LIMITS):
                with contextlib.suppress(OSError, ValueError):              # no such group in here, or no limit: "max"
                    back = max(map(int, re.findall(r"inactive_file (\d+)", (folder / "memory.stat").read_text())))      # files kept in spare memory
                    free.append(int((folder / limit).read_text()) - int((folder / used).read_text()) + back)
    else:
        import psutil
        free = [psutil.virtual_memory().available]
    little = min(free) < MEMORY_GB * 1e9
    yield Finding(REMARK if little else WELL, f"{min(free) / 1e9:.1f} GB are free, and a lesson takes about {MEMORY_GB}",
                  "Close other programs and notebooks." * little)


def folders():
    """Can files be made where the course, Python and Jupyter make them? Is there room for yours?"""
    def existing(folder):
        return next(path for path in (folder, *folder.parents) if os.path.exists(path))

    mine = work.folder()
    places = [(mine, ILL, "your work folder", "MEDCRYPT_WORK"), (None, ILL, "the folder for temporary files", "TMPDIR (on Windows TEMP)")]
    with contextlib.suppress(ImportError):
        from jupyter_core.paths import jupyter_data_dir, jupyter_runtime_dir
        places += [(Path(jupyter_data_dir()), REMARK, "the folder where Jupyter notes which notebooks it trusts", "JUPYTER_DATA_DIR"),
                   (Path(jupyter_runtime_dir()), REMARK, "the folder through which Jupyter reaches kernels", "JUPYTER_RUNTIME_DIR")]
    for folder, level, name, variable in places:
        try:
            tempfile.TemporaryFile(dir=folder and existing(folder)).close()
        except OSError as error:
            words = f"{name}{f' {folder}' if folder else ''} cannot be written ({error.strerror})"
            yield Finding(level, words, f"Set {variable} to a folder of yours.")
        else:
            if folder == mine:
                aside = "" if os.access(files.root(), os.W_OK) else "; the course's own folder is read-only, which does no harm"
                yield Finding(WELL, f"your copies of the lessons go to {mine}{aside}")
    disk = shutil.disk_usage(existing(mine)).free / 1e9
    if disk < DISK_GB:
        yield Finding(REMARK, f"the disk with {mine} has only {disk:.1f} GB free", "Make room, or set MEDCRYPT_WORK to a folder elsewhere.")


def browser():
    """Can the tests drive a browser?"""
    lacking = [] if util.find_spec("playwright") else ["Python's playwright (`python3 course.py test` installs it)"]
    if not (os.environ.get("MEDCRYPT_CHROMIUM") or any(map(shutil.which, BROWSERS))):
        lacking.append(f"a Chromium (none of {', '.join(BROWSERS)} is on the PATH, and MEDCRYPT_CHROMIUM is not set)")
    if lacking:
        yield Finding(REMARK, f"the tests in a browser, which only authors need, are skipped for lack of {' and '.join(lacking)}")


def sandbox(machine=Path("/")):
    """Does the sandbox start in which submissions are graded?"""
    worked, _, said = ask(["bwrap", "--ro-bind", "/", "/", "--unshare-all", "--unshare-user", "--disable-userns", "true"], 5)
    if worked:
        return
    causes = {"it is older than version 0.8": "Install a newer bubblewrap, as Debian 12 and Ubuntu 24.04 have."} if "disable-userns" in said else {}
    for name, bad, remedy in FORBIDDEN:
        setting = machine / "proc/sys" / name.replace(".", "/")
        if setting.exists() and setting.read_text().strip() == bad:
            causes[f"{name} is {bad}"] = remedy
    if (machine / ".dockerenv").exists() or (machine / "run/.containerenv").exists():
        causes["this is a container"] = "grade outside of it, or start it with `--security-opt seccomp=unconfined`"
    if not shutil.which("bwrap"):
        causes = {"it is not installed": "On Debian and Ubuntu `sudo apt install bubblewrap`."}
    if not sys.platform.startswith("linux"):
        causes = {f"it needs Linux, and this is {platform.system()}": "Grade on Linux, in a virtual machine for example."}
    words = f"bubblewrap, which only instructors need, cannot start: {'; '.join([said, *causes])}"
    yield Finding(REMARK, words, "; ".join(causes.values()))


def data():
    """Are the images and weights what the manifest lists?"""
    try:
        listing = json.loads((DATA / "manifest.json").read_text(encoding="utf-8"))
        sums = {entry["file"]: entry["sha256"] for section in ("sets", "weights") for entry in listing[section].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        sums = {"manifest.json": None}
    for file, expected in sums.items():
        there = (DATA / file).exists()
        if not there or hashlib.sha256((DATA / file).read_bytes()).hexdigest() != expected:
            yield Finding(ILL, f"data/{file} is {'damaged' if there else 'missing'}",
                          f"Repair it with `git checkout data/{file}`, or unpack the course again.")


def lessons():
    """Are the notebooks in chapters/ as they were shipped? Answers written there are no illness, but not safe from a newer edition."""
    for path in sorted((files.root() / "chapters").glob("[0-9][0-9]_*/*.ipynb")):
        try:
            answers, damage = edits(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            answers, damage = [], ["it cannot be read as a notebook of the course"]
        if answers or damage:
            name = path.relative_to(files.root()).as_posix()
            yield Finding(ILL if damage else REMARK, f"{name} is not as shipped: {listed(damage + answers)}",
                          f"--mend copies it into {work.folder() / path.parent.name}, so that nothing is lost; "
                          f"`git checkout {name}`, or unpacking the course again, restores the lesson.", lambda path=path: keep(path))


def edits(book):
    """What was changed in a notebook since it was shipped -> (answers and additions, damage to the lesson)."""
    shipped, named = book["metadata"]["medcrypt"]["shipped"], book["metadata"]["medcrypt"]["named"]
    answers, damage, ids = [], [], [cell.get("id") for cell in book["cells"]]
    for number, (id, cell) in enumerate(zip(ids, book["cells"]), 1):
        if id not in shipped:
            answers.append(f"cell {number} was added")
        elif work.fingerprint("".join(cell["source"])) != named.get(id, id[1:9]):         # an id holds its text's fingerprint, unless `named` does
            (answers if id in named else damage).append(f"cell {number} ({id}) was changed")
    damage += [f"the cell {id} is missing" for id in shipped if id not in ids]
    return answers, damage


def keep(path):
    """Copy an edited lesson into the work folder, over nothing that is there -> a sentence of how it went."""
    folder = work.folder() / path.parent.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = work.fingerprint(path.read_text(encoding="utf-8", errors="replace"))             # each text gets a file of its own
        copy, unfinished = folder / f"{path.stem}.from-chapters-{text}.ipynb", folder / f".{path.name}.{os.getpid()}"
        if not copy.exists():
            shutil.copyfile(path, unfinished)
            os.replace(unfinished, copy)
    except OSError as error:
        return f"It could not be copied into {folder} ({error.strerror})."
    return f"A copy is in {copy}."


CHECKS = {"Python": python, "packages": packages, "PyTorch": pytorch, "Crypto": crypto, "widgets": widgets, "kernel": kernel, "memory": memory,
          "folders": folders, "data": data, "lessons": lessons, "browser": browser, "sandbox": sandbox}
