"""How a model is loaded so that the whole process keeps within a memory."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pestle import memory, sizes
from pestle.errors import MemoryLimitError
from pestle.footprint.fit import LEAST_CONTEXT, Fit, fit
from pestle.footprint.items import ANSWERS, LOGIT_ROWS, PROGRAM, Use
from pestle.footprint.refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pestle._core import GgufFile
    from pestle.memory import Memory
    from pestle.options import EngineOptions

_SPARE: Final = 1 / 16
"""Of the memory that is free, what streaming leaves to the rest of the machine."""
_STREAMING_CHUNKS: Final = (2048, 1024)
"""Rows of a pass where each expert is read once a pass: the more, the fewer reads."""
_WORKSPACE: Final = 1 / 16
"""Of the memory, the most that such a pass may work with."""
_SHORT_CONTEXTS: Final = (2048, 1024)
"""Tokens, where memory is scarce and nobody has said how much it may be."""
_SMALL: Final = 256
"""Tokens: a context below that is not proposed."""
_GROWTH: Final = 24 << 20
"""Bytes that a process which has loaded other things still adds to them: libraries, buffers."""


@dataclass(frozen=True)
class Settled:
    """What options come to in a memory.

    options        with a context, a chunk, keys and values, and experts that fit
    pass_memory    bytes that a forward pass works with; 0: as many as it needs
    parallel       answers at once at most; 0: as many as memory allows
    fit            the sums; None: nothing limits them
    spare_cache    whether what is read of the file is not to be cached by the system
    note           one sentence of what was decided unasked; or None
    """

    options: EngineOptions
    pass_memory: int = 0
    parallel: int = 0
    fit: Fit | None = None
    spare_cache: bool = False
    note: str | None = None


def held_by_others() -> int:
    """Bytes that this process holds by now beside what `footprint` counts: they count too."""
    return max(0, memory.resident() + _GROWTH - PROGRAM)


def settle(
    file: GgufFile, options: EngineOptions, room: Memory | None = None, use: Use = ANSWERS
) -> Settled:
    """How to load the file with these options: within `options.memory`, where that is given.

    Without it, what fits beside the rest of the machine is loaded whole and grows as it is used;
    of what does not fit, experts are streamed. `room` is the machine's memory, measured if None.
    Raises MemoryLimitError, with the sum and what would fit, and what reading the header raises.
    """
    room = room or memory.read()
    if options.memory is not None:
        held = held_by_others()
        return _cached(file, _within(file, options, options.memory - held, use, held), room)
    here = room.available + memory.resident()
    if 2 * file.size < here or options.expert_memory:
        return Settled(options)  # nothing to be counted: the usual case
    least = replace(options, n_ctx=min(options.n_ctx or LEAST_CONTEXT, LEAST_CONTEXT))
    if fit(file, least, here, use).way == "fits":
        return _cached(file, Settled(options), room)
    settled = _cached(file, _scarcely(file, options, int(here * (1 - _SPARE)), use), room)
    assert settled.fit is not None
    found = settled.fit
    free = f"the {sizes.shown(here)} of memory that are free"
    note = (
        f"The model does not fit into {free}: {found.slots:,} of its {found.experts:,} experts "
        "stay there, others are read as they are needed."
        if found.way == "streams"
        else f"The model only just fits into {free}: the context is {found.n_ctx:,} tokens."
    )
    return replace(settled, note=note)


def _scarcely(file: GgufFile, options: EngineOptions, budget: int, use: Use) -> Settled:
    """Rather with a short context than not at all, if nobody has asked for one."""
    if not options.n_ctx:
        for n_ctx in (0, *_SHORT_CONTEXTS):
            with suppress(MemoryLimitError):
                return _within(file, replace(options, n_ctx=n_ctx), budget, use)
    return _within(file, options, budget, use)


def _cached(file: GgufFile, settled: Settled, room: Memory) -> Settled:
    """A control group's limit counts what is cached, and where it is reached everything waits."""
    if room.limit is None:
        return settled
    needed = settled.fit.needed if settled.fit is not None else file.size
    return replace(settled, spare_cache=needed + file.size > room.limit)


def _within(
    file: GgufFile, options: EngineOptions, budget: int, use: Use, held: int = 0
) -> Settled:
    """Raises MemoryLimitError, which tells of `held` bytes besides the budget."""
    found, options = _best(file, options, budget, use)
    if found.way == "no":
        raise _refused(file, options, found, use, held)
    sums = found.memory
    rest = budget - (found.needed - sums.kv)
    kv_memory = max(rest - sums.kv_slack, 0)
    if options.kv_memory:
        kv_memory = min(kv_memory, options.kv_memory)
    experts = sums.experts if found.way == "streams" else options.expert_memory
    options = replace(
        options,
        n_ctx=found.n_ctx,
        kv_memory=kv_memory,
        prefix_cache=min(options.prefix_cache, kv_memory),
        expert_memory=min(experts, options.expert_memory or experts),
    )
    return Settled(
        options,
        pass_memory=sums.pass_memory,
        parallel=LOGIT_ROWS,
        fit=found,
    )


def _best(
    file: GgufFile, options: EngineOptions, budget: int, use: Use
) -> tuple[Fit, EngineOptions]:
    """The best fit with its options. Passes become smaller where that makes the model fit whole,
    and larger where each of them reads experts; no bit depends on it.
    """
    tried = [(fit(file, each, budget, use), each) for each in _smaller_passes(options)]
    for found, each in tried:
        if found.way == "fits":
            return found, each
    streamed = [(found, each) for found, each in tried if found.way == "streams"]
    if not streamed:
        return tried[-1]
    for chunk in _STREAMING_CHUNKS if options.chunk == type(options).chunk else ():
        larger = replace(options, chunk=chunk)
        found = fit(file, larger, budget, use)
        if found.way == "streams" and found.memory.workspace <= budget * _WORKSPACE:
            return found, larger
    return streamed[0]


def _smaller_passes(options: EngineOptions) -> Iterator[EngineOptions]:
    chunk = options.chunk
    while chunk >= 32 or chunk == options.chunk:
        yield replace(options, chunk=chunk)
        chunk //= 4


def _refused(
    file: GgufFile, options: EngineOptions, found: Fit, use: Use, held: int
) -> MemoryLimitError:
    experts = f"{found.slots} of {found.experts:,} experts and " if found.experts else ""
    return refusal(
        file.path,
        f"with {experts}a context of {found.n_ctx:,} tokens",
        {name: n for name, n in found.memory.items() if name != "prefix_cache"},
        found.budget + held,
        held=held,
        cures=_cures(file, replace(options, n_ctx=found.n_ctx), found.budget)
        if use == ANSWERS
        else (),
    )


def _cures(file: GgufFile, options: EngineOptions, budget: int) -> Iterator[str]:
    """What would fit, the nearest first."""
    for n_ctx in _contexts(options.n_ctx):
        if fit(file, replace(options, n_ctx=n_ctx), budget).way != "no":
            yield f"a context of {n_ctx:,} tokens"
            break
    if options.kv_type != "q8_0":
        small = replace(options, kv_type="q8_0")
        if _best(file, small, budget, ANSWERS)[0].way != "no":
            yield "keys and values in q8_0"


def _contexts(n_ctx: int) -> Iterator[int]:
    while (n_ctx := n_ctx // 2 // _SMALL * _SMALL) >= _SMALL:
        yield n_ctx
