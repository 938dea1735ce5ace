"""Asking a model and showing its answer while it is written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import click

from pestle.cli import reading, unechoed
from pestle.cli.answer_view import AnswerView
from pestle.cli.chat_options import ChatSettings
from pestle.cli.console import Console
from pestle.cli.loops import LoopGuard

if TYPE_CHECKING:
    from pestle import LLM, ChatOptions, Chunk, Completion, GenerateOptions, Stream
    from pestle.chat.tools import Tool


def begin(
    llm: LLM,
    prompt: str,
    *,
    raw: bool,
    system: str | None,
    options: ChatOptions,
    template_args: dict[str, Any] | None = None,
    tools: Sequence[Tool] = (),
) -> Stream[Any]:
    """Start the answer to one prompt. A value that this model cannot take is a usage error."""
    if raw:
        plain = cast("GenerateOptions", options)  # without a chat there are no others
        return checked(llm.generate, prompt, parse_special=True, stream=True, **plain)
    messages = messages_of(prompt, system)
    return checked(
        llm.chat,
        messages,
        template_args=template_args,
        stream=True,
        **({"tools": tools} if tools else {}),
        **options,
    )


def checked(begin: Callable[..., Stream[Any]], *arguments: Any, **options: Any) -> Stream[Any]:
    """What `begin` starts; a value that this model cannot take is a usage error."""
    try:
        return begin(*arguments, **options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def require_template(llm: LLM) -> None:
    """Raise unless the model can chat."""
    if llm.template is None:
        raise click.ClickException(
            f"{llm.path}: the file has no chat template; `pestle run --raw` continues text"
        )


def require_switches(
    llm: LLM, settings: ChatSettings, sampling: GenerateOptions | None = None
) -> None:
    """Raise unless the model has the switches, and can hold the grammar, that are asked for."""
    from pestle.errors import UnsupportedError

    try:
        llm.check_switches(**settings.options(sampling or {}))
    except (UnsupportedError, ValueError) as error:
        raise click.UsageError(str(error)) from error


def messages_of(prompt: str, system: str | None) -> list[dict[str, str]]:
    """A chat with one question."""
    messages = [{"role": "user", "content": prompt}]
    return messages if system is None else [{"role": "system", "content": system}, *messages]


def show(
    stream: Stream[Any],
    console: Console,
    *,
    reasoning: bool = True,
    notes_calls: bool = True,
    guard: LoopGuard | None = None,
) -> Completion:
    """Write an answer to stdout as it comes, end its last line, and return it.

    While its prompt is read, a terminal shows how far that is. `guard` ends it, if it repeats
    itself.
    """
    view = AnswerView(console, reasoning=reasoning, notes_calls=notes_calls)
    with stream, unechoed.keys(), reading.shown(stream.status, console) as begun:
        try:
            for chunk in watched(stream, guard):
                begun()
                view.add(chunk)
        except Exception:
            view.end()
            raise
        except BaseException:  # a second Ctrl-C
            view.settle()
            raise
    view.end()
    view.warn()
    result: Completion = stream.result()
    return result


def watched(stream: Stream[Any], guard: LoopGuard | None) -> Iterator[Chunk]:
    """The chunks of an answer, which `guard` cancels when it sees a loop."""
    for chunk in stream:
        if guard is not None and guard.add(chunk.token_ids, chunk.text):
            stream.cancel()
        yield chunk


@contextmanager
def interruptible(stream: Stream[Any]) -> Iterator[None]:
    """Let the first Ctrl-C end the answer in order, so that what was said is kept.

    A second one interrupts at once, whatever is going on.
    """

    def cancel(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, previous)
        stream.cancel()

    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # as in a script's background job
    if ignored or threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers, and only it gets Ctrl-C
        return
    previous = signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
