"""Time attention alone: decode beside DRAM's bandwidth, prefill beside the peak of its products.

    python tools/bench_attention.py [TYPE ...] [--shape HEADSxGROUPxDIM | latentHEADS ...]
                                    [--depth N ...] [--prefill N] [--threads T] [--json]

PESTLE_ISA chooses the kernels. Decode reads enough layers to leave every cache and is compared
with the DRAM bandwidth measured beside each run, prefill with the rate of the int16 products in
registers, which floats' fmas have half of: medians of ratios, because both move.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pestle import _core

KV_TYPES = ("i16", "q8_0", "f16", "f32")
SHAPES = ("3x3x64", "8x2x128", "8x4x128", "8x8x64", "latent16")
"""KV heads, query heads of each, channels: SmolLM2-135M, Qwen3-0.6B, Qwen3-4B, gpt-oss;
DeepSeek-V2-Lite, whose heads share rows of 576 channels of which 512 are the value."""
LATENT = (576, 512)
MEMORY = 600e6  # what decode reads, in bytes
ROUNDS = 7


@dataclass(frozen=True)
class Shape:
    """Of a layer."""

    name: str
    kv_heads: int
    group: int  # query heads of each
    k_dim: int
    v_dim: int
    latent: bool

    @classmethod
    def parse(cls, name: str) -> Shape:
        """Raise ValueError."""
        if found := re.fullmatch(r"latent(\d+)", name):
            return cls(name, 1, int(found[1]), *LATENT, latent=True)
        heads, group, dim = map(int, name.split("x"))
        return cls(name, heads, group, dim, dim, latent=False)

    @property
    def channels(self) -> int:
        """Numbers that are kept of a token."""
        return self.k_dim if self.latent else self.kv_heads * (self.k_dim + self.v_dim)

    def pages(self, keys: int, kv_type: str, layers: int) -> Any:  # a KvPages: not in the stubs
        """Return random keys and values of some layers."""
        rng = np.random.default_rng(0)
        k = rng.standard_normal((self.kv_heads, keys, self.k_dim), dtype=np.float32)
        v = rng.standard_normal((self.kv_heads, keys, self.v_dim), dtype=np.float32)
        return _core.kernels.KvPages(k, v, kv_type, layers, self.latent)

    def queries(self, tokens: int) -> np.ndarray:
        """Return random ones of all heads."""
        width = self.kv_heads * self.group * self.k_dim
        return np.random.default_rng(1).standard_normal((tokens, width), dtype=np.float32)

    def operations(self, seen: int) -> int:
        """Multiply-adds count as two; `seen` is the sum over tokens of what each sees."""
        return 2 * (self.k_dim + self.v_dim) * self.kv_heads * self.group * seen


@dataclass(frozen=True)
class Timing:
    """One token, or a chunk of them, behind `depth` others."""

    kv_type: str
    shape: str
    phase: str
    depth: int
    milliseconds: float  # of one layer
    bandwidth: float  # GB/s of keys and values, in decode
    operations: float  # GOPS without what a token does not see
    share_of_dram: float | None  # in decode
    share_of_peak: float


def decode(kv_type: str, shape: Shape, depth: int, threads: int) -> Timing:
    """Time one token with `depth` others before it."""
    layers = max(1, round(MEMORY / (2 * shape.channels * depth)))
    pages, q = shape.pages(depth, kv_type, layers), shape.queries(1)
    times, of_dram, of_peak = [], [], []
    operations = layers * shape.operations(depth)
    for _ in range(ROUNDS):
        dram, peak = _core.measure_bandwidth(threads), _core.measure_int16(threads)
        times.append(min(pages.attend_tokens(q, 0.1, threads=threads)[1] for _ in range(3)))
        of_dram.append(pages.nbytes / times[-1] / dram)
        of_peak.append(operations / times[-1] / peak)
    seconds = statistics.median(times)
    return Timing(
        kv_type, shape.name, "decode", depth, seconds / layers * 1e3, pages.nbytes / seconds / 1e9,
        operations / seconds / 1e9, statistics.median(of_dram), statistics.median(of_peak),
    )  # fmt: skip


def prefill(kv_type: str, shape: Shape, depth: int, tokens: int, threads: int) -> Timing:
    """Time a chunk of tokens behind `depth` others."""
    pages, q = shape.pages(depth + tokens, kv_type, 1), shape.queries(tokens)
    operations = shape.operations(tokens * depth + tokens * (tokens + 1) // 2)
    times, shares = [], []
    for _ in range(ROUNDS):
        peak = _core.measure_int16(threads)
        times.append(pages.attend_tokens(q, 0.1, threads=threads)[1])
        shares.append(operations / times[-1] / peak)
    seconds = statistics.median(times)
    return Timing(
        kv_type, shape.name, "prefill", depth, seconds * 1e3, 0.0, operations / seconds / 1e9,
        None, statistics.median(shares),
    )  # fmt: skip


def main() -> int:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "types", nargs="*", choices=[*KV_TYPES, []], metavar="TYPE", help="default: all"
    )
    parser.add_argument("--shape", nargs="+", default=SHAPES, metavar="SHAPE")
    parser.add_argument("--depth", type=int, nargs="+", default=[4096, 16384])
    parser.add_argument("--prefill", type=int, default=512, help="tokens of a chunk")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    timings = []
    for kv_type in args.types or KV_TYPES:
        for shape in map(Shape.parse, args.shape):
            timings += [decode(kv_type, shape, depth, args.threads) for depth in args.depth]
            for depth in (0, *args.depth):
                timings.append(prefill(kv_type, shape, depth, args.prefill, args.threads))
    peak = _core.measure_int16(args.threads)
    if args.json:
        machine = {"isa": _core.isa(), "threads": args.threads, "int16_operations": peak}
        print(json.dumps({"version": 2, **machine, "timings": [asdict(t) for t in timings]}))
        return 0
    print(
        f"{_core.isa()}, {args.threads} threads, prefill of {args.prefill}; "
        f"int16 products in registers: {peak / 1e9:.0f} GOPS"
    )
    for t in timings:
        rate = f"{t.operations:7.1f} GOPS {t.share_of_peak:4.0%} of int16"
        if t.share_of_dram is not None:
            rate += f", {t.bandwidth:5.1f} GB/s {t.share_of_dram:4.0%} of DRAM"
        where = f"{t.kv_type:5} {t.shape:9} {t.phase:7} at {t.depth:6}"
        print(f"{where} {t.milliseconds:10.3f} ms {rate}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
