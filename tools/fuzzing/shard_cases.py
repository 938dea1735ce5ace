"""Models in several files, one of which, or the way they belong together, is wrong."""

from __future__ import annotations

from pathlib import Path
from random import Random

from fuzzing import bundle, chance, gguf_cases
from fuzzing.gguf_bytes import STRING, U16
from fuzzing.gguf_document import Document, Entry
from fuzzing.gguf_mutations import mutate
from fuzzing.kinds import Kind
from fuzzing.running import read_everything, run_model

NAME = "model-{:05}-of-{:05}.gguf"


def split(whole: Document, n: int, rng: Random) -> list[Document]:
    """A model in `n` files, whose data is cut anywhere."""
    cuts = sorted(rng.randrange(len(whole.parts) + 1) for _ in range(n - 1))
    bounds = [0, *cuts, len(whole.parts)]
    shards = []
    for i in range(n):
        keys = [
            Entry("split.no", U16, i),
            Entry("split.count", U16, n),
            Entry("split.tensors.count", 5, len(whole.parts)),
        ]
        entries = whole.entries if i == 0 else [Entry("general.architecture", STRING, "llama")]
        parts = whole.parts[bounds[i] : bounds[i + 1]]
        shards.append(Document([*entries, *keys], parts, extra=whole.extra))
    return shards


def make(rng: Random) -> bytes:
    n = rng.choice([2, 2, 3])
    shards = split(gguf_cases.base(rng), n, rng)
    for _ in range(rng.choice([0, 1, 1, 2])):
        mutate(rng.choice(shards), rng)
    for shard in shards:  # the keys of the split more often than others
        if rng.random() < 0.3:
            at = len(shard.entries) - 1 - rng.randrange(min(3, len(shard.entries)))
            shard.entries[at] = Entry(shard.entries[at].key, U16, chance.number(rng))
    files = {NAME.format(i + 1, n): shard.to_bytes() for i, shard in enumerate(shards)}
    if rng.random() < 0.15:
        del files[rng.choice(list(files))]
    if rng.random() < 0.1 and files:
        a, b = rng.choice(list(files)), rng.choice(list(files))
        files[a], files[b] = files[b], files[a]
    return bundle.bundled(files)


def run(case: bytes, folder: Path, rng: Random) -> None:
    files = bundle.write(case, folder)
    if not files:
        return
    path = folder / next(iter(files))
    read_everything(path)
    run_model(path, rng)


KIND = Kind(make, run)
