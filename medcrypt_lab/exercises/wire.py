"""What may pass between a check and an answer: plain data, copied by `plain`, turned to bytes and back by `encode` and `decode`.

Plain data: None, ..., bool, numbers of any size, str, bytes, bytearray, lists, tuples, dicts, numpy arrays, torch tensors, a model from
medcrypt_lab.models; as arguments also callables. No pickle: JSON and raw arrays, in which every field is checked.
"""
import copy
import json
import math
import re
import struct
import sys

TORCH_TYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "complex128")
NUMPY_TYPES = re.compile(r"[<>|=][?biufc](1|2|4|8|16)?")
DEEPEST = 50


class NotPlain(TypeError):
    """A value that may not pass; the words say what it is."""


def _torch_kind(value):
    """"tensor", "model" or None, without importing torch for those who do not use it."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "nn"):
        return None
    return "tensor" if isinstance(value, torch.Tensor) else "model" if isinstance(value, torch.nn.Module) else None


def _is_numpy(value):
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


def _plain_tensor(tensor):
    """A tensor of torch's own class on the CPU, without history."""
    import torch
    if tensor.layout is not torch.strided or str(tensor.dtype)[6:] not in TORCH_TYPES:
        raise NotPlain(f"a tensor of type {str(tensor.dtype)[6:]} and layout {str(tensor.layout)[6:]}")
    return torch.Tensor.as_subclass(tensor, torch.Tensor).detach().cpu()


def _check_numpy(array):
    if not NUMPY_TYPES.fullmatch(array.dtype.str):
        raise NotPlain(f"an array of type {array.dtype}")


def describe_model(model):
    """A model as plain data: architecture, config, weights, modes."""
    from medcrypt_lab import models
    try:
        return models.describe(model)
    except TypeError as error:
        raise NotPlain(f"a {type(model).__name__} ({error})") from None


def rebuild_model(description):
    """The model of a description; NotPlain if the description does not hold together."""
    from medcrypt_lab import models
    try:
        return models.rebuild(description)
    except (ValueError, TypeError) as error:
        raise NotPlain(f"a model that cannot be rebuilt ({error})") from None


def plain(value, wrap=None, depth=0):
    """A deep copy of plain data; `wrap` is applied to callables. NotPlain for anything else."""
    if depth > DEEPEST:
        raise NotPlain(f"data nested more than {DEEPEST} deep")
    kind = type(value)
    if value is None or value is Ellipsis or kind in (bool, int, float, complex, str, bytes):
        return value
    if kind is bytearray:
        return bytearray(value)
    if isinstance(value, list):
        return [plain(v, wrap, depth + 1) for v in value]
    if isinstance(value, tuple):
        return tuple(plain(v, wrap, depth + 1) for v in value)
    if isinstance(value, dict):
        return {plain(k, None, depth + 1): plain(v, wrap, depth + 1) for k, v in value.items()}
    torch_kind = _torch_kind(value)
    if torch_kind == "tensor":
        return _plain_tensor(value).clone()
    if torch_kind == "model":
        describe_model(value)       # refuses what is not from medcrypt_lab.models; a deep copy is 50 times faster than rebuilding
        return copy.deepcopy(value)
    if _is_numpy(value):
        _check_numpy(value)
        return value.copy()
    if callable(value) and wrap is not None:
        return wrap(value)
    raise NotPlain(f"a {kind.__name__}")


def same(a, b):
    """Are two plain values equal, types and NaN included? Used to see whether an argument was changed."""
    if _torch_kind(a) == "model":
        return same(describe_model(a), describe_model(b))
    if _torch_kind(a) == "tensor":
        return _torch_kind(b) == "tensor" and a.dtype == b.dtype and a.shape == b.shape and _raw_tensor(a) == _raw_tensor(b)
    if _is_numpy(a):
        return _is_numpy(b) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if callable(a):
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return a == b or (a != a and b != b)


def _raw_tensor(tensor):
    import torch
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def encode(value, export=None):
    """Plain data as bytes. export: callable -> int, the handle under which a callable argument can be called back."""
    blobs = []

    def blob(data):
        blobs.append(data)
        return len(data)

    def walk(value, depth=0):
        if depth > DEEPEST:
            raise NotPlain(f"data nested more than {DEEPEST} deep")
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
        torch_kind = _torch_kind(value)
        if torch_kind == "tensor":
            tensor = _plain_tensor(value)
            return {"tensor": [str(tensor.dtype)[6:], list(tensor.shape), blob(_raw_tensor(tensor))]}
        if torch_kind == "model":
            return {"model": walk(describe_model(value), depth + 1)}
        if _is_numpy(value):
            _check_numpy(value)
            return {"array" if value.ndim or type(value).__name__ == "ndarray" else "scalar": [value.dtype.str, list(value.shape), blob(value.tobytes())]}
        if callable(value) and export is not None:
            return {"callable": export(value)}
        raise NotPlain(f"a {kind.__name__}")

    head = json.dumps(walk(value), separators=(",", ":")).encode()
    return b"".join([struct.pack("<I", len(head)), head, *blobs])


def decode(data, proxy=None):
    """The value that `encode` turned to bytes. proxy: int -> callable, for callables. NotPlain for anything damaged or unknown."""
    try:
        return _decode(data, proxy)
    except NotPlain:
        raise
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError, MemoryError, struct.error, RuntimeError):
        raise NotPlain("a damaged message") from None


def _decode(data, proxy):
    length, = struct.unpack_from("<I", data)
    if 4 + length > len(data):
        raise NotPlain("a damaged message")
    at = 4 + length

    def take(size):
        nonlocal at
        if type(size) is not int or size < 0 or at + size > len(data):
            raise NotPlain("a damaged message")
        at += size
        return bytes(data[at - size:at])

    def shape_of(numbers):
        if type(numbers) is not list or not all(type(n) is int and n >= 0 for n in numbers):
            raise NotPlain("a damaged message")
        return numbers

    def tensor(dtype, shape, size):
        import torch
        if dtype not in TORCH_TYPES:
            raise NotPlain(f"a tensor of type {short(dtype)}")
        raw = take(size)
        flat = torch.frombuffer(bytearray(raw), dtype=getattr(torch, dtype)) if raw else torch.empty(0, dtype=getattr(torch, dtype))
        return flat.reshape(shape_of(shape))

    def array(dtype, shape, size):
        import numpy
        if type(dtype) is not str or not NUMPY_TYPES.fullmatch(dtype):
            raise NotPlain(f"an array of type {short(dtype)}")
        return numpy.frombuffer(bytearray(take(size)), dtype=dtype).reshape(shape_of(shape))

    def callable_of(handle):
        if proxy is None or type(handle) is not int:
            raise NotPlain("a function")
        return proxy(handle)

    def integer(digits):
        if not re.fullmatch(r"-?0x[0-9a-f]+", digits):
            raise NotPlain("a damaged message")
        return int(digits, 16)

    readers = {
        "ellipsis": lambda v: ..., "int": integer, "float": lambda v: {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}[v],
        "complex": lambda v: complex(*map(walk, v)), "bytes": take, "bytearray": lambda v: bytearray(take(v)),
        "tuple": lambda v: tuple(map(walk, v)), "dict": lambda v: {walk(k): walk(x) for k, x in v},
        "tensor": lambda v: tensor(*v), "array": lambda v: array(*v), "scalar": lambda v: array(*v)[()],
        "model": lambda v: rebuild_model(walk(v)), "callable": callable_of}

    def walk(value):
        if type(value) is list:
            return [walk(v) for v in value]
        if type(value) is not dict:
            return value
        (tag, content), = value.items()
        return readers[tag](content)

    value = walk(json.loads(data[4:4 + length]))
    if at != len(data):
        raise NotPlain("a damaged message")
    return value


def short(value, longest=80):
    """A value in words: never raises, never long."""
    try:
        if type(value) is int and value.bit_length() > 200:
            return f"a number of {value.bit_length()} bits"
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            return kind_of(value)
        text = " ".join(repr(value).split())
        return text if len(text) <= longest else text[:longest - 1] + "…"
    except Exception as error:
        return f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"


def kind_of(value):
    """What a value is, in words: "a float32 tensor of shape (6, 1, 4, 4)", "the number 3.2", "None"."""
    try:
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            noun = "tensor" if "torch" in type(value).__module__ else "array"
            dtype = str(value.dtype).replace("torch.", "")
            return f"{'an' if dtype[0] in 'aeiou' else 'a'} {dtype} {noun} of shape {tuple(value.shape)}"
    except Exception:
        return f"a {type(value).__name__}"
    if value is None:
        return "None"
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of {len(value)} value{'s' * (len(value) != 1)}"
    return f"{type(value).__name__} {short(value)}"
