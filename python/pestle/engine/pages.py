"""The pages of a sequence, for whoever keeps them elsewhere."""

from __future__ import annotations

from pestle._core import KV_PAGE_TOKENS
from pestle.engine.sequence import KvSequence


class HeldPages:
    """What going on with a text needs: all of its pages, of a group with a window the last.

    `earlier` has the text's beginning: what going on from its `resume`th token needs is there too.
    """

    def __init__(self, kv: KvSequence, earlier: KvSequence | None = None, resume: int = 0) -> None:
        self.tokens = kv.tokens
        self.sizes: dict[tuple[int, int], int] = {}
        """By group and index the tokens that a page holds, in this order."""
        self._sources: dict[tuple[int, int], KvSequence] = {}
        self._add(kv, kv.first_pages(kv.n_tokens))
        if earlier is not None:
            self._add(earlier, kv.first_pages(resume))
        self.sizes = dict(sorted(self.sizes.items()))

    def read(self, key: tuple[int, int]) -> bytes:
        """The page's keys and values."""
        page = self._sources[key].page(*key)
        assert page is not None, "only pages that are held were listed"
        return page

    def _add(self, kv: KvSequence, first: list[int]) -> None:
        n = kv.n_tokens
        for group, start in enumerate(first):
            for index in range(start, -(-n // KV_PAGE_TOKENS)):
                if (group, index) not in self._sources:
                    self._sources[group, index] = kv
                    self.sizes[group, index] = min(n - index * KV_PAGE_TOKENS, KV_PAGE_TOKENS)
