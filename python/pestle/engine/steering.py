"""Leading a model out of its reasoning once it has reasoned enough."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from pestle.engine.answer import Answer


class Steering:
    """Says which token comes next where that is not for the model to choose.

    When an answer has as many tokens of reasoning as `budget` allows, the tokens of `lead_out`
    follow, which end the reasoning as the model's format does. The model goes on from there.
    """

    def __init__(self, answer: Answer, budget: int | None, lead_out: Sequence[int]) -> None:
        self._answer = answer
        self._budget = budget
        self._lead_out = lead_out
        self._ahead: deque[int] = deque()

    def next(self) -> int | None:
        """The token that comes next, None if the model chooses it."""
        if self._is_spent() and not self._ahead:
            self._ahead.extend(self._lead_out)
        return self._ahead.popleft() if self._ahead else None

    def _is_spent(self) -> bool:
        answer, budget = self._answer, self._budget
        return (
            budget is not None and answer.reader.in_reasoning and answer.reasoning_tokens >= budget
        )
