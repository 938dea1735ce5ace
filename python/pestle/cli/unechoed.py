"""Keeps typed keys off the screen while something else is written there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def keys() -> Iterator[None]:
    """Have the terminal not show what is typed. It is not lost: whoever reads next gets it.

    Ctrl-C works as ever. A process in the background leaves the terminal alone, as it would be
    stopped otherwise; Windows shows keys only to programs that read them.
    """
    if sys.platform == "win32" or sys.stdin is None or not sys.stdin.isatty():
        yield
        return
    import termios

    def set_echo(on: bool) -> bool:
        """Set it; whether it was set before."""
        attributes = termios.tcgetattr(terminal)
        flags = attributes[3]
        attributes[3] = flags | termios.ECHO if on else flags & ~termios.ECHO
        termios.tcsetattr(terminal, termios.TCSANOW, attributes)
        return bool(flags & termios.ECHO)

    terminal = sys.stdin.fileno()
    echoed = False
    try:
        with suppress(termios.error, OSError):
            echoed = os.tcgetpgrp(terminal) == os.getpgrp() and set_echo(False)
        yield
    finally:
        if echoed:
            with suppress(termios.error, OSError):  # the terminal may be gone
                set_echo(True)
