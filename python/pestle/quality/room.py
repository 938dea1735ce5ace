"""What an evaluation takes in memory, and so whether models are run whole or layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

from pestle import memory as of_machine
from pestle._core import GgufFile
from pestle.footprint import Footprint, Use, footprint, held_by_others, refusal
from pestle.options import EngineOptions
from pestle.quality.logit_sources import KV_TYPE, longest_piece
from pestle.quality.windows import Window

_SHARE: Final = 0.8
"""Of the memory that is free, where nobody says how much may be taken."""
_COPIES: Final = 3
"""Of a piece's logits: the engine's, NumPy's, and those of the piece before."""


class Runnable(Protocol):
    """A model, as far as its memory goes."""

    @property
    def name(self) -> str: ...
    @property
    def whole_bytes(self) -> int: ...
    @property
    def making_bytes(self) -> int:
        """Bytes that making a part for the core takes; 0 where parts lie in a file."""

    def outline(self) -> AbstractContextManager[GgufFile]:
        """A file of its shapes, whose tensors nobody reads."""


def streams(
    subjects: Sequence[Runnable],
    windows: Sequence[Window],
    *,
    threads: int,
    stream: bool | None,
    memory: int | None,
) -> bool:
    """Whether to run the models layer by layer: as `stream` says, or else where they do not fit.

    memory: bytes that the process may take; None: what is free. MemoryLimitError: too few, with
    the sum.
    """
    if memory is None:
        whole = sum(subject.whole_bytes for subject in subjects)
        return whole >= _SHARE * of_machine.read().available if stream is None else stream
    held = held_by_others()
    budget = memory - held
    told = [_footprint(subject, windows, threads) for subject in subjects]
    if not stream and all(subject.whole_bytes for subject in subjects):
        if sum(_whole(told).values()) <= budget:
            return False
        if stream is not None:
            raise refusal(
                _names(subjects), "with all of it loaded", _whole(told), memory, held=held
            )
    needed = _by_layers(subjects, told, windows)
    if sum(needed.values()) > budget:
        raise refusal(_names(subjects), "layer by layer", needed, memory, held=held)
    return True


def spares_cache(subjects: Sequence[Runnable]) -> bool:
    """Whether files are read past what the system caches, which a control group's limit counts."""
    limit = of_machine.read().limit
    return limit is not None and sum(2 * subject.whole_bytes for subject in subjects) > limit


def _names(subjects: Sequence[Runnable]) -> str:
    return " and ".join(subject.name for subject in subjects)


class _Told:
    """What one model takes: as a whole, and the bytes of its parts."""

    def __init__(self, whole: Footprint, parts: Mapping[str, int], dim: int) -> None:
        self.whole, self.parts, self.dim = whole, parts, dim


def _footprint(subject: Runnable, windows: Sequence[Window], threads: int) -> _Told:
    longest = max(len(window.tokens) for window in windows)
    with subject.outline() as file:
        options = EngineOptions(n_ctx=longest, threads=threads, kv_type=KV_TYPE, prefix_cache=0)
        embedding = next(t for t in file.tensors if t.name == "token_embd.weight")
        dim, n_vocab = embedding.shape
        use = Use(logit_rows=_COPIES * longest_piece(n_vocab) // 2 + 1)
        return _Told(footprint(file, options, use), part_bytes(file), dim)


def part_bytes(file: GgufFile) -> dict[str, int]:
    """Bytes of the weights of each part: the embedding, the layers by number, and the output."""
    found: dict[str, int] = {}
    names = {tensor.name for tensor in file.tensors}
    for tensor in file.tensors:
        for part in parts_of(tensor.name, tied="output.weight" not in names):
            found[part] = found.get(part, 0) + tensor.nbytes
    return found


def parts_of(name: str, *, tied: bool) -> tuple[str, ...]:
    """The parts that need a tensor. tied: whether the embedding is the output too."""
    match name.split(".")[0]:
        case "blk":
            return (name.split(".")[1],)
        case "token_embd":
            return ("embedding", "output") if tied else ("embedding",)
        case "output" | "output_norm":
            return ("output",)
        case _:  # what all layers share, as rope_freqs: next to nothing
            return ()


def _whole(told: Sequence[_Told]) -> dict[str, int]:
    return {
        "program": told[0].whole.program,
        "text": sum(each.whole.text for each in told),
        "weights": sum(each.whole.weights + each.whole.experts for each in told),
        "kv": sum(each.whole.kv for each in told),
        "workspace": sum(each.whole.workspace for each in told),
        "logits": sum(each.whole.logits for each in told),
    }


def _by_layers(
    subjects: Sequence[Runnable], told: Sequence[_Told], windows: Sequence[Window]
) -> dict[str, int]:
    """One part at a time; of the first model, the output stays while the second is run."""
    n_tokens = sum(len(window.tokens) for window in windows)
    held = weights = 0
    for subject, each in zip(subjects, told, strict=True):
        largest = max(*each.parts.values(), subject.making_bytes)
        weights = max(weights, held + largest)
        held += each.parts["output"]
    return {
        "program": told[0].whole.program,
        "text": sum(each.whole.text for each in told),
        "parts of the weights": max(weights, held),
        "hidden states": sum(4 * n_tokens * each.dim for each in told),
        "kv": max(each.whole.kv // max(1, len(each.parts) - 2) for each in told),
        "workspace": sum(each.whole.workspace for each in told),
        "logits": sum(each.whole.logits for each in told),
    }
