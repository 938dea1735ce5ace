"""`pestle rm`, and what is written in a cache that others use too."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from pestle import models
from pestle.errors import DownloadError, ModelNotFoundError
from pestle.models import hub_cache
from pestle.models.inventory import installed, remove
from pestle.models.transfer import RemoteFile

from tests.files import others

from .hub_stand_in import HubStandIn, Repo

REPO = "user/Tiny-GGUF"
posix = pytest.mark.skipif(os.name != "posix", reason="links and pipes")


@pytest.fixture
def repo(hub: HubStandIn) -> Repo:
    files = {"Tiny-Q8_0.gguf": bytes(1000), "sub/Tiny-Q4_0.gguf": bytes(2000)}
    hub.repos[REPO] = Repo(files)
    return hub.repos[REPO]


@posix
@pytest.mark.parametrize("relative", [False, True])
def test_a3_rm_follows_no_link_out_of_the_cache(repo: Repo, caches: Path, relative: bool) -> None:
    """A3: it deleted the file that a link in a snapshot led to."""
    path = models.resolve(hf=f"{REPO}:Q8_0")
    others.fill(caches / "outside", caches / "farther")
    mine = caches / "outside" / "mine.gguf"
    mine.write_bytes(b"mine")
    path.unlink()
    path.symlink_to(os.path.relpath(mine, path.parent) if relative else mine)
    before = others.state(caches / "outside", caches / "farther")
    assert remove(f"{REPO}:Q8_0") == 0
    assert not path.is_symlink()
    assert others.state(caches / "outside", caches / "farther") == before


@posix
@pytest.mark.parametrize("what", ["snapshots", "snapshot", "sub", "blob of another repository"])
def test_a3_folders_that_are_links(repo: Repo, caches: Path, what: str) -> None:
    path = models.resolve(hf=f"{REPO}:Q4_0")
    assert path.parent.name == "sub"
    elsewhere = caches / "elsewhere"
    if what.startswith("blob"):
        elsewhere = caches / "hub" / "models--user--other" / "blobs"
        elsewhere.mkdir(parents=True)
        blob = elsewhere / ("a" * 64)
        blob.write_bytes(b"theirs")
        path.unlink()
        path.symlink_to(blob)
    else:
        moved = path.parents[("sub", "snapshot", "snapshots").index(what)]
        moved.rename(elsewhere)
        moved.symlink_to(elsewhere)
    before = others.state(elsewhere)
    with suppress(ModelNotFoundError):
        remove(f"{REPO}:Q4_0")
    assert others.state(elsewhere) == before


@posix
def test_a3_a_ref_that_is_a_link(repo: Repo, caches: Path) -> None:
    """Kin: what `refs/main` led to was replaced."""
    mine = caches / "mine"
    mine.write_bytes(b"mine")
    refs = hub_cache.folder(REPO) / "refs"
    refs.mkdir(parents=True)
    (refs / "main").symlink_to(mine)
    with pytest.raises(DownloadError, match="main: it is a link, expected a file"):
        models.resolve(hf=f"{REPO}:Q8_0")
    assert (mine.read_bytes(), str((refs / "main").readlink())) == (b"mine", str(mine))


@posix
@pytest.mark.parametrize("kind", ["file", "link", "pipe", "folder"])
def test_a3_something_else_in_the_place_of_a_link(repo: Repo, caches: Path, kind: str) -> None:
    """Kin: it was removed."""
    pointer = hub_cache.folder(REPO) / "snapshots" / repo.commit / "Tiny-Q8_0.gguf"
    pointer.parent.mkdir(parents=True)
    mine = caches / "mine"
    mine.write_bytes(b"mine")
    match kind:
        case "file":
            pointer.write_bytes(b"mine")
        case "link":
            pointer.symlink_to(mine)
        case "pipe":
            os.mkfifo(pointer)
        case "folder":
            pointer.mkdir()
    before = others.state(caches)
    with pytest.raises(DownloadError, match=r"Tiny-Q8_0\.gguf: it is .*, expected a link into"):
        models.pull(hf=f"{REPO}:Q8_0")
    assert others.changed(before, others.state(caches)) == []


@posix
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "hard link"])
def test_a8_something_else_in_the_place_of_a_partial_file(
    repo: Repo, caches: Path, kind: str
) -> None:
    """Kin: a link was followed and its file truncated, a pipe was waited for."""
    listed = hub_cache_file(repo)
    part = hub_cache.part_path(REPO, listed)
    part.parent.mkdir(parents=True)
    mine = caches / "mine"
    mine.write_bytes(b"m" * 5000)
    match kind:
        case "link":
            part.symlink_to(mine)
        case "pipe":
            os.mkfifo(part)
        case "folder":
            part.mkdir()
        case "hard link":
            os.link(mine, part)
    before = others.state(caches)
    with pytest.raises(DownloadError, match="pestle-partial: it "):
        models.resolve(hf=f"{REPO}:Q8_0")
    assert others.changed(before, others.state(caches)) == []


def hub_cache_file(repo: Repo) -> RemoteFile:
    import hashlib

    data = repo.files["Tiny-Q8_0.gguf"]
    return RemoteFile("Tiny-Q8_0.gguf", len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    ("length", "error"), [(300, "has no place in a cache"), (200, "is too long to be stored: xxx")]
)
def test_a12_a_name_that_is_too_long(
    hub: HubStandIn, caches: Path, length: int, error: str
) -> None:
    """A12: its lock was left behind. 200 is too long with the digest that a partial file has."""
    hub.repos[REPO] = Repo({f"{'x' * length}-Q8_0.gguf": bytes(10)})
    with pytest.raises(DownloadError, match=error):
        models.resolve(hf=REPO)
    assert [path for path in caches.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["Foo__Bar-Q4_K_M.gguf", "Foo/Bar-Q4_K_M.gguf", "a%2Fb/c%25.gguf"])
def test_reading_10_names_of_partial_files(caches: Path, name: str) -> None:
    """`/` and `__` were taken for each other: `rm` left the file."""
    file = RemoteFile(name, 10, "a" * 64)
    part = hub_cache.part_path(REPO, file)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    assert hub_cache.partials(REPO) == {name: part}
    (entry,) = installed()
    assert (entry.path, entry.complete) == (part, False)
    assert remove(entry.name) == 4
    assert not part.exists()


def test_rm_keeps_what_others_share(repo: Repo, caches: Path) -> None:
    """A blob that another file of the repository leads to, and everything near to it."""
    path = models.resolve(hf=f"{REPO}:Q8_0")
    other = path.with_name("same.bin")
    if path.is_symlink():
        other.symlink_to(path.readlink())
    blobs = hub_cache.folder(REPO) / "blobs"
    blobs.mkdir(exist_ok=True)
    others.fill(blobs, caches / "outside")
    others.fill(path.parent, caches / "outside")
    before = others.state(caches)
    del before[str(path)]
    (entry,) = (entry for entry in installed() if entry.path == path)
    remove(entry.name)
    assert not os.path.lexists(path)
    assert others.changed(before, others.state(caches)) == []
