"""What callers hand in beside messages and tools, checked before any work: options and prompts."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from pestle.chat.characters import encoded
from pestle.engine.admission import check_fits
from pestle.errors import ArgumentError, ArgumentTypeError, Error, prompt_too_long, shown
from pestle.options import ChatOptions

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
    "function_call": "tool_choice",
    "functions": "tools",
    "max_output_tokens": "max_tokens",
    "stop_sequences": "stop",
    "stop_strings": "stop",
    "enable_thinking": "reasoning",
    "think": "reasoning",
}
_IN_OTHER_WORDS = {
    "model": "LLM takes it",
    "n": "generate_all and chat_all take a list, in which one may occur several times",
    "stream": "only generate, chat, ask, regenerate, proceed and their forms for asyncio take it",
    "system": "a message of the role system says it",
    "system_prompt": "a message of the role system says it",
    "template_args": "chat and conversation take it",
    "tools": "chat and conversation take them",
    "max_rounds": "converse takes it, as most_rounds",
    "max_steps": "converse takes it, as most_rounds",
}
_OURS = ("messages", "tools", "add_generation_prompt")  # variables that are not the caller's


def check_names(
    options: Mapping[str, Any],
    known: Iterable[str],
    kind: str = "generation",
    beside: Iterable[str] = (),
) -> None:
    """Raise ArgumentTypeError for an option that is not in `known`.

    `beside` are the call's other keywords, which may be what was meant. A text's options are fewer
    than a chat's.
    """
    from pestle.suggest import did_you_mean  # brings difflib

    unknown = sorted(options.keys() - {*known})
    known = sorted({*known, *beside})
    for name in unknown:
        elsewhere = _ELSEWHERE.get(name, "")
        meant = f"; did you mean {elsewhere}?" if elsewhere in known else did_you_mean(name, known)
        if name in _IN_OTHER_WORDS:
            meant = f"; {_IN_OTHER_WORDS[name]}"
        elif name in ChatOptions.__optional_keys__:
            meant = "; chat takes it"
        raise ArgumentTypeError(f"unknown {kind} option {name!r}{meant}")


@contextmanager
def about(where: str) -> Iterator[None]:
    """Have the errors that are raised within name `where`, if they do not already."""
    try:
        yield
    except Error as error:
        if not str(error).startswith(where):
            error.args = (f"{where}: {error}",)
        raise


def several(name: str, values: Any, expected: str) -> list[Any]:
    """`values` as a list. Raises ArgumentTypeError for what is one value, or none."""
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise ArgumentTypeError(f"{name} is {shown(values)}, expected {expected}")
    return list(values)


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
    loaded: Loaded, prompt: Any, *, parse_special: bool = False, name: str = "prompt"
) -> tuple[list[int], tuple[str, ...]]:
    """The tokens of a prompt, which is text or token ids, and what was replaced in the text.

    `name` is what messages call it.

    Raises ArgumentTypeError for anything else, ArgumentError for a token that the model does not
    know, UnknownCharacterError and ContextLengthError.
    """
    notes: tuple[str, ...] = ()
    if isinstance(prompt, str):
        encode = partial(loaded.tokenizer.encode, parse_special=parse_special)
        tokens, notes = encoded(loaded, prompt, encode)
    else:
        tokens = token_ids(name, prompt, "text or token ids")
    check_prompt(loaded, tokens, name)
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
        hint = ""
        if isinstance(token, str):
            hint = "; generate_all takes several texts"
        elif isinstance(token, Mapping):
            hint = "; chat takes messages"
        raise ArgumentTypeError(f"{where} is {shown(token)}, expected a token id{hint}") from None


def check_tokens(name: str, tokens: Sequence[int], n_vocab: int) -> None:
    """Raise ArgumentError for a token outside a vocabulary."""
    wrong = next((token for token in tokens if not 0 <= token < n_vocab), None)
    if wrong is not None:
        raise ArgumentError(f"{name}: token {wrong} is not in [0, {n_vocab})")


def check_prompt(loaded: Loaded, prompt: Sequence[int], name: str = "prompt") -> None:
    """Raise ArgumentError, ContextLengthError or MemoryLimitError unless the model can read it."""
    if not prompt:
        raise ArgumentError(f"{'the prompt' if name == 'prompt' else name} has no tokens")
    check_tokens(name, prompt, loaded.n_vocab)
    if len(prompt) > loaded.engine.n_ctx:
        raise prompt_too_long(len(prompt), loaded.engine.n_ctx)
    check_fits(loaded.engine, len(prompt))
