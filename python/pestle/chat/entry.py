"""What callers hand in beside messages and tools, checked before any work: options and prompts."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pestle.chat.characters import encoded
from pestle.engine.admission import check_fits
from pestle.errors import ArgumentError, ArgumentTypeError, prompt_too_long, shown

if TYPE_CHECKING:
    from pestle.engine.loaded import Loaded

# Names that other programs have for what is meant, too far from ours to be recognised as such.
_ELSEWHERE = {
    "temp": "temperature",
    "max_completion_tokens": "max_tokens",
    "max_length": "max_tokens",
    "max_new_tokens": "max_tokens",
    "n_predict": "max_tokens",
    "num_predict": "max_tokens",
    "repetition_penalty": "repeat_penalty",
    "format": "json_schema",
    "schema": "json_schema",
    "functions": "tools",
    "enable_thinking": "reasoning",
    "think": "reasoning",
}
_OURS = ("messages", "tools", "add_generation_prompt")  # variables that are not the caller's


def check_names(options: Mapping[str, Any], known: Iterable[str], kind: str = "generation") -> None:
    """Raise ArgumentTypeError for an option that is not in `known`."""
    from pestle.models.suggest import did_you_mean  # brings the hub

    known = sorted(known)
    for name in sorted(options.keys() - {*known}):
        elsewhere = _ELSEWHERE.get(name, "")
        meant = f"; did you mean {elsewhere}?" if elsewhere in known else did_you_mean(name, known)
        raise ArgumentTypeError(f"unknown {kind} option {name!r}{meant}")


def checked_variables(template_args: Any) -> dict[str, Any]:
    """Further variables of a chat template. Raises ArgumentTypeError and ArgumentError."""
    if template_args is None:
        return {}
    if not isinstance(template_args, Mapping):
        raise ArgumentTypeError(f"template_args is {shown(template_args)}, expected a mapping")
    for name in template_args:
        if not isinstance(name, str):
            raise ArgumentTypeError(f"template_args: the name {shown(name)} is not a string")
        if name in _OURS:
            raise ArgumentError(f"template_args: {name} is not a variable to be set here")
    return dict(template_args)


def prompt_tokens(
    loaded: Loaded, prompt: Any, *, parse_special: bool = False
) -> tuple[list[int], tuple[str, ...]]:
    """The tokens of a prompt, which is text or token ids, and what was replaced in the text.

    Raises ArgumentTypeError for anything else, ArgumentError for a token that the model does not
    know, UnknownCharacterError and ContextLengthError.
    """
    notes: tuple[str, ...] = ()
    if isinstance(prompt, str):
        encode = partial(loaded.tokenizer.encode, parse_special=parse_special)
        tokens, notes = encoded(loaded, prompt, encode)
    else:
        tokens = token_ids("prompt", prompt, "text or token ids")
    check_prompt(loaded, tokens)
    return tokens, notes


def token_ids(name: str, value: Any, expected: str = "token ids") -> list[int]:
    """`value` as a list of token ids. Raises ArgumentTypeError."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise ArgumentTypeError(f"{name} is {shown(value)}, expected {expected}")
    return [_token_id(f"{name}[{n}]", token) for n, token in enumerate(value)]


def _token_id(where: str, token: Any) -> int:
    try:
        return operator.index(token)
    except TypeError:
        one = "; generate_all takes several texts" if isinstance(token, str) else ""
        raise ArgumentTypeError(f"{where} is {shown(token)}, expected a token id{one}") from None


def check_tokens(name: str, tokens: Sequence[int], n_vocab: int) -> None:
    """Raise ArgumentError for a token outside a vocabulary."""
    wrong = next((token for token in tokens if not 0 <= token < n_vocab), None)
    if wrong is not None:
        raise ArgumentError(f"{name}: token {wrong} is not in [0, {n_vocab})")


def check_prompt(loaded: Loaded, prompt: Sequence[int]) -> None:
    """Raise ArgumentError, ContextLengthError or MemoryLimitError unless the model can read it."""
    if not prompt:
        raise ArgumentError("the prompt has no tokens")
    check_tokens("prompt", prompt, loaded.n_vocab)
    if len(prompt) > loaded.engine.n_ctx:
        raise prompt_too_long(len(prompt), loaded.engine.n_ctx)
    check_fits(loaded.engine, len(prompt))
