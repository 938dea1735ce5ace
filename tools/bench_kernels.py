"""Time the matrix product of each format alone, beside the machine's int8 peak and DRAM reads.

    python tools/bench_kernels.py [FORMAT ...] [--rows N] [--columns K] [--batch M ...]
                                  [--threads T] [--isa ISA ...] [--json | --few]

PESTLE_ISA chooses the kernels, or --isa several, each in a process of its own. Times are the best
of many runs; quantizing the activations is part of them. Weights that fit a cache are read faster
than DRAM: --rows 300000 is larger than any.

--few compares the two ways to multiply 1 to 8 rows of activations, weights decoded in registers
(direct) and in strips, in turns and relative to one row. Most of cpp/kernels/direct_rows.h was
chosen by it, with weights in a cache (--rows 1024 --columns 2048) and in DRAM (--rows 24576), and
in 15 bits too, which fewer than 2048 columns have (--rows 98304 --columns 1024). It counts the
time of one thread alone, so that other processes disturb it little.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
from pestle import _core
from pestle.types import FLOATS, TYPES

# Where a block of each type has f16 scales; the rest may be anything, but for MXFP4's scale, which
# is a byte.
SCALES = {
    "Q8_0": [0],
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "IQ4_NL": [0],
    "MXFP4": [],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
    "IQ4_XS": [0],
}


@dataclass(frozen=True)
class Timing:
    """One product of [rows, columns] weights with `batch` activation rows."""

    format: str
    batch: int
    microseconds: float
    gops: float  # 2 operations a multiply-add
    gbps: float  # of packed weights
    share: float  # of the int8 peak measured in the same run
    share_of_dram: float  # gbps, of the DRAM reads measured in the same run


@dataclass(frozen=True)
class Limits:
    """What the machine allows, measured in the same run."""

    int8: float  # operations a second of the active kernels' dot product
    bandwidth: float  # bytes a second read from DRAM


def random_rows(name: str, rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """GGUF rows of random weights of ordinary size: uint8 [rows, bytes of a row]."""
    if name in FLOATS:
        floats = rng.standard_normal((rows, columns)).astype(np.float32)
        if name == "BF16":
            return (floats.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
        return floats.astype(np.float32 if name == "F32" else np.float16).view(np.uint8)
    width, size = TYPES[name].block_elems, TYPES[name].block_bytes
    blocks = rng.integers(0, 256, (rows, columns // width, size), dtype=np.uint8)
    for at in SCALES[name]:
        scale = rng.uniform(1e-4, 1e-2, (rows, columns // width, 1)).astype(np.float16)
        blocks[:, :, at : at + 2] = scale.view(np.uint8)
    if name == "MXFP4":
        blocks[:, :, 0] = rng.integers(118, 127, blocks.shape[:2])
    return blocks.reshape(rows, -1)


def measure(
    name: str, rows: int, columns: int, batches: list[int], threads: int, limits: Limits
) -> list[Timing]:
    """Time one format at several batch sizes."""
    rng = np.random.default_rng(0)
    packed = _core.kernels.PackedMatrix(name, random_rows(name, rows, columns, rng), columns)
    timings = []
    for batch in batches:
        x = rng.standard_normal((batch, columns)).astype(np.float32)
        repeats = max(1, int(2e8 / (2 * rows * columns * batch)))
        seconds = min(packed.multiply(x, threads, repeats)[1] for _ in range(20))
        gops = 2 * rows * columns * batch / seconds / 1e9
        gbps = packed.nbytes / seconds / 1e9
        shares = gops * 1e9 / limits.int8, gbps * 1e9 / limits.bandwidth
        timings.append(Timing(name, batch, seconds * 1e6, gops, gbps, *shares))
    return timings


FEW = range(1, 9)


def few_rows(name: str, rows: int, columns: int) -> str:
    """Time 1 to 8 rows both ways: a line of times relative to the direct way with one row."""
    rng = np.random.default_rng(0)
    packed = _core.kernels.PackedMatrix(name, random_rows(name, rows, columns, rng), columns)
    repeats = max(1, int(2e7 / (rows * columns)))
    direct = range(1, packed.most_direct_rows + 1)
    ways = [(m, m) for m in direct] + [(m, 0) for m in FEW]
    best = dict.fromkeys(ways, float("inf"))
    xs = {m: rng.standard_normal((m, columns)).astype(np.float32) for m in FEW}
    for _ in range(10):
        for m, direct_rows in ways:
            start = time.thread_time()
            packed.multiply(xs[m], 1, repeats, direct_rows)
            seconds = (time.thread_time() - start) / repeats
            best[m, direct_rows] = min(best[m, direct_rows], seconds)
    one = best[1, 1]
    in_registers = " ".join(f"{best[m, m] / one:5.2f}" for m in direct)
    in_strips = " ".join(f"{best[m, 0] / one:5.2f}" for m in FEW)
    chosen = f"up to {packed.direct_rows}"
    return f"{name:7} {one * 1e6:10,.1f} us  direct ({chosen}) {in_registers}  strips {in_strips}"


def in_process(isa: str) -> int:
    """Run this command again with one kernel set, without --isa; its exit code."""
    rest = sys.argv[1:]
    at = rest.index("--isa")
    end = at + 1
    while end < len(rest) and not rest[end].startswith("-"):
        end += 1
    command = [sys.executable, __file__, *rest[:at], *rest[end:]]
    return subprocess.run(command, env=os.environ | {"PESTLE_ISA": isa}, check=False).returncode


def main() -> int:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help="default: all")
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--columns", type=int, default=4096, help="a multiple of 256")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4, 32, 512])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--few", action="store_true", help="1 to 8 rows, both ways to multiply")
    parser.add_argument("--isa", nargs="+", metavar="ISA", help="default: the active one")
    args = parser.parse_args()
    if args.isa:
        return max(in_process(isa) for isa in args.isa)
    names = args.formats or list(_core.kernels.FORMATS)
    if args.few:
        print(f"{_core.isa()}, {args.rows} x {args.columns}, 1 to {FEW[-1]} rows of activations")
        for name in names:
            print(few_rows(name, args.rows, args.columns), flush=True)
        return 0
    limits = Limits(_core.measure_int8(args.threads), _core.measure_bandwidth(args.threads))
    timings = [
        timing
        for name in names
        for timing in measure(name, args.rows, args.columns, args.batch, args.threads, limits)
    ]
    if args.json:
        machine = {
            "isa": _core.isa(),
            "threads": args.threads,
            "int8_ops_per_s": limits.int8,
            "dram_bytes_per_s": limits.bandwidth,
        }
        print(json.dumps({"version": 1, **machine, "timings": [asdict(t) for t in timings]}))
        return 0
    shape = f"{args.rows} x {args.columns}"
    machine_text = f"int8 {limits.int8 / 1e9:,.0f} GOPS, DRAM {limits.bandwidth / 1e9:.1f} GB/s"
    print(f"{_core.isa()}, {args.threads} threads, {shape}, {machine_text}")
    for t in timings:
        speed = f"{t.gops:8,.0f} GOPS {t.share:5.0%} {t.gbps:7.1f} GB/s {t.share_of_dram:5.0%}"
        print(f"{t.format:7} M {t.batch:4} {t.microseconds:10,.1f} us {speed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
