"""Whatever a worker sends, the grader answers with an outcome or a sentence: honest conversations with bytes changed, and any value anywhere."""
import json
import struct

import pytest
import torch

from medcrypt_lab.exercises import files, judging, wire
from medcrypt_lab.grading import encoding, remote
from tests.grading.test_sandbox import FOUND, HONEST, READY, Liar, framed, said

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed: `python3 course.py test` installs it")
st = hypothesis.strategies


def many(count):
    """The same examples in every run; no deadline, since a busy machine is no fault."""
    return hypothesis.settings(max_examples=count, derandomize=True, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck))


WORDS = st.sampled_from([*HONEST, "ready", "report", "ask", "plan", "type", "message", "where", "float32", "<f8", "x" * 9000, "\ud800"]) | st.text(max_size=20)
SINGLE = (st.none() | st.booleans() | st.integers() | st.sampled_from([53, 64, 200_000]).map((1).__lshift__) | st.floats() | st.complex_numbers() | WORDS | st.binary(max_size=20) |
          st.sampled_from([..., 10**40, bytearray(b"x"), torch.ones(2, 0, 3), torch.tensor(float("nan")), torch.zeros(1, dtype=torch.bool)]))
KEYS = st.none() | st.integers() | WORDS | st.tuples(WORDS)
# What the encoding can carry.
VALUES = st.recursive(SINGLE, lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(KEYS, inner, max_size=4) |
                      st.tuples(st.sampled_from(list(HONEST)), inner).map(lambda pair: {**HONEST, pair[0]: pair[1]}) |
                      st.fixed_dictionaries({"type": inner, "message": inner, "where": inner}), max_leaves=12)
# What its head, a text of JSON, can hold: the tags with honest and with other contents.
TAGS = st.sampled_from(["ellipsis", "int", "float", "complex", "bytes", "bytearray", "tuple", "dict", "tensor", "array", "scalar", "model", "callable", "x"])
SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 2**31, 2**63, 10**30, -1, 1.5, None, True, "2"]), max_size=3)
ARRAYS = st.tuples(st.sampled_from(["float32", "bool", "int64", "<f4", "|b1", "|O", "object", "__class__", 1, None]), SHAPES,
                   st.sampled_from([0, 1, 4, 8, 24, -1, 10**30, None, "4"])).map(list)
NUMBERS = st.one_of([st.tuples(st.sampled_from(names), SHAPES, st.sampled_from([0, 1, 4, 8, 24])).map(lambda fields, tag=tag: {tag: list(fields)})
                     for tag, names in [("tensor", ["float32", "bool", "int64"]), ("array", ["<f4", "|b1", "<i8"]), ("scalar", ["<f4", "|b1", "<c16"])]])
HEADS = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | WORDS | ARRAYS | st.sampled_from(["0xf", "-0x1", "nan", 10**30]),
                     lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TAGS, inner | ARRAYS, max_size=2) |
                     st.tuples(TAGS, inner).map(lambda pair: {pair[0]: pair[1]}), max_leaves=12)
REPORT = encoding.encode(["report", {**HONEST, "result": [torch.ones(2, 2), {"a": (1 << 70, b"xyz", 0.5)}], "error": None}])


@st.composite
def mutated(draw, data):
    """The bytes with a few of them changed, cut, doubled or moved."""
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 5))):
        at, size = draw(st.integers(0, len(data))), draw(st.integers(1, 9))
        kind = draw(st.sampled_from(["change", "cut", "add", "json", "length", "double"]))
        if kind == "cut":
            del data[at:at + size]
        elif kind == "double":
            data[at:at] = data[:3 * size]
        elif kind == "add":
            data[at:at] = draw(st.binary(max_size=8))
        elif kind == "json":
            data[at:at] = draw(st.sampled_from([b"{", b"[", b"null", b"-1", b"1e999", b'"', b"9" * 30, b'{"int":"0xf"}', b'"tensor"', b"true", b","]))
        else:
            new = draw(st.binary(min_size=1, max_size=1)) if kind == "change" else struct.pack("<I", draw(st.sampled_from([0, 1, 2**16, 2**31, 2**32 - 1])))
            data[at:at + len(new)] = new[:len(data) - at]
    return bytes(data)


def messages(words):
    """A message of the right form: a list that begins with one of the words."""
    return st.tuples(st.sampled_from(words), st.lists(VALUES, max_size=3)).map(lambda pair: [pair[0], *pair[1]])


@many(100)
@hypothesis.given(st.binary(max_size=200))
def test_any_bytes(data):
    said(data)
    said(READY + framed(data))


@many(120)
@hypothesis.given(mutated(REPORT), mutated(READY + framed(REPORT)))
def test_an_honest_conversation_with_bytes_changed(report, conversation):
    said(READY + framed(report))
    said(conversation)


def with_head(head, blobs):
    text = json.dumps(head).encode()
    return struct.pack("<I", len(text)) + text + blobs


@many(120)
@hypothesis.given(HEADS, st.binary(max_size=40))
def test_any_json_in_a_head(head, blobs):
    said(READY + framed(with_head(head, blobs)))
    said(READY + framed(with_head(["report", {"dict": [[name, head if name == "result" else None] for name in HONEST]}], blobs)))


@many(500)
@hypothesis.given(HEADS | NUMBERS, st.binary(max_size=40))
def test_decoding_gives_a_value_or_not_plain(head, blobs):
    try:
        encoding.decode(with_head(head, blobs))
    except wire.NotPlain:
        pass


@many(120)
@hypothesis.given(messages(["ready", "report", "ask"]), VALUES, st.integers(0, 2), VALUES, VALUES)
def test_any_values_in_any_message(message, second, handle, args, kwargs):
    said(framed(message) + framed(second))
    said(READY + framed(["ask", handle, args, kwargs]) + framed(["report", second]))
    said(READY + framed(["report", {**HONEST, "result": second}]))


@many(60)
@hypothesis.given(st.lists(VALUES, min_size=3, max_size=3))
def test_judging_a_liar_ends_in_an_outcome(results):
    exercise = files.get("start_here.invert")
    answer = remote.Remote(Liar(READY + b"".join(framed(["report", {**HONEST, "result": result}]) for result in results)), exercise, [], FOUND)
    answer.open()
    outcome = judging.judge(exercise, answer, 5)
    answer.close()
    assert outcome.status == judging.WRONG and outcome.points < exercise.points


@many(60)
@hypothesis.given(VALUES)
def test_what_is_encoded_is_what_is_decoded(value):
    assert wire.same(encoding.decode(encoding.encode(value)), wire.plain(value))
