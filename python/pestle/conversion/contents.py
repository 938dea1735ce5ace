"""Every byte of a converted file, read once and in order.

A shard is its header, then the tensors, each followed by zeros up to the next one or, behind the
last, up to a whole alignment. There the file ends. So digests of the headers and the tensors, and
the rule for all the rest, leave no byte out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pestle._core import GgufFile, GgufTensor
from pestle.errors import FormatError
from pestle.gguf.header import aligned
from pestle.models.stamp import Stamp, contents_of
from pestle.tensors.reading import Files

_CHUNK = 8 << 20
_LONGEST_HEADER = 513 << 20  # as cpp/gguf/format.h has it, and padding


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
    """Tensors whose padding up to the alignment is not all zeros."""
    wrong_sizes: tuple[WrongSize, ...]


def read_contents(
    file: GgufFile, stamps: Mapping[str, Stamp], advance: Callable[[int], None]
) -> Contents:
    """Read all of `file`, as `open_stamped` gives it; `advance(n)` hears of every n bytes.

    FormatError: it was changed since; Error: it cannot be read.
    """
    headers: list[bytes] = []
    digests: dict[str, str] = {}
    padded_wrongly: list[str] = []
    wrong_sizes: list[WrongSize] = []
    by_path = {Path(name): contents_of(stamp) for name, stamp in stamps.items()}
    with closing(Files(by_path)) as files:
        for shard, (path, stamp) in enumerate(by_path.items()):
            size = stamp[2]
            tensors = sorted(
                (tensor for tensor in file.tensors if tensor.shard == shard),
                key=lambda tensor: tensor.offset,
            )
            begin = tensors[0].offset if tensors else size
            if begin > _LONGEST_HEADER:
                raise FormatError(
                    f"{path.name}: its data begins at byte {begin:,}, expected one of the first "
                    f"{_LONGEST_HEADER:,}"
                )
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
