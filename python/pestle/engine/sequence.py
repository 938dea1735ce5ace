"""The sequences of a model: what each holds, and that it lets go of it when the model is closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pestle.errors import Error
from pestle.results import Reuse

_SHOWN = 12  # tokens on either side of a difference


class KvSequence(Protocol):
    """A `_core.Sequence`: tokens whose keys and values are held."""

    @property
    def n_tokens(self) -> int: ...
    @property
    def tokens(self) -> list[int]: ...
    def reusable(self, n_tokens: int) -> int: ...
    def growth(self, n_tokens: int) -> int: ...
    def fork(self, n_tokens: int) -> KvSequence: ...
    def truncate(self, n_tokens: int) -> None: ...
    def mark(self) -> None: ...
    def page(self, group: int, index: int) -> bytes | None: ...
    def first_pages(self, n_tokens: int) -> list[int]: ...


class KeptTexts(Protocol):
    """Of a `_core.Engine`, what keeps the keys and values of texts and finds them again."""

    def keep(self, sequence: KvSequence) -> None: ...
    def find(self, tokens: list[int]) -> tuple[int, int, list[int]]: ...
    def recall(self, tokens: list[int], n_tokens: int) -> KvSequence: ...


class HeldSequence:
    """A sequence until its model is closed.

    A sequence of the core keeps its engine, and with it the weights, alive. Who uses one therefore
    gets it in this shell, from which `Runtime.close` takes it. Only the scheduler's thread looks
    inside.
    """

    __slots__ = ("__weakref__", "_kv", "_lasting", "_most", "_remembered")

    def __init__(self, kv: KvSequence, *, remembered: bool = True, lasting: bool = True) -> None:
        """`remembered`: its text may be kept. `lasting`: somebody goes on with it after a call."""
        self._remembered = remembered
        self._lasting = lasting
        self._kv: KvSequence | None = kv
        self._most: int | None = None

    @property
    def kv(self) -> KvSequence:
        """The core's sequence. Raises Error when the model was closed."""
        if self._kv is None:
            raise closed()
        if self._most is not None:
            if self._kv.n_tokens > self._most:
                self._kv.truncate(self._kv.reusable(self._most))
            self._most = None
        return self._kv

    def shorten(self, n_tokens: int) -> None:
        """Have all but the first `n_tokens` forgotten before the next use; any thread may call it.

        A stream that is dropped ends wherever the garbage collector runs, also in the middle of a
        pass.
        """
        self._most = n_tokens

    def rewind(self, texts: KeptTexts, prompt: list[int]) -> Reuse:
        """Hold what is still there of the beginning of `prompt`: held here or kept in `texts`.

        The prompt's last token is never among it: its logits are needed. What this sequence held
        until now is kept, as long as there is room for it.
        """
        kv, beginning = self.kv, prompt[:-1]
        texts.keep(kv)
        held = kv.tokens
        shared = common_prefix(held, beginning)
        kept, had = kv.reusable(shared), held[shared : shared + _SHOWN]
        of_texts, reusable, following = texts.find(beginning)
        if of_texts > shared:
            shared, had = of_texts, following[:_SHOWN]
        if reusable > kept:
            kept = reusable
            self._kv = kv = texts.recall(beginning, kept)
        elif kept < kv.n_tokens:
            kv.truncate(kept)
        if shared == len(beginning) and had[:1] == prompt[-1:]:
            had = []  # nothing differs
        return Reuse(kept, shared, tuple(had), tuple(prompt[shared : shared + _SHOWN]))

    def clear(self) -> None:
        """Hold no tokens."""
        self.kv.truncate(0)

    def let_go(self, texts: KeptTexts) -> None:
        """Hold no tokens; what it held is kept in `texts` as that of others is."""
        if self._remembered:
            texts.keep(self.kv)
        self.clear()

    def leave(self, texts: KeptTexts) -> None:
        """The same at the end of a call, unless somebody goes on with what it holds."""
        if not self._lasting:
            self.let_go(texts)

    def fork(self) -> HeldSequence:
        """One that holds the same."""
        return HeldSequence(self.kv.fork(self.kv.n_tokens))

    def drop(self) -> None:
        """Let go of the core's sequence; further use raises Error."""
        self._kv = None


def closed() -> Error:
    """What every use of a closed model raises."""
    return Error("the model is closed")


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two texts have in common at their beginning."""
    for position, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return position
    return min(len(a), len(b))
