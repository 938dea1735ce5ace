"""A kind of cases under atheris: python -m fuzzing.atheris_target KIND [libFuzzer's options]

Cases that are JSON are mutated as JSON half of the time, else as bytes.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from random import Random
from typing import Any

import atheris

from fuzzing import chance
from fuzzing.scratch import emptied, in_memory

with atheris.instrument_imports(include=["pestle"]):
    from fuzzing.kinds import kind

    TARGET = kind(sys.argv[1])  # imports all that it tests


def mutated(data: bytes, most: int, seed: int) -> bytes:
    """Another case, of at most so many bytes."""
    rng = Random(seed)
    if rng.random() < 0.5:
        try:
            found = json.dumps(chance.mutated_json(json.loads(data), rng, 0.3)).encode()
        except (ValueError, RecursionError):
            found = b""
        if 0 < len(found) <= most:
            return found
    other: bytes = atheris.Mutate(data, len(data))
    return other[:most]


def main() -> None:
    """Search until libFuzzer's options say that it is enough."""
    example = _object(TARGET.case(sys.argv.pop(1), 0))
    with in_memory() as scratch:
        os.environ.update(PESTLE_CACHE=f"{scratch}/cache", PESTLE_DATA=f"{scratch}/data")
        work = Path(scratch) / "work"
        work.mkdir()

        def one(data: bytes) -> None:
            if example is not None and not _is_like(_object(data), example):
                return
            try:
                TARGET.outcome(data, work)
            finally:
                emptied(work)

        more = {"custom_mutator": mutated} if example is not None else {}
        atheris.Setup(sys.argv, one, **more)
        atheris.Fuzz()


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_like(found: dict[str, Any] | None, example: dict[str, Any]) -> bool:
    """Whether it is a case: what is fuzzed is within its parts, not how a case is written."""
    if found is None or set(found) != set(example):
        return False
    kinds = ((type(found[name]), type(part)) for name, part in example.items())
    return all(has is wanted or wanted in (list, type(None)) for has, wanted in kinds)


if __name__ == "__main__":
    main()
