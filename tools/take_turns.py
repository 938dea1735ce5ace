#!/usr/bin/env python3
"""Decode or prefill with Pestle and llama-bench in turns, both loaded at once.

    python tools/take_turns.py FILE.gguf --turns 60 --llama-bench "PATH/llama-bench -fa 1 -rtr 1"
    python tools/take_turns.py FILE.gguf --turns 14 --prefill --llama-bench "..."

Where a shared machine is fast for some seconds and slow for others, engines timed one after the
other meet different machines. Here they take turns of 24 tokens (or of one prompt of 512), the one
that waits is stopped (SIGSTOP), and the result is the median of the ratios of turns. The file must
fit in memory twice.
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

DECODE, PROMPT = 24, 512


class Pestle:
    def __init__(self, file: Path, threads: int) -> None:
        self.model = _core.Model(str(file), threads=threads)
        self.engine = _core.Engine(self.model, n_ctx=1024, threads=threads)
        self.tokens = np.random.default_rng(0).integers(0, self.model.n_vocab, PROMPT).tolist()

    def turn(self, prefill: bool) -> float:
        """Seconds a token; as llama-bench, without what warms up: the context before a decode."""
        sequence = self.engine.sequence()
        if not prefill:
            self.engine.step([(sequence, self.tokens[:2])])
        begin = time.perf_counter()
        if prefill:
            self.engine.step([(sequence, self.tokens)])
            return (time.perf_counter() - begin) / PROMPT
        for token in self.tokens[:DECODE]:
            self.engine.step([(sequence, [token])])
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
    parser.add_argument(
        "--prefill", action="store_true", help=f"prompts of {PROMPT}, not {DECODE} decoded tokens"
    )
    args = parser.parse_args()

    try:
        pestle = Pestle(args.file, args.threads)
    except (_core.Error, OSError, MemoryError) as error:
        parser.error(str(error))
    pestle.turn(args.prefill)
    tests = ",".join([str(PROMPT if args.prefill else DECODE)] * (args.turns + 1))
    counts = ["-n", "0", "-p", tests] if args.prefill else ["-p", "0", "-n", tests]
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
            ours.append(pestle.turn(args.prefill))
    finally:
        process.kill()
    # Each turn of the peer's is held against ours before and behind it.
    ratios = [t / ((a + b) / 2) for t, a, b in zip(theirs[1:], ours, ours[1:], strict=False)]
    if not ratios:
        print("llama-bench has ended without two results", file=sys.stderr)
        return 1
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    print(
        f"{args.file.name}: {'prefill' if args.prefill else 'decode'}, "
        f"{len(ratios)} turns, {_core.isa()}"
    )
    for name, seconds_a_token in (("Pestle", ours), ("peer", theirs)):
        print(f"  {name:8}{1 / statistics.median(seconds_a_token):8.1f} tokens/s")
    print(f"  Pestle is {middle:.2f}x (quartiles {low:.2f} to {high:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
