"""Sees that an answer repeats itself: small models do, and never end by themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_LONGEST: Final = 128  # tokens of a passage that may come again and again
_TIMES: Final = 5  # as often has it to come,
_LEAST: Final = 160  # and so many tokens have to be repetition
_LINES: Final = 12  # lines that say the same but for their numbers
_WORDS: Final = 5  # of such a line at least: a table of numbers is none
_NUMBERS: Final = re.compile(r"[\d.,:)(|*#_-]+")


class LoopGuard:
    """Hears of an answer as it comes.

    A loop is a passage of up to 128 tokens that comes again without a break, five times more and
    for 160 tokens at least; or twelve lines of words in a row that differ in numbers alone, as a
    list does that goes on and on. Code and tables may repeat a line or two without being one.
    """

    def __init__(self) -> None:
        self.tripped = False
        self._tokens: list[int] = []
        self._runs = [0] * (_LONGEST + 1)  # by distance: tokens on end that are as those before
        self._line = ""
        self._said = ""  # the last line, without its numbers
        self._same = 1

    def add(self, tokens: Sequence[int], text: str) -> bool:
        """Whether the answer is in a loop now that these tokens, or this text, have come."""
        for token in tokens:
            self._add_token(token)
        for piece in text.splitlines(keepends=True):
            self._line += piece
            if piece.endswith("\n"):
                self._end_line()
        return self.tripped

    def _add_token(self, token: int) -> None:
        tokens, runs = self._tokens, self._runs
        for distance in range(1, min(len(tokens), _LONGEST) + 1):
            if tokens[-distance] != token:
                runs[distance] = 0
                continue
            runs[distance] += 1
            if runs[distance] >= max(_TIMES * distance, _LEAST):
                self.tripped = True
        tokens.append(token)
        del tokens[:-_LONGEST]

    def _end_line(self) -> None:
        words = _NUMBERS.sub(" ", self._line).split()
        self._line = ""
        if not words:
            return  # a blank line between two
        said = " ".join(words)
        self._same = self._same + 1 if said == self._said and len(words) >= _WORDS else 1
        self._said = said
        if self._same >= _LINES:
            self.tripped = True
