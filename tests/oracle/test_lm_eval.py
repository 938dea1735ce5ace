"""The harness itself, on a task of its own and without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle import LLM

from tests.structured.babblers import babbler

from .harness_tasks import TASKS, manager


def _probability(llm: LLM, tokens: list[int], start: int) -> float:
    """Of the tokens from `start` on, from the logits."""
    rows = llm.logits(tokens).astype(np.float64)
    rows -= rows.max(axis=1, keepdims=True)
    rows -= np.log(np.exp(rows).sum(axis=1, keepdims=True))
    return float(sum(rows[at - 1][tokens[at]] for at in range(start, len(tokens))))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the harness says of a tiny model, without and with its chat template."""
    tasks = manager(tmp_path, monkeypatch)
    from lm_eval import simple_evaluate
    from pestle.lm_eval import PestleLM

    llm = babbler(tmp_path / "tiny.gguf", "qwen3", n_ctx=64)

    def run(**options: Any) -> Any:
        return simple_evaluate(
            model=PestleLM(llm), tasks=[*TASKS], task_manager=tasks, bootstrap_iters=0, **options
        )

    return llm, run(), run(apply_chat_template=True)


@pytest.mark.live
def test_tasks(results: Any) -> None:
    llm, plain, _ = results
    best = []
    for sample in sorted(plain["samples"]["tiny_choice"], key=lambda each: each["doc_id"]):
        doc = sample["doc"]
        expected = []
        for choice in doc["choices"]:
            tokens = llm.tokenize(f"{doc['question']} {choice}")
            expected.append(_probability(llm, tokens, len(llm.tokenize(doc["question"]))))
        assert [r[0] for r in sample["filtered_resps"]] == pytest.approx(expected, abs=1e-9)
        best.append(int(np.argmax(expected)) == doc["label"])
    assert plain["results"]["tiny_choice"]["acc,none"] == sum(best) / len(best)
    for sample in plain["samples"]["tiny_generation"]:
        said = llm.generate(sample["doc"]["question"], temperature=0, max_tokens=6, stop="e").text
        assert sample["filtered_resps"] == [said]
    (short,) = (s for s in plain["samples"]["tiny_perplexity"] if s["doc"]["text"] == "abc d")
    tokens = [llm.tokenizer.eos_id, *llm.tokenize("abc d")]
    assert short["filtered_resps"][0] == pytest.approx(_probability(llm, tokens, 1), abs=1e-9)


@pytest.mark.live
def test_chat_templates(results: Any) -> None:
    llm, _, chats = results
    for sample in chats["samples"]["tiny_generation"]:
        messages = [{"role": "user", "content": sample["doc"]["question"]}]
        prompt = llm.template.encode(messages)
        assert sample["filtered_resps"] == [
            llm.generate(prompt, temperature=0, max_tokens=6, stop="e").text
        ]
