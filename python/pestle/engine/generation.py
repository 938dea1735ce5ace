"""One generation from its prompt to its last token: a state machine that the scheduler steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import wait
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


_GRACE = 0.002  # seconds that a pass with others in it waits for a mask,
_GRACE_ALONE = 0.1  # and one without: others may come


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
        self._tally = runtime.scheduler.tally
        self._engine = runtime.loaded.engine
        self._sequence = sequence
        self._answer = answer
        self._steering = Steering(answer, request.reasoning_budget, lead_out)
        self._constraint = constraint
        self._text = list(prompt)  # and what was said after it
        self._n_prompt = len(prompt)
        self._read = 0  # tokens of the text that the sequence holds, up to _until
        self._until = len(
            prompt
        )  # what is to be read: the prompt, or all that was there at `begin`
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
        self._alone = True
        self._piece = 0
        self._draft: list[int] = []
        self._begun = False
        self._prepared = False  # for the first token
        self._masks_to_come: Masks | None = None
        self._masked: list[int] = []  # the draft that these masks are for
        self._sits_out = False

    @property
    def n_tokens(self) -> int:
        """The prompt and what was said."""
        return len(self._text)

    @property
    def reading(self) -> bool:
        """Whether it reads a text: its prompt, or after it was set aside what was said too."""
        return self._read < self._until

    @property
    def remaining(self) -> int:
        """Tokens of it that were not read."""
        return self._until - self._read

    @property
    def kv(self) -> KvSequence:
        """The sequence as the passes left it."""
        assert self._kv is not None, "it has not begun"
        return self._kv

    @property
    def waiting(self) -> bool:
        """Whether the pass was there before the masks of its rows."""
        masks = self._masks_to_come
        return self._sits_out and masks is not None and not masks.done()

    def call_when_ready(self, callback: Callable[[], None]) -> None:
        """Have it called when the masks are there."""
        if self._masks_to_come is not None:
            self._masks_to_come.add_done_callback(lambda masks: callback())

    def begin(self) -> None:
        """Find what is there of the text already."""
        reuse = self._sequence.rewind(self._engine, self._text)
        if not self._begun:
            self._begun = True
            self.progress.reuse = reuse
            self._tally.looked_up(len(self._text), reuse.reused)
        self._read, self._until = reuse.reused, len(self._text)
        self._kv = self._sequence.kv

    def set_aside(self) -> None:
        """Keep the text and all that follows from it, and let go of the sequence's memory."""
        self._sequence.let_go(self._engine)
        self._kv = None
        self._read, self._until = 0, len(self._text)

    def rows(self, most: int, *, alone: bool) -> Rows:
        """A piece of the prompt, or the last token with a draft of what may follow."""
        self._asked = time.perf_counter()
        self._draft, self._piece, self._alone, self._sits_out = [], 0, alone, False
        if self.reading:
            end = min(self._read + most, self._until)
            if self._read < self._n_prompt:
                end = min(end, self._n_prompt)  # to say there that others may go on from it
            self._piece = end - self._read
            last = end == self._until and self._limit > 0
            if last:
                self._prepare()
            return Rows(self.kv, self._text[self._read : end], "last" if last else "none")
        if self._masks_to_come is not None:  # it sat out: they are for this draft
            if alone and len(self._masked) < most:
                self._draft = self._masked
        elif self._forced is None and self._speculation is not None and alone:
            # The token after the last drafted one must still be within the limits.
            most = min(self._limit - len(self._text) + self._n_prompt, most) - 1
            self._draft = self._speculation.draft(self._text, most, self._constraint)
        self._begin_masks()
        tokens = [self._text[-1], *self._draft]
        return Rows(self.kv, tokens, "all" if self._draft else "last")

    def spare(self) -> bool:
        """Go on without drafts, which need memory of their own."""
        if not self._draft or self._speculation is None:
            return False
        self._speculation.give_up()
        self._masked = []
        return True

    def choice(self, row: int) -> Choice | None:
        """The next token's, once its mask is there; None where more of the prompt is to come."""
        kv = self.kv
        if self._piece:
            self._note_read(self._read + self._piece)
            if self._read == self._n_prompt and self._limit > 0:
                kv.mark()
                self._engine.keep(kv)  # others that begin so find it from now on
            if self.reading or self._limit <= 0:
                return None
        masks = self._masks_to_come
        if masks is None:
            return Choice(self._sampler, kv, row, self._draft, self._n_logprobs, None, self._forced)
        if not wait([masks], _GRACE_ALONE if self._alone else _GRACE).done:
            self._sit_out()
            return None
        self._masks_to_come = None
        allowed = masks.result()[: len(self._draft) + 1]
        return Choice(self._sampler, kv, row, self._draft, self._n_logprobs, allowed, self._forced)

    def take(self, row: int, chosen: Sequence[Sampled], seconds: float) -> Taken[Result]:
        """Add what was chosen to the answer, as far as it goes."""
        self._note(chosen, seconds)
        results: list[Result] = []
        if self._sits_out:
            return Taken(results, False)
        kv = self.kv
        if not self.reading and self._limit <= 0:
            results.append(self._end("length"))
        used = self._add_all(chosen, results)
        if used < len(chosen):  # as plain decoding leaves it: the last token was not read yet
            kv.truncate(kv.reusable(len(self._text) - 1))
        ended = bool(results) and isinstance(results[-1], Ended)
        if ended:
            self._engine.keep(kv)
        return Taken(results, ended)

    def leave(self) -> None:
        """Whoever takes the results may be long, so the memory does not wait for that."""
        self._sequence.leave(self._engine)

    def close(self) -> None:
        """End the thread that computes masks."""
        if self._masks is not None:
            self._masks.close()

    def _note(self, chosen: Sequence[Sampled], seconds: float) -> None:
        """Note what the pass took, and learn from it."""
        now, progress = time.perf_counter(), self.progress
        if progress.first_token_s is None:
            progress.prefill_s = now - self._began
            if chosen:
                progress.first_token_s = progress.prefill_s
            return
        progress.decode_s += now - self._asked
        progress.passes += bool(chosen)
        speculation = self._speculation
        if speculation is not None and self._forced is None and not self._piece and chosen:
            speculation.learn(len(self._draft), [each.token for each in chosen], seconds)
            progress.drafted, progress.accepted = speculation.drafted, speculation.accepted

    def _note_read(self, n: int) -> None:
        self._read = n
        new = min(n, self._n_prompt) - self.progress.reuse.reused
        self.progress.prefilled = max(self.progress.prefilled, new)

    def _sit_out(self) -> None:
        """Leave the pass as if it had not been made for the rows that have logits."""
        self._sits_out = True
        n = self.kv.n_tokens - 1 - len(self._draft)
        self.kv.truncate(self.kv.reusable(n))
        if self._piece:
            self._read = n

    def _prepare(self) -> None:
        """Before a pass that reads the text's last token."""
        if not self._prepared:
            self._prepared = True
            self._prepare_next()
        self._begin_masks()

    def _prepare_next(self) -> None:
        self._forced = self._steering.next()

    def _begin_masks(self) -> None:
        """Unless they were begun already, for a pass that was not made."""
        if self._masks is None or self._forced is not None or self._masks_to_come is not None:
            return
        self._masked = self._draft
        self._masks_to_come = self._masks.begin(self._draft)

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
