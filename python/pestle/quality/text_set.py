"""The texts that models are measured on: the built-in set, or a user's own file."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pestle.errors import Error, FormatError

VERSION = "1"
"""Of the built-in set: another one is another set, and its figures do not compare."""
_CHATS = ("chat", "tools")
_TEXTS = ("code", "prose", "languages", "scripts")
CATEGORIES = (*_CHATS, *_TEXTS)
"""Of the built-in set, in its order."""
_HEADING = re.compile(r"^=== (.+)$\n", re.MULTILINE)


@dataclass(frozen=True)
class Text:
    """A text, or a conversation, which the model's own template makes one of."""

    category: str
    name: str
    content: str = ""
    messages: Sequence[Mapping[str, Any]] = ()
    tools: Sequence[Any] = ()


@dataclass(frozen=True)
class TextSet:
    """`digest`: sha256 of the content of the files, in their order."""

    name: str
    digest: str
    texts: tuple[Text, ...]


def built_in() -> TextSet:
    """Chats, calls of tools, code, prose, and texts in many languages and scripts."""
    folder = resources.files("pestle.quality") / "texts"
    digest = hashlib.sha256()
    texts: list[Text] = []
    for category in CATEGORIES:
        ending = "json" if category in _CHATS else "txt"
        # Lines end alike wherever the package was unpacked.
        content = (folder / f"{category}.{ending}").read_text(encoding="utf-8")
        digest.update(content.encode())
        if category in _CHATS:
            texts += [
                Text(category, c["name"], messages=c["messages"], tools=c.get("tools", ()))
                for c in json.loads(content)
            ]
        else:
            parts = _HEADING.split(content)[1:]
            texts += map(Text, [category] * len(parts), parts[::2], parts[1::2])
    return TextSet(f"pestle-{VERSION}", digest.hexdigest(), tuple(texts))


def from_file(path: str | os.PathLike[str]) -> TextSet:
    """The whole of a file as one text. FormatError: it is empty, or not UTF-8."""
    path = Path(path)
    try:
        data = path.read_bytes()
        content = data.decode()
    except OSError as error:
        raise Error(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{path}: is no UTF-8 text: {error.reason} at byte {error.start}"
        ) from error
    if not content.strip():
        raise FormatError(f"{path}: holds no text")
    digest = hashlib.sha256(data).hexdigest()
    return TextSet(path.name, digest, (Text("text", path.name, content),))
