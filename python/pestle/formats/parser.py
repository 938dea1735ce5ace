"""The parser of a model's answers: what every format has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pestle.formats.events import Content, Event
from pestle.formats.marks import Marks


class Parser(ABC):
    """Reads one answer, token by token, and tells what it consists of.

    The events do not depend on how the text is cut into tokens, and nothing that a model says makes
    a parser raise. Text that could turn out to be part of something else is held back.
    """

    def __init__(self, marks: Marks) -> None:
        self.marks = marks

    def push(self, token: int, text: str) -> list[Event]:
        """Take the next token, and the text that it adds. A mark's text is not looked at."""
        return self._feed(self.marks.write(token, text))

    def text(self, text: str) -> list[Event]:
        """Take text that is no mark."""
        return self._feed(self.marks.text(text)) if text else []

    @abstractmethod
    def finish(self) -> list[Event]:
        """The answer has ended: what was held back."""

    @property
    @abstractmethod
    def in_reasoning(self) -> bool:
        """Whether the next text is reasoning, as far as can be told."""

    @abstractmethod
    def _feed(self, text: str) -> list[Event]:
        """Take text in which marks are private characters."""

    def _content(self, text: str, warning: str | None = None) -> list[Event]:
        """`text` as content; marks that have no meaning there are spelled, with a warning."""
        events: list[Event] = []
        for piece in self.marks.pieces(text):
            spelled = self.marks.spelled(piece)
            if self.marks.is_code(piece) and warning is None:
                events.append(Content(spelled, f"{spelled} has no meaning here"))
            else:
                events.append(Content(spelled, warning))
        return events


class PlainParser(Parser):
    """All that the model says is content."""

    def finish(self) -> list[Event]:
        """Nothing was held back."""
        return []

    @property
    def in_reasoning(self) -> bool:
        """Such a model does not reason, or not in a way that can be told from its answer."""
        return False

    def _feed(self, text: str) -> list[Event]:
        return self._content(text)
