"""A model made of Python, in the core's place: the API's tests see every forward pass it does.

Its tokens are bytes, so characters of several bytes are split between tokens. Its tokenizer,
detokenizer, stop strings and templates are Pestle's own.
"""

from __future__ import annotations

import gc
import hashlib
import json
import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from pestle import LLM
from pestle.engine.loaded import Choice, Loaded, Sampled
from pestle.engine.runtime import Runtime
from pestle.errors import ContextLengthError, Error, FormatError
from pestle.formats import format_of
from pestle.options import Request, Sampling
from pestle.template import ChatTemplate
from pestle.tokenizer import Tokenizer

END = "<|im_end|>"
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NORMAL, CONTROL, UNUSED = 1, 3, 5
FAKE_PAGE = 16  # tokens


def metadata(marks: tuple[str, ...] = (), **extra: Any) -> dict[str, Any]:
    """GGUF metadata of a byte-level vocabulary: 256 bytes, two control tokens, one unused.

    After them come `marks`.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    letters |= {byte: chr(0x100 + n) for n, byte in enumerate(others)}
    tokens = [letters[byte] for byte in range(256)]
    return {
        "general.architecture": "fake",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": [*tokens, "<|im_start|>", END, "[PAD]", *marks],
        "tokenizer.ggml.token_type": [NORMAL] * 256
        + [CONTROL, CONTROL, UNUSED, *[CONTROL] * len(marks)],
        "tokenizer.ggml.merges": [],
        "tokenizer.ggml.bos_token_id": 256,
        "tokenizer.ggml.eos_token_id": 257,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": TEMPLATE,
        **extra,
    }


def hashed_logits(tokens: list[int]) -> NDArray[np.float32]:
    """Random-looking logits that depend on every token before; only letters are likely."""
    digest = hashlib.blake2b(repr(tokens).encode(), digest_size=8).digest()
    values = np.random.default_rng(int.from_bytes(digest, "little")).normal(size=259)
    values[ord("a") : ord("z") + 1] += 8
    return values.astype(np.float32)


def says(text: str, end: bool = True) -> Callable[[list[int]], NDArray[np.float32]]:
    """Logits of a model that answers every prompt with `text`, then ends or repeats it.

    The prompt is what comes before the byte 0x02, or the whole chat up to "assistant\\n".
    """
    answer = [*text.encode(), *([257] if end else [])]

    def logits(tokens: list[int]) -> NDArray[np.float32]:
        header = [256, *b"assistant\n"]
        begins = [
            i + len(mark)
            for mark in ([2], header)
            for i in range(len(tokens) - len(mark) + 1)
            if tokens[i : i + len(mark)] == mark
        ]
        values = np.zeros(259, np.float32)
        values[answer[(len(tokens) - max(begins)) % len(answer)]] = 20
        return values

    return logits


@dataclass
class FakeSequence:
    """With `slack`, as of a model with windows: it can be cut back by as many tokens only.

    `marks` has where it was marked.
    """

    held: list[int] = field(default_factory=list)
    slack: int | None = None
    most: int = 0  # tokens that it ever held
    marks: list[int] = field(default_factory=list)

    def mark(self) -> None:
        self.marks.append(len(self.held))

    @property
    def n_tokens(self) -> int:
        return len(self.held)

    @property
    def tokens(self) -> list[int]:
        return list(self.held)

    def extend(self, tokens: list[int]) -> None:
        self.held.extend(tokens)
        self.most = max(self.most, len(self.held))

    def growth(self, n_tokens: int) -> int:
        return n_tokens

    def reusable(self, n_tokens: int) -> int:
        if not 0 <= n_tokens <= len(self.held):
            raise IndexError(f"n_tokens is {n_tokens}, the sequence has {len(self.held)}")
        return 0 if self.slack is not None and n_tokens < self.most - self.slack else n_tokens

    def page(self, group: int, index: int) -> bytes | None:
        begin = index * FAKE_PAGE
        piece = self.held[begin : begin + FAKE_PAGE]
        return json.dumps(piece).encode() if group == 0 and piece else None

    def first_pages(self, n_tokens: int) -> list[int]:
        return [0]

    def _check_reusable(self, n_tokens: int) -> None:
        if self.reusable(n_tokens) != n_tokens:
            raise ValueError(f"the windows have left what goes on from {n_tokens} tokens")

    def fork(self, n_tokens: int) -> FakeSequence:
        self._check_reusable(n_tokens)
        return FakeSequence(self.held[:n_tokens], self.slack, self.most if n_tokens else 0)

    def truncate(self, n_tokens: int) -> None:
        self._check_reusable(n_tokens)
        del self.held[n_tokens:]
        if n_tokens == 0:
            self.most = 0


@dataclass
class FakeEngine:
    """`passes` has the rows of every forward pass, `batches` of how many sequences.

    `before` and `after` run around each.

    `runtime` is what runs it, with the drafts and samplers that tests give it or look at.
    """

    model: Callable[[list[int]], NDArray[np.float32]] = hashed_logits
    n_ctx: int = 256
    chunk: int = 512
    slack: int | None = None
    passes: list[int] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    kept: list[list[int]] = field(default_factory=list)
    reach: int | None = None  # what windows left of kept texts: so many of their last tokens
    runtime: Any = None
    made: list[weakref.ref[FakeSequence]] = field(default_factory=list)

    kv_limit = kv_used = kept_bytes = 0

    def kv_size(self, n_tokens: int) -> int:
        return n_tokens

    @property
    def kv_groups(self) -> list[tuple[int, int]]:
        """One group of layers, which see all, and the most bytes that a page of it has."""
        return [(0, len(json.dumps([999] * FAKE_PAGE)))]

    @property
    def sequences(self) -> list[FakeSequence]:
        """Those that somebody still holds."""
        gc.collect()
        return [sequence for ref in self.made if (sequence := ref()) is not None]

    def sequence(self, remembered: bool = False) -> FakeSequence:
        sequence = FakeSequence(slack=self.slack)
        self.made.append(weakref.ref(sequence))
        return sequence

    def keep(self, sequence: FakeSequence) -> None:
        if sequence.held:
            self.kept.append(list(sequence.held))

    def forget(self, sequence: FakeSequence) -> None:
        held = sequence.held
        self.kept = [text for text in self.kept if text != held[: len(text)]]

    def find(self, tokens: list[int]) -> tuple[int, int, list[int]]:
        best, reusable, following = 0, 0, []
        for text in self.kept:
            n = next((i for i, (a, b) in enumerate(zip(text, tokens, strict=False)) if a != b),
                     min(len(text), len(tokens)))  # fmt: skip
            if n > best:
                best, following = n, text[n:]
            if self.reach is None or n >= len(text) - self.reach:
                reusable = max(reusable, n)
        return best, reusable, following

    def recall(self, tokens: list[int], n_tokens: int) -> FakeSequence:
        if n_tokens > self.find(tokens)[1]:
            raise ValueError(f"n_tokens is {n_tokens}, more than was kept")
        return FakeSequence(tokens[:n_tokens], self.slack, n_tokens)

    def restore(self, tokens: list[int], read: Callable[[int, int], bytes | None]) -> FakeSequence:
        if len(tokens) > self.n_ctx:
            raise ContextLengthError(f"{len(tokens)} tokens, the context holds {self.n_ctx}")
        for index, begin in enumerate(range(0, len(tokens), FAKE_PAGE)):
            page = read(0, index)
            if page is None:
                raise ValueError(f"page {index} of group 0 is missing")
            if json.loads(page) != tokens[begin : begin + FAKE_PAGE]:
                raise FormatError(f"page {index} is not that of its tokens")
        return FakeSequence(list(tokens), self.slack, len(tokens))

    @property
    def dim(self) -> int:
        """Columns of the hidden states."""
        return FakePooler.DIM

    def pooler(self, pooling: str) -> FakePooler:
        return FakePooler(pooling)

    def step(self, batch: list[tuple[FakeSequence, list[int], Any]]) -> int:
        self.before()
        assert 0 < sum(len(tokens) for _, tokens, _ in batch) <= self.chunk
        if len({id(sequence) for sequence, _, _ in batch}) != len(batch):
            raise ValueError("the same sequence stands in the batch twice")
        for sequence, tokens, _ in batch:
            if sequence.n_tokens + len(tokens) > self.n_ctx:
                raise ContextLengthError("the API must not let this happen")
        self.rows = []
        for sequence, tokens, logits in batch:
            assert tokens
            ends = range(sequence.n_tokens + 1, sequence.n_tokens + len(tokens) + 1)
            sequence.extend(tokens)
            if isinstance(logits, FakePooler):
                logits.states += [sequence.held[:end] for end in ends]
                continue
            ends = {"none": ends[:0], "last": ends[-1:], "all": ends}[logits]
            self.rows += [self.model(sequence.held[:end]) for end in ends]
        self.passes.append(sum(len(tokens) for _, tokens, _ in batch))
        self.batches.append(len(batch))
        self.after()
        return len(self.rows)

    def interrupt(self) -> None:
        """Its passes end at once."""

    def choose(self, choices: list[Choice]) -> list[list[Sampled] | BaseException]:
        return [self._chosen(choice) for choice in choices]

    def _chosen(self, choice: Choice) -> list[Sampled] | BaseException:
        held = choice.sequence.held
        text = held[: len(held) - len(choice.draft)]
        chosen: list[Sampled] = []
        for i, drafted in enumerate([*choice.draft, None]):
            if choice.masks is not None and i == len(choice.masks):
                break
            logits = self.rows[choice.row + i]
            mask = None if choice.masks is None else choice.masks[i]
            try:
                sampled = choice.sampler.sample(
                    logits, [*text, *choice.draft[:i]], choice.n_logprobs, mask, choice.forced
                )
            except Exception as error:
                if not chosen:
                    return error
                break
            chosen.append(sampled)
            if sampled.token != drafted:
                break
        if choice.draft:
            choice.sequence.truncate(len(text) - 1 + len(chosen))
        return chosen

    def score(self, first_row: int, targets: list[int], n_top: int = 0) -> list[FakeScored]:
        scored = []
        for row, target in enumerate(targets, first_row):
            logprobs = log_probabilities(self.rows[row])
            best = np.argsort(-logprobs, kind="stable")
            top = [(int(t), float(logprobs[t])) for t in best[:n_top]]
            scored.append(FakeScored(float(logprobs[target]), bool(best[0] == target), top))
        return scored

    def logits(self) -> NDArray[np.float32]:
        return np.stack(self.rows)


@dataclass
class FakePooler:
    """Its hidden states are the first of `hashed_logits`."""

    DIM: ClassVar = 12
    pooling: str
    states: list[list[int]] = field(default_factory=list)

    def vector(self, *, dimensions: int = DIM, normalized: bool = True) -> NDArray[np.float32]:
        texts = self.states if self.pooling == "mean" else self.states[-1:]
        mean = np.mean([hashed_logits(text)[:dimensions] for text in texts], axis=0)
        return mean / np.linalg.norm(mean) if normalized else mean


@dataclass(frozen=True)
class FakeSampled:
    token: int
    logprob: float
    top: list[tuple[int, float]]


@dataclass(frozen=True)
class FakeScored:
    logprob: float
    greedy: bool
    top: list[tuple[int, float]]


def log_probabilities(row: NDArray[np.float32]) -> NDArray[np.float64]:
    logits = row.astype(np.float64)
    return logits - math.log(np.exp(logits).sum())


class FakeSampler:
    def __init__(
        self, *, temperature: float, seed: int, logit_bias: dict[int, float] | None, **others: Any
    ) -> None:
        self.temperature, self.seed, self.bias, self.others = temperature, seed, logit_bias, others

    def sample(
        self,
        row: NDArray[np.float32],
        history: list[int],
        n_logprobs: int,
        mask: NDArray[np.uint32] | None,
        forced: int | None,
    ) -> FakeSampled:
        logits = row.astype(np.float64)
        logprobs = log_probabilities(row)
        best = np.argsort(-logprobs)[:n_logprobs]
        if mask is not None:
            bits = np.unpackbits(mask.view(np.uint8), bitorder="little")[: len(logits)]
            if not bits.any():
                raise Error("the mask allows no token")
            logits[bits == 0] = -np.inf
        for token, bias in (self.bias or {}).items():
            logits[token] += bias
        if self.temperature > 0:
            noise = np.random.default_rng((self.seed, len(history))).gumbel(size=len(logits))
            logits = logits / self.temperature + noise
        token = int(logits.argmax()) if forced is None else forced
        top = [(int(t), float(logprobs[t])) for t in best]
        return FakeSampled(token, float(logprobs[token]) if n_logprobs else math.nan, top)


class FakeRuntime(Runtime):
    """Pestle's own, but for `drafts`, which take the place of its speculation."""

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.drafts: Any = None
        self.samplers: list[Any] = []

    def new_speculation(self, request: Request) -> Any:
        if self.drafts is None:
            return super().new_speculation(request)
        return self.drafts if request.speculation else None

    def new_sampler(self, request: Request) -> Any:
        self.samplers.append(super().new_sampler(request))
        return self.samplers[-1]


@pytest.fixture
def make_llm() -> Callable[..., LLM]:
    """An LLM over a FakeEngine, which is its `engine`; keywords are the engine's.

    `lacks` has the bytes that its vocabulary has no token for.
    """

    def make(
        answer: str | None = None,
        *,
        end: bool = True,
        sampling: Sampling | None = None,
        seed: int | None = None,
        template: str | None = TEMPLATE,
        marks: tuple[str, ...] = (),
        architecture: str = "fake",
        drafter: Any = None,
        sampler: Any = FakeSampler,
        n_vocab: int | None = None,
        lacks: bytes = b"",
        unknown_characters: str = "error",
        pooling: str | None = None,
        **engine: Any,
    ) -> LLM:
        file: Any = metadata(marks)
        for byte in lacks:
            file["tokenizer.ggml.tokens"][byte] = f"[no {byte}]"
        if template is not None:
            file["tokenizer.chat_template"] = template
        if answer is not None:
            engine["model"] = says(answer, end)
        tokenizer = Tokenizer.from_gguf(file)
        if template is None:
            del file["tokenizer.chat_template"]
        model: Any = None
        runtime = FakeRuntime(
            Loaded(
                name="fake",
                path="fake.gguf",
                architecture=architecture,
                n_vocab=tokenizer.n_vocab if n_vocab is None else n_vocab,
                model=model,
                engine=FakeEngine(**engine),  # type: ignore[arg-type]
                sampler=sampler,
                tokenizer=tokenizer,
                template=ChatTemplate.from_gguf(file, tokenizer),
                format=format_of(architecture, template, tokenizer),
                drafter=drafter,
                sampling=sampling or Sampling(),
                seed=seed,
                unknown_characters=unknown_characters,
                pooling=pooling,
            )
        )
        runtime.loaded.engine.runtime = runtime  # type: ignore[attr-defined]
        return LLM.from_runtime(runtime)

    return make


@pytest.fixture
def llm(make_llm: Callable[..., LLM]) -> LLM:
    """An LLM that babbles letters and never ends by itself."""
    return make_llm()
