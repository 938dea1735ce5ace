"""Prompts of gpt-oss, written as OpenAI's harmony format has them.

The published chat template cannot say all that the format can: of several calls in one message it
writes the first, a text beside a call it refuses, a tool's result it quotes once more. So where a
file has that template, its prompts are written here, to the token as the `openai-harmony` package
writes them. Source: OpenAI, `docs/format.md` of openai/harmony.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pestle.errors import TemplateError
from pestle.template.chat_template import ChatTemplate, Messages
from pestle.template.conventions import Conventions
from pestle.template.harmony_tools import FUNCTIONS, tools_section

NAME = "gpt-oss"
NOTICE = (
    f"The chat template ({NAME}) is put right: of several tool calls it writes the first only, and "
    "it quotes their results twice; prompts are written as OpenAI's harmony format has them."
)
IDENTITY = "You are ChatGPT, a large language model trained by OpenAI."
CHANNELS = ("analysis", "commentary", "final")
# What the published template has, in all its versions.
_MARKS = ("render_typescript_type", "<|channel|>analysis<|message|>", "tool_calls[0]")


def is_published(source: str) -> bool:
    """Whether a template is that of the gpt-oss models."""
    return all(mark in source for mark in _MARKS)


@dataclass(frozen=True)
class System:
    """What the system message says; None leaves a line out."""

    identity: str = IDENTITY
    cutoff: str | None = "2024-06"
    date: str | None = None
    effort: str | None = "medium"
    channels: Sequence[str] = CHANNELS
    builtin: Sequence[str] = ()
    functions: bool = False  # whether a developer message tells of some

    def text(self) -> str:
        """The message."""
        about = [self.identity]
        about += [f"Knowledge cutoff: {self.cutoff}"] if self.cutoff is not None else []
        about += [f"Current date: {self.date}"] if self.date is not None else []
        valid = f"# Valid channels: {', '.join(self.channels)}. "
        valid += "Channel must be included for every message."
        if self.functions:
            valid += f"\nCalls to these tools must go to the commentary channel: '{FUNCTIONS}'."
        parts = ["\n".join(about)]
        parts += [f"Reasoning: {self.effort}"] if self.effort is not None else []
        parts += [tools_section((), self.builtin)] if self.builtin else []
        return message("system", "\n\n".join([*parts, valid]))


def message(
    role: str,
    text: str,
    *,
    channel: str | None = None,
    recipient: str | None = None,
    kind: str | None = None,
    end: str = "<|end|>",
) -> str:
    """One message, as the format has it."""
    to = f" to={recipient}" if recipient is not None else ""
    where = f"<|channel|>{channel}" if channel is not None else ""
    constrained = f" <|constrain|>{kind}" if kind is not None else ""
    return f"<|start|>{role}{to}{where}{constrained}<|message|>{text}{end}"


def developer(instructions: str | None, tools: Sequence[Any] = ()) -> str:
    """The developer message: what the user calls the system message, and the tools."""
    parts = [f"# Instructions\n\n{instructions}"] if instructions else []
    parts += [tools_section(tools)] if tools else []
    return message("developer", "\n\n".join(parts)) if parts else ""


class HarmonyTemplate(ChatTemplate):
    """In the place of gpt-oss's published template; it takes the same variables."""

    def prepared(self, messages: Messages) -> list[dict[str, Any]]:
        """The messages as they are: the format can say all of them."""
        return [dict(each) for each in messages]

    @cached_property
    def _conventions(self) -> Conventions:
        return Conventions(announces=True, writes_calls=True)

    def _render(self, variables: dict[str, Any]) -> str:
        messages, tools = list(variables["messages"]), variables.get("tools") or ()
        system = System(
            identity=str(variables.get("model_identity", IDENTITY)),
            date=self._now().strftime("%Y-%m-%d"),
            effort=str(variables.get("reasoning_effort", "medium")),
            builtin=variables.get("builtin_tools") or (),
            functions=bool(tools),
        )
        instructions = []
        while messages and messages[0].get("role") in ("system", "developer"):
            instructions.append(_text(messages.pop(0)))
        parts = [system.text(), developer("\n\n".join(instructions), tools), *_talk(messages)]
        if variables.get("add_generation_prompt"):
            parts.append("<|start|>assistant")
        return "".join(parts)


def _talk(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    answered = _answered(messages)
    names: dict[str | None, str] = {}  # of the tools that were called, by the call's id
    for n, each in enumerate(messages):
        role = each.get("role")
        if role == "assistant":
            calls = each.get("tool_calls") or ()
            yield from _assistant(each, calls, reasons=n >= answered)
            names |= {call.get("id"): call["function"]["name"] for call in calls}
            names[None] = calls[-1]["function"]["name"] if calls else names.get(None, "")
        elif role == "tool":
            name = names.get(each.get("tool_call_id")) or each.get("name") or names.get(None)
            if not name:
                raise TemplateError("a message has the role tool, but no tool was called before it")
            called = f"{FUNCTIONS}.{name}"
            yield message(called, _text(each), channel="commentary", recipient="assistant")
        elif role == "user":
            yield message("user", _text(each))
        elif role in ("system", "developer"):
            yield developer(_text(each))
        else:
            raise TemplateError(f"a message has the role {role!r}, which the format does not have")


def _answered(messages: Sequence[Mapping[str, Any]]) -> int:
    """How many messages belong to turns that are over: of their reasoning nothing stays."""
    users = [n for n, each in enumerate(messages) if each.get("role") == "user"]
    before = messages[: users[-1] if users else 0]
    finals = [n for n, m in enumerate(before) if m.get("role") == "assistant" and _is_final(m)]
    return finals[-1] + 1 if finals else 0


def _is_final(each: Mapping[str, Any]) -> bool:
    return not each.get("tool_calls")


def _assistant(
    each: Mapping[str, Any], calls: Sequence[Mapping[str, Any]], *, reasons: bool
) -> Iterator[str]:
    reasoning = each.get("reasoning_content") or each.get("thinking")
    if reasoning and reasons:
        yield message("assistant", reasoning, channel="analysis")
    if text := _text(each):
        yield message("assistant", text, channel="commentary" if calls else "final")
    for call in calls:
        function = call["function"]
        yield message(
            "assistant",
            _arguments(function.get("arguments")),
            channel="commentary",
            recipient=f"{FUNCTIONS}.{function['name']}",
            kind="json",
            end="<|call|>",
        )


def _arguments(arguments: Any) -> str:
    return (
        arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    )


def _text(each: Mapping[str, Any]) -> str:
    content = each.get("content")
    if content is not None and not isinstance(content, str):
        raise TemplateError(f"the content of a message is {content!r:.40}, expected text")
    return content or ""
