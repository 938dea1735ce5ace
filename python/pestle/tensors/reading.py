"""Reading a source once, from the first byte to the last, hashing all of it on the way."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pestle.errors import Error, FormatError
from pestle.models.stamp import Stamp, contents_stamp
from pestle.tensors.encode import Bytes
from pestle.tensors.model import SourceModel
from pestle.tensors.plan import PIECE_BYTES, Job
from pestle.tensors.source_tensor import FP8_BLOCK, StoredFile, StoredTensor


@dataclass(frozen=True)
class TensorPiece:
    """Elements [begin, end) of the first axis of a job's source, as stored."""

    job: Job
    begin: int
    end: int
    numbers: Bytes
    scales: Bytes | None


@dataclass(frozen=True)
class FileRead:
    """All of a file has been read."""

    name: str
    sha256: str


class Files:
    """Files that have been opened before, by path; stamps: `contents_stamp` of each then."""

    def __init__(self, stamps: Mapping[Path, Stamp]) -> None:
        self._stamps = stamps
        self._streams: dict[Path, BinaryIO] = {}

    @classmethod
    def of(cls, files: Iterable[StoredFile]) -> Files:
        """Those of a source."""
        return cls({file.path: file.stamp for file in files})

    def read(self, path: Path, offset: int, nbytes: int) -> Bytes:
        """A part of a file.

        Error: the system refuses. FormatError: the file was cut, written to or replaced.
        """
        out = np.empty(nbytes, np.uint8)
        view, done = out.data, 0
        try:
            stream = self._streams.get(path)
            if stream is None:
                stream = self._streams[path] = path.open("rb", buffering=0)
            stream.seek(offset)
            while done < nbytes:
                got = stream.readinto(view[done:])  # type: ignore[attr-defined]
                if not got:
                    raise FormatError(f"{path}: ends after {offset + done:,} bytes: it was cut")
                done += got
            if contents_stamp(os.fstat(stream.fileno())) != self._stamps[path]:
                raise FormatError(f"{path} was changed or replaced since it was opened")
        except OSError as error:
            raise Error(
                f"cannot read {path} at byte {offset + done:,}: {error.strerror}"
            ) from error
        return out

    def close(self) -> None:
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()


class Digest:
    """sha256 of a file's parts, taken by a thread while the next part is read."""

    def __init__(self, thread: Executor) -> None:
        self._thread = thread
        self._digest = hashlib.sha256()
        self._pending: Future[None] | None = None

    def update(self, part: Bytes) -> None:
        self._wait()
        self._pending = self._thread.submit(self._digest.update, part.data)

    def hexdigest(self) -> str:
        self._wait()
        return self._digest.hexdigest()

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()


def read_source(
    source: SourceModel,
    jobs: Mapping[str, Job],
    *,
    skip: int = 0,
    known: Mapping[str, str],
    advance: Callable[[int], None],
) -> Iterator[TensorPiece | FileRead]:
    """The pieces of all jobs in the order of the files' bytes, and each file's digest behind them.

    The first `skip` pieces are left out: they are read for the digest only, or not at all where
    `known` has the file's digest. `advance(n)` hears of every n bytes that are dealt with.
    """
    with closing(Files.of(source.files)) as files, ThreadPoolExecutor(1, "pestle-digest") as thread:
        for file in source.files:
            count = sum(1 for t in file.tensors if t.name in jobs for _ in jobs[t.name].pieces())
            if file.name in known and count <= skip:
                skip -= count
                advance(file.size)
                continue
            digest = Digest(thread)
            yield from _read_file(files, file, jobs, min(skip, count), digest, advance)
            skip = max(0, skip - count)


def read_job(files: Files, job: Job) -> Iterator[TensorPiece]:
    """The pieces of one job, without a digest."""
    tensor = job.source.numbers
    per_element = tensor.nbytes // job.source.shape[0]
    for begin, end in job.pieces():
        numbers = files.read(
            tensor.path, tensor.offset + begin * per_element, (end - begin) * per_element
        )
        yield TensorPiece(job, begin, end, numbers, _scales(files, job, begin, end))


def _read_file(
    files: Files,
    file: StoredFile,
    jobs: Mapping[str, Job],
    skip: int,
    digest: Digest,
    advance: Callable[[int], None],
) -> Iterator[TensorPiece | FileRead]:
    at = 0

    def read(end: int) -> Bytes:
        """The bytes from `at` to `end`, of which all has to be read in that order."""
        nonlocal at
        part = files.read(file.path, at, end - at)
        digest.update(part)
        at = end
        advance(len(part))
        return part

    def pass_over(end: int) -> None:
        """Bytes of no job: they count for the digest alone."""
        while at < end:
            read(min(at + PIECE_BYTES, end))

    for tensor in file.tensors:
        pass_over(tensor.offset)
        job = jobs.get(tensor.name)
        for begin, end in job.pieces() if job is not None else ():
            assert job is not None
            per_element = tensor.nbytes // job.source.shape[0]
            numbers = read(tensor.offset + end * per_element)
            if skip:
                skip -= 1
            else:
                yield TensorPiece(job, begin, end, numbers, _scales(files, job, begin, end))
        pass_over(tensor.offset + tensor.nbytes)
    pass_over(file.size)
    yield FileRead(file.name, digest.hexdigest())


def _scales(files: Files, job: Job, begin: int, end: int) -> Bytes | None:
    scales: StoredTensor | None = job.source.scales
    if scales is None:
        return None
    if job.source.encoding == "fp8":
        begin, end = begin // FP8_BLOCK, -(-end // FP8_BLOCK)
    per_element = scales.nbytes // scales.shape[0]
    return files.read(scales.path, scales.offset + begin * per_element, (end - begin) * per_element)
