"""How a template wants messages with reasoning and tool calls, which is not the same everywhere.

Callers write messages as the OpenAI API has them: `tool_calls` with arguments as JSON text, and
`reasoning_content`. Templates disagree about the rest: some want the arguments as text, some as an
object, and would write the other one quoted twice or as Python; some want no content beside calls,
some an empty one; some write the first call of a message only. Which, a small chat tells that is
rendered in each way, so that it holds for templates that nobody knows too.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pestle.errors import TemplateError

Message = Mapping[str, Any]
Render = Callable[[Sequence[Message], Sequence[Any] | None], str]

_NAMES = ("probe_first", "probe_second")
_ARGUMENTS = {"probe_key": "probe value"}
_AS_JSON = json.dumps(_ARGUMENTS)
_AS_TAGS = re.compile(r"probe_key[^:\n]*>\s*probe value")
_SAID = "probe text"
_USER = {"role": "user", "content": "probe"}


@dataclass(frozen=True)
class Conventions:
    """What a template wants.

    announces       it tells the model of `tools`
    writes_calls    it writes tool calls
    text            arguments come as JSON text, else as an object
    content         what a message of calls without text has as its content
    one_call        it writes one call a message
    reasoning       the key under which it looks for a message's reasoning
    beside          it writes the text of a message before its calls
    tags            it writes arguments one by one, between tags, so they have to be an object
    """

    announces: bool
    writes_calls: bool
    text: bool = True
    content: str | None = ""
    one_call: bool = False
    reasoning: str = "reasoning_content"
    tags: bool = False
    beside: bool = True

    def apply(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """The messages as the template wants them.

        Raises TemplateError for tool calls that it would leave out.
        """
        changed: list[dict[str, Any]] = []
        rest = list(messages)
        while rest:
            message = dict(rest.pop(0))
            if self.reasoning not in message and "reasoning_content" in message:
                message[self.reasoning] = message.pop("reasoning_content")
            if not message.get("tool_calls"):
                changed.append(message)
                continue
            if not self.writes_calls:
                raise TemplateError("the chat template does not write tool calls")
            n_results = next((i for i, m in enumerate(rest) if m.get("role") != "tool"), len(rest))
            changed += self._with_calls(message, rest[:n_results])
            del rest[:n_results]
        return changed

    def _with_calls(self, message: dict[str, Any], results: list[Message]) -> Iterator[Any]:
        """A message with calls, and their results after it or, of several messages, after each."""
        calls = [self._call(call) for call in message["tool_calls"]]
        either = self.one_call and message.get(self.reasoning)  # such templates take one of them
        if message.get("content") and not self.beside and not either:
            yield {key: value for key, value in message.items() if key != "tool_calls"}
            message = {"role": message["role"]}
        if not message.get("content"):
            message["content"] = self.content
        if not self.one_call:
            yield {**message, "tool_calls": calls}
            yield from (dict(result) for result in results)
            return
        if either:
            message["content"] = self.content
        for call in calls:
            yield {**message, "tool_calls": [call]}
            message = {"role": message["role"], "content": self.content}
            if (result := _result_of(call, results)) is not None:
                results.remove(result)
                yield dict(result)
        yield from (dict(result) for result in results)

    def _call(self, call: Message) -> dict[str, Any]:
        function = call["function"]
        arguments = function.get("arguments", {})
        if self.text and not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        elif not self.text and isinstance(arguments, str):
            arguments = self._parsed(arguments)
        function = {**function, "arguments": arguments}
        return (
            {"type": "function", **call, "function": function} if "function" in call else function
        )

    def _parsed(self, arguments: str) -> Any:
        try:
            value = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return value
        return {"arguments": arguments} if self.tags else arguments  # the model wrote it


def conventions_of(source: str, render: Render) -> Conventions:
    """What a template wants, by what `render` makes of small chats. It raises TemplateError."""
    announces = bool(_written(render, [_USER], [_tool(name) for name in _NAMES], _NAMES))
    reasoning = "reasoning_content"
    if reasoning not in source and re.search(r"message(\.thinking|\[.thinking.\])", source):
        reasoning = "thinking"
    for text, content in itertools.product((True, False), ("", None)):
        calls = Conventions(announces, True, text, content)
        written = _written(render, _chat(calls, _NAMES[:1]), None, _NAMES[:1])
        tags = _AS_TAGS.search(written) is not None
        if not (_AS_JSON in written or tags):
            continue
        both = _written(render, _chat(calls, _NAMES), None, _NAMES)
        said = _written(render, _chat(calls, _NAMES[:1], _SAID), None, (_SAID, _NAMES[0]))
        beside = bool(said) and said.index(_SAID) < said.index(_NAMES[0])
        return Conventions(announces, True, text, content, not both, reasoning, tags, beside)
    return Conventions(announces, False, reasoning=reasoning)


def _written(
    render: Render, messages: Sequence[Message], tools: Sequence[Any] | None, names: Sequence[str]
) -> str:
    """The text of a small chat; none where it fails, or leaves one of the names out."""
    try:
        text = render(messages, tools)
    except TemplateError:
        return ""
    return text if all(name in text for name in names) else ""


def _chat(
    conventions: Conventions, names: Sequence[str], content: str | None = None
) -> list[dict[str, Any]]:
    calls = [
        {
            "id": f"call{n:05}",
            "type": "function",
            "function": {"name": name, "arguments": _ARGUMENTS},
        }
        for n, name in enumerate(names)
    ]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "name": name, "content": "probe"}
        for call, name in zip(calls, names, strict=True)
    ]
    answer = {"role": "assistant", "content": content, "tool_calls": calls}
    return conventions.apply([_USER, answer, *results])


def _tool(name: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"probe_key": {"type": "string"}}}
    function = {"name": name, "description": "probe", "parameters": parameters}
    return {"type": "function", "function": function}


def _result_of(call: Message, results: list[Message]) -> Message | None:
    """The result of a call: by its id, else the next."""
    by_id = (r for r in results if call.get("id") and r.get("tool_call_id") == call["id"])
    return next(by_id, results[0] if results else None)
