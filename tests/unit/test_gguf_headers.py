"""Files that are elsewhere, told by their headers, and checked as strictly as if they were here."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzzing.gguf_bytes import I32, STRING, U8, U16, Tensor, array, entry
from fuzzing.gguf_bytes import gguf as gguf_bytes
from pestle._core import GgufFile, gguf_extent
from pestle.errors import Error, FormatError, UnsupportedError

WORDS = [f"word {i}" for i in range(3000)]
ENTRIES = [entry("general.name", STRING, "m"), array("tokenizer.ggml.tokens", STRING, WORDS)]
TENSORS = [Tensor("a"), Tensor("b", offset=32)]
WHOLE = gguf_bytes(ENTRIES, TENSORS, bytes(64))


def test_a_header_tells_what_the_file_does(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(WHOLE)
    there = GgufFile(path)
    size, end = gguf_extent(WHOLE, len(WHOLE), "m.gguf")
    assert end == len(WHOLE)
    far = GgufFile.of_headers([(str(path), WHOLE[:size], len(WHOLE))])
    assert (far.keys(), far.size, far.paths) == (there.keys(), there.size, there.paths)
    assert far["tokenizer.ggml.tokens"] == WORDS
    assert [(t.name, t.offset, t.nbytes, t.shard) for t in far.tensors] == [
        (t.name, t.offset, t.nbytes, t.shard) for t in there.tensors
    ]
    far.check_unchanged()
    with pytest.raises(Error, match="only the header is here, not the data of tensor `a`"):
        far.read("a")


def test_a_beginning_says_how_much_more_it_needs() -> None:
    size, _ = gguf_extent(WHOLE, len(WHOLE), "m")
    have, rounds = 24, 0
    while (found := gguf_extent(WHOLE[:have], len(WHOLE), "m"))[0] > have:
        assert found[1] == 0
        have, rounds = found[0], rounds + 1
    assert found == (size, len(WHOLE))
    assert have == size
    assert rounds > len(WORDS)  # a string's length, then its bytes: never more than is needed
    with pytest.raises(FormatError, match=f"goes on behind the {size - 1} bytes that are here"):
        GgufFile.of_headers([("m.gguf", WHOLE[: size - 1], len(WHOLE))])


def test_a_header_is_held_against_the_size_of_its_file() -> None:
    with pytest.raises(FormatError, match=r"x\.gguf: tensor `b`"):
        gguf_extent(WHOLE, len(WHOLE) - 1, "x.gguf")
    lie = bytearray(WHOLE)
    lie[8:16] = (2**40).to_bytes(8, "little")
    with pytest.raises(FormatError, match="declares 1099511627776 tensors"):
        gguf_extent(bytes(lie), len(WHOLE), "x.gguf")
    lie[8:24] = (2).to_bytes(8, "little") + (2**40).to_bytes(8, "little")
    with pytest.raises(FormatError, match="declares 1099511627776 metadata"):
        gguf_extent(bytes(lie[:100]), 2**50, "x.gguf")
    with pytest.raises(UnsupportedError, match="version 9"):
        gguf_extent(b"GGUF\x09\0\0\0" + WHOLE[8:], len(WHOLE), "x.gguf")
    with pytest.raises(FormatError, match="is a web page"):
        gguf_extent(b"<!DOCTYPE html>" + bytes(50), 2**30, "x.gguf")


def shard(number: int, count: int, names: list[str], total: int | None = None) -> bytes:
    entries = [entry("split.no", U16, number), entry("split.count", U16, count)]
    if total is not None:
        entries.append(entry("split.tensors.count", I32, total))
    tensors = [Tensor(name, offset=32 * i) for i, name in enumerate(names)]
    return gguf_bytes(entries, tensors, bytes(32 * len(names)))


def named(shards: list[bytes]) -> list[tuple[str, bytes, int]]:
    count = len(shards)
    return [(f"m-{i:05d}-of-{count:05d}.gguf", s, len(s)) for i, s in enumerate(shards, 1)]


def test_the_headers_of_all_shards() -> None:
    good = [shard(0, 3, [], 3), shard(1, 3, ["a", "b"]), shard(2, 3, ["c"])]
    file = GgufFile.of_headers(named(good))
    assert [(t.name, t.shard) for t in file.tensors] == [("a", 1), ("b", 1), ("c", 2)]
    assert file.size == sum(map(len, good))
    with pytest.raises(FormatError, match="has 3 files, expected 1"):
        GgufFile.of_headers(named(good)[:1])
    with pytest.raises(FormatError, match="the file is shard 3 of 3, expected 2 of 3"):
        GgufFile.of_headers([named(good)[0], named(good)[2], named(good)[1]])
    with pytest.raises(FormatError, match=r"`split\.tensors\.count` is 3, the shards hold 2"):
        GgufFile.of_headers(named([good[0], shard(1, 3, ["a"]), good[2]]))
    with pytest.raises(FormatError, match=r"tensor `a` occurs twice"):
        GgufFile.of_headers(named([good[0], good[1], shard(2, 3, ["a"])]))
    with pytest.raises(ValueError, match="shards is empty"):
        GgufFile.of_headers([])


def test_whole_models_have_one_file() -> None:
    one = gguf_bytes([entry("k", U8, 1)])
    with pytest.raises(FormatError, match="has 1 files, expected 2"):
        GgufFile.of_headers([("m.gguf", one, len(one)), ("n.gguf", one, len(one))])
