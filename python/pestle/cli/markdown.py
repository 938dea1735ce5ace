"""Markdown as it streams: from characters to runs of one style, as soon as it is sure which.

What is between two marks waits for the second one, or for what rules it out: at most a line. So
nothing is ever styled by mistake, and a mark that belongs to no other stays what it is. Code blocks
keep their lines and their fences, without frames or margins: what is copied is the code. Of a table
each row comes as a whole, as its columns depend on all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from pestle.cli import markdown_inline
from pestle.cli.markdown_inline import BOLD, CODE, FAINT, ITALIC
from pestle.cli.markdown_tables import Table, cells_of, is_delimiter

__all__ = ["BOLD", "CODE", "FAINT", "ITALIC", "Markdown", "Piece", "Rule", "Run", "Table"]

_BAR, _BULLET, _TO_DO, _DONE = "\u2502 ", "\u2022 ", "\u2610 ", "\u2611 "
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_QUOTE = re.compile(r" {0,3}> ?")
_HEADING = re.compile(r" {0,3}#{1,6} +")
_ITEM = re.compile(r"(\s*)[-*+] +(?=\S)")
_TASK = re.compile(r"\[([ xX])\] +(?=\S)")
_NUMBERED = re.compile(r"(\s*\d{1,9}[.)]) +(?=\S)")
_RULE = re.compile(r" {0,3}(?:(?:- *){3,}|(?:\* *){3,}|(?:_ *){3,})")
# A line that may yet become any of these.
_UNDECIDED = re.compile(
    r"(?:\s*> ?)*\s*(?:#{1,6} *|(?:[-*_] *)*|\+ *|[-*+] +\[(?:[ xX](?:\] *)?)?|\d{1,9}(?:[.)] *)?"
    r"|`{1,2}|~{1,2})?"
)


class Run(NamedTuple):
    """Text in one style, the parameters of a terminal's SGR sequence; "" is none.

    `hang` is what the lines begin with into which a terminal breaks this one.
    """

    style: str
    text: str
    hang: str = ""


@dataclass(frozen=True)
class Rule:
    """A line across, which ends the line."""


Piece: TypeAlias = "Run | Rule | Table"


class Markdown:
    """Text in, pieces out. A `Table` comes again with each of its rows, in place of the last."""

    def __init__(self) -> None:
        self._held = ""  # of the line, what is not given out yet
        self._at_start = True  # nothing of the line is
        self._before = ""  # the character before what is held
        self._style = ""  # of the whole line
        self._hang = ""
        self._fence = ""  # that of the code block, if this is one
        self._table: list[str] = []  # lines that may be one, or are, if there are two

    def feed(self, text: str) -> list[Piece]:
        """What is sure after `text`."""
        pieces: list[Piece] = []
        for line in text.splitlines(keepends=True):
            ends = line.endswith("\n")
            self._held += line[:-1] if ends else line
            pieces += self._line(ends)
        return pieces

    def finish(self) -> list[Piece]:
        """What was held back."""
        pieces: list[Piece] = []
        if self._held and self._may_be_row():
            pieces += self._row("")
        elif self._held:
            pieces += [*self._end_table(), *self._rest(final=True)]
        pieces += self._end_table()
        self.__init__()  # type: ignore[misc]  # the next text begins anew
        return pieces

    def _line(self, ends: bool) -> Iterator[Piece]:
        if self._may_be_row():
            if ends:
                yield from self._row("\n")
            return
        if self._table:
            if not self._held.strip(" ") and not ends:
                return  # its next row may be indented
            yield from self._end_table()
        if ends and self._at_start and not self._fence and _RULE.fullmatch(self._held):
            self._held = ""
            yield Rule()
            return
        yield from self._rest(final=ends)
        if ends:
            yield Run(self._style, "\n")
            self._at_start, self._style, self._before, self._hang = True, "", "", ""

    def _may_be_row(self) -> bool:
        return self._at_start and not self._fence and self._held.lstrip(" ").startswith("|")

    def _row(self, end: str) -> Iterator[Piece]:
        """Take a line as a table's; `end`: its line feed, if it has come."""
        self._table.append(self._held + end)
        self._held = ""
        if len(self._table) == 2 and not is_delimiter(
            self._table[1], len(cells_of(self._table[0]))
        ):
            yield from self._as_text(self._table.pop(0))
        elif len(self._table) > 1:
            yield Table(tuple(self._table), done=False)

    def _end_table(self) -> Iterator[Piece]:
        lines, self._table = tuple(self._table), []
        if len(lines) == 1:
            yield from self._as_text(lines[0])
        elif lines:
            yield Table(lines, done=True)

    def _as_text(self, line: str) -> Iterator[Piece]:
        text = line.removesuffix("\n")
        yield from (Run(*each) for each in markdown_inline.whole(text, ""))
        if text != line:
            yield Run("", "\n")

    def _rest(self, *, final: bool) -> Iterator[Piece]:
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

    def _beginning(self) -> Iterator[Piece]:
        """What a line begins with: the marks of blocks."""
        self._at_start = False
        if fence := _FENCE.match(self._held):
            self._fence, self._style = fence[1], FAINT
            return
        while quote := _QUOTE.match(self._held):
            yield self._mark(quote.end(), _BAR, FAINT, _BAR)
        if heading := _HEADING.match(self._held):
            self._held, self._style = self._held[heading.end() :], BOLD
        elif item := _ITEM.match(self._held):
            yield self._mark(item.end(), item[1] + _BULLET)
            if task := _TASK.match(self._held):
                yield self._mark(task.end(), _TO_DO if task[1] == " " else _DONE)
        elif numbered := _NUMBERED.match(self._held):
            yield self._mark(numbered.end(), f"{numbered[1]} ")
        else:
            self._hang += self._held[: len(self._held) - len(self._held.lstrip(" "))]

    def _mark(self, length: int, shown: str, style: str = "", hang: str | None = None) -> Run:
        """Show `shown` for so many characters; lines below are indented as far, or by `hang`."""
        self._held = self._held[length:]
        self._hang += " " * len(shown) if hang is None else hang
        return Run(style, shown)

    def _code(self, final: bool) -> Iterator[Piece]:
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
            yield Run(self._style, self._held)
            self._held = ""

    def _inline(self, final: bool) -> Iterator[Piece]:
        if self._fence:  # the line that opens a block
            yield Run(self._style, self._held)
            self._held = ""
            return
        while self._held:
            runs, length = markdown_inline.take(self._held, self._before, self._style, final=final)
            if not length:
                return
            self._before = self._held[length - 1]
            self._held = self._held[length:]
            yield from (Run(style, text, self._hang) for style, text in runs)
