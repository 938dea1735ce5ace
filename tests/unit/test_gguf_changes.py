"""Files that are cut, written to, replaced or removed while they are open."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fuzzing.gguf_bytes import STRING, Tensor, array, entry, gguf
from pestle._core import GgufFile
from pestle.errors import Error, FormatError

from tests.unit.test_gguf_split import GOOD, write

DATA = bytes(range(32))
LONG_AGO = (1_000_000_000, 1_000_000_000)

posix = pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be changed there")


def settle(*paths: Path) -> None:
    """Let the files look old: a write within the same tick of the clock could not be told."""
    for path in paths:
        os.utime(path, LONG_AGO)


def model(path: Path, n_tokens: int = 0) -> Path:
    tokens = [array("tokenizer.ggml.tokens", STRING, [f"token {i}" for i in range(n_tokens)])]
    path.write_bytes(gguf(tokens if n_tokens else [], [Tensor()], DATA))
    settle(path)
    return path


@posix
def test_metadata_outlives_its_file(tmp_path: Path) -> None:
    """In a child, which a look into a map that was cut would end by SIGBUS."""
    path = model(tmp_path / "m.gguf", 100_000)
    script = (
        "import os, sys\n"
        "from pestle._core import GgufFile\n"
        "file = GgufFile(sys.argv[1])\n"
        "os.truncate(sys.argv[1], 0)\n"
        "tokens = file['tokenizer.ggml.tokens']\n"
        "print(len(tokens), tokens[-1], file.keys(), file.tensors[0].name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == "100000 token 99999 ['tokenizer.ggml.tokens'] a"


@pytest.mark.parametrize("size", [*range((128 << 10) - 3, (128 << 10) + 4), 300_001, 17 << 20])
def test_long_headers(tmp_path: Path, size: int) -> None:
    """Headers are read in parts, into buffers of some sizes, whose ends are nothing special."""
    padding = size - len(gguf([entry("x", STRING, "")], [Tensor()], alignment=1))
    text = "y" * padding
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf([entry("x", STRING, text)], [Tensor()], DATA))
    file = GgufFile(path)
    assert file["x"] == text
    assert file.read("a").tobytes() == DATA


@posix
def test_cut(tmp_path: Path) -> None:
    path = model(tmp_path / "m.gguf")
    file = GgufFile(path)
    os.truncate(path, 50)
    with pytest.raises(Error, match=r"m\.gguf: the file was cut while it was in use"):
        file.read("a")
    with pytest.raises(Error, match="cut"):
        file.check_unchanged()


@posix
def test_written_to(tmp_path: Path) -> None:
    """All bytes can be read, but they are not those of the file that was opened."""
    path = model(tmp_path / "m.gguf")
    file = GgufFile(path)
    with path.open("r+b") as stream:
        stream.seek(-32, os.SEEK_END)
        stream.write(b"other")
    with pytest.raises(Error, match=r"m\.gguf: the file was written to while it was in use"):
        file.read("a")


@posix
def test_grown(tmp_path: Path) -> None:
    path = model(tmp_path / "m.gguf")
    file = GgufFile(path)
    with path.open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(Error, match="written to"):
        file.check_unchanged()


@posix
def test_removed_or_replaced(tmp_path: Path) -> None:
    """What is open stays what it was."""
    path = model(tmp_path / "m.gguf")
    file = GgufFile(path)
    (tmp_path / "other").write_bytes(gguf([], [Tensor()], bytes(32)))
    (tmp_path / "other").replace(path)
    assert file.read("a").tobytes() == DATA
    path.unlink()
    assert file.read("a").tobytes() == DATA
    file.check_unchanged()


@posix
def test_shard_replaced_or_written_to(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    last = tmp_path / "m-00003-of-00003.gguf"
    settle(path, last)
    file = GgufFile(path)
    (tmp_path / "other").write_bytes(b"something else")
    (tmp_path / "other").replace(last)
    assert file.read("c").tobytes() == b"c" * 32
    second = tmp_path / "m-00002-of-00003.gguf"
    os.truncate(second, 10)
    with pytest.raises(Error, match=r"m-00002-of-00003\.gguf: the file was cut"):
        file.check_unchanged()


def test_parts_of_a_tensor(tmp_path: Path) -> None:
    file = GgufFile(model(tmp_path / "m.gguf"))
    assert file.read("a", 3, 5).tobytes() == DATA[3:8]
    assert file.read("a", 30).tobytes() == DATA[30:]
    assert file.read("a", 32).size == 0
    for offset, size in ((0, 33), (33, 0), (2**63, 1), (1, 2**64 - 1)):
        with pytest.raises(IndexError, match="tensor `a` has 32 bytes"):
            file.read("a", offset, size)
    assert isinstance(file.read("a"), np.ndarray)


# Damage that leaves the metadata whole.


WHOLE = gguf([entry("x", STRING, "y")], [Tensor()], DATA)
LIST = gguf([entry("x", STRING, "y")], [Tensor()], alignment=1)


@pytest.mark.parametrize("content", [WHOLE[:-1], LIST, LIST[:-4]])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    """Cut within the data, before it, and within the list of tensors."""
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        GgufFile(path)
    file = GgufFile(path, damaged=True)
    assert file["x"] == "y"
    assert file.damage == str(caught.value)
    assert len(file.tensors) == (content != LIST[:-4])
    for tensor in file.tensors:
        with pytest.raises(FormatError) as again:
            file.read(tensor.name)
        assert str(again.value) == file.damage


def test_whole_file_has_no_damage(tmp_path: Path) -> None:
    file = GgufFile(model(tmp_path / "m.gguf"), damaged=True)
    assert file.damage is None
    assert file.read("a").tobytes() == DATA


def test_missing_and_foreign_shards(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    last = tmp_path / "m-00003-of-00003.gguf"
    last.write_bytes(GOOD[1])
    file = GgufFile(path, damaged=True)
    assert "shard 2 of 3, expected 3 of 3" in str(file.damage)
    last.unlink()
    file = GgufFile(path, damaged=True)
    assert "No such file" in str(file.damage)
    assert [tensor.name for tensor in file.tensors] == ["a", "b"]
