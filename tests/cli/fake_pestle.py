"""`pestle` as a process of its own, with a model that says a thousand words, ten a second.

Its first answer in a chat is short. What FAKE_ANSWER holds it says at once, and nothing else, once
it was asked FAKE_READING times how much of the prompt is read.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from pestle.__main__ import run
from pestle.cli import loading

spec = importlib.util.spec_from_file_location("fakes", Path(__file__).with_name("fakes.py"))
assert spec is not None
assert spec.loader is not None
fakes = importlib.util.module_from_spec(spec)
sys.modules["fakes"] = fakes
spec.loader.exec_module(fakes)


def load(options: Any, console: Any) -> Any:
    """Stand in for `loading.load`."""
    if "FAKE_ANSWER" in os.environ:
        llm = fakes.FakeLLM(os.environ["FAKE_ANSWER"], n_ctx=5000)
        llm.reading = int(os.environ.get("FAKE_READING", "0"))
        return llm
    answers = [*(["Short."] if "chat" in sys.argv else []), " ".join(["word"] * 1000)]
    return fakes.FakeLLM(*answers, n_ctx=5000, delay=0.1)


loading.load = load

if __name__ == "__main__":
    run()
