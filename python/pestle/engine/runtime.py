"""What generation needs of the core: one forward pass of a loaded model at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING
from weakref import WeakSet

from pestle._core import KV_PAGE_TOKENS
from pestle.engine.loaded import Loaded, Sampled, Scored, TokenSampler
from pestle.engine.masks import Masks
from pestle.engine.pages import HeldPages
from pestle.engine.sequence import HeldSequence, closed
from pestle.engine.speculation import Speculation
from pestle.engine.step_costs import StepCosts
from pestle.engine.turns import Turns
from pestle.errors import Error
from pestle.options import Request, Sampling
from pestle.results import Reuse

if TYPE_CHECKING:
    from numpy import float32, uint32
    from numpy.typing import NDArray

_FIRST_PIECE = 128  # tokens: enough for the prefill kernels to run near their full speed
_PIECE_SECONDS = 0.5  # how long Ctrl-C may have to wait
_CERTAIN = 1e30  # added to a logit: above any other
_PAGE = 64  # tokens; the least that is fed at once


class Runtime:
    """A loaded model until it is closed.

    The engine works on one step at a time, so every use of it and of its sequences takes a lock.
    Several sequences may be in progress, in several threads: they get it in turns. Everything here
    raises Error once the model is closed.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._loaded: Loaded | None = loaded
        self._held: WeakSet[HeldSequence] = WeakSet()
        self._lock = Turns()
        self._costs = StepCosts()

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
        """Let go of the model and of all its sequences, once the step in progress has ended."""
        self._loaded = None  # before the lock: whoever is ahead in its queue takes no step either
        with self._lock:
            for sequence in self._held:
                sequence.drop()
            self._held.clear()

    def new_sequence(self, *, remembered: bool = True) -> HeldSequence:
        """An empty sequence. What is read with it is found again by others if `remembered`."""
        with self._lock:
            return self._hold(HeldSequence(self.loaded.engine.sequence(remembered)))

    def fork(self, sequence: HeldSequence) -> HeldSequence:
        """A sequence of the same tokens, which shares their memory."""
        with self._lock:
            return self._hold(sequence.fork())

    def tokens(self, sequence: HeldSequence) -> list[int]:
        """The tokens whose keys and values `sequence` holds."""
        with self._lock:
            return sequence.kv.tokens

    def n_tokens(self, sequence: HeldSequence) -> int:
        """How many tokens `sequence` holds."""
        with self._lock:
            return sequence.kv.n_tokens

    def reset(self, sequence: HeldSequence) -> None:
        """Make `sequence` empty, and forget what only it began with."""
        with self._lock:
            self.loaded.engine.forget(sequence.kv)
            sequence.clear()

    def keep(self, sequence: HeldSequence) -> None:
        """Keep what `sequence` holds for others that begin as it does, as long as there is room."""
        with self._lock:
            if not self.closed:
                self.loaded.engine.keep(sequence.kv)

    def pages_of(self, sequence: HeldSequence, resume: int) -> HeldPages:
        """The pages that going on with `sequence` needs, and with its first `resume` tokens.

        The latter only where they are kept; while the sequence goes on they stay what they are.
        """
        with self._lock:
            kv = sequence.kv
            tokens = kv.tokens
            # Whole pages: what stands behind `resume` in the last one has to be of this text.
            end = min(-(-resume // KV_PAGE_TOKENS) * KV_PAGE_TOKENS, len(tokens))
            _, reusable, _ = self.loaded.engine.find(tokens[:end])
            earlier = self.loaded.engine.recall(tokens, end) if reusable == end else None
            return HeldPages(kv.fork(len(tokens)), earlier, resume)

    @property
    def page_sizes(self) -> list[int]:
        """Bytes of a page, of each group of layers."""
        return [size for _, size in self.loaded.engine.kv_groups]

    def restore(self, tokens: list[int], read: Callable[[int, int], bytes | None]) -> HeldSequence:
        """A sequence of pages that are kept elsewhere; raises as `_core.Engine.restore` does."""
        kv = self.loaded.engine.restore(tokens, read)
        with self._lock:
            self.loaded.engine.keep(kv)
            return self._hold(HeldSequence(kv))

    def _hold(self, sequence: HeldSequence) -> HeldSequence:
        self._held.add(sequence)
        return sequence

    def new_sampler(self, request: Request) -> TokenSampler:
        """A sampler for one generation."""
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

    def forcing_sampler(self, token: int) -> TokenSampler:
        """A sampler that chooses `token`, and tells what the model thought of it."""
        request = Request(Sampling(temperature=0.0), seed=0, logit_bias={token: _CERTAIN})
        return self.new_sampler(request)

    def new_speculation(self, request: Request) -> Speculation | None:
        """The drafts for one generation; None if it shall have none."""
        drafter = self.loaded.drafter
        if drafter is None or not request.speculation:
            return None
        return Speculation(drafter(), self._costs, self.loaded.tokenizer.eog_ids)

    def reuse(self, sequence: HeldSequence, prompt: list[int]) -> Reuse:
        """Have `sequence` hold as much of the beginning of `prompt` as is still there."""
        with self._lock:
            return sequence.rewind(self.loaded.engine, prompt)

    def read(self, sequence: HeldSequence, tokens: list[int]) -> None:
        """Extend `sequence` by `tokens`; nothing is chosen after them."""
        with self._lock:
            self.loaded.engine.step([(sequence.kv, tokens)], "none")

    def read_and_choose(
        self,
        sequence: HeldSequence,
        tokens: list[int],
        sampler: TokenSampler,
        history: list[int],
        top: int,
        masks: Masks | None = None,
    ) -> Sampled:
        """Extend `sequence` by `tokens`, the end of a prompt, and choose the one after them.

        `history` is the whole prompt; `top` alternatives are reported. Others that begin as this
        prompt does find it from now on.
        """
        with self._lock:
            self.loaded.engine.step([(sequence.kv, tokens)], "last")
            sequence.kv.mark()
            self.loaded.engine.keep(sequence.kv)
            mask = None if masks is None else masks()[0]
            return sampler.sample(self.loaded.engine, 0, history, top, mask)

    def verify(
        self,
        sequence: HeldSequence,
        draft: list[int],
        sampler: TokenSampler,
        history: list[int],
        top: int,
        masks: Masks | None = None,
    ) -> tuple[list[Sampled], float]:
        """Extend `sequence` by the last token of `history` and by what is right of `draft`.

        Returns what is chosen after each of these, in one forward pass, and the pass's seconds.
        The tokens, the state of the sequence and the errors are those of choosing one by one.
        `masks` are waited for once the pass is done.
        """
        with self._lock:
            kv = sequence.kv
            held = kv.n_tokens
            began = time.perf_counter()
            rows = [history[-1], *draft]
            self.loaded.engine.step([(kv, rows)], "all" if draft else "last")
            seconds = time.perf_counter() - began
            of_rows = None if masks is None else masks()
            chosen = list(self._chosen(draft, sampler, history, top, of_rows))
            if draft:
                kv.truncate(held + len(chosen))
            return chosen, seconds

    def _chosen(
        self,
        draft: list[int],
        sampler: TokenSampler,
        history: list[int],
        top: int,
        masks: list[NDArray[uint32]] | None,
    ) -> Iterator[Sampled]:
        """What is chosen from each row of the last pass, up to the first that was not drafted."""
        text = [*history] if draft else history
        for row in range(len(draft) + 1):
            if masks is not None and row == len(masks):
                return  # the next pass begins here, and raises what is wrong
            mask = None if masks is None else masks[row]
            try:
                sampled = sampler.sample(self.loaded.engine, row, text, top, mask)
            except Error:
                if row == 0:
                    raise
                return  # the tokens before come first; the next pass begins here and raises again
            yield sampled
            if row == len(draft) or sampled.token != draft[row]:
                return
            text.append(sampled.token)

    def score(
        self, sequence: HeldSequence, tokens: list[int], targets: list[int], top: int
    ) -> list[Scored]:
        """Extend `sequence` by `tokens`; what the model thinks of each one's target after it.

        `top` alternatives are reported.
        """
        with self._lock:
            engine = self.loaded.engine
            engine.step([(sequence.kv, tokens)], "all")
            sampler = self.loaded.sampler(temperature=0.0, seed=0, logit_bias=None)
            return [sampler.score(engine, row, each, top) for row, each in enumerate(targets)]

    def read_logits(self, sequence: HeldSequence, tokens: list[int]) -> NDArray[float32]:
        """Extend `sequence` by `tokens`; the logits after each, (n_tokens, n_vocab)."""
        with self._lock:
            self.loaded.engine.step([(sequence.kv, tokens)], "all")
            return self.loaded.engine.logits()


def pieces(tokens: Sequence[int], limit: int) -> Iterator[tuple[list[int], bool]]:
    """Split a prompt into (piece, whether it is the last), to be able to stop between two.

    The first piece is small, the others are sized by the time that the caller took for the one
    before: about half a second each, at most `limit` tokens. The sizes do not change what is
    computed, by so much as a bit.
    """
    start, size = 0, min(_FIRST_PIECE, limit)
    while start < len(tokens):
        end = min(start + size, len(tokens))
        began = time.perf_counter()
        yield list(tokens[start:end]), end == len(tokens)
        per_second = (end - start) / max(time.perf_counter() - began, 1e-6)
        pages = int(per_second * _PIECE_SECONDS) // _PAGE
        start, size = end, min(max(pages, 1) * _PAGE, limit)
