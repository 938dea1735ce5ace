"""Computes the expected log probabilities of the default model's weights with `transformers`.

Usage: python tools/make_real_oracle.py MODEL.gguf      (needs torch, transformers, accelerate)

Writes tests/data/oracle/smollm2.npz, from the first 512 tokens of article.txt: their ids; of every
position the best token and the log probability of the next one; of every fourth the best 20.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scores import log_softmax
from transformers_peer import Transformers

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "data" / "oracle"
N_TOKENS = 512
STRIDE = 4
N_BEST = 20


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    peer = Transformers(Path(sys.argv[1]))
    text = (FOLDER / "article.txt").read_text(encoding="utf-8")
    tokens = peer.tokenizer(text).input_ids[:N_TOKENS]
    if len(tokens) < N_TOKENS:
        sys.exit(f"article.txt has only {len(tokens)} tokens")
    scores = log_softmax(peer.feed(tokens, all_logits=True))
    some = scores[::STRIDE]
    best = np.argsort(-some, axis=-1, kind="stable")[:, :N_BEST]
    np.savez_compressed(
        FOLDER / "smollm2.npz",
        tokens=np.array(tokens, np.uint16),
        top1=scores.argmax(axis=-1).astype(np.uint16),
        next=scores[np.arange(N_TOKENS - 1), tokens[1:]].astype(np.float32),
        best=best.astype(np.uint16),
        best_scores=np.take_along_axis(some, best, axis=-1).astype(np.float32),
    )


if __name__ == "__main__":
    main()
