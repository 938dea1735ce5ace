"""A generation as its caller sees it: its chunks as they are taken, and what they add up to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from threading import Event
from typing import Any, Generic, TypeVar

from pestle.engine.activity import Phase, RunStatus
from pestle.engine.answer import Answer, AnswerPart, joined
from pestle.engine.generation import Ended, Generation, Progress, Result, Said
from pestle.engine.masks import TokenConstraint
from pestle.engine.runtime import Runtime
from pestle.engine.sequence import HeldSequence
from pestle.engine.ticket import AHEAD, Ticket
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

R = TypeVar("R", bound=Completion)
Lease = Callable[[], AbstractContextManager[HeldSequence]]
"""Gives the exclusive use of a sequence while its context is open."""


class Run(Generic[R]):
    """One generation: what was asked, and what there is of it so far.

    The scheduler may be ahead by a pass. Nothing of that is seen: what was not taken is not in the
    result, and the sequence forgets it. One thread at a time may call it, but for `cancel` and
    `settle`.
    """

    def __init__(
        self,
        runtime: Runtime,
        lease: Lease,
        prompt: list[int],
        request: Request,
        kind: type[R],
        answer: Callable[[], Answer],
        lead_out: Sequence[int] = (),
        on_end: Callable[[R], None] | None = None,
        constraint: TokenConstraint | None = None,
        notes: tuple[str, ...] = (),
        client: str = "",
        parser: Callable[[str], Any] | None = None,
    ) -> None:
        """`answer` makes what reads the tokens; `lead_out` and `constraint` are as `Generation` has
        them. `on_end` hears of the end, early or not. `notes` are warnings about the prompt.
        `client` is whom it is for: see `Scheduler.add`. `parser` reads the result, if it is JSON.
        """
        self.cancel = Event()
        """Set by any thread; takes effect before the next forward pass."""
        self._runtime = runtime
        self._lease = lease
        self._prompt = prompt
        self._request = request
        self._kind = kind
        self._answer = answer
        self._lead_out = lead_out
        self._on_end = on_end
        self._constraint = constraint
        self._notes = self._untold = notes
        self._client = client
        self._parser = parser
        self._held = ExitStack()
        self._sequence: HeldSequence | None = None
        self._progress = Progress()
        self._ticket: Ticket[Result] | None = None
        self._eager = False
        self._ahead = AHEAD
        self._over = False
        self._said: list[Said] = []
        self._parts: list[AnswerPart] = []
        self._logprobs: list[TokenLogprob] | None = None if request.logprobs is None else []
        self._finish_reason: FinishReason = "cancelled"
        self._stop_reason: str | int | None = None

    def begin(self) -> None:
        """Have the scheduler work on it; nothing is done before. Raises Error."""
        if self._ticket is not None or self._over:
            return
        try:
            self._sequence = self._held.enter_context(self._lease())
            generation = Generation(
                self._runtime,
                self._sequence,
                self._prompt,
                self._request,
                self._answer(),
                self._lead_out,
                self._constraint,
            )
            self._progress = generation.progress
            self._ticket = self._runtime.scheduler.add(
                generation,
                cancel=self.cancel,
                eager=self._eager,
                client=self._client,
                ahead=self._ahead,
            )
        except BaseException:
            self.end()
            raise

    def allow_ahead(self, chunks: int) -> None:
        """Have it write so many that nobody has taken yet, from when it begins on."""
        self._ahead = chunks

    def hurry(self) -> None:
        """Have it go on to its end although nobody takes its chunks meanwhile."""
        self._eager = True
        if self._ticket is not None:
            self._ticket.hurry()

    def status(self) -> RunStatus:
        """How far it is, as far as it is computed. Any thread may call it, at any time."""
        ticket, progress = self._ticket, self._progress
        place = 0 if ticket is None else ticket.place
        phase: Phase = "reading" if progress.first_token_s is None else "answering"
        if self._over or (ticket is not None and ticket.ended):
            phase = "ended"
        elif place is not None:
            phase = "waiting"
        cached = progress.reuse.reused
        read = cached + progress.prefilled
        return RunStatus(phase, place or 0, read, len(self._prompt), cached)

    @property
    def prompt(self) -> list[int]:
        """The tokens that it goes on from."""
        return self._prompt

    @property
    def ready(self) -> bool:
        """Whether `next` would not wait."""
        return self._over or self._ticket is None or self._ticket.ready

    @property
    def settled(self) -> bool:
        """Whether no pass for it is in progress."""
        return self._ticket is None or self._ticket.settled

    def watch(self, callback: Callable[[], None]) -> None:
        """Have `callback` called once, in any thread: `ready` or `settled` may have changed."""
        if self._ticket is None:
            callback()
        else:
            self._ticket.watch(callback)

    def next(self) -> Chunk | None:
        """The next chunk, once it is there; None at the end. Raises what goes wrong."""
        if self._over:
            return None
        try:
            self._runtime.loaded  # a closed model says nothing more  # noqa: B018
            if not self.cancel.is_set():
                self.begin()
            result = None if self._ticket is None else self._ticket.next()
            if isinstance(result, Said):
                if result.ended is not None:
                    self._note_end(result.ended)
                return self._token_chunk(result)
            if isinstance(result, Ended):
                self._note_end(result)
                part = result.part
            else:  # it was cancelled
                part = self._held_back()
            self._parts.append(part)
        except BaseException:  # Ctrl-C too
            self.end()
            raise
        self.end()
        return self._last_chunk(part)

    def stop(self) -> None:
        """As setting `cancel`, and a pass that takes long ends early.

        Never waits; a signal handler may call it.
        """
        self.cancel.set()
        self._runtime.scheduler.give_up()

    def abandon(self) -> None:
        """As setting `cancel`, and whoever waits for a chunk is told at once. Never waits."""
        self.cancel.set()
        if self._ticket is not None:
            self._ticket.cancel()

    def end(self) -> None:
        """Have it over, wherever it is. Never waits: see `settle`."""
        if self._over:
            return
        self._over = True
        self.abandon()
        try:
            if self._sequence is None:
                return  # it never began
            if self._finish_reason == "cancelled":
                # As decoding leaves it that is no pass ahead: the last token was not read yet.
                self._sequence.shorten(len(self._prompt) + max(len(self._said) - 1, 0))
            self._sequence = None
            if self._on_end is not None:
                self._on_end(self.result())
        finally:
            self._held.close()

    def settle(self) -> None:
        """Wait until no pass for it is in progress."""
        if self._ticket is not None:
            self._ticket.settle()

    def result(self) -> R:
        """What there is so far; complete once `next` has returned None."""
        said = joined(self._parts)
        chat: dict[str, Any] = {}
        if issubclass(self._kind, ChatCompletion):
            chat = {"reasoning": said.reasoning, "tool_calls": said.tool_calls}
        return self._kind(
            text=said.text,
            token_ids=tuple(each.sampled.token for each in self._said),
            finish_reason=self._finish_reason,
            stop_reason=self._stop_reason,
            usage=self._usage(),
            timings=self._timings(),
            seed=self._request.seed,
            logprobs=None if self._logprobs is None else tuple(self._logprobs),
            reuse=self._progress.reuse,
            warnings=self._notes + said.warnings,
            parser=self._parser,
            **chat,
        )

    def _note_end(self, ended: Ended) -> None:
        self._finish_reason, self._stop_reason = ended.finish_reason, ended.stop_reason

    def _held_back(self) -> AnswerPart:
        """Of an answer that ends early, the text that might have become something else.

        The generation may have read on, so what was taken of it is read again.
        """
        answer = self._answer()
        for each in self._said:
            answer.add(each.sampled.token, forced=each.forced)
        return answer.end(None)

    def _token_chunk(self, said: Said) -> Chunk:
        self._said.append(said)
        self._parts.append(said.part)
        sampled, part = said.sampled, said.part
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
            call_deltas=part.call_deltas,
        )

    def _logprob(
        self, token: int, logprob: float, top: tuple[TokenLogprob, ...] = ()
    ) -> TokenLogprob:
        return TokenLogprob(token, self._runtime.loaded.token_bytes(token), logprob, top)

    def _last_chunk(self, part: AnswerPart) -> Chunk:
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
            call_deltas=part.call_deltas,
        )

    def _told(self) -> tuple[str, ...]:
        """The notes, for the first chunk."""
        notes, self._untold = self._untold, ()
        return notes

    def _usage(self) -> Usage:
        reasoning = self._said[-1].reasoning_tokens if self._said else 0
        reused = self._progress.reuse.reused
        return Usage(len(self._prompt), reused, len(self._said), reasoning)

    def _timings(self) -> Timings:
        progress = self._progress
        ended_by_token = isinstance(self._stop_reason, int)
        return Timings(
            prefill_s=progress.prefill_s,
            prefill_tokens=progress.prefilled,
            decode_s=progress.decode_s,
            # The first comes of reading the prompt.
            decode_tokens=max(len(self._said) + ended_by_token - 1, 0),
            first_token_s=progress.first_token_s,
            decode_passes=progress.passes,
            drafted_tokens=progress.drafted,
            accepted_tokens=progress.accepted,
        )
