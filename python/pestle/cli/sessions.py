"""Saved chats on the command line: held while they are in use, and said what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pestle.cli import units
from pestle.cli.console import Console
from pestle.cli.progress import Loading

if TYPE_CHECKING:
    from pestle import Conversation
    from pestle.sessions import RestoredSession, SavedSession, SessionFolder


_RECALLED = 4  # messages, of
_RECALLED_LINES, _RECALLED_CHARACTERS = 6, 480


@contextmanager
def held(name: str | None) -> Iterator[SessionFolder | None]:
    """The session of --session, for this process alone while the context is open."""
    if name is None:
        yield None
        return
    from pestle.sessions import SessionFolder

    folder = SessionFolder(name)
    with folder.hold():
        yield folder


def take_up(conversation: Conversation, folder: SessionFolder, console: Console) -> None:
    """Go on with a session that was saved, and say what of it has to be read again."""
    found = conversation.load(folder, progress=Loading(console))
    for line in lines(folder.name, found):
        console.note(line)


def lines(name: str, found: RestoredSession) -> list[str]:
    """What a session that was loaded is like."""
    said = f"Session {name}: {_messages(len(found.saved.messages))}"
    if found.reason is not None:
        return [f"{said}. All of it is read again: {found.reason}."]
    return [f"{said}, {found.n_tokens:,} tokens that need not be read again."]


def recap(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """The last turns of a chat that is gone on with, each in a few lines."""
    said = [m for m in messages if m.get("role") in ("user", "assistant") and m.get("content")]
    lines: list[str] = []
    for message in said[-_RECALLED:]:
        mark = ">>> " if message["role"] == "user" else ""
        lines += ["", *_shortened(f"{mark}{message['content']}")]
    return lines


def _shortened(text: str) -> list[str]:
    short = text.strip()[:_RECALLED_CHARACTERS]
    lines = short.splitlines()[:_RECALLED_LINES]
    if "\n".join(lines) != "\n".join(text.strip().splitlines()):
        lines[-1] += " ..."
    return lines


def saved_line(name: str, saved: SavedSession) -> str:
    """What a session that was saved takes."""
    memory = saved.memory
    tokens = f", {len(memory.tokens):,} tokens in {units.size(memory.size)}" if memory else ""
    return f"Session {name} is saved: {_messages(len(saved.messages))}{tokens}."


def _messages(n: int) -> str:
    return f"{n:,} message{'' if n == 1 else 's'}"
