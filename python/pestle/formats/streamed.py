"""Calls that are handed on while they are being written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

from pestle.formats.calls import MalformedCallError, decoded
from pestle.formats.events import CallPiece, Content, Event
from pestle.formats.json_text import JsonText
from pestle.formats.marks import held_back
from pestle.results import ToolCall

LONGEST_HEAD = 512  # characters, up to the arguments; a call with a longer one comes as a whole

Begun: TypeAlias = "tuple[StreamedCall, int] | None"
"""A call that has begun for certain, and where in the text its arguments do."""
Head: TypeAlias = Callable[[str], Begun]
"""Looks for the head of a call in the text behind the mark that begins it."""


class StreamedCall(ABC):
    """A call from where its name is certain: its arguments are handed on as they come.

    Nothing of it is taken back. Where they turn out not to be JSON, or the answer ends within them,
    the call has what came as its arguments, and a warning says so.

    Attributes:
        is_over: its arguments have ended; what follows is for `finish`.
    """

    def __init__(self, name: str, spelled: Callable[[str], str]) -> None:
        """`spelled` spells out the marks in a parser's text."""
        self.name = name
        self._spelled = spelled
        self.is_over = False
        self._problem: str | None = None
        self._written: list[str] = []

    def push(self, text: str, *, final: bool) -> tuple[list[Event], int]:
        """The events of what is certain of `text`, and how many of its characters that are.

        `text` goes on where the last one's certain characters ended. `final`: the answer ends
        behind it.
        """
        arguments, used = self._read(text, final)
        events: list[Event] = []
        if arguments or not self._written:
            self._written.append(arguments)
            events.append(CallPiece(self.name, arguments))
        if final and not self.is_over:
            self.cut("the answer ends within them")
            used = len(text)  # the beginning of a tag, at most
        return events, used

    def cut(self, problem: str) -> None:
        """The arguments end before their time."""
        self.is_over, self._problem = True, problem

    def finish(self, rest: str) -> list[Event]:
        """The whole call, and what is made of `rest`, which stands behind its arguments."""
        arguments = "".join(self._written)
        if self._problem is None:
            try:
                decoded(arguments)
            except MalformedCallError as error:
                self._problem = str(error)
        call = ToolCall(self.name, arguments)
        if self._problem is None:
            return [call, *self._behind(rest)]
        said = f"the arguments of the call of {self.name} are not whole: {self._problem}"
        return [Content("", said), call, *(self._behind(rest) if rest.strip() else ())]

    def _behind(self, rest: str) -> list[Event]:
        try:
            return [*self._read_rest(self._spelled(rest))]
        except MalformedCallError as error:
            return [Content(self._spelled(rest), f"behind the call of {self.name}: {error}")]

    def _read_rest(self, rest: str) -> list[ToolCall]:
        """The further calls in it. Raises MalformedCallError for what may not stand there."""
        if rest.strip():
            raise MalformedCallError("there is something that is no part of it")
        return []

    @abstractmethod
    def _read(self, text: str, final: bool) -> tuple[str, int]:
        """The arguments in `text`, as far as they are certain, and how many characters those are.

        Sets `is_over` where they end.
        """


class StreamedJson(StreamedCall):
    """A call whose arguments are JSON; they keep the model's spelling."""

    def __init__(
        self,
        name: str,
        spelled: Callable[[str], str],
        end: str = "",
        rest: Callable[[str], list[ToolCall]] | None = None,
    ) -> None:
        """`end` is what ends the call, if it is not in a string. `rest` reads what follows the
        arguments.
        """
        super().__init__(name, spelled)
        self._end_tag, self._rest = end, rest
        self._json = JsonText()

    def _read_rest(self, rest: str) -> list[ToolCall]:
        return super()._read_rest(rest) if self._rest is None else self._rest(rest)

    def _read(self, text: str, final: bool) -> tuple[str, int]:
        at, written = 0, ""
        while (end := self._find_end(text, at)) >= 0:
            more, used = self._feed(text[at:end])
            written, at = written + more, at + used
            if self.is_over:
                return written, at
            if not self._json.in_string:
                self.cut("the call ends within them")
                return written, at
            more, used = self._feed(text[at : end + len(self._end_tag)])
            written, at = written + more, at + used
        kept = 0 if final or not self._end_tag else held_back(text, [self._end_tag])
        more, used = self._feed(text[at : max(at, len(text) - kept)])
        return written + more, at + used

    def _find_end(self, text: str, at: int) -> int:
        return text.find(self._end_tag, at) if self._end_tag else -1

    def _feed(self, text: str) -> tuple[str, int]:
        written, end = self._json.feed(text)
        if end is not None:
            self.is_over = True
        return self._spelled(written), len(text) if end is None else end
