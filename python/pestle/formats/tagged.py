"""The formats in which tags set off reasoning and tool calls: Qwen, DeepSeek and many others.

An answer is `<think>` reasoning `</think>`, content, calls; each part may be missing. The prompt
may hold the first tag already. Line ends beside tags belong to the format, not to the text.

A call within the reasoning is an example that the model thinks about, and part of the reasoning,
unless the answer ends right behind it: then the model has forgotten to end its reasoning first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from pestle.formats.calls import MalformedCallError, UnfinishedCallError
from pestle.formats.events import Content, Event, Reasoning
from pestle.formats.marks import Marks, held_back
from pestle.formats.parser import Parser
from pestle.formats.streamed import LONGEST_HEAD, Head, StreamedCall
from pestle.results import ToolCall

OPEN, CLOSE = "<think>", "</think>"


@dataclass(frozen=True)
class CallTags:
    """How calls are set off.

    begin, end   around one call
    around       what may stand around several calls, and means nothing by itself
    read         makes a call of what is between `begin` and `end`, in a parser's text; raises
                 MalformedCallError
    head         finds the head of a call that is certain to be one
    """

    begin: str
    end: str
    around: tuple[str, ...]
    read: Callable[[str], ToolCall]
    head: Head


class TaggedParser(Parser):
    """Reads reasoning, content and calls that are set off by tags."""

    def __init__(
        self, marks: Marks, *, thinks: bool, calls: CallTags | None, in_reasoning: bool
    ) -> None:
        """`thinks`: the model may reason. `in_reasoning`: its prompt has begun that already."""
        super().__init__(marks)
        self._calls = calls
        self._open = marks[OPEN] if thinks else None
        self._close = marks[CLOSE] if thinks else None
        self._text = ""  # not yet dealt with
        self._searched = 0  # how far it has been searched for the end of a call
        self._line_ends = ""  # at the end of the content, which a call would swallow
        self._read: Callable[[bool], list[Event] | None] = self._read_content
        self._begun = False  # there was content, a call or reasoning
        self._after_tag = True  # line ends belong to the tag before them
        self._after_call = False
        self._call: StreamedCall | None = None  # that is being written
        # Calls, and what stands around them, at the end of the reasoning: as text, and as a call.
        self._thought: list[tuple[str, ToolCall | None]] = []
        if in_reasoning:
            self._read = self._read_reasoning

    @property
    def in_reasoning(self) -> bool:
        """Whether reasoning has begun and not ended."""
        return self._read in (self._read_reasoning, self._read_thought_call)

    def finish(self) -> list[Event]:
        """What was held back. A call that is whole but for its end tag counts."""
        events = self._advance(final=True)
        if self.in_reasoning:
            return events + self._end_thought()
        if self._read == self._read_call:
            events += self._end_call(self._text, "", final=True)
            self._text = ""
        if not self._after_call:
            events += self._content(self._line_ends)
        self._line_ends = ""
        return events

    def _feed(self, text: str) -> list[Event]:
        self._text += text
        return self._advance(final=False)

    def _advance(self, final: bool) -> list[Event]:
        events: list[Event] = []
        while (more := self._read(final)) is not None:
            events += more
        return events

    # Each of these deals with the beginning of the text and returns the events; None when it
    # needs more text.

    def _read_content(self, final: bool) -> list[Event] | None:
        tags = self._content_tags()
        before, tag = self._until(tags, final)
        events = self._say(before)
        if tag is None:
            return events if before else None
        calls = self._calls
        if tag == self._open and not self._begun:
            self._line_ends = ""
            self._enter(self._read_reasoning)
        elif tag == self._close and not self._begun:  # the model did without
            self._line_ends = ""
            self._after_tag = self._begun = True
        elif calls is not None and tag == calls.begin:
            self._enter(self._read_call)
        elif calls is not None and tag in calls.around:
            pass
        else:
            events += self._say(tag)
        return events

    def _content_tags(self) -> list[str]:
        tags = [tag for tag in (self._open, self._close) if tag is not None and not self._begun]
        if self._calls is not None:
            tags += [self._calls.begin, *self._calls.around]
        return tags

    def _read_reasoning(self, final: bool) -> list[Event] | None:
        assert self._open is not None
        assert self._close is not None
        # The first tag again, behind a prompt that has it, is no reasoning.
        tags = [self._close, self._open] if self._after_tag else [self._close]
        calls = self._calls
        if calls is not None and self.marks.holds_token(calls.begin):
            tags += [calls.begin, *calls.around]
        before, tag = self._until(tags, final)
        events = self._think(before)
        if tag is None:
            return events if before else None
        if tag == self._close:
            events += self._release()
            self._line_ends = ""
            self._enter(self._read_content)
            self._begun = True
        elif tag != self._open:
            if calls is not None and tag == calls.begin:
                self._read, self._searched = self._read_thought_call, 0
            else:
                self._set_aside(tag, None)
        elif not self._after_tag:
            events += self._think(tag)
        return events

    def _read_thought_call(self, final: bool) -> list[Event] | None:
        assert self._calls is not None
        assert self._close is not None
        match = _any_of((self._calls.end, self._close)).search(self._text, self._searched)
        if match is None and not final:
            longest = max(len(self._calls.end), len(self._close))
            self._searched = max(self._searched, len(self._text) - longest + 1)
            return None
        at, after = match.span() if match is not None else (len(self._text), len(self._text))
        call: ToolCall | None = None
        if match is None or match[0] == self._calls.end:
            try:
                call = self._calls.read(self._text[:at])
            except MalformedCallError as error:
                if match is not None and isinstance(error, UnfinishedCallError):
                    self._searched = after
                    return []
        else:
            after = at  # the reasoning ends before the call does
        said = self._calls.begin + self._text[:after]
        self._text = self._text[after:]
        self._read = self._read_reasoning
        if call is None:
            return self._think(said)
        self._set_aside(said, call)
        return []

    def _set_aside(self, text: str, call: ToolCall | None) -> None:
        """Keep what may turn out to be more than reasoning."""
        self._thought.append((self._line_ends + text, call))
        self._line_ends, self._after_tag = "", False

    def _release(self) -> list[Event]:
        """What was set aside is reasoning after all."""
        text = "".join(said for said, _ in self._thought)
        self._thought.clear()
        self._line_ends = "" if text else self._line_ends  # they came after it
        return self._think(text)

    def _end_thought(self) -> list[Event]:
        """The answer has ended in its reasoning."""
        calls: list[Event] = [call for _, call in self._thought if call is not None]
        events = calls or self._release()
        self._thought.clear()
        self._line_ends = ""
        return events

    def _think(self, text: str) -> list[Event]:
        """`text` as reasoning, but for the line ends around it."""
        if self._after_tag:
            text = text.lstrip("\n")
        if not text:
            return []
        self._after_tag = False
        kept = text.rstrip("\n")
        if not kept:
            self._line_ends += text
            return []
        thought = "".join(said for said, _ in self._thought) + self._line_ends + kept
        self._thought.clear()
        self._line_ends = text[len(kept) :]
        return [Reasoning(self.marks.spelled(thought))]

    def _read_call(self, final: bool) -> list[Event] | None:
        assert self._calls is not None
        begun = self._calls.head(self._text[:LONGEST_HEAD])
        if begun is not None:
            self._call, used = begun
            self._text, self._line_ends = self._text[used:], ""
            self._read, self._begun = self._read_arguments, True
            return []
        end = self._calls.end
        at = self._text.find(end, self._searched)
        if at < 0:
            self._searched = max(self._searched, len(self._text) - len(end) + 1)
            return None
        self._searched = at + len(end)
        return self._end_call(self._text[:at], self._text[at : self._searched], final=False)

    def _read_arguments(self, final: bool) -> list[Event] | None:
        """Hand on what has come of a call that is certain to be one."""
        assert self._call is not None
        events, used = self._call.push(self._text, final=final)
        self._text = self._text[used:]
        if self._call.is_over:
            self._read, self._searched = self._read_rest, 0
            return events
        return events or None

    def _read_rest(self, final: bool) -> list[Event] | None:
        """Look for the end of such a call, behind its arguments."""
        assert self._call is not None
        assert self._calls is not None
        end = self._calls.end
        at = self._text.find(end, self._searched)
        if at < 0 and not final:
            self._searched = max(self._searched, len(self._text) - len(end) + 1)
            return None
        rest, tag = (self._text, "") if at < 0 else (self._text[:at], end)
        call, self._call = self._call, None
        self._leave_call(rest, tag)
        self._after_call = True
        return call.finish(rest)

    def _end_call(self, body: str, end: str, *, final: bool) -> list[Event]:
        """Deal with what may be a whole call; without events when the end tag was part of it."""
        assert self._calls is not None
        try:
            call = self._calls.read(body)
        except MalformedCallError as error:
            if isinstance(error, UnfinishedCallError) and not final:
                return []
            problem = f"{error}; the answer ends within it" if final else str(error)
        else:
            self._leave_call(body, end)
            self._line_ends = ""
            self._after_call = self._begun = True
            return [call]
        self._leave_call(body, end)
        before, self._line_ends = self._line_ends, ""
        said = self.marks.spelled(self._calls.begin + body + end)
        self._begun, self._after_call = True, False
        return [*self._content(before), Content(said, problem)]

    def _leave_call(self, body: str, end: str) -> None:
        self._text = self._text[len(body) + len(end) :]
        self._enter(self._read_content)
        self._after_tag = False

    def _say(self, text: str) -> list[Event]:
        """`text` as content, but for the line ends at its end, which wait for what follows."""
        if self._after_tag and self._begun:
            text = text.lstrip("\n")
        if not text:
            return []
        kept = text.rstrip("\n")
        if not kept or (not self._begun and kept.isspace()):
            self._line_ends += text
            return []
        said = self._line_ends + kept
        self._line_ends = text[len(kept) :]
        self._begun, self._after_call, self._after_tag = True, False, False
        return self._content(said)

    def _enter(self, read: Callable[[bool], list[Event] | None]) -> None:
        self._read = read
        self._searched = 0
        self._after_tag = True

    def _until(self, tags: list[str], final: bool) -> tuple[str, str | None]:
        """Take the text before the first of `tags`, and that tag, off the text that waits.

        Without one, all that cannot be the beginning of one.
        """
        match = _any_of(tuple(tags)).search(self._text) if tags else None
        if match is not None:
            before, tag = self._text[: match.start()], match[0]
            self._text = self._text[match.end() :]
            return before, tag
        keep = 0 if final else held_back(self._text, tags)
        before = self._text[: len(self._text) - keep]
        self._text = self._text[len(self._text) - keep :]
        return before, None


@cache
def _any_of(tags: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(tag) for tag in sorted(tags, key=len, reverse=True)))
