"""A model whose logits are a table: after token t it gives row t, whatever came before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pestle import _core

from tests.oracle import checkpoints, gguf_file
from tests.oracle.checkpoints import CASES, Case


def write(path: Path, table: np.ndarray) -> Path:
    """Writes the model of `table` [tokens, vocabulary], at most 64 rows and no more than columns.

    Its blocks add nothing, its embeddings are unit vectors, so that the head's columns are the
    rows of the table. They come out right to about 1e-5.
    """
    n_rows, n_vocab = table.shape
    config = CASES["llama-tied"].config | {"vocab_size": n_vocab, "tie_word_embeddings": False}
    case = Case("table", config)
    weights = checkpoints.weights(case)
    for name, values in weights.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            values[:] = 0
    dim = config["hidden_size"]
    embedding = np.zeros((n_vocab, dim), np.float32)
    embedding[np.arange(n_rows), np.arange(n_rows)] = np.sqrt(dim)  # of mean square 1
    head = np.zeros((n_vocab, dim), np.float32)
    head[:, :n_rows] = table.T / np.sqrt(dim)
    weights["model.embed_tokens.weight"] = embedding
    weights["model.norm.weight"] = np.ones(dim, np.float32)
    weights["lm_head.weight"] = head
    return gguf_file.write(path, case, weights)


def engine(path: Path, n_rows: int) -> _core.Engine:
    """An engine whose last logits are the first `n_rows` rows of the table."""
    run = _core.Engine(_core.Model(path, threads=1), threads=1)
    run.step([(run.sequence(), list(range(n_rows)))], logits="all")
    return run
