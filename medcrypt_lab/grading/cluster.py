"""A class too large for one machine: submissions go to the workers of a running dask.distributed cluster, over TLS.

dask unpickles whatever reaches it. So only an address is taken where nobody gets in without a certificate, and what a student made passes as text
that dask does not look into; what comes back is JSON, looked at before it is kept. On each host `graded_there` runs, in the cluster's process; it
hands all to a grading process of its own, which is this module as a program.
"""
import base64
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from medcrypt_lab import __version__
from medcrypt_lab.exercises import files, judging

from . import grade, sandbox, submissions

CERTIFICATES = {"tls_ca_file": "ca.pem", "tls_client_cert": "cert.pem", "tls_client_key": "key.pem"}
CONNECTS_WITHIN = 30        # seconds
AHEAD = 2                   # submissions that each thread of the cluster is given at a time, so that none waits for us
own = threading.local()     # on a host: the grading process of each thread


class Cluster:
    """Stands in for grade.Pool."""

    def __init__(self, address, certificates, limits, seeds):
        if not address.startswith("tls://"):
            raise grade.GradingError(f"{address} is no tls:// address. A scheduler runs whatever reaches it, for anybody who finds its port: only one "
                                     "that asks for a certificate is used.")
        paths = {name: certificates / file for name, file in CERTIFICATES.items()}
        if missing := [str(path) for path in paths.values() if not path.is_file()]:
            raise grade.GradingError(f"There is no {missing[0]}. --certificates names a folder with {', '.join(CERTIFICATES.values())}.")
        try:
            import distributed
        except ImportError:
            raise grade.GradingError("--scheduler needs dask.distributed, here and on each host: `pip install distributed`.") from None
        self.wait, self.limits, self.seeds = distributed.wait, limits, seeds
        security = distributed.Security(require_encryption=True, **{name: str(path) for name, path in paths.items()})
        try:
            self.client = distributed.Client(address, security=security, timeout=CONNECTS_WITHIN)
            self.client.wait_for_workers(1, timeout=CONNECTS_WITHIN)
        except (OSError, TimeoutError, ValueError) as error:
            raise grade.GradingError(f"The cluster at {address} cannot be used: {error}") from None

    def grade(self, jobs):
        """As grade.Pool.grade."""
        waiting, away = jobs[::-1], {}
        while waiting or away:
            while waiting and len(away) < AHEAD * max(1, sum(self.client.nthreads().values())):
                name, handed, kept = waiting.pop()
                text, unreadable = self.packed(handed, kept)
                away[self.client.submit(graded_there, text, pure=False)] = name, kept, unreadable
            try:
                arrived, _ = self.wait(list(away), timeout=(AHEAD + 1) * grade.longest(self.limits), return_when="FIRST_COMPLETED")
            except TimeoutError:
                raise grade.GradingError("The cluster does not answer any more. What it graded is kept: the same command goes on from there.") from None
            for future in arrived:
                name, kept, unreadable = away.pop(future)
                if future.status != "finished":
                    raise grade.GradingError(f"The cluster lost the submission of {name} ({future.exception()}). What it graded before is kept.")
                kept.keep([line for line in kept.lines if "submission" in line] + unreadable + checked(future.result()))
                yield name

    def packed(self, handed, kept):
        """(a submission as one line of JSON, what is kept of those files that cannot be read)."""
        contents, unreadable = [], []
        for file in handed:
            try:
                contents.append([file.label, base64.b64encode(submissions.read(file)).decode()])
            except Exception as error:          # zipfile raises many kinds
                unreadable.append({"file": [file.label, None, f"it cannot be read ({error})"]})
        results = [line for line in kept.lines if "result" in line]
        return json.dumps({"edition": edition(), "limits": vars(self.limits), "seeds": self.seeds(), "files": contents, "lines": results}), unreadable

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()


def edition():
    """Tells whether two machines have the same course."""
    _, exercises = grade.course()
    return hashlib.sha256(repr([__version__, *(text.source for text in exercises.texts.values())]).encode()).hexdigest()


def checked(text):
    """The lines to be kept that a host answered, every field looked at. GradingError for what no host of ours sends."""
    _, exercises = grade.course()
    try:
        answer = json.loads(text)
        if "fault" not in answer and all(_is_sound(line, exercises) for line in answer["lines"]):
            return answer["lines"]
        why = answer.get("fault", "it sent what is no result.")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        why = "it sent what is no result."
    raise grade.GradingError(f"A host of the cluster cannot grade: {why}")


def _is_sound(line, exercises):
    (kind, value), = line.items()
    if kind == "file":
        label, lesson, why = value
        return type(label) is str and {type(lesson), type(why)} <= {str, type(None)}
    if kind == "done":
        return value is True
    exercise = exercises[value["exercise"]]
    fields = grade.record(exercise, judging.Outcome(exercise.id, exercise.points), None).keys()
    return (kind == "result" and fields <= value.keys() and type(value["points"]) is int and 0 <= value["points"] <= exercise.points == value["of"] and
            value["status"] in (judging.UNTRIED, judging.WRONG, judging.RIGHT, judging.BROKEN) and type(value["card"]) is type(value["html"]) is str and
            all(type(part) in (type(None), str, int, float) for field in value.values() for part in (field if type(field) is list else [field])))


# ---------------------------------------------------------------- on a host
def graded_there(text):
    """In the cluster's process: pass a submission on to this thread's own grading process -> its answer."""
    process = getattr(own, "process", None)
    if process is None or process.poll() is not None:
        process = own.process = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    process.stdin.write(text + "\n")
    process.stdin.flush()
    return process.stdout.readline() or json.dumps({"fault": "its grading process ended."})


def main():
    """Grade each line of standard input and answer by one line, until it closes."""
    pool = None
    for line in sys.stdin:
        job = json.loads(line)
        limits = sandbox.Limits(**job["limits"])
        if pool is None or pool.settings[0] != limits:
            pool = grade.Pool(limits, [files.root() / "chapters"], False, None, 1)
        pool.seeds = lambda: job["seeds"]
        print(json.dumps(answered(pool, job)), flush=True)


def answered(pool, job):
    """The lines to be kept of one submission, or the host's own fault."""
    if job["edition"] != edition():
        return {"fault": f"its course, in {files.root()}, is not the one that is graded here."}
    with tempfile.TemporaryDirectory(prefix="medcrypt-submission-") as folder:
        handed = [submissions.Handed(label, Path(folder) / str(number)) for number, (label, _) in enumerate(job["files"])]
        for file, (_, data) in zip(handed, job["files"]):
            file.path.write_bytes(base64.b64decode(data))
        kept = grade.Kept(Path(folder), "student")
        kept.keep(job["lines"])
        try:
            for _ in pool.grade([("student", handed, kept)]):
                pass
        except sandbox.CannotStart as error:
            return {"fault": f"the sandbox cannot start: {error}"}
        return {"lines": kept.lines}


if __name__ == "__main__":
    main()
