"""Tokens with their probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token's natural-log probability under the model itself.

    "Itself" means before temperature, penalties, bias and truncation, which decide only the choice.

    Attributes:
        token: Its id, in [0, n_vocab).
        piece: Its bytes, which may be a part of a character; a control token's are its spelling.
        logprob: The natural logarithm of its probability.
        top: The likeliest tokens there, as many as were asked for, best first.
    """

    token: int
    piece: bytes
    logprob: float
    top: tuple[TokenLogprob, ...] = ()

    @property
    def text(self) -> str:
        """`piece` as text; what is only a part of a character is U+FFFD."""
        return self.piece.decode("utf-8", errors="replace")

    def to_dict(self) -> dict[str, Any]:
        """The token as JSON has it: its bytes as numbers, and as the text that they are or nearly.

        Those of `top` are given alike.
        """
        return {
            "token": self.token,
            "text": self.text,
            "bytes": list(self.piece),
            "logprob": self.logprob,
            "top": [other.to_dict() for other in self.top],
        }


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A token of a prompt, as the model sees it after all tokens before it.

    Attributes:
        token: As in `TokenLogprob`, like `piece`, `logprob` and `top`.
        piece: Its bytes.
        logprob: The natural logarithm of its probability.
        is_greedy: Whether it is the likeliest token there; of equal ones the lowest id is.
        top: The likeliest tokens there, best first.
    """

    token: int
    piece: bytes
    logprob: float
    is_greedy: bool
    top: tuple[TokenLogprob, ...] = ()

    @property
    def text(self) -> str:
        """`piece` as text; what is only a part of a character is U+FFFD."""
        return self.piece.decode("utf-8", errors="replace")

    def to_dict(self) -> dict[str, Any]:
        """As `TokenLogprob.to_dict`, with `is_greedy`."""
        token = TokenLogprob(self.token, self.piece, self.logprob, self.top)
        return {**token.to_dict(), "is_greedy": self.is_greedy}
