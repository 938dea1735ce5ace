"""What a process takes that runs a model: by the core's own layouts, and what Python adds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pestle import _core
from pestle.options import EngineOptions

if TYPE_CHECKING:
    from pestle._core import GgufFile

PROGRAM = 60 << 20
"""Python, its libraries and Pestle's: 47 MB resident on Linux with everything that `pestle run`
imports; and what buffers are rounded up to, as the system gives whole huge pages."""
_TOKEN, _MERGE, _TEXT = 310, 430, 2 << 20
"""Bytes that a tokenizer takes for each token and each merge, and besides."""
_MERGE_MAKING = 240
"""Bytes more a merge while it is made. Measured with vocabularies of 32,000 to 262,144 tokens."""


LOGIT_ROWS = 33
"""Rows of a pass that have logits: a token and the most that are drafted behind it."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """What a model is loaded for, as far as that takes memory; by default, for answers.

    logit_rows  rows of a pass that have logits, of each of which somebody takes a copy
    results     bytes of what is made of them, or beside them
    """

    logit_rows: int = LOGIT_ROWS
    results: int = 0


ANSWERS = Use()


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Bytes that a process with one model takes at most.

    program       Python and its libraries
    text          the file's header and the tokenizer: what stays of it; or more, where its making
                  takes more than everything that comes after it
    weights       the weights that every token reads, and the embedding
    experts       the weights of a mixture's experts, as many as are in memory
    kv            keys and values: of one text that fills the context, or all that the options
                  allow; and what is allocated beyond that at most
    prefix_cache  keys and values that are kept beyond those
    workspace     what a forward pass works with
    logits        of the rows of one pass, and what choosing from them takes
    results       what the use of the model adds, as the sums of an importance matrix
    n_ctx         tokens that `kv` is of
    kv_slack      of `kv`, what is beyond the limit on keys and values
    pass_memory   of `workspace`, the limit on what a pass works with
    """

    program: int
    text: int
    weights: int
    experts: int
    kv: int
    prefix_cache: int
    workspace: int
    logits: int
    n_ctx: int
    kv_slack: int
    pass_memory: int
    results: int = 0

    @property
    def total(self) -> int:
        """The sum of all items."""
        return sum(n_bytes for _, n_bytes in self.items())

    def items(self) -> Iterator[tuple[str, int]]:
        """Each item's name and bytes, in the order above."""
        for name in _ITEMS:
            yield name, getattr(self, name)


_ITEMS = (
    "program", "text", "weights", "experts", "kv", "prefix_cache", "workspace", "logits", "results",
)  # fmt: skip


def footprint(file: GgufFile, options: EngineOptions, use: Use = ANSWERS) -> Footprint:
    """What `LLM` with these options takes, all of the model resident, or whoever has another use.

    Only the header is read. The core's items are those of its own layouts, to the byte; `program`
    and `text` are measured bounds. Raises as loading does: FormatError, UnsupportedError.
    """
    of_core = _core.footprint(
        file,
        n_ctx=options.n_ctx,
        threads=options.threads,
        threads_prefill=options.threads_prefill,
        kv_type=options.kv_type,
        chunk=options.chunk,
        rope=options.rope(),
    )
    kv = (options.kv_memory or of_core.kv_pages) + of_core.kv_slack
    logits = 2 * use.logit_rows * of_core.logits
    later = kv + of_core.workspace + logits + use.results
    return Footprint(
        program=PROGRAM,
        text=_text(of_core.n_tokens, of_core.n_merges, later),
        weights=of_core.weights,
        experts=of_core.experts,
        kv=kv,
        prefix_cache=options.prefix_cache,
        workspace=of_core.workspace,
        logits=logits,
        n_ctx=of_core.n_ctx,
        kv_slack=of_core.kv_slack,
        pass_memory=of_core.pass_memory,
        results=use.results,
    )


def _text(n_tokens: int, n_merges: int, later: int) -> int:
    """Of a tokenizer, what it adds to the most that the process holds: what `later` takes is not
    there yet while it is made.
    """
    stays = _TEXT + _TOKEN * n_tokens + _MERGE * n_merges
    return max(stays, stays + _MERGE_MAKING * n_merges - later)
