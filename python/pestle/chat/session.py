"""A session: generation that keeps what the model has read, from one call to the next."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

from pestle.chat.calls import GeneratingCalls
from pestle.engine.sequence import common_prefix
from pestle.engine.waking import Awaited, in_thread
from pestle.errors import Error, SessionError

if TYPE_CHECKING:
    from pestle.engine.run import Lease
    from pestle.engine.runtime import Runtime
    from pestle.engine.sequence import HeldSequence
    from pestle.models import Progress
    from pestle.sessions import RestoredSession, SavedSession, SessionFolder

Place: TypeAlias = "str | os.PathLike[str] | SessionFolder"
"""Where a session is saved: its name, or a folder as a path object."""


class Session(GeneratingCalls):
    """One sequence of tokens whose keys and values stay in memory. Made by `LLM.session`.

    Each call takes its whole prompt or all its messages. Of these, the longest prefix that the
    session still holds is not computed again, and the rest replaces what the session held after
    it (`usage.cached_tokens` tells how much was kept). The result is the same to the bit as
    without the session.

    A session does one generation at a time: a call made while a stream of it is open raises Error.
    Sessions of one LLM may be used by several threads at once; their forward passes take turns.
    Closing the LLM frees what its sessions hold: any use of them then raises Error.
    """

    def __init__(self, runtime: Runtime, sequence: HeldSequence | None = None) -> None:
        self._runtime = runtime
        self._sequence = runtime.new_sequence() if sequence is None else sequence
        self._busy = Lock()

    def __repr__(self) -> str:
        if self._runtime.closed:
            return "Session(closed)"
        return f"Session({self.n_tokens} of {self.n_ctx} tokens)"

    @property
    def n_ctx(self) -> int:
        """How many tokens the session may hold."""
        return self._runtime.loaded.engine.n_ctx

    @property
    def n_tokens(self) -> int:
        """How many tokens the session holds."""
        return self._runtime.n_tokens(self._sequence)

    @property
    def tokens(self) -> list[int]:
        """The tokens the session holds: the last prompt, and of its answer all that was read.

        The last token of an answer is not among them: nothing has had to read it yet. While a
        stream is open there may be more of them than it has given out: speculation reads ahead.
        """
        return self._runtime.tokens(self._sequence)

    def fork(self) -> Session:
        """A new session that holds the same tokens. It shares their memory, and takes no time."""
        with self._exclusive() as sequence:
            return Session(self._runtime, self._runtime.fork(sequence))

    def reset(self) -> None:
        """Forget all tokens and free their memory."""
        with self._exclusive() as sequence:
            self._runtime.reset(sequence)

    def save(
        self, folder: Place, messages: list[dict[str, Any]], following: Sequence[int] = ()
    ) -> SavedSession:
        """Save `messages` and what the session holds; `following` is what the next prompt may be.

        Raises SessionError and ArgumentTypeError. See `Conversation.save`.
        """
        from pestle.sessions import fingerprint_of, save

        folder = session_folder(folder)
        with self._exclusive() as sequence:
            resume = common_prefix(self._runtime.tokens(sequence), following)
            fingerprint = fingerprint_of(self._runtime.loaded)
            return save(folder, self._runtime, sequence, messages, fingerprint, resume)

    def asave(
        self, folder: Place, messages: list[dict[str, Any]], following: Sequence[int] = ()
    ) -> Awaited[SavedSession]:
        """`save` for asyncio, in a thread. Cancelled, it returns when all is saved."""
        return in_thread(partial(self.save, session_folder(folder), messages, following))

    def load(self, folder: Place, progress: Progress | None = None) -> RestoredSession:
        """Hold what was saved in `folder`, or nothing where that cannot be used.

        Raises SessionError, FormatError and ArgumentTypeError. See `Conversation.load`.
        """
        from pestle.sessions import fingerprint_of, load

        folder = session_folder(folder)
        with self._exclusive():
            found = load(folder, self._runtime, fingerprint_of(self._runtime.loaded, progress))
            self._sequence = found.sequence or self._runtime.new_sequence()
            return found

    def aload(self, folder: Place, progress: Progress | None = None) -> Awaited[RestoredSession]:
        """`load` for asyncio, in a thread. Cancelled, it returns when all is loaded."""
        return in_thread(partial(self.load, session_folder(folder), progress))

    @property
    def _lease(self) -> Lease:
        return self._exclusive

    @contextmanager
    def _exclusive(self) -> Iterator[HeldSequence]:
        if not self._busy.acquire(blocking=False):
            raise Error("the session is in use: end its open stream, or fork it beforehand")
        try:
            yield self._sequence
        finally:
            self._busy.release()


def session_folder(session: Place) -> SessionFolder:
    """The folder of a saved session. Raises SessionError and ArgumentTypeError."""
    from pestle.sessions import SessionFolder

    if isinstance(session, SessionFolder):
        return session
    try:
        return SessionFolder(session)
    except SessionError as error:
        if isinstance(session, str) and len(Path(session).parts) > 1:
            raise SessionError(f"{error}; a folder is given as a pathlib.Path") from None
        raise
