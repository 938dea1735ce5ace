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

    def clear(self) -> None:
        """Forgets all tokens."""
        self._sequence.truncate(0)

    def feed(self, tokens: Sequence[int], *, all_logits: bool = False) -> Logits:
        """Appends tokens; logits of the last (n_vocab) or of all of them (tokens, n_vocab)."""
        rows: list[Logits] = []
        for start in range(0, len(tokens), self._engine.chunk):
            part = list(tokens[start : start + self._engine.chunk])
            final = start + len(part) == len(tokens)
            wanted = "all" if all_logits else "last" if final else "none"
            if self._engine.step([(self._sequence, part)], logits=wanted):
                rows.append(self._engine.logits())
        return np.concatenate(rows) if all_logits else rows[-1][0]
