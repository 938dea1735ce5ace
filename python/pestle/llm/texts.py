"""Texts as the model reads them: their tokens, their logits and their scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pestle.chat.characters import encoded, warn_of
from pestle.chat.entry import check_tokens, prompt_tokens, token_ids
from pestle.engine.scoring import alogits, ascores, logits, scores
from pestle.engine.waking import Awaited, in_thread
from pestle.options import check_bool, check_integer
from pestle.options.arguments import known_arguments
from pestle.options.checks import mistyped

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    from pestle.chat.calls import Prompt
    from pestle.engine.run import Lease
    from pestle.engine.runtime import Runtime
    from pestle.engine.sequence import HeldSequence
    from pestle.results import ScoredToken


class TextCalls(ABC):
    """Calls that generate nothing."""

    _runtime: Runtime

    @property
    @abstractmethod
    def _lease(self) -> Lease:
        """Gives a sequence for the time of one call."""

    @known_arguments
    def tokenize(
        self, text: str, *, add_special: bool = True, parse_special: bool = False
    ) -> list[int]:
        """Token ids of `text`: (n_tokens,), each in [0, n_vocab).

        `add_special`: with the tokens that the file wants around a text, such as BOS.
        `parse_special`: text like `<|im_end|>` means the control token of that name.
        Raises ArgumentTypeError for anything but a string, and UnknownCharacterError.
        """
        tokens, notes = self._encoding(text, add_special, parse_special)()
        warn_of(notes, above=2)
        return tokens

    @known_arguments
    def atokenize(
        self, text: str, *, add_special: bool = True, parse_special: bool = False
    ) -> Awaited[list[int]]:
        """`tokenize` for asyncio, in a thread, as for a text of many pages."""
        return _warned(in_thread(self._encoding(text, add_special, parse_special)))

    @known_arguments
    def detokenize(self, tokens: Sequence[int], *, skip_special: bool = True) -> str:
        """The text of token ids. Control tokens have none, or are spelled out.

        Raises ArgumentError for a token outside the vocabulary.
        """
        return self._decoding(tokens, skip_special)()

    @known_arguments
    def adetokenize(self, tokens: Sequence[int], *, skip_special: bool = True) -> Awaited[str]:
        """`detokenize` for asyncio, in a thread."""
        return in_thread(self._decoding(tokens, skip_special))

    def _encoding(
        self, text: str, add_special: bool, parse_special: bool
    ) -> Callable[[], tuple[list[int], tuple[str, ...]]]:
        """What gives the tokens of `text`, and what was replaced in it."""
        if not isinstance(text, str):
            raise mistyped("text", text, "a string")
        loaded = self._runtime.loaded
        encode = partial(
            loaded.tokenizer.encode,
            add_special=check_bool("add_special", add_special),
            parse_special=check_bool("parse_special", parse_special),
        )
        return partial(encoded, loaded, text, encode)

    def _decoding(self, tokens: Sequence[int], skip_special: bool) -> Callable[[], str]:
        """What gives the text of `tokens`."""
        ids = token_ids("tokens", tokens)
        tokenizer = self._runtime.loaded.tokenizer
        check_tokens("tokens", ids, tokenizer.n_vocab)
        skip = check_bool("skip_special", skip_special)
        return partial(tokenizer.decode, ids, skip_special=skip)

    @known_arguments
    def logits(self, prompt: Prompt) -> NDArray[float32]:
        """Logits after every token of `prompt` (text or token ids): (n_tokens, n_vocab) float32.

        Row i scores what may follow token i. They are the model's own: no temperature, no bias.
        Raises ArgumentError for an empty prompt, ContextLengthError for one over the context.
        """
        tokens, rows = self._to_fill(prompt)
        at = 0
        for part in logits(self._runtime, self._unremembered(), tokens):
            rows[at : at + len(part)] = part
            at += len(part)
        return rows

    @known_arguments
    def alogits(self, prompt: Prompt) -> Awaited[NDArray[float32]]:
        """`logits` for asyncio. Cancelling it ends the work before its next forward pass."""
        return self._afill(*self._to_fill(prompt))

    async def _afill(self, tokens: list[int], rows: NDArray[float32]) -> NDArray[float32]:
        at = 0
        async for part in alogits(self._runtime, self._unremembered(), tokens):
            rows[at : at + len(part)] = part
            at += len(part)
        return rows

    def _to_fill(self, prompt: Prompt) -> tuple[list[int], NDArray[float32]]:
        """The tokens of a prompt, and the array for their logits."""
        import numpy as np

        loaded = self._runtime.loaded
        tokens, notes = prompt_tokens(loaded, prompt)
        warn_of(notes, above=3)
        return tokens, np.empty((len(tokens), loaded.n_vocab), np.float32)

    def _unremembered(self) -> HeldSequence:
        return self._runtime.new_sequence(remembered=False, lasting=False)

    @known_arguments
    def score(
        self, prompt: Prompt, *, start: int = 1, logprobs: int = 0
    ) -> tuple[ScoredToken, ...]:
        """What the model thinks of the tokens of `prompt` (text or token ids), but for the first.

        One entry for each token from number `start` on: its log probability after all tokens
        before it, whether it is the likeliest one there, and the `logprobs` likeliest. The numbers
        are those of generation, and the same however much is computed at once or was before; 64 MB
        hold them. Raises ValueError for a prompt or a number out of range, ContextLengthError.
        """
        tokens, start, top = self._to_score(prompt, start, logprobs)
        with self._lease() as sequence:
            return tuple(scores(self._runtime, sequence, tokens, start, top))

    @known_arguments
    def ascore(
        self, prompt: Prompt, *, start: int = 1, logprobs: int = 0, client: str = ""
    ) -> Awaited[tuple[ScoredToken, ...]]:
        """`score` for asyncio. Cancelling it ends the work before its next forward pass.

        `client` is whom it is for: any name. Between clients the engine's time is shared fairly.
        """
        return self._ascores(*self._to_score(prompt, start, logprobs), client)

    async def _ascores(
        self, tokens: list[int], start: int, top: int, client: str
    ) -> tuple[ScoredToken, ...]:
        with self._lease() as sequence:
            return tuple(await ascores(self._runtime, sequence, tokens, start, top, client))

    def _to_score(self, prompt: Prompt, start: int, logprobs: int) -> tuple[list[int], int, int]:
        """What `score` is given, read and checked."""
        loaded = self._runtime.loaded
        tokens, notes = prompt_tokens(loaded, prompt)
        warn_of(notes, above=3)
        start = check_integer("start", start, 1, len(tokens))
        return tokens, start, check_integer("logprobs", logprobs, 0, loaded.n_vocab)


async def _warned(encoding: Awaited[tuple[list[int], tuple[str, ...]]]) -> list[int]:
    tokens, notes = await encoding
    warn_of(notes)
    return tokens
