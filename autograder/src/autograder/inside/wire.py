"""Values as bytes: what crosses between a student's process and the referee.

A frame is a fixed prefix, a JSON header and raw buffers. Numbers, texts and containers are JSON; arrays and
tensors name their dtype and shape in the header and lie as raw bytes in a buffer. Nothing is ever unpickled,
and a decoder that is fed garbage raises `WireError` and nothing else.

In the JSON, None, bool, str, finite float and small int stand for themselves; every other value is a list
that begins with its tag.
"""

from __future__ import annotations

import collections
import dataclasses
import decimal
import fractions
import json
import math
import struct
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_DEPTH = 64
MAX_NODES = 2_000_000
MAX_BUFFERS = 4096
MAX_HEADER = 32 << 20  # of JSON; large values travel in buffers
PREFIX = struct.Struct("!4sIQI")  # magic, header bytes, bytes of all buffers, number of buffers
MAGIC = b"NW01"
_SAFE_INT = 1 << 53
_NUMPY_KINDS = "biufcSUmM"
_TORCH_DTYPES = (
    "float64 float32 float16 bfloat16 complex128 complex64 "
    "int64 int32 int16 int8 uint8 bool uint16 uint32 uint64"
).split()
_FACTORIES = {
    "int": int,
    "float": float,
    "list": list,
    "dict": dict,
    "set": set,
    "str": str,
    "bool": bool,
    "tuple": tuple,
}


class WireError(ValueError):
    """Bytes that are not a frame, or a frame that is not a value."""


class Uncrossable(TypeError):
    """A value of a type that can't cross; `kind` is the name of that type."""

    def __init__(self, kind: str, why: str = "") -> None:
        super().__init__(f"a value of type {kind} can't be compared by a test{': ' + why if why else ''}")
        self.kind = kind


class Record(types.SimpleNamespace):
    """A dataclass instance or named tuple that crossed: its fields, as plain attributes."""


def _torch() -> Any:
    return sys.modules.get("torch")


class Encoder:
    """Turns values into a JSON tree and a list of buffers.

    `reference` is asked about values that have no plain form; it returns a tagged list (a handle) or None.
    """

    def __init__(
        self, reference: Callable[[Any], list | None] | None = None, max_bytes: int = 1 << 30
    ) -> None:
        self.buffers: list[bytes] = []
        self._reference = reference
        self._nodes = 0
        self._room = max_bytes

    def _spend(self, n: int) -> None:
        self._room -= n
        if self._room < 0:
            raise Uncrossable("very large value", "it is over the size limit for one value")

    def _buffer(self, data: bytes) -> int:
        self._spend(len(data))
        self.buffers.append(data)
        if len(self.buffers) > MAX_BUFFERS:
            raise Uncrossable("very large value", "it holds too many arrays")
        return len(self.buffers) - 1

    def encode(self, value: Any, depth: int = 0) -> Any:
        """The JSON tree of a value. Raises Uncrossable."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Uncrossable("very large value", "it has too many items")
        if depth > MAX_DEPTH:
            raise Uncrossable("deeply nested value", "it is nested too deeply, or contains itself")
        if value is None or value is True or value is False:
            return value
        kind = type(value)
        if kind is str:
            self._spend(len(value))
            return value
        if kind is int:
            return value if -_SAFE_INT < value < _SAFE_INT else self._big_int(value)
        if kind is float:
            return value if math.isfinite(value) else ["float", repr(value)]
        if kind is list:
            return ["list", [self.encode(v, depth + 1) for v in value]]
        if kind is tuple:
            return ["tuple", [self.encode(v, depth + 1) for v in value]]
        if kind is dict:
            return ["dict", self._pairs(value, depth)]
        if isinstance(value, (np.ndarray, np.generic)):
            return self._numpy(value, depth)
        torch = _torch()
        if torch is not None:
            if isinstance(value, torch.Tensor):
                return self._tensor(value, torch)
            if kind is torch.Size:
                return ["tuple", [int(v) for v in value]]
            if kind is torch.dtype:
                return ["torch.dtype", str(value).removeprefix("torch.")]
            if kind is torch.device:
                return ["torch.device", str(value)]
            if kind is torch.Generator:
                return ["torch.Generator", self._tensor(value.get_state(), torch)]
        if self._reference is not None:
            found = self._reference(value)
            if found is not None:
                return found
        return self._other(value, depth)

    def _big_int(self, value: int) -> list:
        if value.bit_length() > 1 << 20:
            raise Uncrossable("int", "it has more than a million bits")
        return ["int", hex(value)]

    def _pairs(self, value: dict, depth: int) -> list:
        return [[self.encode(k, depth + 1), self.encode(v, depth + 1)] for k, v in value.items()]

    def _items(self, tag: str, value: Any, depth: int) -> list:
        return [tag, [self.encode(v, depth + 1) for v in value]]

    def _numpy(self, value: Any, depth: int) -> list:
        if isinstance(value, np.ma.MaskedArray):
            raise Uncrossable("MaskedArray", "return an ordinary array")
        scalar = isinstance(value, np.generic)
        array = np.asarray(value)
        if array.dtype == object:
            return [
                "object array",
                list(array.shape),
                [self.encode(v, depth + 1) for v in array.ravel().tolist()],
            ]
        if array.dtype.kind not in _NUMPY_KINDS or array.dtype.hasobject:
            raise Uncrossable(f"numpy array of dtype {array.dtype}")
        self._spend(array.nbytes)
        dtype = array.dtype.newbyteorder("<") if array.dtype.byteorder == ">" else array.dtype
        data = np.ascontiguousarray(array, dtype=dtype).tobytes()
        return ["scalar" if scalar else "array", dtype.str, list(array.shape), self._buffer(data)]

    def _tensor(self, value: Any, torch: Any) -> list:
        if value.layout is not torch.strided or value.is_quantized or value.device.type == "meta":
            raise Uncrossable("sparse, quantized or meta tensor", "return a dense tensor")
        name = str(value.dtype).removeprefix("torch.")
        if name not in _TORCH_DTYPES:
            raise Uncrossable(f"tensor of dtype {name}")
        self._spend(value.numel() * value.element_size())
        plain = value.detach().resolve_conj().resolve_neg().to("cpu").contiguous()
        if plain.numel() == 1:  # contiguous whatever its stride, and then it can't be viewed as bytes
            plain = torch.empty(plain.shape, dtype=plain.dtype).copy_(plain)
        data = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        return ["tensor", name, list(plain.shape), self._buffer(data), bool(value.requires_grad)]

    def _other(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if isinstance(value, bool):
            return bool(value)
        if isinstance(value, complex):
            return ["complex", self.encode(float(value.real)), self.encode(float(value.imag))]
        if isinstance(value, int):
            return self.encode(int.__int__(value), depth)
        if isinstance(value, float):
            return self.encode(float.__float__(value), depth)
        if isinstance(value, str):
            return self.encode(str.__str__(value), depth)
        if isinstance(value, (bytes, bytearray)):
            return [kind.__name__ if kind in (bytes, bytearray) else "bytes", self._buffer(bytes(value))]
        if isinstance(value, collections.Counter):
            return ["Counter", self._pairs(value, depth)]
        if isinstance(value, collections.defaultdict):
            factory = getattr(value.default_factory, "__name__", None)
            name = factory if _FACTORIES.get(factory or "") is value.default_factory else None
            return ["defaultdict", name, self._pairs(value, depth)]
        if isinstance(value, dict):
            return ["dict", self._pairs(value, depth)]
        if isinstance(value, (set, frozenset)):
            return self._items("set" if isinstance(value, set) else "frozenset", value, depth)
        if isinstance(value, tuple):
            names = getattr(kind, "_fields", None)
            if names and all(isinstance(n, str) for n in names) and len(names) == len(value):
                return [
                    "named",
                    kind.__name__,
                    [[n, self.encode(v, depth + 1)] for n, v in zip(names, value, strict=True)],
                ]
            return self._items("tuple", value, depth)
        if isinstance(value, list):
            return self._items("list", value, depth)
        if isinstance(value, collections.deque):
            return self._items("deque", value, depth)
        if isinstance(value, (type({}.keys()), type({}.values()), type({}.items()))):
            return self._items("list", value, depth)
        if kind is range:
            return ["range", *(self.encode(v) for v in (value.start, value.stop, value.step))]
        if kind is fractions.Fraction:
            return ["Fraction", self.encode(value.numerator), self.encode(value.denominator)]
        if kind is decimal.Decimal:
            return ["Decimal", str(value)]
        if kind is slice:
            return ["slice", *(self.encode(v, depth + 1) for v in (value.start, value.stop, value.step))]
        if value is Ellipsis:
            return ["Ellipsis"]
        if isinstance(value, np.dtype):
            if value.hasobject or value.kind not in _NUMPY_KINDS:
                raise Uncrossable(f"dtype {value}")
            return ["dtype", value.str]
        if isinstance(value, np.random.Generator):
            return [
                "np.random.Generator",
                type(value.bit_generator).__name__,
                self.encode(value.bit_generator.state, depth + 1),
            ]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = [f.name for f in dataclasses.fields(value)]
            return ["record", kind.__name__, [[n, self.encode(getattr(value, n), depth + 1)] for n in fields]]
        raise Uncrossable(kind.__name__)


class Decoder:
    """Rebuilds values from a JSON tree and buffers. Raises WireError on anything that does not fit."""

    def __init__(self, buffers: list[bytes], reference: Callable[[list], Any] | None = None) -> None:
        self._buffers = buffers
        self._reference = reference
        self.used: set[int] = set()

    def decode(self, tree: Any) -> Any:
        """The value of a JSON tree."""
        try:
            return self._decode(tree, 0)
        except WireError:
            raise
        except (
            ValueError,
            ArithmeticError,
            TypeError,
            KeyError,
            IndexError,
            OverflowError,
            RuntimeError,
            AttributeError,
            MemoryError,
        ) as error:
            raise WireError(f"not a value: {type(error).__name__}") from error

    def _decode(self, tree: Any, depth: int) -> Any:
        if tree is None or isinstance(tree, (bool, int, float, str)):
            return tree
        if depth > MAX_DEPTH or not isinstance(tree, list) or not tree or not isinstance(tree[0], str):
            raise WireError("not a value")
        tag, *rest = tree
        method = _DECODERS.get(tag)
        if method is None:
            if self._reference is None:
                raise WireError(f"unknown tag {tag[:40]!r}")
            return self._reference(tree)
        return method(self, rest, depth + 1)

    def _list(self, items: Any, depth: int) -> list:
        if not isinstance(items, list):
            raise WireError("not a list")
        return [self._decode(v, depth) for v in items]

    def _dict(self, pairs: Any, depth: int) -> dict:
        return {self._decode(k, depth): self._decode(v, depth) for k, v in pairs}

    def _bytes(self, index: Any) -> bytes:
        if type(index) is not int or not 0 <= index < len(self._buffers):
            raise WireError("no such buffer")
        self.used.add(index)
        return self._buffers[index]

    def _shape(self, shape: Any) -> tuple[int, ...]:
        if (
            not isinstance(shape, list)
            or len(shape) > 32
            or any(type(n) is not int or not 0 <= n < 1 << 40 for n in shape)
        ):
            raise WireError("not a shape")
        return tuple(shape)

    def _array(self, rest: list, depth: int) -> np.ndarray:
        text, shape, index = rest
        dtype = _numpy_dtype(text)
        shape, data = self._shape(shape), self._bytes(index)
        if math.prod(shape) * dtype.itemsize != len(data):
            raise WireError("a buffer does not fit its shape")
        if not dtype.itemsize or not data:
            return np.zeros(shape, dtype)
        if dtype.kind == "b":
            return (np.frombuffer(data, np.uint8) != 0).reshape(shape)
        if dtype.kind == "U" and np.frombuffer(data, np.uint32).max(initial=0) > 0x10FFFF:
            raise WireError("not text")
        return np.frombuffer(data, dtype).reshape(shape).copy()

    def _tensor(self, rest: list, depth: int) -> Any:
        import torch

        name, shape, index, requires_grad = rest
        if name not in _TORCH_DTYPES:
            raise WireError("not a tensor type")
        dtype = getattr(torch, name)
        shape, data = self._shape(shape), self._bytes(index)
        if math.prod(shape) * dtype.itemsize != len(data):
            raise WireError("a buffer does not fit its shape")
        if not data:
            return torch.zeros(shape, dtype=dtype)
        raw = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        value = (raw != 0).reshape(shape) if dtype is torch.bool else raw.view(dtype).reshape(shape)
        # a tensor that is to collect gradients does so on the other side, too; its history stays where it was
        return value.requires_grad_() if requires_grad is True and dtype.is_floating_point else value

    def _object_array(self, rest: list, depth: int) -> np.ndarray:
        shape = self._shape(rest[0])
        items = self._list(rest[1], depth)
        if math.prod(shape) != len(items):
            raise WireError("a list does not fit its shape")
        array = np.empty(len(items), dtype=object)
        for i, item in enumerate(items):
            array[i] = item
        return array.reshape(shape)

    def _defaultdict(self, rest: list, depth: int) -> dict:
        factory = _FACTORIES[rest[0]] if rest[0] is not None else None
        return collections.defaultdict(factory, self._dict(rest[1], depth))

    def _record(self, rest: list, depth: int) -> Any:
        name, pairs = rest
        if not isinstance(name, str):
            raise WireError("not a record")
        return Record(**{_identifier(k): self._decode(v, depth) for k, v in pairs})

    def _named(self, rest: list, depth: int) -> Any:
        name, pairs = rest
        names = [_identifier(k) for k, _ in pairs]
        made: Any = collections.namedtuple(_identifier(name), names)  # type: ignore[misc]
        return made(*(self._decode(v, depth) for _, v in pairs))

    def _generator(self, rest: list, depth: int) -> np.random.Generator:
        name, state = rest
        if name not in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"):
            raise WireError("not a bit generator")
        bits = getattr(np.random, name)(0)
        bits.state = self._decode(state, depth)
        return np.random.Generator(bits)

    def _torch_generator(self, rest: list, depth: int) -> Any:
        import torch

        generator = torch.Generator()
        generator.set_state(self._decode(rest[0], depth))
        return generator

    def _torch_dtype(self, rest: list, depth: int) -> Any:
        import torch

        if rest[0] not in _TORCH_DTYPES:
            raise WireError("not a torch dtype")
        return getattr(torch, rest[0])

    def _torch_device(self, rest: list, depth: int) -> Any:
        import torch

        return torch.device("cpu") if not isinstance(rest[0], str) else torch.device(rest[0][:20])

    def _scalar(self, rest: list, depth: int) -> Any:
        array = self._array(rest, depth)
        if array.shape != ():
            raise WireError("not a scalar")
        return array[()]


def _identifier(name: Any) -> str:
    if not isinstance(name, str) or not name.isidentifier() or len(name) > 200 or name.startswith("__"):
        raise WireError("not a name")
    return name


def _numpy_dtype(text: Any) -> np.dtype:
    if not isinstance(text, str) or len(text) > 30 or "," in text or "(" in text:
        raise WireError("not a dtype")
    dtype = np.dtype(text)
    if (
        dtype.kind not in _NUMPY_KINDS
        or dtype.hasobject
        or dtype.fields is not None
        or dtype.subdtype is not None
    ):
        raise WireError("not a dtype")
    return dtype


def _float(_: Decoder, rest: list, __: int) -> float:
    return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[rest[0]]


def _int(_: Decoder, rest: list, __: int) -> int:
    if len(rest[0]) > 1 << 19:
        raise WireError("an int that is too large")
    return int(rest[0], 16)


def _range(*ends: Any) -> range:
    made = range(*ends)
    if len(made) > MAX_NODES:
        raise WireError("a range that is too long")
    return made


def _decimal(text: Any) -> decimal.Decimal:
    if not isinstance(text, str) or len(text) > 1000:
        raise WireError("not a decimal number")
    return decimal.Decimal(text)


_DECODERS: dict[str, Callable[[Decoder, list, int], Any]] = {
    "float": _float,
    "int": _int,
    "complex": lambda d, r, n: complex(d._decode(r[0], n), d._decode(r[1], n)),
    "list": lambda d, r, n: d._list(r[0], n),
    "tuple": lambda d, r, n: tuple(d._list(r[0], n)),
    "set": lambda d, r, n: set(d._list(r[0], n)),
    "frozenset": lambda d, r, n: frozenset(d._list(r[0], n)),
    "deque": lambda d, r, n: collections.deque(d._list(r[0], n)),
    "dict": lambda d, r, n: d._dict(r[0], n),
    "Counter": lambda d, r, n: collections.Counter(d._dict(r[0], n)),
    "defaultdict": lambda d, r, n: d._defaultdict(r, n),
    "bytes": lambda d, r, n: d._bytes(r[0]),
    "bytearray": lambda d, r, n: bytearray(d._bytes(r[0])),
    "range": lambda d, r, n: _range(*(d._decode(v, n) for v in r)),
    "Fraction": lambda d, r, n: fractions.Fraction(d._decode(r[0], n), d._decode(r[1], n)),
    "Decimal": lambda d, r, n: _decimal(r[0]),
    "slice": lambda d, r, n: slice(*(d._decode(v, n) for v in r)),
    "Ellipsis": lambda d, r, n: Ellipsis,
    "dtype": lambda d, r, n: _numpy_dtype(r[0]),
    "scalar": lambda d, r, n: d._scalar(r, n),
    "array": lambda d, r, n: d._array(r, n),
    "object array": lambda d, r, n: d._object_array(r, n),
    "tensor": lambda d, r, n: d._tensor(r, n),
    "torch.dtype": lambda d, r, n: d._torch_dtype(r, n),
    "torch.device": lambda d, r, n: d._torch_device(r, n),
    "torch.Generator": lambda d, r, n: d._torch_generator(r, n),
    "np.random.Generator": lambda d, r, n: d._generator(r, n),
    "record": lambda d, r, n: d._record(r, n),
    "named": lambda d, r, n: d._named(r, n),
}


def pack(header: dict[str, Any], buffers: list[bytes] | tuple[bytes, ...] = ()) -> bytes:
    """One frame: prefix, header, the lengths of the buffers, the buffers."""
    text = json.dumps({**header, "lengths": [len(b) for b in buffers]}, allow_nan=False).encode(
        "utf-8", "surrogatepass"
    )
    total = sum(len(b) for b in buffers)
    return b"".join([PREFIX.pack(MAGIC, len(text), total, len(buffers)), text, *buffers])


def read_prefix(data: bytes, max_bytes: int) -> tuple[int, int]:
    """The lengths of header and buffers announced by a prefix.

    Raises WireError if it is none or over the limit.
    """
    magic, header, total, count = PREFIX.unpack(data)
    if magic != MAGIC or header > min(MAX_HEADER, max_bytes) or total > max_bytes or count > MAX_BUFFERS:
        raise WireError("not a frame, or one over the size limit")
    return header, total


def unpack(text: bytes, body: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Header and buffers of a frame. Raises WireError."""
    try:
        header = json.loads(text.decode("utf-8", "surrogatepass"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise WireError("the header is not JSON") from error
    if not isinstance(header, dict):
        raise WireError("the header is not an object")
    lengths = header.pop("lengths", None)
    if (
        not isinstance(lengths, list)
        or any(type(n) is not int or n < 0 for n in lengths)
        or sum(lengths) != len(body)
    ):
        raise WireError("the buffers do not fit their lengths")
    buffers, start = [], 0
    for n in lengths:
        buffers.append(body[start : start + n])
        start += n
    return header, buffers


def _no_constant(name: str) -> float:
    raise ValueError(name)
