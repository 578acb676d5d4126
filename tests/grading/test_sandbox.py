"""The sandbox itself: what a child is and may do, what is left after it, and what the grader makes of a worker that lies."""
import dataclasses
import errno
import os
import socket
import struct
import sys
import threading
import time

import pytest
import torch

from medcrypt_lab.exercises import calling, files, judging
from medcrypt_lab.grading import encoding, reading, remote, sandbox
from tests.grading import common


@pytest.fixture(scope="module")
def worker():
    common.needs_sandbox()
    imports = ("numpy", "torch", "torch.nn.functional", "medcrypt_lab.models", "torchattacks")
    with sandbox.Worker(sandbox.Limits(cpu=4, wall=60, memory=1 << 30, imports=imports)) as worker:
        yield worker


def ask(worker, code, *args):
    """Run `code`, the text of a function f, in a child of its own -> the report of one call."""
    exercise = files.get("start_here.invert")
    found = {"functions": {"invert": "f"}, "stubs": [], "statements": [[1, at, []] for at in range(len(reading.parsed(code)[1]))]}
    answer = remote.Remote(worker, exercise, [code], found)
    try:
        answer.open()
        report = answer.call("invert", args, {}, 1)
        assert report["error"] is None, report
        return report["result"]
    finally:
        answer.close()


def test_a_child_is_nobody_and_alone(worker):
    code = """import os, socket
def f():
    status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
    return [os.getuid(), os.getgid(), os.getgroups(), int(status["CapEff"], 16), int(status["NoNewPrivs"]), int(status["Seccomp"]),
            sorted(name for _, name in socket.if_nameindex()), sorted(int(n) for n in os.listdir("/proc") if n.isdigit())[0],
            len([n for n in os.listdir("/proc") if n.isdigit()]), sorted(int(n) for n in os.listdir("/proc/self/fd"))]"""
    uid, gid, groups, capabilities, no_new, filtered, interfaces, first, processes, descriptors = ask(worker, code)
    assert uid == (os.getuid() or sandbox.NOBODY) and gid == (os.getgid() or sandbox.NOBODY) and set(groups) <= {gid, sandbox.NOBODY}
    assert (capabilities, no_new, interfaces) == (0, 1, ["lo"])
    assert filtered == (2 if sandbox.system_calls() else 0)
    assert (first, processes) == (1, 2)
    assert set(descriptors) - {0, 1, 2, 3} <= set(descriptors[-5:]) and all(n < 12 for n in descriptors)     # what `captured` holds, and this listing


def test_it_sees_neither_chapters_nor_this_machine(worker):
    code = """import os
def f():
    return [sorted(os.listdir("/")), sorted(os.listdir("/course")), sorted(os.environ), os.getcwd(), os.path.exists("/etc/passwd")]"""
    top, course, variables, folder, passwd = ask(worker, code)
    assert course == ["data", "medcrypt_lab"] and folder == "/scratch" and not passwd
    assert "home" not in top and "var" not in top
    assert set(variables) - {"PWD", "LC_CTYPE"} == set(sandbox.environment("", ""))


def test_torchattacks_comes_without_scipy_until_it_needs_it(worker):
    code = """import sys, torch, torchattacks
def f():
    before = "scipy" in sys.modules
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    attacked = torchattacks.TIFGSM(network, steps=1)(torch.rand(1, 3, 8, 8), torch.tensor([0]))
    from scipy import stats
    return [before, list(attacked.shape), float(stats.norm.cdf(0))]"""
    assert ask(worker, code) == [False, [1, 3, 8, 8], .5]


@pytest.mark.parametrize("path", ["/usr/x", "/x", "/course/x", "/course/medcrypt_lab/x", "/dev/x", "/dev/shm/x", "/proc/sys/kernel/core_pattern"])
def test_everything_is_read_only(worker, path):
    code = """def f(path):
    try:
        open(path, "a").close()
    except OSError as error:
        return error.errno
    return 0"""
    assert ask(worker, code, path) in (1, 2, 13, 30)
    # Where Python itself lies in /tmp, that is a folder with the parts of it that are needed, and TMPDIR is all there is to write to.
    python_in_tmp = any(prefix.startswith("/tmp/") for prefix in (sys.prefix, sys.base_prefix))
    assert ask(worker, code, "/scratch/x") == 0 and ask(worker, code, "/tmp/x") == (errno.EROFS if python_in_tmp else 0)


def test_nothing_of_an_exercise_is_left_for_the_next(worker):
    dirty = """import os, sys, threading, signal, socket, torch, builtins
def f():
    for name in ("planted", "torch.py", "sitecustomize.py"):
        open(name, "w").write("raise RuntimeError")
    os.makedirs("a/b/c")
    open("a/b/c/d", "w").close()
    os.symlink("/usr", "a/usr")
    for folder in ("a/b", "a", "."):
        os.chmod(folder, 0)
    torch.set_default_dtype(torch.float64)
    builtins.planted = torch.planted = os.environ["PLANTED"] = "x"
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            try:
                open("/scratch/still_here", "w").close()
            except OSError:
                pass
    threading.Thread(target=lambda: [0 for _ in iter(int, 1)], daemon=True).start()
    return os.getpid()"""
    clean = """import os, torch, builtins, stat
def f():
    return [os.listdir("/scratch"), stat.S_IMODE(os.stat("/scratch").st_mode), str(torch.get_default_dtype()), hasattr(builtins, "planted"),
            hasattr(torch, "planted"), "PLANTED" in os.environ, len([n for n in os.listdir("/proc") if n.isdigit()]), open("/proc/1/stat").read().split()[19]]"""
    before = ask(worker, clean)
    pid = worker.process.pid
    for _ in range(3):
        ask(worker, dirty)
        after = ask(worker, clean)
        assert after[0] == [name for name in after[0] if name.startswith("tmp")]          # where `captured` catches what is printed
        assert after[1:] == [0o1777, "torch.float32", False, False, False, 2, before[-1]]
    assert worker.process.pid == pid, "cleaning up should not need a new worker"


def test_what_cannot_be_cleaned_is_thrown_away(worker):
    code = "import time\ndef f():\n    for n in range(3000):\n        open(str(n), 'w').close()\n    time.sleep(9)"
    assert "too many files" in ended(worker, code)
    assert ask(worker, "import os\ndef f():\n    return len(os.listdir('/scratch'))") <= 1


def ended(worker, code):
    with pytest.raises(remote.Lost) as lost:
        ask(worker, code)
    return str(lost.value)


def test_limits_end_what_goes_beyond_them(worker):
    assert "too long" in ended(worker, "def f():\n    while True:\n        pass")
    assert "memory" in ended(worker, "import mmap, time\ndef f():\n    area = mmap.mmap(-1, 2 << 30)\n    part = b'x' * (1 << 24)\n"
                                   "    for _ in range(128):\n        area.write(part)\n    time.sleep(9)")
    assert "crashed (SIGSEGV)" in ended(worker, "import ctypes\ndef f():\n    ctypes.string_at(0)")
    assert "exit code 7" in ended(worker, "import os\ndef f():\n    os._exit(7)")
    assert ask(worker, "def f():\n    return 1") == 1


def test_the_clock_ends_what_only_waits(worker, monkeypatch):
    monkeypatch.setattr(worker, "limits", dataclasses.replace(worker.limits, wall=3))
    began = time.monotonic()
    assert "within 3 seconds" in ended(worker, "import time\ndef f():\n    time.sleep(99)")
    assert time.monotonic() - began < 13


def test_the_filter_refuses_the_calls_it_names(worker):
    if sandbox.system_calls() is None:
        pytest.skip("there is no filter for this machine")
    code = """import ctypes, os
def f(numbers):
    call = ctypes.CDLL(None, use_errno=True).syscall
    found = []
    for number in numbers:
        ctypes.set_errno(0)
        found.append([call(number, 1, 0, 0, 0, 0), ctypes.get_errno()])
    return found"""
    column = sandbox.MACHINES[os.uname().machine][0]
    for numbers in (sandbox.REFUSED, sandbox.NOT_OF_THE_FIRST):
        asked = [pair[column] for pair in numbers.values()]
        assert ask(worker, code, asked) == [[-1, 1]] * len(asked)


def test_why_it_cannot_start_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "bwrap is not installed" in sandbox.why_not()
    monkeypatch.setattr(sandbox.sys, "platform", "darwin")
    assert "needs Linux" in sandbox.why_not()


# ---------------------------------------------------------------- replies of every kind
class Liar:
    """A worker whose child says what it is told to say."""

    limits = sandbox.Limits(wall=2)

    def __init__(self, data):
        self.data = data

    def fork(self):
        mine, its = socket.socketpair()
        self.its = its
        threading.Thread(target=self._say, daemon=True).start()
        return mine

    def _say(self):
        try:
            self.its.sendall(self.data)
            self.its.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def ready(self):
        pass

    def end(self):
        self.its.close()

    def how(self):
        return "exit 0"


def framed(message):
    data = message if isinstance(message, bytes) else encoding.encode(message)
    return struct.pack("<I", len(data)) + data


FOUND = {"functions": {"invert": "invert"}, "stubs": [], "statements": []}
HONEST = {"result": torch.ones(2), "error": None, "changed": [], "changes": {}, "notes": [], "printed": ""}
READY = framed(["ready", None])


def said(data):
    """What the grader makes of a worker that says `data`: a report, or Lost; anything else is an error of ours."""
    answer = remote.Remote(Liar(data), files.get("start_here.invert"), [], FOUND)
    answer.open()
    try:
        report = answer.call("invert", (lambda x: x, torch.zeros(2)), {}, 1)
    except remote.Lost as lost:
        return str(lost)
    finally:
        answer.close()
    assert set(report) == set(calling.failed("", "")) and type(report["printed"]) is str and all(type(n) is str for n in report["notes"])
    return report


def test_an_honest_reply_is_taken():
    assert torch.equal(said(READY + framed(["report", HONEST]))["result"], torch.ones(2))


@pytest.mark.parametrize("field, value", [(field, value) for field in HONEST for value in (None, 7, "x", [7], [["a"]], {"a": 1}, {1: []}, torch.ones(1), [[1, 2]])])
def test_each_field_is_looked_at(field, value):
    said(READY + framed(["report", {**HONEST, field: value}]))
    missing = {name: content for name, content in HONEST.items() if name != field}
    if field != "result":
        assert said(READY + framed(["report", missing])) == remote.DAMAGED or field == "error"


@pytest.mark.parametrize("data", [
    b"", b"\0", framed(b""), framed(b"\0\0\0\0"), framed([]), framed([1]), framed(["ready"]), framed("ready"), framed(None), READY + framed(["ready", None]),
    READY + framed(["ask", 9, (), {}]), READY + framed(["ask", -1, (), {}]), READY + framed(["ask", 0, 1, 2]), READY + framed(["ask", True, (), {}]),
    READY + struct.pack("<I", 2**32 - 1), framed(["ready", {"type": 1, "message": "", "where": None}]),
    framed(["ready", {"type": "x", "message": "", "where": [1, 2, 3]}]), framed(["ready", {"type": "x", "message": "", "where": "abc"}]),
    READY + framed(["ask", 0, (1 << 200_000,), {}]), READY + framed(struct.pack("<I", 9 << 20) + b"[" * (9 << 20))], ids=range(20))
def test_what_no_worker_sends_is_lost(data):
    assert type(said(data)) is str


def test_an_oracle_that_raises_and_one_that_is_asked_badly():
    assert remote.asked(lambda x: 1 / 0, (1,), {}) == ["raise", "ZeroDivisionError", "division by zero"]
    assert remote.asked(lambda x: x, (), {})[:2] == ["raise", "TypeError"]
    assert remote.asked(lambda x: object(), (1,), {})[:2] == ["raise", "NotPlain"]
