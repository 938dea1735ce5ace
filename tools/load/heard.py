"""What an answer says, in one form for all APIs, streamed or whole: what has to be the same again.

Ids, times and what was cached are left out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from load.exchange import Answer


@dataclass
class Choice:
    """One of the answers to a request.

    calls  name and arguments, by their numbers
    """

    text: str = ""
    reasoning: str = ""
    calls: dict[int, list[str]] = field(default_factory=lambda: defaultdict(lambda: ["", ""]))
    reason: Any = None
    logprobs: list[Any] = field(default_factory=list)


@dataclass
class Heard:
    """All answers to a request, by their numbers, and the counts of tokens."""

    choices: dict[int, Choice] = field(default_factory=lambda: defaultdict(Choice))
    usage: dict[str, Any] = field(default_factory=dict)


def heard(path: str, answer: Answer) -> Heard:
    """What an answer of status 200 says.

    Raises ValueError for one that is not as its API has it.
    """
    streams = not answer.headers["content-type"].startswith("application/json")
    events = [event for _, event in answer.events()] if streams else [answer.json]
    for event in events:
        if event.get("error"):
            raise ValueError(f"an error in the answer: {event['error']}")
    found = Heard()
    try:
        for event in events:
            _TAKES[path](found, event)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} answers in another form: {error!r}") from error
    if streams and path.startswith("/v1/") and not found.usage:
        raise ValueError("a stream without its usage")
    return found


def _chat_completion(found: Heard, event: dict[str, Any]) -> None:
    for given in event["choices"]:
        choice = found.choices[given["index"]]
        delta = given.get("delta") or given.get("message") or {}
        choice.text += delta.get("content") or ""
        choice.reasoning += delta.get("reasoning_content") or ""
        for number, call in enumerate(delta.get("tool_calls") or ()):
            at = choice.calls[call.get("index", number)]
            at[0] += call["function"].get("name") or ""
            at[1] += call["function"].get("arguments") or ""
        choice.reason = given["finish_reason"] or choice.reason
        choice.logprobs += (given.get("logprobs") or {}).get("content") or ()
    _count(found, event)


def _completion(found: Heard, event: dict[str, Any]) -> None:
    for given in event["choices"]:
        choice = found.choices[given["index"]]
        choice.text += given["text"]
        choice.reason = given["finish_reason"] or choice.reason
        if given.get("logprobs"):
            columns = given["logprobs"]
            names = sorted(name for name in columns if columns[name])
            choice.logprobs += zip(*(columns[name] for name in names), strict=True)
    _count(found, event)


def _count(found: Heard, event: dict[str, Any]) -> None:
    for name, value in (event.get("usage") or {}).items():
        if name != "prompt_tokens_details":
            found.usage[name] = value


def _message(found: Heard, event: dict[str, Any]) -> None:
    """Anthropic's: one message, or the events of one."""
    choice = found.choices[0]
    whole = event if event["type"] == "message" else event.get("message") or {}
    for number, block in enumerate(whole.get("content") or ()):
        _block(choice, number, block)
        if block["type"] == "tool_use":
            choice.calls[number][1] = json.dumps(block["input"])
    if event["type"] == "content_block_start":
        _block(choice, event["index"], event["content_block"])
    elif event["type"] == "content_block_delta":
        delta = event["delta"]
        choice.text += delta.get("text", "")
        choice.reasoning += delta.get("thinking", "")
        if "partial_json" in delta:
            choice.calls[event["index"]][1] += delta["partial_json"]
    for ending in (whole, event.get("delta") or {}):
        if ending.get("stop_reason"):
            choice.reason = (ending["stop_reason"], ending.get("stop_sequence"))
    usage = whole.get("usage", {}) | (event.get("usage") or {})
    if "input_tokens" in usage:
        read = usage.get("cache_read_input_tokens") or 0
        found.usage["input"] = usage["input_tokens"] + read
    if "output_tokens" in usage:
        found.usage["output"] = usage["output_tokens"]


def _block(choice: Choice, number: int, block: dict[str, Any]) -> None:
    choice.text += block.get("text", "")
    choice.reasoning += block.get("thinking", "")
    if block["type"] == "tool_use":
        choice.calls[number][0] = block["name"]


def _response(found: Heard, event: dict[str, Any]) -> None:
    """OpenAI's Responses: the whole, which is the last event of a stream too."""
    response = event if event.get("object") == "response" else event.get("response") or {}
    if response.get("status") not in ("completed", "incomplete"):
        return
    choice = found.choices[0]
    choice.reason = (response["status"], response.get("incomplete_details"))
    for number, item in enumerate(response["output"]):
        if item["type"] == "function_call":
            choice.calls[number][:] = item["name"], item["arguments"]
        for part in item.get("content") or ():
            if item["type"] == "reasoning":
                choice.reasoning += part["text"]
            else:
                choice.text += part["text"]
                choice.logprobs += part.get("logprobs") or ()
    for name, value in response["usage"].items():
        if name != "input_tokens_details":
            found.usage[name] = value


def _ollama(found: Heard, event: dict[str, Any]) -> None:
    choice = found.choices[0]
    message = event.get("message") or event
    choice.text += message.get("content") or message.get("response") or ""
    choice.reasoning += message.get("thinking") or ""
    for call in message.get("tool_calls") or ():
        function = call["function"]
        called = [function["name"], json.dumps(function["arguments"])]
        choice.calls[len(choice.calls)] = called
    if event["done"]:
        choice.reason = event["done_reason"]
        found.usage = {n: event[n] for n in ("prompt_eval_count", "eval_count")}


_TAKES = {
    "/v1/chat/completions": _chat_completion,
    "/v1/completions": _completion,
    "/v1/messages": _message,
    "/v1/responses": _response,
    "/api/chat": _ollama,
    "/api/generate": _ollama,
}


def differences(one: Heard, other: Heard) -> Iterator[str]:
    """Where two answers differ, in words."""
    if one.usage != other.usage:
        yield f"usage: {one.usage} and {other.usage}"
    if one.choices.keys() != other.choices.keys():
        yield f"answers: {sorted(one.choices)} and {sorted(other.choices)}"
        return
    for index, choice in one.choices.items():
        for name, value in vars(choice).items():
            others = getattr(other.choices[index], name)
            if value != others:
                yield f"{name} of answer {index}: {str(value)[:200]!r} and {str(others)[:200]!r}"
