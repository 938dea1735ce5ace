"""One generation from its prompt to its last token: the only loop that samples."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from threading import Event
from typing import Generic, TypeVar

from pestle.engine.runtime import Runtime, Sampled, TokenSampler, pieces
from pestle.engine.sequence import HeldSequence
from pestle.engine.speculation import Speculation
from pestle.errors import MemoryLimitError
from pestle.options import Request
from pestle.results import (
    ChatCompletion,
    Chunk,
    Completion,
    FinishReason,
    Timings,
    TokenLogprob,
    Usage,
)
from pestle.tokenizer import Detokenizer, StopStrings

R = TypeVar("R", bound=Completion)
Lease = Callable[[], AbstractContextManager[HeldSequence]]
"""Gives the exclusive use of a sequence while its context is open."""


class Run(Generic[R]):
    """One generation: what was asked, and what there is of it so far.

    `chunks` does the work. `cancel` may be set by any thread and takes effect before the next
    forward pass. The sequence stays true whatever interrupts: it holds exactly the tokens whose
    forward pass ended.
    """

    def __init__(
        self,
        runtime: Runtime,
        lease: Lease,
        prompt: list[int],
        request: Request,
        kind: type[R],
        on_end: Callable[[R], None] | None = None,
    ) -> None:
        self.cancel = Event()
        self._runtime = runtime
        self._lease = lease
        self._prompt = prompt
        self._request = request
        self._kind = kind
        self._on_end = on_end
        self._text: list[str] = []
        self._tokens: list[int] = []
        self._history = list(prompt)
        self._logprobs: list[TokenLogprob] | None = None if request.logprobs is None else []
        self._finish_reason: FinishReason = "cancelled"
        self._stop_reason: str | int | None = None
        self._cached = 0
        self._prefill_s = self._decode_s = 0.0
        self._prefilled = self._decoded = self._passes = 0
        self._first_token_s: float | None = None
        self._limit = 0
        self._speculation: Speculation | None = None
        self._ahead: deque[Sampled] = deque()  # chosen, not yet given out
        self._verifying = False

    def result(self) -> R:
        """What there is so far; complete once `chunks` has ended."""
        return self._kind(
            text="".join(self._text),
            token_ids=tuple(self._tokens),
            finish_reason=self._finish_reason,
            stop_reason=self._stop_reason,
            usage=self._usage(),
            timings=self._timings(),
            seed=self._request.seed,
            logprobs=None if self._logprobs is None else tuple(self._logprobs),
        )

    def chunks(self) -> Generator[Chunk, None, None]:
        """Generate. Nothing is done before the first chunk is asked for."""
        with self._lease() as sequence:
            try:
                yield from self._generate(sequence)
            finally:
                if self._ahead or self._verifying:
                    # As plain decoding leaves it: what was only drafted is not in it, and the last
                    # token given out is read if the pass for the next one was under way.
                    sequence.shorten(len(self._history) - bool(self._ahead))
                if self._on_end is not None:
                    self._on_end(self.result())

    def _generate(self, sequence: HeldSequence) -> Iterator[Chunk]:
        # A chat's answer is a text of its own, a completion goes on from where its prompt ended.
        at_start = issubclass(self._kind, ChatCompletion)
        detokenizer = Detokenizer(self._runtime.loaded.tokenizer, at_start=at_start)
        stops = StopStrings(self._request.stop)
        for sampled in self._sample(sequence):
            text, matched = stops.push(detokenizer.push(sampled.token))
            if matched is not None:
                self._finish("stop", matched)
            yield self._token_chunk(sampled, text)
            if matched is not None:
                break
        text = ""
        if not isinstance(self._stop_reason, str):
            text, matched = stops.push(detokenizer.flush())
            if matched is None:
                text += stops.flush()
            else:
                self._finish("stop", matched)
        yield self._last_chunk(text)

    def _sample(self, sequence: HeldSequence) -> Iterator[Sampled]:
        """Yield what is sampled until there is a reason to end, and note the reason."""
        sampler = self._runtime.new_sampler(self._request)
        limit = self._runtime.loaded.engine.n_ctx - len(self._prompt)
        if self._request.max_tokens is not None:
            limit = min(limit, self._request.max_tokens)
        self._limit = limit
        self._speculation = self._runtime.new_speculation(self._request)
        sampled = self._prefill(sequence, sampler if limit > 0 else None)
        while sampled is not None:
            if sampled.token in self._runtime.loaded.tokenizer.eog_ids:
                self._finish("stop", sampled.token)
                return
            self._tokens.append(sampled.token)
            self._history.append(sampled.token)
            # The reason is noted first: a caller may have enough once it has the last token.
            last = len(self._tokens) >= limit
            if last:
                self._finish("length")
            yield sampled
            if last:
                return
            sampled = self._decode(sequence, sampler)
        if limit == 0 and not self.cancel.is_set():
            self._finish("length")

    def _prefill(self, sequence: HeldSequence, sampler: TokenSampler | None) -> Sampled | None:
        """Read the prompt's rest; the first token, or None without a sampler or when cancelled."""
        began = time.perf_counter()
        self._cached = self._runtime.reuse(sequence, self._prompt)
        sampled = None
        for piece, last in pieces(self._prompt[self._cached :], self._runtime.loaded.engine.chunk):
            if self.cancel.is_set():
                return None
            if last and sampler is not None:
                sampled = self._runtime.read_and_choose(
                    sequence, piece, sampler, self._history, self._alternatives
                )
                self._first_token_s = time.perf_counter() - began
            else:
                self._runtime.read(sequence, piece)
            self._prefilled += len(piece)
            self._prefill_s = time.perf_counter() - began
        return sampled

    def _decode(self, sequence: HeldSequence, sampler: TokenSampler) -> Sampled | None:
        if self.cancel.is_set():
            return None
        if not self._ahead:
            began = time.perf_counter()
            self._look_ahead(sequence, sampler)
            self._decode_s += time.perf_counter() - began
        self._decoded += 1
        return self._ahead.popleft()

    def _look_ahead(self, sequence: HeldSequence, sampler: TokenSampler) -> None:
        """Make one forward pass: the next token, and those after it that a draft had right."""
        draft: list[int] = []
        if self._speculation is not None:
            # The token after the last drafted one must still be within the limits.
            most = min(self._limit - len(self._tokens), self._runtime.loaded.engine.chunk) - 1
            draft = self._speculation.draft(self._history, most)
        self._verifying = bool(draft)
        try:
            chosen, seconds = self._runtime.verify(
                sequence, draft, sampler, self._history, self._alternatives
            )
        except MemoryLimitError:
            if self._speculation is None or not draft:
                raise
            self._speculation.give_up()  # plain decoding may still fit
            self._look_ahead(sequence, sampler)
            return
        self._ahead.extend(chosen)
        self._verifying = False
        self._passes += 1
        if self._speculation is not None:
            self._speculation.learn(len(draft), [each.token for each in chosen], seconds)

    @property
    def _alternatives(self) -> int:
        # Without any, the core does not compute the chosen token's log probability either.
        return 0 if self._request.logprobs is None else max(self._request.logprobs, 1)

    def _finish(self, reason: FinishReason, stopped_by: str | int | None = None) -> None:
        self._finish_reason, self._stop_reason = reason, stopped_by

    def _token_chunk(self, sampled: Sampled, text: str) -> Chunk:
        self._text.append(text)
        if self._logprobs is None:
            return Chunk(text, (sampled.token,))
        alternatives = sampled.top[: self._request.logprobs]
        top = tuple(self._logprob(token, logprob) for token, logprob in alternatives)
        logprob = self._logprob(sampled.token, sampled.logprob, top)
        self._logprobs.append(logprob)
        return Chunk(text, (sampled.token,), (logprob,))

    def _logprob(
        self, token: int, logprob: float, top: tuple[TokenLogprob, ...] = ()
    ) -> TokenLogprob:
        return TokenLogprob(token, self._runtime.loaded.token_bytes(token), logprob, top)

    def _last_chunk(self, text: str) -> Chunk:
        self._text.append(text)
        return Chunk(
            text,
            logprobs=None if self._logprobs is None else (),
            finish_reason=self._finish_reason,
            stop_reason=self._stop_reason,
            usage=self._usage(),
            timings=self._timings(),
        )

    def _usage(self) -> Usage:
        return Usage(len(self._prompt), self._cached, len(self._tokens))

    def _timings(self) -> Timings:
        drafts = self._speculation
        return Timings(
            prefill_s=self._prefill_s,
            prefill_tokens=self._prefilled,
            decode_s=self._decode_s,
            decode_tokens=self._decoded,
            first_token_s=self._first_token_s,
            decode_passes=self._passes,
            drafted_tokens=drafts.drafted if drafts is not None else 0,
            accepted_tokens=drafts.accepted if drafts is not None else 0,
        )
