"""Names of files that come from others, and what of them may become a path on this disk."""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 255
"""Bytes of a name, as most file systems have it."""
_DEVICE: Final = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.I
)


def is_file_name(text: str) -> bool:
    """Whether `text` names a file in a folder, on every system, and nothing else.

    So it has no separator of any system, no drive, is no device's name and not hidden, and can be
    printed as it is.
    """
    return (
        text.isprintable()  # neither control characters, NUL among them, nor lone surrogates
        and 0 < len(text.encode()) <= _LONGEST
        and not any(char in text for char in '/\\:<>"|?*')
        and not text.startswith(".")
        and not text.endswith((".", " "))
        and _DEVICE.fullmatch(text) is None
    )


def is_relative_path(text: str) -> bool:
    """Whether `text` consists of such names with slashes between."""
    return len(text) <= 4 * _LONGEST and all(map(is_file_name, text.split("/")))
