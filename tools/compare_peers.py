"""Pestle's speed beside that of other engines: one file, the same threads, interleaved rounds.

Usage: python tools/compare_peers.py MODEL.gguf ... [--threads 2] [--rounds 5]
           [--prefill 512] [--decode 128] [--depth 0 4096 16384] [--kv i16] [--isa auto avx2]
           [--llama-bench "NAME=BINARY OPTION ..."] [--llama-cpp-python PYTHON]

In each round every engine runs once, in a process of its own and in an order that rotates, so
that what else the machine does falls on all of them. Loading is never timed. A process counts
--repetitions of each measure, after one that warms up and does not count; at a depth there is one
repetition, which reading the context has warmed up. Figures are medians over all rounds.

What is timed is the same on each side. Prefill: a prompt in batches of 512, up to the last
token's logits. Decode: one token after another, each up to its logits, which stay where the
engine computed them; nothing is sampled. At a depth, the context's own time is left out:
llama-bench starts its clock after the prompt of -gp N,M (ik_llama.cpp) or -d N (llama.cpp), and
our own loop (speed/timing.py), which also drives llama.cpp through llama-cpp-python, does too.

The machine's limits, DRAM reads and int8 operations, are measured by Pestle between its
repetitions. Shares: prefill counts two operations for each weight without the head, decode the
weights' bytes, and at a depth those of the keys and values as well.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from speed import tables
from speed.engines import Engine, LlamaCppEngine, PestleEngine
from speed.llama_bench import LlamaBench
from speed.plan import Plan
from speed.report import Outcome, as_json


def compare(
    model: Path, engines: Sequence[Engine], plan: Plan, rounds: int, *, tell: bool = True
) -> list[Outcome]:
    """All rounds on one file. An engine that fails once is not asked again."""
    outcomes = [Outcome(engine.name, isinstance(engine, PestleEngine)) for engine in engines]
    pairs = list(zip(engines, outcomes, strict=True))
    for turn in range(rounds):
        first = turn % len(pairs)
        for engine, outcome in pairs[first:] + pairs[:first]:
            if outcome.failure is not None:
                continue
            if tell:
                print(f"{model.name}: round {turn + 1}, {engine.name}", file=sys.stderr)
            try:
                outcome.samples.add(engine.run(model, plan))
            except (RuntimeError, OSError) as error:
                outcome.failure = f"round {turn + 1}: {error}"
    return outcomes


def engines_of(options: argparse.Namespace) -> list[Engine]:
    """Pestle for each instruction set, then its peers."""
    engines: list[Engine] = [
        PestleEngine(None if isa == "auto" else isa) for isa in options.isa or ["auto"]
    ]
    engines += [LlamaBench.parse(text) for text in options.llama_bench]
    python = options.llama_cpp_python
    if python is None and importlib.util.find_spec("llama_cpp"):
        python = sys.executable
    if python is None:
        print("llama.cpp is left out: llama-cpp-python is not installed here", file=sys.stderr)
        return engines
    for flash_attention in options.flash_attention:
        chosen = {"flash_attention": flash_attention, "repack": not options.no_repack}
        name = "llama.cpp" if flash_attention == "auto" else f"llama.cpp fa={flash_attention}"
        engines.append(LlamaCppEngine(name, python, chosen))
    return engines


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.gguf")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repetitions", type=int, default=2, help="of a round, that count")
    parser.add_argument("--prefill", type=int, default=512, help="tokens; 0: leave it out")
    parser.add_argument("--decode", type=int, default=128, help="tokens")
    parser.add_argument("--depth", type=int, nargs="*", default=[0], help="tokens before decode")
    parser.add_argument(
        "--kv",
        default="i16",
        choices=["i16", "f16", "f32", "q8_0"],
        help="type of the KV cache, of every engine; i16: f16 in others",
    )
    parser.add_argument("--isa", nargs="+", help="Pestle's kernels; auto: its own choice")
    parser.add_argument("--llama-bench", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--llama-cpp-python", metavar="PYTHON", help="the interpreter that has it")
    parser.add_argument(
        "--flash-attention", nargs="+", default=["auto"], choices=["auto", "on", "off"],
        help="of llama.cpp through llama-cpp-python; each counts as an engine",
    )  # fmt: skip
    parser.add_argument(
        "--no-repack", action="store_true", help="llama.cpp with the weights as in the file"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--markdown", action="store_true", help="rows of a table for the docs")
    return parser.parse_args(arguments)


def main() -> int:
    options = parse()
    plan = Plan(
        prefill=options.prefill,
        decode=options.decode,
        depths=tuple(options.depth),
        repetitions=options.repetitions,
        threads=options.threads,
        kv=options.kv,
    )
    try:
        engines = engines_of(options)
    except ValueError as error:
        sys.exit(f"compare_peers: {error}")
    found, failed = [], False
    if options.markdown:
        print("\n".join(tables.markdown_header([engine.name for engine in engines])))
    for model in options.models:
        outcomes = compare(model, engines, plan, options.rounds)
        failed |= any(outcome.failure for outcome in outcomes)
        if options.markdown:
            lines = [*tables.markdown(model.stem, outcomes)]
        else:
            lines = [*tables.text(model.name, plan, options.rounds, outcomes), ""]
        print("\n".join(lines), flush=True)
        found.append(as_json(model.name, plan, options.rounds, outcomes))
        if options.json:  # after each file: the next may take an hour
            options.json.write_text(json.dumps({"version": 1, "files": found}), encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
