"""What options come to in a memory, by headers of published shapes, or why they come to nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pestle import _core
from pestle.errors import MemoryLimitError
from pestle.footprint import Settled, footprint, settle
from pestle.memory import Memory
from pestle.options import EngineOptions

GB = 10**9
OPTIONS = EngineOptions(threads=2)
PLENTY = Memory(1000 * GB, 1000 * GB)


@pytest.fixture(autouse=True)
def small_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests' process holds besides is not the subject here."""
    monkeypatch.setattr("pestle.memory.resident", lambda: 30_000_000)


def within(file: _core.GgufFile, memory: float, **options: object) -> Settled:
    given = replace(OPTIONS, memory=int(memory), **options)  # type: ignore[arg-type]
    return settle(file, given, PLENTY)


def total(settled: Settled) -> int:
    """All that it may take: keys and values up to their limit."""
    assert settled.fit is not None
    sums, options = settled.fit.memory, settled.options
    return sums.total - sums.prefix_cache - sums.kv + options.kv_memory + sums.kv_slack


@pytest.mark.parametrize("gb", [3.3, 4, 9, 20])
def test_everything_adds_up(dense: _core.GgufFile, gb: float) -> None:
    settled = within(dense, gb * GB)
    assert settled.options.expert_memory == 0
    assert total(settled) == gb * GB
    assert settled.pass_memory > 0
    assert settled.options.prefix_cache <= settled.options.kv_memory
    told = footprint(dense, replace(settled.options, memory=None, kv_memory=0))
    assert told.kv - told.kv_slack <= settled.options.kv_memory  # a text fills the context


@pytest.mark.parametrize("gb", [2, 6, 12])
def test_experts_take_what_is_left(sparse: _core.GgufFile, gb: float) -> None:
    settled = within(sparse, gb * GB)
    layout = _core.expert_layout(sparse)
    slots = layout.slots(settled.options.expert_memory)
    assert settled.options.expert_memory == layout.bytes(slots)
    assert 0 < slots < layout.n_experts
    assert total(settled) == gb * GB
    assert settled.options.chunk > OPTIONS.chunk  # each pass reads experts


def test_passes_become_smaller_before_a_model_is_refused(dense: _core.GgufFile) -> None:
    options = replace(OPTIONS, n_ctx=4096)
    needed = [footprint(dense, replace(options, chunk=n)) for n in (512, 128, 32)]
    for told, chunk in zip(needed, (512, 128, 32), strict=True):
        assert within(dense, told.total - told.prefix_cache, n_ctx=4096).options.chunk == chunk
    with pytest.raises(MemoryLimitError):
        within(dense, needed[-1].total - needed[-1].prefix_cache - 1, n_ctx=4096)


def test_the_sum_and_what_would_fit(dense: _core.GgufFile) -> None:
    with pytest.raises(MemoryLimitError) as refused:
        within(dense, 4 * GB, n_ctx=32768)
    said = str(refused.value)
    assert "dense.gguf: 7.2" in said
    assert "context of 32,768 tokens, and there are 4.00 GB: program" in said
    assert "keys and values 4.9" in said
    assert said.endswith("; a context of 8,192 tokens, or 7.30 GB of memory would do")
    within(dense, 4 * GB, n_ctx=8192)
    within(dense, 7.3 * GB, n_ctx=32768)
    with pytest.raises(MemoryLimitError, match="keys and values in q8_0, or"):
        within(dense, 5.5 * GB, n_ctx=32768)
    within(dense, 5.5 * GB, n_ctx=32768, kv_type="q8_0")


def test_a_limit_on_keys_and_values_stays_below(dense: _core.GgufFile) -> None:
    assert within(dense, 20 * GB, kv_memory=GB).options.kv_memory == GB


def test_what_the_process_holds_besides_counts(
    dense: _core.GgufFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = within(dense, 5 * GB).options.kv_memory
    monkeypatch.setattr("pestle.memory.resident", lambda: GB + 30_000_000)
    after = within(dense, 5 * GB).options.kv_memory
    assert before - after == pytest.approx(GB, rel=0.05)


def test_without_a_limit(dense: _core.GgufFile, sparse: _core.GgufFile) -> None:
    """What fits is loaded as ever; of what does not, experts are streamed, and it is said."""
    assert settle(dense, OPTIONS, PLENTY) == Settled(OPTIONS)
    settled = settle(sparse, OPTIONS, Memory(16 * GB, 12 * GB))
    assert settled.options.expert_memory > 0
    assert total(settled) < 12 * GB
    assert settled.note is not None
    assert settled.note.startswith("The model does not fit into the 12.0 GB of memory")
    assert "of its 6,144 experts stay there" in settled.note
    short = settle(dense, OPTIONS, Memory(8 * GB, int(2.8 * GB)))
    assert (short.options.n_ctx, short.options.expert_memory) == (1024, 0)
    assert short.note is not None
    assert short.note.startswith("The model only just fits into the 2.83 GB of memory")
    assert short.note.endswith("the context is 1,024 tokens.")
    with pytest.raises(MemoryLimitError, match="of memory are needed with a context of 5,120"):
        settle(dense, OPTIONS, Memory(8 * GB, GB))


def test_what_is_cached_counts_in_a_control_group(dense: _core.GgufFile) -> None:
    roomy, tight = Memory(32 * GB, 9 * GB, 9 * GB), Memory(32 * GB, 6 * GB, 6 * GB)
    options = replace(OPTIONS, memory=5 * GB)
    assert not settle(dense, options, PLENTY).spare_cache
    assert not settle(dense, options, roomy).spare_cache
    assert settle(dense, options, tight).spare_cache
