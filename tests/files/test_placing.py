"""Files that are there whole or not at all, whatever stands in their place."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pestle import files
from pestle.files.temporary import is_temporary, new_temporary, temporary_name

posix = pytest.mark.skipif(os.name != "posix", reason="links, modes and pipes")


def write(path: Path, data: bytes = b"new") -> None:
    with files.placed(path) as stream:
        stream.write(data)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write(path, b"old")
    with pytest.raises(ZeroDivisionError), files.placed(path) as stream:
        stream.write(b"ne" * (1 // 0))
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["a"])
    write(path)
    assert (path.read_bytes(), names(tmp_path)) == (b"new", ["a"])


@posix
@pytest.mark.parametrize("mode", [0o644, 0o600, 0o755])
def test_permissions_stay(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a"
    path.touch()
    path.chmod(mode)
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@posix
def test_a_new_file_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anything")
def test_what_may_not_be_written_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(PermissionError):
        write(path)
    assert path.read_bytes() == b"old"


@posix
def test_links(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("inner/c")
    write(tmp_path / "a")
    assert (tmp_path / "inner" / "c").read_bytes() == b"new"
    assert (tmp_path / "a").is_symlink()
    os.link(tmp_path / "inner" / "c", tmp_path / "hard")
    write(tmp_path / "a", b"newer")
    assert (tmp_path / "hard").read_bytes() == b"new"
    with (
        pytest.raises(OSError, match="it is a link, expected a file"),
        files.placed(tmp_path / "a", follow=False),
    ):
        pass
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="Too many levels"):
        write(tmp_path / "loop")


@posix
def test_folders_pipes_and_long_names(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write(tmp_path / "folder")
    with pytest.raises(OSError, match="File name too long"):
        write(tmp_path / ("x" * 300))
    os.mkfifo(tmp_path / "pipe")
    with (
        pytest.raises(OSError, match="it is a pipe, expected a file"),
        files.placed(tmp_path / "pipe", follow=False),
    ):
        pass
    for use in (
        lambda p: files.read_bounded(p, 10),
        files.opened,
        files.remove,
        files.make_private,
    ):
        with pytest.raises(OSError, match="it is a pipe, expected a file"):
            use(tmp_path / "pipe")
    assert names(tmp_path) == ["folder", "pipe"]
    write(tmp_path / ("x" * 255))  # the longest that there is


@posix
def test_devices_get_the_bytes() -> None:
    code = (
        "from pathlib import Path; from pestle import files\n"
        "files.check_place(Path('/dev/stdout'))\n"
        "with files.placed(Path('/dev/stdout')) as s: s.write(b'one'); s.seek(0); s.write(b'two')\n"
        "with files.placed(Path('/dev/null')) as s: s.write(b'gone')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"two"


@posix
def test_stdout_that_is_a_file(tmp_path: Path) -> None:
    """It is written to, not replaced: what the shell writes next comes behind it."""
    code = (
        "from pathlib import Path; from pestle import files\n"
        "with files.placed(Path('/dev/stdout')) as s: s.write(b'one')\n"
    )
    path = tmp_path / "out"
    with path.open("wb") as out:
        out.write(b"before ")
        out.flush()
        inode = os.fstat(out.fileno()).st_ino
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (path.read_bytes(), path.stat().st_ino) == (b"before one", inode)


def test_names_prove_themselves(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    path = temporary_name(tmp_path)
    assert is_temporary(path)
    assert not is_temporary(tmp_path / "copy" / path.name)
    assert not is_temporary(tmp_path / ".pestle-0123456789abcdef-0123456789abcdef.tmp")


def test_leftovers_go_and_what_is_in_use_stays(tmp_path: Path) -> None:
    left = temporary_name(tmp_path)
    left.write_bytes(b"half")
    used = new_temporary(tmp_path, 0o600)
    with files.scratch_folder(tmp_path) as scratch:
        (scratch / "a").write_bytes(b"a")
        write(tmp_path / "b")
        assert names(tmp_path) == sorted([used.path.name, scratch.name, "b"])
    os.close(used.descriptor)
    write(tmp_path / "b")
    assert names(tmp_path) == ["b"]


def test_nothing_new_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(FileExistsError), files.placed(path, new=True):
        path.write_bytes(b"theirs")  # meanwhile
    assert (path.read_bytes(), names(tmp_path)) == (b"theirs", ["a"])


def test_locks(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = files.try_lock(path)
    assert first is not None
    assert first.made
    assert files.try_lock(path) is None
    first.remove()
    assert names(tmp_path) == []
    path.write_bytes(b"mine")
    with files.wait_for_lock(path) as second:
        assert not second.made
        second.remove()
    assert path.read_bytes() == b"mine"


def test_folders_that_were_made_go_if_they_are_empty(tmp_path: Path) -> None:
    made = files.make_folders(tmp_path / "a" / "b" / "c")
    assert [folder.path.name for folder in made] == ["a", "b", "c"]
    (tmp_path / "a" / "mine").touch()
    files.remove_made(made)
    assert names(tmp_path / "a") == ["mine"]
    with pytest.raises(NotADirectoryError):
        files.make_folders(tmp_path / "a" / "mine" / "b")
