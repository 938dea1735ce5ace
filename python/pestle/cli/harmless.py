"""What of a text may reach a terminal. Whatever the program writes passes here, errors included.

A model, a file, a hub or a session can hold an escape sequence that sets a terminal's title, fills
its clipboard or rewrites what stands above; or a character that shows text in another order.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_REPLACED = "\N{REPLACEMENT CHARACTER}"
# C0 controls but for tab and line feed, DEL and C1; what breaks or reorders lines where a person
# does not expect it; and halves of surrogate pairs, which no encoding has.
_ACTED_ON = (
    *range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A),
    *range(0xD800, 0xE000),
)  # fmt: skip
_HARMLESS: dict[int, str] = dict.fromkeys(_ACTED_ON, _REPLACED)
_HARMLESS |= {ord("\t"): "\t", ord("\n"): "\n", ord("\r"): ""}


def harmless(text: str) -> str:
    """`text` without what a terminal would act on. Joiners stay: scripts and emoji need them."""
    return text.translate(_HARMLESS)


def escaped(text: str) -> str:
    """`text` on one line, with every character that cannot be seen as Python would write it.

    For what a person decides by, or looks for: nothing in it is hidden, moved or left out.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class FilteredStream(io.TextIOBase):
    """A text stream that everybody may write to, also libraries, warnings and tracebacks.

    It has no `buffer`: bytes would pass unseen. `raw` is for libraries that are given harmless text
    and write sequences around it. Errors of the system name the stream.
    """

    def __init__(self, raw: TextIO, name: str, *, always: bool) -> None:
        """`always`: filter also where no terminal is; else a pipe gets every byte."""
        self.raw, self._name = raw, name
        self._filters = always or raw.isatty()

    def write(self, text: str) -> int:
        """Write what is harmless of `text`."""
        if not isinstance(text, str):
            raise TypeError(f"a str is expected, not {type(text).__name__}")
        return self.write_raw(harmless(text) if self._filters else text)

    def write_raw(self, text: str) -> int:
        """Write all of `text`: for sequences of the program's own."""
        with self._named():
            return self.raw.write(text)

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        with self._named():
            self.raw.flush()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = self._name
            raise

    def isatty(self) -> bool:
        return self.raw.isatty()

    def fileno(self) -> int:
        return self.raw.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.raw.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self.raw.errors


def write_raw(stream: TextIO, text: str) -> None:
    """Write all of `text`, which is harmless but for sequences of the program's own."""
    write = stream.write_raw if isinstance(stream, FilteredStream) else stream.write
    write(text)


def raw(stream: TextIO) -> TextIO:
    """The stream behind a guard."""
    return stream.raw if isinstance(stream, FilteredStream) else stream
