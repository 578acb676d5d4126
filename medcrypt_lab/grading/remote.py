"""The runner of a grader: the answer lives in a worker. Whatever comes from there is hostile until it was looked at."""
import contextlib
import dataclasses
import functools
import hashlib
import inspect
import socket
import struct
import time

from medcrypt_lab.exercises import calling, vocabulary, wire

from . import encoding, sandbox

LONGEST_NUMBER = 1 << 17    # bits
LONGEST_HEAD = 8 << 20      # bytes of a reply that are no array: each may take thirty times as much once it is read
MOST_ASKED = calling.MOST_CALLS + 1     # calls of the grader's functions within one call of the answer


class Lost(vocabulary.NotYet):
    """The worker did not answer as it should: it was too slow, ended, or sent what no honest worker sends."""

    def __init__(self, sentence):
        super().__init__(sentence, property="comes to an end")


DAMAGED = "Your code broke the way on which its results come to us; nothing that it returned can be read."


class Conversation:
    """The socket to one child of the worker, with one deadline and one budget of bytes for all that is said on it."""

    def __init__(self, worker):
        self.worker, self.limits, self.socket, self.until, self.fault = worker, worker.limits, None, None, None
        worker.ready()

    def begin(self):
        """Take the child, which is forked while a check prepares its first question; the clock starts. sandbox.CannotStart is no student's fault."""
        if self.until is not None:
            return
        try:
            self.socket = self.worker.fork()
        except sandbox.CannotStart as error:
            self.fault = error
            raise
        self.until, self.heard = time.monotonic() + self.limits.wall, 0

    def say(self, message, export=None):
        data = encoding.encode(message, export)
        with self._watched():
            self.socket.sendall(struct.pack("<I", len(data)) + data)

    def hear(self):
        """The next message: a list that begins with a word."""
        with self._watched():
            length, = struct.unpack("<I", self._exactly(4))
            self.heard += length
            if length > self.limits.message or self.heard > self.limits.traffic:
                raise Lost("Your function returned more data than any answer needs.")
            data = self._exactly(length)
        try:
            if length < 4 or struct.unpack_from("<I", data)[0] > LONGEST_HEAD:
                raise Lost("Your function returned more data than any answer needs.")
            message = encoding.decode(data)
            if type(message) is not list or not message or type(message[0]) is not str:
                raise Lost(DAMAGED)
            return message
        except wire.NotPlain:
            raise Lost(DAMAGED) from None

    def _exactly(self, size):
        data = bytearray()
        while len(data) < size:
            self.socket.settimeout(max(0.001, self.until - time.monotonic()))
            part = self.socket.recv(min(size - len(data), 1 << 20))
            if not part:
                raise EOFError
            data += part
            if time.monotonic() > self.until:
                raise TimeoutError
        return bytes(data)

    @contextlib.contextmanager
    def _watched(self):
        """Errors of the line in words for a student."""
        if self.socket is None:             # it was lost, and the check asks again
            raise Lost(sandbox.ended("gone"))
        try:
            self.socket.settimeout(max(0.001, self.until - time.monotonic()))
            yield
        except TimeoutError:
            raise Lost(f"Your code did not come to an end within {self.limits.wall:.0f} seconds.") from None
        except (EOFError, OSError):
            self.close()
            raise Lost(sandbox.ended(self.worker.how())) from None

    def close(self):
        """End the child and all that it left."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None
            self.worker.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def read(worker, data, wanted):
    """reading.plan of a notebook's bytes, made inside the sandbox. Lost if that fails."""
    with Conversation(worker) as conversation:
        conversation.begin()
        conversation.say(["read", data, wanted])
        kind, *content = conversation.hear()
        if kind != "plan":
            raise Lost(DAMAGED)
        return content[0]


class Remote:
    """A runner as judging.judge wants it. The answer's functions run in a child of `worker`.

    cells, found: of reading.plan. lent: name -> a reference that takes the place of an earlier exercise's answer.
    """

    def __init__(self, worker, exercise, cells, found, lent=()):
        self.exercise, self.found, self.lent = exercise, found, dict(lent)
        self.cells = {number: cells[number - 1] for number, _, _ in found["statements"]}
        self.worker, self.conversation, self.error, self.loaded = worker, None, None, False

    def open(self):
        """Fork the child; sandbox.CannotStart, which is no student's fault, belongs outside of the check."""
        self.conversation = Conversation(self.worker)

    def source(self, name):
        """The stub where it is untouched, so that it is known as such; no student's text is read in this process."""
        return self.exercise.stubs.get(name) if name in self.found["stubs"] else None

    def call(self, name, args, kwargs, seed, *, without=(), changes=()):
        """What calling.call reported in the worker, every field looked at. Raises Lost and nothing else."""
        table = list(self.lent.values())

        def export(function):
            table.append(function)
            return len(table) - 1

        if not self.loaded:
            self.conversation.begin()
            self.conversation.say(["load", self.cells, self.found["statements"], self.found["functions"], self.lent], table.index)
            ready = self._heard("ready", table)
            self.loaded, self.error = True, _error(ready[0] if ready else None)
        if self.error:
            return {**calling.failed("", ""), "error": self.error}
        self.conversation.say(["call", name, args, kwargs, hidden(seed), list(without), list(changes)], export)
        report = self._heard("report", table)
        return checked(report[0] if report else None, changes)

    def _heard(self, wanted, table):
        """What the worker says after the word `wanted`; on the way there it may ask for the grader's functions."""
        for _ in range(MOST_ASKED):
            kind, *content = self.conversation.hear()
            if kind == wanted:
                return content
            if kind != "ask" or len(content) != 3 or type(content[0]) is not int or not 0 <= content[0] < len(table):
                raise Lost(DAMAGED)
            self.conversation.say(asked(table[content[0]], *content[1:]))
        raise Lost(f"Your code made more than {calling.MOST_CALLS} calls; no answer needs so many.")

    def close(self):
        if self.conversation is not None:
            self.conversation.close()


@contextlib.contextmanager
def decoding_apart(worker):
    """Inside, what a check hands to `decode` runs in a sandbox that is thrown away at the end: native code may crash on bytes made for it, or obey
    them, and there is nothing else in there. It starts when it is first needed.
    """
    with sandbox.Worker(dataclasses.replace(worker.limits, imports=()), worker.hidden, worker.unsafe) as own:
        token = vocabulary.decoder.set(functools.partial(decoded, own))
        try:
            yield
        finally:
            vocabulary.decoder.reset(token)


def decoded(worker, function, values):
    """As calling.call(function, values, {}, 0), in a child of `worker`, where nothing but the function's own text is known."""
    name = function.__name__
    code = Remote(worker, None, [inspect.getsource(function)], {"functions": {name: name}, "stubs": [], "statements": [[1, 0, []]]})
    code.open()
    try:
        return code.call(name, values, {}, 0)
    except Lost:
        return calling.failed("Lost", "they crash the library that reads them, or it comes to no end")
    finally:
        code.close()


def hidden(seed):
    """The seed for the answer's own generators, from which the check's cannot be told: whoever knew that one knew every secret."""
    return int.from_bytes(hashlib.sha256(f"answer {seed}".encode()).digest()[:4], "big")


def asked(function, args, kwargs):
    """Call one of the grader's functions for the worker -> the reply; what it raises goes there, not here."""
    try:
        _look(args, tuple)
        _look(kwargs, dict)
        return ["value", wire.plain(function(*args, **kwargs))]
    except Lost:
        raise
    except Exception as error:
        return ["raise", type(error).__name__, calling.words_of(error)]


def _look(value, kind):
    """Lost unless `value` is of this type and all numbers in it are of a size that can be computed with."""
    if type(value) is not kind:
        raise Lost(DAMAGED)
    todo = [value]
    while todo:
        part = todo.pop()
        if type(part) is int and part.bit_length() > LONGEST_NUMBER:
            raise Lost(f"Your function returned a number of {part.bit_length()} bits.")
        todo += part if isinstance(part, (list, tuple)) else [*part, *part.values()] if isinstance(part, dict) else []


def _text(value, longest):
    if type(value) is not str:
        raise Lost(DAMAGED)
    return value[:longest]


def _error(value):
    """An error's fields, or None."""
    if value is None:
        return None
    _look(value, dict)
    where = value.get("where")
    if where is not None:
        _look(where, list)
        if len(where) != 3 or type(where[1]) is not int:
            raise Lost(DAMAGED)
        where = [_text(where[0], 100), where[1], _text(where[2], 200)]
    return {"type": _text(value.get("type"), 100), "message": _text(value.get("message"), 300), "where": where}


def checked(report, changes):
    """A report from the worker, with exactly the fields and types that calling.call gives. Lost for any other."""
    _look(report, dict)
    _look(report.get("changed"), list)
    _look(report.get("notes"), list)
    _look(report.get("changes"), dict)
    error = _error(report.get("error"))
    if not all(type(pair) is list and len(pair) == 2 for pair in report["changed"]) or not error and set(report["changes"]) != set(changes):
        raise Lost(DAMAGED)
    return {"result": report.get("result"), "error": error, "changed": [[_text(part, 100) for part in pair] for pair in report["changed"][:20]],
            "changes": report["changes"], "notes": [_text(note, 300) for note in report["notes"][:20]],
            "printed": _text(report.get("printed"), calling.MOST_PRINTED + 200)}
