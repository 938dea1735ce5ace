"""The items of an output as they are written, and the events that tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pestle.results import CallDelta, Chunk, TokenLogprob, ToolCall
from pestle.server.dialects import openai
from pestle.server.dialects.responses.tools import Tools

Event: TypeAlias = "tuple[str, dict[str, Any]]"
"""The type of an event, and its fields but for `type` and `sequence_number`."""


@dataclass(frozen=True)
class _Kind:
    """A kind of text item: of what type it and its part are, and what its events are called."""

    item: str
    prefix: str  # of its id
    parts: str  # where the item has its part
    part: str
    part_events: str
    text_events: str
    index: str


_MESSAGE = _Kind(
    "message",
    "msg",
    "content",
    "output_text",
    "response.content_part",
    "response.output_text",
    "content_index",
)
_REASONING = _Kind(
    "reasoning",
    "rs",
    "content",
    "reasoning_text",
    "response.content_part",
    "response.reasoning_text",
    "content_index",
)
_SUMMARY = _Kind(
    "reasoning",
    "rs",
    "summary",
    "summary_text",
    "response.reasoning_summary_part",
    "response.reasoning_summary_text",
    "summary_index",
)


class Output:
    """Grows by chunks. `items` has those that are complete."""

    def __init__(self, key: str, tools: Tools, *, summarized: bool, logprobs: bool) -> None:
        """`key` makes the ids of items unlike all others.

        `summarized`: reasoning comes as the summary of itself, which is all that some clients show.
        """
        self.items: list[dict[str, Any]] = []
        self._key = key
        self._tools = tools
        self._reasoning = _SUMMARY if summarized else _REASONING
        self._logprobs = _Logprobs() if logprobs else None
        self._open: _TextItem | _CallItem | None = None

    def add(self, chunk: Chunk) -> list[Event]:
        """Take a chunk: the events that tell of it."""
        events: list[Event] = []
        if self._logprobs is not None:
            self._logprobs.wait(chunk)
        deltas = list(chunk.call_deltas)
        while deltas and isinstance(self._open, _CallItem) and self._open.goes_on_with(deltas[0]):
            events.append(self._open.write(deltas.pop(0).arguments))
        if chunk.reasoning:
            self._write(self._reasoning, chunk.reasoning, events)
        if chunk.text:
            self._write(_MESSAGE, chunk.text, events)
        for delta in deltas:
            self._begin_call(delta, events)
        # In the last chunk, a call may be one that was cut off: see `end`.
        if chunk.tool_calls and chunk.finish_reason is None:
            self._end_call(chunk.tool_calls[-1], events)
        return events

    def end(self, *, complete: bool) -> list[Event]:
        """The events of the end. An answer without a word or a call is an empty message."""
        events: list[Event] = []
        if complete and self._open is None and not self.items:
            self._begin(_TextItem(self._id(_MESSAGE.prefix), 0, _MESSAGE), events)
        self._end_item(events, complete=complete)
        return events

    def _write(self, kind: _Kind, text: str, events: list[Event]) -> None:
        item = self._open
        if not isinstance(item, _TextItem) or item.kind is not kind:
            self._end_item(events)
            item = _TextItem(self._id(kind.prefix), len(self.items), kind)
            self._begin(item, events)
        logprobs = None
        if kind is _MESSAGE and self._logprobs is not None:
            logprobs = [openai.logprob(token) for token in self._logprobs.of(text)]
        events.append(item.write(text, logprobs))

    def _begin_call(self, delta: CallDelta, events: list[Event]) -> None:
        self._end_item(events)
        called = self._tools.called(delta.name)
        item = _CallItem(self._id("fc"), len(self.items), delta, called)
        self._begin(item, events)
        if delta.arguments:
            events.append(item.write(delta.arguments))

    def _end_call(self, call: ToolCall, events: list[Event]) -> None:
        if isinstance(self._open, _CallItem) and self._open.call_id == call.id:
            self._end_item(events)

    def _begin(self, item: _TextItem | _CallItem, events: list[Event]) -> None:
        self._open = item
        events += item.begin()

    def _end_item(self, events: list[Event], *, complete: bool = True) -> None:
        if self._open is not None:
            status = "completed" if complete else "incomplete"
            ended, told = self._open.end(status)
            self.items.append(ended)
            events += told
            self._open = None

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{self._key}{len(self.items):03}"


class _TextItem:
    """A message, or reasoning: an item with one part."""

    def __init__(self, item_id: str, index: int, kind: _Kind) -> None:
        self.kind = kind
        self._id = item_id
        self._index = index
        self._where = {"item_id": item_id, "output_index": index, kind.index: 0}
        self._texts: list[str] = []
        self._logprobs: list[dict[str, Any]] = []

    def begin(self) -> list[Event]:
        item = self._item("in_progress", [])
        return [
            ("response.output_item.added", {"output_index": self._index, "item": item}),
            (f"{self.kind.part_events}.added", {**self._where, "part": self._part("")}),
        ]

    def write(self, text: str, logprobs: list[dict[str, Any]] | None) -> Event:
        self._texts.append(text)
        fields = {**self._where, "delta": text}
        if self.kind is _MESSAGE:
            fields["logprobs"] = logprobs or []
            self._logprobs += logprobs or ()
        return f"{self.kind.text_events}.delta", fields

    def end(self, status: str) -> tuple[dict[str, Any], list[Event]]:
        """The whole item, and the events that tell of its end."""
        text = "".join(self._texts)
        part = self._part(text)
        item = self._item(status, [part])
        done = {**self._where, "text": text}
        if self.kind is _MESSAGE:
            done["logprobs"] = self._logprobs
        return item, [
            (f"{self.kind.text_events}.done", done),
            (f"{self.kind.part_events}.done", {**self._where, "part": part}),
            ("response.output_item.done", {"output_index": self._index, "item": item}),
        ]

    def _item(self, status: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
        item: dict[str, Any] = {"id": self._id, "type": self.kind.item, "status": status}
        if self.kind is _MESSAGE:
            return {**item, "role": "assistant", "content": parts}
        return {**item, "summary": [], self.kind.parts: parts}

    def _part(self, text: str) -> dict[str, Any]:
        part: dict[str, Any] = {"type": self.kind.part, "text": text}
        if self.kind is _MESSAGE:
            part |= {"annotations": [], "logprobs": list(self._logprobs)}
        return part


class _CallItem:
    """A call of a function."""

    def __init__(
        self, item_id: str, index: int, first: CallDelta, called: Mapping[str, Any]
    ) -> None:
        self.call_id = first.id
        self._number = first.index  # among the calls of the answer
        self._where = {"item_id": item_id, "output_index": index}
        self._item = {
            "id": item_id,
            "type": "function_call",
            "call_id": first.id,
            **called,
        }
        self._arguments: list[str] = []

    def goes_on_with(self, delta: CallDelta) -> bool:
        return delta.index == self._number

    def begin(self) -> list[Event]:
        item = {**self._item, "status": "in_progress", "arguments": ""}
        fields = {"output_index": self._where["output_index"], "item": item}
        return [("response.output_item.added", fields)]

    def write(self, arguments: str) -> Event:
        self._arguments.append(arguments)
        return "response.function_call_arguments.delta", {**self._where, "delta": arguments}

    def end(self, status: str) -> tuple[dict[str, Any], list[Event]]:
        """The whole item, and the events that tell of its end."""
        arguments = "".join(self._arguments)
        item = {**self._item, "status": status, "arguments": arguments}
        done = {**self._where, "name": self._item["name"], "arguments": arguments}
        index = self._where["output_index"]
        return item, [
            ("response.function_call_arguments.done", done),
            ("response.output_item.done", {"output_index": index, "item": item}),
        ]


class _Logprobs:
    """Finds the tokens that a text of a message is made of.

    A token's text may come with a later one, where it is part of a character or may become a stop
    string; control tokens and what is cut away around them have none.
    """

    def __init__(self) -> None:
        self._waiting: list[TokenLogprob] = []

    def wait(self, chunk: Chunk) -> None:
        """Take the token of a chunk, before `of` is asked for its text."""
        if (chunk.reasoning or chunk.call_deltas) and not chunk.text:
            self._waiting.clear()
        else:
            self._waiting += chunk.logprobs or ()

    def of(self, text: str) -> list[TokenLogprob]:
        """Those of a text that has come; the ones before are of none."""
        waiting, self._waiting = self._waiting, []
        written = b"".join(token.piece for token in waiting)
        wanted = text.encode()
        begin = written.rfind(wanted)
        if begin < 0:  # characters that are not of its tokens' bytes
            return waiting
        end = begin + len(wanted)
        found, at = [], 0
        for token in waiting:
            behind = at + len(token.piece)
            if at < end and behind > begin:
                found.append(token)
            elif at >= end:
                self._waiting.append(token)
            at = behind
        return found
