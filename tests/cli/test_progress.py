"""Downloads and loading: a bar on a terminal, which goes away; plain lines elsewhere."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator

import pytest
from pestle.cli.console import Console
from pestle.cli.progress import Downloads, Loading


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """Every look at the clock is a second later."""
    seconds: Iterator[int] = iter(range(1000))
    monkeypatch.setattr("time.monotonic", lambda: float(next(seconds)))
    return lambda: float(next(seconds))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Puts a terminal in stderr's place, when called: pytest has its own one until then."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")

    def begin() -> Terminal:
        screen = Terminal()
        monkeypatch.setattr(sys, "stderr", screen)
        return screen

    return begin


def test_download_on_a_terminal(terminal: Callable[[], Terminal]) -> None:
    screen = terminal()
    downloads = Downloads(Console())
    downloads.start("Fetching [x].gguf", 2_000_000)
    downloads.advance(2_000_000)
    downloads.advance(-1_000_000)
    downloads.advance(1_000_000)
    downloads.finish()
    text = screen.getvalue()
    assert "Fetching [x].gguf" in text.split("\r")[0]
    assert re.search(r"Fetching \[x\]\.gguf: 2\.00 MB in \d\.\d s\n\Z", text)
    assert "\x1b[2m" not in text  # NO_COLOR


def test_broken_download_leaves_nothing(
    capsys: pytest.CaptureFixture[str], clock: Callable[[], float]
) -> None:
    downloads = Downloads(Console())
    downloads.start("Waiting", None)
    downloads.finish()
    downloads.start("Fetching x.gguf", 100)
    downloads.advance(99)
    downloads.finish()
    assert capsys.readouterr().err == "Waiting ...\nFetching x.gguf (100 B) ...\n"


def test_slow_loading_shows_a_bar(
    terminal: Callable[[], Terminal], clock: Callable[[], float]
) -> None:
    screen = terminal()
    loading = Loading(Console())
    loading.start("loading x.gguf", 5_000_000_000)
    loading.advance(1_000_000_000)
    loading.finish()
    assert "loading x.gguf" in screen.getvalue()
    assert "x.gguf:" not in screen.getvalue()


def test_quick_loading_shows_nothing(terminal: Callable[[], Terminal]) -> None:
    screen = terminal()
    loading = Loading(Console())
    loading.start("loading x.gguf", 100)
    loading.advance(100)
    loading.finish()
    assert screen.getvalue() == ""


def test_loading_off_a_terminal_shows_nothing(
    capsys: pytest.CaptureFixture[str], clock: Callable[[], float]
) -> None:
    loading = Loading(Console())
    loading.start("loading x.gguf", 100)
    loading.advance(50)
    loading.finish()
    assert capsys.readouterr().err == ""
