"""Generation on tiny real models, with and without speculation: the same to the bit."""

from __future__ import annotations

from typing import Any

import pytest
from pestle import LLM, _core
from pestle.engine import speculation
from pestle.engine.loaded import Loaded
from pestle.options import Sampling
from pestle.tokenizer import Tokenizer

from . import checkpoints
from .checkpoints import CASES
from .conftest import TinyFile

N_CTX = 256
COPY = 24
"""Every so many tokens a prompt says the same again."""


class Bold:
    """In a Governor's place: verifies whole drafts, or as much as the confidences sum up to."""

    whole = True

    def __init__(self, costs: Any) -> None:
        pass

    def choose(self, confidences: list[float]) -> int:
        return len(confidences) if self.whole else int(sum(confidences) / 3)

    def record_fate(self, confidence: float, right: bool) -> None:
        pass

    def record_step(self, rows: int, seconds: float, gained: int) -> None:
        pass


def _letters(n_vocab: int) -> Tokenizer:
    """A vocabulary of single characters; none ends an answer."""
    file: Any = {
        "general.architecture": "tiny",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": [chr(0x100 + i) for i in range(n_vocab)],
        "tokenizer.ggml.token_type": [1] * n_vocab,
        "tokenizer.ggml.merges": [],
        "tokenizer.ggml.add_bos_token": False,
    }
    return Tokenizer.from_gguf(file)


def _llm(path: Any, kv_type: str) -> LLM:
    model = _core.Model(path, threads=1)
    return LLM.from_loaded(
        Loaded(
            name="tiny",
            path=str(path),
            architecture="llama",
            n_vocab=model.n_vocab,
            model=model,
            engine=_core.Engine(model, n_ctx=N_CTX, threads=2, kv_type=kv_type),
            sampler=_core.Sampler,
            tokenizer=_letters(model.n_vocab),
            template=None,
            sampling=Sampling(),
            drafter=_core.Drafter,
        )
    )


def _seen(llm: LLM, prompt: list[int], **options: Any) -> tuple[Any, ...]:
    """All that a caller sees, but for times: log probabilities are compared to the last bit."""
    session = llm.session()
    stream = session.generate(prompt, stream=True, **options)
    chunks = [(c.text, c.token_ids, c.logprobs, c.finish_reason, c.stop_reason) for c in stream]
    done = stream.result()
    return chunks, done.text, done.token_ids, done.logprobs, done.usage, session.tokens


OPTIONS: dict[str, dict[str, Any]] = {
    "greedy": {"temperature": 0, "logprobs": 3},
    "sampled": {"temperature": 0.7, "logprobs": 0},
    "penalties": {
        "temperature": 0.7, "repeat_penalty": 1.3, "repeat_last_n": -1, "frequency_penalty": 0.2,
        "presence_penalty": 0.1,
    },
    "penalties, greedy": {"temperature": 0, "repeat_penalty": 1.1, "repeat_last_n": 8},
    "bias": {"temperature": 1.5, "top_k": 5, "logit_bias": {3: 4.0, 7: float("-inf")}},
}  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("name", "type_name", "kv_type"),
    [("llama-tied", "F32", "f32"), ("llama-256", "Q4_0", "i16"), ("qwen2-yarn", "Q8_0", "i16")],
)
def test_the_same_generation(
    name: str,
    type_name: str,
    kv_type: str,
    whole: bool,
    options: str,
    tiny_file: TinyFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Bold, "whole", whole)
    monkeypatch.setattr(speculation, "Governor", Bold)
    prompt = checkpoints.tokens(CASES[name], COPY) * 3
    drafted = accepted = 0
    with _llm(tiny_file(name, type_name), kv_type) as llm:
        for seed in range(3):
            for more in ({}, {"max_tokens": 7}):
                asked = OPTIONS[options] | {"seed": seed} | more
                plain = _seen(llm, prompt, speculation=False, **asked)
                assert _seen(llm, prompt, **asked) == plain
            timings = llm.generate(prompt, **asked | {"max_tokens": None}).timings
            drafted += timings.drafted_tokens
            accepted += timings.accepted_tokens
    assert drafted > 0
    if options == "greedy":  # random weights babble, and fall into loops
        assert accepted > 0


def test_the_governor_decides_nothing_else(tiny_file: TinyFile) -> None:
    """Timed by the real clock: whatever it chooses, the answer is the same."""
    prompt = checkpoints.tokens(CASES["llama-tied"], COPY) * 3
    with _llm(tiny_file("llama-tied", "Q8_0"), "i16") as llm:
        plain = _seen(llm, prompt, temperature=0, seed=0, logprobs=1, speculation=False)
        for _ in range(5):
            assert _seen(llm, prompt, temperature=0, seed=0, logprobs=1) == plain


@pytest.mark.parametrize("n_prompt", [1, 62, 63, 64, 65, 127, 128])
def test_rejected_drafts_leave_no_pages_behind(n_prompt: int, tiny_file: TinyFile) -> None:
    """At page boundaries, beside a fork that shares the page that drafts are written into."""
    case = CASES["llama-tied"]
    model = _core.Model(tiny_file("llama-tied", "F32"), threads=1)
    engine = _core.Engine(model, n_ctx=N_CTX, threads=1)
    sequence = engine.sequence()
    tokens = checkpoints.tokens(case, n_prompt + 33)
    engine.step([(sequence, tokens[:n_prompt])])
    fork = sequence.fork(n_prompt)
    memory = engine.kv_bytes  # one slab of 64 pages
    for _ in range(200):
        engine.step([(sequence, tokens[n_prompt:])], "all")
        sequence.truncate(n_prompt + 1)
        sequence.truncate(n_prompt)
    assert engine.kv_bytes == memory
    for each in (fork, sequence, engine.sequence()):
        if each.n_tokens == 0:
            engine.step([(each, tokens[:n_prompt])], "none")
        engine.step([(each, tokens[n_prompt:])])
        last = engine.logits().tobytes()
        if each is fork:
            expected = last
        assert last == expected
