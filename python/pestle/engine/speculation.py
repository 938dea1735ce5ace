"""Speculation: drafting what comes next, so that one forward pass verifies several tokens.

A token is accepted only if the sampler chooses it from the logits that plain decoding would have
computed, to the bit. So drafts, good or bad, change nothing but the speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from pestle.engine.governor import Governor
from pestle.engine.masks import TokenConstraint
from pestle.engine.step_costs import ROWS, StepCosts


class TokenDrafter(Protocol):
    """A `_core.Drafter`: a text, and guesses how it goes on."""

    @property
    def n_tokens(self) -> int: ...
    def extend(self, tokens: list[int]) -> None: ...
    def draft(self, most: int) -> tuple[list[int], list[float]]: ...


class Speculation:
    """The drafts of one generation, and how they fared."""

    def __init__(self, drafter: TokenDrafter, costs: StepCosts, ends: Iterable[int] = ()) -> None:
        """`ends`: tokens after which nothing follows."""
        self.drafted = 0  # tokens that were verified
        self.accepted = 0
        self._drafter: TokenDrafter | None = drafter
        self._governor = Governor(costs)
        self._ends = frozenset(ends)
        self._guess: list[int] = []
        self._confidences: list[float] = []

    def give_up(self) -> None:
        """Draft nothing from now on."""
        self._drafter = None
        self._guess, self._confidences = [], []

    def draft(
        self, text: list[int], most: int, constraint: TokenConstraint | None = None
    ) -> list[int]:
        """Tokens worth verifying after `text`, at most so many.

        `text` is that of the last call and what came after it. What a `constraint` forces is
        drafted first, and nothing that it refuses.
        """
        if self._drafter is None:
            return []
        self._drafter.extend(text[self._drafter.n_tokens :])
        most = max(0, min(most, ROWS[-1] - 1))
        sure = [] if constraint is None else constraint.sure(most)
        guess, confidences = (sure, [1.0] * len(sure)) if sure else self._drafter.draft(most)
        if constraint is not None and not sure:
            n = constraint.admitted(guess)
            del guess[n:], confidences[n:]
        if not self._ends.isdisjoint(guess):
            end = next(i for i, token in enumerate(guess) if token in self._ends)
            del guess[end:], confidences[end:]
        self._guess, self._confidences = guess, confidences
        return guess[: self._governor.choose(confidences)]

    def learn(self, verified: int, chosen: Sequence[int], seconds: float) -> None:
        """Learn from the pass that verified so many tokens of the last draft.

        `chosen` are the tokens that it gave: those of the draft that were right, and one more. It
        also tells about the first token that was drafted but not verified, at no cost: that is how
        a text that begins to repeat itself is noticed while nothing is verified.
        """
        self.drafted += verified
        self.accepted += len(chosen) - 1
        for guess, confidence, token in zip(self._guess, self._confidences, chosen, strict=False):
            self._governor.record_fate(confidence, guess == token)
        self._governor.record_step(verified + 1, seconds, len(chosen))
