"""What is fuzzed. A case is bytes, made of a number, or taken from a file; a kind says of what."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from pestle.errors import Error

Make = Callable[[Random], bytes]
Run = Callable[[bytes, Path, Random], None]


@dataclass(frozen=True)
class Kind:
    """One kind of cases.

    make      the bytes of a case
    run       does with them whatever users do; raises what is wrong with them. The folder is empty
              and in memory; the chances depend on the bytes alone
    refuses   exceptions that are right answers: ours, and those that are documented of the calls
    """

    make: Make
    run: Run
    refuses: tuple[type[Exception], ...] = (Error,)

    def case(self, name: str, seed: int) -> bytes:
        """The bytes of case `seed`: always the same."""
        return self.make(Random(f"{name} {seed}"))

    def outcome(self, case: bytes, folder: Path) -> str:
        """The name of the error that is the right answer, or "ok"; others are bugs, and raised."""
        try:
            self.run(case, folder, Random(zlib.crc32(case)))
        except UnicodeError:  # a ValueError that nobody means
            raise
        except self.refuses as error:
            return type(error).__name__
        return "ok"


# The module of a kind, and how many cases of a thousand are of it. Those that load and run a model
# take a few milliseconds, most others a tenth of one.
SHARES = {
    "gguf": ("gguf_cases", 250),
    "gguf-header": ("header_cases", 240),
    "shards": ("shard_cases", 20),
    "streamed": ("streamed_cases", 20),
    "quantize": ("quantize_cases", 8),
    "checkpoint": ("checkpoint_cases", 12),
    "session": ("session_cases", 60),
    "imatrix": ("imatrix_cases", 70),
    "tokenizer": ("tokenizer_cases", 60),
    "template": ("template_cases", 80),
    "messages": ("message_cases", 50),
    "constraint": ("constraint_cases", 40),
    "answer": ("answer_cases", 70),
    "hub": ("hub_cases", 20),
    "self-test": ("faulty_cases", 0),
}
DEFAULT = tuple(name for name, (_, share) in SHARES.items() if share)
RUN_MODELS = ("gguf", "shards", "streamed", "session")
"""Kinds whose cases load a model and run it; the others read, convert, render or parse."""


def kind(name: str) -> Kind:
    """The kind of that name; KeyError."""
    module = importlib.import_module(f"fuzzing.{SHARES[name][0]}")
    found: Kind = module.KIND
    return found
