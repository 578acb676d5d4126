"""The words that checks are written in."""
import contextvars
import random as _random

from . import calling
from .wire import kind_of, number, short

ASKED_FOR = "returns what its docstring says"
current = contextvars.ContextVar("the outcome that the running check fills")
# (function, values) -> a report like that of calling.call. A grader puts one in its place that runs the function in a sandbox.
decoder = contextvars.ContextVar("where decode runs its function", default=lambda function, values: calling.call(function, values, {}, 0))


class NotYet(Exception):
    """The answer is not right yet: the sentence for the student and what to show below it."""

    def __init__(self, sentence, *, property=None, misconception=None, got=None, expected=None, raised=None):
        super().__init__(sentence)
        self.sentence, self.property, self.misconception = sentence, property, misconception
        self.got, self.expected, self.raised = got, expected, raised


def _said(words):
    return words() if callable(words) else words


def expect(property, ok, otherwise, *, points=0, got=None, expected=None):
    """The answer has this property, or the check ends with the sentence `otherwise`.

    property: the words after a tick, e.g. "stays inside [0, 1]". otherwise: a sentence, or a function without arguments that makes one
    (called only on failure: words that index or divide always are functions). points: what the property is worth. got, expected: two
    values whose difference the card shows.
    """
    if not ok:
        raise NotYet(_said(otherwise), property=property, got=got, expected=expected)
    current.get().passed.append((property, points))


def suspect(seen, words, *, got=None, expected=None):
    """A known misconception: if `seen`, the check ends and `words` (a sentence or a function that makes one) answer it by name."""
    if seen:
        words = _said(words)
        raise NotYet(words, misconception=words, got=got, expected=expected)


def expect_like(result, like):
    """The formalities, first in nearly every check: exists, type, shape, dtype, finite. They pass as one line without points.

    like: a value of the kind that is asked for: tensor, array, number, bytes, str, list or tuple (its items are compared one by one).
    """
    if result is None:
        raise NotYet("Your function returns nothing. Is there a `return` at its end?", property=ASKED_FOR, misconception="returns nothing")
    if result is Ellipsis:
        raise NotYet("Your function returns `...`: the place for your code is still empty.", property=ASKED_FOR)
    like = number(like)
    _formalities(result, like, "")
    formality = (_noun(like) + (" of the right shape and type" if hasattr(like, "shape") else ""), 0)
    if formality not in current.get().passed:
        current.get().passed.append(formality)


def _noun(like):
    if hasattr(like, "shape"):
        return "a tensor" if "torch" in type(like).__module__ else "an array"
    return {float: "a number", int: "a whole number", str: "text", bytes: "bytes"}.get(type(like), f"a {type(like).__name__}")


def _formalities(result, like, where):
    def demand(ok, sentence):
        if not ok:
            raise NotYet(sentence(), property=ASKED_FOR)

    result, like = number(result), number(like)
    if isinstance(like, (list, tuple)):
        demand(type(result) is type(like), lambda: f"Expected a {type(like).__name__} of {len(like)} values{where}, got {kind_of(result)}.")
        demand(len(result) == len(like), lambda: f"Expected {len(like)} values{where}, got {len(result)}.")
        for i, (one, other) in enumerate(zip(result, like), 1):
            _formalities(one, other, f" as value {i} of {len(like)}")
    elif hasattr(like, "shape"):
        demand(type(result) is type(like), lambda: f"Expected {kind_of(like)}{where}, got {kind_of(result)}.")
        demand(tuple(result.shape) == tuple(like.shape), lambda: f"The shape should be {tuple(like.shape)}{where}, yours is {tuple(result.shape)}.")
        demand(result.dtype == like.dtype, lambda: f"The numbers should be {_bare(like.dtype)}{where}, yours are {_bare(result.dtype)}.")
        bad = _not_finite(result)
        demand(not bad, lambda: f"{bad} of the numbers{where} are not finite (NaN or infinite).")
    elif isinstance(like, float):
        demand(type(result) in (float, int), lambda: f"Expected a plain number{where}, got {kind_of(result)}." + _hint_item(result))
        demand(abs(result) < float("inf"), lambda: f"Expected a finite number{where}, got {short(result)}." + " That is what 0 / 0 gives." * (result != result))
    else:
        demand(type(result) is type(like), lambda: f"Expected {_noun(like)}{where}, got {kind_of(result)}." + _hint_item(result))


def _bare(dtype):
    return str(dtype).replace("torch.", "")


def _hint_item(result):
    return " One number of torch's or numpy's becomes a plain one by .item()." if hasattr(result, "item") else ""


def _not_finite(values):
    """How many numbers are NaN or infinite: works for tensors and arrays of any kind of number."""
    if "torch" in type(values).__module__:
        return int((~values.isfinite()).sum())
    import numpy
    return int((~numpy.isfinite(values)).sum())


def refusal(call):
    """How `call()`, which calls the answer, was refused: the name of the error that the student's code raised, "ValueError", or None if it returned.

    For exercises that ask for an error, e.g. refusal(lambda: answer.open_image(key, forged, header)) == "ValueError".
    """
    try:
        call()
    except NotYet as end:
        if end.raised is None:
            raise
        current.get().where = None          # the line that raised is not what is wrong
        return end.raised
    return None


def close(a, b, within=1e-6):
    """Equal shape and everywhere within `within`; False (never an error) for what cannot be compared. NaN is close to nothing."""
    try:
        a, b = number(a), number(b)
        if hasattr(a, "shape") or hasattr(b, "shape"):
            return tuple(a.shape) == tuple(b.shape) and bool((abs(a - b) <= within).all())
        if isinstance(a, (list, tuple)):
            return len(a) == len(b) and all(close(x, y, within) for x, y in zip(a, b))
        return bool(abs(a - b) <= within)
    except Exception:
        return False


def decode(function, *values):
    """function(*values): what stands in bytes that only native code can read, a ciphertext for instance. If they cannot be read, the check ends.

    Such code may crash on bytes that were made for it. In a notebook that is the student's own kernel; a grader runs the function in a
    sandbox of its own, which also holds the keys it is given. So the function stands at the top of the exercise's file, imports inside
    itself all that it needs, and takes and returns plain data.
    """
    report = decoder.get()(function, values)
    if report["error"]:
        said = f" ({report['error']['message'].rstrip('.')})" if report["error"]["message"] else ""
        raise NotYet(f"The bytes that your function returned cannot be decoded{said}.", property=ASKED_FOR, misconception="cannot be decoded")
    return report["result"]


def note(words):
    """A remark on the card that costs nothing."""
    current.get().notes.append(words)


def noted(words):
    """Does a remark with these words stand on the card already? The engine remarks what the answer left behind, gradients for one."""
    return any(words in remark for remark in current.get().notes)


def score(name, value, unit="", better="smaller"):
    """A figure that a right answer can still improve, e.g. score("queries", 812, better="smaller")."""
    current.get().scores.append((name, value, unit, better))


class Random(_random.Random):
    """random.Random with bytes, tensors and arrays: the same stream in every process and on every machine."""

    def bytes(self, n):
        """n random bytes."""
        return self.randbytes(n)

    def torch(self):
        """A torch.Generator seeded from this stream."""
        import torch
        return torch.Generator().manual_seed(self.getrandbits(62))

    def numpy(self):
        """A numpy Generator (PCG64) seeded from this stream."""
        import numpy
        return numpy.random.Generator(numpy.random.PCG64(self.getrandbits(64)))

    def tensor(self, *shape, low=0.0, high=1.0):
        """A float32 tensor, uniform in [low, high)."""
        import torch
        return torch.rand(*shape, generator=self.torch()) * (high - low) + low


def linear_classifier(random, classes=3, size=4, n=6):
    """A linear model in evaluation mode, images and labels on which the typical mistakes of an attack show.

    Returns model (flatten, then linear), images float32 (n, 1, size, size) in [0, 1] of which some pixels are exactly 0 or 1 (a forgotten
    clip shows), labels int64 (n,) of which each third is not the model's choice (a used prediction shows).
    """
    import torch
    from medcrypt_lab import models
    model = models.make("linear", classes=classes, size=size)
    with torch.no_grad():
        model[1].weight.copy_(random.tensor(classes, size * size, low=-1, high=1))
        model[1].bias.zero_()
        images = random.tensor(n, 1, size, size, low=-0.3, high=1.3).clamp(0, 1)
        labels = model(images).argmax(1)
    labels[::3] = (labels[::3] + 1) % classes
    return model, images, labels


def linear_gradient(model, images, labels):
    """The gradient of each image's own cross-entropy on a `linear_classifier`, by hand: (probabilities - one hot) W.

    images (n, 1, size, size), labels (n,) -> a tensor of the images' shape; no mean over the images is taken.
    """
    import torch
    with torch.no_grad():
        probabilities = model(images).softmax(1)
        one_hot = torch.nn.functional.one_hot(labels, probabilities.shape[1])
        return ((probabilities - one_hot) @ model[1].weight).reshape(images.shape)


def right(function):
    """An answer written differently that must pass."""
    return function


def wrong(*words, of=None):
    """An answer that a learner would give and that must fail; each of `words` stands on its card and on no other's.

    of: in an exercise of several functions, the one that this answer stands for (the first, if not said).
    """
    return lambda function: function


def given(*words, of=None):
    """Find the bug: the function under it is what the student meets, and it is told `words`."""
    return lambda function: function


def uses(id):
    """The reference of an earlier exercise, under the name that the reference of this one calls."""
    from . import files
    exercise = files.get(id)
    return exercise.references[exercise.name]
