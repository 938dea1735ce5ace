"""The model made of Python can do whatever is asked of the core, and means the same by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM, FormatError
from pestle.engine.loaded import ForwardPass, Pooler, Sampled, Scored
from pestle.engine.sequence import KeptTexts, KvSequence

from .conftest import FakeEngine, FakePooler, FakeSampled, FakeScored, FakeSequence

MakeLlm = Callable[..., LLM]
TEXT = "a text of some length"


@pytest.mark.parametrize(
    ("protocol", "fake"),
    [
        (ForwardPass, FakeEngine()),
        (KeptTexts, FakeEngine()),
        (KvSequence, FakeSequence()),
        (Pooler, FakePooler("mean")),
        (Sampled, FakeSampled(0, 0.0, [])),
        (Scored, FakeScored(0.0, True, [])),
    ],
)
def test_nothing_is_missing(protocol: Any, fake: Any) -> None:
    names = [name for name in vars(protocol) if not name.startswith("_")]
    assert names
    assert [name for name in names if not hasattr(fake, name)] == []


def test_scores_are_the_log_probabilities_of_generation(make_llm: MakeLlm) -> None:
    llm = make_llm()
    done = llm.generate(TEXT, temperature=0, max_tokens=5, logprobs=2)
    tokens = [*TEXT.encode(), *done.token_ids]
    scored = llm.score(tokens, start=len(TEXT), logprobs=2)
    assert [each.token for each in scored] == [*done.token_ids]
    assert all(each.is_greedy for each in scored)
    assert done.logprobs is not None
    assert [each.logprob for each in scored] == [each.logprob for each in done.logprobs]
    assert [each.top for each in scored] == [each.top for each in done.logprobs]
    other = llm.score("ab\x00")[-1]
    assert not other.is_greedy


def test_what_was_kept_is_restored() -> None:
    engine = FakeEngine()
    sequence = FakeSequence(list(TEXT.encode()))
    again = engine.restore(sequence.tokens, sequence.page)
    assert again.tokens == sequence.tokens
    with pytest.raises(FormatError, match=r"^page 1 is not that of its tokens$"):
        engine.restore([*sequence.tokens[:-1], 0], sequence.page)
