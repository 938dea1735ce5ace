"""`pestle.plan`: from what a user names to plans."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pestle import _core, files
from pestle import memory as of_machine
from pestle.errors import ArgumentError, ModelNotFoundError, OfflineError
from pestle.models import hub_cache
from pestle.models.catalogue import DEFAULT_NAME
from pestle.models.hub import HubReference, find_cached
from pestle.models.quants import quant_of
from pestle.models.remote import remote_models
from pestle.models.resolution import reference_of, resolve
from pestle.models.storage import network_forbidden
from pestle.options import EngineArguments, EngineOptions, check_bool, explained
from pestle.options.arguments import unknown_argument
from pestle.options.checks import check_path, check_size
from pestle.planning.expectation import Machine, Subject, plan_of
from pestle.planning.planned import Plan
from pestle.planning.probes import Probes, Threads

if TYPE_CHECKING:
    from typing_extensions import Unpack


@explained(EngineArguments)
def plan(
    model: str | os.PathLike[str] | None = None,
    *,
    hf: str | None = None,
    memory: int | str | None = None,
    offline: bool = False,
    fresh: bool = False,
    **options: Unpack[EngineArguments],
) -> list[Plan]:
    """What to expect of a model on this machine, before it is downloaded.

    Of a model on the hub, only the headers of its files are fetched; `hf="user/repo"` without a
    quantization plans all of them, the usual one first. What the machine does was measured before,
    or is now, for some seconds. The options are those of `LLM` that say how it computes.

    Args:
        model: A file or a name, as in `LLM`.
        hf: A repository of the hub instead, "user/repo[:QUANT]".
        memory: What the process may take, in bytes or as "12GiB"; None: what is free on this
            machine.
        offline: Use no network.
        fresh: Measure the machine anew.

    Raises ModelNotFoundError, DownloadError, OfflineError, FormatError and UnsupportedError, and
    ArgumentError for a wrong argument; what is wrong with one of several quantizations, its plan
    says.
    """
    for name in options:
        if name not in EngineArguments.__optional_keys__:
            known = {
                *EngineArguments.__optional_keys__,
                "model",
                "hf",
                "memory",
                "offline",
                "fresh",
            }
            raise unknown_argument(name, sorted(known))
    if model is not None:
        check_path("model", model)
    room = of_machine.read().available if memory is None else check_size("memory", memory)
    engine = EngineOptions(**options)
    found = subjects(model, hf, offline=check_bool("offline", offline))
    probes = Probes(
        Threads(engine.threads, engine.threads_prefill), fresh=check_bool("fresh", fresh)
    )
    machine = Machine(room, probes)
    plans = [plan_of(subject, engine, machine) for subject in found]
    probes.save()
    return plans


def subjects(
    model: str | os.PathLike[str] | None,
    hf: str | None,
    *,
    offline: bool,
    every: bool = True,
) -> list[Subject]:
    """What a user names: a file, or models of the hub by their headers.

    every: a repository without a quantization means all of them, not the usual one. Raises as
    `plan` does.
    """
    if hf is not None and model is not None:
        raise ArgumentError("give a model either by name or by hf, not both")
    offline = network_forbidden(offline)
    text = os.fspath(model) if model is not None else DEFAULT_NAME
    reference = reference_of(model, hf=hf)
    if reference is None:
        try:
            return [_here(text, "-m", resolve(model, offline=True))]
        except OfflineError as error:  # the default, whose wheel is no file that has a header
            raise ModelNotFoundError(
                f"{text} is not on this machine, and only a model on the hub is planned before it "
                "is fetched; `pestle pull` fetches it"
            ) from error
    name, flag = (hf, "-hf") if hf is not None else (text, "-m")
    cached = find_cached(reference)
    every = every and reference.quant is None
    if cached is not None and (offline or not every):
        return [_here(name, flag, cached)]
    found, _ = remote_models(reference, offline=offline, every=every)
    folder = hub_cache.folder(reference.repo)
    free = files.free_space(folder)
    return [
        Subject(
            name=one.name if hf is not None else name,
            flag=flag,
            quant=one.quant,
            file=one.file,
            file_bytes=one.size,
            path=find_cached(HubReference(one.repo, one.tag)) if every else None,
            folder=folder,
            disk_free=free,
        )
        for one in found
    ]


def _here(name: str, flag: str, path: Path) -> Subject:
    file = _core.GgufFile(path)
    return Subject(name, flag, quant_of(path.stem), file, file.size, path, path.parent)
