"""The short names: models that this version runs, by what people call them."""

from __future__ import annotations

import re
from pathlib import Path

from pestle.models.entries import DEFAULT_NAME, DEFAULT_WHEEL, CatalogueEntry, entries
from pestle.models.quants import quant_of, stem_of

__all__ = [
    "CATALOGUE", "DEFAULT_NAME", "DEFAULT_WHEEL", "CatalogueEntry", "entry_of_file", "lookup",
    "of_publisher",
]  # fmt: skip

CATALOGUE: dict[str, CatalogueEntry] = {entry.name: entry for entry in entries()}

_BLANKS = re.compile(r"[-_.:\s]")
_KINDS = re.compile(r"(?:instruct|chat|it)$")  # what other programs leave out or spell out
_SPOKEN: dict[str, str] = {}  # squeezed -> the name


def _squeezed(name: str) -> str:
    """A name without what people spell in different ways: `Llama-3.2:1B` is llama321b."""
    return _BLANKS.sub("", name.lower())


for _entry in CATALOGUE.values():
    for _name in (_entry.name, *_entry.aliases):
        _SPOKEN[_squeezed(_name)] = _entry.name


def lookup(name: str) -> tuple[CatalogueEntry, str] | None:
    """Find `name`, `name:QUANT` or another program's spelling of it; the entry and its encoding.

    `llama3.2:1b`, `Llama-3.2-1B-Instruct` and `llama3.2:1b-instruct` are llama3.2-1b; a family's
    name alone, also with Ollama's `:latest` behind it, is one of its members.
    """
    text = name.removesuffix(":latest")
    if not text or "/" in text or "\\" in text:
        return None
    entry = _spoken(text)
    if entry is not None:
        return entry, entry.quant
    dashed = text.replace(":", "-")  # Ollama's tags end in the encoding: `llama3.2:1b-q8_0`
    stated = quant_of(dashed)
    if stated is not None and (entry := _spoken(stem_of(dashed))) is not None:
        return entry, stated
    bare, _, file = text.rpartition(":")
    entry = CATALOGUE.get(bare.lower())
    return None if entry is None else (entry, file.upper())


def _spoken(name: str) -> CatalogueEntry | None:
    squeezed = _squeezed(name)
    known = _SPOKEN.get(squeezed) or _SPOKEN.get(_KINDS.sub("", squeezed))
    return None if known is None else CATALOGUE[known]


def of_publisher(name: str) -> CatalogueEntry | None:
    """The entry of a model by the name that it has in its makers' repository, `google/gemma-3-4b`.

    Such a repository holds no GGUF file, but LM Studio calls models so.
    """
    user, slash, repo = name.partition("/")
    known = lookup(repo) if slash and user else None
    return known[0] if known is not None else None


def entry_of_file(path: Path, architecture: str) -> CatalogueEntry | None:
    """The entry of a model file, in whatever encoding, by the file's name and architecture."""
    stem = stem_of(path.name)
    of_file = _BY_STEM.get(stem)
    if of_file is None or of_file.architecture != architecture:
        return None
    return of_file


_BY_STEM: dict[str, CatalogueEntry] = {stem_of(e.file): e for e in CATALOGUE.values()}
