"""Asking a model and showing its answer while it is written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from pestle.cli.console import Console
from pestle.cli.wrapping import WordWrap

if TYPE_CHECKING:
    from pestle import LLM, Completion, GenerateOptions, Stream


def begin(
    llm: LLM, prompt: str, *, raw: bool, system: str | None, options: GenerateOptions
) -> Stream[Any]:
    """Start the answer to one prompt. A value that this model cannot take is a usage error."""
    try:
        if raw:
            return llm.generate(prompt, parse_special=True, stream=True, **options)
        return llm.chat(messages_of(prompt, system), stream=True, **options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def require_template(llm: LLM) -> None:
    """Raise unless the model can chat."""
    if llm.template is None:
        raise click.ClickException(
            f"{llm.path}: the file has no chat template; `pestle run --raw` continues text"
        )


def messages_of(prompt: str, system: str | None) -> list[dict[str, str]]:
    """A chat with one question."""
    messages = [{"role": "user", "content": prompt}]
    return messages if system is None else [{"role": "system", "content": system}, *messages]


def show(stream: Stream[Any], console: Console) -> Completion:
    """Write an answer to stdout as it comes, end its last line, and return it."""
    with stream:
        ended, wrap = True, WordWrap()
        try:
            for chunk in stream:
                if chunk.text:
                    console.piece(chunk.text, wrap)
                    ended = chunk.text.endswith("\n")
        except Exception:
            _end_line(ended, console)
            raise
    _end_line(ended, console)
    result: Completion = stream.result()
    return result


def _end_line(ended: bool, console: Console) -> None:
    if not ended:
        console.out("")


@contextmanager
def interruptible(stream: Stream[Any]) -> Iterator[None]:
    """Let the first Ctrl-C end the answer in order, so that what was said is kept.

    A second one interrupts at once, whatever is going on.
    """

    def cancel(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, previous)
        stream.cancel()

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers, and only it gets Ctrl-C
        return
    previous = signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
