"""The command `pestle` as a process: what signals do to it. `python -m pestle` is the same.

Ctrl-C, SIGTERM and SIGHUP unwind what is going on, so that files and sessions are left in order,
and end the process with 128 and the signal's number, without a word. Before there is anything to
unwind, and after, they end it at once. What whoever started it has ignored, as a script's
background job has SIGINT and nohup SIGHUP, stays ignored.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    Handler = Callable[[int, FrameType | None], object] | signal.Handlers

_ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class _State:
    """Whether there is something to unwind."""

    running = False


_state = _State()


def run() -> NoReturn:
    """Carry out the command line of this process and end it."""
    _handle(_at_once)  # while modules are imported
    from pestle.cli import main

    sys.excepthook, sys.unraisablehook = _printed, _unraisable
    _handle(_unwind)
    code: object = 128 + signal.SIGINT
    with contextlib.suppress(KeyboardInterrupt):  # a second one, while the first was dealt with
        try:
            _state.running = True
            main()
        except SystemExit as done:
            code = done.code
        finally:
            _state.running = False
    _handle(_at_once)  # while threads are waited for
    atexit.register(_handle, signal.SIG_IGN)  # the interpreter's own end is short
    sys.exit(code)  # type: ignore[arg-type]


def _handle(handler: Handler) -> None:
    for number in _ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _at_once(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def _unwind(number: int, frame: FrameType | None) -> None:
    if not _state.running or (frame is not None and frame.f_code is run.__code__):
        os._exit(128 + number)  # there is nothing that could be unwound
    if _in_hook(frame):
        return  # one is on its way
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    if isinstance(found.exc_value, KeyboardInterrupt | SystemExit):
        _swallowed()
    else:
        sys.__unraisablehook__(found)


def _printed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt | SystemExit):
        _swallowed()  # by numpy's import_array(), which prints what it catches
    else:
        sys.__excepthook__(kind, error, trace)


def _swallowed() -> None:
    """An interrupt that came where nothing can be raised, as in a destructor, comes once more."""
    from pestle.cli import exits

    exits.swallowed_interrupt()
    with contextlib.suppress(RuntimeError):  # the interpreter ends: so does everything else
        threading.Thread(target=_interrupt_again, daemon=True).start()


def _interrupt_again() -> None:
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    while _in_hook(sys._current_frames().get(main_thread)):
        time.sleep(0.01)
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main_thread, signal.SIGINT)  # which also ends a wait
    else:
        _thread.interrupt_main()


def _in_hook(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not _swallowed.__code__:
        frame = frame.f_back
    return frame is not None


if __name__ == "__main__":
    run()
