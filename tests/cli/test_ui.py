"""`pestle ui` as a process: the server it starts, the one it finds, and the browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.sessions import models

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

Ui = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny model of random weights."""
    return str(models.write(tmp_path_factory.mktemp("ui") / "tiny.gguf"))


@pytest.fixture
def ui(tmp_path: Path) -> Iterator[Ui]:
    """Start `pestle ui` on a machine without models; it does not outlive the test."""
    started: list[subprocess.Popen[str]] = []
    home = {"PESTLE_CACHE": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hub")}

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        screenless = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "BROWSER")}
        process = subprocess.Popen(
            [sys.executable, "-m", "pestle", "ui", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**screenless, **home, **environment},
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for each in started:
        if each.poll() is None:
            each.kill()
        each.communicate()


def address(process: subprocess.Popen[str]) -> str:
    """Where it says that the page is."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(r"The page is at (http://127\.0\.0\.1:\d+)\n", line)
    assert found is not None, (line, process.communicate())
    return found[1]


def title(url: str) -> str:
    """Of the page that a browser gets there."""
    asked = urllib.request.Request(url, headers={"accept": "text/html"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        found = re.search(r"<title>(.*)</title>", answer.read().decode())
    assert found is not None
    return found[1]


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    return process.returncode, said


def test_without_a_model_and_without_a_browser(ui: Ui) -> None:
    process = ui("--port", "0")
    assert title(address(process)) == "Pestle"
    code, said = end(process)
    assert code == 143
    assert "There is no browser here to open it in: type the address into one." in said


def test_the_browser_opens_the_page(ui: Ui, tiny: str, tmp_path: Path) -> None:
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.half && mv {opened}.half {opened}\n')
    browser.chmod(0o755)
    url = address(ui("--port", "0", "-m", tiny, BROWSER=str(browser)))
    deadline = time.monotonic() + 60
    while not opened.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert opened.read_text() == f"{url}\n"


def test_where_a_server_runs_already_its_page_is_shown(ui: Ui, tiny: str) -> None:
    url = address(ui("--port", "0", "--no-browser"))
    again = ui("--port", url.rpartition(":")[2], "--no-browser", "-m", tiny)
    out, said = again.communicate(timeout=60)
    assert out == f"The page is at {url}\n"
    assert said == "The server that runs there already keeps the models that it has.\n"
    assert again.returncode == 0


def test_where_another_program_has_the_port(ui: Ui) -> None:
    code = "import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)"
    code += "; print(s.server_port, flush=True); s.serve_forever()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as other:
        assert other.stdout is not None
        process = ui("--port", other.stdout.readline().strip(), "--no-browser")
        out, said = process.communicate(timeout=60)
        other.kill()
    assert (process.returncode, out) == (1, "")
    assert "is in use by another program" in said
