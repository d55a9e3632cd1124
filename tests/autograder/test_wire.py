"""The wire format: any value there and back; any bytes never do more than raise WireError."""

from __future__ import annotations

import collections
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.diagnosis import alike
from autograder.inside import wire

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.just(...),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.text(), st.integers()), inner, max_size=4)
        | st.frozensets(st.integers() | st.text(), max_size=4)
        | st.sets(st.integers(), max_size=4)
    ),
    max_leaves=20,
)
arrays = hnp.arrays(
    st.sampled_from(["f8", "f4", "f2", "i8", "i4", "u1", "?", "c16", "U5", "S3", ">f4", "m8[s]", "M8[D]"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


def there_and_back(value: Any) -> Any:
    encoder = wire.Encoder()
    frame = wire.pack({"value": encoder.encode(value)}, encoder.buffers)
    header, total = wire.read_prefix(frame[: wire.PREFIX.size], 1 << 30)
    assert len(frame) == wire.PREFIX.size + header + total
    head, buffers = wire.unpack(
        frame[wire.PREFIX.size : wire.PREFIX.size + header], frame[wire.PREFIX.size + header :]
    )
    return wire.Decoder(buffers).decode(head["value"])


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, complex) and isinstance(b, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return bool(a == b)


@given(plain)
def test_plain_values_cross_unchanged(value: Any) -> None:
    assert same(there_and_back(value), value)


@given(arrays)
def test_arrays_keep_dtype_shape_and_values(array: np.ndarray) -> None:
    back = there_and_back(array)
    assert back.dtype == array.dtype.newbyteorder("=") or back.dtype == array.dtype
    assert back.shape == array.shape
    assert np.array_equal(back, array, equal_nan=array.dtype.kind in "fcmM")
    assert back.flags.writeable


@pytest.mark.parametrize("name", wire._TORCH_DTYPES)
def test_tensors_of_every_type_cross(name: str) -> None:
    dtype = getattr(torch, name)
    tensor = torch.tensor([[0, 1, 1], [1, 0, 1]]).to(dtype)
    for given_ in (tensor, tensor.t(), tensor[:, 1:], tensor[0, 0], torch.zeros((0, 3), dtype=dtype)):
        back = there_and_back(given_)
        assert back.dtype == dtype and back.shape == given_.shape and torch.equal(back, given_)


def test_special_values_cross() -> None:
    @dataclass
    class Point:
        x: int
        y: list[float]

    Pair = collections.namedtuple("Pair", "left right")
    assert there_and_back(Point(1, [2.0])) == wire.Record(x=1, y=[2.0])
    assert there_and_back(Pair(1, 2)).right == 2
    counter = collections.Counter("hello")
    assert type(there_and_back(counter)) is collections.Counter and there_and_back(counter)["z"] == 0
    assert there_and_back(collections.defaultdict(int, a=1))["b"] == 0
    assert there_and_back(2**100) == 2**100 and there_and_back(-(2**53)) == -(2**53)
    assert there_and_back(range(2, 9, 3)) == range(2, 9, 3) and there_and_back(slice(1, None)) == slice(
        1, None
    )
    assert there_and_back(torch.Size([1, 2])) == (1, 2) and there_and_back(torch.float16) is torch.float16
    rng = np.random.default_rng(5)
    assert there_and_back(rng).random() == np.random.default_rng(5).random()
    assert there_and_back(torch.Generator().manual_seed(3)).initial_seed() >= 0
    assert isinstance(there_and_back(np.float32(2)), np.float32)


class Liar:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = object.__hash__


def test_what_has_no_plain_form_is_refused_by_name() -> None:
    for value in (Liar(), [Liar()], {"a": Liar()}, object(), np.array([Liar()], dtype=object)):
        with pytest.raises(wire.Uncrossable, match="Liar|object"):
            wire.Encoder().encode(value)
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(wire.Uncrossable, match="nested"):
        wire.Encoder().encode(loop)
    with pytest.raises(wire.Uncrossable, match="size limit"):
        wire.Encoder(max_bytes=1000).encode(np.zeros(1000))


trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 1 << 70)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from([*wire._DECODERS, "handle", "f8", "<f8", "O", "PCG64", "float32", "int", "__class__"]),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=25,
)


@given(trees, st.lists(st.binary(max_size=40), max_size=3))
@settings(max_examples=500)
def test_no_tree_does_more_than_raise(tree: Any, buffers: list[bytes]) -> None:
    try:
        wire.Decoder(buffers).decode(tree)
    except wire.WireError:
        pass


@given(
    st.sampled_from(sorted(wire._DECODERS)),
    st.lists(trees, max_size=5),
    st.lists(st.binary(max_size=40), max_size=3),
)
@settings(max_examples=500)
def test_no_tagged_tree_does_more_than_raise(tag: str, rest: list[Any], buffers: list[bytes]) -> None:
    try:
        wire.Decoder(buffers).decode([tag, *rest])
    except wire.WireError:
        pass


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_no_bytes_do_more_than_raise(text: bytes, body: bytes) -> None:
    try:
        wire.read_prefix(text[: wire.PREFIX.size].ljust(wire.PREFIX.size, b"\0"), 1 << 20)
    except wire.WireError:
        pass
    try:
        wire.unpack(text, body)
    except wire.WireError:
        pass


def test_a_frame_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(wire.WireError):
        wire.read_prefix(wire.PREFIX.pack(wire.MAGIC, 10, 1 << 40, 1), 1 << 20)


def test_alike_is_strict_about_shape_and_type() -> None:
    assert alike([1.0, np.float32(0.1)], [1.0, np.float32(0.1)])
    assert alike(0.1 + 0.2, 0.3)
    assert not alike(np.zeros((2, 1)), np.zeros((1, 2)))
    assert not alike(True, 1)
    assert not alike([1], (1, 2))
    assert not alike({"a": 1}, {"b": 1})
