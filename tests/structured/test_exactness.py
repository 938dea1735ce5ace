"""Masks, speculation, threads and budgets together: what is said depends on none but the masks."""

from __future__ import annotations

from typing import Any

import pytest
from pestle import LLM
from pestle.engine import speculation

from tests.oracle.test_speculation import Bold

from .babblers import Babbler
from .test_schemas import HELLO, SCHEMA, check


def _seen(llm: LLM, **options: Any) -> tuple[Any, ...]:
    """All that a caller sees, but for times."""
    session = llm.session()
    stream = session.chat(HELLO, stream=True, **options)
    chunks = [(c.text, c.reasoning, c.token_ids, c.logprobs, c.finish_reason) for c in stream]
    done = stream.result()
    return chunks, done.text, done.token_ids, done.logprobs, done.usage, session.tokens


OPTIONS: dict[str, dict[str, Any]] = {
    "sampled": {"logprobs": 2},
    "greedy": {"temperature": 0, "repeat_penalty": 1.2, "repeat_last_n": -1},
    "truncated": {"max_tokens": 45},
    "no budget": {"reasoning_budget": None, "top_k": 20},
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("family", ["opened", "harmony"])
def test_the_same_with_drafts_and_without(
    babbles: Babbler, family: str, options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speculation, "Governor", Bold)
    llm = babbles(family)
    accepted = 0
    for seed in range(3):
        asked = {"reasoning_budget": 20, "max_tokens": 300, "seed": seed} | OPTIONS[options]
        asked["json_schema"] = SCHEMA
        plain = _seen(llm, speculation=False, **asked)
        assert _seen(llm, **asked) == plain
        accepted += llm.chat(HELLO, **asked).timings.accepted_tokens
    if options != "truncated":
        assert accepted > 20  # what the schema forces


def test_the_same_with_any_number_of_threads(babbles: Babbler) -> None:
    one, two = babbles("opened"), babbles("opened", threads=2)
    for seed in range(3):
        asked: dict[str, Any] = {"json_schema": SCHEMA, "seed": seed, "reasoning_budget": 9}
        assert _seen(one, logprobs=1, **asked) == _seen(two, logprobs=1, **asked)


def test_reasoning_is_what_it_is_without_a_schema(babbles: Babbler) -> None:
    """Up to where the answer would end within it. Greedy: masked tokens shift no boundaries."""
    llm = babbles("opened")
    kept = 0
    for n in range(6):
        messages = [{"role": "user", "content": f"Hi {n}"}]
        asked: dict[str, Any] = {"temperature": 0, "max_tokens": 60}
        free = llm.chat(messages, **asked)
        held = llm.chat(messages, json_schema=SCHEMA, **asked)
        n_thought = free.usage.reasoning_tokens
        assert held.token_ids[:n_thought] == free.token_ids[:n_thought]
        kept += n_thought
    assert kept > 100


@pytest.mark.parametrize("budget", [0, 1, 5, 17])
@pytest.mark.parametrize("family", ["opened", "harmony"])
def test_a_budget_is_exact(babbles: Babbler, family: str, budget: int) -> None:
    llm = babbles(family)
    spent = set()
    for seed in range(4):
        answer = llm.chat(
            HELLO, json_schema=SCHEMA, seed=seed, reasoning_budget=budget, max_tokens=2000
        )
        check(answer.text)
        spent.add(answer.usage.reasoning_tokens)
    assert max(spent) == budget


def test_an_answer_that_is_cut_says_so(babbles: Babbler) -> None:
    llm = babbles("opened")
    whole = llm.chat(HELLO, json_schema=SCHEMA, seed=1, reasoning_budget=5)
    n = len(whole.token_ids)
    cut = llm.chat(HELLO, json_schema=SCHEMA, seed=1, reasoning_budget=5, max_tokens=n - 3)
    assert (cut.finish_reason, whole.finish_reason) == ("length", "stop")
    assert cut.token_ids == whole.token_ids[: n - 3]
    assert whole.text.startswith(cut.text)
