"""Tables of Markdown: their cells, and how a terminal of some width shows them."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pestle.cli.harmless import harmless
from pestle.cli.markdown_inline import BOLD, CODE, FAINT, ITALIC, LINK, STRUCK, whole

if TYPE_CHECKING:
    from rich.text import Text

Side = Literal["left", "center", "right"]
_BETWEEN = re.compile(r"(?<!\\)\|")
_DELIMITER = re.compile(r":?-+:?")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_NAMES = {
    BOLD: "bold", FAINT: "dim", ITALIC: "italic", LINK: "underline", STRUCK: "strike", CODE: "cyan",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table as far as it has come: Markdown's lines, the header and the delimiter first.

    `done`: no more rows come.
    """

    lines: tuple[str, ...]
    done: bool


def cells_of(line: str) -> list[str]:
    """The cells of a row."""
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [cell.strip().replace("\\|", "|") for cell in _BETWEEN.split(inner)]


def is_delimiter(line: str, columns: int) -> bool:
    """Whether a line parts a table's header, of so many columns, from its rows."""
    cells = cells_of(line)
    return len(cells) == columns and all(map(_DELIMITER.fullmatch, cells))


def rendered(table: Table, columns: int) -> str:
    """The table as lines for a terminal of so many columns, with their styles."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable

    header, delimiter, *rows = table.lines
    grid = RichTable(box=box.ROUNDED, header_style="bold")
    heads = cells_of(header)
    for head, mark in zip(heads, cells_of(delimiter), strict=True):
        grid.add_column(_text(head), justify=_side(mark), overflow="fold")
    for row in rows:
        cells = cells_of(row)[: len(heads)]
        grid.add_row(*map(_text, [*cells, *[""] * (len(heads) - len(cells))]))
    out = io.StringIO()
    console = Console(
        file=out, width=max(columns - 1, 8), force_terminal=True, color_system="standard",
        legacy_windows=False, highlight=False, no_color=False,
    )  # fmt: skip
    console.print(grid)
    return out.getvalue()


def _side(mark: str) -> Side:
    if mark.endswith(":"):
        return "center" if mark.startswith(":") else "right"
    return "left"


def _text(cell: str) -> Text:
    from rich.text import Text

    text = Text()
    for style, piece in _styled(cell):
        text.append(harmless(piece), " ".join(_NAMES[code] for code in style.split(";") if code))
    return text


def _styled(cell: str) -> Sequence[tuple[str, str]]:
    return whole(_BREAK.sub("\n", cell), "")
