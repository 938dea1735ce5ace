"""What one generation has said so far, token by token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from pestle.formats import CallPiece, Content, Event, Reader, Reasoning
from pestle.results import CallDelta, ToolCall
from pestle.tokenizer import StopStrings


@dataclass
class AnswerPart:
    """What a token adds to an answer."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    warnings: tuple[str, ...] = ()
    call_deltas: tuple[CallDelta, ...] = ()


@dataclass
class Answer:
    """Takes tokens and gives out parts. Stop strings end the text, and only it.

    `call_ids` are those that its calls get, in their order. With `one_call`, it ends with its
    first; others that came in the same breath are left out, with a warning, as are those of tools
    that it may not call.
    """

    reader: Reader
    stops: Iterable[str]
    call_ids: Iterable[str] = ()
    one_call: bool = False
    may_call: Callable[[str], bool] | None = None
    reasoning_tokens: int = 0  # sampled while the model was reasoning

    def __post_init__(self) -> None:
        self._stops = StopStrings(self.stops)
        self._ids = iter(self.call_ids)
        self._n_calls = 0  # that have ended
        self._call_begun, self._id = False, ""
        self._n_sent = 0  # characters of its arguments that were handed on

    @property
    def stopped_by(self) -> str | None:
        """The stop string that ended the text; nothing is to be added after it."""
        return self._stops.matched

    @property
    def is_over(self) -> bool:
        """Whether nothing is to be added any more."""
        return self.stopped_by is not None or (self.one_call and self._n_calls > 0)

    def add(self, token: int, *, forced: bool = False) -> AnswerPart:
        """Take the next token; a `forced` one was not chosen by the model."""
        was_reasoning = self.reader.in_reasoning
        part = self._part(self.reader.push(token))
        if was_reasoning and self.reader.in_reasoning and not forced:
            self.reasoning_tokens += 1
        return part

    def end(self, ended_by: int | None) -> AnswerPart:
        """What was held back; `ended_by` is the token at which the generation ended, if any."""
        if self.is_over:
            return AnswerPart(self._stops.flush())
        part = self._part(self.reader.finish(ended_by))
        part.text += self._stops.flush()
        return part

    def _part(self, events: list[Event]) -> AnswerPart:
        part = AnswerPart()
        for event in events:
            if self.stopped_by is not None:
                break
            if self.is_over:
                if isinstance(event, ToolCall):
                    part.warnings += (f"a further call, of {event.name}, is left out",)
                continue
            if isinstance(event, (CallPiece, ToolCall)) and not self._may_call(event.name):
                if isinstance(event, ToolCall):
                    part.warnings += (
                        f"a call of {event.name}, which may not be called, is left out",
                    )
                continue
            if isinstance(event, Reasoning):
                part.reasoning += event.text
            elif isinstance(event, Content):
                part.text += self._stops.push(event.text)[0]
                if event.warning is not None:
                    part.warnings += (event.warning,)
            elif isinstance(event, CallPiece):
                self._write_call(part, event.name, event.arguments)
            else:
                self._end_call(part, event)
        return part

    def _may_call(self, name: str) -> bool:
        return self.may_call is None or self.may_call(name)

    def _write_call(self, part: AnswerPart, name: str, arguments: str) -> None:
        """Add a piece of a call to `part`, as one with what that has of the call already."""
        first = not self._call_begun
        if first:
            self._call_begun, self._id = True, next(self._ids, "")
        self._n_sent += len(arguments)
        *before, last = part.call_deltas or (None,)
        if last is not None and last.index == self._n_calls:
            last = replace(last, arguments=last.arguments + arguments)
            part.call_deltas = (*before, last)
        elif first or arguments:
            delta = CallDelta(self._n_calls, *((self._id, name) if first else ("", "")), arguments)
            part.call_deltas += (delta,)

    def _end_call(self, part: AnswerPart, call: ToolCall) -> None:
        self._write_call(part, call.name, call.arguments[self._n_sent :])
        part.tool_calls += (replace(call, id=self._id),)
        self._n_calls += 1
        self._call_begun, self._n_sent = False, 0


def joined(parts: Sequence[AnswerPart]) -> AnswerPart:
    """What parts add up to; each warning once."""
    return AnswerPart(
        "".join(part.text for part in parts),
        "".join(part.reasoning for part in parts),
        tuple(call for part in parts for call in part.tool_calls),
        tuple(dict.fromkeys(warning for part in parts for warning in part.warnings)),
    )
