"""What the requests of Ollama's API may have."""

from __future__ import annotations

from typing import Any

import msgspec


class Named(msgspec.Struct, kw_only=True):
    """A request to a model. Clients put a tag behind its name, which here it does not have."""

    model: str | None = None
    keep_alive: Any = None

    def __post_init__(self) -> None:
        if self.model is not None:
            self.model = self.model.removesuffix(":latest")


class Options(msgspec.Struct, kw_only=True):
    """The options of a request that change its answer, or would."""

    num_predict: int | None = None
    num_ctx: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    typical_p: float | None = None
    tfs_z: float | None = None
    mirostat: int | None = None
    repeat_last_n: int | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None


class Answered(Named, kw_only=True):
    """What requests for an answer have in common."""

    stream: bool | None = None
    format: str | dict[str, Any] | None = None
    options: Options | None = None
    think: bool | str | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


class Function(msgspec.Struct, kw_only=True):
    """The function of a call. Its arguments are an object."""

    name: str
    arguments: dict[str, Any] | str = {}


class ToolCall(msgspec.Struct, kw_only=True):
    """A call of a tool."""

    function: Function
    id: str | None = None


class Message(msgspec.Struct, kw_only=True):
    """A message."""

    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[Any] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class ChatFields(Answered, kw_only=True):
    """`POST /api/chat`."""

    messages: list[Message] = []
    tools: list[dict[str, Any]] | None = None


class GenerateFields(Answered, kw_only=True):
    """`POST /api/generate`."""

    prompt: str = ""
    system: str | None = None
    raw: bool | None = None


class EmbedFields(Named, kw_only=True):
    """`POST /api/embed`."""

    input: str | list[str] = []
    truncate: bool | None = None
    dimensions: int | None = None
    options: Options | None = None


class EmbeddingsFields(Named, kw_only=True):
    """`POST /api/embeddings`, its older form."""

    prompt: str = ""
    options: Options | None = None


class ShowFields(Named, kw_only=True):
    """`POST /api/show`; `name` is an older name for `model`."""

    name: str | None = None

    def __post_init__(self) -> None:
        self.model = self.model or self.name
        super().__post_init__()
