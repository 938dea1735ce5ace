"""Importance matrices in files: ours, llama.cpp's, its old ones, and broken ones."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from pestle._core import GgufFile
from pestle.errors import Error, FormatError
from pestle.quantization.importance import (
    Importance,
    ImportanceMatrix,
    read_imatrix,
    reading,
    write_imatrix,
)

RANDOM = np.random.default_rng(1)
DENSE, EXPERTS = "blk.0.attn_q.weight", "blk.1.ffn_down_exps.weight"


def _importance(matrices: int, columns: int) -> Importance:
    sums = RANDOM.exponential(size=(matrices, columns)).astype(np.float32)
    return Importance(sums, np.arange(3, 3 + matrices).astype(np.float32))


MATRIX = ImportanceMatrix(
    {EXPERTS: _importance(5, 7), DENSE: _importance(1, 33)}, ("prose.txt", "ß.txt"), 12, 512
)
Tensors = dict[str, np.ndarray]


def _as_llama_cpp(path: Path, tensors: Tensors, kind: str = "imatrix") -> Path:
    """The file that llama-imatrix makes: ne is the numpy shape reversed."""
    writer = gguf.GGUFWriter(path, "")
    writer.add_string("general.type", kind)
    writer.add_array("imatrix.datasets", ["a.txt"])
    writer.add_uint32("imatrix.chunk_count", 4)
    writer.add_uint32("imatrix.chunk_size", 256)
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors() -> Tensors:
    found = {}
    for name, importance in MATRIX.tensors.items():
        found[f"{name}.in_sum2"] = importance.sums
        found[f"{name}.counts"] = importance.counts.reshape(-1, 1)
    return found


def test_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "imatrix.gguf"
    written = write_imatrix(path, MATRIX)
    found = read_imatrix(path)
    assert found.digest == written.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.datasets, found.chunks, found.chunk_size) == (MATRIX.datasets, 12, 512)
    assert found.tensors.keys() == MATRIX.tensors.keys()
    for name, expected in MATRIX.tensors.items():
        np.testing.assert_array_equal(found.tensors[name].sums, expected.sums)
        np.testing.assert_array_equal(found.tensors[name].counts, expected.counts)
    assert [file.name for file in tmp_path.iterdir()] == ["imatrix.gguf"]


def test_what_llama_cpp_finds_in_ours(tmp_path: Path) -> None:
    path = tmp_path / "imatrix.gguf"
    write_imatrix(path, MATRIX)
    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    assert fields["general.type"] == "imatrix"
    assert fields["imatrix.datasets"] == ["prose.txt", "ß.txt"]
    assert (fields["imatrix.chunk_count"], fields["imatrix.chunk_size"]) == (12, 512)
    shapes = {tensor.name: tensor.shape.tolist() for tensor in reader.tensors}
    assert shapes == {name: list(values.shape[::-1]) for name, values in _tensors().items()}
    assert {tensor.tensor_type.name for tensor in reader.tensors} == {"F32"}


def test_llama_cpp_s(tmp_path: Path) -> None:
    found = read_imatrix(_as_llama_cpp(tmp_path / "theirs.gguf", _tensors()))
    assert (found.datasets, found.chunks, found.chunk_size) == (("a.txt",), 4, 256)
    importance = MATRIX.tensors[EXPERTS]
    np.testing.assert_array_equal(
        found.importance(EXPERTS), importance.sums / importance.counts[:, None]
    )


def test_experts_without_rows() -> None:
    sums = np.array([[2, 4], [0, 0], [9, 3]], np.float32)
    matrix = ImportanceMatrix({EXPERTS: Importance(sums, np.array([2, 0, 3], np.float32))})
    assert matrix.unseen == {EXPERTS: (1,)}
    assert matrix.importance(EXPERTS).tolist() == [[1, 2], [2, 1.5], [3, 1]]  # type: ignore[union-attr]
    assert matrix.importance(DENSE) is None
    nothing = ImportanceMatrix({DENSE: Importance(sums[1:2], np.zeros(1, np.float32))})
    assert nothing.importance(DENSE) is None


def test_several_matrices_held_as_one() -> None:
    matrix = ImportanceMatrix({DENSE: _importance(1, 12)})
    assert matrix.importance(DENSE, columns=4).shape == (3, 4)  # type: ignore[union-attr]
    with pytest.raises(FormatError, match=r"`blk.0.attn_q.weight` has 12 columns, expected 5"):
        matrix.importance(DENSE, columns=5)
    with pytest.raises(FormatError, match="has 7 columns, expected 1"):
        MATRIX.importance(EXPERTS, columns=1)


def _dat(name: bytes = b"blk.0.attn_q.weight", calls: int = 4, tail: bytes = b"") -> bytes:
    values = np.array([2, 4, 8], "<f4")
    entry = struct.pack("<i", len(name)) + name + struct.pack("<ii", calls, 3) + values.tobytes()
    return struct.pack("<i", 1) + entry + tail


@pytest.mark.parametrize(
    ("tail", "chunks", "datasets"),
    [(b"", 0, ()), (struct.pack("<ii", 9, 5) + b"a.txt", 9, ("a.txt",))],
)
def test_the_old_form(tmp_path: Path, tail: bytes, chunks: int, datasets: tuple[str, ...]) -> None:
    (tmp_path / "old.dat").write_bytes(_dat(tail=tail))
    found = read_imatrix(tmp_path / "old.dat")
    assert found.importance(DENSE).tolist() == [[0.5, 1, 2]]  # type: ignore[union-attr]
    assert (found.chunks, found.datasets) == (chunks, datasets)


@pytest.mark.parametrize("size", range(0, len(_dat()), 5))
def test_the_old_form_cut(tmp_path: Path, size: int) -> None:
    (tmp_path / "old.dat").write_bytes(_dat()[:size])
    with pytest.raises(FormatError, match=r"old.dat: "):
        read_imatrix(tmp_path / "old.dat")


def _without(name: str) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.pop(name)


def _with(name: str, values: np.ndarray) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.__setitem__(name, values)


BROKEN = {
    "counts are missing": (_without(f"{DENSE}.counts"), "attn_q.weight.counts` is missing"),
    "sums are missing": (_without(f"{DENSE}.in_sum2"), "attn_q.weight.in_sum2` is missing"),
    "another tensor": (_with("x.weight", np.ones(2, np.float32)), "`x.weight` does not belong"),
    "too few counts": (
        _with(f"{EXPERTS}.counts", np.ones((4, 1), np.float32)),
        r"has the shape \[1, 4\], expected \[1, 5\]",
    ),
    "doubles": (_with(f"{DENSE}.in_sum2", np.ones((1, 33), np.float16)), "is F16, expected F32"),
    "not finite": (
        _with(f"{DENSE}.in_sum2", np.full((1, 33), np.nan, np.float32)),
        "negative numbers, or some that are not finite",
    ),
    "negative": (
        _with(f"{DENSE}.counts", np.full((1, 1), -1, np.float32)),
        "negative numbers, or some that are not finite",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken(tmp_path: Path, name: str) -> None:
    change, message = BROKEN[name]
    tensors = _tensors()
    change(tensors)
    with pytest.raises(FormatError, match=message):
        read_imatrix(_as_llama_cpp(tmp_path / "broken.gguf", tensors))


def test_a_model_is_none(tmp_path: Path) -> None:
    path = _as_llama_cpp(tmp_path / "model.gguf", _tensors(), kind="model")
    with pytest.raises(FormatError, match=r"general.type is 'model', expected 'imatrix'"):
        read_imatrix(path)


@pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be replaced there")
def test_replaced_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest is that of the file whose numbers were taken."""
    path = tmp_path / "imatrix.gguf"
    write_imatrix(path, MATRIX)
    of_gguf = reading._of_gguf

    def replacing(file: GgufFile) -> ImportanceMatrix:
        found = of_gguf(file)
        shutil.copy(path, tmp_path / "other")
        (tmp_path / "other").replace(path)
        return found

    monkeypatch.setattr(reading, "_of_gguf", replacing)
    with pytest.raises(FormatError, match=r"imatrix\.gguf was changed or replaced"):
        read_imatrix(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "imatrix.dat")
    with pytest.raises(Error, match="it is a pipe, expected a file"):
        read_imatrix(tmp_path / "imatrix.dat")
