"""A text that follows a grammar, token by token, and which tokens may come next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from llguidance import LLMatcher

from pestle.constraints.bounds import LIMITS
from pestle.constraints.grammar_vocabulary import GrammarVocabulary
from pestle.constraints.library import library_errors
from pestle.errors import GrammarError

if TYPE_CHECKING:
    from numpy import uint32
    from numpy.typing import NDArray


_TOO_MUCH = ("fuel", "too big", "too large", "too many expressions", "TooComplex")
_LONGEST = 1000  # characters of a message, which may quote all that was given


class Matcher:
    """The tokens of a grammar's text so far. Copies are cheap; no two threads may use one."""

    def __init__(self, vocabulary: GrammarVocabulary, grammar: str) -> None:
        """Raises GrammarError for a grammar that cannot be followed, and says why."""
        self._vocabulary = vocabulary
        self._beginning = vocabulary.compiled(grammar, lambda: _beginning(vocabulary, grammar))
        self._now = self._beginning.deep_copy()
        self._text: list[int] = []

    def fresh(self) -> Matcher:
        """One that is at the beginning of the text."""
        copy = object.__new__(Matcher)
        copy._vocabulary, copy._beginning = self._vocabulary, self._beginning
        copy._now, copy._text = self._beginning.deep_copy(), []
        return copy

    @property
    def n_tokens(self) -> int:
        """How many tokens the text has."""
        return len(self._text)

    @property
    def is_complete(self) -> bool:
        """Whether the text may end here."""
        return bool(self._now.is_accepting())

    def allows(self, token: int) -> bool:
        """Whether a token may come next; one that ends answers never does: it is not text."""
        return token not in self._vocabulary.ends and self._now.validate_tokens([token]) == 1

    def push(self, token: int) -> None:
        """Take the next token, which must be allowed."""
        self._now.consume_token(token)
        self._check()
        self._text.append(token)

    def mask(self) -> NDArray[uint32]:
        """The tokens of text that may come next; GrammarError if that cannot be computed."""
        words = np.zeros(self._vocabulary.n_words, np.uint32)
        self._now.unsafe_compute_mask_ptr(words.ctypes.data, words.nbytes)  # without the GIL
        self._check()
        for end in self._vocabulary.ends:
            words[end // 32] &= ~np.uint32(1 << end % 32)
        return words

    def forced(self) -> list[int]:
        """The tokens that come next whatever is chosen, as far as can be told."""
        return list(self._now.compute_ff_tokens())

    def shorten(self, n_tokens: int) -> None:
        """Have all but the first `n_tokens` forgotten, also after an error."""
        if self._now.is_error() or not self._now.rollback(len(self._text) - n_tokens):
            self._now = self._beginning.deep_copy()
            self._now.consume_tokens(self._text[:n_tokens])
        del self._text[n_tokens:]

    def _check(self) -> None:
        if self._now.is_error():
            raise GrammarError(f"the grammar failed: {_one_line(self._now.get_error())}")


def _beginning(vocabulary: GrammarVocabulary, grammar: str) -> LLMatcher:
    """One that is never gone on with, so that all may copy it. Raises as `Matcher`."""
    made = LLMatcher(vocabulary.tokenizer, grammar, log_level=0, limits=LIMITS)
    # What no text can follow shows with the first mask.
    words = np.zeros(vocabulary.n_words, np.uint32)
    made.unsafe_compute_mask_ptr(words.ctypes.data, words.nbytes)
    if made.is_error():
        raise GrammarError(_one_line(made.get_error()))
    return made


def problems(vocabulary: GrammarVocabulary, grammar: str) -> Sequence[str]:
    """What is wrong with a grammar, warnings too; nothing if it can be followed."""
    return vocabulary.compiled(("problems", grammar), lambda: _problems(vocabulary, grammar))


def _problems(vocabulary: GrammarVocabulary, grammar: str) -> Sequence[str]:
    with library_errors("the grammar"):
        _, messages = LLMatcher.validate_grammar_with_warnings(
            grammar, vocabulary.tokenizer, limits=LIMITS
        )
    return [_one_line(message) for message in messages]


def _one_line(message: str) -> str:
    """A message without the parser's state, and without lines that only point at the one above."""
    said = message.partition("<state>")[0].partition("<backtrace>")[0]
    text = " ".join(line.strip() for line in said.splitlines() if line.strip(" ^"))
    if text.startswith("NoExtension"):
        return "no text can follow it: its rules, or `$ref`, lead back to themselves only"
    if any(word in text for word in _TOO_MUCH):
        text = (
            f"it takes more work than a grammar may ({LIMITS.initial_lexer_fuel:,} steps): {text}"
        )
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
