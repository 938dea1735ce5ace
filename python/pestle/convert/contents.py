"""Every byte of a converted file, read once and in order.

A shard is its header, then the tensors, each followed by zeros up to the next one or, behind the
last, up to a whole alignment. There the file ends. So digests of the headers and the tensors, and
the rule for all the rest, leave no byte out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pestle._core import GgufFile, GgufTensor
from pestle.convert.reading import Files
from pestle.errors import Error
from pestle.gguf_header import aligned

_CHUNK = 8 << 20


@dataclass(frozen=True)
class WrongSize:
    """A shard that does not end where its last tensor does. Sizes are bytes."""

    name: str
    found: int
    expected: int


@dataclass(frozen=True)
class Contents:
    """What was read. Digests are sha256 in hexadecimal, by the names of the tensors."""

    headers: tuple[bytes, ...]
    """What stands before the data, shard by shard."""
    digests: dict[str, str]
    padded_wrongly: tuple[str, ...]
    """Tensors behind which other bytes than zeros fill up the alignment."""
    wrong_sizes: tuple[WrongSize, ...]


def sizes(file: GgufFile) -> list[int]:
    """The bytes of each shard. Error: one is not there any more."""
    try:
        return [Path(name).stat().st_size for name in file.paths]
    except OSError as error:
        raise Error(f"cannot read {error.filename}: {error.strerror}") from error


def read_contents(
    file: GgufFile, shard_sizes: Sequence[int], advance: Callable[[int], None]
) -> Contents:
    """Read all of `file`, whose shards have `shard_sizes` bytes; `advance(n)` hears of every n.

    FormatError: it has been cut meanwhile; Error: it cannot be read.
    """
    headers: list[bytes] = []
    digests: dict[str, str] = {}
    padded_wrongly: list[str] = []
    wrong_sizes: list[WrongSize] = []
    with closing(Files()) as files:
        for shard, (name, size) in enumerate(zip(file.paths, shard_sizes, strict=True)):
            path = Path(name)
            tensors = sorted(
                (tensor for tensor in file.tensors if tensor.shard == shard),
                key=lambda tensor: tensor.offset,
            )
            begin = tensors[0].offset if tensors else size
            headers.append(files.read(path, 0, begin).tobytes())
            advance(begin)
            end = begin
            for n, tensor in enumerate(tensors):
                digests[tensor.name] = _digest(files, path, tensor, advance)
                end = aligned(tensor.offset + tensor.nbytes)
                last = n + 1 == len(tensors)
                following = min(end, size) if last else tensors[n + 1].offset
                if not _is_zero(files, path, tensor.offset + tensor.nbytes, following, advance):
                    padded_wrongly.append(tensor.name)
            if end != size:
                wrong_sizes.append(WrongSize(path.name, size, end))
    return Contents(tuple(headers), digests, tuple(padded_wrongly), tuple(wrong_sizes))


def _digest(files: Files, path: Path, tensor: GgufTensor, advance: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    for begin in range(0, tensor.nbytes, _CHUNK):
        n = min(_CHUNK, tensor.nbytes - begin)
        digest.update(files.read(path, tensor.offset + begin, n).data)
        advance(n)
    return digest.hexdigest()


def _is_zero(
    files: Files, path: Path, begin: int, end: int, advance: Callable[[int], None]
) -> bool:
    zero = True
    for at in range(begin, end, _CHUNK):
        n = min(_CHUNK, end - at)
        zero = zero and not files.read(path, at, n).any()
        advance(n)
    return zero
