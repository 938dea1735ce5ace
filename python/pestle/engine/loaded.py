"""The parts of a loaded model, as generation sees them.

The protocols name what is used of `pestle._core`, so that tests can put a small model in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pestle.engine.sequence import KvSequence
from pestle.engine.speculation import TokenDrafter
from pestle.formats import Format
from pestle.options import EngineOptions, Sampling

if TYPE_CHECKING:
    from numpy import float32, uint32
    from numpy.typing import NDArray

    from pestle._core import Model
    from pestle.footprint import Settled
    from pestle.tokenizer import Tokenizer


class ForwardPass(Protocol):
    """A `_core.Engine`."""

    @property
    def n_ctx(self) -> int: ...
    @property
    def chunk(self) -> int: ...
    @property
    def dim(self) -> int: ...
    @property
    def kv_groups(self) -> list[tuple[int, int]]: ...
    @property
    def kv_limit(self) -> int: ...
    @property
    def kv_used(self) -> int: ...
    @property
    def kept_bytes(self) -> int: ...
    def kv_size(self, n_tokens: int) -> int: ...
    def sequence(self, remembered: bool = ...) -> Any: ...
    def keep(self, sequence: Any) -> None: ...
    def forget(self, sequence: Any) -> None: ...
    def find(self, tokens: list[int]) -> tuple[int, int, list[int]]: ...
    def recall(self, tokens: list[int], n_tokens: int) -> Any: ...
    def restore(
        self, tokens: list[int], read: Callable[[int, int], bytes | None]
    ) -> KvSequence: ...
    def pooler(self, pooling: str) -> Pooler: ...
    def step(self, batch: list[tuple[Any, list[int], Any]]) -> int: ...
    def interrupt(self) -> None: ...
    def choose(self, choices: Sequence[Choice]) -> Sequence[Sequence[Sampled] | BaseException]: ...
    def score(
        self, first_row: int, targets: Sequence[int], n_top: int = ...
    ) -> Sequence[Scored]: ...
    def logits(self) -> NDArray[float32]: ...


class Sampled(Protocol):
    """A `_core.Sampled`: the token that was chosen, with log probabilities."""

    @property
    def token(self) -> int: ...
    @property
    def logprob(self) -> float: ...
    @property
    def top(self) -> list[tuple[int, float]]: ...


class Pooler(Protocol):
    """A `_core.Pooler`: makes a vector of the hidden states of a text's tokens."""

    def vector(self, *, dimensions: int = ..., normalized: bool = ...) -> NDArray[float32]: ...


class Scored(Protocol):
    """A `_core.Scored`: what the model itself thinks of a token."""

    @property
    def logprob(self) -> float: ...
    @property
    def greedy(self) -> bool: ...
    @property
    def top(self) -> list[tuple[int, float]]: ...


class Choice(NamedTuple):
    """What `_core.Engine.choose` takes: what to choose behind the rows that a sequence was fed."""

    sampler: Any  # a `_core.Sampler`
    sequence: Any  # the core's
    row: int  # of the step's logits
    draft: list[int]  # the last tokens that were fed: guesses
    n_logprobs: int
    masks: list[NDArray[uint32]] | None  # a mask for each row; None: any token may come
    forced: int | None  # the token that comes, whatever the sampler would choose


class ChatEncoder(Protocol):
    """A chat template together with the tokenizer of its file."""

    @property
    def source(self) -> str: ...
    @property
    def variables(self) -> frozenset[str]: ...
    @property
    def roles(self) -> Any: ...  # a `template.roles.Roles`

    def encode(
        self, messages: Sequence[Mapping[str, Any]], *, tools: Any = ..., **variables: Any
    ) -> list[int]: ...


@dataclass(frozen=True)
class Loaded:
    """A model in memory: its forward pass, its text side and its defaults."""

    name: str
    path: str
    architecture: str
    n_vocab: int
    model: Model
    engine: ForwardPass
    sampler: Callable[..., Any]  # a `_core.Sampler`
    tokenizer: Tokenizer
    template: ChatEncoder | None
    format: Format | None = None  # None: all that the model says is content
    sampling: Sampling = field(default_factory=Sampling)
    sampling_source: str | None = None  # who says so; None: these are Pestle's own defaults
    pooling: str | None = None  # how the file has vectors made of texts; None: not at all
    seed: int | None = None
    streams: bool = False  # whether experts are read from the file when tokens ask for them
    drafter: Callable[[], TokenDrafter] | None = None  # None: no speculation
    unknown_characters: str = "error"  # or "replace": what becomes of those in prompts
    files: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The files as they were before they were read."""
    options: EngineOptions = field(default_factory=EngineOptions)
    settled: Settled | None = None
    """What the options came to in the memory that there is; None: nobody asked."""

    def token_bytes(self, token: int) -> bytes:
        """What a token stands for; nothing, if it is of the rows that only pad the vocabulary."""
        return self.tokenizer.token_bytes(token) if token < self.tokenizer.n_vocab else b""

    def never_chosen(self) -> dict[int, float]:
        """A bias against the file's unused tokens and those that only pad the vocabulary."""
        padding = range(self.tokenizer.n_vocab, self.n_vocab)
        return dict.fromkeys([*self.tokenizer.suppressed_ids, *padding], float("-inf"))
