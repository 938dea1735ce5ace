"""Models on this disk, and those that could be fetched: what each of them is and takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pestle import files, memory, models
from pestle.errors import FormatError, ModelNotFoundError, OfflineError, UnsupportedError
from pestle.models import Fit
from pestle.models.storage import network_forbidden
from pestle.models.wheel import WheelModel
from pestle.options import EngineOptions
from pestle.planning.api import subjects
from pestle.planning.expectation import unmeasured_plan


def listed() -> dict[str, Any]:
    """What lies here, and what the catalogue has beside it."""
    names = _short_names()
    installed = models.installed()
    here = {names.get(each.path, each.name) for each in installed if each.complete}
    folder = models.hub_folder()
    chatting = (entry for entry in models.CATALOGUE.values() if not entry.embeds)
    fits = models.fits_here(entry for entry in chatting if entry.name not in here)
    best = models.best_here()
    best_name = None if best is None else best.entry.name
    return {
        "installed": [
            {
                "name": names.get(each.path, each.name),
                "bytes": each.size,
                "complete": each.complete,
            }
            for each in installed
        ],
        "offered": [_offered(fit, best_name) for fit in fits],
        "folder": str(folder),
        "free": files.free_space(folder),
    }


def plan(name: str, offline: bool) -> dict[str, Any]:
    """What fetching a model takes, and whether it will run here, by the headers of its files.

    Nothing is measured: that would take from the answers that are being written. Raises as
    `models.pull`.
    """
    entry = models.CATALOGUE.get(name)
    fit = None if entry is None else models.fits_here([entry])[0]
    if fit is not None and isinstance(fit.entry.source, WheelModel):
        return _of_wheel(fit, fit.entry.source, offline)
    known = None if fit is None else name
    hub = None if known else name
    try:
        (subject,) = subjects(known, hub, offline=offline, every=False)
    except (FormatError, UnsupportedError) as error:
        return {"name": name, "fits": False, "lines": [f"It does not run here: {error}."]}
    found = unmeasured_plan(subject, EngineOptions(), memory.read().available)
    lines = [_download(found.download_bytes, found.disk_free or 0)]
    if found.fit is not None and found.fits_memory:
        how = "it fits" if found.fit.way == "fits" else "the rest is read from the disk as it runs"
        lines.append(
            f"Needs {_gb(found.fit.needed)} of memory with a context of {found.fit.n_ctx:,} "
            f"tokens, and {_gb(found.fit.budget)} are free: {how}."
        )
    if found.runs and fit is not None and fit.speed is not None:
        lines.append(_speed(fit.speed))
    obstacle = found.obstacle()
    if obstacle is not None:
        lines.append(f"{obstacle}.")
    return {"name": name, "fits": obstacle is None, "lines": lines}


def _of_wheel(fit: Fit, wheel: WheelModel, offline: bool) -> dict[str, Any]:
    """The plan of the default model, whose header nothing reads from afar; it is small."""
    if network_forbidden(offline):
        raise OfflineError(f"{fit.entry.name} is not on this machine and the network is off")
    lines = [_download(wheel.wheel_size, files.free_space(models.models_dir()))]
    lines.append(f"Needs about {_gb(fit.memory)} of memory.")
    if fit.speed is not None:
        lines.append(_speed(fit.speed))
    return {"name": fit.entry.name, "fits": fit.fits, "lines": lines}


def _download(size: int, free: int) -> str:
    return f"Downloads {_gb(size)}; {_gb(free)} of the disk are free."


def _speed(tokens: float) -> str:
    return f"Writes up to {tokens:.0f} tokens a second here."


def path_of(name: str) -> Path:
    """The file of a model that lies on this disk. Raises ModelNotFoundError."""
    for each in models.installed():
        if each.name == name and each.complete:
            return each.path
    if name in models.CATALOGUE and (path := _found(name)) is not None:
        return path
    raise ModelNotFoundError(f"no model on this disk is called {name[:200]!r}")


def _short_names() -> dict[Path, str]:
    """What the catalogue calls the files that lie here."""
    found = ((_found(name), name) for name in models.CATALOGUE)
    return {path: name for path, name in found if path is not None}


def _found(name: str) -> Path | None:
    """The file of a model of the catalogue; None where it is not here, or not all of it."""
    try:
        return models.resolve(name, offline=True)
    except OfflineError:
        return None


def _offered(fit: Fit, best: str | None) -> dict[str, Any]:
    entry = fit.entry
    return {
        "name": entry.name,
        "about": f"{_billions(entry.parameters)} parameters, good for {entry.good_for}",
        "bytes": entry.size,
        "licence": entry.license,
        "fits": fit.fits,
        "best": entry.name == best,
    }


def _billions(n: float) -> str:
    return f"{n / 1e9:.2g} billion" if n < 10e9 else f"{n / 1e9:.0f} billion"


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
