"""The options of chats: reasoning, and the template that lays messages out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from pestle.cli import completion
from pestle.cli.model_options import ModelOptions
from pestle.cli.option_groups import collect, parameters_of
from pestle.cli.option_types import COUNT
from pestle.cli.sampling_options import sampling_parameters
from pestle.options.values import ON_FULL, REASONING_EFFORTS

if TYPE_CHECKING:
    from pestle import ChatOptions, GenerateOptions

Command = TypeVar("Command", bound=Callable[..., Any])
_OF_CALLS = ("reasoning", "reasoning_effort", "reasoning_budget")
_REASONING = {"on": True, "off": False, "auto": None}


@dataclass(frozen=True)
class ChatSettings:
    """How a chat is held."""

    reasoning: bool | None = None  # None, here and below: the model's own way
    reasoning_effort: str | None = None
    reasoning_budget: int | None = None
    shows_reasoning: bool = True
    template: str | None = None  # its text, or the name of one of the model's
    template_file: str | None = None
    session: str | None = None  # the name under which the chat is kept
    on_full: str | None = None  # None: "slide" in a chat, "error" elsewhere
    loop_guard: bool | None = None  # None: in a chat, and where nothing else bounds an answer
    template_args: dict[str, Any] = field(default_factory=dict)

    def options(self, sampling: GenerateOptions) -> ChatOptions:
        """The options of the library's calls."""
        given = {name: getattr(self, name) for name in _OF_CALLS}
        stated = {name: value for name, value in given.items() if value is not None}
        return cast("ChatOptions", {**sampling, **stated})

    def of_model(self, options: ModelOptions) -> ModelOptions:
        """The model's options, with the template that is to be loaded."""
        if self.template_file is None:
            return replace(options, chat_template=self.template or options.chat_template)
        path = Path(self.template_file)
        try:
            return replace(options, chat_template=path.read_text(encoding="utf-8"))
        except OSError as error:
            raise click.UsageError(f"--chat-template-file: {path}: {error.strerror}") from error
        except ValueError as error:
            raise click.UsageError(f"--chat-template-file: {path}: {error}") from error


class JsonObject(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """A JSON object."""

    name = "json"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        from pestle.errors import FormatError
        from pestle.untrusted_json import parse_object

        try:
            return parse_object(value, "it")
        except FormatError as error:
            self.fail(f"{error}, as in '{{\"enable_thinking\": false}}'", param, ctx)


_CHAT = (
    click.option("--reasoning", type=click.Choice(tuple(_REASONING)), default="auto",
                 help="Whether the model thinks before it answers.  [default: auto, its own way]"),
    click.option("--reasoning-effort", type=click.Choice(REASONING_EFFORTS),
                 help="How much it thinks.  [default: the model's]"),
    click.option("--reasoning-budget", metavar="N", type=COUNT,
                 help="After N tokens of thinking it is led to its answer.  [default: no limit]"),
    click.option("--hide-reasoning", is_flag=True,
                 help="Do not show on a terminal what the model thinks."),
    click.option("--session", metavar="NAME", shell_complete=completion.sessions,
                 help="Resume the conversation of this name, and keep it saved."),
    click.option("--on-full", type=click.Choice(ON_FULL),
                 help="When a chat outgrows the context: an error, or slide, which drops its oldest"
                      " turns.  [default: slide in a chat, else error]"),
    click.option("--loop-guard/--no-loop-guard", default=None,
                 help="End an answer that repeats itself.  [default: on, but for run with -n]"),
    click.option("--chat-template", "template", metavar="NAME|TEXT",
                 help="A template to use instead of the model file's main one: the name of another "
                      "that it has, or Jinja."),
    click.option("--chat-template-file", "template_file", metavar="FILE",
                 help="The same, in a file."),
    click.option("--chat-template-kwargs", "template_args", metavar="JSON", type=JsonObject(),
                 help="Further variables for the template, as an object."),
)  # fmt: skip


def chat_options(command: Command) -> Command:
    """Add what says how a chat is held, as `settings: ChatSettings`."""
    return collect(command, _CHAT, "settings", _settings)


def chat_parameters() -> dict[str, click.Option]:
    """What a chat's /set takes: options by their names without dashes."""
    of_chats = {str(option.name): option for option in parameters_of(_CHAT)}
    thinking = {
        name.replace("_", "-"): of_chats[name] for name in _OF_CALLS if name != "reasoning"
    }  # that is /set think
    return {**sampling_parameters(), **thinking}


def _settings(values: dict[str, Any]) -> ChatSettings:
    if values["template"] and values["template_file"]:
        raise click.UsageError("--chat-template and --chat-template-file exclude each other.")
    return ChatSettings(
        reasoning=_REASONING[values["reasoning"]],
        reasoning_effort=values["reasoning_effort"],
        reasoning_budget=values["reasoning_budget"],
        shows_reasoning=not values["hide_reasoning"],
        template=values["template"],
        template_file=values["template_file"],
        session=values["session"],
        on_full=values["on_full"],
        loop_guard=values["loop_guard"],
        template_args=values["template_args"] or {},
    )
