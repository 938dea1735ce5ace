"""The engines that are compared, each of which runs a plan in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from speed.llama_bench import last_words
from speed.plan import Plan, Samples

WORKER = Path(__file__).resolve().parent.parent / "speed_worker.py"


class Engine(Protocol):
    """Something that times a plan."""

    @property
    def name(self) -> str:
        """As tables show it."""

    def run(self, model: Path, plan: Plan) -> Samples:
        """Raises RuntimeError with what the process said last when it fails."""


@dataclass(frozen=True)
class PestleEngine:
    """Pestle with the kernels that it chooses, or with those of `isa`."""

    isa: str | None = None

    @property
    def name(self) -> str:
        return f"Pestle {self.isa}" if self.isa else "Pestle"

    def run(self, model: Path, plan: Plan) -> Samples:
        environment = {k: v for k, v in os.environ.items() if k != "PESTLE_ISA"}
        if self.isa:
            environment["PESTLE_ISA"] = self.isa
        return _work([sys.executable, str(WORKER), "pestle", str(model)], plan, [], environment)


@dataclass(frozen=True)
class LlamaCppEngine:
    """llama.cpp as llama-cpp-python built it, in the interpreter that has it."""

    name: str
    python: str
    options: dict[str, Any] = field(default_factory=dict)  # of LlamaCpp

    def run(self, model: Path, plan: Plan) -> Samples:
        command = [self.python, str(WORKER), "llama.cpp", str(model)]
        return _work(command, plan, [json.dumps(self.options)], dict(os.environ))


def _work(command: list[str], plan: Plan, more: list[str], environment: dict[str, str]) -> Samples:
    done = subprocess.run(
        [*command, plan.to_json(), *more],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(last_words(done.stderr, done.returncode))
    return Samples.from_json(done.stdout.splitlines()[-1])
