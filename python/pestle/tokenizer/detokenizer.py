"""From tokens to text, one token at a time, as a model produces them."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pestle.tokenizer.tokenizer import Tokenizer


class Detokenizer:
    """Turns tokens into text as they come, without ever splitting a character.

    A token may end within a character. Its last bytes, at most three, are then held back until
    the character is whole; only what can no longer become one comes out as U+FFFD. All that
    `push` and `flush` return is what `Tokenizer.decode` makes of the same tokens.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, skip_special: bool = True, at_start: bool = True
    ) -> None:
        """Control tokens have no text if `skip_special`, else they are spelled out.

        `at_start` says that no text goes before: SentencePiece-style tokenizers put a space in
        front of every text, which is then taken off.
        """
        self._tokenizer = tokenizer
        self._skip_special = skip_special
        self._strip = at_start and tokenizer.strips_space
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """The text that `token` adds, which may be empty; IndexError outside the vocabulary."""
        if self._skip_special and self._tokenizer.is_control(token):
            return ""
        return self._decode(self._tokenizer.token_bytes(token))

    def flush(self) -> str:
        """The end: a character that is still incomplete comes out as U+FFFD."""
        return self._decode(b"", final=True)

    def _decode(self, data: bytes, *, final: bool = False) -> str:
        if self._strip and data:
            self._strip = False
            data = data.removeprefix(b" ")
        return self._decoder.decode(data, final)
