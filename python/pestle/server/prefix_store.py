"""The texts of a model whose keys and values outlast the server, in a folder."""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import threading
from array import array
from collections.abc import Sequence
from pathlib import Path

from pestle import sessions
from pestle.errors import Error
from pestle.llm import LLM
from pestle.sessions import SessionFolder

log = logging.getLogger("pestle.server")

_TEXTS = 32  # that are saved, the last ones
_OURS = re.compile(r"prefix-[0-9a-f]{16}")  # other folders there are somebody's sessions
_LEAST = 64  # tokens: shorter ones are read in no time


class PrefixStore:
    """Knows the last texts of a model; saves what is kept of them, and restores it.

    Each has a folder of its own, in which it is found again as it grows.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._texts: dict[
            str, array[int]
        ] = {}  # by the names of their folders, the last at the end
        self._dropped: set[str] = set()
        self._unsaved: set[str] = set()
        self._lock = threading.Lock()  # over all of these

    def note(self, tokens: Sequence[int]) -> None:
        """That was read and written."""
        text = array("i", tokens)
        if len(text) < _LEAST:
            return
        with self._lock:
            # What it goes on from has become this.
            before = [name for name, old in self._texts.items() if old == text[: len(old)]]
            name = before[-1] if before else f"prefix-{secrets.token_hex(8)}"
            for each in before:
                del self._texts[each]
            self._texts[name] = text
            self._unsaved.add(name)
            over = list(self._texts)[: max(len(self._texts) - _TEXTS, 0)]
            for each in over:
                del self._texts[each]
            self._dropped.update({*over, *before} - {name})

    def save(self, llm: LLM) -> None:
        """Write what there is new. What goes wrong is logged: a server runs without it too."""
        with self._lock:
            new = {name: text for name, text in self._texts.items() if name in self._unsaved}
            dropped, self._dropped, self._unsaved = self._dropped, set(), set()
        n_tokens = 0
        try:
            for name, text in new.items():
                n_tokens += llm.save_prefix(self._folder / name, text)
            for name in dropped:
                if SessionFolder(self._folder / name).exists:
                    sessions.remove(self._folder / name)
        except Error as error:
            log.error("prefixes could not be saved: %s", error)
        if n_tokens:
            log.info("%d tokens of prefixes are saved in %s", n_tokens, self._folder)

    def restore(self, llm: LLM) -> None:
        """Have kept what was saved. What does not fit the model is told and left alone."""
        n_tokens = sum(self._restored(llm, name) for name in self._saved())
        if n_tokens:
            log.info("%d tokens of prefixes need not be read again", n_tokens)

    def _restored(self, llm: LLM, name: str) -> int:
        try:
            tokens = llm.load_prefix(self._folder / name)
        except Error as error:
            log.warning("a prefix is not used: %s", error)
            return 0
        with self._lock:
            self._texts[name] = array("i", tokens)
        return len(tokens)

    def _saved(self) -> list[str]:
        """The names of the folders that hold a text, the one last saved at the end."""
        found: list[tuple[float, str]] = []
        try:
            for path in self._folder.iterdir():
                with contextlib.suppress(Error):
                    if _OURS.fullmatch(path.name) and SessionFolder(path).exists:
                        found.append((path.stat().st_mtime, path.name))
        except FileNotFoundError:
            pass
        except OSError as error:
            log.error("prefixes could not be read: %s: %s", self._folder, error.strerror)
        return [name for _, name in sorted(found)]
