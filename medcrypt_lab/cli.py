"""The `medcrypt` command."""
import argparse
import functools
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

EPILOG = "`python3 course.py VERB` does the same from a fresh copy of the course: it makes the environment first."


def parser():
    """Every verb and option, with its help."""
    top = argparse.ArgumentParser(prog="medcrypt", description="MedCrypt Lab: the security of medical-image AI, by hand.", epilog=EPILOG)
    verbs = top.add_subparsers(dest="verb", metavar="VERB")
    lab = verbs.add_parser("lab", help="open JupyterLab on your own copies of the lessons",
                           description="Puts each lesson that is not there yet into your work folder and opens JupyterLab on it. "
                                       "A newer edition of a lesson is merged with yours, and your old file kept. Options after -- go to JupyterLab.")
    lab.add_argument("lesson", nargs="?", help="part of a lesson's name, e.g. fgsm; the first lesson if not said")
    lab.add_argument("--no-browser", action="store_true", help="start the server without opening a browser")
    lab.add_argument("--list", action="store_true", help="list the lessons and stop")
    lab.set_defaults(run=run_lab)
    test = verbs.add_parser("test", help="run all tests and every notebook",
                            description="Runs the tests of the package and of every exercise, and with nbval every notebook as shipped and as solved. "
                                        "Options after -- go to pytest.")
    test.add_argument("--all", action="store_true", help="also every answer over every seed, through bytes and in a release (slow)")
    test.set_defaults(run=run_test)
    build = verbs.add_parser("build", help="for authors: make the notebooks from lessons/ and exercises/",
                             description="Makes notebooks from their sources and executes them twice: as they are, and with plain CPU instructions.")
    build.add_argument("lesson", nargs="*", help="parts of lessons' names (of experiments' with --experiments, of networks' with --weights); all if none is said")
    what = build.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="only say what is not what its sources give; runs nothing")
    what.add_argument("--solved", metavar="DIR", type=Path, help="write the solved edition into DIR")
    what.add_argument("--experiments", action="store_true", help="run the experiments whose scripts changed, or those whose names follow")
    what.add_argument("--weights", action="store_true", help="train the shipped networks anew and say what changed")
    build.set_defaults(run=run_build)
    release = verbs.add_parser("release", help="for instructors: what a class is given, as a zip without any answer",
                               description="Writes medcrypt-lab.zip into DIR: lessons, package, checks and data, for students to unpack and start.")
    release.add_argument("lesson", nargs="*", help="parts of lessons' names; all if none is said")
    release.add_argument("--out", metavar="DIR", type=Path, required=True)
    release.set_defaults(run=run_release)
    grade = verbs.add_parser("grade", help="for instructors: grade a class's notebooks, each in a sandbox",
                             description="Grades every notebook below SUBMISSIONS: a folder for each student, files named STUDENT_LESSON, what Moodle and "
                                         "Canvas let you download, archives. Interrupted, the same command goes on where it was.")
    grade.add_argument("submissions", metavar="SUBMISSIONS", type=Path, nargs="?")
    grade.add_argument("--out", metavar="DIR", type=Path, required=True, help="where grades.csv and the pages go, and what is kept for the next time")
    grade.add_argument("--workers", metavar="N", type=int, help="submissions graded at a time; as many as there are cores if not said")
    grade.add_argument("--student", metavar="NAME", help="grade only those whose name holds this")
    grade.add_argument("--regrade", metavar="EXERCISE", action="append", default=[], help="grade this exercise anew, e.g. gradient_attacks.fgsm")
    grade.add_argument("--roster", metavar="FILE.csv", type=Path, help="the class's names, as Moodle or Canvas export them")
    grade.add_argument("--plan", metavar="FILE.toml", type=Path, help="which lessons count, and how much; see INSTRUCTORS.md")
    grade.add_argument("--format", choices=["canvas", "moodle"], help="also write the table that this system imports")
    grade.add_argument("--delete", metavar="NAME", help="grade nobody; remove what DIR holds of this student")
    grade.add_argument("--scheduler", metavar="tls://HOST:PORT", help="grade on the machines of a running dask.distributed cluster")
    grade.add_argument("--certificates", metavar="DIR", type=Path, help="with --scheduler: where ca.pem, cert.pem and key.pem are")
    grade.add_argument("--unsafe", action="store_true", help="grade without the sandbox: only notebooks whose authors you trust with this machine")
    grade.set_defaults(run=run_grade)
    images = verbs.add_parser("data", help="list the embedded data; for authors: draw and measure it",
                              description="The embedded data: what is there, drawn anew, compared with what its programs draw, or measured for the cards.")
    images.add_argument("do", choices=["list", "build", "measure"])
    images.add_argument("set", nargs="*", help="names of sets, as the list shows them; all if none is said")
    images.add_argument("--check", nargs="*", metavar="SET", help="with build: draw again and only compare; all sets if none is said")
    images.add_argument("--real", metavar="FILE.npz", help="with measure: real X-rays, for the comparison in the card of chest")
    images.set_defaults(run=run_data)
    verdicts = verbs.add_parser("verdicts", help="print the scoreboard: what became of each system",
                                description="Gathers the verdicts from the stored notebooks; runs nothing.")
    how = verdicts.add_mutually_exclusive_group()
    how.add_argument("--check", nargs="*", metavar="ROW", help="fail if a row named, as A1, has no sound verdict, or anything is wrong with any verdict")
    how.add_argument("--markdown", action="store_true", help="print the table of the README")
    verdicts.set_defaults(run=run_verdicts)
    doctor = verbs.add_parser("doctor", help="say what is wrong with this installation, and how to mend it",
                              description="Looks at the packages, Jupyter, this machine and the course's files. Ends with 1 if anything is wrong.")
    doctor.add_argument("--mend", action="store_true", help="install what is missing (but PyTorch), and copy lessons edited in chapters/ to your work folder")
    doctor.set_defaults(run=run_doctor)
    return top


def main(arguments=None):
    """Run one verb -> exit code. What a person did wrong ends in one sentence."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    passed_on = []
    if "--" in arguments:
        cut = arguments.index("--")
        arguments, passed_on = arguments[:cut], arguments[cut + 1:]
    top = parser()
    options = top.parse_args(arguments)
    if not options.verb:
        top.print_help()
        return 2
    from medcrypt_lab.exercises.source import AuthorError
    try:
        return options.run(options, passed_on)
    except (AuthorError, CourseError) as error:
        print(error, file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("medcrypt_lab."):
            raise
        print(f"`{options.verb}` is no part of this edition, which a class was given: use a full copy of the course.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


class CourseError(Exception):
    """Something a person can mend; the words say how."""


# ---------------------------------------------------------------- lab
def run_lab(options, passed_on):
    from medcrypt_lab import upgrade
    from medcrypt_lab.exercises import work
    try:
        lessons = upgrade.copy_lessons()
    except OSError as error:
        raise CourseError(f"Your work folder {work.folder()} cannot be written ({error.strerror}). Set MEDCRYPT_WORK to a folder of yours.") from None
    for path, new, _ in lessons:
        if new:
            trust(path)
    if not lessons:
        raise CourseError("This copy of the course holds no lesson: chapters/ is empty. Unpack or clone it again.")
    if options.list:
        for path, _, _ in lessons:
            print(f"{path.parent.name}/{path.stem}")
        return 0
    names = [f"{path.parent.name}/{path.stem}" for path, _, _ in lessons]
    fitting = [path for (path, _, _), name in zip(lessons, names) if (options.lesson or "") in name]
    if not fitting:
        raise CourseError(f"No lesson is called {options.lesson!r}. There are: {', '.join(names)}.")
    upgrade_lessons([path for path, _, older in lessons if older], work.folder())
    print(f"Your lessons are in {work.folder()}. Stop the server with Ctrl-C here.")
    return start_jupyterlab(work.folder(), fitting[0], options.no_browser, passed_on)


def upgrade_lessons(paths, folder):
    """Bring these copies to the course's edition, and say what became of each."""
    from medcrypt_lab import upgrade
    if paths and is_served(folder):
        print(f"The course has a newer edition of {', '.join(path.stem for path in paths)}. A Jupyter server is running on {folder}, and you may have "
              "them open there: the newer edition comes with the first start of `medcrypt lab` after that server was stopped.")
        return
    for path in paths:
        told, kept = upgrade.upgrade(path)
        if kept and is_trusted(kept):
            trust(path)
        if told:
            print(told)


def is_served(folder):
    """Does a Jupyter server run on this folder?"""
    from jupyter_server.serverapp import list_running_servers
    try:
        return any(Path(server.get("root_dir", "/")).resolve() == folder.resolve() and answers(server) for server in list_running_servers())
    except OSError:             # one of the files that tell of servers went this moment
        return False


def answers(server):
    """Is the server really there? The file that tells of it may be of one that was killed, and its number another program's by now."""
    try:
        socket.create_connection((server.get("hostname"), server.get("port")), timeout=2).close()
    except ConnectionRefusedError:
        return False
    except OSError:             # no port but a socket file: take its word
        pass
    return True


def is_trusted(notebook):
    """Were the outputs of this notebook made or approved by its owner?"""
    import nbformat
    from nbformat.sign import NotebookNotary
    try:
        return NotebookNotary().check_signature(nbformat.read(notebook, 4))
    except Exception:           # as in `trust`: costs only looks
        return False


def trust(notebook):
    """Sign a copy that the course itself made, so that its cards show in full before anything was run."""
    import nbformat
    from nbformat.sign import NotebookNotary
    try:
        NotebookNotary().sign(nbformat.read(notebook, 4))
    except Exception as error:          # an unwritable or foreign signature store costs only looks
        print(f"{notebook.name} could not be marked as trusted ({error}); its cards look plainer until you run them.", file=sys.stderr)


def start_jupyterlab(folder, notebook, no_browser, passed_on):
    """Run JupyterLab in the work folder, opened on the notebook, until it ends -> its exit code."""
    environment = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1", "MEDCRYPT_WORK": str(folder)}
    settings = str(Path(__file__).parent / "jupyter")
    if "MEDCRYPT_DATA" in environment:      # kernels run in the lessons' folders: a path given from here must not change its meaning
        environment["MEDCRYPT_DATA"] = ",".join(from_here(part) for part in environment["MEDCRYPT_DATA"].split(","))
    environment["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [settings, os.environ.get("JUPYTER_CONFIG_PATH")]))
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}",
               f"--LabApp.default_url=/lab/tree/{quote(notebook.relative_to(folder).as_posix())}"]
    command += ["--no-browser"] if no_browser else []
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        print("You are root; JupyterLab is told to run all the same. An ordinary user is safer.")
        command.append("--allow-root")
    command += passed_on
    os.chdir(folder)
    if os.name == "posix":              # JupyterLab takes our place: signals reach it, and nothing outlives it
        sys.stdout.flush()
        os.execve(sys.executable, command, environment)
    return subprocess.call(command, env=environment)


def from_here(setting):
    """`chest=FILE` with the path made absolute, where it is one."""
    name, _, source = setting.partition("=")
    return f"{name}={Path(source).absolute()}" if source and Path(source).exists() else setting


# ---------------------------------------------------------------- test
def run_test(options, passed_on):
    try:
        import nbval  # noqa: F401
        import pytest  # noqa: F401
        import xdist  # noqa: F401
    except ImportError as error:
        raise CourseError(f"The tests need {error.name}: run `python3 course.py test`, which installs it.") from None
    from medcrypt_lab.authoring import build
    from medcrypt_lab.exercises import files
    course = files.root()
    with tempfile.TemporaryDirectory(prefix="medcrypt-solved-") as folder:
        build.solved(Path(folder))
        command = [sys.executable, "-m", "pytest", "-c", str(course / "pyproject.toml"), f"--rootdir={course}",
                   "--nbval", "--nbval-current-env", "--nbval-cell-timeout=120", f"--nbval-sanitize-with={course / 'tests' / 'nbval.cfg'}",
                   str(course / "tests"), str(course / "chapters"), folder]
        # Two processes, a core each; a file stays with one of them, as a notebook's cells must. tests/conftest.py says which begin first.
        command += ["--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder"] if (os.cpu_count() or 1) > 1 else []
        command += ["--all"] if options.all else []
        return subprocess.call([*command, *passed_on], cwd=course, env={"OMP_NUM_THREADS": "1", **os.environ})


# ---------------------------------------------------------------- build
def run_build(options, passed_on):
    try:
        import jupytext  # noqa: F401
    except ImportError:
        raise CourseError("Building needs jupytext: run `python3 course.py build`, which installs it.") from None
    if options.weights:
        from medcrypt_lab.generators import build as generated
        print(generated.build_weights(options.lesson))
        return 0
    from medcrypt_lab.authoring import build, execution, experiments
    try:
        if options.check:
            sentences = build.stale(options.lesson)
            print("\n".join(sentences) or "Everything is what its sources give.")
            return 1 if sentences else 0
        if options.experiments:
            experiments.build(options.lesson)
        elif options.solved:
            for path in build.solved(options.solved, options.lesson):
                print(path)
        else:
            build.build(options.lesson)
    except (build.NoSuchLesson, experiments.NoSuchExperiment, execution.CellFailed) as error:
        raise CourseError(str(error)) from None
    return 0


# ---------------------------------------------------------------- release
def run_release(options, passed_on):
    try:
        import jupytext  # noqa: F401
        from medcrypt_lab.authoring import build, release
    except ImportError as error:
        if error.name != "jupytext":
            raise
        raise CourseError("Making a release needs jupytext: run `python3 course.py release`, which installs it.") from None
    try:
        path = release.release(options.out, options.lesson)
    except build.NoSuchLesson as error:
        raise CourseError(str(error)) from None
    print(f"{path}, {path.stat().st_size / 1e6:.0f} MB. It holds no answer; students unpack it and run `python3 course.py lab`.")
    return 0


# ---------------------------------------------------------------- grade
def run_grade(options, passed_on):
    if options.delete:
        from medcrypt_lab.grading import reports
        try:
            print("\n".join(reports.delete(options.out, options.delete)))
        except ValueError as error:
            raise CourseError(str(error)) from None
        return 0
    if options.submissions is None:
        raise CourseError("Say where the submissions are: `medcrypt grade SUBMISSIONS --out DIR`.")
    if not hasattr(os, "fork"):
        raise CourseError("Grading needs Linux (or, with --unsafe, macOS). On Windows run it in the Windows Subsystem for Linux.")
    from medcrypt_lab.grading import cluster, grade, sandbox
    if bool(options.scheduler) != bool(options.certificates) or options.scheduler and options.unsafe:
        raise CourseError("--scheduler and --certificates go together, and without --unsafe: a cluster's machines grade in the sandbox.")
    elsewhere = options.scheduler and functools.partial(cluster.Cluster, options.scheduler, options.certificates)
    if options.unsafe:
        print("Without the sandbox, a notebook can read and delete whatever you can, and forge what it likes.", file=sys.stderr)
    try:
        results = grade.run(options.submissions, options.out, workers=options.workers, student=options.student, regrade=options.regrade,
                            unsafe=options.unsafe, roster=options.roster, plan=options.plan, format=options.format, cluster=elsewhere,
                            say=lambda words: print(words, flush=True))
    except sandbox.CannotStart as error:
        from medcrypt_lab import doctor
        remedies = [finding.remedy for finding in doctor.sandbox() if finding.remedy]
        raise CourseError(f"The sandbox cannot start: {error}. " + "; ".join(remedies or ["`medcrypt doctor` may know more."]) +
                          "\nNobody was graded. With --unsafe the notebooks run unprotected, and the report says so.") from None
    except grade.GradingError as error:
        raise CourseError(str(error)) from None
    for label, why in results["strange"]:
        print(f"Not graded: {label}: {why}.")
    print(f"{options.out / 'grades.csv'}: {len(results['students'])} students, {len(results['exercises'])} exercises. Open {options.out / 'class.html'}; "
          f"a page for each student is in {options.out / 'feedback'}.")
    return 0


# ---------------------------------------------------------------- data
def run_data(options, passed_on):
    from medcrypt_lab.generators import build
    sets = options.set + (options.check or [])
    if unknown := [name for name in sets if name not in build.SETS]:
        raise CourseError(f"There is no set {unknown[0]}; there is: {', '.join(build.SETS)}.")
    if options.check is not None and options.do != "build":
        raise CourseError("--check goes with build: `medcrypt data build --check`.")
    if options.do == "list":
        print(build.listed())
    elif options.do == "measure":
        from medcrypt_lab.generators import measure
        print(measure.measure(options.set or None, options.real))
    elif options.check is not None:
        problems = build.check(keys=sets or None)
        print("\n".join(problems) or "Drawn again, everything is what data/ holds.")
        return 1 if problems else 0
    else:
        print(build.build(options.set or None))
    return 0


# ---------------------------------------------------------------- verdicts
def run_verdicts(options, passed_on):
    from medcrypt_lab.authoring import scoreboard
    verdicts, problems = scoreboard.gather()
    if options.markdown:
        print(scoreboard.markdown(verdicts))
        return 0
    if options.check is None:
        print("\n".join([scoreboard.table(verdicts), *problems]))
        return 0
    judged = {verdict["row"]: verdict for verdict in verdicts}
    problems += [f"{row} has no sound verdict." for row in options.check if row not in judged]
    if problems:
        raise CourseError("\n".join(problems))
    print(scoreboard.table([judged[row] for row in options.check or judged]))
    return 0


# ---------------------------------------------------------------- doctor
def run_doctor(options, passed_on):
    from medcrypt_lab import doctor
    return doctor.run(options.mend)
