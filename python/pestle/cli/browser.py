"""The user's browser."""

from __future__ import annotations

import os
import platform
import sys
import threading
import webbrowser


def is_here() -> bool:
    """Whether there is a browser that shows pages in a window.

    On a system without a screen `webbrowser` takes one of text, which would have the terminal.
    """
    if sys.platform in ("darwin", "win32"):
        return True
    screen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if not screen and "microsoft" not in platform.release().lower():  # Windows' own, beside WSL
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def open_page(url: str) -> None:
    """Open a page; returns at once, as some browsers do so only once they are closed."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
