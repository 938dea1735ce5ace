"""How a generation is asked for: the options of every generating call, checked in one place.

Errors are imported late: they bring the core, and the command line reads the defaults here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypedDict

from pestle.options.checks import (
    INT32_MAX,
    check_bool,
    check_integer,
    check_number,
    check_seed,
    mistyped,
)

_FLOAT32_MAX = (2 - 2**-23) * 2.0**127  # and keeps logits in as many


class GenerateOptions(TypedDict, total=False):
    """The keyword options of `generate`, `chat` and their asynchronous forms.

    An option that is absent or None has the model file's own value where it states any
    (`general.sampling.*`), else, for models of the catalogue, what their makers publish
    (`LLM.sampling_source` names the page), else the default given here. Of `json_schema`,
    `grammar`, `regex` and `choice`, which say what the text has to be (in a chat, what the model
    says to the user), one at most may be given.

    Attributes:
        max_tokens: The most tokens of the text; default: until the model ends its answer or the
            context is full.
        stop: End before this string, or any of several; they are not in the text.
        temperature: 0.8; 0 takes the likeliest token.
        top_k: 40 tokens, the likeliest, are kept; 0 keeps all.
        top_p: 0.95: the likeliest tokens that sum to it are kept; 1 keeps all.
        min_p: 0.05: tokens below this part of the likeliest go; 0 keeps all.
        repeat_penalty: 1: off; more than 1 makes recent tokens less likely.
        repeat_last_n: 64: how many tokens the three penalties look back on; -1: all.
        frequency_penalty: 0: off; taken off a recent token's logit each time it occurred.
        presence_penalty: 0: off; taken off a recent token's logit once.
        seed: Default: the LLM's seed, else a random one, which the result names.
        logit_bias: Added to logits by token id; -inf forbids a token.
        logprobs: Report each token's log probability and so many alternatives.
        speculation: True: faster where the text repeats itself; never other output.
        json_schema: JSON of this schema: a mapping, JSON, or a class that has one, such as a
            pydantic model; the result's `parsed` has its values.
        grammar: A text of this grammar, in Lark or GBNF.
        regex: What matches, in Rust's syntax; \\d, \\w, \\s and (?i) are ASCII, Unicode's behind
            (?u).
        choice: One of these strings.
    """

    max_tokens: int | None
    """The most tokens of the text; default: until the model ends its answer or the context is full.
    """
    stop: str | Sequence[str] | None
    """End before this string, or any of several; they are not in the text."""
    temperature: float | None
    """0.8; 0 takes the likeliest token."""
    top_k: int | None
    """40 tokens, the likeliest, are kept; 0 keeps all."""
    top_p: float | None
    """0.95: the likeliest tokens that sum to it are kept; 1 keeps all."""
    min_p: float | None
    """0.05: tokens below this part of the likeliest go; 0 keeps all."""
    repeat_penalty: float | None
    """1: off; more than 1 makes recent tokens less likely."""
    repeat_last_n: int | None
    """64: how many tokens the three penalties look back on; -1: all."""
    frequency_penalty: float | None
    """0: off; taken off a recent token's logit each time it occurred."""
    presence_penalty: float | None
    """0: off; taken off a recent token's logit once."""
    seed: int | None
    """Default: the LLM's seed, else a random one, which the result names."""
    logit_bias: Mapping[int, float] | None
    """Added to logits by token id; -inf forbids a token."""
    logprobs: int | None
    """Report each token's log probability and so many alternatives."""
    speculation: bool | None
    """True: faster where the text repeats itself; never other output."""
    json_schema: Mapping[str, Any] | str | bool | type | None
    """JSON of this schema: a mapping, JSON, or a class that has one, such as a pydantic model; the
    result's `parsed` has its values.
    """
    grammar: str | None
    """A text of this grammar, in Lark or GBNF."""
    regex: str | None
    """What matches, in Rust's syntax; \\d, \\w, \\s and (?i) are ASCII, Unicode's behind (?u)."""
    choice: Sequence[str] | None
    """One of these strings."""


class ChatOptions(GenerateOptions, total=False):
    """The keyword options of `chat`, `ask` and their asynchronous forms.

    They are those of `GenerateOptions`, and these. A switch that the model does not have raises
    UnsupportedError; None is the model's own way.

    Attributes:
        reasoning: Whether the model thinks before it answers.
        reasoning_effort: "low", "medium" or "high".
        reasoning_budget: After so many tokens of reasoning it is led to its answer.
        response_format: The `json_schema`, as the OpenAI API has it.
        tool_choice: "auto", "none", "required", a function as the OpenAI API names it, or {"type":
            "allowed_tools", "allowed_tools": {"mode": "auto" or "required", "tools": [...]}}, of
            which no others are called.
        parallel_tool_calls: Whether an answer may have several calls: True, but for one that names
            the function to call. False ends the answer after its first call, and holds a forced one
            to one.
    """

    reasoning: bool | None
    """Whether the model thinks before it answers."""
    reasoning_effort: str | None
    """"low", "medium" or "high"."""
    reasoning_budget: int | None
    """After so many tokens of reasoning it is led to its answer."""
    response_format: Mapping[str, Any] | type | None
    """The `json_schema`, as the OpenAI API has it."""
    tool_choice: str | Mapping[str, Any] | None
    """"auto", "none", "required", a function as the OpenAI API names it, or {"type":
    "allowed_tools", "allowed_tools": {"mode": "auto" or "required", "tools": [...]}}, of which no
    others are called.
    """
    parallel_tool_calls: bool | None
    """Whether an answer may have several calls: True, but for one that names the function to call.
    False ends the answer after its first call, and holds a forced one to one.
    """


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen.

    Raises ArgumentTypeError for a value that is not a number, or not an integer where one is
    wanted, and ArgumentError for one out of its range.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("top_k", 0), ("repeat_last_n", -1)):
            checked = check_integer(name, getattr(self, name), least, INT32_MAX)
            object.__setattr__(self, name, checked)  # the class is frozen for everyone else
        for name, (wanted, allows) in _NUMBERS.items():
            object.__setattr__(self, name, check_number(name, getattr(self, name), wanted, allows))


_NUMBERS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "temperature": ("0 or more", lambda value: 0 <= value < math.inf),
    "top_p": ("in (0, 1]", lambda value: 0 < value <= 1),
    "min_p": ("in [0, 1]", lambda value: 0 <= value <= 1),
    "repeat_penalty": ("more than 0", lambda value: 0 < value < math.inf),
    "frequency_penalty": ("a finite number", math.isfinite),
    "presence_penalty": ("a finite number", math.isfinite),
}


@dataclass(frozen=True, slots=True)
class Request:
    """One generation, fully decided: every option has its value. Built by `decide`."""

    sampling: Sampling
    seed: int
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    logprobs: int | None = None
    speculation: bool = True
    reasoning_budget: int | None = None


_SAMPLING_NAMES = tuple(f.name for f in fields(Sampling))

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
    options: Mapping[str, Any],
    defaults: Sampling,
    *,
    n_vocab: int,
    seed: int | None = None,
    reasoning_budget: int | None = None,
) -> Request:
    """Check the values of `options` (see GenerateOptions) and fill in what they leave open.

    Options that are of no concern here, such as a schema, are not looked at. `seed` is used where
    the options have none; without either, one is drawn. `reasoning_budget` is of ChatOptions, the
    others of which are the chat template's business.
    Raises ArgumentTypeError for a value of the wrong type, and ArgumentError for one out of its
    range.
    """
    given = {name: value for name, value in options.items() if value is not None}
    sampling = replace(defaults, **{n: given[n] for n in _SAMPLING_NAMES if n in given})
    max_tokens, logprobs = given.get("max_tokens"), given.get("logprobs")
    if max_tokens is not None:
        max_tokens = check_integer("max_tokens", max_tokens, 0)
    if logprobs is not None:
        if isinstance(logprobs, bool):
            raise mistyped("logprobs", logprobs, "how many alternatives to report, 0 for none")
        logprobs = check_integer("logprobs", logprobs, 0, n_vocab)
    chosen = given.get("seed", seed)
    return Request(
        sampling=sampling,
        seed=_random_seed() if chosen is None else check_seed(chosen),
        max_tokens=max_tokens,
        stop=_stop_strings(given.get("stop", ())),
        logit_bias=_bias(given.get("logit_bias", {}), n_vocab),
        logprobs=logprobs,
        reasoning_budget=(
            None
            if reasoning_budget is None
            else check_integer("reasoning_budget", reasoning_budget, 0)
        ),
        speculation=check_bool("speculation", given.get("speculation", True)),
    )


def sampling_of_file(get: Callable[[str], Any]) -> Sampling:
    """The sampling defaults of a model file; `get` returns metadata by key, None if absent.

    Raises FormatError for a stated value that is not a number in its range.
    """
    from pestle.errors import FormatError, shown

    stated: dict[str, Any] = {}
    for key, name in _FILE_KEYS.items():
        value = get(key)
        if value is None:
            continue
        wanted = int if name in ("top_k", "repeat_last_n") else (int, float)
        if isinstance(value, bool) or not isinstance(value, wanted):
            kind = "an integer" if wanted is int else "a number"
            raise FormatError(f"metadata `{key}` is {shown(value)}, expected {kind}")
        stated[name] = value
    try:
        return Sampling(**stated)
    except ValueError as error:
        raise FormatError(f"metadata `general.sampling.*`: {error}") from error


def states_sampling(get: Callable[[str], Any]) -> bool:
    """Whether a model file says anything of how to sample, be it what is the default anyway."""
    return any(get(key) is not None for key in _FILE_KEYS)


def _random_seed() -> int:
    import secrets  # takes longer to import than all that is here

    return secrets.randbits(32)  # short enough to be typed again


def _stop_strings(stop: object) -> tuple[str, ...]:
    from pestle.errors import ArgumentError, ArgumentTypeError, shown

    if isinstance(stop, str):
        strings: tuple[Any, ...] = (stop,)
    elif isinstance(stop, Iterable) and not isinstance(stop, (bytes, bytearray)):
        strings = tuple(stop)
    else:
        raise mistyped("stop", stop, "a string or several")
    for each in strings:
        if not isinstance(each, str):
            raise ArgumentTypeError(f"stop: {shown(each)} is not a string")
    if "" in strings:
        raise ArgumentError("stop: an empty string would end every answer at once")
    return strings


def _bias(bias: object, n_vocab: int) -> dict[int, float]:
    if not isinstance(bias, Mapping):
        raise mistyped("logit_bias", bias, "a mapping from token ids to numbers")
    checked = {}
    for token, value in bias.items():
        known = check_integer("logit_bias: token", token, 0, n_vocab - 1)
        checked[known] = check_number(
            f"logit_bias: token {known}", value, "a 32-bit float, or -inf", _is_bias
        )
    return checked


def _is_bias(value: float) -> bool:
    return value == -math.inf or abs(value) <= _FLOAT32_MAX
