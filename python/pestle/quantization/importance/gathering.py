"""Gathering an importance matrix: a text is read, and the core adds up what the weights meet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from pestle._core import Engine, GgufFile, Model
from pestle.errors import Error
from pestle.models import Progress, resolve
from pestle.progress import task
from pestle.quantization.importance.coverage import FEW_ROWS, Coverage, coverage
from pestle.quantization.importance.matrix import Importance, ImportanceMatrix
from pestle.tokenizer import Tokenizer

CHUNK_SIZE = 512
_LOGITS_BYTES = (
    256 << 20
)  # of one step; the output layer's inputs are those whose logits are wanted


@dataclass(frozen=True)
class Gathering:
    """A new importance matrix, and what of the model it covers."""

    matrix: ImportanceMatrix
    coverage: Coverage
    n_tokens: int


def gather(
    model: str | os.PathLike[str] | None = None,
    text: str | None = None,
    *,
    name: str = "pestle calibration text",
    hf: str | None = None,
    offline: bool = False,
    chunks: int = 0,
    chunk_size: int = CHUNK_SIZE,
    few_rows: int = FEW_ROWS,
    threads: int = 0,
    progress: Progress | None = None,
) -> Gathering:
    """Gather an importance matrix for a model: a file, a name, or `hf`, as for `LLM`.

    text: what is read; by default a text of Pestle's own. name: what the matrix calls it.
    chunks, chunk_size: how many pieces of how many tokens, each read on its own; 0: as many whole
    ones as the text has. few_rows: experts with fewer are told of in the coverage.

    Sums are over all tokens, before activations are quantized, and do not depend on the threads.
    The better the model's own weights, the better the matrix: use a file of 16 or 8 bits. Raises
    Error for a text that is shorter than one chunk, and what loading the model raises.
    """
    path = resolve(model, hf=hf, offline=offline, progress=progress)
    file = GgufFile(path)
    tokenizer = Tokenizer.from_gguf(file)
    text = calibration_text() if text is None else text
    tokens = tokenizer.encode(text, add_special=False)
    pieces = token_chunks(tokenizer, tokens, chunk_size, chunks)
    before = 0

    def loading(done: int, total: int) -> bool:
        nonlocal before
        advance(done - before)
        before = done
        return True

    with task(progress, f"Loading {Path(path).name}", file.size) as advance:
        weights = Model(file, threads=threads, progress=loading)
    engine = Engine(weights, n_ctx=chunk_size, threads=threads, kv_type="f32", gather_inputs=True)
    n_tokens = len(pieces) * chunk_size
    n_bytes = len(text.encode("utf-8", "surrogatepass")) * n_tokens // len(tokens)
    with task(progress, "Reading the text", n_bytes) as advance:
        for i, piece in enumerate(pieces):
            _read(engine, piece, weights.n_vocab)
            advance(n_bytes * (i + 1) // len(pieces) - n_bytes * i // len(pieces))
    matrix = ImportanceMatrix(sums_of(engine), (name,), len(pieces), chunk_size)
    shapes = {tensor.name: tuple(reversed(tensor.shape)) for tensor in file.tensors}
    return Gathering(matrix, coverage(matrix, shapes, few_rows=few_rows), n_tokens)


def calibration_text() -> str:
    """Prose, dialogue, code, data and mathematics in several languages, written for Pestle.

    About 16,000 characters. It is never used to measure what a file has lost.
    """
    return (
        files("pestle.quantization.importance")
        .joinpath("calibration.txt")
        .read_text(encoding="utf-8")
    )


def token_chunks(
    tokenizer: Tokenizer, tokens: Sequence[int], size: int, most: int = 0
) -> list[list[int]]:
    """A text's first `most` pieces of `size` tokens, or all; what is left over is not used.

    Where the model wants a text to begin with BOS, that takes the place of each piece's first
    token. Error: there is not one piece.
    """
    found = [list(tokens[i : i + size]) for i in range(0, len(tokens) - size + 1, size)]
    if not found:
        raise Error(f"the text has {len(tokens):,} tokens, fewer than one chunk of {size:,}")
    if tokenizer.add_bos and tokenizer.bos_id is not None:
        for piece in found:
            piece[0] = tokenizer.bos_id
    return found[:most] if most else found


def sums_of(engine: Engine) -> dict[str, Importance]:
    """What an engine with `gather_inputs` has read. Error: some of it was not finite."""
    found = {}
    for name, (squares, counts) in engine.input_sums().items():
        with np.errstate(over="ignore"):  # told below
            found[name] = Importance(squares.astype(np.float32), counts.astype(np.float32))
        if not np.isfinite(found[name].sums).all():
            raise Error(f"the inputs of `{name}` are not finite: the model's weights are damaged")
    return found


def _read(engine: Engine, tokens: Sequence[int], n_vocab: int) -> None:
    sequence = engine.sequence()
    rows = max(1, min(engine.chunk, _LOGITS_BYTES // (4 * n_vocab)))
    for start in range(0, len(tokens), rows):
        engine.step([(sequence, list(tokens[start : start + rows]))], "all")
