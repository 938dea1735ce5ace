"""Gathering an importance matrix: a text is read, and the core adds up what the weights meet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from pestle._core import Engine, GgufFile, Model, token_work
from pestle._core import footprint as core_footprint
from pestle.errors import Error
from pestle.footprint import Use, settle
from pestle.models import Progress, resolve
from pestle.options import EngineOptions
from pestle.progress import task
from pestle.quantization.importance.coverage import FEW_ROWS, Coverage, coverage
from pestle.quantization.importance.matrix import Importance, ImportanceMatrix
from pestle.tokenizer import Tokenizer

CHUNK_SIZE = 512
_LOGITS_BYTES = 256 << 20
_LOGITS_SHARE = 1 / 16
"""Of the memory, the most that logits take; nothing depends on how many rows a step has."""
_COLUMN_BYTES = 24
"""Of a weight's column: its sum, in the core, copied and as NumPy has it, in doubles."""


@dataclass(frozen=True)
class Gathering:
    """A new importance matrix, and what of the model it covers.

    note: one sentence, where experts were streamed without anybody having asked for it.
    """

    matrix: ImportanceMatrix
    coverage: Coverage
    n_tokens: int
    note: str | None = None


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
    memory: int | str | None = None,
    progress: Progress | None = None,
) -> Gathering:
    """Gather an importance matrix for a model: a file, a name, or `hf`, as for `LLM`.

    text: what is read; by default a text of Pestle's own. name: what the matrix calls it.
    chunks, chunk_size: how many pieces of how many tokens, each read on its own; 0: as many whole
    ones as the text has. few_rows: experts with fewer are told of in the coverage.
    memory: what the whole process may take, in bytes or as "12GiB"; None: what is free. Experts of
    a mixture that do not fit are read from the file, for every 512 tokens once.

    Sums are over all tokens, before activations are quantized, and do not depend on the threads.
    The better the model's own weights, the better the matrix: use a file of 16 or 8 bits. Raises
    Error for a text that is shorter than one chunk, MemoryLimitError, with the sum, where `memory`
    does not suffice, and what loading the model raises.
    """
    path = resolve(model, hf=hf, offline=offline, progress=progress)
    file = GgufFile(path)
    tokenizer = Tokenizer.from_gguf(file)
    text = calibration_text() if text is None else text
    tokens = tokenizer.encode(text, add_special=False)
    pieces = token_chunks(tokenizer, tokens, chunk_size, chunks)
    options = EngineOptions(
        n_ctx=chunk_size,
        threads=threads,
        kv_type="f32",
        prefix_cache=0,
        memory=memory,  # type: ignore[arg-type]  # a text becomes a number
    )
    rows = _logit_rows(file, options)
    settled = settle(file, options, use=Use(logit_rows=rows, results=_sums_bytes(file, rows)))
    if settled.spare_cache:
        file.spare_cache()
    options = settled.options
    before = 0

    def loading(done: int, total: int) -> bool:
        nonlocal before
        advance(done - before)
        before = done
        return True

    with task(progress, f"Loading {Path(path).name}", file.size) as advance:
        weights = Model(
            file, threads=threads, progress=loading, expert_memory=options.expert_memory
        )
    engine = Engine(weights, gather_inputs=True, **options.of_core())
    n_tokens = len(pieces) * chunk_size
    n_bytes = len(text.encode("utf-8", "surrogatepass")) * n_tokens // len(tokens)
    with task(progress, "Reading the text", n_bytes) as advance:
        for i, piece in enumerate(pieces):
            _read(engine, piece, rows)
            advance(n_bytes * (i + 1) // len(pieces) - n_bytes * i // len(pieces))
    matrix = ImportanceMatrix(sums_of(engine), (name,), len(pieces), chunk_size)
    shapes = {tensor.name: tuple(reversed(tensor.shape)) for tensor in file.tensors}
    covered = coverage(matrix, shapes, few_rows=few_rows)
    return Gathering(matrix, covered, n_tokens, settled.note)


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


def _read(engine: Engine, tokens: Sequence[int], most: int) -> None:
    sequence = engine.sequence()
    rows = min(engine.chunk, most)
    for start in range(0, len(tokens), rows):
        engine.step([(sequence, list(tokens[start : start + rows]))], "all")


def _logit_rows(file: GgufFile, options: EngineOptions) -> int:
    """Of a step: the output layer's inputs are those whose logits are wanted."""
    n_bytes = _LOGITS_BYTES
    if options.memory is not None:
        n_bytes = min(n_bytes, int(options.memory * _LOGITS_SHARE))
    row = core_footprint(file, n_ctx=options.n_ctx).logits
    return max(1, min(options.chunk, n_bytes // row))


def _sums_bytes(file: GgufFile, rows: int) -> int:
    """What sums take, and the inputs of `rows` tokens that are kept until they have been added."""
    products = token_work(file).products
    columns = sum(p.count * p.columns for p in products)
    widest = max(p.per_token * p.columns for p in products)
    return _COLUMN_BYTES * columns + 4 * rows * widest
