"""A token's time is the sum of its parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from pestle import _core
from pestle.options import EngineOptions
from pestle.planning import speed, streaming, tiny_decoder
from pestle.planning.planned import PROMPT

from tests.unit.planning.conftest import KnownMachine
from tests.unit.test_kv_memory import header

OPTIONS = EngineOptions()


def of(tmp_path: Path, name: str) -> _core.TokenWork:
    return _core.token_work(_core.GgufFile(header(tmp_path / "m.gguf", name)))


def test_a_decoded_token(tmp_path: Path) -> None:
    work = of(tmp_path, "qwen3-4b")
    cost = speed.decoding(work, OPTIONS, KnownMachine(), 1000)  # type: ignore[arg-type]
    weights = sum(p.bytes * p.per_token for p in work.products)
    assert (cost.weight_bytes, cost.expert_bytes) == (weights, 0)
    assert cost.products == pytest.approx(weights / 1e10)
    assert cost.layers == pytest.approx(36 * 1e-5)
    assert cost.attention == pytest.approx(36 * 1000 * 1e-8)
    assert cost.seconds == pytest.approx(cost.products + cost.layers + cost.attention)
    assert speed.binds(cost, KnownMachine()) == "memory bandwidth"  # type: ignore[arg-type]


def test_a_token_meets_few_experts(tmp_path: Path) -> None:
    work = of(tmp_path, "qwen3-30b-a3b")
    cost = speed.decoding(work, OPTIONS, KnownMachine(), 0)  # type: ignore[arg-type]
    layout = _core.expert_layout(_core.GgufFile(tmp_path / "m.gguf"))
    assert cost.expert_bytes == layout.cycle * layout.expert_bytes[0]
    assert cost.attention == 0


def test_windows_end_what_is_seen(tmp_path: Path) -> None:
    work = of(tmp_path, "gpt-oss-20b")
    near, far = (
        speed.decoding(work, OPTIONS, KnownMachine(), depth).attention  # type: ignore[arg-type]
        for depth in (128, 10_128)
    )
    assert far - near == pytest.approx(12 * 10_000 * 1e-8)  # half of its layers have a window


def test_a_prompt_shares_what_is_read(tmp_path: Path) -> None:
    work = of(tmp_path, "qwen3-30b-a3b")
    seconds = speed.prefill_seconds(work, OPTIONS, KnownMachine(), PROMPT)  # type: ignore[arg-type]
    head = work.products[-1].bytes / 1e10
    values = sum(p.per_token * p.rows for p in work.products[:-1])
    expected = head + 48 * 512 * 256 * 1e-8 + 512e-5 * values / tiny_decoder.WIDTH
    for p in work.products[:-1]:
        expected += p.count * p.bytes / 1e10 * (512 * p.per_token / p.count / 4)
    assert seconds == pytest.approx(expected)


def test_hits_grow_with_what_stays(tmp_path: Path) -> None:
    assert streaming.hits(0.0) == (0.0, 0.0)
    assert streaming.hits(1.0) == (1.0, 1.0)
    before = -1.0
    for percent in range(101):
        least, likely = streaming.hits(percent / 100)
        assert least == percent / 100
        assert least <= likely <= 1
        assert likely > before
        before = likely
