"""Log probabilities of prompts: against the committed logits, and the same numbers in any way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle import LLM, ContextLengthError
from pestle.engine import scoring

from . import checkpoints, expected
from .checkpoints import CASES
from .conftest import TinyFile
from .test_speculation import N_CTX as LONGEST
from .test_speculation import _llm


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    x = logits.astype(np.float64)
    x -= x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("name", ["qwen3-tied", "gptoss-busy", "deepseek3-long"])
def test_against_transformers(name: str, tiny_file: TinyFile) -> None:
    case = CASES[name]
    _, tokens, answer = expected.load(case)
    positions = [int(p) for p in np.arange(case.n_tokens)[expected.positions(case)]]
    wanted = {p: row for p, row in zip(positions, answer.logits, strict=True) if p < LONGEST - 1}
    tokens = list(map(int, tokens[:LONGEST]))
    with _llm(tiny_file(name), "f32") as llm:
        scored = llm.score(tokens, logprobs=3)
    assert len(scored) == len(tokens) - 1
    for position, row in wanted.items():
        if position + 1 == len(tokens):
            continue
        each, logprobs = scored[position], _log_softmax(row)
        assert each.token == tokens[position + 1]
        tolerance = 3e-4 * float(abs(row).max())
        assert each.logprob == pytest.approx(logprobs[each.token], abs=tolerance)
        best = sorted(range(len(row)), key=lambda token: -row[token])
        margin = row[best[0]] - row[best[1]]
        if margin > 2 * tolerance:
            assert each.is_greedy == (each.token == best[0])
        for alternative in each.top:
            assert alternative.logprob == pytest.approx(logprobs[alternative.token], abs=tolerance)


@pytest.fixture
def llm(tiny_file: TinyFile) -> Any:
    with _llm(tiny_file("llama-256", "Q4_0"), "i16") as llm:
        yield llm


def test_the_same_numbers_in_any_way(
    llm: LLM, tiny_file: TinyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = checkpoints.tokens(CASES["llama-256"], 150)
    whole = llm.score(tokens, logprobs=2)
    assert llm.score(tokens, logprobs=2) == whole  # from what is held
    for start in (2, 64, 100, 149):
        assert llm.score(tokens, start=start, logprobs=2) == whole[start - 1 :]
    assert llm.score([*tokens[:70], 5, 6], start=70, logprobs=2)[0] != whole[69]
    for rows in (1, 7, 64):
        monkeypatch.setattr(scoring, "_LOGITS_BYTES", rows * 4 * llm.n_vocab)
        with _llm(Path(llm.path), "i16") as other:
            assert other.score(tokens, logprobs=2) == whole


def test_they_are_those_of_generation(llm: LLM) -> None:
    prompt = checkpoints.tokens(CASES["llama-256"], 20)
    answer = llm.generate(prompt, temperature=0, max_tokens=30, logprobs=2)
    assert answer.logprobs is not None
    scored = llm.score([*prompt, *answer.token_ids], start=len(prompt), logprobs=2)
    for generated, each in zip(answer.logprobs, scored, strict=True):
        assert (each.token, each.piece) == (generated.token, generated.piece)
        assert (each.logprob, each.top) == (generated.logprob, generated.top)
        assert each.is_greedy


def test_wrong_asking(llm: LLM) -> None:
    with pytest.raises(ValueError, match="start is 0, expected from 1 to 3"):
        llm.score([1, 2, 3], start=0)
    with pytest.raises(ValueError, match="the prompt has no tokens"):
        llm.score([])
    with pytest.raises(ValueError, match="logprobs is -1"):
        llm.score([1, 2, 3], logprobs=-1)
    with pytest.raises(ContextLengthError):
        llm.score([1] * (LONGEST + 1))
    assert llm.score([1, 2, 3], start=3) == ()
    assert llm.score([1]) == ()


@pytest.mark.live
@pytest.mark.parametrize(
    "name", ["llama-llama3-rope", "qwen3-tied", "gptoss-256", "deepseek2-lite"]
)
def test_against_transformers_live(name: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers", minversion="5.24", reason="transformers is not installed")
    pytest.importorskip("torch", reason="torch is not installed")
    from . import gguf_file, transformers_model

    case = CASES[name]
    parameters = checkpoints.weights(case)
    tokens = checkpoints.tokens(case, 200, stream=2)
    logits = transformers_model.logits(transformers_model.load(case, parameters), tokens)
    wanted = _log_softmax(logits)
    with _llm(gguf_file.write(tmp_path / "tiny.gguf", case, parameters), "f32") as llm:
        scored = llm.score(tokens, logprobs=1)
    tolerance = 3e-4 * float(abs(logits).max())
    got = [each.logprob for each in scored]
    expected = [wanted[at][token] for at, token in enumerate(tokens[1:])]
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)
    assert sum(got) == pytest.approx(sum(expected), abs=len(got) * tolerance / 10)
