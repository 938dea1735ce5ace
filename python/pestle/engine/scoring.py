"""What a model thinks of a text that is there already: the log probability of each token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pestle.engine.runtime import Runtime
from pestle.engine.sequence import HeldSequence
from pestle.results import ScoredToken, TokenLogprob

_LOGITS_BYTES = 64 << 20  # how much of the logits there is at once


def rows_at_once(runtime: Runtime) -> int:
    """How many tokens' logits fit into the memory that may be taken for them."""
    engine, n_vocab = runtime.loaded.engine, runtime.loaded.n_vocab
    return min(engine.chunk, max(1, _LOGITS_BYTES // (4 * n_vocab)))


def scores(
    runtime: Runtime, sequence: HeldSequence, tokens: Sequence[int], start: int, top: int
) -> Iterator[ScoredToken]:
    """The scores of `tokens[start:]`, each after all tokens before it; `start` is at least 1.

    What `sequence` holds of the text's beginning is not computed again. The numbers do not depend
    on that, nor on how many are computed at once.
    """
    begin = runtime.reuse(sequence, list(tokens[:start])).reused
    chunk = runtime.loaded.engine.chunk
    for at in range(begin, start - 1, chunk):
        runtime.read(sequence, list(tokens[at : min(at + chunk, start - 1)]))
    size = rows_at_once(runtime)
    for at in range(start - 1, len(tokens) - 1, size):
        end = min(at + size, len(tokens) - 1)
        targets = list(tokens[at + 1 : end + 1])
        scored = runtime.score(sequence, list(tokens[at:end]), targets, top)
        for token, each in zip(targets, scored, strict=True):
            alternatives = tuple(
                TokenLogprob(other, runtime.loaded.token_bytes(other), logprob)
                for other, logprob in each.top
            )
            piece = runtime.loaded.token_bytes(token)
            yield ScoredToken(token, piece, each.logprob, each.greedy, alternatives)
