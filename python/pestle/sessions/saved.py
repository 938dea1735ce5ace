"""A saved session: what was said, and the keys and values of what the model has read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pestle import files
from pestle._core import KV_PAGE_TOKENS
from pestle.engine.pages import HeldPages
from pestle.engine.runtime import Runtime
from pestle.engine.sequence import HeldSequence, common_prefix
from pestle.errors import ContextLengthError, FormatError, SessionError
from pestle.options.checks import INT32_MAX
from pestle.sessions.fingerprint import Fingerprint
from pestle.sessions.pages import (
    PageFiles,
    PageKey,
    Place,
    places_from_json,
    places_to_json,
    size_of,
)
from pestle.sessions.places import HEADER, STATE, SessionFolder

VERSION = 1
_MOST_BYTES = 1 << 30  # of the session's own file: some 100 million characters and all their tokens
_MOST_FILES = 64  # of pages; then all are written into one

Messages = list[dict[str, Any]]


@dataclass(frozen=True)
class SavedContext:
    """Tokens whose keys and values are in files, and under what they were computed."""

    fingerprint: Fingerprint
    tokens: tuple[int, ...] = field(repr=False)
    places: Mapping[PageKey, Place] = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of the pages in use."""
        return sum(place.size for place in self.places.values())


@dataclass(frozen=True)
class SavedSession:
    """What a session's file says.

    Attributes:
        messages: Those of the conversation.
        memory: What was kept of the text; None where nothing had been read.
        model: The model's name, for people.
        written: Bytes that saving it wrote.
    """

    messages: Messages = field(repr=False)
    memory: SavedContext | None
    model: str = ""
    written: int = field(default=0, compare=False)


def save(
    folder: SessionFolder,
    runtime: Runtime,
    sequence: HeldSequence,
    messages: Messages,
    fingerprint: Fingerprint,
    resume: int = 0,
) -> SavedSession:
    """Save `messages` and what `sequence` holds, in place of what was saved in `folder` before.

    Pages that are there already are not written again. The next prompt is likely to begin with
    `resume` of the tokens: where layers have windows, what going on from there needs is saved too.
    What was saved before stays valid until all of this is on the disk. Raises SessionError.
    """
    with folder.hold():
        pages = runtime.pages_of(sequence, resume)
        try:
            folder.require_replaceable()
            # Whoever saves over a damaged one has been told, or has not asked.
            before = _stated(folder.path / STATE)
            return _write(folder.path, pages, messages, fingerprint, before, runtime.loaded.name)
        except OSError as error:
            raise SessionError(
                f"cannot save the session {folder.name} in {folder.path}: {error.strerror}"
            ) from error


@dataclass(frozen=True)
class RestoredSession:
    """What was loaded.

    Attributes:
        saved: What the session's file says.
        sequence: Keys and values of its text; None where they cannot be used.
        reason: Why not, then.
    """

    saved: SavedSession
    sequence: HeldSequence | None = None
    reason: str | None = None

    @property
    def n_tokens(self) -> int:
        """How many tokens need not be read again."""
        return len(self.saved.memory.tokens) if self.saved.memory and self.sequence else 0


def load(folder: SessionFolder, runtime: Runtime, fingerprint: Fingerprint) -> RestoredSession:
    """What was saved in `folder`, with a sequence of its keys and values.

    Those that this model would not have computed, or that are damaged, are not used: the messages
    are there all the same. Raises SessionError where nothing was saved, FormatError where the
    session's own file is damaged.
    """
    if not folder.exists:
        raise SessionError(f"there is no session {folder.name} ({folder.path})")
    with folder.hold():
        saved = _read(folder.path / STATE)
        memory = saved.memory
        if memory is None:
            return RestoredSession(saved)
        difference = fingerprint.difference(memory.fingerprint)
        if difference is not None:
            return RestoredSession(saved, reason=difference)
        pages, sizes = PageFiles(folder.path), runtime.page_sizes

        def page(group: int, index: int) -> bytes | None:
            place = memory.places.get((group, index))
            return None if place is None else pages.read(place, sizes[group])

        try:
            return RestoredSession(saved, runtime.restore(list(memory.tokens), page))
        except ContextLengthError as error:
            return RestoredSession(saved, reason=str(error))
        except (FormatError, ValueError, OverflowError) as error:
            return RestoredSession(saved, reason=f"it is damaged: {error}")
        except OSError as error:
            return RestoredSession(
                saved, reason=f"{error.filename or folder.path}: {error.strerror}"
            )


def _write(
    folder: Path,
    pages: HeldPages,
    messages: Messages,
    fingerprint: Fingerprint,
    before: SavedSession | None,
    model: str,
) -> SavedSession:
    on_disk = PageFiles(folder)
    usable = {} if before is None else _usable(before.memory, pages, fingerprint)
    size = sum(place.size for place in usable.values())
    if before is not None and before.memory is not None and 2 * size < _on_disk(on_disk, folder):
        usable = {}  # more than half of the files would be of no use: begin new ones
    if len({place.file for place in usable.values()}) >= _MOST_FILES:
        usable = {}
    new = [(key, n) for key, n in pages.sizes.items() if key not in usable]
    named = _files_of(before)
    try:
        written = on_disk.write(new, pages.read) if new else {}
        places = {key: (usable | written)[key] for key in pages.sizes}
        memory = SavedContext(fingerprint, tuple(pages.tokens), places) if pages.tokens else None
        data = _encode(messages, memory, model)
        with files.placed(folder / STATE, private=True, follow=False) as stream:
            stream.write(data)
    except BaseException:
        # Where the name was changed and only syncing it failed, the session is the new one.
        if _stated(folder / STATE) is None or _files_of(_stated(folder / STATE)) <= named:
            on_disk.forget()
        raise
    with suppress(OSError):  # it is saved; what is of no use goes next time
        on_disk.keep_only({place.file for place in places.values()}, named=named)
    return SavedSession(
        [*messages], memory, model, len(data) + sum(p.size for p in written.values())
    )


def _usable(
    memory: SavedContext | None, pages: HeldPages, fingerprint: Fingerprint
) -> dict[PageKey, Place]:
    """The pages on disk that are those of `pages`."""
    if memory is None or memory.fingerprint != fingerprint:
        return {}
    common = common_prefix(memory.tokens, pages.tokens)
    found = {}
    for key, n_tokens in pages.sizes.items():
        place = memory.places.get(key)
        end = key[1] * KV_PAGE_TOKENS + n_tokens
        if place is not None and place.n_tokens >= n_tokens and end <= common:
            found[key] = place
    return found


def require(name: str | os.PathLike[str]) -> SessionFolder:
    """The session that was saved under `name`. SessionError: there is none."""
    folder = SessionFolder(name)
    if not folder.exists:
        raise SessionError(f"there is no session {name}: `pestle ls --sessions` lists them")
    return folder


def read(name: str | os.PathLike[str]) -> SavedSession:
    """What was saved under `name`. Raises SessionError, FormatError where the file is damaged."""
    return _read(require(name).path / STATE)


def remove(name: str | os.PathLike[str]) -> int:
    """Delete a session; return its size in bytes. Raises SessionError, also for a link to one."""
    folder = require(name)
    if folder.path.is_symlink():
        raise SessionError(
            f"{folder.path} is a link to {files.link_target(folder.path)}, which is not removed; "
            "remove the link by hand"
        )
    with folder.hold():
        try:
            return folder.remove(_files_of(_stated(folder.path / STATE)))
        except OSError as error:
            raise SessionError(f"cannot remove {error.filename}: {error.strerror}") from error


def _on_disk(pages: PageFiles, folder: Path) -> int:
    return sum(size_of(folder / name) for name in pages.names())


def _stated(path: Path) -> SavedSession | None:
    """What a session's own file says; None for one that is not there or cannot be read."""
    try:
        return _read(path)
    except (FormatError, SessionError):
        return None


def _files_of(saved: SavedSession | None) -> set[str]:
    """The files with the pages of a session."""
    memory = None if saved is None else saved.memory
    return set() if memory is None else {place.file for place in memory.places.values()}


def _encode(messages: Messages, memory: SavedContext | None, model: str) -> bytes:
    session = {
        "model": model,
        "messages": messages,
        "memory": None
        if memory is None
        else {
            "fingerprint": memory.fingerprint.to_json(),
            "tokens": memory.tokens,
            "pages": places_to_json(memory.places),
        },
    }
    try:
        text = json.dumps(session, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise SessionError(f"the messages cannot be saved as JSON: {error}") from error
    return f"{HEADER} {VERSION} {hashlib.sha256(text).hexdigest()}\n".encode() + text


def _read(path: Path) -> SavedSession:
    """A session's own file. Raises FormatError, SessionError where it cannot be read."""
    try:
        header, _, text = files.read_bounded(path, _MOST_BYTES).partition(b"\n")
    except OSError as error:
        raise SessionError(f"cannot read {path}: {error.strerror}") from error
    words = header.decode("ascii", "replace").removeprefix(HEADER).split()
    if not header.startswith(HEADER.encode()) or len(words) != 2:
        raise FormatError(f"{path} is no session: it begins with {header[:40]!r}")
    if words[0] != str(VERSION):
        raise FormatError(f"{path} has version {words[0]}, expected {VERSION}")
    if hashlib.sha256(text).hexdigest() != words[1]:
        raise FormatError(f"{path} is damaged: its sha256 is not the one in its first line")
    try:
        return _decode(json.loads(text))
    except (ValueError, RecursionError, FormatError) as error:
        raise FormatError(f"{path}: {error}") from error


def _decode(found: Any) -> SavedSession:
    if not isinstance(found, dict):
        raise FormatError(f"it holds {found!r:.40}, expected an object")
    messages, memory, model = (found.get(name) for name in ("messages", "memory", "model"))
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise FormatError("the messages are not a list of objects")
    if not isinstance(model, str):
        raise FormatError("the model has no name")
    if memory is None:
        return SavedSession(messages, None, model)
    tokens = memory.get("tokens") if isinstance(memory, dict) else None
    if not isinstance(tokens, list) or not all(
        type(token) is int and 0 <= token <= INT32_MAX for token in tokens
    ):
        raise FormatError("the tokens are not a list of token ids")
    fingerprint = Fingerprint.from_json(memory.get("fingerprint"))
    places = places_from_json(memory.get("pages"))
    return SavedSession(messages, SavedContext(fingerprint, tuple(tokens), places), model)
