"""Headers of safetensors: each way to be wrong is a typed error that names file and tensor."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pestle.errors import Error, FormatError, UnsupportedError
from pestle.huggingface.safetensors import BYTES_OF, open_safetensors

GOOD = {
    "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "b": {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]},
}


def write(path: Path, header: Any, n_data: int = 32) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(n_data))
    return path


def changed(name: str, **entry: Any) -> dict[str, Any]:
    return {**GOOD, name: {**GOOD[name], **entry}}


def test_what_a_file_holds(tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", {"__metadata__": {"format": "pt"}, **GOOD})
    file = open_safetensors(path)
    assert [(t.name, t.dtype, t.shape, t.nbytes) for t in file.tensors] == [
        ("a", "F32", (2, 3), 24),
        ("b", "BF16", (4,), 8),
    ]
    assert file.tensors[0].offset == file.data_offset == file.size - 32
    assert file.tensors[1].offset == file.size - 8


def test_the_order_is_that_of_the_bytes(tmp_path: Path) -> None:
    file = open_safetensors(write(tmp_path / "x", dict(reversed(GOOD.items()))))
    assert [tensor.name for tensor in file.tensors] == ["a", "b"]


@pytest.mark.parametrize(
    ("header", "n_data", "message"),
    [
        (changed("b", data_offsets=[20, 28]), 28, "tensor `b` overlaps the one before it"),
        (changed("b", data_offsets=[28, 36]), 36, "tensor `b` follows a gap"),
        (GOOD, 31, "tensor `b` ends at byte .* cut off"),
        (GOOD, 40, "8 bytes belong to no tensor"),
        (changed("a", shape=[2, 4]), 32, "tensor `a` takes 24 bytes, but F32 2x4 takes 32"),
        (changed("a", shape=[2, -3]), 32, "tensor `a`: shape is"),
        (changed("a", shape=[2.0, 3]), 32, "tensor `a`: shape is"),
        (changed("a", shape=[True, 6]), 32, "tensor `a`: shape is"),
        (changed("a", shape=6), 32, "tensor `a`: shape is 6"),
        (changed("a", shape=[2**62, 2**62]), 32, "tensor `a` takes 24 bytes"),
        (changed("a", shape=[1] * 9), 32, "9 dimensions"),
        (changed("a", data_offsets=[24, 0]), 32, "data_offsets"),
        (changed("a", data_offsets=[0]), 32, "data_offsets"),
        (changed("a", extra=1), 32, "tensor `a` is not described"),
        ({"a": []}, 0, "tensor `a` is not described"),
        ([], 0, "is an array, expected a JSON object"),
        (b'{"a": 1, "a": 2}', 0, "the key 'a' occurs twice"),
        (b"\xff", 0, "is not valid JSON"),
        (b"[" * 100_000, 0, "is not valid JSON"),
        (b"1" * 5000, 0, "is not valid JSON"),
        (b"", 0, "is not valid JSON"),
    ],
)
def test_wrong_headers(header: Any, n_data: int, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "shard.safetensors", header, n_data)
    with pytest.raises(FormatError, match=rf"shard\.safetensors.*{message}"):
        open_safetensors(path)


@pytest.mark.parametrize("dtype", ["F128", 5, None, "f32"])
def test_an_unknown_dtype(dtype: Any, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="tensor `a` has the dtype"):
        open_safetensors(write(tmp_path / "x", changed("a", dtype=dtype)))


@pytest.mark.parametrize("data", [b"", b"1234567", struct.pack("<Q", 3) + b"{}"])
def test_files_that_are_too_short(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(FormatError, match="not a safetensors file, or cut off"):
        open_safetensors(path)


def test_a_long_header_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as stream:  # sparse
        stream.write(struct.pack("<Q", 2**30))
        stream.truncate(2**31)
    with pytest.raises(FormatError, match="1,073,741,824 bytes"):
        open_safetensors(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"cannot read .*gone"):
        open_safetensors(tmp_path / "gone")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_NEAR = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from([*BYTES_OF, "F4"]) | _JSON,
        "shape": st.lists(st.integers(-1, 5), max_size=4) | _JSON,
        "data_offsets": st.lists(st.integers(-1, 64), min_size=2, max_size=2) | _JSON,
    }
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    header=st.dictionaries(st.text(max_size=5), _NEAR | _JSON, max_size=4) | _JSON,
    n_data=st.integers(0, 64),
)
def test_any_header_is_read_or_refused(header: Any, n_data: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x", header, n_data)
    try:
        file = open_safetensors(path)
    except (FormatError, UnsupportedError):
        return
    end = file.data_offset
    for tensor in file.tensors:
        assert tensor.offset == end
        end += tensor.nbytes
    assert end == file.size == path.stat().st_size


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, 200), byte=st.integers(0, 255), cut=st.integers(0, 200))
def test_damaged_files(at: int, byte: int, cut: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x", GOOD)
    data = bytearray(path.read_bytes())
    data[at % len(data)] = byte
    path.write_bytes(data[: max(0, len(data) - cut)])
    try:
        file = open_safetensors(path)
    except (FormatError, UnsupportedError):
        return
    assert sum(t.nbytes for t in file.tensors) + file.data_offset == path.stat().st_size
