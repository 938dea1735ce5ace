"""What decides the numbers: keys and values are used again only where all of it is the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from pestle._core import KV_LAYOUT_VERSION, KV_PAGE_TOKENS
from pestle.errors import FormatError
from pestle.version import own_version

if TYPE_CHECKING:
    from pestle.engine.loaded import Loaded
    from pestle.models import Progress


@dataclass(frozen=True)
class Fingerprint:
    """Threads, chunks, the context's size and the instruction set are not in it: no bit depends
    on them.
    """

    model: str  # the digest of its files
    kv_type: str
    options: str  # what takes the place of the file's own settings
    pestle: str  # another version may compute otherwise
    layout: str  # of keys and values in their files

    def difference(self, other: Fingerprint) -> str | None:
        """In words, what keeps keys and values of `other` from being used; None if nothing does."""
        for field in fields(self):
            now, then = getattr(self, field.name), getattr(other, field.name)
            if now != then:
                return _WORDS[field.name].format(now=now, then=then)
        return None

    def to_json(self) -> dict[str, str]:
        """As JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Any) -> Fingerprint:
        """Raises FormatError."""
        names = [field.name for field in fields(cls)]
        if not isinstance(found, Mapping) or any(not isinstance(found.get(n), str) for n in names):
            raise FormatError(f"the fingerprint is {found!r:.80}, expected strings {names}")
        return cls(**{name: found[name] for name in names})


_WORDS = {
    "model": "the model's file is another one",
    "kv_type": "keys and values were {then}, now they are {now}",
    "options": "the model's options were {then}, now they are {now}",
    "pestle": "it was saved by Pestle {then}, this is {now}",
    "layout": "keys and values lie otherwise in this version",
}


def fingerprint_of(loaded: Loaded, progress: Progress | None = None) -> Fingerprint:
    """That of a loaded model. The first time its files are read for it. Raises OSError."""
    from pestle.sessions.model_digest import model_digest

    return Fingerprint(
        model=model_digest(loaded.files, progress),
        kv_type=loaded.options.kv_type,
        options=loaded.options.rope_in_words(),
        pestle=own_version(),
        layout=f"{KV_LAYOUT_VERSION}, {KV_PAGE_TOKENS} tokens",
    )
