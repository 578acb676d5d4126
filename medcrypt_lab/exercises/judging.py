"""Judging: one exercise, one answer, one outcome. The same for a notebook, a test and a grader."""
import inspect
import textwrap
import time
import traceback
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from . import calling, vocabulary, wire
from .vocabulary import NotYet

# What PyTorch and Python say in words of their own, and what it means for whoever writes their first attack.
EXPLAINED = {
    "NoneType": "Something is None here: a gradient that nobody computed (`images.grad` before `backward()`, or `allow_unused=True`), or what a "
                "function without `return` gives.",
    "'tuple' object has no attribute": "`torch.autograd.grad` returns a tuple, also for one gradient: take its first value by `[0]`.",
    "does not require grad": "PyTorch was not told to record gradients: `.requires_grad_(True)` must come before the model is called.",
    "not have been used in the graph": "The loss was not computed from the tensor whose gradient you ask for: call `.requires_grad_(True)` first, "
                                       "then compute everything from that tensor.",
    "One of the differentiated Tensors": "PyTorch was not told to record gradients: `.requires_grad_(True)` must come before the model is called.",
    "must match the size of tensor": "Two tensors of different shapes met: print both `.shape` in the line above.",
    "to match target batch_size": "Scores and labels differ in number. Did an image lose its first axis (`images[0]`; `images[[0]]` keeps it)? Or is one of "
                                    "them not this function's argument but a variable of the lesson?",
    "but got targets of dimension: 1": "In cross_entropy the scores stand first, (n, classes). Did the pictures go in, not the network's answer to them?",
    "'generator' object has no attribute": "That is no list: it hands its things out one at a time, to a `for` loop, as `model.parameters()` does.",
    "Given input size": "The network got images of another size: a helper of the lesson uses the lesson's network, not this function's argument.",
    "object of type 'float' has no len()": "Something wants a list and got one number: write `[number]`.",
    "'Tensor' object has no attribute 'training'": "Something wants a network and got numbers: `network(images)` is its answer, `network` the network.",
    "'function' object has no attribute 'training'": "torchattacks wants a network, a torch.nn.Module. A function is enough for fgsm, which only calls `model(images)`.",
    "expanded size of the tensor (0) must match": "Something was written into an empty place: a slice up to `-p` is empty where p is 0.",
    "sizes provided (0) must be greater": "Many numbers were put in a place for one: did you forget to add them up, by `.sum()`?",
    "must be greater or equal to the number of dim": "What you put in has more axes than the place it goes into: print both `.shape`. Is an index missing, like `[i]`?",
    "int64_t without overflow": "Whole numbers have no infinity: make them real numbers first, by `.float()`.",
    "torch.return_types.max": "`.max(1)` returns two things, the largest values and where they stand: `.max(1).values` are the first.",
    "modified by an inplace operation": "Weights moved between the forward pass and `backward()`: first `backward()`, then the optimizer's `step()`.",
    "leaf Variable": "A tensor that records gradients cannot be changed in place: write `new = images + step`, not `images += step`.",
    "Can't call numpy() on Tensor": "A tensor that records gradients is no array: stay with torch. (Only where no slopes are asked for, `.detach()` it first.)",
    "Boolean value of Tensor": "A tensor of many answers is neither true nor false, so no `if` can ask it. Compute with the whole tensor; of "
                                "comparisons, `a & b` is and, `~a` is not.",
    "truth value of an array": "An array of many numbers is neither true nor false: `np.clip`, `np.where` and masks like `values[values < 0]` ask each number.",
    "Python integer": "This array's whole numbers have no room for that one (an unsigned type knows no minus): make real numbers first, `.astype(float)`.",
    "got exception: (": "The dataset that you took it from has no such element: one in a sequence lies in the dataset that `walk` hands you, not at the top.",
    "'DataElement' object": "That is the whole element, with its tag and its type: what stands in it is `element.value`.",
    "only integers, slices": "Square brackets want a whole number: round first, `math.ceil(x)` up or `int(x)` down.",
    "list indices must be integers or slices, not tuple": "A list knows no axes: make one tensor of it first, `torch.stack(...)`.",
    "could not infer output dtype": "True and False have no mean; numbers do: `x.float().mean()` is the share of True.",
    "sum() got an unexpected keyword argument 'axis'": "np.sum does not take a tensor: ask the tensor itself, `x.sum()`.",
    "must match except in dimension": "Tensors to be joined must agree in all dimensions but one: print both `.shape` in the line above.",
    "out of bounds for axis 0 with size 0": "There is nothing to take from an empty array: in which case is it empty?",
    "division by zero": "You divided by a count that can be zero. What shall the answer be then?",
    "is not defined": "A tensor x brings much along: `x.sign()`, `x.clamp(0, 1)`, `x.argmax(1)`. Anything else is defined or imported above the function.",
    "created only for scalar outputs": "Only one number has slopes: add the losses up first, by `.sum()` or `reduction=\"sum\"`.",
    "not implemented for 'Long'": "Floats are wanted here and whole numbers came. In a loss the network's scores stand first, then the labels.",
    "backward through the graph a second time": "A graph serves one gradient: compute the loss anew before you ask for another.",
    "for ^: 'bytes'": "`^` mixes numbers, not whole strings of bytes: go through both byte by byte, or make arrays of them, `np.frombuffer(x, np.uint8)`.",
    "'numpy.ndarray'> cannot be passed to C code": "Ciphers take bytes: `.tobytes()` lays an array's numbers in a row.",
    "'str'> cannot be passed to C code": "Ciphers take bytes, and text is none: `.encode()` makes bytes of it.",
    "concat str to bytes": "Text and bytes do not mix: `.encode()` makes bytes of the text.",
    '(not "bytes") to str': "Text and bytes do not mix: `.encode()` makes bytes of the text.",
}
UNTRIED, WRONG, RIGHT, BROKEN = "untried", "wrong", "right", "broken"


@dataclass
class Outcome:
    """What a check found. passed: (property, points) in order. show: (expected, got) or None. where: [function, line, text] or None."""

    id: str
    total: int
    status: str = UNTRIED
    passed: list = field(default_factory=list)
    failed: str = None          # the property that does not hold
    sentence: str = None
    misconception: str = None
    show: tuple = None
    where: list = None
    notes: list = field(default_factory=list)
    scores: list = field(default_factory=list)
    printed: str = ""
    check_error: str = None     # the exception of a check that broke: our fault, or a value that nobody expected

    @property
    def points(self):
        return sum(points for _, points in self.passed)


class Local:
    """The runner of a notebook: the answer's functions, called in this process. A worker's runner has the same two methods.

    functions: name -> function.
    """

    def __init__(self, functions):
        self.functions = functions

    def source(self, name):
        """The text of the student's function, or None where it cannot be had."""
        try:
            return textwrap.dedent(inspect.getsource(self.functions[name]))
        except (OSError, TypeError, IndexError, SyntaxError):
            return None

    def call(self, name, args, kwargs, seed, *, without=(), changes=()):
        """What calling.call reports of one call."""
        return calling.call(self.functions[name], args, kwargs, seed, without=without, changes=changes)


class Answer:
    """What a check calls. Turns everything that can go wrong in the student's code into NotYet."""

    def __init__(self, exercise, runner, outcome, seed):
        self._exercise, self._runner, self._outcome, self._seed, self._calls = exercise, runner, outcome, seed, 0

    def __call__(self, *args, **kwargs):
        return self._call(self._exercise.name, args, kwargs)

    def __getattr__(self, name):
        if name not in self._exercise.functions:
            raise AttributeError(name)
        return lambda *args, **kwargs: self._call(name, args, kwargs)

    def _call(self, name, args, kwargs):
        if len(self._exercise.functions) > 1 and self._is_stub(name):
            raise NotYet(f"`{name}` is still empty: its two halves are checked together.", property="is written")
        self._calls += 1
        report = self._runner.call(name, args, kwargs, self._seed + self._calls,
                                   without=self._exercise.without, changes=self._exercise.changes)
        self._outcome.printed += report["printed"]
        self._outcome.notes += [n for n in report["notes"] if n not in self._outcome.notes]
        if report["error"]:
            self._outcome.where = report["error"]["where"]
            raise _not_yet(report["error"], name)
        if report["changed"]:
            raise _changed(*report["changed"][0])
        if self._exercise.changes:
            return report["result"], *report["changes"].values()
        return report["result"]

    def _is_stub(self, name):
        text = self._runner.source(name)
        return text is not None and self._exercise.is_stub(text, name)


def _not_yet(error, name):
    """The sentence for an error that the answer raised."""
    kind, message = error["type"], error["message"]
    if kind == calling.SIGNATURE:
        return NotYet(f"The arguments of `{name}` should stay as they were in the exercise ({message}).", property="can be called")
    if kind == calling.NOT_PLAIN:
        return NotYet(f"Your function returned {message}; return plain numbers, text, bytes, lists, arrays or tensors.", property="returns plain data")
    if kind == calling.FORBIDDEN:
        words = f"This exercise asks you to write it: a call into {message} does not count."
        return NotYet(words, property="is your own", misconception=words)
    meaning = next((f" {words}" for part, words in EXPLAINED.items() if part in message), "")
    said = f": {message.rstrip('.')}" if message else ""
    return NotYet(f"Your code stopped with {kind}{said}.{meaning}", property="runs without an error", raised=kind)


def _changed(name, what):
    """The sentence for an argument that came back changed."""
    if what == "mode":
        words = (f"Your function left `{name}` in another mode (training instead of evaluation, or back): dropout and batch "
                 "normalization now behave otherwise for whoever uses it next. Did you put it into a module of your own? That one "
                 "begins in training mode, and takes it along: call `.eval()` on it.")
    else:
        words = f"Your function changed its argument `{name}` in place: whoever called it loses the original. Work on a copy."
    return NotYet(words, property="leaves its arguments alone", misconception=words)


def default_seed(exercise):
    """The seed of a notebook's check: fixed by the id, so that a card says the same twice."""
    return zlib.crc32(exercise.id.encode())


def judge(exercise, runner, seed=None):
    """Run the exercise's check on the runner's answer -> Outcome. Raises nothing."""
    outcome, began = Outcome(exercise.id, exercise.points), time.perf_counter()
    seed = default_seed(exercise) if seed is None else seed
    sources = {name: runner.source(name) for name in exercise.functions}
    if all(text is not None and exercise.is_stub(text, name) for name, text in sources.items()):
        return outcome
    token = vocabulary.current.set(outcome)
    try:
        with calling.kept_state(), calling.captured():
            exercise.check(Answer(exercise, runner, outcome, seed), vocabulary.Random(seed))
        outcome.status = RIGHT
    except NotYet as error:
        outcome.status = WRONG
        outcome.sentence, outcome.failed, outcome.misconception = error.sentence, error.property, error.misconception
        if error.got is not None or error.expected is not None:
            outcome.show = (error.expected, error.got)
    except KeyboardInterrupt as error:
        outcome.where, outcome.printed = getattr(error, "where", None), outcome.printed + getattr(error, "printed", "")
        outcome.status, outcome.failed = WRONG, "comes to an end"
        seconds = time.perf_counter() - began
        outcome.sentence = "You stopped it" + (f" after {seconds:.0f} s" if seconds >= 1 else "") + ". Does a loop never end?"
    except Exception as error:
        _broken(exercise, runner, outcome, error, seed)
    finally:
        vocabulary.current.reset(token)
    return outcome


def _broken(exercise, runner, outcome, error, seed):
    """A check that raised: a value that it could not read if the reference passes with the same seed, else our own fault."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    outcome.check_error = f"{type(error).__name__}: {str(error)[:200]} ({Path(last.filename).name}, line {last.lineno})"
    theirs = getattr(runner, "functions", None) is not exercise.references
    if theirs and exercise.references and judge(exercise, Local(exercise.references), seed).status == RIGHT:
        outcome.status, outcome.failed = WRONG, vocabulary.ASKED_FOR
        outcome.sentence = ("Your function returned something that our check could not read, while our own answer passes it. "
                            "Look at the type and the shape of what you return.")
    else:
        outcome.status = BROKEN
        outcome.sentence = f"The check of {exercise.id} itself broke: that is our fault, not yours."
