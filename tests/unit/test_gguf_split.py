"""Models in several files."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from fuzzing.gguf_bytes import I32, U8, U16, Tensor, entry
from fuzzing.gguf_bytes import gguf as gguf_bytes
from pestle._core import GgufFile
from pestle.errors import Error, FormatError


def shard(number: int, count: int, names: list[str], total: int | None = None) -> bytes:
    """Shard `number` (from 0), whose tensors are 32 bytes of their first letter."""
    entries = [entry("split.no", U16, number), entry("split.count", U16, count)]
    if total is not None:
        entries.append(entry("split.tensors.count", I32, total))
    tensors = [Tensor(name, offset=32 * i) for i, name in enumerate(names)]
    return gguf_bytes(entries, tensors, b"".join(name[0].encode() * 32 for name in names))


def write(folder: Path, shards: list[bytes], count: int | None = None) -> Path:
    """Write the shards under their names; returns the first's path."""
    paths = [
        folder / f"m-{i + 1:05d}-of-{count or len(shards):05d}.gguf" for i in range(len(shards))
    ]
    for path, content in zip(paths, shards, strict=True):
        path.write_bytes(content)
    return paths[0]


GOOD = [shard(0, 3, [], 3), shard(1, 3, ["a", "b"]), shard(2, 3, ["c"])]


def test_all_shards_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    file = GgufFile(path)
    assert [(t.name, t.shard) for t in file.tensors] == [("a", 1), ("b", 1), ("c", 2)]
    for name in "abc":
        assert file.read(name).tobytes() == name.encode() * 32
    assert file.path == str(path)
    assert file.paths == [str(tmp_path / f"m-0000{i}-of-00003.gguf") for i in (1, 2, 3)]
    assert file.size == sum(map(len, GOOD))


def test_split_by_the_gguf_package(tmp_path: Path) -> None:
    weights = {f"blk.{i}.w": np.full(64, i, np.float32) for i in range(5)}
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama", split_max_tensors=2)
    for name, tensor in weights.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = GgufFile(tmp_path / "m-00001-of-00003.gguf")
    assert {t.name: t.shard for t in file.tensors} == dict(
        zip(weights, (0, 0, 1, 1, 2), strict=True)
    )
    for name, tensor in weights.items():
        assert np.array_equal(file.read(name).view(np.float32), tensor)


def test_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(GgufFile(write(tmp_path, GOOD).name).tensors) == 3


def test_a_split_of_one_is_a_whole_model(tmp_path: Path) -> None:
    path = tmp_path / "any name.gguf"
    path.write_bytes(shard(0, 1, ["a"], 1))
    assert len(GgufFile(path).tensors) == 1


def test_another_shard_names_the_first(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD).with_name("m-00002-of-00003.gguf")
    with pytest.raises(FormatError) as caught:
        GgufFile(path)
    assert str(caught.value) == (
        "m-00002-of-00003.gguf: the file is shard 2 of 3: open m-00001-of-00003.gguf"
    )


def test_missing_shard(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    path.with_name("m-00003-of-00003.gguf").unlink()
    with pytest.raises(Error, match=r"m-00003-of-00003\.gguf: No such file or directory"):
        GgufFile(path)


def test_renamed_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(GOOD[0])
    with pytest.raises(FormatError, match=r"its name must end in -00001-of-00003\.gguf"):
        GgufFile(path)


BAD: dict[str, tuple[list[bytes], str]] = {
    "swapped": (
        [GOOD[0], GOOD[2], GOOD[1]],
        "m-00002-of-00003.gguf: the file is shard 3 of 3, expected 2 of 3",
    ),
    "of another split": (
        [GOOD[0], shard(1, 4, ["a", "b"]), GOOD[2]],
        "m-00002-of-00003.gguf: the file is shard 2 of 4, expected 2 of 3",
    ),
    "no shard": (
        [GOOD[0], gguf_bytes(), GOOD[2]],
        "m-00002-of-00003.gguf: key `split.no` is missing",
    ),
    "broken": (
        [GOOD[0], GOOD[1], GOOD[2][:-1]],
        "m-00003-of-00003.gguf: tensor `c` needs 32 bytes",
    ),
    "tensor twice": (
        [GOOD[0], GOOD[1], shard(2, 3, ["a"])],
        "m-00001-of-00003.gguf: tensor `a` occurs twice",
    ),
    "too few tensors": (
        [shard(0, 3, [], 4), *GOOD[1:]],
        "key `split.tensors.count` is 4, the shards hold 3 tensors",
    ),
    "no total": ([shard(0, 3, []), *GOOD[1:]], "key `split.tensors.count` is missing"),
}


@pytest.mark.parametrize("name", BAD)
def test_shards_that_do_not_belong_together(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, BAD[name][0])
    with pytest.raises(FormatError) as caught:
        GgufFile(path)
    assert BAD[name][1] in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (
            [entry("split.no", I32, -1), entry("split.count", I32, 3)],
            "`split.no` is -1 of 3 shards",
        ),
        ([entry("split.no", U8, 3), entry("split.count", U8, 3)], "`split.no` is 3 of 3 shards"),
        ([entry("split.no", U8, 1)], "`split.no` is 1 of 1 shards"),
        ([entry("split.count", I32, 65536)], "is 65536, expected 1 to 65535"),
        ([entry("split.count", I32, -3)], "is -3, expected 1 to 65535"),
        ([entry("split.count", 6, 3.0)], "`split.count` is of type f32, expected an integer"),
    ],
)
def test_wrong_split_keys(tmp_path: Path, entries: list[bytes], words: str) -> None:
    path = tmp_path / "m-00001-of-00003.gguf"
    path.write_bytes(gguf_bytes(entries))
    with pytest.raises(FormatError) as caught:
        GgufFile(path)
    assert words in str(caught.value)
