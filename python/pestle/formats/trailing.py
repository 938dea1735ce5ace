"""The formats whose calls end an answer, and have no end of their own: Mistral's and Llama 3's.

An answer is content, then perhaps a mark and calls, up to the answer's end or the next mark. Where
a model may do `without_mark`, an answer that is nothing but JSON with the name of a tool is a call.
"""

from __future__ import annotations

from collections.abc import Callable

from pestle.formats.calls import MalformedCallError, Schemas
from pestle.formats.calls_listed import listed_calls
from pestle.formats.events import Content, Event
from pestle.formats.marks import Marks, held_back
from pestle.formats.parser import Parser
from pestle.results import ToolCall


class TrailingParser(Parser):
    """Reads content and the calls behind it."""

    def __init__(
        self,
        marks: Marks,
        begin: str,
        read: Callable[[str], list[ToolCall]],
        *,
        without_mark: Schemas | None = None,
    ) -> None:
        """`begin`: the mark before calls, in a parser's text; `read` makes calls of what follows.

        `without_mark`: the tools that may be called without it.
        """
        super().__init__(marks)
        self._begin, self._read = begin, read
        self._bare = without_mark or {}
        self._text = ""  # not yet dealt with
        self._calling = self._said = False

    @property
    def in_reasoning(self) -> bool:
        """Such a model does not reason in a way that can be told from its answer."""
        return False

    def finish(self) -> list[Event]:
        """What was held back."""
        text, self._text = self._text, ""
        return self._end_part(text)

    def _feed(self, text: str) -> list[Event]:
        self._text += text
        events: list[Event] = []
        while (at := self._text.find(self._begin)) >= 0:
            before, self._text = self._text[:at], self._text[at + len(self._begin) :]
            events += self._end_part(before)
            self._calling = True
        if self._calling or (not self._said and self._may_be_call(self._text)):
            return events
        sure = len(self._text) - held_back(self._text, [self._begin])
        said, self._text = self._text[:sure], self._text[sure:]
        return events + self._say(said)

    def _end_part(self, text: str) -> list[Event]:
        """Deal with all of the content, or with all that stands behind a mark."""
        if not self._calling:
            return self._bare_calls(text) or self._say(text)
        try:
            return list(self._read(text))
        except MalformedCallError as error:
            return [Content(self.marks.spelled(self._begin + text), str(error))]

    def _bare_calls(self, text: str) -> list[Event]:
        if self._said or not text.strip() or not self._may_be_call(text):
            return []
        try:
            calls = listed_calls(self.marks.spelled(text))
        except MalformedCallError:
            return []
        return list(calls) if all(call.name in self._bare for call in calls) else []

    def _may_be_call(self, text: str) -> bool:
        begun = text.lstrip()
        return bool(self._bare) and (not begun or begun.startswith("{"))

    def _say(self, text: str) -> list[Event]:
        self._said = self._said or bool(text)
        return self._content(text)
