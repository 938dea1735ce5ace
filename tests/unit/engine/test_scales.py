"""MXFP4 has scales up to 2^127: what a model's may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pestle import _core
from pestle.errors import UnsupportedError

from tests.oracle import altered_file, checkpoints, gguf_file
from tests.oracle.checkpoints import CASES

CASE = CASES["gptoss-256"]
NAME = "blk.1.ffn_up_exps.weight"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scales") / "sound.gguf"
    return gguf_file.write(path, CASE, checkpoints.weights(CASE), "MXFP4")


def with_scale(path: Path, sound: Path, row: int, block: int, exponent: int) -> Path:
    data = _core.GgufFile(sound).read(NAME).reshape(-1, 256 // 32 * 17).copy()
    data[row, block * 17] = exponent
    return altered_file.write(path, sound, tensors={NAME: data.astype(np.uint8)})


@pytest.mark.parametrize("exponent", [0, 1, 127, 159])
def test_scales_that_are_run(tmp_path: Path, sound: Path, exponent: int) -> None:
    path = with_scale(tmp_path / "m.gguf", sound, 3, 2, exponent)
    engine = _core.Engine(_core.Model(path, threads=1), n_ctx=64, threads=1)
    engine.step([(engine.sequence(), checkpoints.tokens(CASE, 9))])
    assert np.isfinite(engine.logits()).all()


@pytest.mark.parametrize(
    ("exponent", "scale"), [(160, "2^33"), (227, "2^100"), (254, "2^127"), (255, "NaN")]
)
@pytest.mark.parametrize(("row", "block"), [(0, 0), (257, 7), (7 * 256 - 1, 3)])
def test_scales_that_are_refused(
    tmp_path: Path, sound: Path, row: int, block: int, exponent: int, scale: str
) -> None:
    path = with_scale(tmp_path / "m.gguf", sound, row, block, exponent)
    with pytest.raises(UnsupportedError) as caught:
        _core.Model(path, threads=1)
    assert str(caught.value) == (
        f"m.gguf: tensor `{NAME}`, row {row}, columns from {32 * block}: "
        f"the block's scale is {scale}, expected at most 2^32"
    )
