"""Logits over windows of tokens, in two ways that give the same bits.

A model that fits into memory is loaded and run as always. One that does not is run part by part
over all windows: the embedding, then layer after layer, then the output; only one part is in memory
at a time, and what it made of every token. No logit depends on how a text is split into passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from pestle._core import Engine, Model, PartRunner
from pestle.progress import Progress, task
from pestle.quality.divergence import Logits, Tokens
from pestle.quality.windows import Window

KV_TYPE = "f32"
"""Keys and values are kept exactly: the figures are those of the weights."""

ModelPart = str | int
"""\"embedding\", the number of a layer, or \"output\"."""


class LayerwiseModel(Protocol):
    """A model whose parts can be loaded one by one."""

    def part(self, part: ModelPart, threads: int) -> AbstractContextManager[Model]:
        """That part alone, of all that the model has; let go of it where the block ends."""


class LogitSource(Protocol):
    """The logits of some windows, which are asked for in their order."""

    @property
    def n_vocab(self) -> int: ...

    def logits(self, window: int, start: int, stop: int) -> Logits:
        """After the tokens [start, stop) of a window: float32 [stop - start, n_vocab]."""


class WholeModel:
    """A model that is in memory as a whole."""

    def __init__(self, model: Model, windows: Sequence[Window], threads: int) -> None:
        self.n_vocab = model.n_vocab
        self._windows = windows
        self._engine = Engine(
            model,
            n_ctx=max(len(window.tokens) for window in windows),
            threads=threads,
            kv_type=KV_TYPE,
        )
        self._sequence = self._engine.sequence()

    def logits(self, window: int, start: int, stop: int) -> Logits:
        """See LogitSource."""
        if start == 0:
            self._sequence = self._engine.sequence()
        tokens = self._windows[window].tokens[start:stop].tolist()
        self._engine.step([(self._sequence, tokens)], "all")
        return self._engine.logits()


class StreamedModel:
    """A model whose output is in memory, and what its last layer made of every token."""

    def __init__(self, output: Model, hidden: Sequence[Logits], threads: int) -> None:
        """`hidden`: of each window, float32 [tokens, dim]."""
        self.n_vocab = output.n_vocab
        self._output = PartRunner(output, threads=threads, kv_type=KV_TYPE)
        self._hidden = hidden

    def logits(self, window: int, start: int, stop: int) -> Logits:
        """See LogitSource."""
        return self._output.logits(self._hidden[window][start:stop])


def through_layers(
    parts: LayerwiseModel,
    name: str,
    windows: Sequence[Window],
    threads: int,
    progress: Progress | None,
) -> list[Logits]:
    """What the last layer of a model makes of every token: of each window float32 [tokens, dim].

    `progress` hears of tokens that went through a layer.
    """
    n_tokens = sum(len(window.tokens) for window in windows)
    with parts.part("embedding", threads) as model:
        runner = PartRunner(model, threads=threads, kv_type=KV_TYPE)
        hidden = [runner.embed(window.tokens) for window in windows]
        n_layers = model.n_layers
    del model, runner  # they hold the weights
    with task(progress, f"Running {name} layer by layer", n_tokens * n_layers) as advance:
        for layer in range(n_layers):
            with parts.part(layer, threads) as model:
                runner = PartRunner(model, threads=threads, kv_type=KV_TYPE)
                for rows in hidden:
                    runner.layer(rows)
                    advance(len(rows))
            del model, runner
    return hidden


def pieces(n_tokens: int, n_vocab: int) -> list[tuple[int, int]]:
    """The positions of a window in ranges whose logits take some 64 MB at most."""
    step = longest_piece(n_vocab)
    return [(start, min(start + step, n_tokens)) for start in range(0, n_tokens, step)]


def longest_piece(n_vocab: int) -> int:
    """Positions whose logits are worked on at once."""
    return max(1, min(512, (64 << 20) // (4 * n_vocab)))


def following(window: Window, start: int, stop: int) -> Tokens:
    """The tokens behind the positions [start, stop)."""
    return window.tokens[start + 1 : stop + 1]
