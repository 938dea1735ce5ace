"""Breaks the lines of a streamed answer between words, as a terminal by itself does not."""

from __future__ import annotations

from rich.cells import cell_len

FENCE = "```"
_FAINT = "2"


class WordWrap:
    """Text in, text out, character by character: nothing waits for a word to end.

    A word that turns out not to fit is erased and written again on the next line. Only words of
    characters that are one cell wide are erased, since terminals differ about other widths. Code
    between fences is left alone, so that it can be copied; so are words longer than a line.

    Where styles are used, the text of each call has one. The terminal's style at the end is that of
    the last call: `close` ends it.
    """

    def __init__(self) -> None:
        self._column = 0
        self._word: list[tuple[str, str]] = []  # what is on the screen of the word being written
        self._head = ""  # the first characters of the line, to see a fence
        self._code = False
        self._style = ""
        self._columns = 0
        self._hang = ""

    def feed(self, text: str, columns: int, style: str = "", hang: str = "") -> str:
        """What to write for `text` on a terminal of so many columns.

        `style` is the parameters of an SGR sequence; "" is none. `hang` is what a line begins with
        that goes on with the one before, faint; on a narrow terminal that is nothing.
        """
        if not text:
            return ""
        self._hang = hang if 2 * len(hang) < columns else ""
        if columns != self._columns:
            self._resized(columns)
        change = self._change(style)
        # The last column stays free: terminals differ about where the cursor is after it.
        return change + "".join(self._put(character, columns - 1) for character in text)

    def _resized(self, columns: int) -> None:
        """The terminal has broken the lines that are too long now: nothing there is erased."""
        if self._columns:
            self._word = []
            self._column %= columns
        self._columns = columns

    def close(self) -> str:
        """What ends the style."""
        return self._change("")

    def _change(self, style: str) -> str:
        before, self._style = self._style, style
        return _sgr(before, style)

    def _put(self, character: str, limit: int) -> str:
        if character == "\n":
            self._code ^= self._head == FENCE
            self._column, self._word, self._head = 0, [], ""
            return character
        if len(self._head) < len(FENCE) and (self._head or not character.isspace()):
            self._head += character
        if self._code or self._head == FENCE:
            return character
        return self._blank(character, limit) if character in " \t" else self._mark(character, limit)

    def _blank(self, character: str, limit: int) -> str:
        self._word = []
        cells = 1 if character == " " else 8 - self._column % 8
        if self._column + cells > limit:
            return self._break()
        self._column += cells
        return character

    def _mark(self, character: str, limit: int) -> str:
        cells = cell_len(character)
        broken = ""
        if self._column + cells > limit:
            if cells != 1:
                broken = self._break()
                self._word = []
            elif len(self._word) < self._column - len(self._hang):
                back = f"\x1b[{len(self._word)}D\x1b[K" if self._word else ""
                broken = f"{back}{self._break()}{self._again()}"
                self._column += len(self._word)
        self._word = [*self._word, (self._style, character)] if cells == 1 else []
        self._column += cells
        return broken + character

    def _break(self) -> str:
        """Go on with the line below."""
        self._column = len(self._hang)
        if not self._hang:
            return "\n"
        return f"{_sgr(self._style, _FAINT)}\n{self._hang}{_sgr(_FAINT, self._style)}"

    def _again(self) -> str:
        """The word once more, each character in its style, and then the style of now."""
        current, said = self._style, ""
        for style, character in self._word:
            said += _sgr(current, style) + character
            current = style
        return said + _sgr(current, self._style)


def _sgr(before: str, style: str) -> str:
    """What changes one style into another."""
    if before == style:
        return ""
    return "\x1b[" + ";".join((["0"] if before else []) + ([style] if style else [])) + "m"
