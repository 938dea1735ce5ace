"""A model that says prepared words, in place of a loaded one: commands see only `LLM`'s surface."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from pestle.chat import Conversation
from pestle.engine.activity import Phase, RunStatus
from pestle.engine.stream import Stream
from pestle.errors import ContextLengthError, UnsupportedError
from pestle.options import Sampling
from pestle.results import ChatCompletion, Chunk, Timings, TokenLogprob, ToolCall, Usage

ANSWER = "The capital of France is Paris."
N_VOCAB = 300


@dataclass
class FakeRun:
    """One generation; a token is a word with the space before it."""

    llm: FakeLLM
    prompt_tokens: int
    options: dict[str, Any]
    on_end: Callable[[ChatCompletion], None] | None = None
    cancel: threading.Event = field(default_factory=threading.Event)
    said: list[str] = field(default_factory=list)
    reason: str = "cancelled"
    looks: int = 0
    _chunks: Generator[Chunk, None, None] | None = None

    def next(self) -> Chunk | None:
        if self._chunks is None:
            self._chunks = self.chunks()
        return next(self._chunks, None)

    def hurry(self) -> None:
        pass

    def status(self) -> RunStatus:
        phase: Phase = "answering" if self.said else "reading"
        self.looks += 1
        n = 1000 * self.prompt_tokens  # tokens that a terminal hears of
        return RunStatus(phase, 0, int(n * self.read), n)

    @property
    def read(self) -> float:
        """The part of the prompt that is read."""
        return min(self.looks / self.llm.reading, 1.0) if self.llm.reading else 1.0

    def settle(self) -> None:
        pass

    def stop(self) -> None:
        self.cancel.set()

    def abandon(self) -> None:
        self.cancel.set()

    def end(self) -> None:
        if self._chunks is not None:
            self._chunks.close()

    def chunks(self) -> Generator[Chunk, None, None]:
        try:
            yield from self._words()
        finally:
            if self.on_end is not None:
                self.on_end(self.result())

    def _words(self) -> Iterator[Chunk]:
        while self.read < 1 and not self.cancel.is_set():
            time.sleep(0.01)
        if self.llm.thought:
            for piece in (self.llm.thought[:3], self.llm.thought[3:]):
                yield Chunk("", reasoning=piece)
        limit = self.llm.n_ctx - self.prompt_tokens
        limit = min(limit, self.options.get("max_tokens") or limit)
        for index, word in enumerate(self.llm.words()):
            if index == limit:
                self.reason = "length"
                break
            if self.llm.interrupted:  # as Ctrl-C does, before anything is said
                self.llm.interrupted -= 1
                self.cancel.set()
            if self.cancel.is_set():
                break
            time.sleep(self.llm.delay)
            if isinstance(word, BaseException):
                raise word
            self.said.append(word)
            yield Chunk(word, (index,))
        else:
            self.reason = "stop"
        yield Chunk(
            "",
            tool_calls=self.llm.calls,
            warnings=self.llm.warnings,
            finish_reason=self.reason,  # type: ignore[arg-type]
        )

    def result(self) -> ChatCompletion:
        n = len(self.said)
        wanted = self.options.get("logprobs")
        return ChatCompletion(
            text="".join(self.said),
            token_ids=tuple(range(n)),
            finish_reason=self.reason,  # type: ignore[arg-type]
            stop_reason=2 if self.reason == "stop" else None,
            usage=Usage(self.prompt_tokens, 0, n),
            timings=Timings(
                0.05, self.prompt_tokens, 0.01 * (n - 1), n - 1, 0.06, *self.llm.drafts(n - 1)
            ),
            seed=self.options.get("seed") or 42,
            logprobs=None if wanted is None else (TokenLogprob(0, b"The", -0.25),),
            reasoning=self.llm.thought,
            tool_calls=self.llm.calls,
            warnings=self.llm.warnings,
        )


@dataclass(frozen=True)
class _FakeRequest:
    messages: list[dict[str, str]]
    template_args: Any
    given: Any

    @property
    def options(self) -> Any:
        """As `Conversation` reads them, and as a run gets them."""
        limit = self.given.get("max_tokens")
        return SimpleNamespace(generation=SimpleNamespace(max_tokens=limit))

    def with_messages(self, messages: list[dict[str, str]]) -> _FakeRequest:
        return replace(self, messages=messages)


def _words_of(messages: list[dict[str, str]]) -> int:
    return len("".join(message["content"] for message in messages).split())


class FakeSession:
    def __init__(self, llm: FakeLLM) -> None:
        self.llm = llm
        self.n_tokens = 0

    def chat_request(
        self, messages: list[dict[str, str]], tools: Any, template_args: Any, options: Any
    ) -> _FakeRequest:
        return _FakeRequest(messages, template_args, options)

    @property
    def n_ctx(self) -> int:
        return self.llm.n_ctx

    def prompt_of(self, request: _FakeRequest) -> list[int]:
        return list(range(_words_of(request.messages)))

    def chat_run(
        self,
        request: _FakeRequest,
        on_end: Callable[[ChatCompletion], None] | None = None,
    ) -> FakeRun:
        n = _words_of(request.messages)
        return self.llm.start(request.messages, n, request.given, request.template_args, on_end)


class FakeLLM:
    """`asked` has what each generation was asked: the prompt or messages, and the options."""

    def __init__(
        self,
        *answers: str,
        n_ctx: int = 100,
        delay: float = 0.0,
        template: str | None = "{{ messages }}",
        error: BaseException | None = None,
    ) -> None:
        self.answers = list(answers or [ANSWER])
        self.n_ctx, self.delay, self.error = n_ctx, delay, error
        self.name, self.path, self.architecture = "Fake 1B", "/models/fake.Q4_1.gguf", "llama"
        self.sampling = Sampling(temperature=0.6)  # as a model file may state it
        self.sampling_source: str | None = "the model's file"
        self.template = None if template is None else SimpleNamespace(source=template)
        self.reasons = False
        self.silent = False  # says nothing before its error
        self.reading = 0  # how often one has to ask how far it is until its prompt is read
        self.interrupted = 0  # how many answers are
        self.has_switches = "thinking" in (template or "")
        self.model = SimpleNamespace(
            architecture="llama", n_params=1_000_000_000, weight_bytes=600_000_000,
            decode_bytes=500_000_000, prefill_ops=1_800_000_000,
        )  # fmt: skip
        self.engine = SimpleNamespace(
            threads=2,
            threads_prefill=4,
            kv_bytes=2_000_000,
            kept_bytes=500_000,
            chunk=512,
        )
        self.asked: list[tuple[Any, dict[str, Any]]] = []
        self.template_args: Any = None
        self.loaded_with: Any = None
        self.thought = ""
        self.calls: tuple[ToolCall, ...] = ()
        self.calls_in_rounds = False
        self.rounds: list[tuple[ToolCall, ...]] = []  # calls of the first answers
        self.warnings: tuple[str, ...] = ()
        self.speculated: tuple[int, int, int] | None = None
        self.experts = np.zeros((2, 0), np.uint64)
        self.expert_traffic: SimpleNamespace | None = None  # experts are not streamed

    def tokenize(self, text: str, **options: Any) -> list[int]:
        return list(range(len(text.split())))

    def close(self) -> None:
        pass

    def expert_counts(self) -> np.ndarray:
        return self.experts

    def __enter__(self) -> FakeLLM:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def drafts(self, decoded: int) -> tuple[int, int, int]:
        """Passes, drafted and accepted tokens of an answer."""
        return self.speculated or (decoded, 0, 0)

    def words(self) -> list[Any]:
        text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        first, *others = text.split(" ")
        words: list[Any] = [] if self.silent else [first, *(f" {word}" for word in others)]
        return words if self.error is None else [*words, self.error]

    def start(
        self, prompt: Any, n: int, options: Any, template_args: Any = None, on_end: Any = None
    ) -> FakeRun:
        given = {name: value for name, value in options.items() if value is not None}
        for token in given.get("logit_bias", {}):
            if token >= N_VOCAB:
                raise ValueError(f"logit_bias: token {token} is not in [0, {N_VOCAB})")
        if n > self.n_ctx:
            raise ContextLengthError(f"the prompt has {n} tokens, the context holds {self.n_ctx}")
        self.asked.append((prompt, given))
        self.template_args = template_args
        if self.rounds or self.calls_in_rounds:
            self.calls_in_rounds = True
            self.calls = self.rounds.pop(0) if self.rounds else ()
        return FakeRun(self, n, given, on_end)

    def check_switches(self, **options: Any) -> None:
        if any(name.startswith("reasoning") for name in options) and not self.has_switches:
            raise UnsupportedError(f"{self.name} has no switch for reasoning.")

    def chat(
        self, messages: list[dict[str, str]], *, template_args: Any, stream: bool, **options: Any
    ) -> Stream[Any]:
        self.check_switches(**options)
        session = FakeSession(self)
        request = session.chat_request(messages, None, template_args, options)
        return Stream(session.chat_run(request))  # type: ignore[arg-type]

    def generate(
        self, prompt: str, *, parse_special: bool, stream: bool, **options: Any
    ) -> Stream[Any]:
        assert parse_special
        return Stream(self.start(prompt, len(prompt.split()), options))  # type: ignore[arg-type]

    def conversation(self, system: str | None = None, *, tools: Any = None) -> Conversation:
        messages = [] if system is None else [{"role": "system", "content": system}]
        return Conversation(FakeSession(self), messages, tools=tools)  # type: ignore[arg-type]
