"""Streamed experts whose file fails, is cut, written to or replaced; budgets that are too small."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path

import gguf
import pytest
from gguf import GGUFReader
from pestle import _core
from pestle.errors import Error, MemoryLimitError, UnsupportedError

from tests.oracle import checkpoints, gguf_file
from tests.oracle.checkpoints import CASES

from .feeding import feed, fresh, same_bits
from .parts import parts

NAME = "qwen3moe-256"
TOKENS = checkpoints.tokens(CASES[NAME], 30)


def write(path: Path, name: str = NAME, type_name: str = "Q8_0") -> Path:
    gguf_file.write(path, CASES[name], checkpoints.weights(CASES[name]), type_name)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "m.gguf")


def streamed(path: Path, slots: int | None = None) -> _core.Model:
    layout = _core.expert_layout(_core.GgufFile(path))
    return _core.Model(path, expert_memory=layout.bytes(slots or layout.min_slots))


def _first_expert_tensor(path: Path) -> int:
    """Where the experts begin in the file."""
    return min(
        int(t.data_offset) for t in GGUFReader(path).tensors if "_exps.weight" in str(t.name)
    )


def test_a_file_that_is_cut(path: Path) -> None:
    """The step fails, the sequence stays as it was, and goes on once the file is whole again."""
    expected = fresh(_core.Engine(_core.Model(path), n_ctx=64), TOKENS)
    engine = _core.Engine(streamed(path), n_ctx=64)
    sequence = engine.sequence()
    feed(engine, sequence, TOKENS[:10])
    whole, status = path.read_bytes(), path.stat()
    os.truncate(path, _first_expert_tensor(path))
    message = r"m\.gguf: the file was cut while it was in use: tensor `blk\.\d.*_exps.*`, expert"
    for _ in range(2):
        with pytest.raises(Error, match=message):
            feed(engine, sequence, TOKENS[10:])
        assert sequence.n_tokens == 10
    with path.open("r+b") as file:
        file.write(whole)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert same_bits(feed(engine, sequence, TOKENS[10:]), expected)


def test_a_file_that_is_written_to(path: Path) -> None:
    engine = _core.Engine(streamed(path), n_ctx=64)
    sequence = engine.sequence()
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\0")
    os.utime(path, ns=(0, 0))  # the clock of a file system may stand still for some milliseconds
    with pytest.raises(Error, match=r"written to while it was in use: tensor `blk\.0\.ffn_"):
        feed(engine, sequence, TOKENS)
    assert sequence.n_tokens == 0


def test_a_file_that_is_removed(path: Path) -> None:
    expected = fresh(_core.Engine(_core.Model(path), n_ctx=64), TOKENS)
    engine = _core.Engine(streamed(path), n_ctx=64)
    path.unlink()
    assert same_bits(fresh(engine, TOKENS), expected)


def test_a_file_that_is_replaced(path: Path, tmp_path: Path) -> None:
    """Between its header and its weights."""
    file = _core.GgufFile(path)
    budget = _core.expert_layout(file).bytes(4)
    write(tmp_path / "other.gguf").replace(path)
    with pytest.raises(Error, match=r"m\.gguf: another file has taken its place"):
        _core.Model(file, expert_memory=budget)


def test_scales_that_are_too_large(tmp_path: Path) -> None:
    """They are found when the expert is read."""
    path = write(tmp_path / "m.gguf", "gptoss-256", "MXFP4")
    (at,) = (
        int(t.data_offset) for t in GGUFReader(path).tensors if t.name == "blk.1.ffn_up_exps.weight"
    )
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff")
    engine = _core.Engine(streamed(path, 14), n_ctx=64)
    sequence = engine.sequence()
    with pytest.raises(UnsupportedError, match=r"`blk\.1\.ffn_up_exps\.weight`, row 0, .* NaN"):
        feed(engine, sequence, TOKENS)
    assert sequence.n_tokens == 0


def test_budgets_that_are_too_small(path: Path) -> None:
    layout = _core.expert_layout(_core.GgufFile(path))
    least = layout.bytes(layout.min_slots)
    message = rf"m\.gguf: {least - 1} bytes for experts were asked for, expected at least {least}"
    with pytest.raises(MemoryLimitError, match=message):
        _core.Model(path, expert_memory=least - 1)


def test_a_model_without_experts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expert_memory is 5, and m\.gguf has no experts"):
        _core.Model(parts().write(tmp_path / "m.gguf"), expert_memory=5)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a file system in memory")
def test_a_file_system_in_memory() -> None:
    """It may know no reads past the page cache, or serve them from there."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = write(Path(folder) / "m.gguf")
        expected = fresh(_core.Engine(_core.Model(path), n_ctx=64), TOKENS)
        assert same_bits(fresh(_core.Engine(streamed(path), n_ctx=64), TOKENS), expected)


def test_a_model_in_several_files(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf, "GGUFWriter", partial(gguf.GGUFWriter, split_max_tensors=4))
    write(tmp_path / "s.gguf")
    shards = sorted(tmp_path.glob("s-*.gguf"))
    assert len(shards) > 2
    expected = fresh(_core.Engine(_core.Model(path), n_ctx=64), TOKENS)
    engine = _core.Engine(streamed(shards[0], 5), n_ctx=64)
    assert same_bits(fresh(engine, TOKENS), expected)
    for shard in shards:
        os.truncate(shard, 0)
    with pytest.raises(Error, match=r"s-\d+-of-\d+\.gguf: the file was cut"):
        fresh(engine, TOKENS[::-1])
