"""Grading a class: every submission goes through the sandbox, results are kept as they come, an interrupted run goes on where it was."""
import ast
import contextlib
import ctypes
import dataclasses
import functools
import gc
import hashlib
import json
import multiprocessing
import os
import resource
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from multiprocessing import connection
from pathlib import Path

from medcrypt_lab import __version__
from medcrypt_lab.exercises import card, files, judging, work
from medcrypt_lab.exercises.source import ExerciseText

from . import planning, remote, reports, sandbox, submissions
from .reports import write
from .worker import without_scipy

CHECK_WITHIN = 30           # seconds for a check, above the answer's own
DRAWS = 5                   # of a seed, for an exercise
SILENT = 60                 # seconds above these after which a grading process is given up
MEMORY = 6 << 30            # bytes of a grading process: what a worker sends makes no machine swap
DIE_WITH_PARENT = 1         # prctl's number


def longest_step(limits):
    """Seconds after which a file or an exercise is given up, with the process that is at it, whatever was done to that process."""
    return limits.wall + CHECK_WITHIN + SILENT


def longest(limits):
    """Seconds that the most hostile submission can keep one worker busy: the last step may begin at the end of its time. About 12 minutes."""
    return limits.submission + longest_step(limits)


class GradingError(Exception):
    """What keeps a class from being graded, and what to do."""


class OutOfTime(BaseException):
    """A check came to no end. No Exception: nothing on the way may take it for a student's."""


@functools.cache
def course():
    """The lessons, and all their exercises by id; read once a run."""
    lessons = work.lessons()
    return lessons, Exercises(id for lesson in lessons for id in lesson.exercises)


class Lazy(Mapping):
    """key -> what `make` gives for it, made when it is first asked for."""

    def __init__(self, keys, make):
        self.keys_, self.make = dict.fromkeys(keys), functools.cache(make)

    def __getitem__(self, key):
        if key not in self.keys_:
            raise KeyError(key)
        return self.make(key)

    def __iter__(self):
        return iter(self.keys_)

    def __len__(self):
        return len(self.keys_)


class Exercises(Lazy):
    """id -> exercise. Each is read and loaded when it is first asked for: what some of them import takes seconds."""

    def __init__(self, ids):
        known = files.known()
        super().__init__(ids, lambda id: files.load(self.texts[id].path))
        self.texts = Lazy(self, lambda id: ExerciseText(known.get(id) or files.find(id)))
        self.points = Lazy(self, lambda id: self.texts[id].settings["points"])

    @functools.cached_property
    def wanted(self):
        """What reading.plan looks for in a notebook."""
        return {id: {"functions": list(text.functions), "stubs": text.stubs} for id, text in self.texts.items()}

    def hold_answers(self):
        """Are there any references? In a release there are none."""
        return any(text.function(text.name) for text in self.texts.values())

    def imported(self, ids, modules):
        """Those of the modules that the files of these exercises import: the sandbox is smaller without the others."""
        found = {name for id in ids for node in self.texts[id].tree.body for name in _modules(node)}
        found |= {"medcrypt_lab.models"} if "torch" in found else set()     # it reads the descriptions as which networks come
        return tuple(module for module in modules if any(f"{module}.".startswith(f"{name}.") or f"{name}.".startswith(f"{module}.") for name in found))


def _modules(node):
    """The modules that an import statement may name."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) and not node.level else []


# ---------------------------------------------------------------- one submission, in a process of its own
def grader(pipe, limits, hidden, unsafe, ids):
    """Take jobs from the pipe until it closes; say what is begun and what was found. ids: exercises that will be needed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    with sandbox.Worker(limits, hidden, unsafe) as worker:
        with contextlib.suppress(Exception):        # told when a job needs it
            worker.start()
            load(ids)                               # meanwhile
        while True:
            job = pipe.recv()
            try:
                for message in graded(worker, **job):
                    pipe.send(message)
                pipe.send(("done", None))
            except sandbox.CannotStart as error:
                pipe.send(("fault", str(error)))


def load(ids):
    """Load these exercises, read all. What they import is no garbage: Python need not look through it, now or later."""
    _, exercises = course()
    gc.disable()
    try:
        exercises.wanted
        for name in exercises.imported(ids, ("torchattacks",)):
            without_scipy(name)
        for id in ids:
            exercises[id]
    finally:
        gc.freeze()
        gc.enable()


def graded(worker, handed, known, seeds, until, skip=()):
    """Grade one submission, yielding ("begin", what), ("file", [label, lesson, error]) and ("result", dict).

    handed: its files. known: exercise id -> status of what was graded before. seeds: exercise id -> seed. until: the moment after which
    nothing is run. skip: labels not to be read.
    """
    minutes = f"{worker.limits.submission / 60:.2g} minutes"
    lessons, exercises = course()
    copies = {}                 # exercise id -> [(label, cells, found)]
    for file in handed:
        yield "begin", file.label
        if file.label in skip or time.monotonic() > until:
            plan, error = None, "reading it took too long" if file.label in skip else f"the files before it took {minutes}"
        else:
            plan, error = read(worker, file, exercises.wanted)
        lesson = lesson_of(file.label, plan["exercises"], lessons) if plan else None
        yield "file", [file.label, lesson and lesson.path.stem, error]
        for id, found in plan["exercises"].items() if plan else ():
            if found["named"] or lesson and id in lesson.exercises:
                copies.setdefault(id, []).append((file.label, plan["cells"], found))
    for id in exercises:
        if id in copies and id not in known:
            yield "begin", id
            began = time.monotonic()
            if began > until:
                late = judging.Outcome(id, exercises[id].points, judging.WRONG, failed="can be checked",
                                       sentence=f"What stands above it in this submission took {minutes}: it was not run.")
                result = record(exercises[id], late, copies[id][-1][0])
            else:
                result = one(worker, exercises[id], copies[id], known, seeds[id])
            known[id] = result["status"]
            result["seconds"] = round(time.monotonic() - began, 2)
            yield "result", result


def read(worker, file, wanted):
    """-> (plan, None) or (None, why the file cannot be read)."""
    try:
        plan = remote.read(worker, submissions.read(file), wanted)
        return (None, plan["error"]) if plan["error"] else (plan, None)
    except remote.Lost as lost:
        return None, "reading it took too much time or memory" if "seconds" in str(lost) or "too " in str(lost) else "it cannot be read"
    except sandbox.CannotStart:
        raise
    except Exception as error:          # zipfile raises many kinds
        return None, f"it cannot be read ({error})"


def lesson_of(label, found, lessons):
    """The lesson that a notebook is a copy of: by its name, else by the exercises in it; None if neither tells."""
    name = submissions.plain(label.rpartition("/")[2])
    named = [lesson for lesson in lessons if submissions.plain(lesson.path.stem) in name]
    fitting = [(len([id for id in lesson.exercises if id in found]), len(lesson.path.stem), lesson) for lesson in named or lessons]
    count, _, lesson = max(fitting, key=lambda item: item[:2], default=(0, 0, None))
    return lesson if count or named else None


def one(worker, exercise, copies, known, seed):
    """Judge one exercise -> what is kept of it, plain data."""
    answered = [copy for copy in copies if len(copy[2]["stubs"]) < len(exercise.functions)]
    label, cells, found = (answered or copies)[-1]
    outcome = judged(worker, exercise, cells, found, known, seed)
    if (number := sum(found["copies"] for _, _, found in copies)) > 1:
        outcome.notes.append(f"{number} copies of your answer were handed in; the last one counts, in {label}.")
    if any(found["unreadable"] for _, _, found in copies) and found["functions"]:
        outcome.notes.append("Another cell of this exercise cannot be read as Python; the one that can counts.")
    for name, own in found["functions"].items():
        if own != name:
            outcome.notes.append(f"Your function is called {own}; the cells below know it as {name}.")
    tree = found["tree"]
    return {**record(exercise, outcome, label), "tree": tree if type(tree) is list and list(map(type, tree)) == [str, int] else None}


def judged(worker, exercise, cells, found, known, seed):
    """The Outcome of one answer; whatever it does costs at most this exercise."""
    if found["unreadable"] and not found["functions"]:
        message, line, text = found["unreadable"]
        return judging.Outcome(exercise.id, exercise.points, judging.WRONG, failed="can be read as Python",
                               sentence=f"Python cannot read it yet: {message}.", where=["", line, text])
    lent = {name: function for id in exercise.uses if known.get(id) != judging.RIGHT for name, function in files.get(id).references.items()}
    answer = remote.Remote(worker, exercise, cells, found, lent)
    try:
        answer.open()
        with remote.decoding_apart(worker), alarm(worker.limits.wall + CHECK_WITHIN):
            outcome = judging.judge(exercise, answer, seed)
        if answer.conversation.fault:
            raise answer.conversation.fault
        return outcome
    except OutOfTime:
        return judging.Outcome(exercise.id, exercise.points, judging.WRONG, failed="can be checked",
                               sentence="Our check did not come to an end with what your function returned.")
    finally:
        answer.close()


@contextlib.contextmanager
def alarm(seconds):
    """OutOfTime after so many seconds."""
    def ring(*_):
        raise OutOfTime
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def record(exercise, outcome, label):
    """An outcome as plain data for the results, with its card: the text for the instructor, the HTML for the student."""
    text, _ = card.draw(exercise, outcome, fallback=False)
    if outcome.printed:
        outcome.printed = ""
        outcome.notes.append("What your code printed is not shown here: it may hold the values that the check keeps to itself.")
    _, markup = card.draw(exercise, outcome, fallback=False)
    return {"exercise": exercise.id, "status": outcome.status, "points": outcome.points, "of": exercise.points, "sentence": outcome.sentence,
            "misconception": outcome.misconception, "failed": outcome.failed, "passed": [name for name, _ in outcome.passed],
            "notes": outcome.notes, "check_error": outcome.check_error, "file": label, "card": text, "html": markup}


# ---------------------------------------------------------------- what is kept, one file a student
class Kept:
    """A student's results on the disk: one line each, appended when it is there; a line that a crash cut is passed over."""

    def __init__(self, folder, name):
        self.path, self.name = folder / f"{reports.stem_of(name)}.jsonl", name
        self.lines = []
        with contextlib.suppress(FileNotFoundError):
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                with contextlib.suppress(ValueError):
                    self.lines.append(json.loads(line))

    def of(self, kind):
        return [line[kind] for line in self.lines if kind in line]

    @property
    def results(self):
        return {result["exercise"]: result for result in self.of("result")}

    def add(self, kind, value):
        self.lines.append({kind: value})
        with open(self.path, "ab") as file:
            if file.tell() and self._is_cut():
                file.write(b"\n")
            file.write(json.dumps({kind: value}).encode() + b"\n")
            file.flush()
            if kind == "done":              # if the power fails before, no more is lost than this submission, which is graded again
                os.fsync(file.fileno())

    def _is_cut(self):
        with open(self.path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() != b"\n"

    def keep(self, lines):
        """Only these lines, whole or not at all."""
        self.lines = lines
        write(self.path, "".join(json.dumps(line) + "\n" for line in lines), lasting=False)

    def begin(self, fingerprint, regrade):
        """Forget what is of another submission or shall be graded anew -> is anything left to do?"""
        if self.of("submission") != [fingerprint]:
            self.keep([{"submission": fingerprint}])
        elif not {"done", "file"} <= {kind for line in self.lines for kind in line} or regrade & self.results.keys():
            kept = [line for line in self.lines if "file" not in line and "done" not in line and line.get("result", {}).get("exercise") not in regrade]
            self.keep(kept)
        else:
            return False
        return True


def fingerprint(handed):
    """What changes when a file of the submission does."""
    found = hashlib.sha256()
    for file in handed:
        found.update(repr((file.label, file.inside)).encode("utf-8", "replace"))
        if not file.inside:
            found.update(str(file.path.lstat().st_size).encode())
        with contextlib.suppress(Exception):        # what cannot be read is told when it is graded
            found.update(hashlib.sha256(submissions.read(file)).digest())
    return found.hexdigest()


# ---------------------------------------------------------------- several submissions at a time
class Slot:
    """One grading process and what it is at."""

    def __init__(self, pool):
        self.pool, self.process, self.job = pool, None, None
        self.start()

    def start(self):
        fork = multiprocessing.get_context("fork")
        self.pipe, theirs = fork.Pipe()
        self.process = fork.Process(target=grader, args=(theirs, *self.pool.settings), daemon=True)
        self.process.start()
        theirs.close()

    def take(self, job):
        """job: (name, files, Kept); what was kept of it before is not graded again."""
        self.job, self.begun, self.skip, self.until = job, None, [], time.monotonic() + self.pool.settings[0].submission
        self._send()

    def _send(self):
        _, handed, kept = self.job
        kept.keep([line for line in kept.lines if "file" not in line])
        known = {id: result["status"] for id, result in kept.results.items()}
        self.since = time.monotonic()
        self.pipe.send({"handed": handed, "known": known, "seeds": self.pool.seeds(), "until": self.until, "skip": self.skip})

    def heard(self):
        """Take what the process says -> whether the job is done."""
        kept = self.job[2]
        while self.pipe.poll():
            kind, value = self.pipe.recv()
            self.since = time.monotonic()
            if kind == "begin":
                self.begun = value
            elif kind == "fault":
                raise sandbox.CannotStart(value)
            elif kind == "done":
                return True
            else:
                kept.add(kind, value)
        return False

    def lost(self):
        """The process died or is stuck over what a worker sent: that costs what it was at, and a new one goes on."""
        self.stop()
        try:
            exercise = files.get(self.begun)
            outcome = judging.Outcome(exercise.id, exercise.points, judging.WRONG, failed="can be checked",
                                      sentence="Our grader could not bear what your function returned.")
            self.job[2].add("result", record(exercise, outcome, None))
        except files.Unknown:
            self.skip.append(self.begun)
        self.start()
        self._send()

    def stop(self):
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Pool:
    """Grading processes, each with a sandbox of its own."""

    def __init__(self, limits, hidden, unsafe, seeds, count, ids=()):
        self.settings, self.seeds = (limits, [str(path) for path in hidden], unsafe, list(ids)), seeds
        self.patience = longest_step(limits)
        self.slots = [Slot(self) for _ in range(count)]

    def grade(self, jobs):
        """Grade them, in any order -> each one's name when it is done."""
        waiting = jobs[::-1]
        for slot in self.slots[:len(jobs)]:
            slot.take(waiting.pop())
        while busy := [slot for slot in self.slots if slot.job]:
            connection.wait([part for slot in busy for part in (slot.pipe, slot.process.sentinel)], timeout=1)
            for slot in busy:
                try:
                    done = slot.heard()
                except (EOFError, OSError):
                    slot.lost()
                    continue
                if done:
                    (name, _, kept), slot.job = slot.job, None
                    if waiting:
                        slot.take(waiting.pop())
                    kept.add("done", True)          # takes a moment, in which the next is graded
                    yield name
                elif not slot.process.is_alive() or time.monotonic() - slot.since > self.patience:
                    slot.lost()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for slot in self.slots:
            slot.stop()


# ---------------------------------------------------------------- a class
def run(folder, out, *, workers=None, student=None, regrade=(), unsafe=False, roster=None, plan=None, format=None, limits=sandbox.Limits(), cluster=None,
        say=print):
    """Grade the submissions in `folder` into `out` -> the class's results, as results.json holds them.

    GradingError or sandbox.CannotStart if that cannot be. What was graded before stays, but for the exercises in `regrade`. A `plan` is copied to
    `out` and counts until another is given; `out`/overrides.csv counts as long as it is there. cluster: (limits, seeds) -> what grades on other
    machines, in place of a Pool.
    """
    course.cache_clear()
    lessons, exercises = course()
    if not exercises.hold_answers():
        raise GradingError("This copy of the course holds no reference answers: it is a release, or no lesson was built. Grade with the full course.")
    if unknown := [id for id in regrade if id not in exercises]:
        raise GradingError(f"There is no exercise {unknown[0]}. There are: {', '.join(exercises)}.")
    if not unsafe and not cluster and (why := sandbox.why_not()):
        raise sandbox.CannotStart(why)
    try:
        found = submissions.find(folder, [lesson.path.stem for lesson in lessons], submissions.read_roster(roster) if roster else None)
        decided = decisions(out, plan, lessons, exercises, found.students)
        if format:
            reports.can_be_told(format, found.known_as)
    except (OSError, ValueError) as error:
        raise GradingError(str(error)) from None
    if not any(found.students.values()):
        raise GradingError(f"No submission was found in {folder}: a folder for each student, or files named after them." +
                           "".join(f"\n  {label}: {why}" for label, why in found.strange[:20]))
    chosen = [name for name in found.students if student is None or submissions.plain(student) in submissions.plain(name)]
    if not chosen:
        raise GradingError(f"No student is called {student!r}. There are: {', '.join(found.students)}.")
    (out / "results").mkdir(parents=True, exist_ok=True)
    kept = {name: Kept(out / "results", name) for name in found.students}
    todo = [name for name in chosen if found.students[name] and kept[name].begin(fingerprint(found.students[name]), set(regrade))]
    if todo:
        secret, count = Secret(out), min(workers or os.cpu_count() or 1, len(todo))
        stems = lessons_of(lessons, [file.label for name in todo for file in found.students[name]])

        def seeds():
            return {id: secret.seed(id) for id in exercises}

        limits = dataclasses.replace(limits, imports=exercises.imported(stems, limits.imports))
        with cluster(limits, seeds) if cluster else Pool(limits, [folder, out, files.root() / "chapters"], unsafe, seeds, count, stems) as pool:
            prove(pool, secret, stems)
            began = time.monotonic()
            for count, name in enumerate(pool.grade([(name, found.students[name], kept[name]) for name in todo]), 1):
                left = (time.monotonic() - began) / count * (len(todo) - count)
                say(f"{count} of {len(todo)}: {name}" + (f"; about {f'{left / 60:.0f} min' if left > 90 else f'{left:.0f} s'} left" if left > 1 else ""))
    try:
        results = reports.gather(found, kept, lessons, exercises, *decided, unsafe=unsafe, format=format)
    except ValueError as error:
        raise GradingError(str(error)) from None
    reports.report(out, results, reports.seconds(kept))
    return results


def decisions(out, plan, lessons, exercises, students):
    """(Plan, overrides) that count; ValueError if one of them is not sound."""
    names = [lesson.path.stem for lesson in lessons]
    if plan:
        planning.read_plan(plan, names, exercises)          # refused before it takes another's place
        out.mkdir(parents=True, exist_ok=True)
        write(out / "plan.toml", plan.read_text(encoding="utf-8-sig"))
    path, overrides = out / "plan.toml", out / "overrides.csv"
    return (planning.read_plan(path, names, exercises) if path.exists() else planning.Plan(),
            planning.read_overrides(overrides, students, exercises.points) if overrides.exists() else {})


class Secret:
    """The run's seed, made once and kept with its results: the same for all students, and for a run that goes on."""

    def __init__(self, out):
        self.path = out / "run.json"
        with contextlib.suppress(FileNotFoundError):
            self.kept = json.loads(self.path.read_text(encoding="utf-8"))
            return
        self.kept = {"course": __version__, "seed": secrets.token_hex(16), "drawn_again": {}}
        self._write()

    def _write(self):
        write(self.path, json.dumps(self.kept))
        self.path.chmod(0o600)

    def seed(self, id):
        """An exercise's own seed, too long to be guessed from what an answer sees."""
        words = f"{self.kept['seed']} {self.kept['drawn_again'].get(id, 0)} {id}"
        return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big") >> 2

    def draw_again(self, id):
        self.kept["drawn_again"][id] = self.kept["drawn_again"].get(id, 0) + 1
        self._write()


def lessons_of(lessons, labels):
    """Exercise id -> its lesson's name, for the lessons that files of these labels are; for all lessons if a label does not tell."""
    names = [submissions.plain(label.rpartition("/")[2]) for label in labels]
    named = [lesson for lesson in lessons if any(submissions.plain(lesson.path.stem) in name for name in names)]
    whole = all(any(submissions.plain(lesson.path.stem) in name for lesson in named) for name in names)
    return {id: lesson.path.stem for lesson in (named if whole else lessons) for id in lesson.exercises}


def prove(pool, secret, stems):
    """Grade the references of the lessons that were handed in: if they do not get full marks, nobody is graded."""
    for _ in range(DRAWS):           # on a rare seed the right answer cannot be told from a mistake: such a seed is not for a class
        failed = _failing(pool, stems)
        if not failed:
            return
        for id in failed:
            secret.draw_again(id)
        stems = {id: stems[id] for id in failed}
    raise GradingError("The grader is broken, and graded nobody: our own answer does not get full marks.\n" + "\n".join(failed.values()))


def _failing(pool, stems):
    """Exercise id -> what our own answer was told, for those where it does not get full marks."""
    failed = {}
    with tempfile.TemporaryDirectory(prefix="medcrypt-references-") as folder:
        jobs = []
        for id, stem in stems.items():
            path = Path(folder) / f"{id}.ipynb"
            write(path, json.dumps({"cells": [{"cell_type": "code", "source": ExerciseText(files.find(id)).answer_cell(None)}]}))
            jobs.append((id, [submissions.Handed(f"{stem}.ipynb", path)], Kept(Path(folder), id)))
        for _ in pool.grade(jobs):
            pass
        for id, _, kept in jobs:
            result = kept.results.get(id)
            if not result or result["status"] != judging.RIGHT or result["points"] != result["of"]:
                failed[id] = f"{result['card']}\n{result['check_error'] or ''}" if result else f"{id} was not found in its own notebook."
    return failed
