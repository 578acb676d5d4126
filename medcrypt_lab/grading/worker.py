"""Inside the sandbox: process 1 imports once and forks a child for each exercise; the child reads notebooks and answers calls.

Nothing that a submission's code can reach here is worth reaching: no check, no seed, no other submission.
"""
import ast
import builtins
import contextlib
import ctypes
import gc
import importlib
import linecache
import os
import resource
import select
import shutil
import signal
import socket
import struct
import sys
import types
from pathlib import Path

from medcrypt_lab.exercises import calling, wire

from . import encoding, reading

LOOK_EVERY = 0.05           # seconds between two looks at what the child's processes take
NOT_DUMPABLE = 4            # prctl's number: no process of the same user may look into this one


def main(descriptor, limits):
    """Process 1: fork a child for each "f", end it and clean up for each "e"."""
    control = socket.socket(fileno=descriptor)
    scratch = os.open(".", os.O_RDONLY)         # a name can be locked by a child, this cannot
    gc.disable()                                # what is imported is no garbage: to look through it takes a second
    for name in (*limits["imports"], "numpy.random", "torch.utils._device"):        # the last two are imported by every call, where the rest of it is
        with contextlib.suppress(ImportError):
            if name in limits["imports"] or name.partition(".")[0] in sys.modules:
                without_scipy(name)
    if "torch" in sys.modules:
        warm_up(sys.modules["torch"])
    ctypes.CDLL(None).prctl(NOT_DUMPABLE, 0, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)            # a handler is all that could let a child's signal reach process 1
    emptied(limits, scratch)        # of what the imports left there
    gc.freeze()
    gc.enable()
    control.send(b"up\n")
    child = how = None
    while True:
        if not select.select([control], [], [], None if child is None else LOOK_EVERY)[0]:
            how = how or too_much(limits, scratch)
            if how:
                kill_all(child)
            continue
        order, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not order:
            return
        if order == b"f":
            child, how = os.fork(), None
            if child == 0:
                serve(descriptors[0], limits)
            os.close(descriptors[0])
            control.send(b"forked\n")
        elif child is not None:
            with contextlib.suppress(ChildProcessError, TimeoutError):
                wait_for(child)
            kill_all(child)
            ending = reap(child)
            control.send(f"{how or ending}{'' if emptied(limits, scratch) else ' dirty'}\n".encode())
            child = None


class Later:
    """What a module holds under a name: the module is imported when it is first used."""

    def __init__(self, module, name):
        self._it = lambda: getattr(importlib.import_module(module), name)

    def __getattr__(self, name):
        return getattr(self._it(), name)

    def __call__(self, *args, **kwargs):
        return self._it()(*args, **kwargs)


class StandIn(types.ModuleType):
    """A module that holds whatever is asked for, later."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Later(self.__name__, name)


def without_scipy(name):
    """Import a module; torchattacks without SciPy, of which two of its attacks use a little: a second to load, and twice the time of a fork."""
    parts = ("scipy", "scipy.optimize", "scipy._lib", "scipy._lib._util") if name == "torchattacks" and "scipy" not in sys.modules else ()
    if parts:
        importlib.import_module("torch")
    try:
        sys.modules.update({part: StandIn(part) for part in parts})
        importlib.import_module(name)
    finally:
        for part in parts:
            del sys.modules[part]


def warm_up(torch):
    """What torch prepares when it first computes, so that not every child does. On one thread: a child inherits no other."""
    torch.set_num_threads(1)
    images = torch.zeros(1, 1, 4, 4, requires_grad=True)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8, 2))
    torch.nn.functional.cross_entropy(network(images), torch.tensor([0])).backward()


def wait_for(child):
    """A moment for a child that is ending by itself, so that its exit code is its own."""
    for _ in range(20):
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        select.select([], [], [], 0.001)


def kill_all(child):
    """Kill whatever runs here: in the sandbox all but process 1, outside of it the child's own group."""
    with contextlib.suppress(ProcessLookupError):
        if os.getpid() == 1:
            os.kill(-1, signal.SIGKILL)
        else:
            os.kill(child, signal.SIGKILL)
            os.killpg(child, signal.SIGKILL)


def reap(child):
    """Wait for all that was killed -> how the child ended."""
    how = "gone"
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return how
        if pid == child:
            how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"


def too_much(limits, scratch):
    """What the processes here take too much of, all together; None if nothing. No limit of the system's counts that."""
    if os.getpid() != 1:
        return None
    memory = threads = 0
    for number in os.listdir("/proc"):
        if number.isdigit() and number != "1":
            with contextlib.suppress(OSError, ValueError):
                for line in Path(f"/proc/{number}/status").read_text().splitlines():
                    name, _, value = line.partition(":")
                    memory += int(value.split()[0]) * 1024 if name in ("RssAnon", "RssShmem") else 0
                    threads += int(value) if name == "Threads" else 0
    if threads > limits["processes"]:
        return "processes"
    if memory > limits["memory"]:
        return "memory"
    return "files" if inodes(scratch) > limits["inodes"] else None


def inodes(scratch):
    """How many files the scratch folder holds."""
    room = os.fstatvfs(scratch)
    return room.f_files - room.f_ffree


def emptied(limits, scratch):
    """Empty the scratch folder -> whether it is as it was."""
    if os.getpid() != 1:
        return True
    if inodes(scratch) > limits["inodes"]:
        return False
    try:
        os.fchmod(scratch, 0o1777)
        for folder, below, _ in os.walk("."):
            for path in (os.path.join(folder, name) for name in below):
                if not os.path.islink(path):
                    os.chmod(path, 0o700)           # before the walk enters it
        for entry in list(os.scandir(".")):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.remove(entry.path)
        return True
    except (OSError, RecursionError):
        return False


# ---------------------------------------------------------------- a child
def serve(descriptor, limits):
    """Answer the grader on the child's own socket, until it closes; never returns."""
    try:
        os.setpgid(0, 0)
        grader = socket.socket(fileno=os.dup2(descriptor, 3))
        os.closerange(4, 1024)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)
        os.close(nowhere)
        for kind, most in (("CORE", 0), ("CPU", limits["cpu"]), ("DATA", limits["memory"]), ("FSIZE", limits["file_size"]),
                           ("NPROC", limits["processes"]), ("NOFILE", limits["files"])):
            resource.setrlimit(getattr(resource, f"RLIMIT_{kind}"), (most, most + (kind == "CPU")))     # the hard limit kills without a word
        signal.signal(signal.SIGINT, signal.default_int_handler)
        Child(grader).answer()
    finally:                        # whatever happened: the grader sees the socket close, and how this process ends
        os._exit(1)


class Refused(Exception):
    """What one of the grader's functions raised, where Python has no error of that name."""


class Child:
    """One exercise of one submission: its functions, and the socket to the grader."""

    def __init__(self, grader):
        self.grader, self.functions, self.trouble = grader, {}, []

    def send(self, message):
        data = encoding.encode(message)
        self.grader.sendall(struct.pack("<I", len(data)) + data)

    def receive(self):
        length, = struct.unpack("<I", self._exactly(4))
        return encoding.decode(self._exactly(length), self.proxy)

    def _exactly(self, size):
        data = bytearray()
        while len(data) < size:
            part = self.grader.recv(min(size - len(data), 1 << 20))
            if not part:
                os._exit(0)
            data += part
        return bytes(data)

    def proxy(self, handle):
        """A function of the grader's, as the answer meets it."""
        def remote(*args, **kwargs):
            self.send(["ask", handle, args, kwargs])
            kind, *value = self.receive()
            if kind == "raise":
                name, words = value
                error = getattr(builtins, name, None)
                known = isinstance(error, type) and issubclass(error, Exception)
                raise (error if known else type(name, (Refused,), {}))(words)
            return value[0]
        return remote

    def answer(self):
        """The grader's orders, one after the other."""
        while True:
            order, *about = self.receive()
            if order == "read":
                self.send(["plan", reading.plan(*about)])
            elif order == "load":
                self.send(["ready", self.load(*about)])
            else:
                self.report(*about)

    def load(self, cells, statements, functions, lent):
        """Run the statements that the exercise's functions need -> None, or the error of a function's own definition.

        cells: number -> text. statements: [cell, position, names], names being those wanted of an import. functions: name -> the name under
        which it is written. lent: name -> a function of the grader's.
        """
        space = {"__name__": "__main__", **lent}
        written = set(functions.values())
        waiting = []
        for number, at, names in statements:
            text, nodes = reading.parsed(cells[number])
            filename = f"<cell {number}>"
            linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
            node = reading.only(nodes[at], names)
            if not (reading.names_bound(node) & lent.keys()):
                waiting.append((number, node, compile(ast.Module([node], []), filename, "exec", dont_inherit=True)))
        errors = []
        while waiting:              # cells may stand out of order: what fails is tried again after the rest
            errors, again = [], []
            for number, node, code in waiting:
                try:
                    with contextlib.redirect_stdout(calling.Paper()), contextlib.redirect_stderr(calling.Paper()):
                        exec(code, space)
                except BaseException as error:
                    again.append((number, node, code))
                    errors.append((node, calling.failure_of(error, f"<cell {number}>")))
            if len(again) == len(waiting):
                break
            waiting = again
        self.functions = {name: space[own] for name, own in functions.items() if own in space}
        space.update(self.functions)
        for node, failure in errors:
            if reading.names_bound(node) & written:
                return failure
            self.trouble.append(f"A line above your function stopped with {failure['type']}: {failure['message']}")
        return None

    def report(self, name, args, kwargs, seed, without, changes):
        """Send what calling.call says of one call; a result that cannot be encoded is none."""
        if name in self.functions:
            report = calling.call(self.functions[name], args, kwargs, seed, without=without, changes=changes, own=True)
        else:
            report = calling.failed("NameError", f"name '{name}' is not defined")
        report["notes"] += self.trouble
        try:
            self.send(["report", report])
        except (wire.NotPlain, RecursionError) as error:
            self.send(["report", calling.failed(calling.NOT_PLAIN, str(error)[:200])])


if __name__ == "__main__":
    main(int(sys.argv[1]), ast.literal_eval(sys.argv[2]))
