"""What streamed experts take, told from a file's header."""

from __future__ import annotations

from pathlib import Path

import pytest
from pestle import _core
from synthetic.shapes import SHAPES

from .test_kv_memory import header

SPARSE = ("qwen3-30b-a3b", "gpt-oss-20b", "gpt-oss-120b", "deepseek-v2-lite", "deepseek-v3")


@pytest.mark.parametrize("name", SPARSE)
def test_counts_of_published_shapes(name: str, tmp_path: Path) -> None:
    experts = SHAPES[name].experts
    assert experts is not None
    layers = SHAPES[name].n_layers - experts.n_dense_layers
    layout = _core.expert_layout(_core.GgufFile(header(tmp_path / "a.gguf", name)))
    assert layout.n_experts == layers * experts.n
    assert layout.cycle == layers * experts.top_k
    assert layout.min_slots == experts.top_k
    # For 32 weights MXFP4, which gpt-oss' experts have, takes 17 bytes and Q4_0 18.
    block = 17 if name.startswith("gpt-oss") else 18
    one = 3 * SHAPES[name].dim * experts.ffn_dim // 32 * block
    assert layout.expert_bytes == [0] * experts.n_dense_layers + [one] * layers
    assert one <= layout.slot_bytes < one + 4096 + 2 * 64


@pytest.mark.parametrize("name", SPARSE)
def test_slots_of_a_budget(name: str, tmp_path: Path) -> None:
    layout = _core.expert_layout(_core.GgufFile(header(tmp_path / "a.gguf", name)))
    least = layout.bytes(layout.min_slots)
    # Huge pages: what is read into small ones takes a disk several requests.
    assert layout.bytes(0) % (2 << 20) == 0
    assert layout.readers * layout.reader_bytes <= layout.bytes(0) <= 6 << 20
    assert (layout.slots(0), layout.slots(least - 1)) == (0, 0)
    assert layout.slots(least) == layout.min_slots
    assert layout.slots(layout.bytes(layout.n_experts) - 1) == layout.n_experts - 1
    assert layout.slots(2 * layout.bytes(layout.n_experts)) == layout.n_experts


def test_a_dense_model_has_none(tmp_path: Path) -> None:
    layout = _core.expert_layout(_core.GgufFile(header(tmp_path / "a.gguf", "smollm2-135m")))
    assert (layout.n_experts, layout.min_slots, layout.bytes(0)) == (0, 0, 0)
    assert layout.slots(1 << 40) == 0
