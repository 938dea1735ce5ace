"""The GGUF files in the Hugging Face cache, which Pestle shares with every other program.

Its layout: `models--user--repo/` with `blobs/<digest>` (the bytes), `snapshots/<commit>/<file>`
(links to blobs; the bytes themselves where the system has no links) and `refs/main` (a commit).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pestle import files
from pestle.errors import DownloadError
from pestle.models.quants import GgufModel, group
from pestle.models.transfer import RemoteFile

_PREFIX = "models--"
_PARTIAL = re.compile(r"(.+)\.(?:[0-9a-f]{64}|[0-9a-f]{40})\.pestle-partial", re.DOTALL)
_BLOB = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MOST_NAME_BYTES = 255  # of a name in a folder, on every system that we know


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
    return root() / (_PREFIX + repo.replace("/", "--"))


def lock_path(repo: str, file: RemoteFile) -> Path:
    """The lock that `huggingface_hub` takes too while it downloads this file."""
    home = folder(repo)
    return home.parent / ".locks" / home.name / f"{file.digest}.lock"


def part_path(repo: str, file: RemoteFile) -> Path:
    """Where an unfinished download waits; its name also says which file it will be.

    DownloadError: no name is long enough for that.
    """
    name = f"{_flat(file.name)}.{file.digest}.pestle-partial"
    parts = (name, *file.name.split("/"))
    if any(len(os.fsencode(part)) > _MOST_NAME_BYTES for part in parts):
        raise DownloadError(
            f"{repo}: a file's name is too long to be stored: {file.name[:60]}... has "
            f"{len(os.fsencode(file.name))} bytes"
        )
    return folder(repo) / "blobs" / name


def repositories() -> list[str]:
    """The repositories in the cache, sorted."""
    names = (entry.name for entry in root().glob(f"{_PREFIX}*--*") if entry.is_dir())
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
    blobs = folder(repo) / "blobs"
    found = {}
    for name in files.names_in(blobs) if blobs.is_dir() else ():
        match = _PARTIAL.fullmatch(name)
        if match is not None and _is_regular(blobs / name):
            found[_unflat(match[1])] = blobs / name
    return found


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
    """Put the complete, checked `part` into the cache as `file` of `commit`. Raises OSError."""
    from huggingface_hub.file_download import are_symlinks_supported

    home = folder(repo)
    pointer = home / "snapshots" / commit / file.name
    if are_symlinks_supported(home.parent):
        blob = home / "blobs" / file.digest
        files.move(part, blob)
        _point(pointer, blob)
    else:
        files.make_folders(pointer.parent)
        files.move(part, pointer)


def set_main(repo: str, commit: str) -> None:
    """Record that `commit` is what `main` is now. Raises OSError."""
    ref = folder(repo) / "refs" / "main"
    files.make_folders(ref.parent)
    with files.placed(ref, follow=False) as stream:
        stream.write(commit.encode("ascii"))


def main_snapshot(repo: str) -> Path | None:
    """The folder of the commit that `main` was when the hub was last asked; None if never."""
    home = folder(repo)
    commit = _main(home)
    snapshot = home / "snapshots" / commit
    return snapshot if _COMMIT.fullmatch(commit) and snapshot.is_dir() else None


def delete(repo: str, names: frozenset[str]) -> int:
    """Remove the files `names` from every snapshot, with their bytes and partial downloads.

    Other files of the repository, also those that share bytes, stay; so does whatever a link leads
    to that is not one of the repository's own blobs. Returns the bytes freed. Raises OSError.
    """
    home = folder(repo)
    freed = 0
    blobs: set[Path] = set()
    for snapshot in _own_snapshots(home):
        for pointer in (snapshot / name for name in names):
            if _is_behind_a_link(pointer, snapshot):
                continue
            if pointer.is_symlink():
                blob = files.link_target(pointer)
                files.remove_link(pointer)
                if _is_blob(blob, home):
                    blobs.add(blob)
            elif _is_regular(pointer):
                freed += files.remove(pointer)
            else:
                continue
            _prune(pointer.parent, home)
    kept = {files.link_target(p) for s in _snapshots(home) for p in s.rglob("*") if p.is_symlink()}
    unwanted = [path for name, path in partials(repo).items() if name in names]
    for path in [*(blobs - kept), *unwanted]:
        if path.is_symlink():  # into a store that repositories share
            files.remove_link(path)
        elif _is_regular(path):
            freed += files.remove(path)
    return freed


def _flat(name: str) -> str:
    """A path in the repository as one name, from which `_unflat` makes the path again."""
    return name.replace("%", "%25").replace("/", "%2F")


def _unflat(name: str) -> str:
    return name.replace("%2F", "/").replace("%25", "%")


def root() -> Path:
    """The folder of the whole cache."""
    # HF_HOME and HF_HUB_CACHE decide; the library has read them.
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser()


def _main(home: Path) -> str:
    """What `refs/main` says; nothing if it is not there or not a file."""
    try:
        return files.read_bounded(home / "refs" / "main", 1024).decode("ascii").strip()
    except (OSError, ValueError):
        return ""


def _snapshots(home: Path) -> Iterator[Path]:
    main = _main(home)
    commits = [path for path in (home / "snapshots").glob("*") if path.is_dir()]
    yield from sorted(commits, key=lambda p: (p.name != main, -p.stat().st_mtime))


def _own_snapshots(home: Path) -> Iterator[Path]:
    """Those that lie in the repository, and are not links to elsewhere."""
    if not (home / "snapshots").is_symlink():
        yield from (path for path in _snapshots(home) if not path.is_symlink())


def _is_behind_a_link(path: Path, above: Path) -> bool:
    """Whether a folder between `above` and `path` is a link."""
    between = path.relative_to(above).parts[:-1]
    return any(above.joinpath(*between[: n + 1]).is_symlink() for n in range(len(between)))


def _is_blob(path: Path, home: Path) -> bool:
    """Whether `path` is a place for the repository's own bytes."""
    blobs = Path(os.path.normpath((home / "blobs").absolute()))
    return path.parent == blobs and _BLOB.fullmatch(path.name) is not None


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _point(pointer: Path, blob: Path) -> None:
    files.make_folders(pointer.parent)
    files.point(pointer, blob)


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _prune(emptied: Path, home: Path) -> None:
    """Remove folders that hold nothing any more, from `emptied` up to the snapshot itself."""
    while emptied.parent != home and files.remove_if_empty(emptied):
        emptied = emptied.parent
