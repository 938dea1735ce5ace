"""What a failure becomes: one line on stderr and an exit code. The only place that maps them.

Exit codes:

* 0: done (also when the reader of a pipe left early, as in `pestle run ... | head -1`)
* 1: an error that has no code of its own
* 2: usage: an unknown option, a value out of range
* 3: a bad file: damaged, or of a kind that Pestle does not know
* 4: does not fit into memory
* 5: over the context: the prompt, or an answer that ran into the context's end
* 130: interrupted by Ctrl-C; 143 and 129 by SIGTERM and SIGHUP
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import traceback
from pathlib import Path

import click

from pestle.cli.console import Console

ERROR = 1
USAGE = 2
BAD_FILE = 3
DOES_NOT_FIT = 4
OVER_CONTEXT = 5
INTERRUPTED = 130

_FLAGS = tuple(
    (re.compile(parameter), flag)
    for parameter, flag in (
        (r"\boverwrite=True\b", "--overwrite"),
        (r"\ballow_requantize=True\b", "--allow-requantize"),
        (r"\bmeasured=False\b", "--no-measure"),
        (r"\bimatrix=\.\.\.", "--imatrix"),
        (r"\btensor_types: ", "--tensor-type "),
        (r"\btokenizer_pre='([^']*)'", r"--tokenizer-pre \1"),
        (r"\bhf='([^']*)'", r"-hf \1"),
        (r"\bchat_template=\.\.\.", "--chat-template"),
        (r"\bchat_template='([^']*)'", r"--chat-template \1"),
        (r"\bunknown_characters='replace'", "--unknown-characters replace"),
    )
)


def report(error: BaseException, console: Console) -> int:
    """Say on stderr what `error` means and return the exit code for it."""
    if isinstance(error, BrokenPipeError):
        return 0
    if isinstance(error, KeyboardInterrupt | click.Abort):
        console.end_line()
        return INTERRUPTED
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx else "pestle"
        message = error.format_message().rstrip(".") + _model_hint(error)
        console.error(f"{message} (see `{where} -h`)")
        return USAGE
    if isinstance(error, click.ClickException):
        console.error(error.format_message())
        return ERROR
    if isinstance(error, ImportError) and _of_interrupt(error):
        return INTERRUPTED  # perhaps of what the errors come from
    code = _code_of(error)
    if code is None and _of_interrupt(error):
        return INTERRUPTED
    if code is None:
        return _unexpected(error, console)
    if console.verbose:
        console.error_text(_trace(error))
    console.error(in_flags(_said(error)))
    return code


def _model_hint(error: click.UsageError) -> str:
    """What to type instead where something stands that may be meant as the model."""
    if error.ctx is None or not error.format_message().startswith("Got unexpected extra argument"):
        return ""
    flags = {flag for each in error.ctx.command.params for flag in each.opts}
    return ": -m NAME says which model" if "-m" in flags else ""


def _said(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def in_flags(message: str) -> str:
    """What the library says of its parameters, in the command line's words."""
    for parameter, flag in _FLAGS:
        message = parameter.sub(flag, message)
    return message


def over_context(error: BaseException) -> str:
    """Of a chat that does not fit the context, what to do about it."""
    return f"{error}; -c sets another size, and --on-full slide drops the oldest turns of a chat"


def _code_of(error: BaseException) -> int | None:
    """The code of an error that Pestle raises on purpose; None for any other."""
    if isinstance(error, OSError):
        return ERROR
    from pestle import errors

    codes: tuple[tuple[type[BaseException], int], ...] = (
        (errors.FormatError, BAD_FILE),
        (errors.UnsupportedError, BAD_FILE),
        (errors.MemoryLimitError, DOES_NOT_FIT),
        (errors.ContextLengthError, OVER_CONTEXT),
        (errors.Error, ERROR),
        (MemoryError, DOES_NOT_FIT),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), None)


class _Interrupts:
    swallowed = False


def swallowed_interrupt() -> None:
    """Note that a library has swallowed a Ctrl-C: what it raises in its place says nothing."""
    _Interrupts.swallowed = True


def _of_interrupt(error: BaseException) -> bool:
    """Whether it is what became of a Ctrl-C within a library, as while numpy was imported."""
    if _Interrupts.swallowed:
        return True
    met: list[BaseException] = []
    of: BaseException | None = error
    while of is not None and of not in met:
        if isinstance(of, KeyboardInterrupt):
            return True
        met.append(of)
        of = of.__cause__ or of.__context__
    return False


def _unexpected(error: BaseException, console: Console) -> int:
    """A defect of Pestle's: not hidden, but not a page of traceback either unless asked for."""
    if console.verbose:
        console.error_text(_trace(error))
    hint = "" if console.verbose else " (a bug: -v shows the traceback)"
    text = " ".join(str(error).split())
    console.error(f"{type(error).__name__}: {text}{hint}")
    return ERROR


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip()


def settle_stdout() -> None:
    """Write what is left for stdout; if nobody takes it, drop it.

    Left to the interpreter, its last flush would fail once more, with a text of its own.
    """
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError), Path(os.devnull).open("wb") as null:
            os.dup2(null.fileno(), sys.stdout.fileno())
