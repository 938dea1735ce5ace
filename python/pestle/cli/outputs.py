"""Where a command writes: never over what it reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click


def require_no_source(output: Path, sources: Iterable[Path]) -> None:
    """Raise ClickException if `output` is one of the files that the command reads."""
    from pestle import files  # here: few commands write any

    if any(files.is_same(output, source) for source in sources):
        raise click.ClickException(f"{output} is the source itself, which is not replaced")
