"""Contents, which are lists of blocks, as messages that chat templates know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pestle.errors import shown
from pestle.server.dialects.anthropic import reasoning
from pestle.server.dialects.anthropic.fields import Block, Message
from pestle.server.errors import ApiError

Content = str | list[Block]

INVALID = "INVALID_JSON"
"""Arguments that are not an object stand under this key, as Anthropic's documentation advises."""
_BETWEEN = "\n"  # what the library puts between parts of a content
# Claude Code's first system block is a header for Anthropic's accounts, and new with every request.
# It would hide from the prefix cache all that is the same.
_BILLING = re.compile(r"\s*x-anthropic-billing-header:(?: *[\w-]+=[^;\n]*;)+ *(?:\n|$)")


def chat_messages(system: Content | None, messages: list[Message]) -> list[dict[str, Any]]:
    """The conversation in OpenAI's form. Raises ApiError, which names the block that is wrong."""
    chat: list[dict[str, Any]] = []
    if system is not None and (text := _system(system)):
        chat.append({"role": "system", "content": text})
    names: dict[str, str] = {}
    last = max((n for n, message in enumerate(messages) if message.role == "user"), default=0)
    for n, message in enumerate(messages):
        where = f"messages[{n}].content"
        if message.clear_at == "next_user_message" and n < last:
            continue
        if isinstance(message.content, str):
            chat.append({"role": message.role, "content": message.content})
        elif message.role == "assistant":
            chat.append(_assistant(where, message.content, names))
        elif message.role == "user":
            chat += _user(where, message.content, names)
        else:
            chat.append({"role": "system", "content": _joined(where, message.content)})
    return chat


def _system(content: Content) -> str:
    if isinstance(content, str):
        return _BILLING.sub("", content, count=1) if _BILLING.match(content) else content
    first = content[0].text if content else None
    if first is not None and _BILLING.fullmatch(first):
        content = content[1:]
    return _joined("system", content)


def _assistant(where: str, blocks: list[Block], names: dict[str, str]) -> dict[str, Any]:
    """A turn of the model's; text and thoughts are put together as it wrote them."""
    texts, thoughts, calls = [], [], []
    for n, block in enumerate(blocks):
        here = f"{where}[{n}]"
        if block.type == "thinking":
            thoughts.append(reasoning.read(block))
        elif block.type == "tool_use":
            call = _call(here, block)
            names[call["id"]] = call["function"]["name"]
            calls.append(call)
        elif block.type != "redacted_thinking":  # only who wrote it can read it
            texts.append(_text(here, block))
    text = "".join(texts)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if thought := "".join(thoughts):
        message["reasoning_content"] = thought
    if calls:
        message |= {"content": text or None, "tool_calls": calls}
    return message


def _call(where: str, block: Block) -> dict[str, Any]:
    if not block.id or not block.name or block.input is None:
        raise _wrong(where, "a tool_use block needs id, name and input")
    arguments: Any = block.input
    if arguments.keys() == {INVALID} and isinstance(arguments[INVALID], str):
        text = arguments[INVALID]
    else:
        text = json.dumps(arguments, ensure_ascii=False)
    function = {"name": block.name, "arguments": text}
    return {"id": block.id, "type": "function", "function": function}


def _user(where: str, blocks: list[Block], names: dict[str, str]) -> Iterator[dict[str, Any]]:
    """A turn of the user's: results of tools, which stand right behind their calls, and text."""
    others = []
    for n, block in enumerate(blocks):
        here = f"{where}[{n}]"
        if block.type == "tool_result":
            yield _result(here, block, names)
        else:
            others.append(_text(here, block))
    if others or not blocks:
        yield {"role": "user", "content": _BETWEEN.join(others)}


def _result(where: str, block: Block, names: dict[str, str]) -> dict[str, Any]:
    if not block.tool_use_id:
        raise _wrong(where, "a tool_result block needs tool_use_id")
    text = _texts_of(where, block.content)
    message = {
        "role": "tool",
        "tool_call_id": block.tool_use_id,
        # No template has a place for this; the library's own tools tell of errors alike.
        "content": f"error: {text}" if block.is_error else text,
    }
    if block.tool_use_id in names:
        message["name"] = names[block.tool_use_id]
    return message


def _text(where: str, block: Block) -> str:
    """The text of a block that has nothing but text."""
    if block.type == "text":
        if block.text is None:
            raise _wrong(where, "a text block needs text")
        return block.text
    if block.type == "document":
        return _document(where, block)
    if block.type == "search_result":
        source = block.source if isinstance(block.source, str) else None
        return _lines(block.title, source, _texts_of(where, block.content))
    if block.type == "tool_reference":  # all tools are told of anyway
        return block.tool_name or ""
    raise _wrong(where, f"blocks of the type {shown(block.type)} cannot be read here, only text")


def _document(where: str, block: Block) -> str:
    source = block.source if isinstance(block.source, dict) else {}
    text = {"text": source.get("data"), "content": source.get("content")}.get(
        str(source.get("type"))
    )
    if isinstance(text, list):
        parts = [part.get("text") for part in text if isinstance(part, dict)]
        texts = [part for part in parts if isinstance(part, str)]
        text = _BETWEEN.join(texts) if len(texts) == len(text) else None
    if not isinstance(text, str):
        raise _wrong(where, "of documents, only plain text can be read here")
    return _lines(block.title, block.context, text)


def _texts_of(where: str, content: str | list[Block] | dict[str, Any] | None) -> str:
    if isinstance(content, dict):
        raise _wrong(f"{where}.content", "it is an object, expected text or a list of blocks")
    if isinstance(content, list):
        return _joined(f"{where}.content", content)
    return content or ""


def _joined(where: str, blocks: Iterable[Block]) -> str:
    return _BETWEEN.join(_text(f"{where}[{n}]", block) for n, block in enumerate(blocks))


def _lines(*texts: str | None) -> str:
    return _BETWEEN.join(text for text in texts if text)


def _wrong(where: str, what: str) -> ApiError:
    return ApiError(400, f"{where}: {what}", param=where)
