"""Files that go with a message, as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pestle.cli.piped import is_file

_MOST_BYTES = 64 << 20
_QUOTED = re.compile(r"""(["'])(.+?)\1\s*(.*)""", re.DOTALL)
_FENCE = re.compile(r"^`{3,}", re.MULTILINE)


class UnreadableError(Exception):
    """A file that cannot go with a message; the text says why."""


@dataclass(frozen=True)
class Attachment:
    """A file's name and its text."""

    name: str
    text: str

    def message(self) -> str:
        """How a model gets it: its name, and its text between fences that are not in it."""
        longest = max(map(len, _FENCE.findall(self.text)), default=2)
        fence = "`" * max(longest + 1, 3)
        end = "" if self.text.endswith("\n") else "\n"
        return f"{self.name}:\n{fence}\n{self.text}{end}{fence}"


def parted(argument: str) -> tuple[str, str]:
    """A path and what follows it: `notes.txt What is this?`, `"my notes.txt" What is this?`.

    A path with blanks needs no quotes where nothing follows.
    """
    quoted = _QUOTED.fullmatch(argument)
    if quoted is not None:
        return quoted[2], quoted[3].strip()
    if is_file(str(Path(argument).expanduser())):
        return argument, ""
    path, _, rest = argument.partition(" ")
    return path, rest.strip()


def read(path: str) -> Attachment:
    """Read a text file. Raises UnreadableError for what is none, or cannot be read."""
    place = Path(path).expanduser()
    try:
        size = place.stat().st_size
        if size > _MOST_BYTES:
            raise UnreadableError(f"{path} has {size:,} bytes, more than {_MOST_BYTES:,}")
        data = place.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}") from error
    if data.startswith(b"%PDF"):
        raise UnreadableError(f"{path} is a PDF; its text is wanted, as `pdftotext` gives it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{path} is not UTF-8 text (byte {error.start})") from error
    if "\0" in text:
        raise UnreadableError(f"{path} is not text: it holds NUL bytes")
    if not text.strip():
        raise UnreadableError(f"{path} is empty")
    return Attachment(place.name, text)
