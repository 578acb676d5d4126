"""One call of a student's function, the same here and in a worker: copies, captured output, their own line, what they changed."""
import contextlib
import inspect
import io
import linecache
import os
import random
import sys
import traceback
import warnings

from . import wire

MOST_CALLS = 20_000         # of the callables among one call's arguments, all together
MOST_PRINTED = 4_000        # characters


class Forbidden(Exception):
    """A call into a module whose ready-made answer does not count."""


class TooManyCalls(Exception):
    """The answer asked an oracle more often than any answer needs."""


def is_cell(filename):
    """Was this code typed into a notebook cell?"""
    return "ipykernel_" in filename or filename.startswith(("<cell", "<ipython"))


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
    yield os.getcwd, os.chdir
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
        yield torch.get_num_threads, torch.set_num_threads
        yield torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode
    if pyplot is not None:
        yield pyplot.get_fignums, lambda saved: [pyplot.close(n) for n in pyplot.get_fignums() if n not in saved]


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
            restore(saved)


class Captured:
    """What was said inside `captured`: warnings first, since a flood of prints must not hide them."""

    def __init__(self):
        self.printed, self.warnings, self.displayed = io.StringIO(), [], []

    @property
    def text(self):
        said = "".join(f"{words}\n" for words in self.warnings) + self.printed.getvalue() + "".join(f"{words}\n" for words in self.displayed)
        return said if len(said) <= MOST_PRINTED else f"{said[:MOST_PRINTED]}\n(cut here: {len(said)} characters in all)"


@contextlib.contextmanager
def captured():
    """-> Captured, which receives what is printed, warned and displayed inside; nothing of it reaches the page."""
    said = Captured()
    with contextlib.ExitStack() as stack:
        shown = None
        if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
            from IPython.utils.capture import capture_output
            shown = stack.enter_context(capture_output(stdout=False, stderr=False))
        stack.enter_context(contextlib.redirect_stdout(said.printed))
        stack.enter_context(contextlib.redirect_stderr(said.printed))
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        yield said
        said.warnings += [f"{warning.category.__name__}: {warning.message}" for warning in caught]
        said.displayed += [str(output.data.get("text/plain", "")) for output in getattr(shown, "outputs", [])]


@contextlib.contextmanager
def refusing(modules):
    """Calls into `modules` raise Forbidden, on the line that makes them, and are noted in the list that this gives."""
    seen = []

    def watch(frame, event, argument):
        name = frame.f_globals.get("__name__", "") if event == "call" else getattr(argument, "__module__", "") if event == "c_call" else ""
        for module in modules:
            if name and (name == module or name.startswith(module + ".")):
                seen.append(module)
                raise Forbidden(f"this exercise asks you to write it: a call into {module} does not count")

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
            return wire.plain(function(*wire.plain(args), **wire.plain(kwargs)))
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


def call(function, args, kwargs, seed, *, without=(), changes=(), wrap=counted):
    """Run the answer once. Raises nothing but KeyboardInterrupt.

    Returns a dict of plain data: result, error (None or type, message, where), changed (names of arguments), changes (name -> the argument
    as the answer left it, for those the exercise lets it change), notes, printed.
    """
    report = {"result": None, "error": None, "changed": [], "changes": {}, "notes": [], "printed": ""}
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError) as error:
        report["error"] = _failure("Signature", str(error))
        return report
    calls = []
    before = wire.plain(dict(bound.arguments), lambda f: f)
    given = wire.plain(dict(bound.arguments), lambda f: wrap(f, calls))
    mine = inspect.BoundArguments(bound.signature, given)
    home = getattr(getattr(function, "__code__", None), "co_filename", "")
    with kept_state(), captured() as said:
        seed_all(seed)
        with refusing(without) as refused:
            try:
                result = function(*mine.args, **mine.kwargs)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                report["error"] = _failure(type(error).__name__, str(error).split("\n")[0][:300], own_line(error, home))
        if report["error"] is None and refused:         # the answer caught it and went on
            report["error"] = _failure("Forbidden", f"this exercise asks you to write it: a call into {refused[0]} does not count")
        if report["error"] is None:
            if getattr(result, "requires_grad", False):
                report["notes"].append("Your result still carries the history of its gradients; `.detach()` lets go of it.")
            try:
                report["result"] = wire.plain(result)
            except wire.NotPlain as error:
                report["error"] = _failure("NotPlain", str(error))
            _compare(before, given, changes, report)
    report["printed"] = said.text
    return report


def _compare(before, given, changes, report):
    """Which arguments did the answer change, and what did it leave on the models?"""
    for name, value in given.items():
        is_model = hasattr(value, "named_parameters")
        if name in changes:
            report["changes"][name] = wire.plain(value)
            continue
        if is_model and [m.training for m in value.modules()] != [m.training for m in before[name].modules()]:
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
        return wire.same(before, after)
    except wire.NotPlain:
        return False
