"""Saving into folders, and loading from them, that hold files of other people."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pestle import LLM, SessionError
from pestle.sessions import SessionFolder, remove, saved_sessions

from tests.files import others

from .test_saved import LONG, _signed, again, folder_of, talked

posix = pytest.mark.skipif(os.name != "posix", reason="pipes and modes")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    others.fill(tmp_path / "folder", tmp_path / "outside")
    return tmp_path / "folder"


def test_a1_a_failed_save_leaves_the_folder(llm: LLM, tmp_path: Path) -> None:
    """A1: it deleted the folder."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")
    before = others.state(tmp_path)
    chat = talked(llm, "Hello")
    with pytest.raises(SessionError, match=r"is neither a session nor empty: it holds thesis\.tex"):
        chat.save(folder)
    assert others.state(tmp_path) == before


@pytest.mark.parametrize("message", [object(), {"role": "user", "content": object()}])
def test_a1_a_message_that_is_not_json(llm: LLM, tmp_path: Path, message: Any) -> None:
    chat = talked(llm, "Hello")
    chat.messages.append({"role": "user", "content": message})
    for folder in (tmp_path / "new" / "inner", tmp_path / "empty"):
        if folder.name == "empty":
            folder.mkdir()
        with pytest.raises(SessionError, match="cannot be saved as JSON"):
            chat.save(folder)
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "empty").iterdir()) == []


def test_a1_a_full_disk(llm: LLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chat, folder = talked(llm, LONG), tmp_path / "empty"
    folder.mkdir()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)  # of session.json, behind the file of pages
        patch.setattr(os, "fsync", lambda descriptor: None)
        with pytest.raises(SessionError, match="No space left on device"):
            chat.save(folder)
    assert list(folder.iterdir()) == []
    chat.save(folder)


def test_a2_files_that_begin_like_ours_stay(llm: LLM, folder: Path, tmp_path: Path) -> None:
    """A2: a save that succeeded deleted every `kv-*`. Put there after the session had begun."""
    place = tmp_path / "session"
    chat = talked(llm, LONG)
    chat.save(place)
    others.fill(place, tmp_path / "outside")
    (place / "kv-000002").write_bytes(b"not of Pestle")
    before = others.state(tmp_path)
    del before[str(place / "session.json")], before[str(place / "kv-000001")]
    chat = talked(llm, "Something else")
    chat.save(place)
    assert (place / "kv-000003").exists()
    assert not (place / "kv-000001").exists()
    assert others.changed(before, others.state(tmp_path)) == []


def test_a2_a_folder_of_others_is_refused(llm: LLM, folder: Path, tmp_path: Path) -> None:
    before = others.state(tmp_path)
    with pytest.raises(SessionError, match="is neither a session nor empty"):
        talked(llm, "Hello").save(folder)
    assert others.state(tmp_path) == before


@pytest.mark.parametrize("data", [b"{}", b"", b"pestle sess"])
def test_a2_a_session_of_another_program(llm: LLM, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "s").mkdir()
    path = tmp_path / "s" / "session.json"
    path.write_bytes(data)
    with pytest.raises(SessionError, match=r"session\.json is not Pestle's and is not replaced"):
        talked(llm, "Hello").save(tmp_path / "s")
    assert path.read_bytes() == data
    assert [p.name for p in path.parent.iterdir()] == ["session.json"]


def test_a2_removing_leaves_what_is_not_ours(llm: LLM, tmp_path: Path) -> None:
    talked(llm, LONG).save("s")
    others.fill(folder_of("s"), tmp_path / "outside")
    (folder_of("s") / "kv-000002").write_bytes(b"not of Pestle")
    before = others.state(tmp_path)
    for name in ("session.json", "kv-000001", "lock"):
        del before[str(folder_of("s") / name)]
    (entry,) = saved_sessions()
    assert remove("s") == entry.size
    after = others.state(tmp_path)
    assert others.changed(before, after) == []
    assert after.keys() - before.keys() == set()
    assert saved_sessions() == []


def test_a_first_save_that_was_killed(llm: LLM, tmp_path: Path) -> None:
    """Pages without a session: proven by their first bytes, and gone with the next save."""
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "lock").touch()
    (folder / "kv-000001").write_bytes(b"pestle kv pages\n" + bytes(100))
    chat = talked(llm, "Hello")
    chat.save(folder)
    assert sorted(p.name for p in folder.iterdir()) == ["kv-000002", "lock", "session.json"]


@posix
def test_a8_pipes_and_huge_pages(llm: LLM, model_path: Path) -> None:
    """A8: a page of 40 GB was read before its size was compared, and a pipe was waited for."""
    talked(llm, LONG).save("s")
    path = folder_of("s") / "session.json"
    good = json.loads(path.read_text().partition("\n")[2])
    memory = good["memory"]
    row = memory["pages"][0]
    with (folder_of("s") / row[2]).open("r+b") as stream:
        stream.truncate(50 << 30)  # with holes
    pages = [[*row[:4], 40 << 30, *row[5:]], *memory["pages"][1:]]
    path.write_text(_signed({**good, "memory": {**memory, "pages": pages}}))
    chat, found = again(model_path, "s")
    assert found.reason.startswith("it is damaged: ")
    assert f"a page has {40 << 30} bytes, expected" in found.reason
    assert chat.messages == good["messages"]
    (folder_of("s") / row[2]).unlink()
    os.mkfifo(folder_of("s") / row[2])
    path.write_text(_signed(good))
    chat, found = again(model_path, "s")
    assert found.reason.endswith(f"{row[2]}: it is a pipe, expected a file")
    assert chat.messages == good["messages"]


@posix
@pytest.mark.parametrize("make", ["mkfifo", "mkdir", "/dev/zero", "/dev/stdin"])
def test_a8_a_session_that_is_no_file(llm: LLM, model_path: Path, make: str) -> None:
    chat = talked(llm, "Hello")
    chat.save("s")
    path = folder_of("s") / "session.json"
    path.unlink()
    path.symlink_to(make) if make.startswith("/") else getattr(os, make)(path)
    with pytest.raises(SessionError, match="there is no session s"):
        again(model_path, "s")
    with pytest.raises(SessionError, match=r"it is a \w+, expected a file"):
        chat.save("s")


@posix
def test_a8_a_lock_and_what_is_remembered_as_pipes(
    llm: LLM, model_path: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "pestle_cache"
    cache.mkdir(exist_ok=True)
    os.mkfifo(cache / "model_digests.json")
    talked(llm, "Hello").save("s")  # the digest is computed, and cannot be remembered
    (folder_of("s") / "lock").unlink()
    os.mkfifo(folder_of("s") / "lock")
    with pytest.raises(SessionError, match="lock: it is a pipe, expected a file"):
        again(model_path, "s")


@posix
def test_a14_nobody_sees_the_names(llm: LLM, tmp_path: Path) -> None:
    """A14: the folders above were made with the mode of any folder."""
    os.umask(0o022)
    talked(llm, "Hello").save("s")
    root = tmp_path / "pestle_data"
    assert {path: stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))} == {
        root: 0o700, root / "sessions": 0o700, folder_of("s"): 0o700,
        folder_of("s") / "session.json": 0o600, folder_of("s") / "kv-000001": 0o600,
        folder_of("s") / "lock": 0o600,
    }  # fmt: skip


SAVE = """
import sys
from pathlib import Path
from pestle.sessions import SessionFolder
with SessionFolder(Path(sys.argv[1])).hold():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_killed_with_nothing_saved(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    argv = [sys.executable, "-c", SAVE, str(folder)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        process.kill()
    assert [p.name for p in folder.iterdir()] == ["lock"]
    with SessionFolder(folder).hold():
        pass


def test_a_model_that_is_cut_while_its_digest_is_computed(llm: LLM, tmp_path: Path) -> None:
    """reading 5: a short read gave the digest of fewer bytes."""
    from pestle.models.stamp import file_stamp
    from pestle.sessions.model_digest import model_digest

    path = tmp_path / "model"
    path.write_bytes(bytes(1000))
    stamp = file_stamp(path)
    os.truncate(path, 500)
    with pytest.raises(SessionError, match="ends after 500 bytes, expected 1000"):
        model_digest({str(path): stamp})


def test_the_progress_of_a_digest_ends_at_the_size(tmp_path: Path) -> None:
    """reading 5: 98 MB were told as 134."""
    from pestle.models.stamp import file_stamp
    from pestle.sessions import model_digest as module

    class Told:
        total, done = 0, 0

        def start(self, label: str, total_bytes: int | None) -> None:
            self.total = total_bytes or 0

        def advance(self, n: int) -> None:
            self.done += n

        def finish(self) -> None:
            pass

    path, told = tmp_path / "model", Told()
    with path.open("wb") as stream:
        stream.truncate(module.PIECE + 1000)
    module.model_digest({str(path): file_stamp(path)}, told)
    assert (told.done, told.total) == (module.PIECE + 1000, module.PIECE + 1000)
