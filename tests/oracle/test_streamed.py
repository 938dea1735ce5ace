"""Experts read from the file when tokens ask for them: the bits of a model that is in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pestle import _core

from . import checkpoints, gguf_file, identity
from .checkpoints import CASES
from .conftest import TinyFile

N_TOKENS = 120
WAYS = ((1, 1), (3, 7), (2, 512))
"""Threads, and rows of a chunk."""
FAMILIES = (
    ("qwen3moe-yarn", "Q8_0"),
    ("qwen3moe-256", "Q4_K"),
    ("gptoss-busy", "Q8_0"),
    ("gptoss-256", "MXFP4"),
    ("deepseek2-groups", "Q8_0"),
    ("deepseek3-busy", "F32"),
    ("deepseek3-256", "Q4_K"),
)


def budgets(path: Path) -> dict[int, int]:
    """The bytes of some numbers of slots: none to spare, what a token asks for, half, all."""
    layout = _core.expert_layout(_core.GgufFile(path))
    slots = (layout.min_slots, layout.cycle, layout.n_experts // 2, layout.n_experts)
    return {n: layout.bytes(n) for n in slots if n >= layout.min_slots}


@pytest.mark.parametrize(("name", "type_name"), FAMILIES)
def test_same_bits(name: str, type_name: str, tiny_file: TinyFile) -> None:
    if type_name in gguf_file.LIBGGUF_TYPES:
        pytest.importorskip("libgguf", reason="quantizing to K and IQ types needs libgguf")
    path, tokens = tiny_file(name, type_name), checkpoints.tokens(CASES[name], N_TOKENS)
    expected = next(identity.ways(_core.Model(path), tokens))[1]
    for i, (slots, budget) in enumerate(budgets(path).items()):
        model = _core.Model(path, expert_memory=budget)
        assert model.expert_memory == budget
        ways = WAYS if i == 0 else WAYS[i % 3 :][:1]
        for way, logits in identity.ways(model, tokens, threads_chunks=ways):
            assert logits.tobytes() == expected.tobytes(), f"{slots} slots, {way}"


def _asked(counts: np.ndarray) -> int:
    """Experts that a pass has asked for, by what the engine has counted of it."""
    return int((counts > 0).sum())


@pytest.mark.parametrize("name", ["qwen3moe-yarn", "deepseek3-busy"])
def test_traffic(name: str, tiny_file: TinyFile) -> None:
    path, tokens = tiny_file(name, "Q8_0"), checkpoints.tokens(CASES[name], 64)
    layout = _core.expert_layout(_core.GgufFile(path))
    model = _core.Model(path, expert_memory=layout.bytes(layout.n_experts))
    engine = _core.Engine(model, n_ctx=256, chunk=64)
    engine.step([(engine.sequence(), tokens)])
    first = model.expert_traffic
    assert first is not None
    asked = _asked(engine.expert_counts())
    assert (first.tokens, first.asked, first.hits) == (64, asked, 0)
    assert first.reads >= asked  # some may be read ahead that no token asks for
    engine.step([(engine.sequence(), tokens)])
    second = model.expert_traffic
    assert second is not None
    # There is room for all: what was read is there, and nothing is read again.
    assert (second.asked, second.hits) == (2 * asked, asked)
    assert second.reads <= layout.n_experts
    least = min(n for n in layout.expert_bytes if n > 0)
    assert second.read_bytes >= second.reads * least


@pytest.mark.parametrize("slots", [3, 6])
def test_a_prompt_reads_each_expert_once(slots: int, tiny_file: TinyFile) -> None:
    """With room for less than a layer's experts, too."""
    path = tiny_file("qwen3moe-yarn", "Q8_0")
    layout = _core.expert_layout(_core.GgufFile(path))
    model = _core.Model(path, expert_memory=layout.bytes(slots))
    engine = _core.Engine(model, n_ctx=512, chunk=512)
    engine.step([(engine.sequence(), checkpoints.tokens(CASES["qwen3moe-yarn"], 400))])
    traffic = model.expert_traffic
    assert traffic is not None
    assert traffic.asked == layout.n_experts  # 400 tokens ask for all
    assert traffic.reads == layout.n_experts


def test_below_a_token_s_experts_some_stay(tiny_file: TinyFile) -> None:
    """What was used longest ago would be what comes next: keeping what is popular still gains."""
    path = tiny_file("deepseek2-groups", "Q8_0")
    layout = _core.expert_layout(_core.GgufFile(path))
    assert layout.min_slots < layout.cycle - 1
    model = _core.Model(path, expert_memory=layout.bytes(layout.cycle - 1))
    engine = _core.Engine(model, n_ctx=512)
    sequence = engine.sequence()
    for token in checkpoints.tokens(CASES["deepseek2-groups"], 300):
        engine.step([(sequence, [token])])
    traffic = model.expert_traffic
    assert traffic is not None
    assert traffic.hits > 0


@pytest.mark.parametrize("name", ["qwen3moe-yarn", "deepseek2-groups"])
def test_the_next_layer_is_foreseen(name: str, tiny_file: TinyFile) -> None:
    """Of single tokens, better than by chance; of passes of several, nothing is guessed."""
    path, tokens = tiny_file(name, "Q8_0"), checkpoints.tokens(CASES[name], 300)
    layout = _core.expert_layout(_core.GgufFile(path))
    model = _core.Model(path, expert_memory=layout.bytes(layout.cycle))
    engine = _core.Engine(model, n_ctx=512)
    sequence = engine.sequence()
    engine.step([(sequence, tokens[:100])])
    before = model.expert_traffic
    assert before is not None
    assert before.guesses == 0
    for token in tokens[100:]:
        engine.step([(sequence, [token])])
    after = model.expert_traffic
    assert after is not None
    top_k = layout.min_slots
    assert after.guesses == 200 * (layout.cycle - top_k)
    by_chance = layout.cycle / layout.n_experts
    assert after.guesses > after.right > by_chance * after.guesses


def test_an_engine_shares_the_slots_with_others(tiny_file: TinyFile) -> None:
    """Also in the middle of a text."""
    path, tokens = (
        tiny_file("qwen3moe-yarn", "Q8_0"),
        checkpoints.tokens(CASES["qwen3moe-yarn"], 60),
    )
    expected = identity.feed(*_fresh(_core.Model(path)), tokens, 60)
    layout = _core.expert_layout(_core.GgufFile(path))
    model = _core.Model(path, expert_memory=layout.bytes(layout.min_slots))
    engines = [_fresh(model), _fresh(model)]
    rows: list[list[np.ndarray]] = [[], []]
    for start in range(0, 60, 20):
        for (engine, sequence), own in zip(engines, rows, strict=True):
            own.append(identity.feed(engine, sequence, tokens[start : start + 20], 3))
    for own in rows:
        assert np.concatenate(own).tobytes() == expected.tobytes()


def _fresh(model: _core.Model) -> tuple[_core.Engine, _core.Sequence]:
    engine = _core.Engine(model, n_ctx=256)
    return engine, engine.sequence()
