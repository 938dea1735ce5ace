"""What a chat's `/` commands do."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pestle.cli import chat_set, sessions, units
from pestle.cli.chat_model import greeting
from pestle.cli.console import Console, understands_escapes
from pestle.cli.dialogue import Dialogue
from pestle.cli.refusal import RefusedError

if TYPE_CHECKING:
    from pestle import Stream

# Qwen's switches are part of a message, and a path is no command either.
_COMMAND = re.compile(r"/(?!(?:no_)?think\b)[a-z?]*(?=\s|$)", re.IGNORECASE)
_LEAVING = ("exit", "quit", "exit()", "quit()", ":q")  # as a line of its own
_ALIASES = {
    "/exit": "/bye", "/quit": "/bye", "/q": "/bye", "/?": "/help", "/new": "/clear",
    "/reset": "/clear", "/retry": "/regen", "/regenerate": "/regen", "/read": "/file",
    "/attach": "/file", "/info": "/show info", "/params": "/set", "/parameters": "/set",
}  # fmt: skip

_CODE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n(.*?)^ {0,3}\1", re.MULTILINE | re.DOTALL)

Result: TypeAlias = "list[str] | Stream[Any] | None"
"""What a command gives: lines or an answer to show; None when the chat is over."""


KEYS = (
    ("Enter", "send the message"),
    ("Alt-Enter", "begin a new line in it"),
    ('"""', "begins and ends a message of several lines"),
    ("Ctrl-C", "stop the answer; what was said is kept"),
    ("Ctrl-D", "leave"),
)


@dataclass(frozen=True)
class Command:
    """One command. `act` gets what follows its name."""

    name: str
    argument: str  # as /help shows it
    help: str
    act: Callable[[Dialogue, str], Result]
    words: Callable[[], tuple[str, ...]] = tuple  # what may follow, for completion


def is_command(text: str) -> bool:
    """Whether a line is a command, not a message."""
    return _COMMAND.match(text) is not None or text.strip().lower() in _LEAVING


def carry_out(text: str, dialogue: Dialogue) -> Result:
    """Carry out a command line. Raises RefusedError for what cannot be done."""
    if text.strip().lower() in _LEAVING:
        return None
    typed, *rest = text.split(maxsplit=1)
    name, _, fixed = _ALIASES.get(typed.lower(), typed.lower()).partition(" ")
    argument = " ".join([*([fixed] if fixed else []), *rest])
    command = COMMANDS.get(name)
    if command is None:
        name = typed
        raise RefusedError(
            f"There is no command {name}: /help lists them. A space before / sends it."
        )
    argument = argument.strip()
    if argument and not command.argument:
        raise RefusedError(f"{name} takes nothing after it.")
    return command.act(dialogue, argument)


def _help(dialogue: Dialogue, argument: str) -> list[str]:
    rows = [(f"{c.name} {c.argument}".rstrip(), c.help) for c in COMMANDS.values()]
    return units.aligned([*rows, *KEYS])


def _leave(dialogue: Dialogue, argument: str) -> None:
    return None


def _clear(dialogue: Dialogue, argument: str) -> list[str]:
    dialogue.clear()
    return ["The conversation begins anew."]


def _regenerate(dialogue: Dialogue, argument: str) -> Stream[Any]:
    return dialogue.regenerate()


def _system(dialogue: Dialogue, argument: str) -> list[str]:
    dialogue.set_system(argument or None)
    return ["The system message is set." if argument else "The system message is removed."]


def _save(dialogue: Dialogue, argument: str) -> list[str]:
    saved = dialogue.conversation.save(_session(argument, "/save"))
    return [sessions.saved_line(argument, saved)]


def _load(dialogue: Dialogue, argument: str) -> list[str]:
    found = dialogue.conversation.load(_session(argument, "/load"))
    return [*sessions.lines(argument, found), *sessions.recap(dialogue.conversation.messages)]


def _model(dialogue: Dialogue, argument: str) -> list[str]:
    if argument:
        dialogue.change_model(argument)
        return [f"{greeting(dialogue.llm)}. What was said stays."]
    others = [name for name in _installed_names() if name != dialogue.llm.name]
    known = f"Here: {', '.join(others)}. " if others else ""
    return [f"{greeting(dialogue.llm)}.", f"{known}/model NAME goes on with another one."]


def _installed_names() -> tuple[str, ...]:
    from pestle.models import installed

    return tuple(model.name for model in installed() if model.complete)


def _file(dialogue: Dialogue, argument: str) -> Result:
    from pestle.cli import attachments

    if not argument:
        raise RefusedError("/file needs a path, as in /file notes.txt What is this about?")
    path, question = attachments.parted(argument)
    try:
        file = attachments.read(path)
    except attachments.UnreadableError as error:
        raise RefusedError(f"{error}.") from error
    tokens = dialogue.attach(file)
    if question:
        return dialogue.ask(question)
    share = f"{tokens / dialogue.llm.n_ctx:.0%} of the context"
    return [f"{file.name}: {tokens:,} tokens, {share}. It goes with your next message."]


def _copy(dialogue: Dialogue, argument: str) -> list[str]:
    answer = dialogue.last_answer
    if not answer:
        raise RefusedError("There is no answer yet.")
    if not understands_escapes(sys.stdout):
        raise RefusedError("This terminal has no clipboard that can be written to.")
    code = list(_CODE.finditer(answer))
    text, what = (code[-1][2], "the last code block") if code else (answer, "the answer")
    if argument == "all":
        text, what = answer, "the answer"
    Console().copy(text)
    return [f"Copied {what}, if the terminal allows it."]


def _session(name: str, command: str) -> str:
    if not name:
        raise RefusedError(f"{command} needs a name, as in {command} trip.")
    return name


def _saved_names() -> tuple[str, ...]:
    from pestle.sessions import saved_sessions

    return tuple(entry.name for entry in saved_sessions())


def _show(dialogue: Dialogue, argument: str) -> list[str]:
    argument = {"parameters": "params", "model": "info"}.get(argument.lower(), argument.lower())
    if argument not in _SHOWN:
        raise RefusedError(f"/show knows {', '.join(_SHOWN)}.")
    return _SHOWN[argument](dialogue)


def _template(dialogue: Dialogue) -> list[str]:
    template = dialogue.llm.template
    return template.source.splitlines() if template is not None else ["There is no template."]


def _system_message(dialogue: Dialogue) -> list[str]:
    return (dialogue.system or "There is no system message.").splitlines()


_SHOWN: dict[str, Callable[[Dialogue], list[str]]] = {
    "info": Dialogue.facts,
    "params": Dialogue.parameters,
    "template": _template,
    "system": _system_message,
}

COMMANDS = {
    command.name: command
    for command in (
        Command("/help", "", "this list", _help),
        Command("/bye", "", "leave; so do /exit and /quit", _leave),
        Command("/clear", "", "forget what was said", _clear),
        Command("/regen", "", "answer the last message again", _regenerate),
        Command("/file", "PATH [MESSAGE]", "send a text file with this message, or the next one",
                _file),
        Command("/model", "[NAME]", "switch to another model; the conversation stays", _model,
                _installed_names),
        Command("/copy", "[all]", "copy the last code block, or the answer", _copy,
                lambda: ("all",)),
        Command("/save", "NAME", "save the conversation, with what was read of it", _save),
        Command("/load", "NAME", "resume a saved conversation", _load, _saved_names),
        Command("/show", "|".join(_SHOWN), "the model, the parameters, ...", _show,
                lambda: tuple(_SHOWN)),
        Command("/set", "[PARAMETER VALUE]",
                "a parameter, as temp; \"default\" unsets it; alone: all of them",
                chat_set.carry_out, chat_set.set_names),
        Command("/system", "TEXT", "the system message; without TEXT, remove it", _system),
    )
}  # fmt: skip
