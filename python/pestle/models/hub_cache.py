"""The GGUF files in the Hugging Face cache, which Pestle shares with every other program.

Its layout: `models--user--repo/` with `blobs/<digest>` (the bytes), `snapshots/<commit>/<file>`
(links to blobs; the bytes themselves where the system has no links) and `refs/main` (a commit).
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pestle.models.quants import GgufModel, group
from pestle.models.storage import publish
from pestle.models.transfer import RemoteFile

_PREFIX = "models--"
_PARTIAL = ".pestle-partial"


@dataclass(frozen=True)
class CachedModel:
    """A model whose files lie in one snapshot of a repository."""

    repo: str
    model: GgufModel
    snapshot: Path

    @property
    def paths(self) -> list[Path]:
        """The files in the order of the shards."""
        return [self.snapshot / file for file in self.model.files]


def folder(repo: str) -> Path:
    """Where the cache keeps `repo`."""
    return _root() / (_PREFIX + repo.replace("/", "--"))


def lock_path(repo: str, file: RemoteFile) -> Path:
    """The lock that `huggingface_hub` takes too while it downloads this file."""
    home = folder(repo)
    return home.parent / ".locks" / home.name / f"{file.digest}.lock"


def part_path(repo: str, file: RemoteFile) -> Path:
    """Where an unfinished download waits; its name also says which file it will be."""
    flat = file.name.replace("/", "__")
    return folder(repo) / "blobs" / f"{flat}.{file.digest}{_PARTIAL}"


def repositories() -> list[str]:
    """The repositories in the cache, sorted."""
    names = (entry.name for entry in _root().glob(f"{_PREFIX}*--*") if entry.is_dir())
    return sorted(name[len(_PREFIX) :].replace("--", "/", 1) for name in names)


def models(repo: str) -> list[CachedModel]:
    """Every GGUF model of `repo` on this disk, each once: the `main` commit's before older ones.

    Models that lack shards are among them.
    """
    found: dict[str, CachedModel] = {}
    for snapshot in _snapshots(folder(repo)):
        present = (p for p in snapshot.rglob("*.gguf") if p.is_file())
        for model in group(p.relative_to(snapshot).as_posix() for p in present):
            known = found.get(model.name)
            if known is None or (model.complete and not known.model.complete):
                found[model.name] = CachedModel(repo, model, snapshot)
    return sorted(found.values(), key=lambda cached: cached.model.name)


def partials(repo: str) -> dict[str, Path]:
    """Unfinished downloads of `repo`: the name of the file to be, and where its beginning lies."""
    # Behind the name of the file: a dot and a digest of 40 or 64 digits.
    parts = (folder(repo) / "blobs").glob(f"*{_PARTIAL}")
    return {p.name[: -len(_PARTIAL)].rpartition(".")[0].replace("__", "/"): p for p in parts}


def link(repo: str, commit: str, file: RemoteFile) -> bool:
    """Make the file visible in `commit`'s snapshot if its bytes are here; False if they are not."""
    pointer = folder(repo) / "snapshots" / commit / file.name
    if _has_size(pointer, file.size):
        return True
    blob = folder(repo) / "blobs" / file.digest
    if not _has_size(blob, file.size):
        return False
    _point(pointer, blob)
    return True


def store(repo: str, commit: str, file: RemoteFile, part: Path) -> None:
    """Put the complete, checked `part` into the cache as `file` of `commit`."""
    from huggingface_hub.file_download import are_symlinks_supported

    home = folder(repo)
    pointer = home / "snapshots" / commit / file.name
    if are_symlinks_supported(home.parent):
        blob = home / "blobs" / file.digest
        publish(part, blob)
        _point(pointer, blob)
    else:
        publish(part, pointer)


def set_main(repo: str, commit: str) -> None:
    """Record that `commit` is what `main` is now."""
    ref = folder(repo) / "refs" / "main"
    ref.parent.mkdir(parents=True, exist_ok=True)
    written = ref.with_name(f"main.{uuid.uuid4().hex}.tmp")
    written.write_text(commit, encoding="ascii")
    written.replace(ref)


def main_snapshot(repo: str) -> Path | None:
    """The folder of the commit that `main` was when the hub was last asked; None if never."""
    home = folder(repo)
    try:
        commit = (home / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    snapshot = home / "snapshots" / commit
    return snapshot if re.fullmatch("[0-9a-f]{40}", commit) and snapshot.is_dir() else None


def delete(repo: str, files: frozenset[str]) -> int:
    """Remove `files` from every snapshot, with their bytes and partial downloads.

    Other files of the repository, also those that share bytes, stay. Returns the bytes freed.
    """
    home = folder(repo)
    freed = 0
    blobs: set[Path] = set()
    for snapshot in _snapshots(home):
        for pointer in (snapshot / file for file in files):
            if pointer.is_symlink():
                blobs.add(_blob_of(pointer))
            elif pointer.is_file():
                freed += pointer.stat().st_size
            pointer.unlink(missing_ok=True)
            _prune(pointer.parent, home)
    kept = {_blob_of(p) for s in _snapshots(home) for p in s.rglob("*") if p.is_symlink()}
    unwanted = [path for name, path in partials(repo).items() if name in files]
    for path in [*(blobs - kept), *unwanted]:
        freed += path.stat().st_size if path.is_file() else 0
        path.unlink(missing_ok=True)
    return freed


def _root() -> Path:
    # HF_HOME and HF_HUB_CACHE decide; the library has read them.
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser()


def _snapshots(home: Path) -> Iterator[Path]:
    try:
        main = (home / "refs" / "main").read_text(encoding="ascii").strip()
    except OSError:
        main = ""
    commits = [path for path in (home / "snapshots").glob("*") if path.is_dir()]
    yield from sorted(commits, key=lambda p: (p.name != main, -p.stat().st_mtime))


def _point(pointer: Path, blob: Path) -> None:
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(os.path.relpath(blob, pointer.parent))


def _blob_of(pointer: Path) -> Path:
    # One step only: the blob itself may link into a store that other repositories share.
    return Path(os.path.normpath(pointer.parent / pointer.readlink()))


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _prune(emptied: Path, home: Path) -> None:
    """Remove folders that hold nothing any more, from `emptied` up to the snapshot itself."""
    while emptied.parent != home and emptied.is_dir() and not any(emptied.iterdir()):
        emptied.rmdir()
        emptied = emptied.parent
