"""An answer on its way through its phases: which tokens may come next."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from pestle.constraints.matcher import Matcher
from pestle.constraints.phases import Body, Fixed, Free, Opening, Phase, Words, words_of
from pestle.errors import GrammarError

_NOTHING = "the grammar allows no token of the vocabulary here"


class Constraint:
    """What may come next in one answer. It is used by one thread at a time.

    Tokens that end an answer are among those that a mask allows, but are never pushed.
    """

    def __init__(self, n_vocab: int, start: Phase) -> None:
        self._n_vocab = n_vocab
        self._phase = start
        self._matcher: Matcher | None = None  # of the body that has begun, or could begin
        self._body: Body | None = None  # whose matcher that is

    def push(self, token: int, *, forced: bool = False) -> None:
        """Take the next token; GrammarError if it may not come.

        A `forced` one was not chosen: it may end a part where that is not for the model to do.
        """
        phase = self._after(self._phase, token, forced)
        if phase is None:
            raise GrammarError(f"token {token} cannot come here")
        self._phase = phase

    def masks(self, draft: Sequence[int]) -> list[Words]:
        """The mask of the next token, and of the token after each of `draft`.

        `draft` is at most what `admitted` admits. Where a mask cannot be computed, there are only
        those before it; raises GrammarError if there is none.
        """
        masks = [self._mask(self._phase)]
        if not draft:
            return masks
        before = self._place()
        with suppress(GrammarError):  # it is raised when the answer has come so far
            for token in draft:
                self.push(token)
                masks.append(self._mask(self._phase))
        self._return_to(*before)
        return masks

    def admitted(self, draft: Sequence[int]) -> int:
        """How many of the tokens of `draft` may come, each if those before it do."""
        before = self._place()
        n = 0
        with suppress(GrammarError):
            for token in draft:
                self.push(token)
                n += 1
        self._return_to(*before)
        return n

    def sure(self, most: int) -> list[int]:
        """The tokens, at most so many, that come next whatever is chosen, as far as is known."""
        before = self._place()
        tokens: list[int] = []
        with suppress(GrammarError):
            while len(tokens) < most and (forced := self._forced(self._phase)):
                for token in forced[: most - len(tokens)]:
                    self.push(token)
                    tokens.append(token)
        self._return_to(*before)
        return tokens

    def _after(self, phase: Phase | None, token: int, forced: bool) -> Phase | None:
        """The phase after `token`; None if it may not come."""
        if isinstance(phase, Fixed):
            child = phase.children.get(token)
            return self._after(phase.otherwise, token, forced) if child is None else child
        if isinstance(phase, Body):
            matcher = self._matcher_of(phase)
            if matcher.allows(token):
                matcher.push(token)
                return phase
            if not matcher.is_complete:
                return None
            self._matcher = self._body = None
            return self._after(phase.rest, token, forced)
        if phase is None:
            return None
        rest = phase.rest if isinstance(phase, Opening) else phase
        following = rest.ends.get(token)
        if not forced and phase.banned[token // 32] >> np.uint32(token % 32) & 1:
            return None
        if isinstance(following, Body):
            return self._after(following, token, forced)
        if following is None and isinstance(phase, Opening) and phase.is_blank(token):
            return phase
        return rest if following is None else following

    def _mask(self, phase: Phase) -> Words:
        words = self._words(phase)
        if not words.any():
            raise GrammarError(_NOTHING)
        return words

    def _words(self, phase: Phase) -> Words:
        if isinstance(phase, (Free, Opening)):
            return ~phase.banned
        if isinstance(phase, Body):
            matcher = self._matcher_of(phase)
            words = matcher.mask()
            return words | self._words(phase.rest) if matcher.is_complete else words
        words = words_of(self._n_vocab, phase.children)
        return words if phase.otherwise is None else words | self._words(phase.otherwise)

    def _forced(self, phase: Phase) -> list[int]:
        if isinstance(phase, Body):
            return self._matcher_of(phase).forced()
        if isinstance(phase, Fixed):
            if not phase.children and phase.otherwise is not None:
                return self._forced(phase.otherwise)
            if len(phase.children) == 1 and phase.otherwise is None:
                return list(phase.children)
        return []

    def _matcher_of(self, body: Body) -> Matcher:
        if self._body is not body or self._matcher is None:
            self._body, self._matcher = body, body.beginning.fresh()
        return self._matcher

    def _place(self) -> tuple[Phase, Body | None, Matcher | None, int]:
        n_tokens = self._matcher.n_tokens if self._matcher is not None else 0
        return self._phase, self._body, self._matcher, n_tokens

    def _return_to(
        self, phase: Phase, body: Body | None, matcher: Matcher | None, n_tokens: int
    ) -> None:
        self._phase, self._body, self._matcher = phase, body, matcher
        if matcher is not None:
            matcher.shorten(n_tokens)
