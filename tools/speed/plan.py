"""What is timed, and the same tokens for every engine."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Plan:
    """One process's work. A prefill of 0 tokens is left out."""

    prefill: int = 512
    decode: int = 128
    depths: tuple[int, ...] = (0,)  # tokens of context before the decoded ones
    repetitions: int = 2  # counted ones; at depths above 0 there is one
    threads: int = 2
    kv: str = "f16"

    @property
    def n_ctx(self) -> int:
        """Tokens that the longest of its texts has, and one for the warm-up."""
        return max(self.prefill, max(self.depths, default=0) + self.decode, 2)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        values = json.loads(text)
        return cls(**{**values, "depths": tuple(values["depths"])})


@dataclass
class Samples:
    """Seconds of each counted repetition, and what the machine and the model are."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    machine: dict[str, list[float]] = field(default_factory=dict)
    model: dict[str, int | str] = field(default_factory=dict)
    engine: str = ""  # what the engine says that it is

    def add(self, other: Samples) -> None:
        """Append another process's samples."""
        for ours, theirs in ((self.seconds, other.seconds), (self.machine, other.machine)):
            for name, values in theirs.items():
                ours.setdefault(name, []).extend(values)
        self.model = other.model or self.model
        self.engine = other.engine or self.engine

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Samples:
        return cls(**json.loads(text))


def prefill_name(tokens: int) -> str:
    """The measure of reading a prompt."""
    return f"prefill {tokens}"


def decode_name(tokens: int, depth: int) -> str:
    """The measure of writing, one token at a time."""
    return f"decode {tokens}" + (f" at {depth}" if depth else "")


def tokens(start: int, number: int, n_vocab: int) -> list[int]:
    """Token ids spread over the vocabulary; the same ones in every run."""
    return [(position * 7919 + 17) % n_vocab for position in range(start, start + number)]
