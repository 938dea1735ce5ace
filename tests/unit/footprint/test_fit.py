"""Whether a model fits: published shapes by their headers, without their weights."""

from __future__ import annotations

from pestle import _core
from pestle.footprint import footprint
from pestle.footprint.fit import LEAST_CONTEXT, fit
from pestle.options import EngineOptions

OPTIONS = EngineOptions(threads=2)
GB = 10**9


def test_what_fits_keeps_its_context(dense: _core.GgufFile) -> None:
    found = fit(dense, OPTIONS, 100 * GB)
    whole = footprint(dense, OPTIONS)
    assert (found.way, found.n_ctx, found.longest) == ("fits", 40960, 40960)
    assert found.memory == whole
    assert found.needed == whole.total - whole.prefix_cache
    assert (found.experts, found.resident_share) == (0, 1.0)


def test_the_last_byte_decides(dense: _core.GgufFile) -> None:
    needed = fit(dense, EngineOptions(threads=2, n_ctx=8192), 100 * GB).needed
    options = EngineOptions(threads=2, n_ctx=8192)
    assert fit(dense, options, needed).way == "fits"
    found = fit(dense, options, needed - 1)
    assert (found.way, found.n_ctx, found.needed) == ("no", 8192, needed)


def test_a_shorter_context_before_none(dense: _core.GgufFile) -> None:
    contexts = [fit(dense, OPTIONS, int(budget * GB)).n_ctx for budget in (9, 6, 4.5, 3.5)]
    assert contexts == [40960, 20480, 10240, 5120]
    least = fit(dense, OPTIONS, GB)
    assert least.way == "no"
    assert LEAST_CONTEXT <= least.n_ctx < 2 * LEAST_CONTEXT


def test_experts_are_streamed_where_they_do_not_fit(sparse: _core.GgufFile) -> None:
    layout = _core.expert_layout(sparse)
    whole = fit(sparse, OPTIONS, 100 * GB)
    assert (whole.way, whole.slots, whole.resident_share) == ("fits", layout.n_experts, 1.0)
    shares = []
    for budget in (12 * GB, 6 * GB, 3 * GB):
        found = fit(sparse, OPTIONS, budget)
        assert found.way == "streams"
        assert found.needed <= budget < found.needed + layout.slot_bytes
        assert found.memory.experts == layout.bytes(found.slots)
        assert layout.min_slots <= found.slots < layout.n_experts
        shares.append(found.resident_share)
    assert shares == sorted(shares, reverse=True)
    none = fit(sparse, OPTIONS, GB)
    assert (none.way, none.slots) == ("no", layout.min_slots)
    assert fit(sparse, OPTIONS, none.needed).way == "streams"


def test_streaming_leaves_memory_to_the_experts(sparse: _core.GgufFile) -> None:
    """A context that nobody asked for is not longer than most chats need."""
    assert fit(sparse, OPTIONS, 12 * GB).n_ctx == 5120
    assert fit(sparse, EngineOptions(n_ctx=40960), 12 * GB).n_ctx == 40960
