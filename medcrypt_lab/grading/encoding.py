"""Plain data as bytes and back: what crosses a process boundary. No pickle: JSON and raw arrays, in which every field is checked."""
import json
import math
import re
import struct

from medcrypt_lab.exercises import wire


def encode(value, export=None):
    """Plain data as bytes. export: callable -> int, the handle under which a callable argument can be called back."""
    blobs = []

    def blob(data):
        blobs.append(data)
        return len(data)

    def walk(value, depth=0):
        if depth > wire.DEEPEST:
            raise wire.NotPlain(f"data nested more than {wire.DEEPEST} deep")
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if value is Ellipsis:
            return {"ellipsis": 0}
        if kind is int:
            return value if abs(value) < 2**53 else {"int": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if kind is complex:
            return {"complex": [walk(value.real), walk(value.imag)]}
        if kind is bytes or kind is bytearray:
            return {kind.__name__: blob(bytes(value))}
        if isinstance(value, list):
            return [walk(v, depth + 1) for v in value]
        if isinstance(value, tuple):
            return {"tuple": [walk(v, depth + 1) for v in value]}
        if isinstance(value, dict):
            return {"dict": [[walk(k, depth + 1), walk(v, depth + 1)] for k, v in value.items()]}
        torch_kind = wire.torch_kind_of(value)
        if torch_kind == "tensor":
            tensor = wire.plain_tensor(value)
            return {"tensor": [str(tensor.dtype)[6:], list(tensor.shape), blob(wire.raw_tensor(tensor))]}
        if torch_kind == "model":
            return {"model": walk(wire.describe_model(value), depth + 1)}
        if wire.is_numpy(value):
            wire.check_numpy(value)
            return {"array" if value.ndim or type(value).__name__ == "ndarray" else "scalar": [value.dtype.str, list(value.shape), blob(value.tobytes())]}
        if callable(value) and export is not None:
            return {"callable": export(value)}
        raise wire.NotPlain(f"a {kind.__name__}")

    head = json.dumps(walk(value), separators=(",", ":")).encode()
    return b"".join([struct.pack("<I", len(head)), head, *blobs])


def decode(data, proxy=None):
    """The value that `encode` turned to bytes. proxy: int -> callable, for callables. wire.NotPlain for anything damaged or unknown."""
    try:
        return _decode(data, proxy)
    except wire.NotPlain:
        raise
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError, MemoryError, struct.error, RuntimeError):
        raise wire.NotPlain("a damaged message") from None


def _decode(data, proxy):
    length, = struct.unpack_from("<I", data)
    if 4 + length > len(data):
        raise wire.NotPlain("a damaged message")
    at = 4 + length

    def take(size):
        nonlocal at
        if type(size) is not int or size < 0 or at + size > len(data):
            raise wire.NotPlain("a damaged message")
        at += size
        return bytes(data[at - size:at])

    def shape_of(numbers):
        if type(numbers) is not list or not all(type(n) is int and n >= 0 for n in numbers):
            raise wire.NotPlain("a damaged message")
        return numbers

    def tensor(dtype, shape, size):
        import torch
        if dtype not in wire.TORCH_TYPES:
            raise wire.NotPlain(f"a tensor of type {wire.short(dtype)}")
        raw = take(size)
        flat = torch.frombuffer(bytearray(raw), dtype=getattr(torch, dtype)) if raw else torch.empty(0, dtype=getattr(torch, dtype))
        return flat.reshape(shape_of(shape))

    def array(dtype, shape, size):
        import numpy
        if type(dtype) is not str or not wire.NUMPY_TYPES.fullmatch(dtype):
            raise wire.NotPlain(f"an array of type {wire.short(dtype)}")
        return numpy.frombuffer(bytearray(take(size)), dtype=dtype).reshape(shape_of(shape))

    def callable_of(handle):
        if proxy is None or type(handle) is not int:
            raise wire.NotPlain("a function")
        return proxy(handle)

    def integer(digits):
        if not re.fullmatch(r"-?0x[0-9a-f]+", digits):
            raise wire.NotPlain("a damaged message")
        return int(digits, 16)

    readers = {
        "ellipsis": lambda v: ..., "int": integer, "float": lambda v: {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}[v],
        "complex": lambda v: complex(*map(walk, v)), "bytes": take, "bytearray": lambda v: bytearray(take(v)),
        "tuple": lambda v: tuple(map(walk, v)), "dict": lambda v: {walk(k): walk(x) for k, x in v},
        "tensor": lambda v: tensor(*v), "array": lambda v: array(*v), "scalar": lambda v: array(*v)[()],
        "model": lambda v: wire.rebuild_model(walk(v)), "callable": callable_of}

    def walk(value):
        if type(value) is list:
            return [walk(v) for v in value]
        if type(value) is not dict:
            return value
        (tag, content), = value.items()
        return readers[tag](content)

    value = walk(json.loads(data[4:4 + length]))
    if at != len(data):
        raise wire.NotPlain("a damaged message")
    return value
