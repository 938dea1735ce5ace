"""What a chat's `/set` takes: parameters by their flags' names and other programs' ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pestle.cli.chat_options import chat_parameters
from pestle.cli.refusal import RefusedError
from pestle.options.values import ON_FULL

if TYPE_CHECKING:
    from pestle.cli.dialogue import Dialogue

_ALIASES = {
    "temperature": "temp",
    "n": "max-tokens",
    "n-predict": "max-tokens",
    "num-predict": "max-tokens",
    "max-new-tokens": "max-tokens",
    "max-completion-tokens": "max-tokens",
    "repetition-penalty": "repeat-penalty",
    "thinking": "think",
    "reasoning": "think",
    "guard": "loop-guard",
}
_CONTEXT = ("ctx", "ctx-size", "num-ctx", "context", "context-length")
_ON = {"on": True, "true": True, "yes": True, "1": True}
_OFF = {"off": False, "false": False, "no": False, "0": False}
_SWITCH = _ON | _OFF
NO_LIMIT = ("off", "none", "unlimited", "-1")


def set_names() -> tuple[str, ...]:
    """What may follow /set, for completion."""
    return ("think", "nothink", "verbose", "quiet", "system", *_SPECIAL, *chat_parameters())


def carry_out(dialogue: Dialogue, argument: str) -> list[str]:
    """Carry out /set; RefusedError says what is wrong."""
    name, value = _parted(argument)
    if not name:
        return dialogue.parameters()
    if name in ("verbose", "quiet") and not value:
        dialogue.console.verbose = name == "verbose"
        return [f"Statistics are {'shown' if name == 'verbose' else 'hidden'}."]
    if name in ("think", "nothink"):
        return _set_thinking(dialogue, name, value)
    if name == "system":
        dialogue.set_system(value or None)
        return ["The system message is set." if value else "The system message is removed."]
    if name in _CONTEXT:
        raise RefusedError("The context is set as a chat begins: pestle chat -c 16384.")
    if not value:
        raise RefusedError("/set needs a parameter and its value, as in /set temp 0.5.")
    if name in _SPECIAL:
        _SPECIAL[name](dialogue, value.lower())
    else:
        dialogue.set_parameter(name, value)
    return [f"{name} is {value}."]


def _parted(argument: str) -> tuple[str, str]:
    """The parameter's name here and its value: `temp 0.5`, `temp=0.5`, `parameter temp 0.5`."""
    words = argument.split(maxsplit=1)
    if words and words[0].lower() == "parameter":
        words = words[1:] and words[1].split(maxsplit=1)
    if not words:
        return "", ""
    name, equals, value = words[0].partition("=")
    rest = words[1].strip() if len(words) > 1 else ""
    name = name.lower().lstrip("-").replace("_", "-")
    return _ALIASES.get(name, name), f"{value} {rest}".strip() if equals else rest


def _set_thinking(dialogue: Dialogue, name: str, value: str) -> list[str]:
    on = _switch("think", value.lower()) if value else True
    on = on if name == "think" else not on
    dialogue.set_thinking(on)
    return [f"Thinking is {'on' if on else 'off'}."]


def _set_guard(dialogue: Dialogue, value: str) -> None:
    dialogue.guards = True if value == "default" else _switch("loop-guard", value)


def _set_on_full(dialogue: Dialogue, value: str) -> None:
    if value not in (*ON_FULL, "default"):
        raise RefusedError(f"on-full: '{value}' is not one of {', '.join(ON_FULL)}.")
    dialogue.conversation.on_full = "slide" if value == "default" else value


def _switch(name: str, value: str) -> bool:
    if value not in _SWITCH:
        raise RefusedError(f"{name}: '{value}' is neither on nor off.")
    return _SWITCH[value]


_SPECIAL: dict[str, Callable[[Dialogue, str], None]] = {
    "on-full": _set_on_full,
    "loop-guard": _set_guard,
}
