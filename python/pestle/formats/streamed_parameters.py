"""Calls that are handed on while they are written as parameters between tags.

The arguments are composed: a bare string is handed on as it comes, other values at their end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pestle.formats.calls import MalformedCallError
from pestle.formats.marks import held_back
from pestle.formats.streamed import StreamedCall


@dataclass(frozen=True)
class Parameter:
    """A parameter whose value comes: its key, and what makes a value of text.

    `value` raises MalformedCallError; None: the value is the text.
    """

    key: str
    value: Callable[[str], Any] | None


@dataclass(frozen=True)
class ParameterTags:
    """What stands around the parameters of a call, in a parser's text.

    opening     the tag before a value, which begins with `begin`
    parameter   makes a parameter of what `opening` matched
    close       the tag behind a value; one that something else follows is part of the value
    closing     the tag behind the last parameter; "" where there is none
    end         the tag behind the call; part of a value, where there is one behind the last
    lines       values stand on lines of their own
    """

    opening: re.Pattern[str]
    begin: str
    parameter: Callable[[re.Match[str]], Parameter]
    close: str
    closing: str
    end: str
    lines: bool


class StreamedParameters(StreamedCall):
    """A call of parameters between tags."""

    def __init__(self, name: str, tags: ParameterTags, spelled: Callable[[str], str]) -> None:
        super().__init__(name, spelled)
        self._tags = tags
        self._after = tuple(tag for tag in (tags.begin, tags.closing, tags.end) if tag)
        self._n = 0
        self._parameter: Parameter | None = None  # whose value comes
        self._said: list[str] = []  # of a value that is handed on at its end
        self._fresh = False  # nothing of the value came

    def _read(self, text: str, final: bool) -> tuple[str, int]:
        written = "" if self._written else "{"
        at = 0
        while not self.is_over:
            step = self._read_tag if self._parameter is None else self._read_value
            more, used, goes_on = step(text[at:], final)
            written, at = written + more, at + used
            if not goes_on:
                break
        return written, at

    # Each of these gives what it adds to the arguments, how many characters it took, and whether
    # to go on: it does not where it needs more text.

    def _read_tag(self, text: str, final: bool) -> tuple[str, int, bool]:
        tags, rest = self._tags, text.lstrip()
        used = len(text) - len(rest)
        if tags.closing and rest.startswith(tags.closing):
            self.is_over = True
            return "}", used + len(tags.closing), False
        if rest.startswith(tags.end) or (final and not rest):
            self.is_over = True
            return "}", used, False
        if (match := tags.opening.match(rest)) is not None:
            self._parameter, self._fresh = tags.parameter(match), True
            begin = f"{', ' if self._n else ''}{_json(self._parameter.key)}: "
            self._n += 1
            return begin + '"' * (self._parameter.value is None), used + match.end(), True
        is_begun = rest.startswith(tags.begin) and ">" not in rest and "\n" not in rest
        if is_begun or any(tag.startswith(rest) for tag in self._after):
            return "", used, False
        self.cut("a parameter has no beginning")
        return "", used, False

    def _read_value(self, text: str, final: bool) -> tuple[str, int, bool]:
        tags, skipped = self._tags, 0
        if self._fresh and tags.lines:
            if not text and not final:
                return "", 0, False
            skipped = int(text.startswith("\n"))
        self._fresh = False
        limit = -1 if tags.closing else text.find(tags.end)
        if limit >= 0:
            text = text[: limit + len(tags.end)]
        end, used, closed = self._value_end(text, skipped, final)
        if limit >= 0 and not closed:
            self.cut("the call ends within them")
            end = used = limit
        said = self._say(self._spelled(text[skipped:end]))
        return (said + self._end_value(), used, True) if closed else (said, used, False)

    def _value_end(self, text: str, begin: int, final: bool) -> tuple[int, int, bool]:
        """Where the value ends, where what is behind it begins, and whether it is closed.

        Of a value that goes on, as far as it is certain, twice.
        """
        tags, at = self._tags, begin
        line_end = "\n" if tags.lines else ""
        while (found := text.find(tags.close, at)) >= 0:
            end = max(begin, found - len(line_end)) if text.endswith(line_end, 0, found) else found
            behind = found + len(tags.close)
            after = text[behind:].lstrip()
            begun = any(tag.startswith(after) for tag in self._after)
            if after.startswith(self._after) or (begun and final):
                return end, behind, True
            if begun:
                return end, end, False
            at = found + 1
        ends = [line_end + tags.close, tags.close, *(() if tags.closing else (tags.end,))]
        sure = len(text) - (0 if final else held_back(text[begin:], ends))
        return sure, sure, False

    def _say(self, text: str) -> str:
        assert self._parameter is not None
        if self._parameter.value is None:
            return _json(text)[1:-1]
        self._said.append(text)
        return ""

    def _end_value(self) -> str:
        parameter, self._parameter = self._parameter, None
        assert parameter is not None
        if parameter.value is None:
            return '"'
        said = "".join(self._said)
        self._said.clear()
        try:
            return _json(parameter.value(said))
        except MalformedCallError:
            return _json(said)  # the tool will say what is wrong with it


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
