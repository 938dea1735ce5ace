"""The default model's logits: against `transformers`, and the same bits however computed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from pestle import LLM, _core

pytestmark = pytest.mark.real

DATA = Path(__file__).parent.parent / "data" / "oracle"
STRIDE = 4
IDENTITY = Path(__file__).parent.parent / "oracle" / "identity.py"


@pytest.fixture(scope="module")
def reference() -> Mapping[str, np.ndarray]:
    """Written by tools/make_real_oracle.py."""
    with np.load(DATA / "smollm2.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def scores(smollm: LLM, reference: Mapping[str, np.ndarray]) -> np.ndarray:
    """Log probabilities (tokens, vocabulary), float64."""
    logits = smollm.logits(reference["tokens"].tolist()).astype(np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    out: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return out


def test_tokens(smollm: LLM, reference: Mapping[str, np.ndarray]) -> None:
    tokens = smollm.tokenize((DATA / "article.txt").read_text(encoding="utf-8"))
    assert tokens[: len(reference["tokens"])] == reference["tokens"].tolist()


def test_divergence(scores: np.ndarray, reference: Mapping[str, np.ndarray]) -> None:
    """Over the best 20 tokens and all others as one: a little below the true divergence."""
    log_p = reference["best_scores"].astype(np.float64)
    log_q = np.take_along_axis(scores[::STRIDE], reference["best"].astype(np.int64), axis=-1)
    p, q = np.exp(log_p), np.exp(log_q)
    rest_p, rest_q = 1 - p.sum(axis=-1), 1 - q.sum(axis=-1)
    divergence = (p * (log_p - log_q)).sum(axis=-1) + rest_p * np.log(rest_p / rest_q)
    assert divergence.mean() < 0.002


def test_best_token(scores: np.ndarray, reference: Mapping[str, np.ndarray]) -> None:
    assert (scores.argmax(axis=-1) == reference["top1"]).mean() > 0.98


def test_perplexity(scores: np.ndarray, reference: Mapping[str, np.ndarray]) -> None:
    following = reference["tokens"][1:].astype(np.int64)
    ours = -scores[np.arange(len(following)), following].mean()
    # A perplexity within 0.5 % is a mean loss within 0.005.
    assert ours == pytest.approx(-reference["next"].astype(np.float64).mean(), abs=0.005)


@pytest.mark.parametrize("i", range(3))
def test_greedy_answers(smollm: LLM, reference: Mapping[str, np.ndarray], i: int) -> None:
    """The capital of France; 1 to 20; the months: the tokens of exact arithmetic."""
    expected = reference[f"answer{i}"].tolist()
    run, tokens = smollm.engine, []
    sequence, following = run.sequence(), reference[f"question{i}"].tolist()
    for _ in expected:
        run.step([(sequence, following)])
        following = [int(run.logits()[0].argmax())]
        tokens += following
    assert tokens == expected


def _logits(
    model: _core.Model, tokens: list[int], threads: int, chunk: int, kv_type: str, company: bool
) -> bytes:
    run = _core.Engine(model, n_ctx=512, threads=threads, threads_prefill=threads, kv_type=kv_type)
    sequence, other = run.sequence(), run.sequence()
    rows = []
    for start in range(0, len(tokens), chunk):
        part = tokens[start : start + chunk]
        batch = [(other, tokens[7:9]), (sequence, part)] if company else [(sequence, part)]
        run.step(batch, logits="all")
        rows.append(run.logits()[-len(part) :].tobytes())
    return b"".join(rows)


@pytest.mark.parametrize("kv_type", ["i16", "f16", "f32", "q8_0"])
def test_same_bits(smollm: LLM, reference: Mapping[str, np.ndarray], kv_type: str) -> None:
    tokens = reference["tokens"][:140].tolist()
    expected = _logits(smollm.model, tokens, 2, 512, kv_type, company=False)
    for threads, chunk, company in [(1, 64, False), (3, 7, True), (2, 512, True), (1, 1, True)]:
        assert _logits(smollm.model, tokens, threads, chunk, kv_type, company) == expected


def test_same_bits_after_a_cached_prefix(smollm: LLM, reference: Mapping[str, np.ndarray]) -> None:
    tokens = reference["tokens"][:140].tolist()
    run = _core.Engine(smollm.model, n_ctx=256, threads=2)
    whole = run.sequence()
    run.step([(whole, tokens)], logits="all")
    expected = run.logits()[100:].tobytes()
    branch = whole.fork(100)
    run.step([(branch, tokens[100:])], logits="all")
    assert run.logits().tobytes() == expected
    whole.truncate(100)
    run.step([(whole, tokens[100:])], logits="all")
    assert run.logits().tobytes() == expected


def test_same_bits_in_every_isa(
    default_model: Path, reference: Mapping[str, np.ndarray], tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps(reference["tokens"][:40].tolist()), encoding="utf-8")
    answers = {}
    for isa in _core.isas():
        output = subprocess.run(
            [sys.executable, str(IDENTITY), str(tokens), str(default_model)],
            env=os.environ | {"PESTLE_ISA": isa},
            capture_output=True,
            check=True,
        ).stdout
        answers[isa] = json.loads(output)
        assert answers[isa]["isa"] == isa
    digests = [answer["digests"] for answer in answers.values()]
    assert digests == digests[:1] * len(digests)
