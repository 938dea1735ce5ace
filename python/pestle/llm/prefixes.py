"""Keys and values of a text on disk: what the next process need not read again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pestle import sessions
from pestle.engine.runtime import Runtime
from pestle.errors import SessionError
from pestle.sessions import SessionFolder


def save(runtime: Runtime, folder: Path, text: Sequence[int]) -> int:
    """Save what is kept of `text` in `folder`, as a session without messages; how many tokens.

    Where less than half of it is kept any more, what was saved before stays.
    """
    sequence = runtime.kept(list(text))
    if sequence is None:
        return 0
    try:
        if 2 * runtime.n_tokens(sequence) < len(text):
            return 0
        fingerprint = _fingerprint(runtime)
        saved = sessions.save(SessionFolder(folder), runtime, sequence, [], fingerprint)
        return len(saved.memory.tokens) if saved.memory is not None else 0
    finally:
        runtime.retire(sequence)


def load(runtime: Runtime, folder: Path) -> tuple[int, ...]:
    """Have the text that was saved in `folder` kept; its tokens. It raises where it cannot be."""
    found = sessions.load(SessionFolder(folder), runtime, _fingerprint(runtime))
    if found.reason is not None:
        raise SessionError(f"{folder}: {found.reason}")
    if found.sequence is None or found.saved.memory is None:
        return ()
    runtime.retire(found.sequence)
    return found.saved.memory.tokens


def _fingerprint(runtime: Runtime) -> sessions.Fingerprint:
    try:
        return sessions.fingerprint_of(runtime.loaded)
    except OSError as error:
        raise SessionError(f"cannot read {error.filename}: {error.strerror}") from error
