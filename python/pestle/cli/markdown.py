"""Markdown as it streams: from characters to runs of one style, as soon as it is sure which.

What is between two marks waits for the second one, or for what rules it out: at most a line. So
nothing is ever styled by mistake, and a mark that belongs to no other stays what it is. Code blocks
keep their lines and their fences, without frames or margins: what is copied is the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Run = tuple[str, str]
"""A style, as the parameters of a terminal's SGR sequence, and text in it."""

BOLD, FAINT, ITALIC, CODE = "1", "2", "3", "36"
BULLET = "\N{BULLET} "
_LONGEST = 400  # characters between two marks
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6} +")
_BULLET = re.compile(r"(\s*)[-*+] +(?=\S)")
_UNDECIDED = re.compile(r"\s*(?:#{1,6} *|[-*+] *|`{1,2}|~{1,2})?")
_STYLES = {"`": CODE, "``": CODE, "**": BOLD, "*": ITALIC, "_": ITALIC}
"""What is between two of these. `__` is not among them: it is more often part of a name."""
_PLAIN = re.compile(r"[^`*_\\]+")
_MARKS = re.compile(r"`+|\*+|_+")
_ESCAPED = re.compile(r"\\([`*_#\\])")


class Markdown:
    """Text in, runs out."""

    def __init__(self) -> None:
        self._held = ""  # of the line, what is not given out yet
        self._at_start = True  # nothing of the line is
        self._before = ""  # the character before what is held
        self._style = ""  # of the whole line
        self._fence = ""  # that of the code block, if this is one

    def feed(self, text: str) -> list[Run]:
        """What is sure after `text`."""
        runs: list[Run] = []
        for line in text.splitlines(keepends=True):
            ends = line.endswith("\n")
            self._held += line[:-1] if ends else line
            runs += self._line(ends)
        return runs

    def finish(self) -> list[Run]:
        """What was held back."""
        runs = list(self._rest(final=True)) if self._held else []
        self.__init__()  # type: ignore[misc]  # the next text begins anew
        return runs

    def _line(self, ends: bool) -> Iterator[Run]:
        yield from self._rest(final=ends)
        if ends:
            yield self._style, "\n"
            self._at_start, self._style, self._before = True, "", ""

    def _rest(self, *, final: bool) -> Iterator[Run]:
        if self._fence:
            yield from self._code(final)
            return
        if self._at_start:
            if _UNDECIDED.fullmatch(self._held) and not final:
                return
            if not self._held:
                return
            yield from self._beginning()
        yield from self._inline(final)

    def _beginning(self) -> Iterator[Run]:
        """What a line begins with: the marks of blocks."""
        self._at_start = False
        if fence := _FENCE.match(self._held):
            self._fence, self._style = fence[1], FAINT
        elif heading := _HEADING.match(self._held):
            self._held, self._style = self._held[heading.end() :], BOLD
        elif bullet := _BULLET.match(self._held):
            self._held = self._held[bullet.end() :]
            yield "", bullet[1] + BULLET

    def _code(self, final: bool) -> Iterator[Run]:
        """A line of a block of code, or one of its fences."""
        if self._at_start:
            stripped = self._held.strip()
            may_end = self._fence.startswith(stripped) or set(stripped) == {self._fence[0]}
            if may_end and not final:
                return
            if final and set(stripped) == {self._fence[0]} and len(stripped) >= len(self._fence):
                self._fence, self._style = "", FAINT
            else:
                self._style = CODE
            self._at_start = False
        if self._held:
            yield self._style, self._held
            self._held = ""

    def _inline(self, final: bool) -> Iterator[Run]:
        if self._fence:  # the line that opens a block
            yield self._style, self._held
            self._held = ""
            return
        while self._held:
            run, length = self._next(self._held, final)
            if not length:
                return
            self._before = self._held[length - 1]
            self._held = self._held[length:]
            yield from run

    def _next(self, text: str, final: bool) -> tuple[list[Run], int]:
        """The runs that `text` begins with and their length in it; 0 where that is not sure yet."""
        if plain := _PLAIN.match(text):
            return [(self._style, plain[0])], plain.end()
        if text == "\\" and not final:
            return [], 0
        if escaped := _ESCAPED.match(text):
            return [(self._style, escaped[1])], 2
        found = _MARKS.match(text)
        if found is None:
            return [(self._style, text[0])], 1
        marks, begin = found[0], found.end()
        if begin == len(text) and not final:
            return [], 0  # there may be more of them
        style = _STYLES.get(marks)
        opens = style == CODE or not (self._before.isalnum() or text[begin : begin + 1].isspace())
        if style is not None and opens and begin < len(text):
            end = _closing(text, marks, begin, final)
            if end > 0:
                return self._within(text[begin:end], style), end + len(marks)
            if end < 0 and len(text) < _LONGEST:
                return [], 0
        return [(self._style, marks)], begin

    def _within(self, text: str, style: str) -> list[Run]:
        """What stands between two marks."""
        both = f"{self._style};{style}" if self._style else style
        if style == CODE:
            return [(both, text)]
        inner = Markdown()
        inner._style, inner._held, inner._at_start = both, text, False
        return list(inner._inline(final=True))


def _closing(text: str, marks: str, begin: int, final: bool) -> int:
    """Where the same marks come again and close; 0 if nowhere, -1 where more text has to tell.

    What comes late is not looked for, so that the answer does not depend on when it is asked.
    """
    position = begin
    while found := _MARKS.search(text, position):
        start, position = found.span()
        if start >= _LONGEST - len(marks):
            return 0
        if position == len(text) and not final:
            return -1
        if found[0] == marks and (marks[0] == "`" or _closes(text, start, position)):
            return start
        if found[0][0] == "`" and marks[0] != "`":  # code within: its marks mean nothing
            end = _closing(text, found[0], position, final)
            if end < 0:
                return -1
            position = end + len(found[0]) if end else position
    return 0 if final else -1


def _closes(text: str, start: int, end: int) -> bool:
    return not text[start - 1].isspace() and not text[end : end + 1].isalnum()
