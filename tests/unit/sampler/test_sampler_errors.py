"""What a sampler refuses."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle import _core
from pestle.errors import Error

from . import logit_table
from .choices import sample


def test_damaged_logits(tmp_path: Path) -> None:
    rows = np.zeros((1, 8), np.float32)
    rows[0, 3] = np.nan
    engine = logit_table.engine(logit_table.write(tmp_path / "nan.gguf", rows), 1)
    for temperature in (0.0, 1.0):
        with pytest.raises(Error, match="a logit that is not finite"):
            sample(engine, 0, [], temperature=temperature)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("infinite", [[3], [3, 5]])
def test_infinite_logits(tmp_path: Path, infinite: list[int], value: float) -> None:
    rows = np.zeros((1, 8), np.float32)
    rows[0, infinite] = value
    engine = logit_table.engine(logit_table.write(tmp_path / "inf.gguf", rows), 1)
    assert np.isinf(engine.logits()).sum() == len(infinite)
    for temperature in (0.0, 1.0):
        with pytest.raises(Error, match="a logit that is not finite"):
            _core.Sampler(temperature=temperature).sample(engine, 0, [], 2)
    with pytest.raises(Error, match="a logit that is not finite"):
        engine.score(0, [1])


@pytest.mark.parametrize("penalty", [1e300, -1e300])
def test_penalties_that_leave_float(tmp_path: Path, penalty: float) -> None:
    rows = np.ones((1, 8), np.float32)
    engine = logit_table.engine(logit_table.write(tmp_path / "ones.gguf", rows), 1)
    for options in ({"frequency_penalty": penalty}, {"presence_penalty": penalty}):
        with pytest.raises(Error, match="a penalty made a logit infinite"):
            sample(engine, 0, [3, 3], temperature=0.0, **options)
        # A token that is banned stays so.
        banned = sample(engine, 0, [3, 3], temperature=0.0, logit_bias={3: -math.inf}, **options)
        assert banned == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -0.1}, "temperature must be at least 0"),
        ({"temperature": math.nan}, "temperature must be at least 0"),
        ({"temperature": math.inf}, "temperature must be at least 0"),
        ({"top_k": -1}, "top_k must be at least 0"),
        ({"top_p": 0.0}, r"top_p must be in \(0, 1\]"),
        ({"top_p": 1.1}, r"top_p must be in \(0, 1\]"),
        ({"top_p": math.nan}, r"top_p must be in \(0, 1\]"),
        ({"min_p": -0.1}, r"min_p must be in \[0, 1\]"),
        ({"min_p": 1.1}, r"min_p must be in \[0, 1\]"),
        ({"min_p": math.nan}, r"min_p must be in \[0, 1\]"),
        ({"repeat_penalty": 0.0}, "repeat_penalty must be positive"),
        ({"repeat_penalty": -1.0}, "repeat_penalty must be positive"),
        ({"repeat_penalty": math.nan}, "repeat_penalty must be positive"),
        ({"repeat_last_n": -2}, "repeat_last_n must be at least -1"),
        ({"frequency_penalty": math.inf}, "frequency_penalty must be finite"),
        ({"presence_penalty": math.nan}, "presence_penalty must be finite"),
        ({"logit_bias": {-1: 0.0}}, "logit_bias names a negative token"),
        ({"logit_bias": {0: math.inf}}, "logit_bias must be finite or -inf"),
        ({"logit_bias": {0: math.nan}}, "logit_bias must be finite or -inf"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _core.Sampler(**options)


@pytest.mark.parametrize("options", [{"seed": -1}, {"seed": 2**64}, {"top_k": 1.5}, {"top_q": 1}])
def test_options_of_another_type(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        _core.Sampler(**options)


@pytest.mark.parametrize("row", [-1, 5])
def test_rows_that_are_not_there(engine: _core.Engine, row: int) -> None:
    with pytest.raises(IndexError, match=f"row {row} of 5 rows of logits"):
        sample(engine, row, [])
