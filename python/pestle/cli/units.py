"""Numbers as people read them. Sizes are decimal: 1 GB is 10^9 bytes, as in every GB/s here."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from pestle import sizes
from pestle.cli.harmless import escaped


def size(n_bytes: float) -> str:
    """Bytes with three significant digits: 98.4 MB."""
    return sizes.shown(n_bytes)


def binary(n_bytes: int) -> str:
    """A cache's size, which is always given in powers of two: 32 KiB, 1 MiB."""
    for name, unit in (("MiB", 2**20), ("KiB", 2**10)):
        if n_bytes >= unit:
            return f"{n_bytes / unit:g} {name}"
    return f"{n_bytes} B"


def count(n: float) -> str:
    """A count with three significant digits: 135M parameters, 7.24B."""
    return sizes.scaled(n, ("", "k", "M", "B", "T")).replace(" ", "")


def gigabytes(per_second: float) -> str:
    """Bytes a second: 29.1 GB/s."""
    return f"{per_second / 1e9:.1f} GB/s"


def gigaops(per_second: float) -> str:
    """Operations a second: 938 GOPS."""
    return f"{per_second / 1e9:,.0f} GOPS"


def aligned(rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> list[str]:
    """Rows as lines of columns two spaces apart; the columns in `numbers` are right-aligned.

    A row is one line whatever its cells hold.
    """
    rows = [[escaped(text) for text in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for index, (text, width) in enumerate(zip(row, widths, strict=True)):
            blank = " " * (width - cell_len(text))
            cells.append(blank + text if index in numbers else text + blank)
        lines.append("  ".join(cells).rstrip())
    return lines
