"""Computes the expected log probabilities of the default model's weights with `transformers`.

Usage: python tools/make_real_oracle.py MODEL.gguf      (needs torch, transformers, accelerate)

Writes tests/data/oracle/smollm2.npz, from the first 512 tokens of article.txt: their ids; of every
position the best token and the log probability of the next one; of every fourth the best 20. And
of some questions, in the model's chat template, the 64 most likely tokens in turn.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from scores import greedy, log_softmax
from transformers_peer import Transformers

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "data" / "oracle"
N_TOKENS = 512
STRIDE = 4
N_BEST = 20
QUESTIONS = (
    "What is the capital of France?",
    "Count from 1 to 20.",
    "What are the months of the year, in order?",
)
N_GREEDY = 64
SMALLEST_LEAD = 0.03
"""Of the best greedy token over the second, in nats: what rounding cannot turn round."""


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
    chats: dict[str, Any] = {}  # numpy's own stub takes a typed ** for its allow_pickle
    for i, question in enumerate(QUESTIONS):
        prompt = peer.tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, return_dict=False
        )
        answer, leads = greedy(peer, prompt, N_GREEDY)
        if min(leads) < SMALLEST_LEAD:
            sys.exit(f"{question!r}: a token of its answer leads by only {min(leads):.3f} nats")
        chats[f"question{i}"] = np.array(prompt, np.uint16)
        chats[f"answer{i}"] = np.array(answer, np.uint16)
    np.savez_compressed(
        FOLDER / "smollm2.npz",
        tokens=np.array(tokens, np.uint16),
        top1=scores.argmax(axis=-1).astype(np.uint16),
        next=scores[np.arange(N_TOKENS - 1), tokens[1:]].astype(np.float32),
        best=best.astype(np.uint16),
        best_scores=np.take_along_axis(some, best, axis=-1).astype(np.float32),
        **chats,
    )


if __name__ == "__main__":
    main()
