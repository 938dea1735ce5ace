"""What lm-evaluation-harness asks of a model, in terms of `LLM`.

This needs nothing of the harness; `pestle.lm_eval` is the class that it knows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pestle.llm import LLM
from pestle.results import Completion

_log = logging.getLogger("pestle.lm_eval")
T = TypeVar("T")
Pair = tuple[list[int], list[int]]
"""The tokens of a context and of its continuation."""

_LIMITS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
# What the harness calls options, and what they are here.
_SAMPLING = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
    "seed": "seed",
}
_NO_OPTIONS = ("do_sample", "until", *_LIMITS)


class Backend:
    """Scores and generates for the harness.

    Texts that spell a control token mean it, as with other backends: that is how chat templates
    and BOS come in. What is longer than the context is cut at its beginning, as the harness wants
    it, and a warning says so.
    """

    def __init__(self, llm: LLM, *, max_gen_toks: int = 256) -> None:
        self.llm = llm
        self.max_gen_toks = max_gen_toks
        self._n_cut = 0

    @property
    def prefix_token(self) -> int:
        """What stands before a text that has no context."""
        tokenizer = self.llm.tokenizer
        known = (tokenizer.bos_id, tokenizer.eos_id, tokenizer.eot_id)
        return next((token for token in known if token is not None), 0)

    @property
    def end_token(self) -> int:
        """What ends a text."""
        tokenizer = self.llm.tokenizer
        known = (tokenizer.eos_id, tokenizer.eot_id, tokenizer.bos_id)
        return next((token for token in known if token is not None), 0)

    def encode(self, text: str, *, add_special: bool = True) -> list[int]:
        """The tokens of a text; one that begins with BOS gets no second one."""
        return self.llm.tokenize(text, add_special=add_special, parse_special=True)

    def log_likelihoods(self, pairs: Sequence[Pair]) -> list[tuple[float, bool]]:
        """Of each continuation: its log probability, and whether it is what greedy decoding says.

        Pairs that begin alike are scored one after the other, so that a context is read once.
        """
        return _in_order(pairs, lambda pair: [*pair[0], *pair[1]], self._log_likelihood)

    def rolling(self, texts: Iterable[str]) -> list[float]:
        """The log probability of each text, in windows of the context that overlap by nothing.

        Each token is scored once, in the first window all after one token of prefix, then each with
        as much context as there is room for.
        """
        return [self._rolling(self.encode(text, add_special=False)) for text in texts]

    def generate(self, context: str, options: Mapping[str, Any]) -> str:
        """The text after `context`. `options` are the harness's; ValueError for an unknown one."""
        asked = dict(options)
        until = asked.get("until") or []
        limit = next((asked[name] for name in _LIMITS if asked.get(name) is not None), None)
        limit = self.max_gen_toks if limit is None else int(limit)
        unknown = asked.keys() - {*_SAMPLING, *_NO_OPTIONS}
        if unknown:
            raise ValueError(f"Pestle has no option {min(unknown)!r} for generating")
        sampling: dict[str, Any] = {
            name: asked[theirs]
            for theirs, name in _SAMPLING.items()
            if asked.get(theirs) is not None
        }
        if not asked.get("do_sample", "temperature" in sampling):
            sampling["temperature"] = 0.0
        room = max(self.llm.n_ctx - limit, 1)
        tokens = self._cut(self.encode(context), room)
        stop = [until] if isinstance(until, str) else [text for text in until if text]
        sampling.setdefault("seed", 0)
        answer: Completion = self.llm.generate(tokens, stop=stop, max_tokens=limit, **sampling)
        return answer.text

    def chat(self, messages: Sequence[Mapping[str, Any]], *, answer: bool = True) -> str:
        """A chat as text; without `answer` the last message is to be gone on with."""
        template = self.llm.template
        if template is None:
            raise ValueError(f"{self.llm.path}: the file has no chat template")
        text = template.render(list(messages), add_generation_prompt=answer)
        if answer:
            return text
        last = str(messages[-1]["content"]).strip()
        return text[: text.rindex(last) + len(last)]

    def _log_likelihood(self, pair: Pair) -> tuple[float, bool]:
        context, continuation = pair
        tokens = self._cut([*context, *continuation], self.llm.n_ctx)
        scored = self.llm.score(tokens, start=max(len(tokens) - len(continuation), 1))
        # As the harness adds up what servers tell it, whose sums have to be these.
        total = sum(each.logprob for each in scored)
        return total, all(each.is_greedy for each in scored)

    def _rolling(self, tokens: list[int]) -> float:
        length = self.llm.n_ctx - 1  # of a window's tokens; one stands before them
        windows: list[float] = []
        for begin in range(0, len(tokens), length):
            end = min(begin + length, len(tokens))
            before = max(end - length - 1, -1)
            window = [self.prefix_token, *tokens[:end]] if before < 0 else tokens[before:end]
            scored = self.llm.score(window, start=len(window) - (end - begin))
            windows.append(sum(each.logprob for each in scored))
        return sum(windows)

    def _cut(self, tokens: list[int], most: int) -> list[int]:
        if len(tokens) <= most:
            return tokens
        self._n_cut += 1
        if self._n_cut == 1:
            _log.warning(
                "a request of %d tokens is longer than the %d that it may have: its beginning is "
                "cut off; so will that of others be, without a further word", len(tokens), most
            )  # fmt: skip
        return tokens[-most:]


def _in_order(
    items: Sequence[Any], key: Callable[[Any], list[int]], work: Callable[[Any], T]
) -> list[T]:
    """The results for `items`, worked on in the order of their keys."""
    order = sorted(range(len(items)), key=lambda n: key(items[n]))
    results = {n: work(items[n]) for n in order}
    return [results[n] for n in range(len(items))]
