"""Ten turns of an agent with tools: each forward pass reads only what no text before has had.

What a prompt has that is new is told from the prompts and answers before it alone. The answers are
written in each model's format; whatever its template leaves out of them later, the longest common
prefix is read once. The same trace is then read by a real engine, half of whose layers have a
window, and the logits are those of an engine that keeps nothing, as bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pestle import LLM, _core
from pestle.engine.loaded import Loaded
from pestle.engine.sequence import HeldSequence, common_prefix
from pestle.formats import Content, Event, Reasoning, format_of
from pestle.results import ToolCall
from pestle.template import template_of
from pestle.tokenizer import Tokenizer

from tests.assets import path_of, tokenizer_of_json
from tests.unit.engine.parts import windowed_parts
from tests.unit.formats import dialects
from tests.unit.formats.answers import Mark
from tests.unit.text.templates import SMOLLM2, TOKENIZER

from .conftest import FakeEngine

Say = Callable[[Random, list[Event]], list[str]]
TRACES = {
    "plain": (None, "llama", None, dialects.plain),
    "harmony": ("openai-gpt-oss-120b", "gpt-oss", ("gptoss", "gpt-4o"), dialects.harmony),
    "qwen3": (
        "Qwen-Qwen3-0.6B", "qwen3", ("qwen3", "qwen2"), dialects.tagged(dialects.hermes),
    ),
    "deepseek v3.1": (
        "deepseek-ai-DeepSeek-V3.1", "deepseek2", ("deepseek_v3", "deepseek-v3"),
        dialects.tagged(dialects.v31),
    ),
    "deepseek r1": (
        "llama-cpp-deepseek-r1", "deepseek2", ("deepseek_v3", "deepseek-v3"),
        dialects.tagged(dialects.v3),
    ),
}  # fmt: skip
TURNS = 10


def get_weather(place: str) -> str:
    """The weather.

    place: where
    """
    return f"rain in {place}, 12 degrees"


@dataclass
class Scripted:
    """Says what it is told to, whatever it reads; a sampler of each generation."""

    answers: list[list[int]] = field(default_factory=list)

    def __call__(self, **options: Any) -> Any:
        begin: list[int] = []
        answer = self.answers.pop(0)

        def sample(logits: Any, history: list[int], *more: Any) -> Any:
            begin[:] = begin or [len(history)]
            return SimpleNamespace(token=answer[len(history) - begin[0]], logprob=0.0, top=[])

        return SimpleNamespace(sample=sample)


@dataclass
class Trace:
    """Prompts and answers, in tokens, and how many each prompt's passes read."""

    prompts: list[list[int]] = field(default_factory=list)
    answers: list[list[int]] = field(default_factory=list)
    read: list[int] = field(default_factory=list)

    def new(self, n: int) -> int:
        """Tokens of the n-th prompt that no earlier text has: at least its last one is read."""
        earlier = zip(self.prompts[:n], self.answers[:n], strict=True)
        # The last token of an answer was said, and not read.
        shared = (common_prefix(self.prompts[n], [*p, *a[:-1]]) for p, a in earlier)
        return len(self.prompts[n]) - min(max(shared, default=0), len(self.prompts[n]) - 1)


def held_trace(name: str) -> Trace:
    template_name, architecture, vocabulary, say = TRACES[name]
    tokenizer = TOKENIZER if vocabulary is None else tokenizer_of_json(*vocabulary)
    source = (
        SMOLLM2
        if template_name is None
        else path_of(f"templates/{template_name}.jinja").read_text(encoding="utf-8")
    )
    template = template_of({"tokenizer.chat_template": source}, tokenizer)
    assert template is not None
    scripted = Scripted()
    nothing: Any = None
    llm: Any = LLM.from_loaded(
        Loaded(
            name="fake", path="fake.gguf", architecture=architecture, n_vocab=tokenizer.n_vocab,
            model=nothing, sampler=scripted, tokenizer=tokenizer, template=template,
            engine=FakeEngine(model=lambda tokens: np.zeros(1, np.float32), n_ctx=20_000),  # type: ignore[arg-type]
            format=format_of(architecture, template.source, tokenizer),
        )
    )  # fmt: skip
    chat = llm.conversation("You are an agent.", tools=[get_weather] if vocabulary else None)
    trace = Trace()

    def go(step: Callable[..., Any], events: list[Event]) -> Any:
        said = tokens_of(tokenizer, say(Random(1), events))
        scripted.answers = [[*said, 0]]
        answer = step(max_tokens=len(said))
        trace.answers.append(said)
        trace.read.append(answer.timings.prefill_tokens)
        return answer

    run = chat.session.chat_run

    def noting(request: Any, on_end: Any) -> Any:
        trace.prompts.append(chat.session.prompt_of(request))
        return run(request, on_end)

    chat.session.chat_run = noting
    for turn in range(TURNS):
        question = f"Question {turn}: what is it like in town {turn}?"
        call = ToolCall("get_weather", json.dumps({"place": f"town {turn}"}))
        thought = Reasoning(f"The {turn}th time, of town {turn}. I need to know more.")
        last: list[Event] = [Reasoning(f"So {turn}."), Content(f"It rains in town {turn}.")]
        if not vocabulary:
            go(lambda **o: chat.ask(question, **o), last)  # noqa: B023
            continue
        answer = go(lambda **o: chat.ask(question, **o), [thought, call])  # noqa: B023
        for rounds in range(turn % 3):
            assert [each.name for each in answer.tool_calls] == ["get_weather"]
            chat.answer_calls()
            answer = go(chat.proceed, [Reasoning(f"{rounds} is not enough."), call])
        chat.answer_calls()
        answer = go(chat.proceed, last)
        assert answer.text.strip() == f"It rains in town {turn}."
        if turn == 6:  # an edited turn: the chat goes back, and on from there
            edited = next(i for i, m in enumerate(chat.messages) if "Question 5" in str(m))
            del chat.messages[edited:]
    return trace


def tokens_of(tokenizer: Tokenizer, pieces: Sequence[str]) -> list[int]:
    tokens: list[int] = []
    for piece in pieces:
        mark = tokenizer.token_id(piece) if isinstance(piece, Mark) else None
        tokens += tokenizer.encode(piece, add_special=False) if mark is None else [mark]
    return tokens


@pytest.fixture(scope="module")
def windowed(tmp_path_factory: pytest.TempPathFactory) -> _core.Model:
    """With more tokens than a trace has different ones."""
    model = windowed_parts(100)
    dim = model.metadata["embedding_length"]
    random = np.random.default_rng(0)
    model.tensors["token_embd.weight"] = random.normal(size=(1000, dim)).astype(np.float32)
    path: Path = tmp_path_factory.mktemp("windowed") / "tiny.gguf"
    return _core.Model(model.write(path), threads=1)


@pytest.mark.parametrize("name", TRACES)
def test_only_what_is_new_is_read(name: str, windowed: _core.Model) -> None:
    trace = held_trace(name)
    n_answers = len(trace.answers)
    assert n_answers >= TURNS
    new = [trace.new(n) for n in range(n_answers)]
    assert trace.read == new
    assert sum(new) < 0.5 * sum(map(len, trace.prompts))  # most of it is old

    ids: dict[int, int] = {}  # the tiny model has fewer tokens

    def small(tokens: list[int]) -> list[int]:
        return [ids.setdefault(token, len(ids)) for token in tokens]

    engine = _core.Engine(windowed, n_ctx=20_000, threads=1, prefix_cache=1 << 26)
    plain = _core.Engine(windowed, n_ctx=20_000, threads=1)
    held = HeldSequence(engine.sequence(remembered=True))
    for n, (prompt, answer) in enumerate(zip(trace.prompts, trace.answers, strict=True)):
        tokens = small(prompt)
        reuse = held.rewind(engine, tokens)  # type: ignore[arg-type]
        assert len(tokens) - reuse.reused == new[n]
        engine.step([(held.kv, tokens[reuse.reused :])])
        if n % 5 == 4:
            fresh = plain.sequence()
            plain.step([(fresh, tokens)])
            assert engine.logits().tobytes() == plain.logits().tobytes()
        held.kv.mark()
        engine.keep(held.kv)  # type: ignore[arg-type]
        engine.step([(held.kv, small(answer[:-1]))], "none")
