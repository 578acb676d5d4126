"""What may pass between a check and an answer: plain data, copied by `plain`. medcrypt_lab/grading/encoding.py makes bytes of it.

Plain data: None, ..., bool, numbers of any size, str, bytes, bytearray, lists, tuples, dicts, numpy arrays, torch tensors, a model from
medcrypt_lab.models; as arguments also callables. A single real number of numpy's, np.float64 for one, passes as the Python number it is.
"""
import copy
import re
import sys

TORCH_TYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "complex128")
NUMPY_TYPES = re.compile(r"[<>|=][?biufc](1|2|4|8|16)?")
DEEPEST = 50


class NotPlain(TypeError):
    """A value that may not pass; the words say what it is."""


def torch_kind_of(value):
    """"tensor", "model" or None, without importing torch for those who do not use it."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "nn"):
        return None
    return "tensor" if isinstance(value, torch.Tensor) else "model" if isinstance(value, torch.nn.Module) else None


def is_numpy(value):
    """An array or a number of numpy's, without importing numpy for those who do not use it?"""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


def number(value):
    """A single bool, whole or real number of numpy's as the Python number it is; anything else as it came."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.generic) or value.dtype.kind not in "biuf":
        return value
    item = value.item()
    return item if type(item) in (bool, int, float) else value      # a longdouble is no Python number


def plain_tensor(tensor):
    """A tensor of torch's own class on the CPU, without history."""
    import torch
    if tensor.layout is not torch.strided or str(tensor.dtype)[6:] not in TORCH_TYPES:
        raise NotPlain(f"a tensor of type {str(tensor.dtype)[6:]} and layout {str(tensor.layout)[6:]}")
    return torch.Tensor.as_subclass(tensor, torch.Tensor).detach().cpu()


def check_numpy(array):
    """NotPlain for an array of anything but numbers."""
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
    torch_kind = torch_kind_of(value)
    if torch_kind == "tensor":
        return plain_tensor(value).clone()
    if torch_kind == "model":
        describe_model(value)       # refuses what is not from medcrypt_lab.models; a deep copy is 50 times faster than rebuilding
        return copy.deepcopy(value)
    if is_numpy(value):
        check_numpy(value)
        return number(value.copy())
    if callable(value) and wrap is not None:
        return wrap(value)
    raise NotPlain(f"a {kind.__name__}")


def same(a, b):
    """Are two plain values equal, types and NaN included? Used to see whether an argument was changed."""
    if torch_kind_of(a) == "model":
        return same(describe_model(a), describe_model(b))
    if torch_kind_of(a) == "tensor":
        return torch_kind_of(b) == "tensor" and a.dtype == b.dtype and a.shape == b.shape and raw_tensor(a) == raw_tensor(b)
    if is_numpy(a):
        return is_numpy(b) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if callable(a):
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return a == b or (a != a and b != b)


def raw_tensor(tensor):
    """The bytes of a tensor's numbers, in order."""
    import torch
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def short(value, longest=80):
    """A value in words: never raises, never long."""
    try:
        value = number(value)
        if type(value) is int and value.bit_length() > 200:
            return f"a number of {value.bit_length()} bits"
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            return kind_of(value)
        text = " ".join(repr(value).split())
        return text if len(text) <= longest else text[:longest - 1] + "…"
    except Exception as error:
        return f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"


def kind_of(value):
    """What a value is, in words: "a float32 tensor of shape (6, 1, 4, 4)", "float 3.2", "None"."""
    try:
        value = number(value)
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            noun = "tensor" if "torch" in type(value).__module__ else "array"
            dtype = str(value.dtype).replace("torch.", "")
            if noun == "array" and value.shape == ():
                return f"a number of numpy's ({dtype})"
            return f"{'an' if dtype[0] in 'aeiou' else 'a'} {dtype} {noun} of shape {tuple(value.shape)}"
    except Exception:
        return f"a {type(value).__name__}"
    if value is None:
        return "None"
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of {len(value)} value{'s' * (len(value) != 1)}"
    return f"{type(value).__name__} {short(value)}"
