"""What lm-evaluation-harness asks of a model; the harness itself is not needed for it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from pestle import LLM
from pestle.harness import Backend

from tests.structured.babblers import babbler


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> LLM:
    return babbler(tmp_path_factory.mktemp("harness") / "tiny.gguf", "qwen3", n_ctx=40)


def _sum(llm: LLM, tokens: list[int], start: int) -> float:
    """Of the log probabilities, each from the logits of a prefix of its own."""
    import numpy as np

    total = 0.0
    for at in range(start, len(tokens)):
        row = llm.logits(tokens[:at])[-1].astype(np.float64)
        total += float(row[tokens[at]] - row.max() - np.log(np.exp(row - row.max()).sum()))
    return total


def test_continuations(llm: LLM) -> None:
    backend = Backend(llm)
    pairs = [
        (backend.encode(context), backend.encode(more, add_special=False))
        for context, more in [("abc", " d"), ("x", "yz"), ("abc", " e"), ("abc", "")]
    ]
    results = backend.log_likelihoods(pairs)
    for (context, more), (logprob, greedy) in zip(pairs, results, strict=True):
        expected = _sum(llm, [*context, *more], len(context))
        assert logprob == pytest.approx(expected, abs=1e-9)
        said = llm.generate(context, temperature=0, max_tokens=len(more)).token_ids
        assert greedy == (more == [*said])
    said = llm.generate(pairs[0][0], temperature=0, max_tokens=3).token_ids
    assert backend.log_likelihoods([(pairs[0][0], list(said))])[0][1]


@pytest.mark.parametrize("n", [0, 1, 38, 39, 40, 78, 100])
def test_whole_texts_score_each_token_once_with_the_most_context(llm: LLM, n: int) -> None:
    text = "".join(chr(97 + i * i % 26) for i in range(n))
    tokens = llm.tokenize(text)
    assert len(tokens) <= n
    expected = 0.0
    for at in range(len(tokens)):
        end = min((at // 39 + 1) * 39, len(tokens))  # of the window in which it is scored
        begin = max(end - 40, -1)
        before = [Backend(llm).prefix_token] if begin < 0 else []
        window = [*before, *tokens[max(begin, 0) : at + 1]]
        expected += _sum(llm, window, len(window) - 1)
    assert Backend(llm).rolling([text]) == [pytest.approx(expected, abs=1e-9)]


def test_generation(llm: LLM) -> None:
    backend = Backend(llm, max_gen_toks=7)
    plain = llm.generate("abc", temperature=0, max_tokens=7).text
    assert backend.generate("abc", {"until": [], "do_sample": False, "temperature": 0.9}) == plain
    assert backend.generate("abc", {}) == plain
    assert (
        backend.generate("abc", {"until": plain[2], "max_gen_toks": 5})
        == plain[:5].split(plain[2])[0]
    )
    sampled = backend.generate("abc", {"temperature": 2.0, "do_sample": True, "seed": 4})
    assert sampled == llm.generate("abc", temperature=2.0, seed=4, max_tokens=7).text
    with pytest.raises(ValueError, match="no option 'num_beams'"):
        backend.generate("abc", {"num_beams": 4})


def test_what_is_too_long_is_cut_and_said(llm: LLM, caplog: pytest.LogCaptureFixture) -> None:
    backend = Backend(llm, max_gen_toks=10)
    tokens = backend.encode("abcdefghij" * 6)
    with caplog.at_level(logging.WARNING, "pestle.lm_eval"):
        (result,) = backend.log_likelihoods([(tokens, [5, 6])])
        backend.generate("k" * 60, {})
    (record,) = caplog.records
    assert "62 tokens is longer than the 40" in record.message
    cut = [*tokens, 5, 6][-40:]
    assert result[0] == pytest.approx(_sum(llm, cut, 38), abs=1e-9)


def test_chats(llm: LLM) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    backend = Backend(llm)
    text = backend.chat(messages)
    assert text == "<|im_start|>user\nHi<|im_end|><|im_start|>assistant\n"
    assert llm.tokenizer.token_id("<|im_end|>") in backend.encode(text)
    begun = [*messages, {"role": "assistant", "content": "So: "}]
    assert backend.chat(begun, answer=False) == f"{text}So:"
    without: Any = babbler(Path(llm.path), "no template")
    with pytest.raises(ValueError, match="has no chat template"):
        Backend(without).chat(messages)
