"""Record which experts serve which tokens, and replay it against ways to keep some in memory.

    python tools/expert_traces.py record MODEL.gguf TEXT OUT.npz [--tokens N]
    python tools/expert_traces.py replay TRACE.npz... [--shares .1,.25,.5] [--half-life N]
    python tools/expert_traces.py check MODEL.gguf TRACE.npz [--shares ...]

A trace holds the experts of every token and layer, as decoding asks for them: one token at a time.
`replay` prints the share of them that each policy finds in memory, for rooms of some shares of all
experts. The first quarter of a trace fills the room and is not counted. `check` runs the model with
that much room, and compares what its slots find with what the replay of its policy does.

    lru       the one that was used longest ago goes
    lru/layer the same, each layer with a part of the room
    lfu       the one that was used least often goes
    fixed     the ones that the first quarter used most stay; one layer's top k pass beside them
    expected  the one goes that is expected to be asked for last (cpp/model/expert_policy.h)
    belady    the one that is asked for last does (Belady 1966): no policy finds more
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from pestle import LLM, _core

HALF_LIFE, PRIOR, LEAST_CHANCE = 256.0, 4.0, 1e-4
"""As in cpp/model/expert_policy.cpp."""

Key = tuple[int, int]
"""A layer, counted among those that have experts, and one of its experts."""


class Trace(NamedTuple):
    """experts: [tokens, layers, top_k], ascending in each layer."""

    experts: np.ndarray
    n_experts: int

    @property
    def n_layers(self) -> int:
        return int(self.experts.shape[1])

    @property
    def top_k(self) -> int:
        return int(self.experts.shape[2])

    @property
    def room(self) -> int:
        """All experts of all layers."""
        return self.n_layers * self.n_experts

    @property
    def cycle(self) -> int:
        """Those that one token asks for."""
        return self.n_layers * self.top_k

    def steps(self) -> Iterator[tuple[int, int, list[int]]]:
        """(token, layer, experts), in the order in which they are asked for."""
        for token, layers in enumerate(self.experts.tolist()):
            for layer, experts in enumerate(layers):
                yield token, layer, experts


def record(model: Path, text: Path, n_tokens: int) -> tuple[Trace, list[int]]:
    """The trace of a text, and its tokens: the engine counts where each of them goes."""
    with LLM(model) as llm:
        tokens = llm.tokenize(text.read_text(encoding="utf-8"))[:n_tokens]
        engine = _core.Engine(llm.model, n_ctx=len(tokens))
        sequence, before, rows = engine.sequence(), engine.expert_counts(), []
        for token in tokens:
            engine.step([(sequence, [token])], logits="none")
            now = engine.expert_counts()
            rows.append([np.flatnonzero(layer) for layer in now - before if layer.any()])
            before = now
    return Trace(np.array(rows, np.uint16), int(before.shape[1])), tokens


class Policy(Protocol):
    """Which expert makes room for another."""

    def ask(self, token: int, layer: int, experts: list[int]) -> None:
        """A token has come to a layer."""

    def value(self, key: Key) -> float:
        """The one with the least goes."""


class Lru:
    """The least recently used one."""

    def __init__(self) -> None:
        self._last: dict[Key, int] = {}

    def ask(self, token: int, layer: int, experts: list[int]) -> None:
        for expert in experts:
            self._last[layer, expert] = token

    def value(self, key: Key) -> float:
        # Of one token's, the first layer's are asked for first again.
        return self._last.get(key, -1) * 1e4 + key[0]


class Lfu:
    """The least frequently used one."""

    def __init__(self) -> None:
        self._uses: Counter[Key] = Counter()

    def ask(self, token: int, layer: int, experts: list[int]) -> None:
        del token
        self._uses.update((layer, expert) for expert in experts)

    def value(self, key: Key) -> float:
        return self._uses[key]


class Expected:
    """The one that is expected to be asked for last."""

    def __init__(self, trace: Trace, half_life: float) -> None:
        self._trace, self._layer = trace, 0
        self._kept = 2 ** (-1 / half_life)
        self._seen = np.zeros(trace.n_layers)
        self._served = np.zeros((trace.n_layers, trace.n_experts))
        self._passes = np.full(self._served.shape, trace.n_experts / trace.top_k - 1)

    def ask(self, token: int, layer: int, experts: list[int]) -> None:
        del token
        self._layer = layer
        self._served[layer] *= self._kept
        self._served[layer, experts] += 1
        self._seen[layer] = self._seen[layer] * self._kept + 1
        even = PRIOR * self._trace.top_k / self._trace.n_experts
        chance = (self._served[layer] + even) / (self._seen[layer] + PRIOR)
        self._passes[layer] = 1 / np.clip(chance, LEAST_CHANCE, 0.999) - 1

    def value(self, key: Key) -> float:
        turns = self._trace.n_layers
        away = (key[0] - self._layer + turns - 1) % turns + 1
        return -(away + float(self._passes[key]) * turns)


class Belady:
    """The one that is asked for last: it has read the trace."""

    def __init__(self, trace: Trace) -> None:
        self._at = 0
        self._next: dict[tuple[int, Key], float] = {}  # by the step of a use, when the next one is
        later: dict[Key, int] = {}
        for step, (_, layer, experts) in reversed(list(enumerate(trace.steps()))):
            for expert in experts:
                self._next[step, (layer, expert)] = later.get((layer, expert), math.inf)
                later[layer, expert] = step
        self._use: dict[Key, float] = {}

    def ask(self, token: int, layer: int, experts: list[int]) -> None:
        del token
        for expert in experts:
            self._use[layer, expert] = self._next[self._at, (layer, expert)]
        self._at += 1

    def value(self, key: Key) -> float:
        return -self._use[key]


def hits(trace: Trace, room: int, policy: Policy) -> float:
    """The share of experts that are in memory when they are asked for; `room` of them fit."""
    resident: set[Key] = set()
    asked = found = 0
    counted = len(trace.experts) // 4
    for token, layer, experts in trace.steps():
        policy.ask(token, layer, experts)
        wanted = {(layer, expert) for expert in experts}
        missing = wanted - resident
        if token >= counted:
            asked += len(wanted)
            found += len(wanted) - len(missing)
        for key in sorted(missing):
            if len(resident) >= room:
                resident.remove(min(resident - wanted, key=policy.value))
            resident.add(key)
    return found / asked


def hits_in_parts(trace: Trace, room: int) -> float:
    """LRU in each layer, which has its part of the room; none where that is less than its top k."""
    part = room // trace.n_layers
    if part < trace.top_k:
        return 0.0
    shares = [
        hits(Trace(trace.experts[:, i : i + 1], trace.n_experts), part, Lru())
        for i in range(trace.n_layers)
    ]
    return sum(shares) / len(shares)


def hits_of_fixed(trace: Trace, room: int) -> float:
    """Those that the first quarter asked for most stay; the others pass through a token's room."""
    counted = len(trace.experts) // 4
    uses: Counter[Key] = Counter()
    for token, layer, experts in trace.steps():
        if token < counted:
            uses.update((layer, expert) for expert in experts)
    kept = {key for key, _ in uses.most_common(room - trace.top_k)}
    later = [(at, e) for token, at, experts in trace.steps() if token >= counted for e in experts]
    return sum(key in kept for key in later) / len(later)


def policies(trace: Trace, half_life: float) -> dict[str, Callable[[int], float]]:
    """The share of hits of each policy, by room."""
    return {
        "lru": lambda room: hits(trace, room, Lru()),
        "lru/layer": lambda room: hits_in_parts(trace, room),
        "lfu": lambda room: hits(trace, room, Lfu()),
        "fixed": lambda room: hits_of_fixed(trace, room),
        "expected": lambda room: hits(trace, room, Expected(trace, half_life)),
        "belady": lambda room: hits(trace, room, Belady(trace)),
    }


def rooms(trace: Trace, shares: list[float]) -> list[int]:
    """Slots of these shares of all experts, which one layer's top k fit into."""
    return sorted({max(trace.top_k, round(share * trace.room)) for share in shares})


def replay(trace: Trace, shares: list[float], half_life: float) -> None:
    """Print a table of hits."""
    found = policies(trace, half_life)
    print(f"{trace.n_layers} layers, {trace.top_k} of {trace.n_experts} experts,", end=" ")
    print(f"{len(trace.experts)} tokens; one asks for {trace.cycle / trace.room:.0%} of all")
    print("| room | " + " | ".join(found) + " |")
    print("|---|" + "---|" * len(found))
    for room in rooms(trace, shares):
        row = [f"{share(room):.1%}" for share in found.values()]
        print(f"| {room / trace.room:.0%} | " + " | ".join(row) + " |")


def check(model: Path, trace: Trace, shares: list[float], text_tokens: list[int]) -> None:
    """Print what the model's slots find beside what the replay says."""
    layout = _core.expert_layout(_core.GgufFile(model))
    for room in rooms(trace, shares):
        loaded = _core.Model(model, expert_memory=layout.bytes(room))
        engine = _core.Engine(loaded, n_ctx=len(text_tokens))
        sequence = engine.sequence()
        counted, start = len(text_tokens) // 4, (0, 0)
        for i, token in enumerate(text_tokens):
            if i == counted:
                start = _found(loaded)
            engine.step([(sequence, [token])], logits="none")
        asked, found = (b - a for a, b in zip(start, _found(loaded), strict=True))
        expected = hits(trace, room, Expected(trace, HALF_LIFE))
        print(f"room {room / trace.room:.0%}: {found / asked:.2%}, replayed {expected:.2%}")


def _found(model: _core.Model) -> tuple[int, int]:
    traffic = model.expert_traffic
    assert traffic is not None
    return traffic.asked, traffic.hits


def main() -> None:
    parser = argparse.ArgumentParser(
        description=str(__doc__).split("\n", 1)[0],
        epilog=str(__doc__).split("\n", 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    recorded = commands.add_parser("record")
    replayed, checked = commands.add_parser("replay"), commands.add_parser("check")
    for each in (recorded, checked):
        each.add_argument("model", type=Path)
    recorded.add_argument("text", type=Path)
    recorded.add_argument("out", type=Path)
    recorded.add_argument("--tokens", type=int, default=2000)
    replayed.add_argument("traces", type=Path, nargs="+")
    replayed.add_argument("--half-life", type=float, default=HALF_LIFE, help="tokens")
    checked.add_argument("traces", type=Path, nargs=1)
    for each in (replayed, checked):
        each.add_argument("--shares", default=".05,.1,.15,.25,.35,.5,.75")
    options = parser.parse_args()
    if options.command == "record":
        trace, tokens = record(options.model, options.text, options.tokens)
        np.savez_compressed(
            options.out, experts=trace.experts, n_experts=trace.n_experts, tokens=tokens
        )
        return
    shares = [float(share) for share in options.shares.split(",")]
    for path in options.traces:
        with np.load(path) as stored:
            trace = Trace(stored["experts"], int(stored["n_experts"]))
            tokens = stored["tokens"].tolist()
        print(f"\n{path.stem}: ", end="")
        if options.command == "replay":
            replay(trace, shares, options.half_life)
        else:
            print()
            check(options.model, trace, shares, tokens)


if __name__ == "__main__":
    main()
