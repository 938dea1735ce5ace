"""From a header, options and a machine to a plan."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pestle import _core
from pestle.errors import Error
from pestle.footprint.fit import fit
from pestle.options import EngineOptions
from pestle.planning import speed, streaming
from pestle.planning.disk import read_rate
from pestle.planning.planned import PROMPT, Plan, Rate, Streaming
from pestle.planning.probes import Probes

_SLOWER: Final = 0.85
_FASTER: Final = 1.1
"""The range of a prediction: the same product takes so much longer or shorter from one minute to
the next, on a machine that others use too."""


@dataclass(frozen=True)
class Subject:
    """A model that is to be planned: what it is called, its header, and where it is.

    file       or why its header tells nothing
    path       None: it is not on this machine
    folder     where a download goes
    disk_free  bytes there; None: nothing is to be downloaded
    """

    name: str
    flag: str
    quant: str | None
    file: _core.GgufFile | Error
    file_bytes: int
    path: Path | None
    folder: Path
    disk_free: int | None = None

    def header(self) -> _core.GgufFile:
        """What its header tells. Raises what is wrong with it."""
        if isinstance(self.file, Error):
            raise self.file
        return self.file


class Machine:
    """This machine: what it was measured to do, and the memory that there is for a model."""

    def __init__(self, budget: int, probes: Probes) -> None:
        self.budget = budget
        self.probes = probes
        self._disk: dict[Path, float | None] = {}

    def disk(self, subject: Subject) -> float | None:
        """Bytes a second of reading experts from the disk of a model; None: not measured."""
        place = subject.path or subject.folder
        if place not in self._disk:
            self._disk[place] = read_rate(subject.folder, subject.path)
        return self._disk[place]


def unmeasured_plan(subject: Subject, options: EngineOptions, budget: int) -> Plan:
    """What a header alone tells of a model: whether it fits into `budget` bytes."""
    plan = Plan(
        name=subject.name,
        quant=subject.quant,
        command=f"pestle chat {subject.flag} {subject.name}",
        file_bytes=subject.file_bytes,
        download_bytes=subject.file_bytes if subject.path is None else 0,
        disk_free=subject.disk_free,
    )
    try:
        found = fit(subject.header(), options, budget)
    except Error as error:
        return replace(plan, refusal=str(error))
    if options.n_ctx or found.n_ctx < found.longest:
        plan = replace(plan, command=f"{plan.command} -c {found.n_ctx}")
    return replace(plan, fit=found)


def plan_of(subject: Subject, options: EngineOptions, machine: Machine) -> Plan:
    """The plan of one model."""
    plan = unmeasured_plan(subject, options, machine.budget)
    found = plan.fit
    if found is None or found.way == "no":
        return plan
    work = _core.token_work(subject.header())
    prompt = min(PROMPT, found.n_ctx)
    first = speed.decoding(work, options, machine.probes, prompt)
    last = speed.decoding(work, options, machine.probes, found.n_ctx)
    reading = speed.prefill_seconds(work, options, machine.probes, prompt)
    plan = replace(plan, measured=machine.probes.oldest, disturbed=machine.probes.disturbed)
    if found.way == "streams":
        rate = machine.disk(subject)
        if rate is None:
            return replace(plan, unmeasured=("how fast the disk reads",))
        hits = streaming.hits(found.resident_share)
        parts = [Streaming(c.seconds, c.expert_bytes / rate, hits) for c in (first, last)]
        missing = (1 - found.resident_share) * streaming.expert_bytes(work)
        passes = math.ceil(prompt / options.chunk)
        seconds = streaming.prompt_seconds(reading, passes * missing / rate)
        return _streamed(plan, parts, seconds, prompt)
    return replace(
        plan,
        decode=_range(first.seconds, first.seconds),
        decode_full=_range(last.seconds, last.seconds),
        binds=speed.binds(first, machine.probes),
        prefill=prompt / reading,
        first_token=reading,
    )


def _streamed(plan: Plan, parts: list[Streaming], reading: float, prompt: int) -> Plan:
    """A token waits for its experts that are not in memory, a pass of a prompt for all of them."""
    first, last = parts
    least, likely = first.hits
    rates = [_range(each.seconds(likely), each.seconds(least)) for each in (first, last)]
    return replace(
        plan,
        decode=rates[0],
        decode_full=rates[1],
        streaming=first,
        binds="disk" if first.seconds(likely) > 2 * first.compute else "arithmetic",
        prefill=prompt / reading,
        first_token=reading,
        unmeasured=("which experts the model will ask for",),
    )


def _range(likely: float, slow: float) -> Rate:
    """Of seconds a token that are likely, and that it takes at worst."""
    return Rate(_SLOWER / slow, 1 / likely, _FASTER / likely)
