"""One generation from its prompt to its last token: the only loop that samples."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from threading import Event
from typing import Any, Generic, TypeVar

from pestle.engine.answer import Answer, Part
from pestle.engine.loaded import Sampled, TokenSampler
from pestle.engine.masks import MaskAhead, Masks, TokenConstraint
from pestle.engine.runtime import Runtime, pieces
from pestle.engine.sequence import HeldSequence
from pestle.engine.speculation import Speculation
from pestle.engine.steering import Steering
from pestle.errors import MemoryLimitError
from pestle.formats import Reader
from pestle.options import Request
from pestle.results import (
    ChatCompletion,
    Chunk,
    Completion,
    FinishReason,
    Reuse,
    Timings,
    TokenLogprob,
    Usage,
)

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
        reader: Reader,
        lead_out: Sequence[int] = (),
        on_end: Callable[[R], None] | None = None,
        constraint: TokenConstraint | None = None,
        notes: tuple[str, ...] = (),
        call_ids: Iterable[str] = (),
        one_call: bool = False,
    ) -> None:
        """`lead_out` are the tokens that end the model's reasoning, for the request's budget.

        `constraint` says what may come, at the beginning of the answer; `call_ids` are for what it
        calls, which ends it with `one_call`. `notes` are warnings about the prompt.
        """
        self.cancel = Event()
        self._runtime = runtime
        self._lease = lease
        self._prompt = prompt
        self._request = request
        self._kind = kind
        self._on_end = on_end
        self._answer = Answer(reader, request.stop, call_ids, one_call)
        self._steering = Steering(self._answer, request.reasoning_budget, lead_out)
        self._notes = self._untold = notes
        self._forced = False  # the last token was
        self._tokens: list[int] = []
        self._history = list(prompt)
        self._logprobs: list[TokenLogprob] | None = None if request.logprobs is None else []
        self._finish_reason: FinishReason = "cancelled"
        self._stop_reason: str | int | None = None
        self._reuse = Reuse(0, 0)
        self._prefill_s = self._decode_s = 0.0
        self._prefilled = self._decoded = self._passes = 0
        self._first_token_s: float | None = None
        self._limit = 0
        self._speculation: Speculation | None = None
        self._ahead: deque[Sampled] = deque()  # chosen, not yet given out
        self._verifying = False
        self._constraint = constraint
        self._masks: MaskAhead | None = None

    def result(self) -> R:
        """What there is so far; complete once `chunks` has ended."""
        said = self._answer.whole()
        chat: dict[str, Any] = {}
        if issubclass(self._kind, ChatCompletion):
            chat = {"reasoning": said.reasoning, "tool_calls": said.tool_calls}
        return self._kind(
            text=said.text,
            token_ids=tuple(self._tokens),
            finish_reason=self._finish_reason,
            stop_reason=self._stop_reason,
            usage=self._usage(),
            timings=self._timings(),
            seed=self._request.seed,
            logprobs=None if self._logprobs is None else tuple(self._logprobs),
            reuse=self._reuse,
            warnings=self._notes + said.warnings,
            **chat,
        )

    def chunks(self) -> Generator[Chunk, None, None]:
        """Generate. Nothing is done before the first chunk is asked for."""
        with self._lease() as sequence:
            try:
                yield from self._generate(sequence)
            finally:
                if self._masks is not None:
                    self._masks.close()
                if self._ahead or self._verifying:
                    # As plain decoding leaves it: what was only drafted is not in it, and the last
                    # token given out is read if the pass for the next one was under way.
                    sequence.shorten(len(self._history) - bool(self._ahead))
                if self._on_end is not None:
                    self._on_end(self.result())
            self._runtime.keep(sequence)  # of one that is dropped, when it is used again

    def _generate(self, sequence: HeldSequence) -> Iterator[Chunk]:
        for sampled in self._sample(sequence):
            part = self._answer.add(sampled.token, forced=self._forced)
            if self._answer.is_over:
                self._finish("stop", self._answer.stopped_by)
            yield self._token_chunk(sampled, part)
            if self._answer.is_over:
                break
        ended_by = self._stop_reason if isinstance(self._stop_reason, int) else None
        part = self._answer.end(ended_by)
        if self._answer.stopped_by is not None:
            self._finish("stop", self._answer.stopped_by)
        yield self._last_chunk(part)

    def _sample(self, sequence: HeldSequence) -> Iterator[Sampled]:
        """Yield what is sampled until there is a reason to end, and note the reason."""
        sampler = self._runtime.new_sampler(self._request)
        limit = self._runtime.loaded.engine.n_ctx - len(self._prompt)
        if self._request.max_tokens is not None:
            limit = min(limit, self._request.max_tokens)
        self._limit = limit
        self._speculation = self._runtime.new_speculation(self._request)
        if self._constraint is not None:
            self._masks = MaskAhead(self._constraint)
        sampled = self._prefill(sequence, self._chooser(sampler) if limit > 0 else None)
        while sampled is not None:
            if sampled.token in self._runtime.loaded.tokenizer.eog_ids:
                self._finish("stop", sampled.token)
                return
            self._tokens.append(sampled.token)
            self._history.append(sampled.token)
            if self._constraint is not None:
                self._constraint.push(sampled.token, forced=self._forced)
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
        self._reuse = self._runtime.reuse(sequence, self._prompt)
        sampled = None
        for piece, last in pieces(
            self._prompt[self._reuse.reused :], self._runtime.loaded.engine.chunk
        ):
            if self.cancel.is_set():
                return None
            if last and sampler is not None:
                masks = self._begin_masks([])
                sampled = self._runtime.read_and_choose(
                    sequence, piece, sampler, self._history, self._alternatives, masks
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
        chooser = self._chooser(sampler)
        if self._forced and self._ahead:  # what was drafted for this place is not what comes
            self._ahead.clear()
            sequence.shorten(len(self._history) - 1)
        if not self._ahead:
            began = time.perf_counter()
            self._look_ahead(sequence, chooser)
            self._decode_s += time.perf_counter() - began
        self._decoded += 1
        return self._ahead.popleft()

    def _chooser(self, sampler: TokenSampler) -> TokenSampler:
        """What chooses the next token: `sampler`, unless that is not for the model to choose."""
        token = self._steering.next()
        self._forced = token is not None
        return sampler if token is None else self._runtime.forcing_sampler(token)

    def _look_ahead(self, sequence: HeldSequence, sampler: TokenSampler) -> None:
        """Make one forward pass: the next token, and those after it that a draft had right."""
        draft: list[int] = []
        speculation = None if self._forced else self._speculation
        if speculation is not None:
            # The token after the last drafted one must still be within the limits.
            most = min(self._limit - len(self._tokens), self._runtime.loaded.engine.chunk) - 1
            draft = speculation.draft(self._history, most, self._constraint)
        self._verifying = bool(draft)
        masks = self._begin_masks(draft)
        try:
            chosen, seconds = self._runtime.verify(
                sequence, draft, sampler, self._history, self._alternatives, masks
            )
        except MemoryLimitError:
            if speculation is None or not draft:
                raise
            if masks is not None:
                masks()  # nobody else may use the constraint before
            speculation.give_up()  # plain decoding may still fit
            self._look_ahead(sequence, sampler)
            return
        self._ahead.extend(chosen)
        self._verifying = False
        self._passes += 1
        if speculation is not None:
            speculation.learn(len(draft), [each.token for each in chosen], seconds)

    def _begin_masks(self, draft: list[int]) -> Masks | None:
        """The masks after the text and each token of `draft`; None where anything may come."""
        if self._masks is None or self._forced:
            return None
        return self._masks.begin(draft)

    @property
    def _alternatives(self) -> int:
        # Without any, the core does not compute the chosen token's log probability either.
        return 0 if self._request.logprobs is None else max(self._request.logprobs, 1)

    def _finish(self, reason: FinishReason, stopped_by: str | int | None = None) -> None:
        self._finish_reason, self._stop_reason = reason, stopped_by

    def _token_chunk(self, sampled: Sampled, part: Part) -> Chunk:
        logprobs = None
        if self._logprobs is not None:
            alternatives = sampled.top[: self._request.logprobs]
            top = tuple(self._logprob(token, logprob) for token, logprob in alternatives)
            logprobs = (self._logprob(sampled.token, sampled.logprob, top),)
            self._logprobs += logprobs
        return Chunk(
            part.text,
            (sampled.token,),
            part.reasoning,
            part.tool_calls,
            self._told() + part.warnings,
            logprobs,
        )

    def _logprob(
        self, token: int, logprob: float, top: tuple[TokenLogprob, ...] = ()
    ) -> TokenLogprob:
        return TokenLogprob(token, self._runtime.loaded.token_bytes(token), logprob, top)

    def _last_chunk(self, part: Part) -> Chunk:
        return Chunk(
            part.text,
            reasoning=part.reasoning,
            tool_calls=part.tool_calls,
            warnings=self._told() + part.warnings,
            logprobs=None if self._logprobs is None else (),
            finish_reason=self._finish_reason,
            stop_reason=self._stop_reason,
            usage=self._usage(),
            timings=self._timings(),
        )

    def _told(self) -> tuple[str, ...]:
        """The notes, for the first chunk."""
        notes, self._untold = self._untold, ()
        return notes

    def _usage(self) -> Usage:
        return Usage(
            len(self._prompt), self._reuse.reused, len(self._tokens), self._answer.reasoning_tokens
        )

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
