"""Requests: what a call asks for, read and checked once, before a text is laid out or computed.

Nothing here keeps the model: a request may outlive it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pestle.chat.choice import ToolChoice, tool_choice
from pestle.chat.entry import check_names, checked_variables, prompt_tokens
from pestle.chat.messages import checked_messages
from pestle.chat.structure import parser_of, plan_of_text, planner_of, wanted_of
from pestle.chat.thinking import lead_out, template_variables
from pestle.chat.tools import Tool, Tools
from pestle.errors import TemplateError
from pestle.options import ChatOptions, GenerateOptions, Request, decide

if TYPE_CHECKING:
    from pestle.constraints import Plan, Planner, Requirements
    from pestle.engine.loaded import ChatEncoder, Loaded

_OF_TEXTS = GenerateOptions.__optional_keys__
_BESIDE_TEXTS = ("parse_special", "stream")
_OF_CHATS = ChatOptions.__optional_keys__  # those of texts too
_BESIDE_CHATS = ("stream", "template_args", "tools")


@dataclass(frozen=True)
class TextRequest:
    """A text to be continued: its tokens, and what the continuation has to be."""

    prompt: list[int]
    generation: Request
    plan: Plan | None
    parser: Callable[[str], Any] | None  # of JSON
    notes: tuple[str, ...]  # what was replaced in the prompt


@dataclass(frozen=True)
class CheckedOptions:
    """What the options and the tools of a chat ask of its answer, whatever was said in it.

    generation  sampling and limits
    variables   for the chat template: how the model thinks
    tools       those that the caller has; `told` are those that the model hears of, if any
    choice      those that may be called
    wanted      what the answer is held to, by the plans of `planner`; None: to nothing
    lead_out    the tokens that end the model's reasoning
    one_call    whether the answer ends after its first call
    parser      what reads an answer that is to be JSON
    """

    generation: Request
    variables: Mapping[str, Any]
    tools: Tools
    told: Sequence[Mapping[str, Any]] | None
    choice: ToolChoice
    wanted: Requirements | None
    planner: Planner | None
    lead_out: tuple[int, ...]
    one_call: bool
    parser: Callable[[str], Any] | None


@dataclass(frozen=True)
class ChatRequest:
    """A chat to be answered. Which tokens it has, and whether they fit, shows when it is laid out.

    `messages` are as chat templates take them, `variables` all that they hear of beside them and
    the tools.
    """

    messages: list[dict[str, Any]]
    variables: Mapping[str, Any]
    options: CheckedOptions
    template: str  # its source

    def with_messages(self, messages: Any) -> ChatRequest:
        """The same of other messages. Raises as `chat` does for what is wrong with them."""
        return replace(self, messages=checked_messages(messages, self.template))


def text_request(
    loaded: Loaded,
    prompt: Any,
    options: GenerateOptions,
    *,
    parse_special: bool = False,
    name: str = "prompt",
) -> TextRequest:
    """Read what `generate` was given. Raises as it does; `name` is what it calls the prompt."""
    generation, plan = text_options(loaded, options)
    tokens, notes = prompt_tokens(loaded, prompt, parse_special=parse_special, name=name)
    return TextRequest(tokens, generation, plan, parser_of(options), notes)


def text_options(loaded: Loaded, options: GenerateOptions) -> tuple[Request, Plan | None]:
    """Read the options of a text. Raises as `generate` does."""
    check_names(options, _OF_TEXTS, beside=_BESIDE_TEXTS)
    return _generation(loaded, options), plan_of_text(loaded, options)


def chat_request(
    loaded: Loaded,
    messages: Any,
    tools: Tools | Sequence[Tool] | None,
    template_args: Mapping[str, Any] | None,
    options: ChatOptions,
) -> ChatRequest:
    """Read what `chat` was given. Raises as it does, but for what its prompt's tokens decide."""
    checked = checked_options(loaded, tools, options)
    template = template_of(loaded).source
    variables = {**checked_variables(template_args), **checked.variables}
    return ChatRequest(checked_messages(messages, template), variables, checked, template)


def template_of(loaded: Loaded) -> ChatEncoder:
    """The model file's chat template. Raises TemplateError where it has none."""
    if loaded.template is None:
        raise TemplateError(f"{loaded.path}: the file has no chat template")
    return loaded.template


def checked_options(
    loaded: Loaded, tools: Tools | Sequence[Tool] | None, options: ChatOptions
) -> CheckedOptions:
    """Read the options and the tools of a chat. Raises as `chat` does."""
    check_names(options, _OF_CHATS, beside=_BESIDE_CHATS)
    known = Tools.of(tools)
    generation = _generation(loaded, options)
    variables = template_variables(loaded, options)
    out = lead_out(loaded, generation.reasoning_budget)
    choice = tool_choice(options.get("tool_choice"), known.described)
    told = _told(loaded, known.described, choice)
    wanted = wanted_of(options, told, choice)
    forced = wanted is not None and wanted.must_call  # the grammar knows how many may come
    return CheckedOptions(
        generation=generation,
        variables=variables,
        tools=known,
        told=told,
        choice=choice,
        wanted=wanted,
        planner=planner_of(loaded, wanted),
        lead_out=out,
        one_call=options.get("parallel_tool_calls") is False and not forced,
        parser=parser_of(options),
    )


def _told(
    loaded: Loaded, tools: Sequence[Mapping[str, Any]], choice: ToolChoice
) -> Sequence[Mapping[str, Any]] | None:
    """The tools that the model hears of.

    Where its calls can be held to some of them it hears of all, so that its prompt begins as
    others of the same tools do; else of those that it may call.
    """
    if not choice.tells:
        return None
    holds = choice.must_call or (loaded.format is not None and loaded.format.marks_calls)
    return [each for each in tools if holds or choice.allows(each["function"]["name"])] or None


def _generation(loaded: Loaded, options: Mapping[str, Any]) -> Request:
    return decide(
        options,
        loaded.sampling,
        n_vocab=loaded.n_vocab,
        seed=loaded.seed,
        reasoning_budget=options.get("reasoning_budget"),
    )
