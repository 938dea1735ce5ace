"""Importance reaches each matrix's quantizer, experts each with their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from pestle._core import GgufFile
from pestle.conversion import convert, quantize, verify
from pestle.errors import FormatError
from pestle.quantization import quantize_rows
from pestle.quantization.importance import Importance, ImportanceMatrix, write_imatrix
from pestle.tensors import plan as plan_module

EXPERTS = "blk.1.ffn_down_exps.weight"


@dataclass(frozen=True)
class Drawn:
    """An importance matrix of random numbers for every tensor but those in `unknown`."""

    shapes: dict[str, tuple[int, int]]
    unknown: tuple[str, ...] = ("token_embd.weight",)
    digest: str = "d" * 64
    source: str = "drawn.gguf"
    found: dict[str, np.ndarray] = field(default_factory=dict)

    def importance(self, name: str, columns: int = 0) -> np.ndarray | None:
        if name in self.unknown:
            return None
        if name not in self.found:
            rng = np.random.default_rng(len(name))
            self.found[name] = rng.uniform(0, 5, self.shapes[name]).astype(np.float32) ** 3
        return self.found[name]


@pytest.fixture
def wide(source: Path, tmp_path: Path) -> Path:
    return convert(source, tmp_path / "wide.gguf", to="F32").paths[0]


def drawn(wide: Path, **changes: object) -> Drawn:
    shapes = {
        t.name: (t.shape[2] if len(t.shape) > 2 else 1, t.shape[0]) for t in GgufFile(wide).tensors
    }
    return Drawn(shapes, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("piece", [5000, 100_000, 16 << 20])
def test_every_matrix_has_its_own(
    piece: int, source: Path, wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "PIECE_BYTES", piece)
    matrix = drawn(wide)
    made = convert(source, tmp_path / "a.gguf", to="Q4_K_S", imatrix=matrix)
    file, floats = GgufFile(made.paths[0]), GgufFile(wide)
    assert made.manifest.options["imatrix"] == "d" * 64
    assert made.without_importance == ("token_embd.weight",)
    for name in (EXPERTS, "blk.0.attn_q.weight"):
        tensor = next(t for t in file.tensors if t.name == name)
        rows = floats.read(name).view("<f4").reshape(-1, tensor.shape[1], tensor.shape[0])
        expected = [
            quantize_rows(tensor.type, rows[n], importance=weights)
            for n, weights in enumerate(matrix.found[name])
        ]
        assert file.read(name).tobytes() == np.stack(expected).tobytes()
    over_a_file = quantize(wide, tmp_path / "b.gguf", "Q4_K_S", imatrix=matrix)
    again = GgufFile(over_a_file.paths[0])
    for tensor in file.tensors:
        assert file.read(tensor.name).tobytes() == again.read(tensor.name).tobytes()


def test_one_for_all_experts(wide: Path, tmp_path: Path) -> None:
    matrix = drawn(wide)
    matrix.shapes[EXPERTS] = (1, matrix.shapes[EXPERTS][1])
    quantize(wide, tmp_path / "out.gguf", "Q4_K_S", imatrix=matrix)


def test_one_of_another_model(wide: Path, tmp_path: Path) -> None:
    matrix = drawn(wide)
    n, columns = matrix.shapes[EXPERTS]
    matrix.shapes[EXPERTS] = (n + 1, columns)
    with pytest.raises(
        FormatError, match=rf"drawn.gguf: `{EXPERTS}` has {n + 1} x 256 numbers, expected {n} x 256"
    ):
        quantize(wide, tmp_path / "out.gguf", "Q4_K_S", imatrix=matrix)
    nothing = drawn(wide, unknown=tuple(matrix.shapes))
    with pytest.raises(FormatError, match="knows none of the 16 tensors that are quantized"):
        quantize(wide, tmp_path / "out.gguf", "Q4_K_S", imatrix=nothing)


def test_floats_need_none(wide: Path, tmp_path: Path) -> None:
    nothing = drawn(wide, unknown=tuple(drawn(wide).shapes))
    assert quantize(wide, tmp_path / "o.gguf", "BF16", imatrix=nothing).without_importance == ()


def test_a_file_of_it(wide: Path, tmp_path: Path) -> None:
    """What `pestle imatrix` writes; verifying asks for the same again."""
    tensors = {
        name: Importance(drawn(wide).importance(name) * 3, np.full(n, 3, np.float32))  # type: ignore[arg-type, operator]
        for name, (n, _) in drawn(wide).shapes.items()
        if name != "token_embd.weight"
    }
    path = tmp_path / "imatrix.gguf"
    write_imatrix(path, ImportanceMatrix(tensors))
    made = quantize(wide, tmp_path / "out.gguf", "Q4_K_S", imatrix=path).paths[0]
    plain = quantize(wide, tmp_path / "plain.gguf", "Q4_K_S").paths[0]
    assert GgufFile(made).read(EXPERTS).tobytes() != GgufFile(plain).read(EXPERTS).tobytes()
    assert verify(made, rederive=wide, imatrix=path).ok
    with pytest.raises(FormatError, match="the importance matrix has the sha256 None, expected"):
        verify(made, rederive=wide)
    with pytest.raises(FormatError, match="has the sha256 dddd"):
        verify(made, rederive=wide, imatrix=drawn(wide))
    with pytest.raises(FormatError, match="expected None"):
        verify(plain, rederive=wide, imatrix=path)
