"""The output while it is written: in a folder beside its place, to which it is moved when whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from pestle import files
from pestle.errors import Error
from pestle.tensors.encode import Bytes
from pestle.tensors.plan import Output
from pestle.tensors.writing import writing

_CHUNK = 1 << 20
HASHING_BYTES = 32 * _CHUNK
"""Of all threads that may hash at once."""


class Workplace:
    """The folder `OUT.partial`: shards and manifest under their final names, and the journal."""

    def __init__(self, path: Path) -> None:
        """path: the output. Error: it has a name that the folder needs itself."""
        if path.name in files.RESERVED:
            raise Error(f"{path.name} cannot be the name of an output")
        self.output = path
        journal, check = f"{path.name}.journal", f"{path.name}.check"
        shards = rf"{re.escape(path.stem)}(-\d+-of-\d+)?{re.escape(path.suffix)}"
        own = rf"{shards}|{re.escape(path.name)}\.(manifest\.json|journal|check)"
        self._folder = files.WorkFolder(
            path.with_name(path.name + ".partial"), re.compile(own, re.DOTALL), journal
        )
        self.journal = self._folder.path / journal
        self.check = self._folder.path / check
        """A place for a file that tells what the core thinks of the header."""

    def of(self, path: Path) -> Path:
        """Where a file grows that will stand at `path`."""
        return self._folder.path / path.name

    def is_begun(self) -> bool:
        """Whether an earlier run has left something to go on with."""
        with writing(self.output):
            return self._folder.is_begun()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep all other processes out. Error: one has it, or the folder cannot be made."""
        with ExitStack() as stack:
            with writing(self.output):
                try:
                    stack.enter_context(self._folder.hold())
                except BlockingIOError as error:
                    raise Error(f"another process is writing {self.output}") from error
            yield

    def clear(self) -> None:
        """Remove what an earlier run has left."""
        with writing(self.output):
            self._folder.clear()

    def remove(self) -> None:
        """All is in its place."""
        with writing(self.output):
            self._folder.remove()


class PartialFiles:
    """The shards of one model. Bytes go to their final places in any order.

    One thread writes, while the next bytes are computed; what it raises, the next call raises.
    """

    def __init__(
        self, place: Workplace, paths: Sequence[Path], data_offsets: Sequence[int]
    ) -> None:
        """paths: where the shards will stand. data_offsets: where the data of each begins."""
        self.paths = tuple(paths)
        self._place = place
        self._data_offsets = tuple(data_offsets)
        self._streams: list[BinaryIO] = []
        self._writer = ThreadPoolExecutor(1, "pestle-write")
        self._pending: Future[None] | None = None

    def begin(self, sizes: Sequence[int]) -> None:
        """Create the files, zeros all of them, or open what an earlier run left."""
        for path, size in zip(self.paths, sizes, strict=True):
            with writing(path):
                self._streams.append(files.opened(self._place.of(path), buffered=False))
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

    def readable(self) -> Path:
        """The model, or its first shard: they lie beside each other under their own names."""
        self.wait()
        return self._place.of(self.paths[0])

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
                files.sync(stream)

    def sha256(self, output: Output) -> str:
        """Of a tensor, as it lies in the file."""
        digest, at = hashlib.sha256(), self._data_offsets[output.shard] + output.offset
        path = self._place.of(self.paths[output.shard])
        with path.open("rb", buffering=0) as stream:
            stream.seek(at)
            left, buffer = output.nbytes, memoryview(bytearray(min(_CHUNK, output.nbytes)))
            while left:
                got = stream.readinto(buffer[:left])
                if not got:
                    raise Error(f"{path}: it has been cut while it was written")
                digest.update(buffer[:got])
                left -= got
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


def publish(place: Workplace, paths: Sequence[Path], manifest: Path, *, overwrite: bool) -> None:
    """Move all shards and the manifest to their places, those that have not been moved yet.

    Error where something stands there and `overwrite` does not say that it may be replaced.

    Never does a first shard stand beside others that are not its own: one that is replaced goes
    before, and the new one comes last. What was stopped in between is ended by another call.
    """
    first, others = paths[0], paths[1:]
    for path in paths:
        if not overwrite and place.of(path).exists():
            require_free(path)
    with writing(first):
        if others and place.of(first).exists():
            files.remove(first)
            files.sync_folder(first.parent)
    for group in (reversed(others), (manifest, first)):
        for path in group:
            with writing(path):
                if place.of(path).exists():
                    new = not overwrite and path != manifest
                    files.move(place.of(path), path, new=new)


def require_free(path: Path) -> None:
    """Error where something stands at `path`, whatever it is."""
    with writing(path):
        status = files.status_at(path)
    if status is not None:
        raise Error(f"{path} is there already; overwrite=True replaces it")
