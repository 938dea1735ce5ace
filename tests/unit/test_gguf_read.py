"""Reading right files: written by the `gguf` package, and by hand where it cannot write them."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from fuzzing import gguf_bytes
from fuzzing.gguf_bytes import BOOL, F64, I8, I16, STRING, U8, U16, U64, Tensor, array, entry
from numpy.typing import NDArray
from pestle._core import GgufFile

SCALARS = {
    "t.u8": (gguf.GGUFValueType.UINT8, 255),
    "t.i8": (gguf.GGUFValueType.INT8, -128),
    "t.u16": (gguf.GGUFValueType.UINT16, 65535),
    "t.i16": (gguf.GGUFValueType.INT16, -32768),
    "t.u32": (gguf.GGUFValueType.UINT32, 2**32 - 1),
    "t.i32": (gguf.GGUFValueType.INT32, -(2**31)),
    "t.u64": (gguf.GGUFValueType.UINT64, 2**64 - 1),
    "t.i64": (gguf.GGUFValueType.INT64, -(2**63)),
    "t.f32": (gguf.GGUFValueType.FLOAT32, 0.15625),
    "t.f64": (gguf.GGUFValueType.FLOAT64, 0.1),
    "t.true": (gguf.GGUFValueType.BOOL, True),
    "t.false": (gguf.GGUFValueType.BOOL, False),
    "t.text": (gguf.GGUFValueType.STRING, "Grüße, 世界 🌍"),
}
ARRAYS: dict[str, list[object]] = {
    "t.ints": [-1, 0, 70000],
    "t.floats": [0.5, -2.25],
    "t.bools": [True, False, True],
    "t.strings": ["", "ab", "ß"],
}


def write(path: Path, tensors: dict[str, np.ndarray] | None = None, alignment: int = 32) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    if alignment != 32:
        writer.add_custom_alignment(alignment)
    for key, (kind, value) in SCALARS.items():
        writer.add_key_value(key, value, kind)
    for key, values in ARRAYS.items():
        writer.add_array(key, values)
    for name, tensor in (tensors or {}).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_metadata_of_every_type(tmp_path: Path) -> None:
    file = GgufFile(write(tmp_path / "m.gguf"))
    assert file.keys() == ["general.architecture", *SCALARS, *ARRAYS]
    for key, (_, value) in SCALARS.items():
        assert file[key] == value
        assert type(file[key]) is type(value)
    for key, values in ARRAYS.items():
        assert file[key] == values
    assert file.version == 3


def test_values_as_they_stand_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "m.gguf")
    file = GgufFile(path)
    entries = [
        len(key).to_bytes(8, "little") + key.encode() + file.encoded(key)
        for key in ("general.architecture", *SCALARS, *ARRAYS)
    ]
    assert path.read_bytes()[24:].startswith(b"".join(entries))
    with pytest.raises(KeyError):
        file.encoded("t.none")


def test_arrays_of_every_width(tmp_path: Path) -> None:
    arrays = {
        "u8": (U8, [0, 255]),
        "i8": (I8, [-128, 127]),
        "u16": (U16, [65535]),
        "i16": (I16, [-32768]),
        "u64": (U64, [2**64 - 1, 1]),
        "f64": (F64, [0.1]),
        "none": (STRING, []),
        "nothing": (BOOL, []),
    }
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes.gguf([array(k, kind, v) for k, (kind, v) in arrays.items()]))  # type: ignore[arg-type]
    file = GgufFile(path)
    assert {key: file[key] for key in file.keys()} == {k: v for k, (_, v) in arrays.items()}  # noqa: SIM118


def test_lookups(tmp_path: Path) -> None:
    file = GgufFile(str(write(tmp_path / "m.gguf")))
    assert "t.u8" in file
    assert "t.u9" not in file
    assert file.get("t.u8") == 255
    assert file.get("t.u9") is None
    assert file.get("t.u9", 7) == 7
    with pytest.raises(KeyError, match=r"t\.u9"):
        file["t.u9"]
    with pytest.raises(KeyError, match="no_such"):
        file.read("no_such")


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    raw = [b"\xff\xfe", b"ok", b"\xe4\xb8", b"nul\0inside"]
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes.gguf([array("t.raw", STRING, raw), entry("t.one", STRING, raw[0])]))
    file = GgufFile(path)
    assert [text.encode("utf-8", "surrogateescape") for text in file["t.raw"]] == raw
    assert file["t.one"] == "\udcff\udcfe"


@pytest.mark.parametrize("alignment", [32, 64, 4096])
def test_tensors(tmp_path: Path, alignment: int) -> None:
    rng = np.random.default_rng(0)
    tensors: dict[str, NDArray[Any]] = {
        "a.weight": rng.standard_normal((3, 5)).astype(np.float32),
        "b.weight": rng.standard_normal(7).astype(np.float16),
        "c.weight": rng.integers(-9, 9, (2, 3, 4, 5)).astype(np.int32),
        "d.weight": rng.standard_normal((1, 1)).astype(np.float64),
    }
    path = write(tmp_path / "m.gguf", tensors, alignment)
    file = GgufFile(path)
    assert file.size == path.stat().st_size
    assert [(t.name, t.type, t.shape) for t in file.tensors] == [
        ("a.weight", "F32", (5, 3)),
        ("b.weight", "F16", (7,)),
        ("c.weight", "I32", (5, 4, 3, 2)),
        ("d.weight", "F64", (1, 1)),
    ]
    for tensor in file.tensors:
        assert tensor.offset % alignment == 0
        assert tensor.nbytes == tensors[tensor.name].nbytes
        assert tensor.shard == 0
        assert file.read(tensor.name).tobytes() == tensors[tensor.name].tobytes()
        whole = path.read_bytes()
        assert (
            whole[tensor.offset : tensor.offset + tensor.nbytes] == file.read(tensor.name).tobytes()
        )


def test_sizes_of_every_type(tmp_path: Path) -> None:
    """Against the `gguf` package, which errs on Q8_1: its scales are halves, and no floats."""
    path = tmp_path / "m.gguf"
    sizes = gguf.GGML_QUANT_SIZES | {gguf.GGMLQuantizationType.Q8_1: (32, 36)}
    for kind, (elems, size) in sizes.items():
        tensor = Tensor(dims=(2 * elems, 3), kind=kind.value)
        path.write_bytes(gguf_bytes.gguf([], [tensor], bytes(6 * size)))
        (read,) = GgufFile(path).tensors
        assert (read.type, read.nbytes) == (kind.name, 6 * size)


@pytest.mark.parametrize(
    ("kind", "name", "elems", "size"),
    [(40, "NVFP4", 64, 36), (41, "Q1_0", 128, 18), (42, "Q2_0", 64, 18)],
)
def test_sizes_of_new_types(tmp_path: Path, kind: int, name: str, elems: int, size: int) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes.gguf([], [Tensor(dims=(elems,), kind=kind)], bytes(size)))
    (read,) = GgufFile(path).tensors
    assert (read.type, read.nbytes) == (name, size)


def test_tensors_keep_the_file_open(tmp_path: Path) -> None:
    weights = np.arange(100_000, dtype=np.float32)
    data = GgufFile(write(tmp_path / "m.gguf", {"a": weights})).read("a")
    tensor = GgufFile(tmp_path / "m.gguf").tensors[0]
    gc.collect()
    assert data.dtype == np.uint8
    assert np.array_equal(data.view(np.float32), weights)
    assert tensor.name == "a"


def test_version_2_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes.gguf([entry("a", U8, 1)], [Tensor()], bytes(32), version=2))
    file = GgufFile(path)
    assert (file.version, file["a"], len(file.tensors)) == (2, 1, 1)


def test_gaps_between_tensors_are_allowed(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes.gguf([], [Tensor("a"), Tensor("b", offset=96)], bytes(128)))
    assert [t.nbytes for t in GgufFile(path).tensors] == [32, 32]


def test_old_quantization_version_of_floats(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    old = entry("general.quantization_version", U8, 1)
    path.write_bytes(gguf_bytes.gguf([old], [Tensor()], bytes(32)))
    assert GgufFile(path)["general.quantization_version"] == 1


def test_path_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "m\udcff.gguf"
    try:
        path.write_bytes(gguf_bytes.gguf())
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    assert GgufFile(path).path == str(path)
