#!/usr/bin/env python3
"""A mixture of experts that is larger than memory: Pestle and llama-bench by turns.

    python tools/bench_streaming.py FILE.gguf --memory 5.2GB [--prefill 512 2048] [--decode 16]
        [--rounds 2] [--llama-bench "PATH/llama-bench -fa 1 -mla 3"]

Each turn is one test in a process of its own, in a memory control group of that size, when the
page cache has forgotten the file; so it takes root, on Linux. Pestle gets the size as its `memory`;
llama-bench maps the file. Both have a context as long as the test, and run it once to warm up,
decoding with one token. Of Pestle it also says

    hits     of the experts that were asked for, how many were in memory
    read     bytes of experts a token, and times that all of them were read
    waited   for how long products waited, and at what rate it was read meanwhile
    disk     the rate of such reads when nothing else is done, before and after the test
    bound    tokens a second if nothing took time but the reads, at that rate
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import sys
import time
from pathlib import Path
from statistics import mean, median
from typing import Any

from control_group import ControlGroup, NoControlGroupError, control_group, forget

LONGEST = 900.0  # seconds of a turn
COUNTS = ("asked", "hits", "reads", "read_bytes", "stall_seconds", "stall_bytes")


def worker(path: str, memory: str, threads: int, kind: str, n: int) -> dict[str, Any]:
    """One test of Pestle's, in this process."""
    from pestle import LLM, _core

    with LLM(path, memory=memory, n_ctx=max(n, 256), threads=threads) as llm:
        engine, model = llm.engine, llm.model

        def run(n: int, first: int) -> dict[str, Any]:
            tokens = [(i * 7919 + 17) % model.n_vocab for i in range(first, first + n)]
            sequence, before = engine.sequence(), model.expert_traffic
            step = engine.chunk if kind == "prefill" else 1
            begin = time.perf_counter()
            for at in range(0, n, step):
                engine.step([(sequence, tokens[at : at + step])])
            seconds = time.perf_counter() - begin
            after = model.expert_traffic
            moved = (
                {}
                if before is None or after is None
                else {name: getattr(after, name) - getattr(before, name) for name in COUNTS}
            )
            return {"n": n, "seconds": seconds, **moved}

        run(n if kind == "prefill" else 1, 0)
        disk = [_core.measure_reads(path)]
        found = run(n, n)
        disk.append(_core.measure_reads(path))
        return found | {"chunk": engine.chunk, "probe": model.expert_read_rate, "disk": mean(disk)}


def pestle_turn(args: argparse.Namespace, group: ControlGroup, kind: str, n: int) -> dict[str, Any]:
    """What `worker` found, and of its memory."""
    command = [sys.executable, __file__, "--worker", str(args.file), args.memory]
    done = group.run([*command, str(args.threads), kind, str(n)], LONGEST)
    if done.returncode != 0:
        sys.exit(f"Pestle: exit code {done.returncode}: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"peak": group.peak, "limit_hits": group.hits}


def peer_turn(args: argparse.Namespace, group: ControlGroup, kind: str, n: int) -> float:
    """Tokens a second of llama-bench."""
    counts = ["-p", str(n), "-n", "0"] if kind == "prefill" else ["-p", "0", "-n", str(n)]
    command = [*shlex.split(args.llama_bench), "-m", str(args.file), "-t", str(args.threads)]
    done = group.run([*command, *counts, "-r", "1", "-o", "csv"], LONGEST)
    rows = [row for row in csv.reader(done.stdout.splitlines()) if len(row) > 5]
    if done.returncode != 0 or len(rows) < 2:
        sys.exit(f"llama-bench: exit code {done.returncode}: {done.stderr.strip()[-500:]}")
    return float(rows[-1][rows[0].index("avg_ts")])


def shown(found: dict[str, Any], all_experts: int) -> str:
    """What there is to say of a test of Pestle's."""
    n, seconds = found["n"], found["seconds"]
    said = (
        f"{n / seconds:.2f} tokens/s, passes of {found['chunk']}, peak {found['peak'] / 1e9:.2f} "
        f"GB, limit hit {found['limit_hits']} times"
    )
    if not found.get("asked"):
        return said
    read, waited = found["read_bytes"], found["stall_seconds"]
    rate = found["stall_bytes"] / waited if waited else 0.0
    bound = n * found["disk"] / read if read else 0.0
    return (
        f"{said}\n    hits {100 * found['hits'] / found['asked']:.1f} %, read "
        f"{read / n / 1e6:.1f} MB a token, {read / all_experts:.2f} times all; waited "
        f"{waited:.1f} of {seconds:.1f} s at {rate / 1e9:.2f} GB/s; disk {found['disk'] / 1e9:.2f} "
        f"(probe {found['probe'] / 1e9:.2f}); bound {bound:.2f}, reached "
        f"{100 * n / seconds / bound if bound else 0:.0f} %"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--memory", required=True, help="as in 5.2GB")
    parser.add_argument("--prefill", type=int, nargs="*", default=[512, 2048], metavar="N")
    parser.add_argument("--decode", type=int, nargs="*", default=[16], metavar="N")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--llama-bench", metavar="COMMAND", help="with the peer's own options")
    args = parser.parse_args()

    from pestle import _core, sizes

    limit = sizes.parsed(args.memory) // 4096 * 4096
    layout = _core.expert_layout(_core.GgufFile(args.file))
    all_experts = sum(layout.expert_bytes) * layout.n_experts // sum(map(bool, layout.expert_bytes))
    speeds: dict[tuple[str, int], list[tuple[float, float]]] = {}
    tests = [("prefill", n) for n in args.prefill] + [("decode", n) for n in args.decode]
    try:
        for kind, n in tests * args.rounds:
            forget(args.file)
            with control_group("pestle") as group:
                group.limit(limit)
                found = pestle_turn(args, group, kind, n)
            print(f"{kind} {n}: {shown(found, all_experts)}", flush=True)
            theirs = 0.0
            if args.llama_bench:
                forget(args.file)
                with control_group("peer") as group:
                    group.limit(limit)
                    theirs = peer_turn(args, group, kind, n)
                print(f"    llama-bench {theirs:.2f} tokens/s", flush=True)
            speeds.setdefault((kind, n), []).append((n / found["seconds"], theirs))
    except NoControlGroupError as error:
        sys.exit(str(error))
    for (kind, n), pairs in speeds.items():
        ours, theirs = (median(column) for column in zip(*pairs, strict=True))
        beside = f", {theirs:.2f} of the peer: {ours / theirs:.1f}x" if theirs else ""
        print(f"{kind} {n}: {ours:.2f} tokens/s{beside}")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        of, memory, n_threads, kind, n = sys.argv[2:]
        print(json.dumps(worker(of, memory, int(n_threads), kind, int(n))))
    else:
        sys.exit(main())
