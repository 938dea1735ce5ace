"""A tokenizer's vocabulary as the parser of grammars wants it: the bytes of every token."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from functools import cached_property
from threading import Lock
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary, ref

from llguidance import LLTokenizer

from pestle.tokenizer import Tokenizer

_made: WeakKeyDictionary[Tokenizer, dict[Any, GrammarVocabulary]] = WeakKeyDictionary()
_making = Lock()

T = TypeVar("T")
_KEPT = 64  # compiled grammars of a vocabulary


class GrammarVocabulary:
    """A vocabulary of `n_vocab` tokens. Control tokens, and those named `apart`, are not text.

    Building one takes 1 to 2 seconds for 200,000 tokens, so `vocabulary_of` keeps them.
    """

    def __init__(self, tokenizer: Tokenizer, n_vocab: int, apart: frozenset[int]) -> None:
        self.n_vocab = n_vocab
        self.n_words = (n_vocab + 31) // 32
        self.ends = tuple(sorted(tokenizer.eog_ids))
        words = _Words(tokenizer, n_vocab, apart, self.ends)
        self.tokenizer = LLTokenizer(words)  # type: ignore[arg-type]
        assert self.tokenizer.vocab_size == n_vocab
        self._compiled: OrderedDict[Any, Any] = OrderedDict()
        self._compiling = Lock()  # over the dictionary

    def compiled(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gave for `key`, made once as long as it is among those used last.

        A call that checks a schema, one that answers by it, its rounds and a list of chats have the
        same schemas, and compiling one takes up to seconds.
        """
        with self._compiling:
            if key in self._compiled:
                self._compiled.move_to_end(key)
                return cast("T", self._compiled[key])
        made = make()  # not under the lock: others need not wait for it
        with self._compiling:
            self._compiled[key] = made
            while len(self._compiled) > _KEPT:
                self._compiled.popitem(last=False)
        return made


def vocabulary_of(
    tokenizer: Tokenizer, n_vocab: int, apart: Iterable[int] = ()
) -> GrammarVocabulary:
    """The vocabulary of a tokenizer, made once; `n_vocab` counts the model's padding too.

    `apart`: tokens that are not text, though the file does not call them control tokens.
    """
    key = (n_vocab, frozenset(apart))
    with _making:
        of_tokenizer = _made.setdefault(tokenizer, {})
        if key not in of_tokenizer:
            of_tokenizer[key] = GrammarVocabulary(tokenizer, *key)
        return of_tokenizer[key]


class _Words:
    """What `LLTokenizer` asks for, by the names that it asks for."""

    is_tokenizer_wrapper = True
    bos_token_id = None

    def __init__(
        self, tokenizer: Tokenizer, n_vocab: int, apart: frozenset[int], ends: tuple[int, ...]
    ) -> None:
        known = range(tokenizer.n_vocab)
        padding = [b""] * (n_vocab - tokenizer.n_vocab)
        unused = tokenizer.suppressed_ids
        self.tokens = [
            b"" if token in unused else tokenizer.token_bytes(token) for token in known
        ] + padding
        self.special_token_ids = sorted(
            {token for token in known if tokenizer.is_control(token)} | apart | {*ends}
        )
        # It must have one. What ends an answer is decided by the phases, not by this.
        self.eos_token_id = ends[0] if ends else 0
        # The vocabulary is kept for as long as the tokenizer lives, so it must not keep it alive.
        self._tokenizer = ref(tokenizer)

    def __call__(self, text: str | bytes) -> list[int]:
        """Tokens of text that a grammar forces: the model's own, if they are that text."""
        whole = text.encode() if isinstance(text, str) else text
        tokenizer = self._tokenizer()
        if tokenizer is not None:
            tokens = tokenizer.encode_within(whole.decode())
            if b"".join(map(self.tokens.__getitem__, tokens)) == whole:
                return tokens
        return self._greedy(whole)

    def _greedy(self, text: bytes) -> list[int]:
        """The longest token, again and again, as far as there are any."""
        tokens: list[int] = []
        while text:
            lengths = range(min(len(text), self._longest), 0, -1)
            known = (self._ids[text[:n]] for n in lengths if text[:n] in self._ids)
            if (token := next(known, None)) is None:
                break
            tokens.append(token)
            text = text[len(self.tokens[token]) :]
        return tokens

    @cached_property
    def _ids(self) -> dict[bytes, int]:
        special = frozenset(self.special_token_ids)
        return {text: n for n, text in enumerate(self.tokens) if text and n not in special}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._ids), default=0)
