"""One test for each way in which a GGUF file can be wrong."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from fuzzing.gguf_bytes import (
    ARRAY,
    BOOL,
    F32,
    I32,
    STRING,
    U32,
    U64,
    Tensor,
    array,
    entry,
    gguf,
    string,
)
from pestle._core import GgufFile
from pestle.errors import Error, FormatError, UnsupportedError

ZEROS = bytes(64)
TOKENS = array("tokenizer.ggml.tokens", STRING, ["a", "b", "c"])
ALIGNMENT = "general.alignment"


def header(key: str, kind: int, rest: bytes) -> bytes:
    """A file whose only metadata entry ends in `rest`."""
    return gguf([string(key) + struct.pack("<I", kind) + rest])


def one(**fields: object) -> bytes:
    """A file with 64 bytes of data and one tensor."""
    return gguf([], [Tensor(**fields)], ZEROS)  # type: ignore[arg-type]


BAD: dict[str, tuple[bytes, str]] = {
    # The start.
    "empty": (b"", "the file is empty"),
    "magic": (b"PK\3\4" + ZEROS, r"not GGUF: it starts with `PK\x03\x04`, expected `GGUF`"),
    "short magic": (b"GG", "not GGUF: it starts with `GG`"),
    "lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
    "web page": (b"<!DOCTYPE html><html>404</html>", "a web page"),
    "ggml": (b"tjgg" + ZEROS, "a format that GGUF replaced"),
    "no version": (b"GGUF", "the version needs 4 bytes at byte 4, the file ends after 0"),
    "version 0": (gguf(version=0), "version 0, expected 2 or 3"),
    "no counts": (gguf()[:10], "the number of tensors needs 8 bytes at byte 8"),
    # Counts.
    "tensor count": (
        gguf([], [Tensor()], ZEROS, n_tensors=2**60),
        "declares 1152921504606846976 tensors, but only",
    ),
    "entry count": (
        gguf([entry("a", U32, 1)], n_entries=2**63),
        "declares 9223372036854775808 metadata entries, but only",
    ),
    "many entries": (
        gguf(n_entries=70000) + bytes(2**20),
        "declares 70000 metadata entries, more than the 65536",
    ),
    "many tensors": (
        gguf(n_tensors=140000) + bytes(2**23),
        "declares 140000 tensors, more than the 131072",
    ),
    # Keys.
    "empty key": (gguf([entry("", U32, 1)]), "entry 1 of 1 has a key without a character"),
    "long key": (
        gguf([entry("k" * 65536, U32, 1)]),
        "a key of 65536 bytes, expected at most 65535",
    ),
    "key characters": (gguf([entry("a\x1b[2J", U32, 1)]), r"not printable ASCII: `a\x1b[2J`"),
    "key not utf-8": (gguf([entry(b"\xff\xfe", U32, 1)]), r"not printable ASCII: `\xff\xfe`"),
    "key twice": (gguf([entry("a.b", U32, 1), entry("a.b", F32, 1)]), "key `a.b` occurs twice"),
    "key too long for the file": (
        gguf()[:16] + struct.pack("<QQ", 1, 2**64 - 1) + bytes(20),
        "key needs 18446744073709551615 bytes at byte 32, the file ends after 20",
    ),
    # Values.
    "value type": (header("k", 13, bytes(8)), "key `k` has the value type 13, expected 0 to 12"),
    "bool": (header("k", BOOL, b"\2"), "key `k` holds a bool of 2, expected 0 or 1"),
    "bool in an array": (
        header("k", ARRAY, struct.pack("<IQ", BOOL, 3) + b"\0\1\xff"),
        "bool of 255",
    ),
    "value cut off": (header("k", U64, b"\0")[:40], "key `k` is cut off: value needs 8 bytes"),
    "string length": (
        header("k", STRING, struct.pack("<Q", 2**63) + bytes(9)),
        "key `k` is cut off: string needs 9223372036854775808 bytes",
    ),
    "element type": (
        header("k", ARRAY, struct.pack("<IQ", 99, 1) + bytes(8)),
        "key `k` has the element type 99",
    ),
    "array length": (
        header("k", ARRAY, struct.pack("<IQ", U32, 2**62) + bytes(9)),
        "declares 4611686018427387904 array elements, but only",
    ),
    "array length overflow": (
        header("k", ARRAY, struct.pack("<IQ", U64, 2**61) + bytes(9)),
        "declares 2305843009213693952 array elements, but only",
    ),
    "array limit": (
        header("k", ARRAY, struct.pack("<IQ", BOOL, 2**24 + 1) + bytes(2**24 + 8)),
        "declares 16777217 array elements, more than the 16777216",
    ),
    "string array length": (
        header("k", ARRAY, struct.pack("<IQ", STRING, 99) + bytes(63)),
        "declares 99 array elements, but only",
    ),
    "string in an array": (
        header("k", ARRAY, struct.pack("<IQ", STRING, 2) + string("ok") + b"\xff" * 32)[:75],
        "key `k` is cut off: string 1 needs 18446744073709551615 bytes",
    ),
    # Alignment.
    "alignment type": (gguf([entry(ALIGNMENT, I32, 32)]), "is of type i32, expected u32"),
    "alignment string": (gguf([entry(ALIGNMENT, STRING, "32")]), "is of type string, expected u32"),
    "alignment 0": (gguf([entry(ALIGNMENT, U32, 0)]), "is 0, expected a power of two, at least 8"),
    "alignment 4": (gguf([entry(ALIGNMENT, U32, 4)]), "is 4, expected a power of two"),
    "alignment 48": (gguf([entry(ALIGNMENT, U32, 48)]), "is 48, expected a power of two"),
    # Tensors.
    "empty name": (one(name=""), "tensor 1 of 1 has a name without a character"),
    "long name": (one(name="n" * 64), "a name of 64 bytes, expected at most 63"),
    "name characters": (one(name="a\nb"), r"not printable ASCII: `a\x0ab`"),
    "name twice": (
        gguf([], [Tensor("a"), Tensor("a", offset=32)], ZEROS),
        "tensor `a` occurs twice",
    ),
    "no dimensions": (one(dims=()), "tensor `a` has 0 dimensions, expected 1 to 4"),
    "5 dimensions": (one(dims=(1, 1, 1, 1, 1)), "tensor `a` has 5 dimensions, expected 1 to 4"),
    "many dimensions": (one(n_dims=2**32 - 1), "has 4294967295 dimensions"),
    "zero dimension": (one(dims=(8, 0, 2)), "tensor `a` has shape 8x0x2 with a dimension of zero"),
    "overflow of elements": (
        one(dims=(2**32, 2**32)),
        "tensor `a` has shape 4294967296x4294967296, whose size overflows",
    ),
    "overflow to zero": (one(dims=(2**16,) * 4), "whose size overflows"),
    "negative dimension": (one(dims=(2**64 - 8,)), "whose size overflows"),
    "overflow of bytes": (one(dims=(2**62,), kind=28), "whose size overflows"),
    "block": (
        one(dims=(48,), kind=2),
        "rows of 48 elements, expected a multiple of 32 for type Q4_0",
    ),
    "super-block": (one(dims=(128, 2), kind=12), "expected a multiple of 256 for type Q4_K"),
    "tensor cut off": (one()[:30], "declares 1 tensors, but only 6 bytes"),
    "offset cut off": (gguf([], [Tensor("a" * 9)], alignment=1)[:-4], "offset needs 8 bytes"),
    # Tensor data.
    "unaligned": (one(offset=8), "data at offset 8, expected a multiple of 32"),
    "overlap": (
        gguf([], [Tensor("a", (16,)), Tensor("b", offset=32)], ZEROS),
        "tensor `b` has data at offset 32, inside or before that of the tensor listed before it",
    ),
    "order": (gguf([], [Tensor("a", offset=32), Tensor("b")], ZEROS), "inside or before"),
    "beyond the end": (
        one(dims=(17,)),
        "`a` needs 68 bytes at offset 0 of the data section, which has 64: the file is incomplete",
    ),
    "offset beyond the end": (one(offset=96), "the file is incomplete"),
    "offset near 2^64": (one(offset=2**64 - 32), "the file is incomplete"),
    "no data section": (gguf([], [Tensor()], alignment=1), "of the data section, which has 0"),
    # The tokenizer.
    "tokens type": (
        gguf([array("tokenizer.ggml.tokens", U32, [1])]),
        "key `tokenizer.ggml.tokens` is of type array of 1 u32, expected an array of strings",
    ),
    "tokens scalar": (gguf([entry("tokenizer.ggml.tokens", STRING, "a")]), "is of type string"),
    "scores length": (
        gguf([TOKENS, array("tokenizer.ggml.scores", F32, [0, 0])]),
        "key `tokenizer.ggml.scores` has 2 elements for 3 tokens",
    ),
    "scores type": (
        gguf([TOKENS, array("tokenizer.ggml.scores", I32, [0, 0, 0])]),
        "is of type array of 3 i32s, expected an array of floats",
    ),
    "token types length": (
        gguf([TOKENS, array("tokenizer.ggml.token_type", I32, [1] * 4)]),
        "has 4 elements for 3 tokens",
    ),
    "token types type": (
        gguf([TOKENS, array("tokenizer.ggml.token_type", STRING, ["", "", ""])]),
        "expected an array of integers",
    ),
    "merges type": (
        gguf([TOKENS, array("tokenizer.ggml.merges", F32, [1])]),
        "key `tokenizer.ggml.merges` is of type array of 1 f32, expected an array of strings",
    ),
    "special id": (
        gguf([TOKENS, entry("tokenizer.ggml.bos_token_id", U32, 3)]),
        "key `tokenizer.ggml.bos_token_id` names token 3, the vocabulary has 3",
    ),
    "negative id": (
        gguf([TOKENS, entry("tokenizer.ggml.eos_token_id", I32, -1)]),
        "names token -1",
    ),
    "large id": (
        gguf([TOKENS, entry("tokenizer.ggml.eos_token_id", U64, 2**63)]),
        "is of type u64 and too large, expected an integer",
    ),
    "id type": (
        gguf([TOKENS, entry("tokenizer.ggml.eos_token_id", STRING, "a")]),
        "key `tokenizer.ggml.eos_token_id` is of type string, expected an integer",
    ),
    "id array": (
        gguf([TOKENS, array("tokenizer.ggml.eos_token_id", U32, [1])]),
        "expected an integer",
    ),
    "suppressed id": (
        gguf([TOKENS, array("tokenizer.ggml.suppress_tokens", I32, [0, 7])]),
        "names token 7",
    ),
}

UNSUPPORTED: dict[str, tuple[bytes, str]] = {
    "version 1": (gguf(version=1), "has version 1, Pestle reads versions 2 and 3"),
    "version 4": (gguf(version=4), "has version 4"),
    "big-endian": (gguf(version=3 << 24), "is big-endian, Pestle reads little-endian"),
    "nested array": (
        header("k", ARRAY, struct.pack("<IQ", ARRAY, 1) + struct.pack("<IQ", U32, 0)),
        "key `k` is an array of arrays",
    ),
    "unknown type": (one(kind=43), "tensor `a` has the unknown type 43"),
    "removed type": (one(kind=4), "tensor `a` has type Q4_2, which was removed"),
    "interleaved type": (one(kind=31), "tensor `a` has type Q4_0_4_4, which was removed"),
    "quantization version": (
        gguf([entry("general.quantization_version", U32, 1)], [Tensor(dims=(32,), kind=2)], ZEROS),
        "key `general.quantization_version` is 1, Pestle reads version 2",
    ),
}


def check(path: Path, content: bytes, error: type[Error], words: str) -> None:
    path.write_bytes(content)
    with pytest.raises(error) as caught:
        GgufFile(path)
    message = str(caught.value)
    assert message.startswith("model.gguf: ")
    assert words in message
    assert message.isprintable()
    assert type(caught.value) is error


@pytest.mark.parametrize("name", BAD)
def test_wrong_content(name: str, tmp_path: Path) -> None:
    check(tmp_path / "model.gguf", BAD[name][0], FormatError, BAD[name][1])


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported_content(name: str, tmp_path: Path) -> None:
    check(tmp_path / "model.gguf", UNSUPPORTED[name][0], UnsupportedError, UNSUPPORTED[name][1])


def test_header_over_the_limit(tmp_path: Path) -> None:
    """A sparse file that is large enough for the string that it declares."""
    path = tmp_path / "model.gguf"
    path.write_bytes(header("k", STRING, struct.pack("<Q", 600 << 20)))
    os.truncate(path, 700 << 20)
    with pytest.raises(FormatError, match="a header must end within 536870912 bytes"):
        GgufFile(path)


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "no.gguf"
    with pytest.raises(Error) as caught:
        GgufFile(path)
    assert str(caught.value) == f"{path}: No such file or directory"
    assert not isinstance(caught.value, FormatError)


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(Error, match="Is a directory"):
        GgufFile(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Error, match="not a regular file"):
        GgufFile(tmp_path / "pipe")


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root may read every file")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf())
    path.chmod(0)
    with pytest.raises(Error, match="Permission denied"):
        GgufFile(path)


def test_path_is_shown_safely(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\x1b[2J.gguf"
    with pytest.raises(Error, match=r"\\xff\\x1b\[2J\.gguf: No such file"):
        GgufFile(os.fsdecode(path))


@pytest.mark.parametrize("name", ["\u202eflip", "\ue000", "z\u200bero", "na\u00efve"])
def test_names_in_messages_are_ascii(tmp_path: Path, name: str) -> None:
    """Unicode in a hostile name could turn a message around, hide a part of it, or imitate."""
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf([], [Tensor(name=name.encode(), dims=(32,))], ZEROS))
    with pytest.raises(FormatError, match=r"\\x") as caught:
        GgufFile(path)
    assert str(caught.value).isascii()
