"""Running a model with some of its weights rounded, to see how far that takes it from itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from pestle import files
from pestle._core import Engine, GgufFile, Model
from pestle.footprint import Use, settle
from pestle.options import EngineOptions
from pestle.quality import divergence
from pestle.quantization import quantize_rows
from pestle.quantization.budget.distortion import Bytes, Floats
from pestle.quantization.budget.groups import groups
from pestle.quantization.importance.gathering import sums_of, token_chunks
from pestle.quantization.importance.matrix import Importance
from pestle.tensors.source_tensor import stored_tensors
from pestle.tokenizer import Tokenizer

WINDOW: Final = 256
"""Tokens of one piece of the text."""
MAX_WINDOWS: Final = 8
_LOGITS_BYTES: Final = 256 << 20
"""Of the reference, which is kept: models of many tokens read fewer pieces."""


_PROBED: Final = 12
"""Bytes a weight of a group: as it was, rounded, and as floats, before and after."""
_COLUMN: Final = 48
"""Bytes a column: the sums that the core gathers, as `gather` has them, and weights of errors."""


class Probe:
    """A model in a file of floats, which is changed and put back: it must be nobody else's.

    tensors: those of the file, by name. sums: what its products have read, by tensor.
    n_tokens: how many tokens that were.
    """

    def __init__(
        self, path: Path, text: str, *, threads: int = 0, memory: int | None = None
    ) -> None:
        """Run the model as it is. Raises as loading it does, and Error for too short a text.

        memory: bytes that the process may take; experts that do not fit are streamed. None: what
        is free.
        """
        self._path, self._threads = path, threads
        file = GgufFile(path)
        self._options = probing_options(file, threads, memory)
        self.tensors = {tensor.name: tensor for tensor in stored_tensors(file)[0]}
        tokenizer = Tokenizer.from_gguf(file)
        del file  # before it is written to
        found = token_chunks(tokenizer, tokenizer.encode(text, add_special=False), WINDOW)
        n_vocab = self.tensors["token_embd.weight"].shape[0]
        self._windows = _spread(found, most_windows(n_vocab))
        self.n_tokens = WINDOW * len(self._windows)
        self.sums: dict[str, Importance] = {}
        self._reference = self._logits(gather=True)

    def divergence(self, replaced: Mapping[str, Floats]) -> float:
        """Mean KL divergence, in nats, of the model with other numbers in some tensors."""
        file = GgufFile(self._path)
        before = {name: file.read(name) for name in replaced}
        after = {
            name: quantize_rows(
                self.tensors[name].dtype,
                values.reshape(-1, values.shape[-1]),
                threads=self._threads,
            )
            for name, values in replaced.items()
        }
        del file  # before it is written to
        self._write(after)
        try:
            logits = self._logits()
        finally:
            self._write(before)
        per_token = [
            divergence(reference, found, threads=self._threads)
            for reference, found in zip(self._reference, logits, strict=True)
        ]
        return math.fsum(np.concatenate(per_token).tolist()) / self.n_tokens

    def _write(self, tensors: Mapping[str, Bytes]) -> None:
        with files.opened(self._path) as stream:
            for name, data in tensors.items():
                stream.seek(self.tensors[name].offset)
                stream.write(data.data)

    def _logits(self, *, gather: bool = False) -> list[Floats]:
        """Of every window, float32 [tokens, n_vocab]."""
        file = GgufFile(self._path)
        model = Model(file, threads=self._threads, expert_memory=self._options.expert_memory)
        engine = Engine(model, gather_inputs=gather, **self._options.of_core())
        found = []
        for window in self._windows:
            engine.step([(engine.sequence(), window)], "all")
            found.append(engine.logits())
        if gather:
            self.sums = sums_of(engine)
        return found


def probing_options(file: GgufFile, threads: int, memory: int | None) -> EngineOptions:
    """How the model in a file of floats is run to be probed. Raises MemoryLimitError."""
    options = EngineOptions(
        n_ctx=WINDOW, threads=threads, kv_type="f32", prefix_cache=0, memory=memory
    )
    n_vocab = next(t for t in file.tensors if t.name == "token_embd.weight").shape[1]
    matrices = [tensor for tensor in file.tensors if len(tensor.shape) > 1]
    by_name = {tensor.name: math.prod(tensor.shape) for tensor in matrices}
    probed = max(sum(by_name[name] for name in group) for group in groups(list(by_name)))
    columns = sum(tensor.shape[0] * math.prod(tensor.shape[2:]) for tensor in matrices)
    results = (
        2 * 4 * n_vocab * WINDOW * most_windows(n_vocab)  # the reference's logits, and others'
        + _PROBED * probed
        + _COLUMN * columns
    )
    return settle(file, options, use=Use(logit_rows=WINDOW, results=results)).options


def most_windows(n_vocab: int) -> int:
    """Pieces of the text that are read."""
    return max(1, min(MAX_WINDOWS, _LOGITS_BYTES // (4 * n_vocab * WINDOW)))


def _spread(windows: Sequence[list[int]], most: int) -> list[list[int]]:
    """At most so many of the windows, from all over the text."""
    n = min(most, len(windows))
    return [windows[(2 * i + 1) * len(windows) // (2 * n)] for i in range(n)]
