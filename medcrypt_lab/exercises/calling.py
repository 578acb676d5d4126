"""One call of a student's function, the same here and in a worker: copies, captured output, their own line, what they changed."""
import contextlib
import inspect
import io
import linecache
import logging
import os
import random
import re
import signal
import sys
import tempfile
import threading
import traceback
import warnings

from . import wire

MOST_CALLS = 20_000         # of the callables among one call's arguments, all together
MOST_PRINTED = 4_000        # characters
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")

SLOPES = "slopes"           # among an exercise's `changes`: the slope of the answer (of its sum) at each number of its first argument

# Kinds of failure that are ours to word; no class of a student's can be called so.
SIGNATURE, NOT_PLAIN, FORBIDDEN = "medcrypt:signature", "medcrypt:not plain", "medcrypt:forbidden"


class Forbidden(Exception):
    """A call into a module whose ready-made answer does not count."""


class TooManyCalls(Exception):
    """The answer asked an oracle more often than any answer needs."""


def is_cell(filename):
    """Was this code typed into a notebook cell?"""
    return "ipykernel_" in filename or filename.startswith(("<cell", "<ipython", "<timed"))


def seed_all(seed):
    """Seed the answer's own generators: random, and numpy and torch where they are loaded."""
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.manual_seed(seed)       # torch.manual_seed would import its compiler: two seconds


def _settings():
    """(read, restore) for each piece of global state that student code may turn."""
    yield random.getstate, random.setstate
    yield _folder, lambda saved: saved and os.chdir(saved)
    yield lambda: (list(logging.root.handlers), logging.root.level, logging.root.manager.disable), _restore_logging
    if threading.current_thread() is threading.main_thread():
        yield lambda: signal.getsignal(signal.SIGINT), lambda saved: signal.signal(signal.SIGINT, saved)
    yield lambda: dict(os.environ), _restore_environment
    yield lambda: list(sys.path), lambda saved: sys.path.__setitem__(slice(None), saved)
    yield sys.getrecursionlimit, sys.setrecursionlimit
    yield sys.get_int_max_str_digits, sys.set_int_max_str_digits
    numpy, torch, pyplot = (sys.modules.get(name) for name in ("numpy", "torch", "matplotlib.pyplot"))
    if numpy is not None and hasattr(numpy, "random"):
        yield numpy.random.get_state, numpy.random.set_state
        yield numpy.geterr, lambda saved: numpy.seterr(**saved)
        yield numpy.get_printoptions, lambda saved: numpy.set_printoptions(**saved)
    if torch is not None and hasattr(torch, "nn"):
        yield torch.get_rng_state, torch.set_rng_state
        yield torch.is_grad_enabled, torch.set_grad_enabled
        yield torch.get_default_dtype, torch.set_default_dtype
        yield torch.is_anomaly_enabled, lambda saved: torch.autograd.set_detect_anomaly(saved) if torch.is_anomaly_enabled() != saved else None
        yield torch.get_default_device, lambda saved: torch.set_default_device(None) if torch.get_default_device() != saved else None
        yield torch.get_num_threads, torch.set_num_threads
        yield torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode
    if pyplot is not None:
        yield pyplot.get_fignums, lambda saved: [pyplot.close(n) for n in pyplot.get_fignums() if n not in saved]


def _folder():
    try:
        return os.getcwd()
    except OSError:             # somebody removed it
        return None


def _restore_logging(saved):
    handlers, level, disabled = saved
    logging.root.handlers[:] = handlers
    if (logging.root.level, logging.root.manager.disable) != (level, disabled):     # each of these visits every logger there is
        logging.root.setLevel(level)
        logging.disable(disabled)


def _restore_environment(saved):
    if dict(os.environ) != saved:
        os.environ.clear()
        os.environ.update(saved)


@contextlib.contextmanager
def kept_state():
    """Global state as it was, whatever happens inside: generators, gradient mode, folder, environment, open figures, warnings."""
    kept = [(restore, read()) for read, restore in _settings()]
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for restore, saved in kept:
            with contextlib.suppress(Exception):        # one that fails must not keep the others from their turn
                restore(saved)


class Paper(io.TextIOBase):
    """What student code prints on: it keeps the beginning, counts the rest, and cannot be closed."""

    def __init__(self):
        self.kept, self.length = [], 0

    def write(self, text):
        if self.length < MOST_PRINTED:
            self.kept.append(text[:MOST_PRINTED])
        self.length += len(text)
        return len(text)

    def close(self):
        pass


# torchattacks prints it where it meets no network; the error that follows says what is wrong.
NOISE = "Failed to set device automatically, please try set_device() manual.\n"


class Captured:
    """What was said inside `captured`: warnings first, since a flood of prints must not hide them."""

    def __init__(self):
        self.paper, self.warnings, self.displayed = Paper(), [], []

    @property
    def text(self):
        printed = "".join(self.paper.kept).replace(NOISE, "")
        said = CONTROL.sub("", "".join(f"{words}\n" for words in self.warnings) + printed + "".join(f"{words}\n" for words in self.displayed))
        length = len(said) + self.paper.length - sum(map(len, self.paper.kept))
        return said if length <= MOST_PRINTED else f"{said[:MOST_PRINTED]}\n(cut here: about {length} characters in all)"


@contextlib.contextmanager
def _logs_on(paper):
    """Handlers that an earlier cell gave to logging write on the paper, too."""
    handlers = [h for h in logging.root.handlers if isinstance(h, logging.StreamHandler) and not isinstance(h, logging.FileHandler)]
    streams = [handler.setStream(paper) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, streams):
            if stream is not None:          # None: it wrote on this paper already
                handler.setStream(stream)


@contextlib.contextmanager
def _descriptors_on(paper):
    """What other programs, or code below Python, write on descriptors 1 and 2 comes on the paper, too."""
    try:
        kept = [(number, os.dup(number)) for number in (1, 2)]
    except OSError:                         # a process without standard output has nothing to protect
        yield
        return
    with tempfile.TemporaryFile() as file:
        for number, _ in kept:
            os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            for number, copy in kept:
                os.dup2(copy, number)
                os.close(copy)
            file.seek(0)
            paper.write(file.read(MOST_PRINTED).decode(errors="replace"))


@contextlib.contextmanager
def captured():
    """-> Captured, which receives what is printed, warned and displayed inside; nothing of it reaches the page."""
    said = Captured()
    with contextlib.ExitStack() as stack:
        shown = None
        if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
            from IPython.utils.capture import capture_output
            shown = stack.enter_context(capture_output(stdout=False, stderr=False))
        stack.enter_context(contextlib.redirect_stdout(said.paper))
        stack.enter_context(contextlib.redirect_stderr(said.paper))
        stack.enter_context(_logs_on(said.paper))
        stack.enter_context(_descriptors_on(said.paper))
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        yield said
        said.warnings += [f"{warning.category.__name__}: {warning.message}" for warning in caught]
        said.displayed += [str(output.data.get("text/plain", "")) for output in getattr(shown, "outputs", [])]


@contextlib.contextmanager
def refusing(modules, home):
    """Calls from the student's own code into `modules` raise Forbidden, on the line that makes them -> a list of the modules called.

    modules: names of modules, or of single functions written in C, such as "torch.conv2d".
    home: the file of the student's function. What a library calls for itself, an import for instance, is its own business.
    """
    seen = []

    def watch(frame, event, argument):
        if event == "call":
            caller, name = frame.f_back, frame.f_globals.get("__name__", "")
            if frame.f_code.co_name == "<module>":
                return
        elif event == "c_call":
            caller, name = frame, f"{getattr(argument, '__module__', None) or ''}.{getattr(argument, '__name__', '')}"
        else:
            return
        if name and caller is not None and (caller.f_code.co_filename == home or is_cell(caller.f_code.co_filename)):
            for module in modules:
                if name == module or name.startswith(module + "."):
                    seen.append(module)
                    raise Forbidden(module)

    if not modules or sys.getprofile() is not None:     # a profiler that runs already keeps its place
        yield seen
        return
    sys.setprofile(watch)
    try:
        yield seen
    finally:
        sys.setprofile(None)


def counted(function, calls):
    """A callable argument as the answer meets it: plain data in and out, a limit on the calls, the course's own code not watched."""
    def oracle(*args, **kwargs):
        calls.append(1)
        if len(calls) > MOST_CALLS:
            raise TooManyCalls(f"more than {MOST_CALLS} calls; no answer needs so many")
        watch = sys.getprofile()
        if callable(watch):
            sys.setprofile(None)
        try:
            try:
                args, kwargs = wire.plain(args), wire.plain(kwargs)
            except wire.NotPlain as error:
                raise TypeError(f"you passed {error} to it; pass plain numbers, text, bytes, lists, arrays or tensors") from None
            return wire.plain(function(*args, **kwargs))
        finally:
            if callable(watch):
                sys.setprofile(watch)
    return oracle


def own_line(error, home):
    """[function, line number, text] of the last line of the student's own code in an exception's traceback, or None."""
    frames = traceback.extract_tb(error.__traceback__, limit=200)
    own = [f for f in frames if f.filename == home or is_cell(f.filename)]
    if not own:
        return None
    frame = own[0] if isinstance(error, RecursionError) else own[-1]
    return [frame.name, frame.lineno, (frame.line or linecache.getline(frame.filename, frame.lineno)).strip()[:200]]


def _failure(kind, message, where=None):
    return {"type": kind, "message": message, "where": where}


def failure_of(error, home):
    """An exception of the student's code as it stands in a report."""
    words, error = _unwrapped(error)
    return _failure(type(error).__name__, words, own_line(error, home))


def failed(kind, message):
    """The report of a call that came to no result."""
    return {"result": None, "error": _failure(kind, message), "changed": [], "changes": {}, "notes": [], "printed": ""}


def words_of(error):
    """An exception's first line; of one whose words cannot be had, nothing."""
    try:
        return CONTROL.sub("", str(error).split("\n")[0])[:300]
    except Exception:
        return ""


def _unwrapped(error):
    """(words, exception): what was raised inside pydicom's walk, which raises it anew with a tag, and a traceback with this machine's paths, for its words."""
    words = words_of(error)
    with contextlib.suppress(Exception):
        while error.args[0].startswith("With tag (") and error.__cause__ is not None:
            words, error = words_of(Exception(error.args[0])), error.__cause__
    return words, error


def call(function, args, kwargs, seed, *, without=(), changes=(), wrap=counted, own=False):
    """Run the answer once. Raises nothing but KeyboardInterrupt. own: are the arguments nobody else's, so that models need no copy?

    Returns a dict of plain data: result, error (None or type, message, where), changed (names of arguments), changes (name -> the argument
    as the answer left it, for those the exercise lets it change; SLOPES -> see there), notes, printed.
    """
    report = {"result": None, "error": None, "changed": [], "changes": {}, "notes": [], "printed": ""}
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError) as error:
        report["error"] = _failure(SIGNATURE, str(error))
        return report
    calls = []
    # Models apart: copying one takes longer than most answers do, telling what is in it does not.
    models = {name for name, value in bound.arguments.items() if wire.torch_kind_of(value) == "model"}
    before = {name: wire.describe_model(value) if name in models else wire.plain(value, lambda f: f) for name, value in bound.arguments.items()}
    given = {name: value if own and name in models else wire.plain(value, lambda f: wrap(f, calls)) for name, value in bound.arguments.items()}
    mine = inspect.BoundArguments(bound.signature, given)
    first = mine.args[0].requires_grad_(True) if SLOPES in changes else None
    home = getattr(getattr(function, "__code__", None), "co_filename", "")
    said = Captured()
    try:
        with kept_state(), captured() as said:
            seed_all(seed)
            with refusing(without, home) as refused:
                try:
                    result = function(*mine.args, **mine.kwargs)
                except KeyboardInterrupt:
                    raise
                except Forbidden as error:
                    report["error"] = _failure(FORBIDDEN, str(error), own_line(error, home))
                except BaseException as error:
                    report["error"] = failure_of(error, home)
            if report["error"] is None and refused:         # the answer caught it and went on
                report["error"] = _failure(FORBIDDEN, refused[0])
            if report["error"] is None:
                if SLOPES in changes:
                    result, report["changes"][SLOPES] = _slopes(result, first)
                _take(result, report)
                _compare(before, given, changes, report)
    except KeyboardInterrupt as error:                      # the student stopped it: they still want to see where, and what was printed
        error.where, error.printed = own_line(error, home), said.text
        raise
    report["printed"] = said.text
    return report


def _slopes(result, first):
    """The result without its history, and the slopes of its sum at the tensor `first`; None for these where PyTorch finds no way back to it."""
    import torch
    slopes = None
    with contextlib.suppress(Exception):        # no tensor, no history
        slopes = wire.plain(torch.autograd.grad(result.sum(), first, allow_unused=True)[0])
    first.requires_grad_(False)
    return result.detach() if isinstance(result, torch.Tensor) else result, slopes


def _take(result, report):
    """Put a plain copy of the result into the report, or why there is none."""
    try:
        if getattr(result, "requires_grad", False):
            report["notes"].append("Your result still carries the history of its gradients; `.detach()` lets go of it.")
        report["result"] = wire.plain(result)
    except wire.NotPlain as error:
        report["error"] = _failure(NOT_PLAIN, str(error))
    except Exception as error:              # a class of the student's own that does not let itself be read
        report["error"] = _failure(NOT_PLAIN, f"a {type(result).__name__} that cannot be read ({type(error).__name__})")


def _compare(before, given, changes, report):
    """Which arguments did the answer change, and what did it leave on the models?"""
    for name, value in given.items():
        is_model = hasattr(value, "named_parameters")
        if name in changes:
            report["changes"][name] = wire.plain(value)
            continue
        if is_model and [m.training for m in value.modules()] != list(before[name]["training"].values()):
            report["changed"].append([name, "mode"])
        elif not _unchanged(before[name], value):
            report["changed"].append([name, "value"])
        elif getattr(value, "requires_grad", False):
            report["notes"].append(f"Your code switched gradients on for the caller's own `{name}`: work on `{name}.clone()`.")
        if is_model and any(p.grad is not None for p in value.parameters()):
            report["notes"].append(f"Your code left gradients on the parameters of `{name}`: the next training step would add them up. "
                                   "torch.autograd.grad leaves none.")


def _unchanged(before, after):
    try:
        return wire.same(before, wire.describe_model(after) if wire.torch_kind_of(after) == "model" else after)
    except wire.NotPlain:
        return False
