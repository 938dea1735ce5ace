"""`pestle quantize`, on a tiny file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES

from .conftest import Pestle


@pytest.fixture
def wide(tmp_path: Path, pestle: Pestle, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    case = CASES["llama-tied"]
    checkpoint_folder.write(tmp_path / "tiny", case, checkpoints.weights(case))
    assert pestle("convert", "tiny", "-o", "wide.gguf", "--to", "F32").exit_code == 0
    return "wide.gguf"


def test_quantizing_and_verifying(pestle: Pestle, wide: str) -> None:
    done = pestle("quantize", wide, "out.gguf", "q5_1", "--tensor-type", "attn_v=q8_0")
    assert (done.exit_code, done.stdout) == (0, "out.gguf\n")
    assert "12 Q5_1, 3 Q8_0" in done.stderr
    assert "Quantized again" not in done.stderr
    verified = pestle("verify", "out.gguf", "--rederive", wide)
    assert verified.stdout.endswith("and the source gives the same bytes\n")
    manifest = json.loads(Path("out.gguf.manifest.json").read_text())
    assert manifest["options"]["tensor_types"] == ["attn_v=q8_0"]


def test_quantizing_again(pestle: Pestle, wide: str) -> None:
    pestle("quantize", wide, "q8.gguf", "Q8_0")
    refused = pestle("quantize", "q8.gguf", "out.gguf", "Q4_0")
    assert refused.exit_code == 1
    assert "`blk.0.attn_k.weight` is Q8_0 already" in refused.stderr
    assert "--allow-requantize does it anyway" in refused.stderr
    there = pestle("quantize", wide, "q8.gguf", "Q8_0")
    assert (there.exit_code, there.stderr) == (
        1, "pestle: error: q8.gguf is there already; --overwrite replaces it\n",
    )  # fmt: skip
    assert len(refused.stderr.splitlines()) == 1
    done = pestle("quantize", "q8.gguf", "out.gguf", "Q4_0", "--allow-requantize")
    assert "Quantized again: 14 Q8_0. That loses more than" in done.stderr
    again = pestle("quantize", "q8.gguf", "q4.gguf", "Q4_0", "--allow-requantize", "--json")
    assert json.loads(again.stdout)["requantized"] == {"Q8_0": 14}


def test_importance(pestle: Pestle, wide: str) -> None:
    import numpy as np
    from pestle._core import GgufFile
    from pestle.quantization.importance import Importance, ImportanceMatrix, write_imatrix

    tensors = {
        t.name: Importance(np.ones((1, t.shape[0]), np.float32), np.ones(1, np.float32))
        for t in GgufFile(wide).tensors
        if t.name.startswith("blk.0.")
    }
    write_imatrix("i.gguf", ImportanceMatrix(tensors))
    done = pestle("quantize", wide, "out.gguf", "Q4_0", "--imatrix", "i.gguf")
    assert "The importance matrix knows nothing of 8 tensors: token_embd.weight, blk.1" in (
        done.stderr
    )
    assert pestle("verify", "out.gguf", "--rederive", wide).exit_code == 3
    done = pestle("verify", "out.gguf", "--rederive", wide, "--imatrix", "i.gguf")
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("wide.gguf", "out.gguf", "Q9"), 2, "Invalid value for '[TYPE]'"),
        (("wide.gguf", "out.gguf", "Q8_0", "--tensor-type", "x"), 2, "is not REGEX=TYPE"),
        (("wide.gguf", "out.gguf", "Q8_0", "--tensor-type", "x=Q8_0"), 1, "no matrix of this"),
        (("wide.gguf", "wide.gguf", "Q8_0", "--overwrite"), 1, "is the source itself"),
        (("wide.gguf", "out.gguf", "Q8_0", "--imatrix", "gone"), 1, "cannot read gone"),
        (("gone.gguf", "out.gguf", "Q8_0"), 1, "gone.gguf"),
        (("tiny", "out.gguf", "Q8_0"), 1, "`pestle convert` takes checkpoints"),
        (("tiny/config.json", "out.gguf", "Q8_0"), 3, "config.json"),
    ],
)
def test_failures(
    arguments: tuple[str, ...], code: int, message: str, pestle: Pestle, wide: str
) -> None:
    done = pestle("quantize", *arguments)
    assert done.exit_code == code
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not Path("out.gguf").exists()


def test_an_importance_matrix_alone_verifies_nothing(pestle: Pestle, wide: str) -> None:
    assert pestle("verify", wide, "--imatrix", "i.gguf").exit_code == 2


def test_rows_that_are_too_narrow(pestle: Pestle, wide: str) -> None:
    """Why a mixture of few bits gives a large file is said."""
    done = pestle("quantize", wide, "out.gguf", "Q3_K_M", "--tensor-type", "attn_v=q8_0")
    assert (
        "13 of 15 matrices have larger types than Q3_K_M's: their rows are not whole blocks of 256 "
        "columns (token_embd.weight, " in done.stderr
    )
    assert "not whole blocks" not in pestle("quantize", wide, "q8.gguf", "Q8_0").stderr
    made = pestle("quantize", wide, "out.gguf", "Q3_K_M", "--overwrite", "--json")
    assert len(json.loads(made.stdout)["too_narrow"]) == 15


def test_a_type_that_is_nearly_one(pestle: Pestle) -> None:
    result = pestle("quantize", "a.gguf", "b.gguf", "q4km")
    assert result.exit_code == 2
    assert "'q4km' is not a type, expected F32, " in result.stderr
    assert "; did you mean Q4_K_M?" in result.stderr
