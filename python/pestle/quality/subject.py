"""What is evaluated, and what it is compared with: a model file here, a checkpoint elsewhere."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from pestle._core import GgufFile, Model
from pestle.progress import Progress
from pestle.quality.logit_sources import (
    LogitSource,
    ModelPart,
    StreamedModel,
    WholeModel,
    through_layers,
)
from pestle.quality.windows import Window
from pestle.tokenizer import Metadata


class Subject(Protocol):
    """A model, as far as evaluation knows it."""

    @property
    def name(self) -> str:
        """For people: a file's or a folder's name."""

    @property
    def metadata(self) -> Metadata:
        """GGUF's keys."""

    @property
    def types(self) -> Mapping[str, int]:
        """Elements of the matrices, by type."""

    @property
    def whole_bytes(self) -> int:
        """What it takes to have all of it in memory; 0 where that never happens."""

    @property
    def making_bytes(self) -> int:
        """What it takes to make a file of a part; 0 where there is one of all of it."""

    def outline(self) -> AbstractContextManager[GgufFile]:
        """A file of its shapes; in the block only."""

    def spare_cache(self) -> None:
        """Have reads leave nothing in the system's page cache from now on."""

    def source(
        self, windows: Sequence[Window], *, threads: int, stream: bool, progress: Progress | None
    ) -> AbstractContextManager[LogitSource]:
        """The logits of the windows; in memory in the block only.

        `stream`: layer by layer; `progress` then hears of tokens that went through a layer.
        """


class FileSubject:
    """A GGUF file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises as opening a model's file does."""
        self._file = GgufFile(path)  # for all parts: another may take its place meanwhile
        self.name = Path(path).name
        self.metadata: Metadata = self._file
        self.types = matrix_types((t.type, t.shape) for t in self._file.tensors)
        self.whole_bytes, self.making_bytes = self._file.size, 0

    @contextmanager
    def outline(self) -> Iterator[GgufFile]:
        """See `Subject`."""
        yield self._file

    def spare_cache(self) -> None:
        """See `Subject`."""
        self._file.spare_cache()

    @contextmanager
    def part(self, part: ModelPart, threads: int) -> Iterator[Model]:
        """See `LayerwiseModel`."""
        yield Model(self._file, threads=threads, only=part)

    @contextmanager
    def source(
        self, windows: Sequence[Window], *, threads: int, stream: bool, progress: Progress | None
    ) -> Iterator[LogitSource]:
        """See `Subject`."""
        if stream:
            hidden = through_layers(self, self.name, windows, threads, progress)
            with self.part("output", threads) as output:
                yield StreamedModel(output, hidden, threads)
        else:
            yield WholeModel(Model(self._file, threads=threads), windows, threads)


def matrix_types(tensors: Iterator[tuple[str, Sequence[int]]]) -> dict[str, int]:
    """Elements of each type, of the tensors that have rows."""
    found: dict[str, int] = {}
    for kind, shape in tensors:
        if len(shape) > 1:
            found[kind] = found.get(kind, 0) + math.prod(shape)
    return found
