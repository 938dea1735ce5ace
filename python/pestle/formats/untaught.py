"""Calls that a model writes into its content, in another form than its chat template teaches.

    a fenced block                ```json            ``` alone and a few other words, too
    JSON alone                    from the beginning of a line to the end of one
    tags                          <tool_call>, <tools>, <function=NAME> and their like

What these hold has to be calls of tools that were offered and nothing else (`calls_untaught`), else
it stays content, word for word. Within other fences, and within other JSON, nothing is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from pestle.formats.calls import MalformedCallError, Schemas
from pestle.formats.calls_untaught import json_calls, may_be_calls, tag_call
from pestle.formats.events import Content, Event
from pestle.formats.json_text import JsonText
from pestle.formats.marks import held_back
from pestle.results import ToolCall

_FENCES = ("", "json", "tool_call", "tool_calls", "tool_code", "function_call")
_TAGS = ("tool_call", "tool_calls", "tools", "function_call", "function_calls", "functioncall")
_FUNCTION_END, _CALL_END = "</function>", "</tool_call>"
_FENCE_LINE = re.compile(r" {0,3}(`{3,})[ \t]*([^`\n]*)")
_BETWEEN = re.compile(r"[\s;,]*")  # two calls in a block
_BESIDE = re.compile(r"[ \t]*(?:[;,][ \t]*)?")  # two on a line
_REST_OF_LINE = re.compile(r"[ \t]*(?=\n|\Z)")
_BLANK_LINE = re.compile(r"\n(?=\n)")


@dataclass
class _Block:
    """What may turn out to be calls: where it begins is where the text that waits does."""

    closing: str | None  # what ends it; None: the end of its line
    at: int  # how far it is understood
    rest: str  # what of it is content in any case, if it is not calls
    calls: list[ToolCall] = field(default_factory=list)
    value: JsonText | None = None  # the JSON that has begun at `at`
    fed: int = 0


class UntaughtCalls:
    """Takes the events of a parser, and makes calls of what of their content is calls.

    The events do not depend on the pieces in which the content comes. Only what may become a call,
    and the line ends before it, are held back.
    """

    def __init__(self, schemas: Schemas) -> None:
        """`schemas` are those of the tools that may be called so."""
        self._schemas = schemas
        functions = [f"<function={name}>" for name in schemas]
        self._tags = [*(f"<{tag}>" for tag in _TAGS), *functions]
        tags = "|".join(map(re.escape, self._tags))
        self._opening = re.compile(rf"(?<=\n)(?: {{0,3}}```|[{{\[])|{tags}")
        self._begin()

    def _begin(self) -> None:
        self._text = ""  # not yet dealt with
        self._line_ends = ""  # before it
        self._at_line = True  # whether it begins a line
        self._said = self._called = False  # what came last, if anything did
        self._block = _Block(None, 0, "")
        self._fence = ""  # that is open
        self._other: JsonText | None = None  # JSON that is not calls
        self._searched = 0
        self._read: Callable[[bool], list[Event] | None] = self._outside

    def push(self, events: list[Event]) -> list[Event]:
        """The events with calls in place of content."""
        found: list[Event] = []
        for event in events:
            if isinstance(event, Content) and event.warning is None:
                self._text += event.text
                found += self._advance(final=False)
            else:
                found += [*self.finish(), event]
                if isinstance(event, Content):
                    self._at_line = not event.text or event.text.endswith("\n")
        return found

    def finish(self) -> list[Event]:
        """The content has ended: what was held back."""
        events = self._advance(final=True)
        if self._line_ends and not self._called:
            events.append(Content(self._line_ends))
        self._begin()
        return events

    def _advance(self, *, final: bool) -> list[Event]:
        events: list[Event] = []
        while (more := self._read(final)) is not None:
            events += more
        return events

    # Each of these deals with the beginning of the text and returns the events; None when it
    # needs more text.

    def _outside(self, final: bool) -> list[Event] | None:
        before = "\n" if self._at_line else " "
        match = self._opening.search(before + self._text)
        if match is None:
            return self._say(len(self._text) - (0 if final else self._held_back())) or None
        events = self._say(match.start() - 1)
        opening = match[0]
        if opening.endswith("```"):
            self._read = self._fence_line
        elif opening in self._tags:
            closing = f"</{opening[1:-1]}>"
            self._block = _Block(closing, len(opening), opening)
            self._searched = len(opening)
            self._read = self._function if "=" in opening else self._collect
        else:
            self._block = _Block(None, 0, "")
            self._read = self._collect
        return events

    def _held_back(self) -> int:
        """How many characters at the end of the text may begin what is looked for."""
        text = ("\n" if self._at_line else " ") + self._text
        line = text[text.rfind("\n") + 1 :] if "\n" in text else None
        if line is not None and re.fullmatch(r" {0,3}`{0,2}", line):
            return len(line)
        return held_back(text, self._tags)

    def _fence_line(self, final: bool) -> list[Event] | None:
        match = _FENCE_LINE.match(self._text)
        assert match is not None
        end, word = match.end(), match[2].rstrip().lower()
        if any(known.startswith(word) for known in _FENCES):
            if end == len(self._text) and not final:
                return None
            if self._text[end : end + 1] == "`":  # code within a line
                self._read = self._outside
                return self._say(end)
            if word in _FENCES and end < len(self._text):
                self._block = _Block(match[1], end + 1, self._text[: end + 1])
                self._read = self._collect
                return []
        return self._enter_fence(match.end(1), match[1])

    def _collect(self, final: bool) -> list[Event] | None:
        block, text = self._block, self._text
        while True:
            if block.value is None:
                end = self._between(final)
                if end is not None:
                    return end
                if block.value is None:
                    return None
            if not may_be_calls(text[block.at : block.at + 1024], self._schemas):
                return self._reject()
            _, length = block.value.feed(text[block.fed :])
            if length is None:
                block.fed = len(text)
                return self._reject() if final else None
            end_of_value = block.fed + length
            try:
                block.calls += json_calls(text[block.at : end_of_value], self._schemas)
            except MalformedCallError:
                return self._reject()
            block.at, block.value = end_of_value, None

    def _between(self, final: bool) -> list[Event] | None:
        """Deal with what stands before a value, or after the last one.

        None: a value has begun, or more text is needed.
        """
        block, text = self._block, self._text
        pattern = _BETWEEN if block.closing else _BESIDE
        match = pattern.match(text, block.at)
        assert match is not None
        at = match.end()
        if at == len(text):
            if not final:
                return None
            return self._accept(at) if block.calls else self._reject()
        if text[at] in "{[":
            block.at = block.fed = at
            block.value = JsonText()
            return None
        if block.closing is None:
            return self._accept(at) if text[at] == "\n" else self._reject()
        closing, rest = block.closing, text[at:]
        if closing.startswith(rest) and not final and len(rest) < len(closing):
            return None
        if not rest.startswith(closing):
            return self._reject()
        at += len(closing)
        if closing[0] == "`":
            line = _REST_OF_LINE.match(text, at)
            if line is None:
                return None if not final and not text[at:].strip(" \t`") else self._reject()
            if line.end() == len(text) and not final:
                return None
            at = line.end()
        return self._accept(at) if block.calls else self._reject()

    def _function(self, final: bool) -> list[Event] | None:
        """Deal with `<function=NAME>`, which Qwen3-Coder's call is without its first tag."""
        text, head = self._text, self._block.rest
        end = text.find(_FUNCTION_END, self._searched)
        if end < 0 and not final:
            self._searched = max(self._searched, len(text) - len(_FUNCTION_END) + 1)
            return None
        inside = text[len(head) : end if end >= 0 else len(text)]
        after = len(text) if end < 0 else end + len(_FUNCTION_END)
        rest = text[after:].lstrip()
        if not final and _CALL_END.startswith(rest):
            return None
        try:
            call = tag_call(head.removeprefix("<function=")[:-1], inside, self._schemas)
        except MalformedCallError:
            return self._reject()
        self._block.calls.append(call)
        if rest.startswith(_CALL_END):
            after = text.index(_CALL_END, after) + len(_CALL_END)
        return self._accept(after)

    def _inside_fence(self, final: bool) -> list[Event] | None:
        """Hand on the lines of a fence up to the one that closes it."""
        text = ("\n" if self._at_line else " ") + self._text
        closed = re.search(rf"(?<=\n) {{0,3}}{self._fence}`*[ \t]*(?=\n)", text)
        if closed is not None:
            self._read = self._outside
            return self._say(closed.end() - 1)
        line = text[text.rfind("\n") + 1 :] if "\n" in text else None
        held = line is not None and re.fullmatch(r" {0,3}`*[ \t]*", line) is not None and not final
        return self._say(len(self._text) - (len(line or "") if held else 0)) or None

    def _inside_json(self, final: bool) -> list[Event] | None:
        """Hand on JSON that is not calls, up to its end or an empty line."""
        assert self._other is not None
        blank = _BLANK_LINE.search(self._text)
        piece = self._text if blank is None else self._text[: blank.end()]
        if blank is None and piece.endswith("\n") and not final:
            piece = piece[:-1]  # which may be the first half of an empty line
        _, end = self._other.feed(piece)
        if end is not None or blank is not None:
            self._read = self._outside
        return self._say(len(piece) if end is None else end) or (
            [] if self._read == self._outside else None
        )

    def _accept(self, end: int) -> list[Event]:
        """The text up to `end` is calls."""
        calls = self._block.calls
        self._take(end)
        self._line_ends, self._called = "", True
        self._read = self._outside
        return [event for call in calls for event in (Content("", _warning(call)), call)]

    def _reject(self) -> list[Event]:
        """What has begun is not calls."""
        block = self._block
        if block.closing is None:
            self._other, self._read = JsonText(), self._inside_json
            return []
        if block.closing[0] == "`":
            return self._enter_fence(len(block.rest), block.closing)
        self._read = self._outside
        return self._say(len(block.rest))

    def _enter_fence(self, end: int, fence: str) -> list[Event]:
        self._fence, self._read = fence, self._inside_fence
        return self._say(end)

    def _say(self, end: int) -> list[Event]:
        """The text up to `end` as content, but for line ends at its end, which wait."""
        text = self._take(end)
        kept = text.rstrip("\n")
        if not kept:
            self._line_ends += text
            return []
        said = self._line_ends + kept
        if self._called and not self._said:
            said = said.lstrip("\n")
        self._line_ends = text[len(kept) :]
        self._said, self._called = True, False
        return [Content(said)]

    def _take(self, end: int) -> str:
        taken, self._text = self._text[:end], self._text[end:]
        if taken:
            self._at_line = taken.endswith("\n")
        return taken


def _warning(call: ToolCall) -> str:
    return f"the call of {call.name} is not written as the chat template teaches"
