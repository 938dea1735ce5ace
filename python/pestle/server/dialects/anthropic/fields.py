"""What the requests of the Messages API may have."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Block(msgspec.Struct, kw_only=True):
    """A block of a content, of any type; the fields are those of the types that can be read."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    is_error: bool | None = None
    content: str | list[Block] | dict[str, Any] | None = None
    source: str | dict[str, Any] | None = None
    title: str | None = None
    context: str | None = None
    tool_name: str | None = None


class Message(msgspec.Struct, kw_only=True):
    """A turn of the conversation, or a system prompt in the middle of it.

    `clear_at`: a system prompt may be meant for the next turn of the user's only.
    """

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]
    clear_at: Literal["next_user_message", "never"] | None = None


class Thinking(msgspec.Struct, kw_only=True):
    """Whether the model thinks: `adaptive` is its own way."""

    type: Literal["enabled", "adaptive", "disabled"]
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted"] | None = None


class OutputFormat(msgspec.Struct, kw_only=True):
    """A schema that the text of the answer has to fit."""

    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(msgspec.Struct, kw_only=True):
    """How much effort an answer takes, and its format."""

    effort: str | None = None
    format: OutputFormat | None = None


class Tool(msgspec.Struct, kw_only=True):
    """A tool; those of other types than `custom` are Anthropic's own."""

    name: str | None = None
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None


class ToolChoice(msgspec.Struct, kw_only=True):
    """Whether a tool is to be called, and which."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class CountFields(msgspec.Struct, kw_only=True):
    """What decides of how many tokens a prompt is."""

    model: str | None = None
    messages: list[Message]
    system: str | list[Block] | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None  # its older place
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None


class Fields(CountFields, kw_only=True):
    """A request for a message. `seed` is an extension."""

    max_tokens: int
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
