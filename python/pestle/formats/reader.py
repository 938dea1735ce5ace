"""From tokens to events: the detokenizer and the parser of one answer, together."""

from __future__ import annotations

from pestle.formats.events import Content, Event
from pestle.formats.parser import Parser
from pestle.formats.untaught import UntaughtCalls
from pestle.tokenizer import Detokenizer


class Reader:
    """Reads one answer as its tokens come. Without a parser, all that is said is content.

    `untaught` finds calls in what the parser takes for content.
    """

    def __init__(
        self,
        detokenizer: Detokenizer,
        parser: Parser | None = None,
        untaught: UntaughtCalls | None = None,
    ) -> None:
        self._detokenizer = detokenizer
        self._parser = parser
        self._untaught = untaught

    @property
    def in_reasoning(self) -> bool:
        """Whether the model is reasoning, as far as can be told."""
        return self._parser is not None and self._parser.in_reasoning

    def push(self, token: int) -> list[Event]:
        """What the next token adds."""
        events = self._push(token)
        return events if self._untaught is None else self._untaught.push(events)

    def finish(self, ended_by: int | None = None) -> list[Event]:
        """What was held back; `ended_by` is the control token that ended the answer, if one did."""
        events = self._finish(ended_by)
        if self._untaught is None:
            return events
        return self._untaught.push(events) + self._untaught.finish()

    def _push(self, token: int) -> list[Event]:
        if self._parser is None:
            return _as_content(self._detokenizer.push(token))
        if self._parser.marks.is_mark(token):
            # A character that is not whole yet belongs before the mark.
            events = self._parser.text(self._detokenizer.flush())
            return events + self._parser.push(token, "")
        return self._parser.push(token, self._detokenizer.push(token))

    def _finish(self, ended_by: int | None) -> list[Event]:
        rest = self._detokenizer.flush()
        if self._parser is None:
            return _as_content(rest)
        events = self._parser.text(rest)
        if ended_by is not None and self._parser.marks.is_mark(ended_by):
            events += self._parser.push(ended_by, "")
        return events + self._parser.finish()


def _as_content(text: str) -> list[Event]:
    return [Content(text)] if text else []
