"""A llama-bench binary: llama.cpp's own, or that of a fork such as ik_llama.cpp."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speed.plan import Plan, Samples, decode_name, prefill_name


@dataclass(frozen=True)
class LlamaBench:
    """The binary with its options."""

    name: str
    command: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> LlamaBench:
        """From NAME=BINARY [OPTION ...]."""
        name, equals, command = text.partition("=")
        words = tuple(shlex.split(command))
        if not equals or not name.strip() or not words:
            raise ValueError(f"expected NAME=BINARY [OPTION ...], found {text!r}")
        return cls(name.strip(), words)

    def run(self, model: Path, plan: Plan) -> Samples:
        """Time everything in the plan, the depths in a process of their own."""
        samples = Samples()
        for arguments in bench_arguments(plan, self._says_gp()):
            command = [*self.command, "-m", str(model), "-o", "json", *arguments]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(last_words(done.stderr, done.returncode))
            samples.add(parse_output(done.stdout))
        return samples

    def _says_gp(self) -> bool:
        """Whether a depth is -gp N,M (ik_llama.cpp) and not -d N (llama.cpp)."""
        # The whole command, which may begin with taskset or the like.
        command = [*self.command, "--help"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return "-gp <" in done.stdout + done.stderr


def bench_arguments(plan: Plan, says_gp: bool) -> list[list[str]]:
    """The command lines of a plan. A repetition more where the first one warms up."""
    kv = "f16" if plan.kv == "i16" else plan.kv  # the 16 bits that it has
    common = ["-t", str(plan.threads), "-ctk", kv, "-ctv", kv]
    decode = plan.decode if 0 in plan.depths else 0
    lines = []
    if plan.prefill or decode:
        counts = ["-p", str(plan.prefill), "-n", str(decode), "-r", str(plan.repetitions + 1)]
        lines.append([*common, *counts])
    deep = [str(depth) for depth in sorted(plan.depths) if depth]
    if deep and says_gp:
        pairs = [word for depth in deep for word in ("-gp", f"{depth},{plan.decode}")]
        lines.append([*common, "-p", "0", "-n", "0", *pairs, "-r", "1"])
    elif deep:
        counts = ["-p", "0", "-n", str(plan.decode), "-d", ",".join(deep)]
        lines.append([*common, *counts, "-r", "1"])
    return lines


def parse_output(text: str) -> Samples:
    """The samples of `-o json`, less the first repetition where there are several."""
    samples = Samples()
    for record in _records(text):
        prompt, generated = int(record["n_prompt"]), int(record["n_gen"])
        if generated == 0:
            name = prefill_name(prompt)
        else:  # with both, the prompt of -gp is the depth; its time is not in the samples
            name = decode_name(generated, prompt or int(record.get("n_depth", 0)))
        runs = [nanoseconds / 1e9 for nanoseconds in record["samples_ns"]]
        samples.seconds[name] = runs[1:] or runs
        build = record.get("build_commit", "unknown")
        samples.engine = f"build {record.get('build_number', '?')} ({build})"
    if not samples.seconds:
        raise RuntimeError(f"no result in llama-bench's output: {text.strip()[-200:]!r}")
    return samples


def _records(text: str) -> Iterator[dict[str, Any]]:
    """The objects of an array that the engine's own messages may interrupt."""
    decoder, at = json.JSONDecoder(), 0
    while (at := text.find("{", at)) >= 0:
        try:
            record, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            at += 1
            continue
        if "samples_ns" in record:
            yield record


def last_words(stderr: str, code: int) -> str:
    """What a process that failed said last."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    said = lines[-1] if lines else "it said nothing"
    return f"ended with {code}: {said[:200]}"
