"""Which divergences the types of a file explain."""

from __future__ import annotations

import pytest
from pestle.quality.verdict import limit


@pytest.mark.parametrize(
    ("types", "reference", "expected"),
    [
        ({"F32": 100}, {"BF16": 100}, 1e-6),
        ({"BF16": 99, "F32": 1}, {"BF16": 100}, 1e-6),  # nothing is rounded
        ({"BF16": 100}, {"F32": 100}, 2e-3),
        ({"F16": 100}, {"BF16": 100}, 2e-3),
        ({"Q8_0": 100}, {"F32": 100}, 0.05),
        ({"Q4_K": 60, "Q6_K": 40}, {"F32": 100}, 0.8),
        ({"Q8_0": 999, "Q2_K": 1}, {"F32": 100}, 0.05),  # too few to count
        ({"Q4_K": 100}, {"Q8_0": 100}, 0.8 + 0.05),
        ({"IQ1_S": 100}, {"F32": 100}, 4.0),  # what is not known may be as bad as the worst
    ],
)
def test_limits(types: dict[str, int], reference: dict[str, int], expected: float) -> None:
    assert limit(types, reference) == pytest.approx(expected)
