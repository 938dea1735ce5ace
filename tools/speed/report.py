"""What the samples of all rounds say: medians, shares of the machine's limits, ratios."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from speed.plan import Plan, Samples


@dataclass
class Outcome:
    """What became of one engine on one file."""

    name: str
    ours: bool
    samples: Samples = field(default_factory=Samples)
    failure: str | None = None


@dataclass(frozen=True)
class Speed:
    """One measure of one engine. Shares are None where no Pestle ran to say what a token costs."""

    engine: str
    tokens_per_second: float
    min: float
    max: float
    samples: int
    per_second: float | None  # int8 operations of a prefill, bytes of a decode
    share: float | None  # of what the machine allows
    ratios: Mapping[str, float]  # how many times as fast each Pestle is


@dataclass(frozen=True)
class _Measure:
    """The words of a measure's name."""

    prefill: bool
    tokens: int
    depth: int

    @classmethod
    def parse(cls, name: str) -> _Measure:
        words = name.split()
        return cls(words[0] == "prefill", int(words[1]), int(words[3]) if len(words) > 2 else 0)

    def cost(self, model: Mapping[str, int | str]) -> float:
        """What a token takes of the machine.

        A prefilled one: two operations for each weight, without the head. A decoded one: the
        bytes of the weights, and after a context those of the keys and values on the way.
        """
        if self.prefill:
            return float(model["prefill_ops"])
        positions = self.depth + (self.tokens + 1) / 2 if self.depth else 0
        return float(model["decode_bytes"]) + positions * float(model["kv_bytes_per_token"])


def limits(outcomes: Sequence[Outcome], name: str | None = None) -> dict[str, float]:
    """Medians of the machine's limits as one Pestle measured them; the first one's by default."""
    for outcome in outcomes:
        if outcome.samples.machine and name in (None, outcome.name):
            return {k: statistics.median(v) for k, v in outcome.samples.machine.items()}
    return {}


def costs(outcomes: Sequence[Outcome]) -> Mapping[str, int | str]:
    """The model's figures, from whichever Pestle ran it."""
    return next((o.samples.model for o in outcomes if o.samples.model), {})


def speeds(outcomes: Sequence[Outcome]) -> dict[str, list[Speed]]:
    """By measure, in the order in which they were taken."""
    names = list(dict.fromkeys(name for o in outcomes for name in o.samples.seconds))
    return {
        name: [_speed(name, o, outcomes) for o in outcomes if name in o.samples.seconds]
        for name in names
    }


def _speed(name: str, outcome: Outcome, outcomes: Sequence[Outcome]) -> Speed:
    measure, model = _Measure.parse(name), costs(outcomes)
    seconds = outcome.samples.seconds[name]
    median = statistics.median(seconds)
    # int8 peaks differ between instruction sets: a Pestle is held to its own, a peer to the first.
    machine = limits(outcomes, outcome.name) or limits(outcomes)
    rate = measure.cost(model) * measure.tokens / median if model else None
    limit = machine.get("int8_ops" if measure.prefill else "bandwidth")
    return Speed(
        engine=outcome.name,
        tokens_per_second=measure.tokens / median,
        min=measure.tokens / max(seconds),
        max=measure.tokens / min(seconds),
        samples=len(seconds),
        per_second=rate,
        share=rate / limit if rate and limit else None,
        ratios={
            other.name: median / statistics.median(other.samples.seconds[name])
            for other in outcomes
            if other.ours and other is not outcome and name in other.samples.seconds
        },
    )


def as_json(path: str, plan: Plan, rounds: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Everything, the samples included."""
    return {
        "file": path,
        "plan": asdict(plan),
        "rounds": rounds,
        "model": dict(costs(outcomes)),
        "machine": limits(outcomes),
        "engines": [
            {
                "name": o.name,
                "version": o.samples.engine,
                "failure": o.failure,
                "seconds": o.samples.seconds,
                "machine": o.samples.machine,
            }
            for o in outcomes
        ],
        "speeds": {name: [asdict(s) for s in row] for name, row in speeds(outcomes).items()},
    }
