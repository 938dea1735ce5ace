"""The line on which a person types: history, completion, several lines, pasted text."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import platformdirs
from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application, get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output, create_output

from pestle import files
from pestle.cli.console import Console
from pestle.cli.harmless import escaped, raw

QUOTES = '"""'
PLACEHOLDER = "Type a message, or /help"
_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def is_open(text: str) -> bool:
    """Whether a block of several lines has begun in `text` and not ended."""
    return text.count(QUOTES) % 2 == 1


def unquoted(text: str) -> str:
    """What is meant by what was typed: a block without its quotes, else the text itself."""
    inner = text.strip()
    if inner.startswith(QUOTES) and inner.endswith(QUOTES) and len(inner) >= 2 * len(QUOTES):
        return inner[len(QUOTES) : -len(QUOTES)].strip("\n")
    return text.rstrip()


class CommandCompleter(Completer):
    """Completes `/` commands and what may follow them."""

    def __init__(
        self, words: Mapping[str, Callable[[], tuple[str, ...]]], help_of: Mapping[str, str]
    ) -> None:
        self._words = words  # command -> what may follow it, at this moment
        self._help = help_of

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        """The commands that begin as the text does, or the words for the command typed."""
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        command, space, rest = text.partition(" ")
        if not space:
            for name in self._words:
                if name.startswith(command.lower()):
                    yield Completion(name, -len(command), display_meta=self._help[name])
        elif " " not in rest:
            for word in self._words.get(command.lower(), tuple)():
                if word.startswith(rest):
                    yield Completion(word, -len(rest), display=escaped(word))


class ChatInput:
    """Asks for one message at a time. Needs a terminal on stdin."""

    def __init__(
        self,
        console: Console,
        completer: Completer,
        *,
        source: Input | None = None,
        screen: Output | None = None,
    ) -> None:
        # With stdout in a pipe or a file, only the answers belong there.
        stream = sys.stdout if sys.stdout.isatty() else sys.stderr
        self._session: PromptSession[str] = PromptSession(
            message=FormattedText([("bold", "\n>>> ")]),
            placeholder=_placeholder,
            multiline=True,
            prompt_continuation=lambda width, line, wrapped: "... " if not wrapped else "    ",
            key_bindings=_bindings(),
            completer=completer,
            complete_while_typing=True,
            reserve_space_for_menu=4,
            history=_history(console),
            input=source,
            output=screen or create_output(raw(stream)),
        )

    def read(self) -> str:
        """The next message or command. Raises EOFError (Ctrl-D) and KeyboardInterrupt."""
        with _signals_end(self._session.app):
            return unquoted(self._session.prompt())

    @property
    def discarded(self) -> bool:
        """Whether the Ctrl-C that ended `read` threw text away."""
        return bool(self._session.default_buffer.text)


@contextmanager
def _signals_end(app: Application[str]) -> Iterator[None]:
    """SIGTERM and SIGHUP end the line first, and are dealt with as ever once it has ended.

    An exception that a signal raises in a task of asyncio's ends there: prompt_toolkit would show
    it and wait for a key.
    """
    came: list[int] = []

    def leave() -> None:
        if app.future is not None and not app.future.done():
            app.exit(result="")

    def end(number: int, frame: FrameType | None) -> None:
        if app.loop is None:
            before[number](number, frame)
        else:
            came.append(number)
            app.loop.call_soon_threadsafe(leave)

    before = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in _ENDING}
        before = {number: handler for number, handler in handlers.items() if callable(handler)}
    try:
        for number in before:
            signal.signal(number, end)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came:
        before[number](number, None)


def _placeholder() -> FormattedText:
    """What an empty line shows, until it is left: it must not look like something typed."""
    app = get_app()
    hidden = app.is_done or app.layout.is_searching  # Ctrl-R
    return FormattedText([] if hidden else [("ansibrightblack", PLACEHOLDER)])


def _bindings() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_open(buffer.text):
            buffer.newline(copy_margin=False)
        elif buffer.text.strip():
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    return keys


def history_path() -> Path:
    """The file of past messages, in the platform's folder for an application's state."""
    return platformdirs.user_state_path("pestle") / "chat_history"


def _history(console: Console) -> History:
    """Past messages, readable by their author alone; in memory where no file can be written."""
    path = history_path()
    try:
        files.make_folders(path.parent, private=True)
        files.make_private(path)
    except OSError as error:
        console.note(f"The history of this chat is not kept: {path}: {error.strerror}")
        return InMemoryHistory()
    return FileHistory(path)
