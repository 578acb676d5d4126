"""The sandbox in which submissions run, by bubblewrap: how it is started, what it may use, and why it may not start here."""
import contextlib
import os
import platform
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
COURSE = "/course"          # where the package lies inside
SCRATCH = "/scratch"        # the one place inside where a file may be written
STARTS_WITHIN, ANSWERS_WITHIN = 120, 10     # seconds, on a busy machine
NOBODY = 65534
LARGE_PAGES = "/sys/kernel/mm/transparent_hugepage"     # where the C library reads whether there are any


@dataclass(frozen=True)
class Limits:
    """What the code of one exercise may use, and how long one submission may take."""

    cpu: int = 10               # seconds of one core, for each process
    wall: float = 30.0          # seconds on the clock, for everything
    submission: float = 600.0   # seconds on the clock, for all its exercises: after that none is begun. See grade.longest
    memory: int = 2 << 30       # bytes, for each process and for all together
    processes: int = 32         # threads count, too
    files: int = 64             # open at once
    file_size: int = 16 << 20   # bytes, of one file
    scratch: int = 64 << 20     # bytes, of all files
    inodes: int = 2000          # how many files
    message: int = 64 << 20     # bytes, of one reply
    traffic: int = 256 << 20    # bytes, of all replies
    # At most these are imported, once for all exercises: of them what the exercises import.
    imports: tuple = ("numpy", "torch", "torch.nn.functional", "medcrypt_lab.models", "torchattacks", "scipy.stats", "scipy.ndimage", "pydicom.pixels")


class CannotStart(Exception):
    """The sandbox does not start on this machine; the words say why, and what to do."""


# System calls that code inside has no use for: memory that no limit counts, ways to another process, new privileges. x86-64, ARM64.
REFUSED = {
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "process_madvise": (440, 440), "pidfd_getfd": (438, 438), "kcmp": (312, 272), "migrate_pages": (256, 238),
    "move_pages": (279, 239), "io_uring_setup": (425, 425), "userfaultfd": (323, 282), "bpf": (321, 280), "perf_event_open": (298, 241),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40)}
# Refused when they mean process 1, which serves the next exercise, too.
NOT_OF_THE_FIRST = {"prlimit64": (302, 261), "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119), "sched_setparam": (142, 118),
                    "sched_setattr": (314, 274)}
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}     # column above, the kernel's name for it
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000            # 1: EPERM


def system_calls():
    """The filter on system calls as the kernel reads it (classic BPF); None for a machine whose numbers we do not have."""
    if platform.machine() not in MACHINES:
        return None
    column, name = MACHINES[platform.machine()]
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    program = [(load, 0, 0, 4), (equal, 1, 0, name), (give, 0, 0, KILL), (load, 0, 0, 0)]
    program += [(at_least, 0, 1, 0x40000000), (give, 0, 0, REFUSE)]     # the x32 variants of the same calls
    for numbers in REFUSED.values():
        program += [(equal, 0, 1, numbers[column]), (give, 0, 0, REFUSE)]
    for numbers in NOT_OF_THE_FIRST.values():
        program += [(equal, 0, 4, numbers[column]), (load, 0, 0, 16), (equal, 0, 1, 1), (give, 0, 0, REFUSE), (give, 0, 0, ALLOW)]
    return b"".join(struct.pack("=HBBI", *line) for line in [*program, (give, 0, 0, ALLOW)])


def mounts():
    """[(path here, path inside)] of what the worker reads: the system's programs, Python, its packages, our package, the data."""
    found = [Path("/usr")]
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages")) and os.path.isdir(path)]
    for path in (sys.base_prefix, sys.prefix, os.path.realpath(sys.base_prefix), sysconfig.get_paths()["purelib"], *packages):
        if not any(Path(path).is_relative_to(known) for known in found):
            found.append(Path(path))
    found += [path for path in map(Path, ("/lib", "/lib64", "/etc/ld.so.cache", LARGE_PAGES)) if path.exists() and not path.is_symlink()]
    ours = [(PACKAGE, f"{COURSE}/medcrypt_lab")]
    ours += [(PACKAGE.parent / "data", f"{COURSE}/data")] * (PACKAGE.parent / "data").is_dir()
    return [*((str(path), str(path)) for path in found), *map(lambda pair: (str(pair[0]), pair[1]), ours)]


def _binds(pairs, hidden):
    """The options that mount `pairs` read-only and cover what must stay hidden below them."""
    options, made = [], {"/"}
    for source, inside in pairs:
        for above in reversed(Path(inside).parents):        # bwrap would make them as private as their originals are
            if str(above) not in made and not any(above.is_relative_to(other) for _, other in pairs):
                options += ["--perms", "0755", "--dir", str(above)]
                made.add(str(above))
        options += ["--ro-bind", source, inside]
    for path in ("/lib", "/lib64"):
        if os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
    for path in map(os.path.realpath, hidden):
        if any(Path(path).is_relative_to(inside) for _, inside in pairs) and os.path.isdir(path):
            options += ["--tmpfs", path]
    return options


def command(arguments, limits, hidden=(), filter=None):
    """The command line that runs Python with `arguments` inside. filter: a descriptor from which the filter on system calls is read."""
    pairs = mounts()
    outer = []
    if os.geteuid() == 0:
        # Root is exempt from the limit on processes, and an ordinary user cannot enter root's home: so root makes the view first.
        outer = ["bwrap", "--die-with-parent", *_binds(pairs, hidden), "--dir", "/tmp", "--bind", "/proc", "/proc", "--dev", "/dev", "--",
                 "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"]
        pairs = [(inside, inside) for _, inside in pairs]
    inner = ["bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--as-pid-1", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
             *(["--seccomp", str(filter)] if filter is not None else []), *_binds(pairs, hidden), "--proc", "/proc", "--dev", "/dev",
             "--perms", "1777", "--size", str(limits.scratch), "--tmpfs", SCRATCH]
    if not any(inside.startswith("/tmp/") for _, inside in pairs):
        inner += ["--symlink", SCRATCH, "/tmp"]
    inner += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", SCRATCH, "--clearenv"]
    for name, value in environment(COURSE, SCRATCH).items():
        inner += ["--setenv", name, value]
    return [*outer, *inner, sys.executable, "-P", *arguments]


def environment(course, scratch):
    """The worker's environment variables: nothing of the grader's own."""
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": scratch, "TMPDIR": scratch, "MPLCONFIGDIR": scratch, "MPLBACKEND": "Agg",
            "PYTHONPATH": course, "PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
            "MEDCRYPT_ROOT": course, "MEDCRYPT_PROGRESS": "off", "TQDM_DISABLE": "1",
            "PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}       # in large pages a fork copies less: 9 ms, not 23


def why_not():
    """None if the sandbox starts here, else what bubblewrap said."""
    if not sys.platform.startswith("linux"):
        return f"it needs Linux, and this is {platform.system()}"
    for program in ["bwrap"] + ["setpriv"] * (os.geteuid() == 0):
        if not shutil.which(program):
            return f"{program} is not installed"
    done = subprocess.run(command(["-c", ""], Limits()), capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    if "disable-userns" in done.stderr:
        return "bubblewrap is older than 0.8"
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]


class Worker:
    """A process in the sandbox that has imported torch and forks a child for each exercise. Not in the sandbox if `unsafe`."""

    def __init__(self, limits=Limits(), hidden=(), unsafe=False):
        self.limits, self.hidden, self.unsafe, self.process = limits, hidden, unsafe, None

    def start(self):
        """Start the process; `ready` waits until it is up."""
        self.control, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        filter = None if self.unsafe else system_calls()
        handed = [inside.fileno()]
        if filter is not None:
            out, into = os.pipe()
            os.write(into, filter)
            os.close(into)
            handed.append(out)
        arguments = ["-m", "medcrypt_lab.grading.worker", str(inside.fileno()), repr(vars(self.limits))]
        line = [sys.executable, "-P", *arguments] if self.unsafe else command(arguments, self.limits, self.hidden, *handed[1:])
        outside = {"env": environment(str(PACKAGE.parent), tempfile.gettempdir()), "cwd": tempfile.gettempdir()} if self.unsafe else {}
        self.process = subprocess.Popen(line, pass_fds=handed, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **outside)
        inside.close()
        for descriptor in handed[1:]:
            os.close(descriptor)
        self.up = self.ending = False
        self._order()

    def ready(self):
        """Wait until the process is up; start it where it is not there."""
        if self.process is None or self.process.poll() is not None:
            self.close()
            self.start()
        if not self.up:
            self.up = self._heard(STARTS_WITHIN) == "up"
        if not self.up:
            self.process.kill()
            said = self.process.communicate()[1].decode(errors="replace").strip().splitlines()
            self.close()
            raise CannotStart(said[-1] if said else "it ended without a word")

    def _order(self):
        """Ask for the next child: it is forked as soon as nothing is left of the one before, and waits."""
        self.next, its = socket.socketpair()
        with its, contextlib.suppress(OSError):
            socket.send_fds(self.control, [b"f"], [its.fileno()])

    def _heard(self, seconds):
        """The worker's next word, or None if none comes in time."""
        word = b""
        while not word.endswith(b"\n"):
            try:
                byte = self.control.recv(1) if select.select([self.control], [], [], seconds)[0] else b""
            except OSError:
                byte = b""
            if not byte:
                return None
            word += byte
        return word.decode().strip()

    def fork(self):
        """A new child -> the socket to talk to it."""
        for _ in range(2):          # a worker that went away is started anew, once
            self.ready()
            if self.ending:
                self.how()
            if self.process is not None and self._heard(ANSWERS_WITHIN) == "forked":
                return self.next
            self.close()
        raise CannotStart("it started, and forked no child")

    def end(self):
        """Kill all that the child left, empty the scratch folder; nobody waits for it until `how` or `fork`."""
        with contextlib.suppress(OSError):
            self.control.send(b"e")
        self.ending = True
        self._order()

    def how(self):
        """How the child ended, e.g. "exit 0", "signal 11", "memory"."""
        heard, self.ending = self._heard(ANSWERS_WITHIN), False
        if heard is None or heard.endswith("dirty"):        # what cannot be cleaned is thrown away
            self.close()
        return (heard or "gone").removesuffix(" dirty")

    def close(self):
        """Kill the worker and with it all in its sandbox."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.control.close()
            self.next.close()
            self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ended(how):
    """In words, for a student: how a child ended."""
    kind, _, number = how.partition(" ")
    if kind == "exit":
        return "Your code ended the process it ran in" + (f" (exit code {number})." if number != "0" else ".")
    if kind == "signal" and int(number) == signal.SIGXCPU:
        return "Your code computed for too long. Does a loop never end?"
    if kind == "signal":
        name = signal.Signals(int(number)).name if int(number) in set(signal.Signals) else number
        return f"The process of your code crashed ({name}): too deep a recursion, or a library called with what it cannot take."
    return {"memory": "Your code took too much memory.", "processes": "Your code started too many processes or threads.",
            "files": "Your code wrote too many files."}.get(how, "The process of your code was lost.")
