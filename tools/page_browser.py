"""A browser before the page of a server: what the page's tools have in common."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_START_S = 60


@contextmanager
def chromium() -> Iterator[Browser]:
    """The first Chromium of this machine, without a window."""
    from playwright.sync_api import sync_playwright

    program = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if program is None:
        sys.exit("needs Chromium: apt-get install chromium-headless-shell fonts-dejavu-core")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def server(*arguments: str) -> Iterator[str]:
    """`pestle serve` with these arguments while the context is open; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pestle", "serve", "--port", str(port), *arguments]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + _START_S
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                sys.exit(f"{' '.join(command)} does not answer")
            time.sleep(0.1)
        yield url
        process.terminate()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
