"""A server in a process of its own."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from load.exchange import Address

HERE = Path(__file__).resolve().parent
PESTLE = f"{sys.executable} -m pestle serve -m {{file}} --port {{port}} --threads {{threads}}"
PEER = f"{sys.executable} {HERE / 'llama_server.py'} {{file}} --port {{port}} --threads {{threads}}"
_STARTS = 120.0  # seconds that a server may take until it answers
_STOPS = 20.0


@dataclass(frozen=True)
class Server:
    """One that runs."""

    name: str
    address: Address
    pid: int


@contextmanager
def running(name: str, command: str, **values: object) -> Iterator[Server]:
    """A server until the context is left; `command` has {port} and the names of `values`.

    Raises OSError where it does not come to answer.
    """
    port = _free_port()
    words = [word.format(port=port, **values) for word in shlex.split(command)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        _await(process, port, words)
        yield Server(name, Address(port), process.pid)
    finally:
        process.terminate()
        try:
            process.wait(_STOPS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _await(process: subprocess.Popen[bytes], port: int, words: list[str]) -> None:
    end = time.monotonic() + _STARTS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise OSError(f"{shlex.join(words)} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5):
                return
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.1)
    raise OSError(f"{shlex.join(words)} does not answer after {_STARTS:.0f} s")
