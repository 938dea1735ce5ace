"""Mixtures whose experts are streamed, from files that are wrong or change meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from pestle._core import Engine, GgufFile, Model, Sequence, expert_layout
from pestle.errors import Error
from pestle.types import QUANTIZABLE, TYPES

from fuzzing import bundle, tiny_models
from fuzzing.gguf_document import Document
from fuzzing.gguf_mutations import mutate
from fuzzing.kinds import Kind
from fuzzing.shard_cases import NAME, split

Files = dict[str, bytes]
"""By name, as they were."""

_ARCHITECTURES = ("qwen3moe", "gpt-oss", "deepseek2", "deepseek2-lite")
_TYPES = tuple(kind for kind in QUANTIZABLE if TYPES[kind].block_elems <= 32)
_STEPS = (1, 1, 2, 7, 40)
"""Tokens of a pass."""


def _of_experts(whole: Document) -> tuple[Document, Document]:
    """The tensors of experts, and all others."""
    is_expert = ["_exps" in str(part.name) for part in whole.parts]
    parts = [
        [part for part, own in zip(whole.parts, is_expert, strict=True) if own == wanted]
        for wanted in (True, False)
    ]
    return (Document(whole.entries, parts[0], extra=whole.extra),
            Document(whole.entries, parts[1], extra=whole.extra))  # fmt: skip


def make(rng: Random) -> bytes:
    found = tiny_models.model(rng.choice(_ARCHITECTURES), rng.choice(_TYPES)).copy()
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        experts, others = _of_experts(found)
        mutate(experts, rng)
        found = Document(experts.entries, [*others.parts, *experts.parts], extra=found.extra)
    if rng.random() < 0.3:
        mutate(found, rng)
    n = rng.choice([1, 1, 2])
    shards = [found] if n == 1 else split(found, n, rng)
    return bundle.bundled({NAME.format(i + 1, n): s.to_bytes() for i, s in enumerate(shards)})


def run(case: bytes, folder: Path, rng: Random) -> None:
    files = bundle.write(case, folder)
    if not files:
        return
    # What is raised refers to the frames that it came through: here to no model and its threads.
    refused = _streamed(folder, files, rng)
    if refused is not None:
        raise refused


def _streamed(folder: Path, files: Files, rng: Random) -> Error | None:
    """Read texts while the file changes; the last refusal of a step."""
    path = folder / next(iter(files))
    file = GgufFile(path)
    layout = expert_layout(file)
    if layout.n_experts == 0:  # which Model answers with a ValueError
        return None
    slots = rng.choice([layout.min_slots, layout.cycle, layout.n_experts])
    budget = layout.bytes(slots) + rng.choice([0, 0, 0, 0, 1, -1, layout.slot_bytes - 1])
    model = Model(file, threads=1, expert_memory=max(1, budget))
    assert 0 < model.expert_memory <= budget
    engine = Engine(model, n_ctx=256, threads=1, chunk=rng.choice([1, 16, 512]))
    sequence, tokens = engine.sequence(), list[int]()
    changed, refused = False, None
    for _ in range(6):
        if rng.random() < 0.3:
            rng.choice(_CHANGES)(folder / rng.choice(list(files)), files, rng)
            changed = True
        some = [rng.randrange(model.n_vocab) for _ in range(rng.choice(_STEPS))]
        try:
            engine.step([(sequence, some)])
        except Error as error:
            refused = error.with_traceback(None)
            _check_kept(sequence, tokens, engine.chunk)
            tokens = list(sequence.tokens)
        else:
            tokens += some
            assert sequence.n_tokens == len(tokens)
    if not changed and refused is None:
        _compare(path, engine, tokens)
    return refused


def _check_kept(sequence: Sequence, tokens: list[int], chunk: int) -> None:
    """A step that failed has left what the passes before the failing one computed."""
    more = sequence.n_tokens - len(tokens)
    assert sequence.tokens[: len(tokens)] == tokens
    assert more >= 0
    assert more % chunk == 0


def _compare(path: Path, streamed: Engine, tokens: list[int]) -> None:
    """Logits as those of the model in memory, to the bit."""
    engine = Engine(Model(path, threads=1), n_ctx=256, threads=1)
    engine.step([(engine.sequence(), tokens)])
    a, b = engine.logits(), streamed.logits()
    unequal = a.view(np.uint32) != b.view(np.uint32)
    assert not (unequal & ~(np.isnan(a) & np.isnan(b))).any(), "streaming changes logits"


def _cut(path: Path, files: Files, rng: Random) -> None:
    if path.exists():
        os.truncate(path, rng.randrange(path.stat().st_size + 1))


def _written(path: Path, files: Files, rng: Random) -> None:
    if not path.exists():
        return
    with path.open("r+b") as stream:
        stream.seek(rng.randrange(path.stat().st_size + 1))
        stream.write(rng.randbytes(rng.choice([1, 100, 5000])))


def _gone(path: Path, files: Files, rng: Random) -> None:
    path.unlink(missing_ok=True)


def _replaced(path: Path, files: Files, rng: Random) -> None:
    other = path.with_name("other")
    other.write_bytes(rng.randbytes(rng.choice([0, 10, 10_000])))
    other.replace(path)


def _whole_again(path: Path, files: Files, rng: Random) -> None:
    path.write_bytes(files[path.name])


_CHANGES: tuple[Callable[[Path, Files, Random], None], ...] = (
    _cut, _written, _gone, _replaced, _whole_again,
)  # fmt: skip

KIND = Kind(make, run)
