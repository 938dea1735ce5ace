"""The same bytes on any number of threads, any instruction set, in any pieces, on any machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pestle import _core
from pestle.quantization import quantize_rows

from .numbers import TYPES, WIDTH, importances, plain_rows

ROOT = Path(__file__).resolve().parents[3]
ALL = (*TYPES, "F16", "BF16")

DIGESTS = {
    "Q8_0": "b598f6daa54f41f1",
    "Q4_0": "c62c1f640e143139",
    "Q4_1": "ccf8a2985fc5c1c1",
    "Q5_0": "df9e151effe1086a",
    "Q5_1": "0c862506fbc54bac",
    "IQ4_NL": "7b42c5bc9c78d423",
    "MXFP4": "8720db3b7219d4a8",
    "Q2_K": "cc725c3014c4e5ed",
    "Q3_K": "c09f2005210c6fb0",
    "Q4_K": "6bc2b90cc2edc35c",
    "Q5_K": "f26a569b3571b522",
    "Q6_K": "53bee2ef61425dc3",
    "IQ4_XS": "2593ef1c8f51893f",
    "F16": "49379a1c1ab0e23f",
    "BF16": "6ee2b192bfea5bd1",
}


def digests() -> dict[str, str]:
    """Of the blocks of each type, without importance and with it."""
    rows, importance = plain_rows(), importances()
    return {
        kind: hashlib.sha256(
            quantize_rows(kind, rows).tobytes()
            + quantize_rows(kind, rows, importance=importance).tobytes()
        ).hexdigest()[:16]
        for kind in ALL
    }


@pytest.mark.parametrize("isa", _core.isas())
def test_as_on_other_machines(isa: str) -> None:
    """Written by GCC 12 with AVX-512; Clang 20 gives the same.

    A change of these digests changes the files of every user: say so in the changelog.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.quantization.test_bytes"],
        cwd=ROOT,
        env=os.environ | {"PESTLE_ISA": isa},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert dict(line.split() for line in done.stdout.splitlines()) == DIGESTS


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("kind", ALL)
def test_threads_and_pieces(kind: str, weighted: bool) -> None:
    rows = np.concatenate([plain_rows()] * 5)  # more than the numbers that a thread takes at once
    importance = importances() if weighted else None
    whole = quantize_rows(kind, rows, importance=importance, threads=1)
    for threads in (2, 3, 8):
        quantized = quantize_rows(kind, rows, importance=importance, threads=threads)
        assert quantized.tobytes() == whole.tobytes(), f"{threads} threads"
    for first, last in ((0, 1), (3, 10), (20, 21)):
        part = quantize_rows(kind, rows[first:last], importance=importance)
        assert part.tobytes() == whole[first:last].tobytes(), f"rows {first} to {last}"


@pytest.mark.parametrize("kind", TYPES)
def test_blocks_do_not_depend_on_the_columns_beside_them(kind: str) -> None:
    rows, width = plain_rows(), WIDTH[kind]
    whole = quantize_rows(kind, rows)
    alone = quantize_rows(kind, np.ascontiguousarray(rows[:, width : 2 * width]))
    size = alone.shape[1]
    assert alone.tobytes() == np.ascontiguousarray(whole[:, size : 2 * size]).tobytes()


if __name__ == "__main__":
    sys.stdout.writelines(f"{kind} {digest}\n" for kind, digest in digests().items())
