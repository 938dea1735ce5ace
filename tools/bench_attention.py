"""Time attention alone: GB/s of keys and values in decode, GFLOPS in prefill.

    python tools/bench_attention.py [TYPE ...] [--shape HEADSxGROUPxDIM ...] [--depth N ...]
                                    [--prefill N] [--threads T] [--json]

PESTLE_ISA chooses the kernels. Decode reads enough layers to leave every cache and is compared
with the DRAM bandwidth measured beside each run; medians of ratios, because both move.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pestle import _core

BYTES = {"f16": 2.0, "f32": 4.0, "q8_0": 34 / 32}
SHAPES = ("3x3x64", "2x7x64", "8x4x128", "8x8x64")
"""KV heads, query heads of each, channels: SmolLM2-135M, Qwen2.5-0.5B, Qwen3-4B, gpt-oss."""
MEMORY = 600e6  # what decode reads, in bytes
ROUNDS = 7


@dataclass(frozen=True)
class Timing:
    """One token, or a chunk of them, behind `depth` others."""

    kv_type: str
    shape: str
    phase: str
    depth: int
    milliseconds: float  # of one layer
    rate: float  # GB/s of keys and values, or GFLOPS without what a token does not see
    share: float | None  # of DRAM bandwidth, for decode


def _pages(
    shape: tuple[int, int, int], keys: int, kv_type: str, layers: int
) -> Any:  # a KvPages; the stubs leave tests' own bindings out
    heads, _, dim = shape
    rng = np.random.default_rng(0)
    k, v = (rng.standard_normal((heads, keys, dim), dtype=np.float32) for _ in range(2))
    return _core.kernels.KvPages(k, v, kv_type, layers)


def _queries(shape: tuple[int, int, int], tokens: int) -> np.ndarray:
    heads, group, dim = shape
    return np.random.default_rng(1).standard_normal((tokens, heads * group * dim), dtype=np.float32)


def decode(kv_type: str, name: str, depth: int, threads: int) -> Timing:
    """Time one token with `depth` others before it."""
    heads, _, dim = shape = _parse(name)
    layers = max(1, round(MEMORY / (2 * BYTES[kv_type] * heads * dim * depth)))
    pages, q = _pages(shape, depth, kv_type, layers), _queries(shape, 1)
    rates, shares = [], []
    for _ in range(ROUNDS):
        bandwidth = _core.measure_bandwidth(threads)
        seconds = min(pages.attend_tokens(q, dim**-0.5, threads=threads)[1] for _ in range(3))
        rates.append(pages.nbytes / seconds)
        shares.append(rates[-1] / bandwidth)
    rate = statistics.median(rates)
    ms = pages.nbytes / rate / layers * 1e3
    share = statistics.median(shares)
    return Timing(kv_type, name, "decode", depth, ms, rate / 1e9, share)


def prefill(kv_type: str, name: str, depth: int, tokens: int, threads: int) -> Timing:
    """Time a chunk of tokens behind `depth` others."""
    heads, group, dim = shape = _parse(name)
    pages, q = _pages(shape, depth + tokens, kv_type, 1), _queries(shape, tokens)
    seen = tokens * depth + tokens * (tokens + 1) // 2
    seconds = min(pages.attend_tokens(q, dim**-0.5, threads=threads)[1] for _ in range(ROUNDS))
    rate = 4 * dim * heads * group * seen / seconds / 1e9
    return Timing(kv_type, name, "prefill", depth, seconds * 1e3, rate, None)


def _parse(shape: str) -> tuple[int, int, int]:
    heads, group, dim = map(int, shape.split("x"))
    return heads, group, dim


def main() -> int:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "types", nargs="*", choices=[*BYTES, []], metavar="TYPE", help="default: all"
    )
    parser.add_argument("--shape", nargs="+", default=SHAPES, metavar="HEADSxGROUPxDIM")
    parser.add_argument("--depth", type=int, nargs="+", default=[4096, 16384])
    parser.add_argument("--prefill", type=int, default=512, help="tokens of a chunk")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    timings = []
    for kv_type in args.types or BYTES:
        for shape in args.shape:
            timings += [decode(kv_type, shape, depth, args.threads) for depth in args.depth]
            for depth in (0, *args.depth):
                timings.append(prefill(kv_type, shape, depth, args.prefill, args.threads))
    if args.json:
        machine = {"isa": _core.isa(), "threads": args.threads}
        print(json.dumps({"version": 1, **machine, "timings": [asdict(t) for t in timings]}))
        return 0
    print(f"{_core.isa()}, {args.threads} threads, prefill of {args.prefill}")
    for t in timings:
        unit = "GFLOPS" if t.share is None else f"GB/s {t.share:4.0%} of DRAM"
        where = f"{t.kv_type:5} {t.shape:9} {t.phase:7} at {t.depth:6}"
        print(f"{where} {t.milliseconds:10.3f} ms {t.rate:7.1f} {unit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
