"""A loaded model in use: its scheduler, its sequences, and what a generation is made of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from pestle._core import KV_PAGE_TOKENS
from pestle.engine.loaded import Loaded
from pestle.engine.pace import Pace
from pestle.engine.pages import HeldPages
from pestle.engine.scheduler import Scheduler
from pestle.engine.sequence import HeldSequence, KvSequence, closed
from pestle.engine.speculation import Speculation
from pestle.engine.step_costs import StepCosts
from pestle.options import Request


class Runtime:
    """A loaded model until it is closed.

    Sequences belong to the scheduler's thread: what is asked of one here is answered between two
    passes. Everything here raises Error once the model is closed.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.scheduler = Scheduler(
            loaded.engine, Pace(streams=loaded.streams), gives_up=loaded.streams
        )
        self._loaded: Loaded | None = loaded
        self._held: WeakSet[HeldSequence] = WeakSet()
        self._holding = threading.Lock()  # over the set
        self._costs = StepCosts(streams=loaded.streams)

    @property
    def loaded(self) -> Loaded:
        """The model."""
        if self._loaded is None:
            raise closed()
        return self._loaded

    @property
    def closed(self) -> bool:
        """Whether the model was let go."""
        return self._loaded is None

    def close(self) -> None:
        """Let go of the model and of all its sequences, once the pass in progress has ended."""
        self._loaded = None
        try:
            self.scheduler.close(closed)
        finally:
            with self._holding:
                for sequence in self._held:
                    sequence.drop()
                self._held.clear()

    def new_sequence(self, *, remembered: bool = True, lasting: bool = True) -> HeldSequence:
        """An empty sequence. What is read with it is found again by others if `remembered`.

        `lasting`: see `HeldSequence`.
        """
        kv = self.loaded.engine.sequence(remembered)
        return self._hold(HeldSequence(kv, remembered=remembered, lasting=lasting))

    def retire(self, sequence: HeldSequence) -> None:
        """Have what `sequence` holds kept as other texts are, and the rest freed. Never waits."""
        self.scheduler.later(lambda: sequence.let_go(self.loaded.engine))

    def fork(self, sequence: HeldSequence) -> HeldSequence:
        """A sequence of the same tokens, which shares their memory."""
        return self._hold(self.scheduler.call(sequence.fork))

    def tokens(self, sequence: HeldSequence) -> list[int]:
        """The tokens whose keys and values `sequence` holds."""
        return self.scheduler.call(lambda: sequence.kv.tokens)

    def n_tokens(self, sequence: HeldSequence) -> int:
        """How many tokens `sequence` holds."""
        return self.scheduler.call(lambda: sequence.kv.n_tokens)

    def reset(self, sequence: HeldSequence) -> None:
        """Make `sequence` empty, and forget what only it began with."""

        def reset() -> None:
            self.loaded.engine.forget(sequence.kv)
            sequence.clear()

        self.scheduler.call(reset)

    def pages_of(self, sequence: HeldSequence, resume: int) -> HeldPages:
        """The pages that going on with `sequence` needs, and with its first `resume` tokens.

        The latter only where they are kept; while the sequence goes on they stay what they are.
        """

        def pages() -> HeldPages:
            kv = sequence.kv
            tokens = kv.tokens
            # Whole pages: what stands behind `resume` in the last one has to be of this text.
            end = min(-(-resume // KV_PAGE_TOKENS) * KV_PAGE_TOKENS, len(tokens))
            _, reusable, _ = self.loaded.engine.find(tokens[:end])
            earlier = self.loaded.engine.recall(tokens, end) if reusable == end else None
            return HeldPages(kv.fork(len(tokens)), earlier, resume)

        return self.scheduler.call(pages)

    def kept(self, tokens: list[int]) -> HeldSequence | None:
        """A sequence of what is kept of a text, as far as one could go on from; None: nothing."""

        def recall() -> KvSequence | None:
            engine = self.loaded.engine
            _, reusable, _ = engine.find(tokens)
            return engine.recall(tokens, reusable) if reusable else None

        kv = self.scheduler.call(recall)
        return None if kv is None else self._hold(HeldSequence(kv))

    @property
    def page_sizes(self) -> list[int]:
        """Bytes of a page, of each group of layers."""
        return [size for _, size in self.loaded.engine.kv_groups]

    def restore(self, tokens: list[int], read: Callable[[int, int], bytes | None]) -> HeldSequence:
        """A sequence of pages that are kept elsewhere; raises as `_core.Engine.restore` does."""
        engine = self.loaded.engine
        kv = engine.restore(tokens, read)
        self.scheduler.call(lambda: engine.keep(kv))
        return self._hold(HeldSequence(kv))

    def new_sampler(self, request: Request) -> Any:
        """A `_core.Sampler` for one generation."""
        s = request.sampling
        return self.loaded.sampler(
            temperature=s.temperature,
            top_k=s.top_k,
            top_p=s.top_p,
            min_p=s.min_p,
            repeat_penalty=s.repeat_penalty,
            repeat_last_n=s.repeat_last_n,
            frequency_penalty=s.frequency_penalty,
            presence_penalty=s.presence_penalty,
            seed=request.seed,
            logit_bias={**request.logit_bias, **self.loaded.never_chosen()} or None,
        )

    def new_speculation(self, request: Request) -> Speculation | None:
        """The drafts for one generation; None if it shall have none."""
        drafter = self.loaded.drafter
        if drafter is None or not request.speculation:
            return None
        return Speculation(drafter(), self._costs, self.loaded.tokenizer.eog_ids)

    def _hold(self, sequence: HeldSequence) -> HeldSequence:
        with self._holding:
            if self.closed:
                raise closed()
            self._held.add(sequence)
        return sequence
