"""An answer on the screen while it is written: what the model thinks, faint, and what it says.

What it says is Markdown, and styled where colours belong; a pipe gets every character as it is.
"""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from pestle.cli.console import Console, coloured
from pestle.cli.harmless import escaped
from pestle.cli.markdown import FAINT, Markdown, Piece, Rule, Run, Table
from pestle.cli.markdown_tables import rendered
from pestle.cli.wrapping import WordWrap

if TYPE_CHECKING:
    from pestle import Chunk


class AnswerView:
    """Writes chunks to stdout as they come.

    Only a terminal shows what the model thinks: in a pipe the answer is all there is. Where faint
    text does not belong, headings tell the two apart.
    """

    def __init__(self, console: Console, *, reasoning: bool, notes_calls: bool = True) -> None:
        """`notes_calls`: what the model calls is said, on stderr."""
        self._notes_calls = notes_calls
        self._console = console
        self._shows_reasoning = reasoning and sys.stdout.isatty()
        self._coloured = coloured(sys.stdout)
        self._wrap = WordWrap()
        self._markdown = Markdown() if self._coloured else None
        self._drawn = 0  # lines of a table that is not whole yet
        self._thinking = False
        self._ended = True
        self._warnings: dict[str, None] = {}

    def add(self, chunk: Chunk) -> None:
        """Show what a chunk adds."""
        if chunk.reasoning and self._shows_reasoning:
            if not self._thinking:
                self._thinking = True
                self._write("" if self._coloured else "Thinking:\n")
            self._write(chunk.reasoning, FAINT if self._coloured else "")
        if chunk.text:
            self._end_thinking("" if self._coloured else "Answer:\n")
            self._say(chunk.text)
        for call in chunk.tool_calls if self._notes_calls else ():
            self.end()
            self._console.note(escaped(f"The model calls {call.name}({call.arguments})"))
        self._warnings |= dict.fromkeys(chunk.warnings)

    def end(self) -> None:
        """Write what was held back, and end the last line, if it was not."""
        self.settle()
        if not self._ended:
            self._console.out("")
            self._ended = True

    def settle(self) -> None:
        """Write what was held back, and leave no style behind."""
        if self._markdown is not None:
            for piece in self._markdown.finish():
                self._place(piece)
            self._console.end_style(self._wrap)

    def warn(self) -> None:
        """Say what was replaced in the prompt, and what of the answer is not of its format."""
        for warning in self._warnings:
            self._console.note(f"Warning: {warning}")

    def _end_thinking(self, heading: str) -> None:
        if self._thinking:
            self._thinking = False
            self._write(("\n" if self._ended else "\n\n") + heading)

    def _say(self, text: str) -> None:
        if self._markdown is None:
            self._write(text)
            return
        for piece in self._markdown.feed(text):
            self._place(piece)

    def _place(self, piece: Piece) -> None:
        if isinstance(piece, Run):
            self._write(piece.text, piece.style, piece.hang)
        elif isinstance(piece, Rule):
            self._write("\u2500" * (shutil.get_terminal_size().columns - 1), FAINT)
            self._write("\n")
        else:
            self._draw(piece)

    def _draw(self, table: Table) -> None:
        """Show a table, in place of what was shown of it: its columns depend on all rows.

        Of one that is higher than the screen nothing more is shown until it is whole, as lines that
        have left the screen stay as they are.
        """
        size = shutil.get_terminal_size()
        text = rendered(table, size.columns)
        height = text.count("\n")
        if table.done or height < size.lines - 1:
            self._console.end_style(self._wrap)
            self._console.block(text, over=self._drawn)
            self._drawn = 0 if table.done else height
            self._ended = True

    def _write(self, text: str, style: str = "", hang: str = "") -> None:
        if text:
            self._console.piece(text, self._wrap, style, hang)
            self._ended = text.endswith("\n")
