"""The numpy reference against `transformers`: whoever trusts one may trust the other."""

from __future__ import annotations

import numpy as np
import pytest

from . import expected, reference
from .checkpoints import CASES


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.model_type in reference.KNOWN])
def test_reference_equals_transformers(name: str) -> None:
    case = CASES[name]
    parameters, tokens, answer = expected.load(case)
    logits = reference.logits(case, parameters, tokens)[expected.positions(case)]
    # float64 against float32: what is left is the rounding of `transformers`.
    np.testing.assert_allclose(logits, answer.logits, rtol=0, atol=1e-5 * abs(answer.logits).max())
