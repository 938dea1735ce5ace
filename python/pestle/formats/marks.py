"""Marks: the control tokens of a format, told from text by their ids.

A parser works on text in which every mark is one private character, a lone surrogate: no text that
a model says can hold one, because text is UTF-8. So a text that spells `<|end|>` stays text, and a
parser needs to know nothing of tokens. Where the vocabulary has no token for a mark (a model
without `<think>` as a token was trained to spell it), the mark is its spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

_FIRST = 0xD800
_PRIVATE = re.compile("([\ud800-\udfff])")


class TokenIds(Protocol):
    """A vocabulary."""

    def token_id(self, text: str) -> int | None: ...


class Marks:
    """The marks of one format in one vocabulary."""

    def __init__(self, vocabulary: TokenIds, spellings: Iterable[str]) -> None:
        self._codes: dict[str, str] = {}
        self._spellings: dict[str, str] = {}
        self._code_of_token: dict[int, str] = {}
        for number, spelling in enumerate(dict.fromkeys(spellings)):
            token = vocabulary.token_id(spelling)
            if token is None:
                self._codes[spelling] = spelling
                continue
            code = chr(_FIRST + number)
            self._codes[spelling] = self._code_of_token[token] = code
            self._spellings[code] = spelling

    def __getitem__(self, spelling: str) -> str:
        """What stands for the mark in a parser's text."""
        return self._codes[spelling]

    def is_mark(self, token: int) -> bool:
        """Whether a token is a mark."""
        return token in self._code_of_token

    def write(self, token: int, text: str) -> str:
        """A token, whose text is `text`, as a parser's text."""
        return self._code_of_token.get(token) or self.text(text)

    def text(self, text: str) -> str:
        """Text that is no mark, as a parser's text."""
        return _PRIVATE.sub("\ufffd", text)

    def spelled(self, text: str) -> str:
        """A parser's text with its marks spelled out."""
        return _PRIVATE.sub(lambda match: self._spellings[match[0]], text)

    def pieces(self, text: str) -> list[str]:
        """A parser's text cut before and after each mark that is a token."""
        return [piece for piece in _PRIVATE.split(text) if piece]

    def holds_token(self, text: str) -> bool:
        """Whether a parser's text has a mark that is a token."""
        return _PRIVATE.search(text) is not None

    def is_code(self, piece: str) -> bool:
        """Whether a piece of text is a mark that is a token."""
        return piece in self._spellings


def held_back(text: str, marks: Iterable[str]) -> int:
    """How many last characters of `text` could be the beginning of one of `marks`."""
    longest = 0
    for mark in marks:
        for length in range(min(len(mark) - 1, len(text)), longest, -1):
            if text.endswith(mark[:length]):
                longest = length
                break
    return longest
