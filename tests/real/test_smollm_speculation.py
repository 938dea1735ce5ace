"""Speculation on real weights: drafts are right often, and nothing else is different."""

from __future__ import annotations

from typing import Any

import pytest
from pestle import LLM
from pestle.engine import speculation

pytestmark = pytest.mark.real

CODE = """def mean(values):
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def variance(values):
    center = mean(values)
    total = 0.0
    for value in values:
        total += (value - center) ** 2
    return total / len(values)
"""
COPY = CODE + "\n\n" + CODE + "\n\n" + CODE[:40]


class Bold:
    """In a Governor's place: verifies eight rows at a time, whatever it costs."""

    def __init__(self, costs: Any) -> None:
        pass

    def choose(self, confidences: list[float]) -> int:
        return min(7, len(confidences))

    def record_fate(self, confidence: float, right: bool) -> None:
        pass

    def record_step(self, rows: int, seconds: float, gained: int) -> None:
        pass


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0, "logprobs": 2},
        {"temperature": 0.8, "seed": 5, "logprobs": 0},
        {"temperature": 0.8, "seed": 6, "repeat_penalty": 1.2, "repeat_last_n": -1},
        {"temperature": 0, "stop": "total +="},
    ],
)
def test_nothing_else_is_different(
    smollm: LLM, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speculation, "Governor", Bold)

    def chunks(on: bool) -> list[Any]:
        stream = smollm.generate(COPY, max_tokens=120, stream=True, speculation=on, **options)
        return [(c.text, c.token_ids, c.logprobs, c.finish_reason, c.stop_reason) for c in stream]

    assert chunks(on=True) == chunks(on=False)


def test_a_copy_takes_few_passes(smollm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speculation, "Governor", Bold)
    timings = smollm.generate(COPY, max_tokens=80, temperature=0).timings
    assert timings.decode_tokens > 40
    assert timings.decode_passes < timings.decode_tokens / 2
