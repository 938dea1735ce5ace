"""Ctrl-C, often and fast, while a model speaks: the process ends as one Ctrl-C ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from pestle import LLM

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform == "win32", reason="POSIX")]


def test_many_interrupts_end_it_as_one_does(smollm: LLM) -> None:
    """Closing the model waits for the pass in progress; the interpreter must not end under it."""
    for round_ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-m", "pestle", "run", "-m", smollm.path, "-n", "3000", "A story"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.read(1)  # it speaks
        for _ in range(5):
            process.send_signal(signal.SIGINT)
            time.sleep(0.001 + 0.002 * round_)
        said = process.communicate(timeout=60)[1]
        assert (process.returncode, said) == (130, b"")
