"""The output while it is written: beside its place, and moved there when it is whole."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pestle.convert.encode import Bytes
from pestle.convert.plan import Output
from pestle.errors import Error

_NO_SPACE = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG})
_CHUNK = 8 << 20


def partial_path(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


class PartialFiles:
    """The shards of one model. Bytes go to their final places in any order.

    One thread writes, while the next bytes are computed; what it raises, the next call raises.
    """

    def __init__(self, paths: Sequence[Path], data_offsets: Sequence[int]) -> None:
        """`data_offsets`: where each shard's data begins."""
        self.paths = tuple(paths)
        self._data_offsets = tuple(data_offsets)
        self._streams: list[BinaryIO] = []
        self._writer = ThreadPoolExecutor(1, "pestle-write")
        self._pending: Future[None] | None = None

    def open(self, sizes: Sequence[int], *, anew: bool) -> None:
        """Create the files, zeros all of them, or open what an earlier run left."""
        for path, size in zip(self.paths, sizes, strict=True):
            with writing(path):
                partial = partial_path(path)
                mode = "r+b" if not anew and partial.exists() else "w+b"
                self._streams.append(partial.open(mode, buffering=0))  # type: ignore[arg-type]
                self._streams[-1].truncate(size)

    def write(self, output: Output, start: int, data: Bytes) -> None:
        """Bytes of a tensor, from `start` on. Returns before they are written."""
        self.wait()
        at = self._data_offsets[output.shard] + output.offset + start
        self._pending = self._writer.submit(self._write_at, output.shard, at, data.data)

    def write_header(self, shard: int, header: bytes) -> None:
        """Write what stands before a shard's data. It has the length that was planned."""
        assert len(header) == self._data_offsets[shard], "every digest has the same length"
        self.wait()
        self._write_at(shard, 0, memoryview(header))

    @contextmanager
    def readable(self) -> Iterator[Path]:
        """The model under a name that it can be opened by, in the block only."""
        self.wait()
        if len(self.paths) == 1:
            yield partial_path(self.paths[0])
            return
        # Shards find each other by their names.
        folder = self.paths[0].with_name(self.paths[0].name + ".partial.shards")
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
        try:
            with writing(folder):
                folder.mkdir()
                for path in self.paths:
                    os.link(partial_path(path), folder / path.name)
            yield folder / self.paths[0].name
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def wait(self) -> None:
        """Return when all bytes have been handed to the system."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def sync(self) -> None:
        """Return when all bytes are on the disk that had been handed to the system before.

        May be called while another thread writes.
        """
        for path, stream in zip(self.paths, self._streams, strict=True):
            with writing(path):
                os.fsync(stream.fileno())

    def sha256(self, output: Output) -> str:
        """Of a tensor, as it lies in the file."""
        digest, at = hashlib.sha256(), self._data_offsets[output.shard] + output.offset
        path = partial_path(self.paths[output.shard])
        with path.open("rb", buffering=0) as stream:
            stream.seek(at)
            left = output.nbytes
            while left:
                chunk = stream.read(min(_CHUNK, left))
                if not chunk:
                    raise Error(f"{path}: it has been cut while it was written")
                digest.update(chunk)
                left -= len(chunk)
        return digest.hexdigest()

    def close(self) -> None:
        self._writer.shutdown()
        for stream in self._streams:
            stream.close()
        self._streams.clear()

    def _write_at(self, shard: int, at: int, data: memoryview) -> None:
        with writing(self.paths[shard]):
            stream = self._streams[shard]
            stream.seek(at)
            while data:
                data = data[stream.write(data) :]


def publish(paths: Sequence[Path], manifest: Path) -> None:
    """Move all shards and the manifest to their places, those that have not been moved yet.

    Never does a first shard stand beside others that are not its own: one that is replaced goes
    before, and the new one comes last. What was stopped in between is ended by another call.
    """
    first, others = paths[0], paths[1:]
    with writing(first):
        if others and partial_path(first).exists():
            first.unlink(missing_ok=True)
            sync_folder(first.parent)
    for group in (reversed(others), (manifest, first)):
        for path in group:
            with writing(path):
                if partial_path(path).exists():
                    partial_path(path).replace(path)
        sync_folder(first.parent)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the system refuses into an Error that names the file."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise Error(
                f"no space left for {path}; the same command goes on where it stopped"
            ) from error
        raise Error(f"cannot write {path}: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
