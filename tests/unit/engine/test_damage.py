"""What must not be swallowed: damaged weights, values beyond a type's range, misuse."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from pestle import _core
from pestle.errors import Error

from tests.oracle.checkpoints import CASES, tokens

from .parts import Parts, parts

PROMPT = tokens(CASES["llama-256"], 10)


def _damaged(name: str) -> Parts:
    model = parts()
    if model.tensors[name].ndim == 1:
        model.tensors[name][3] = np.nan
    else:
        model.quantize(name, "Q4_0")
        model.tensors[name][0, :2] = np.array([np.nan], np.float16).view(np.uint8)
    return model


@pytest.mark.parametrize(
    "name",
    [
        "output_norm.weight",
        "blk.0.attn_norm.weight",
        "blk.1.ffn_norm.weight",
        "blk.0.attn_k.weight",
        "blk.0.attn_v.weight",
        "blk.1.ffn_up.weight",
        "blk.0.ffn_down.weight",
    ],
)
def test_one_nan_reaches_every_logit(tmp_path: Path, name: str) -> None:
    path = _damaged(name).write(tmp_path / "damaged.gguf")
    engine = _core.Engine(_core.Model(path), n_ctx=64)
    engine.step([(engine.sequence(), PROMPT)])
    assert np.isnan(engine.logits()).all()
    with pytest.raises(Error, match="not finite"):
        _core.Sampler(temperature=0).sample(engine, 0, PROMPT)


def test_f16_cache_does_not_saturate(tmp_path: Path) -> None:
    model = parts()
    model.tensors["blk.0.attn_v.bias"] = np.full(
        model.tensors["blk.0.attn_v.weight"].shape[0], 70000, np.float32
    )
    loaded = _core.Model(model.write(tmp_path / "large.gguf"))
    narrow = _core.Engine(loaded, n_ctx=64, kv_type="f16")
    narrow.step([(narrow.sequence(), PROMPT)])
    with pytest.raises(Error, match="f16 KV cache"):
        _core.Sampler(temperature=0).sample(narrow, 0, PROMPT)
    for kv_type in ("f32", "i16", "q8_0"):
        wide = _core.Engine(loaded, n_ctx=64, kv_type=kv_type)
        wide.step([(wide.sequence(), PROMPT)])
        assert np.isfinite(wide.logits()).all()


def test_too_many_threads(tmp_path: Path) -> None:
    model = _core.Model(parts().write(tmp_path / "model.gguf"))
    with pytest.raises(Error, match="5000 threads were asked for"):
        _core.Engine(model, threads=5000)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_longer_and_longer_steps_keep_their_memory(tmp_path: Path) -> None:
    """A series of growing prompts needs what its longest one needs, not the sum of all."""
    model = _core.Model(parts().write(tmp_path / "model.gguf"))
    lengths = range(64, 1664, 32)
    growing = _core.Engine(model, n_ctx=4096, chunk=4096)
    once = _core.Engine(model, n_ctx=4096, chunk=4096)

    def resident() -> int:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def grown(engine: _core.Engine, counts: list[int]) -> int:
        before = resident()
        for count in counts:
            engine.step([(engine.sequence(), [i % 90 for i in range(count)])], "none")
        return resident() - before

    largest = grown(once, [lengths[-1]])
    assert grown(growing, list(lengths)) < 2 * largest + (16 << 20)


def test_threads_share_a_sampler(tmp_path: Path) -> None:
    engine = _core.Engine(_core.Model(parts().write(tmp_path / "model.gguf")), n_ctx=64)
    engine.step([(engine.sequence(), PROMPT)])
    sampler = _core.Sampler(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, seed=5)
    histories = [PROMPT[: 1 + i % 9] for i in range(400)]
    expected = [sampler.sample(engine, 0, history).token for history in histories]
    found: dict[int, list[int]] = {}

    def draw(which: int) -> None:
        found[which] = [sampler.sample(engine, 0, history).token for history in histories]

    threads = [threading.Thread(target=draw, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(3), expected)


def test_the_batch_may_change_while_it_runs(tmp_path: Path) -> None:
    """The engine owns the sequences of a step: another thread may let go of the list."""
    engine = _core.Engine(_core.Model(parts().write(tmp_path / "model.gguf")), n_ctx=2048)
    for _ in range(20):
        batch = [(engine.sequence(), [i % 90 for i in range(200)]) for _ in range(4)]
        clearing = threading.Thread(target=batch.clear)
        clearing.start()
        engine.step(batch, "none")
        clearing.join()
