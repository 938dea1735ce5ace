"""What the system refuses of a file that is written, as an error that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pestle import files
from pestle.errors import Error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError into an Error that names the file, or else `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in files.NO_SPACE:
            raise Error(
                f"no space left for {path}; the same command goes on where it stopped"
            ) from error
        there = error.filename if error.filename is not None else path
        raise Error(f"cannot write {there}: {error.strerror}") from error
