"""A kind of cases under atheris: python -m fuzzing.atheris_target KIND [libFuzzer's options]

Cases that are JSON are mutated as JSON half of the time, else as bytes.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from random import Random

import atheris

from fuzzing import chance
from fuzzing.scratch import emptied, in_memory

with atheris.instrument_imports(include=["pestle"]):
    from fuzzing.kinds import kind


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
    name = sys.argv.pop(1)
    found = kind(name)
    is_json = found.case(name, 0)[:1] == b"{"
    with in_memory() as scratch:
        os.environ.update(PESTLE_CACHE=f"{scratch}/cache", PESTLE_DATA=f"{scratch}/data")
        work = Path(scratch) / "work"
        work.mkdir()

        def one(data: bytes) -> None:
            if is_json and not _is_object(data):
                return
            try:
                found.outcome(data, work)
            finally:
                emptied(work)

        more = {"custom_mutator": mutated} if is_json else {}
        atheris.Setup(sys.argv, one, **more)
        atheris.Fuzz()


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        return False


if __name__ == "__main__":
    main()
