"""What two implementations of one model are compared by, computed alike for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

PIECE = 256
"""Tokens whose logits are held at once."""


class Peer(Protocol):
    """An implementation with one sequence of tokens."""

    def clear(self) -> None:
        """Forgets all tokens."""

    def feed(self, tokens: Sequence[int], *, all_logits: bool = False) -> Logits:
        """Appends tokens; logits of the last (n_vocab) or of all of them (tokens, n_vocab)."""


def log_softmax(logits: Logits) -> Scores:
    """Natural logarithms of the probabilities, along the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    result: Scores = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def token_losses(peer: Peer, tokens: Sequence[int]) -> Scores:
    """-log p of every token but the first, each after all those before it."""
    peer.clear()
    losses = []
    for start in range(0, len(tokens) - 1, PIECE):
        piece = list(tokens[start : start + PIECE])
        scores = log_softmax(peer.feed(piece, all_logits=True))
        following = list(tokens[start + 1 : start + 1 + len(piece)])
        losses.append(-scores[np.arange(len(following)), following])
    return np.concatenate(losses)


def perplexity(peer: Peer, tokens: Sequence[int]) -> float:
    """Of a text as one context."""
    return float(np.exp(token_losses(peer, tokens).mean()))


def perplexity_in_windows(
    peer: Peer, tokens: Sequence[int], n_ctx: int = 512, bos: int | None = None
) -> float:
    """As llama.cpp's perplexity tool: windows of n_ctx, of each only the second half counts.

    `bos`, for a model that wants it, takes the place of each window's first token.
    """
    losses = []
    for start in range(0, len(tokens) - n_ctx + 1, n_ctx):
        window = list(tokens[start : start + n_ctx])
        if bos is not None:
            window[0] = bos
        losses.append(token_losses(peer, window)[n_ctx // 2 :])
    return float(np.exp(np.concatenate(losses).mean()))


def greedy(peer: Peer, prompt: Sequence[int], n: int) -> tuple[list[int], list[float]]:
    """The n most likely tokens after a prompt, and how far each led the second, in nats.

    Goes on past the end of a turn.
    """
    peer.clear()
    logits = peer.feed(prompt)
    tokens: list[int] = []
    leads: list[float] = []
    for _ in range(n):
        second, best = np.argpartition(logits, -2)[-2:]
        tokens.append(int(logits.argmax()))
        leads.append(float(logits[best] - logits[second]))
        logits = peer.feed(tokens[-1:])
    return tokens, leads


def same_until(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two answers begin with in common."""
    pairs = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))
