"""How a generation is asked for: the options of every generating call, checked in one place."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypedDict

from pestle.errors import FormatError


class GenerateOptions(TypedDict, total=False):
    """The keyword options of `generate`, `chat` and their asynchronous forms.

    An option that is absent or None has the model file's own value where it states one
    (`general.sampling.*`), else the default given here.
    """

    max_tokens: int | None  # default: until the model ends its answer or the context is full
    stop: str | Sequence[str] | None  # end before any of these strings; they are not in the text
    temperature: float | None  # 0.8; 0 takes the likeliest token
    top_k: int | None  # 40; 0 keeps all
    top_p: float | None  # 0.95; 1 keeps all
    min_p: float | None  # 0.05; 0 keeps all
    repeat_penalty: float | None  # 1 (off)
    repeat_last_n: int | None  # 64: how many tokens the three penalties look back on
    frequency_penalty: float | None  # 0 (off)
    presence_penalty: float | None  # 0 (off)
    seed: int | None  # default: the LLM's seed, else a random one, which the result names
    logit_bias: Mapping[int, float] | None  # added to logits by token id; -inf forbids a token
    logprobs: int | None  # report each token's log probability and this many alternatives


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. Raises ValueError for a value out of its range."""

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0

    def __post_init__(self) -> None:
        _require("temperature", self.temperature, "0 or more", self.temperature >= 0)
        _require("top_k", self.top_k, "0 or more", self.top_k >= 0)
        _require("top_p", self.top_p, "in (0, 1]", 0 < self.top_p <= 1)
        _require("min_p", self.min_p, "in [0, 1]", 0 <= self.min_p <= 1)
        _require("repeat_penalty", self.repeat_penalty, "more than 0", self.repeat_penalty > 0)
        _require("repeat_last_n", self.repeat_last_n, "0 or more", self.repeat_last_n >= 0)
        for name in ("frequency_penalty", "presence_penalty"):
            _require(name, getattr(self, name), "finite", True)


@dataclass(frozen=True, slots=True)
class Request:
    """One generation, fully decided: every option has its value. Built by `decide`."""

    sampling: Sampling
    seed: int
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    logprobs: int | None = None


_SAMPLING_NAMES = tuple(f.name for f in fields(Sampling))
_OTHER_NAMES = ("max_tokens", "stop", "seed", "logit_bias", "logprobs")

# GGUF key -> option. Samplers that Pestle does not have (xtc, mirostat) are not read.
_FILE_KEYS = {
    "general.sampling.temp": "temperature",
    "general.sampling.top_k": "top_k",
    "general.sampling.top_p": "top_p",
    "general.sampling.min_p": "min_p",
    "general.sampling.penalty_repeat": "repeat_penalty",
    "general.sampling.penalty_last_n": "repeat_last_n",
}


def decide(
    options: Mapping[str, Any], defaults: Sampling, *, n_vocab: int, seed: int | None = None
) -> Request:
    """Check `options` (see GenerateOptions) and fill in what they leave open.

    `seed` is used where the options have none; without either, one is drawn.
    Raises TypeError for an unknown option and ValueError for a value out of its range.
    """
    unknown = options.keys() - {*_SAMPLING_NAMES, *_OTHER_NAMES}
    if unknown:
        raise TypeError(f"unknown generation option {min(unknown)!r}")
    given = {name: value for name, value in options.items() if value is not None}
    sampling = replace(defaults, **{n: given[n] for n in _SAMPLING_NAMES if n in given})
    max_tokens, logprobs = given.get("max_tokens"), given.get("logprobs")
    if max_tokens is not None:
        _require("max_tokens", max_tokens, "0 or more", max_tokens >= 0)
    if logprobs is not None:
        _require("logprobs", logprobs, f"in [0, {n_vocab}]", 0 <= logprobs <= n_vocab)
    chosen = given.get("seed", seed)
    return Request(
        sampling=sampling,
        # 32 bits are short enough to be typed again.
        seed=secrets.randbits(32) if chosen is None else check_seed(chosen),
        max_tokens=max_tokens,
        stop=_stop_strings(given.get("stop", ())),
        logit_bias=_bias(given.get("logit_bias", {}), n_vocab),
        logprobs=logprobs,
    )


def sampling_of_file(get: Callable[[str], Any], *, n_ctx: int) -> Sampling:
    """The sampling defaults of a model file; `get` returns metadata by key, None if absent.

    Raises FormatError for a stated value that is not a number in its range.
    """
    stated: dict[str, Any] = {}
    for key, name in _FILE_KEYS.items():
        value = get(key)
        if value is None:
            continue
        wanted = int if name in ("top_k", "repeat_last_n") else (int, float)
        if isinstance(value, bool) or not isinstance(value, wanted):
            kind = "an integer" if wanted is int else "a number"
            raise FormatError(f"metadata `{key}` is {value!r}, expected {kind}")
        # -1 stands for the whole context.
        stated[name] = n_ctx if name == "repeat_last_n" and value == -1 else value
    try:
        return Sampling(**stated)
    except ValueError as error:
        raise FormatError(f"metadata `general.sampling.*`: {error}") from error


def check_seed(seed: int) -> int:
    """Return `seed` if it is one: an integer of 64 bits without sign. Else ValueError."""
    _require("seed", seed, "in [0, 2**64)", 0 <= seed < 2**64)
    return seed


def _stop_strings(stop: str | Sequence[str]) -> tuple[str, ...]:
    strings = (stop,) if isinstance(stop, str) else tuple(stop)
    if "" in strings:
        raise ValueError("stop: an empty string would end every answer at once")
    return strings


def _bias(bias: Mapping[int, float], n_vocab: int) -> Mapping[int, float]:
    for token, value in bias.items():
        if not 0 <= token < n_vocab:
            raise ValueError(f"logit_bias: token {token} is not in [0, {n_vocab})")
        if math.isnan(value) or value == math.inf:
            raise ValueError(f"logit_bias: {value} for token {token} is not a number or -inf")
    return dict(bias)


def _require(name: str, value: float, wanted: str, holds: bool) -> None:
    if not holds or not math.isfinite(value):
        raise ValueError(f"{name} is {value}, expected {wanted}")
