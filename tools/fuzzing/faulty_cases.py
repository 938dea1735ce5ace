"""Cases that fail in every way that a worker must tell: what the fuzzer itself is tested with."""

from __future__ import annotations

import ctypes
from pathlib import Path
from random import Random

from pestle.errors import FormatError

from fuzzing.kinds import Kind

WAYS = ("fine", "refused", "foreign", "crash", "hang", "memory")


def make(rng: Random) -> bytes:
    return rng.choice(WAYS).encode()


def run(case: bytes, folder: Path, rng: Random) -> None:
    way = case.decode()
    if way == "refused":
        raise FormatError("as it should be")
    if way == "foreign":
        raise KeyError("of somebody else")
    if way == "crash":
        ctypes.string_at(8)
    while way == "hang":
        pass
    if way == "memory":
        bytearray(3 << 30)


KIND = Kind(make, run)
