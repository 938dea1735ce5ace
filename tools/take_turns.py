#!/usr/bin/env python3
"""Decode or prefill with Pestle and llama-bench in turns, both loaded at once.

    python tools/take_turns.py FILE.gguf --turns 60 --llama-bench "PATH/llama-bench -fa 1 -rtr 1"
    python tools/take_turns.py FILE.gguf --turns 14 --prefill 512 --llama-bench "..."
    python tools/take_turns.py FILE.gguf --turns 4 --depth 16384 --llama-bench "..."

Where a shared machine is fast for some seconds and slow for others, engines timed one after the
other meet different machines. Here they take turns of 24 tokens (or of one prompt), the one
that waits is stopped (SIGSTOP), and the result is the median of the ratios of turns. The file must
fit in memory twice. --depth decodes behind so many tokens, which llama-bench reads anew each turn
(-gp, of ik_llama.cpp).
"""

import argparse
import csv
import shlex
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pestle import _core

DECODE = 24
ROOM = 1024


class Pestle:
    """Tokens are read as `pestle bench` reads them: in the engine's own chunks."""

    def __init__(self, file: Path, threads: int, prompt: int, depth: int) -> None:
        self.model = _core.Model(str(file), threads=threads)
        n_ctx = max(prompt, depth) + ROOM
        self.engine = _core.Engine(self.model, n_ctx=n_ctx, threads=threads)
        self.prompt = self._tokens(prompt)
        self.decoding = self.engine.sequence()
        self._read(self.decoding, self._tokens(max(depth, 2)))

    def _tokens(self, count: int) -> list[int]:
        tokens: list[int] = np.random.default_rng(0).integers(0, self.model.n_vocab, count).tolist()
        return tokens

    def _read(self, sequence: _core.Sequence, tokens: list[int]) -> None:
        for start in range(0, len(tokens), self.engine.chunk):
            last = start + self.engine.chunk >= len(tokens)
            piece = tokens[start : start + self.engine.chunk]
            self.engine.step([(sequence, piece)], "last" if last else "none")

    def turn(self) -> float:
        """Seconds a token."""
        begin = time.perf_counter()
        if self.prompt:
            self._read(self.engine.sequence(), self.prompt)
            return (time.perf_counter() - begin) / len(self.prompt)
        for token in range(1, DECODE + 1):
            self.engine.step([(self.decoding, [token])])
        return (time.perf_counter() - begin) / DECODE


def peer_turns(process: subprocess.Popen[str]) -> Iterator[float]:
    """Seconds a token of each test that llama-bench ends; it is stopped between them."""
    assert process.stdout
    head: list[str] = []
    for row in csv.reader(process.stdout):
        if "avg_ts" in row:
            head = row
        elif head and len(row) == len(head):
            process.send_signal(signal.SIGSTOP)
            yield 1 / float(row[head.index("avg_ts")])
            process.send_signal(signal.SIGCONT)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--llama-bench", required=True, metavar="COMMAND", help="with the peer's own options"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=30)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--prefill", type=int, default=0, metavar="N", help=f"prompts of N, not {DECODE} tokens"
    )
    kind.add_argument("--depth", type=int, default=0, metavar="N", help="decode behind N tokens")
    args = parser.parse_args()
    if args.depth + DECODE * (args.turns + 2) > args.depth + ROOM:
        parser.error(f"--turns: at most {ROOM // DECODE - 2} turns fit behind the tokens")

    try:
        pestle = Pestle(args.file, args.threads, args.prefill, args.depth)
        pestle.turn()
    except (_core.Error, OSError, MemoryError) as error:
        parser.error(str(error))
    tests = args.turns + 1
    if args.prefill:
        counts = ["-n", "0", "-p", ",".join([str(args.prefill)] * tests)]
    elif args.depth:
        counts = ["-p", "0", "-n", "0", *(["-gp", f"{args.depth},{DECODE}"] * tests)]
    else:
        counts = ["-p", "0", "-n", ",".join([str(DECODE)] * tests)]
    command = [
        *shlex.split(args.llama_bench),
        "-m",
        str(args.file),
        "-t",
        str(args.threads),
        *counts,
    ]
    command += ["-r", "1", "-o", "csv"]
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError as error:
        parser.error(f"--llama-bench: {error}")
    ours: list[float] = []
    theirs: list[float] = []
    try:
        for seconds in peer_turns(process):
            theirs.append(seconds)
            ours.append(pestle.turn())
    finally:
        process.kill()
    # Each turn of the peer's is held against ours before and behind it.
    ratios = [t / ((a + b) / 2) for t, a, b in zip(theirs[1:], ours, ours[1:], strict=False)]
    if not ratios:
        print("llama-bench has ended without two results", file=sys.stderr)
        return 1
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    what = f"prefill of {args.prefill}" if args.prefill else f"decode behind {args.depth}"
    print(f"{args.file.name}: {what}, {len(ratios)} turns, {_core.isa()}")
    for name, seconds_a_token in (("Pestle", ours), ("peer", theirs)):
        print(f"  {name:8}{1 / statistics.median(seconds_a_token):8.1f} tokens/s")
    print(f"  Pestle is {middle:.2f}x (quartiles {low:.2f} to {high:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
