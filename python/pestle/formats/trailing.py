"""The formats whose calls end an answer, and have no end of their own: Mistral's and Llama 3's.

An answer is content, then perhaps a mark and calls, up to the answer's end or the next mark. Where
a model may do `without_mark`, an answer that is nothing but JSON with the name of a tool is a call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pestle.formats.calls import MalformedCallError, Schemas
from pestle.formats.calls_listed import listed_calls
from pestle.formats.events import Content, Event
from pestle.formats.marks import Marks, held_back
from pestle.formats.parser import Parser
from pestle.formats.streamed import LONGEST_HEAD, Begun, StreamedCall
from pestle.results import ToolCall


@dataclass(frozen=True)
class TrailingCalls:
    """How calls end an answer.

    begin   the mark before them, in a parser's text
    read    makes calls of what follows; raises MalformedCallError
    head    finds the head of a call that is certain to be one: the first behind the mark, or not
    """

    begin: str
    read: Callable[[str], list[ToolCall]]
    head: Callable[[str, bool], Begun]


class TrailingParser(Parser):
    """Reads content and the calls behind it."""

    def __init__(
        self,
        marks: Marks,
        calls: TrailingCalls,
        *,
        without_mark: Schemas | None = None,
        calling: bool = False,
    ) -> None:
        """`without_mark`: the tools that may be called without it.

        `calling`: the answer is calls without a mark, and nothing else.
        """
        super().__init__(marks)
        self._calls = calls
        self._bare = without_mark or {}
        self._text = ""  # not yet dealt with
        self._mark = ""  # that the text stands behind
        self._calling, self._said = calling, False
        self._call: StreamedCall | None = None  # the last behind the mark that was handed on

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
        begin = self._calls.begin
        events: list[Event] = []
        while (at := self._text.find(begin)) >= 0:
            before, self._text = self._text[:at], self._text[at + len(begin) :]
            events += self._end_part(before)
            self._calling, self._mark = True, begin
        if not self._calling and not self._said and self._may_be_call(self._text):
            return events
        sure = len(self._text) - held_back(self._text, [begin])
        said, kept = self._text[:sure], self._text[sure:]
        if self._calling:
            more, said = self._write(said, final=False)
            self._text = said + kept
            return events + more
        self._text = kept
        return events + self._say(said)

    def _end_part(self, text: str) -> list[Event]:
        """Deal with all of the content, or with all that stands behind a mark."""
        if not self._calling:
            return self._bare_calls(text) or self._say(text)
        events, rest = self._write(text, final=True)
        call, self._call = self._call, None
        if call is not None:
            return events + call.finish(rest)
        try:
            return [*events, *self._calls.read(rest)]
        except MalformedCallError as error:
            return [*events, Content(self.marks.spelled(self._mark + rest), str(error))]

    def _write(self, text: str, *, final: bool) -> tuple[list[Event], str]:
        """Hand on what is certain of calls; and what is not."""
        events: list[Event] = []
        while True:
            if self._call is None or self._call.is_over:
                begun = self._calls.head(text[:LONGEST_HEAD], self._call is None)
                if begun is None:
                    return events, text
                if self._call is not None:
                    events += self._call.finish("}")  # with which the next one's head begins
                self._call, used = begun
                text = text[used:]
            more, used = self._call.push(text, final=final)
            events, text = events + more, text[used:]
            if not self._call.is_over:
                return events, text

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
