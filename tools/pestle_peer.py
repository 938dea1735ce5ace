"""Pestle, in the form that tools compare: token ids in, logits out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pestle import LLM
from scores import Logits


class Pestle:
    """One sequence of an LLM."""

    def __init__(self, llm: LLM) -> None:
        self._engine = llm.engine
        self._sequence = llm.engine.sequence()
        self.n_vocab = llm.n_vocab

    def clear(self) -> None:
        """Forgets all tokens."""
        self.truncate(0)

    def truncate(self, n_tokens: int) -> None:
        """Forgets all but the first n_tokens."""
        self._sequence.truncate(n_tokens)

    def advance(self, tokens: Sequence[int]) -> None:
        """Appends tokens; computes the last one's logits and leaves them in the engine."""
        for part, wanted in self._chunks(tokens):
            self._engine.step([(self._sequence, part)], logits=wanted)

    def feed(self, tokens: Sequence[int], *, all_logits: bool = False) -> Logits:
        """Appends tokens; logits of the last (n_vocab) or of all of them (tokens, n_vocab)."""
        rows: list[Logits] = []
        for part, wanted in self._chunks(tokens):
            if self._engine.step([(self._sequence, part)], logits="all" if all_logits else wanted):
                rows.append(self._engine.logits())
        return np.concatenate(rows) if all_logits else rows[-1][0]

    def _chunks(self, tokens: Sequence[int]) -> list[tuple[list[int], str]]:
        """What a step takes at a time, and whether it needs the last token's logits."""
        starts = range(0, len(tokens), self._engine.chunk)
        parts = [list(tokens[start : start + self._engine.chunk]) for start in starts]
        return [(part, "last" if part is parts[-1] else "none") for part in parts]
