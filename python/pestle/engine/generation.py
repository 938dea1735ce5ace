"""One generation from its prompt to its last token: a state machine that the scheduler steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from pestle.engine.answer import Answer, AnswerPart
from pestle.engine.loaded import Choice, Sampled
from pestle.engine.masks import MaskAhead, Masks, TokenConstraint
from pestle.engine.steering import Steering
from pestle.engine.work import Rows, Taken
from pestle.results import FinishReason, Reuse

if TYPE_CHECKING:
    from pestle.engine.runtime import Runtime
    from pestle.engine.sequence import HeldSequence, KvSequence
    from pestle.options import Request


@dataclass(frozen=True)
class Said:
    """A token of the answer, and what it adds to the text."""

    sampled: Sampled
    part: AnswerPart
    forced: bool  # not chosen by the model
    reasoning_tokens: int  # so far
    ended: Ended | None  # what comes next, if it is the last: a caller may have enough with it


@dataclass(frozen=True)
class Ended:
    """The end of the answer: why, and what was held back of its text until now."""

    finish_reason: FinishReason
    stop_reason: str | int | None
    part: AnswerPart


Result: TypeAlias = Said | Ended


@dataclass
class Progress:
    """How far a generation is, and what it took."""

    reuse: Reuse = field(default_factory=lambda: Reuse(0, 0))
    prefilled: int = 0  # tokens of the prompt that were read
    prefill_s: float = 0.0
    first_token_s: float | None = None
    passes: int = 0  # after those of the prompt
    decode_s: float = 0.0
    drafted: int = 0  # tokens that speculation had such passes verify
    accepted: int = 0


class Generation:
    """What a generation wants of each pass, and what it makes of it. A `work.Work`.

    The sequence stays true whatever interrupts: it holds exactly the tokens whose pass ended.
    """

    def __init__(
        self,
        runtime: Runtime,
        sequence: HeldSequence,
        prompt: list[int],
        request: Request,
        answer: Answer,
        lead_out: Sequence[int] = (),
        constraint: TokenConstraint | None = None,
    ) -> None:
        """`lead_out` are the tokens that end the model's reasoning, for the request's budget.

        `constraint` says what may come, at the beginning of the answer.
        """
        self.progress = Progress()
        self._began = time.perf_counter()
        self._engine = runtime.loaded.engine
        self._sequence = sequence
        self._answer = answer
        self._steering = Steering(answer, request.reasoning_budget, lead_out)
        self._constraint = constraint
        self._text = list(prompt)  # and what was said after it
        self._n_prompt = len(prompt)
        self._read = 0  # tokens of the prompt that the sequence holds
        self._limit = self._engine.n_ctx - len(prompt)
        if request.max_tokens is not None:
            self._limit = min(self._limit, request.max_tokens)
        self._ends = runtime.loaded.tokenizer.eog_ids
        self._n_logprobs = 0 if request.logprobs is None else max(request.logprobs, 1)
        self._sampler = runtime.new_sampler(request)
        self._speculation = runtime.new_speculation(request)
        self._masks = None if constraint is None else MaskAhead(constraint)
        self._forced: int | None = None  # the token that comes next, where the model has no choice
        # Whoever stops the work may shorten the sequence meanwhile, which counts from its next use
        # on; here it is seen as the passes left it.
        self._kv: KvSequence | None = None
        self._asked = 0.0
        self._piece = 0
        self._draft: list[int] = []
        self._masks_to_come: Masks | None = None

    @property
    def reading(self) -> bool:
        """Whether it still reads its prompt."""
        return self._read < self._n_prompt

    def begin(self) -> None:
        """Find what is there of the prompt already."""
        reuse = self._sequence.rewind(self._engine, self._text)
        self.progress.reuse = reuse
        self._read = reuse.reused
        self._kv = self._sequence.kv

    def rows(self, most: int, *, alone: bool) -> Rows:
        """A piece of the prompt, or the last token with a draft of what may follow."""
        self._asked = time.perf_counter()
        assert self._kv is not None
        kv = self._kv
        self._draft, self._piece = [], 0
        if self.reading:
            self._piece = min(most, self._n_prompt - self._read)
            end = self._read + self._piece
            last = end == self._n_prompt and self._limit > 0
            if last:
                self._prepare()
            return Rows(kv, self._text[self._read : end], "last" if last else "none")
        if self._forced is None and self._speculation is not None and alone:
            # The token after the last drafted one must still be within the limits.
            most = min(self._limit - len(self._text) + self._n_prompt, most) - 1
            self._draft = self._speculation.draft(self._text, most, self._constraint)
        self._begin_masks()
        tokens = [self._text[-1], *self._draft]
        return Rows(kv, tokens, "all" if self._draft else "last")

    def spare(self) -> bool:
        """Go on without drafts, which need memory of their own."""
        if not self._draft or self._speculation is None:
            return False
        if self._masks_to_come is not None:
            self._masks_to_come()  # nobody else may use the constraint before
        self._speculation.give_up()
        return True

    def choice(self, row: int) -> Choice | None:
        """The next token's, once its mask is there; None where more of the prompt is to come."""
        assert self._kv is not None
        if self._piece:
            self._read += self._piece
            self.progress.prefilled += self._piece
            if self.reading or self._limit <= 0:
                return None
            self._kv.mark()
            self._engine.keep(self._kv)  # others that begin so find it from now on
        return Choice(
            self._sampler,
            self._kv,
            row,
            self._draft,
            self._n_logprobs,
            None if self._masks_to_come is None else self._masks_to_come(),
            self._forced,
        )

    def take(self, row: int, chosen: Sequence[Sampled], seconds: float) -> Taken[Result]:
        """Add what was chosen to the answer, as far as it goes."""
        assert self._kv is not None
        self._note(chosen, seconds)
        results: list[Result] = []
        if not self.reading and self._limit <= 0:
            results.append(self._end("length"))
        used = self._add_all(chosen, results)
        if used < len(chosen):  # as plain decoding leaves it: the last token was not read yet
            self._kv.truncate(self._kv.reusable(len(self._text) - 1))
        ended = bool(results) and isinstance(results[-1], Ended)
        if ended:
            self._engine.keep(self._kv)
        return Taken(results, ended)

    def close(self) -> None:
        """End the thread that computes masks."""
        if self._masks is not None:
            self._masks.close()

    def _note(self, chosen: Sequence[Sampled], seconds: float) -> None:
        """Note what the pass took, and learn from it."""
        now, progress = time.perf_counter(), self.progress
        if self._piece:
            progress.prefill_s = now - self._began
            if chosen:
                progress.first_token_s = progress.prefill_s
            return
        progress.decode_s += now - self._asked
        progress.passes += 1
        speculation = self._speculation
        if speculation is not None and self._forced is None:
            speculation.learn(len(self._draft), [each.token for each in chosen], seconds)
            progress.drafted, progress.accepted = speculation.drafted, speculation.accepted

    def _prepare(self) -> None:
        """Before the pass that gives the first token."""
        self._prepare_next()
        self._begin_masks()

    def _prepare_next(self) -> None:
        self._forced = self._steering.next()

    def _begin_masks(self) -> None:
        free = self._masks is None or self._forced is not None
        self._masks_to_come = None if free else self._masks.begin(self._draft)  # type: ignore[union-attr]

    def _add_all(self, chosen: Sequence[Sampled], results: list[Result]) -> int:
        """Add tokens to the answer as far as it goes; how many of them that was."""
        for n, sampled in enumerate(chosen, 1):
            if self._add(sampled, results):
                return n
            self._prepare_next()
            if self._forced is not None:  # what was drafted for this place is not what comes
                return n
        return len(chosen)

    def _add(self, sampled: Sampled, results: list[Result]) -> bool:
        """Add a token to the answer; whether it ends there."""
        if sampled.token in self._ends:
            results.append(self._end("stop", sampled.token))
            return True
        self._text.append(sampled.token)
        forced = self._forced is not None
        if self._constraint is not None:
            self._constraint.push(sampled.token, forced=forced)
        part = self._answer.add(sampled.token, forced=forced)
        n_said = len(self._text) - self._n_prompt
        over = self._answer.is_over
        last = over or n_said == self._limit
        ended = self._end("stop" if over else "length") if last else None
        results.append(Said(sampled, part, forced, self._answer.reasoning_tokens, ended))
        if ended is not None:
            results.append(ended)
        return last

    def _end(self, reason: FinishReason, stopped_by: int | None = None) -> Ended:
        """A stop string counts for more than another reason."""
        part = self._answer.end(stopped_by)
        stop = self._answer.stopped_by
        return Ended(reason, stopped_by, part) if stop is None else Ended("stop", stop, part)
