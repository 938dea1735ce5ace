"""An answer on the screen while it is written: what the model thinks, faint, and what it says."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pestle.cli.console import Console, coloured
from pestle.cli.wrapping import WordWrap

if TYPE_CHECKING:
    from pestle import Chunk


class AnswerView:
    """Writes chunks to stdout as they come.

    Only a terminal shows what the model thinks: in a pipe the answer is all there is. Where faint
    text does not belong, headings tell the two apart.
    """

    def __init__(self, console: Console, *, reasoning: bool) -> None:
        self._console = console
        self._shows_reasoning = reasoning and sys.stdout.isatty()
        self._faint = coloured(sys.stdout)
        self._wrap = WordWrap()
        self._thinking = False
        self._ended = True
        self._warnings: dict[str, None] = {}

    def add(self, chunk: Chunk) -> None:
        """Show what a chunk adds."""
        if chunk.reasoning and self._shows_reasoning:
            if not self._thinking:
                self._thinking = True
                self._write("" if self._faint else "Thinking:\n", faint=True)
            self._write(chunk.reasoning, faint=True)
        if chunk.text:
            self._end_thinking("" if self._faint else "Answer:\n")
            self._write(chunk.text)
        for call in chunk.tool_calls:
            self.end()
            self._console.note(f"The model calls {call.name}({call.arguments})")
        self._warnings |= dict.fromkeys(chunk.warnings)

    def end(self) -> None:
        """End the last line, if it was not."""
        if not self._ended:
            self._console.out("")
            self._ended = True

    def warn(self) -> None:
        """Say what of the answer is not as the model's format has it."""
        for warning in self._warnings:
            self._console.note(f"This is not as the model's format has it: {warning}")

    def _end_thinking(self, heading: str) -> None:
        if self._thinking:
            self._thinking = False
            self._write(("\n" if self._ended else "\n\n") + heading)

    def _write(self, text: str, *, faint: bool = False) -> None:
        if text:
            self._console.piece(text, self._wrap, faint=faint)
            self._ended = text.endswith("\n")
