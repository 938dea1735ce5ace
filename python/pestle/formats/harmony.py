"""Harmony, the format of gpt-oss: an answer is several messages, each in a channel.

Source: OpenAI, `docs/format.md` of openai/harmony. A message is

    <|start|>ROLE[ to=RECIPIENT][<|channel|>CHANNEL[ to=RECIPIENT][ <|constrain|>TYPE]]<|message|>

and its text, up to `<|end|>`, `<|return|>` or `<|call|>`. The prompt ends within a header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pestle.formats.calls import MalformedCallError, Schemas, arguments_text
from pestle.formats.events import Content, Event, Reasoning
from pestle.formats.marks import Marks
from pestle.formats.parser import Parser
from pestle.formats.streamed import StreamedCall, StreamedJson
from pestle.results import ToolCall

START, CHANNEL, MESSAGE, CONSTRAIN = "<|start|>", "<|channel|>", "<|message|>", "<|constrain|>"
END, RETURN, CALL = "<|end|>", "<|return|>", "<|call|>"
MARKS = (START, CHANNEL, MESSAGE, CONSTRAIN, END, RETURN, CALL)

FUNCTIONS = "functions."
_BUILTIN = ("browser", "python", "container")
_NO_HEADER = "the message has no header"
_NO_MESSAGE = "the header has no message"
_CUT_HEADER = "the answer ends within a message's header"
_PARAGRAPH = "\n\n"  # between two messages of one kind
_LONGEST_HEADER = 256  # characters; the text of a model that forgot its header is not held longer
_RECIPIENT = re.compile(r"to=(\S+)")
# The parts of a header that the end of an answer has cut off.
_CUT_ROLE = re.compile(r"(\w*)(?:\s+(?:to=\S*|to|t)?)?\s*")
_CUT_CHANNEL = re.compile(r"\s*\w*(?:\s+(?:to=\S*|to|t))?\s*\w*\s*")


@dataclass(frozen=True)
class Header:
    """What a message says before its text."""

    role: str
    channel: str | None
    recipient: str | None  # None: the user


class HarmonyParser(Parser):
    """Reads the messages of one answer."""

    def __init__(self, marks: Marks, schemas: Schemas, prompt_end: str = "") -> None:
        """`prompt_end` is what the prompt has said of the first message, in a parser's text."""
        super().__init__(marks)
        self._schemas = schemas
        self._names = {name: marks[name] for name in MARKS}
        self._header = ""  # what came of one
        self._given = ""  # of it by the prompt, which is never handed on
        self._message: Header | None = None  # whose text comes; None: a header comes
        self._lost = False  # text that no header announced
        self._body = ""  # of a call, what was not handed on
        self._call: StreamedCall | None = None  # that is being written
        self._said: set[type] = set()  # what earlier messages were, to set paragraphs
        self._fresh = True  # nothing of this message was handed on
        self._feed(prompt_end)
        if self._message is None:
            self._given = self._header

    @property
    def in_reasoning(self) -> bool:
        """Whether a message of the analysis channel has begun and not ended."""
        message = self._message
        return message is not None and message.channel == "analysis" and not message.recipient

    def finish(self) -> list[Event]:
        """What was held back. A call that is whole but for its end counts."""
        if self._message is not None:
            return self._end_message("")
        if not _is_cut_off(self._header, self._names):
            return self._end_header()
        said = self.marks.spelled(self._header.removeprefix(self._given)).strip()
        self._header = self._given = ""
        # It says nothing to the user, but it was said.
        return [Content("", f"{_CUT_HEADER}: {said}")] if said else []

    def _end_header(self) -> list[Event]:
        """A header that no message follows is what the model says, but for the prompt's part."""
        header, said = self._header, self._header.removeprefix(self._given)
        self._header = self._given = ""
        problem = _NO_MESSAGE if _is_cut_off(header, self._names) else _NO_HEADER
        return self._content(said, problem) if said.strip() else []

    def _feed(self, text: str) -> list[Event]:
        events: list[Event] = []
        for piece in self.marks.pieces(text):
            if self.marks.is_code(piece):
                events += self._mark(piece)
            elif self._message is not None or self._lost:
                events += self._text(piece)
            else:
                self._header += piece
                events += self._lose()
        return events

    def _mark(self, mark: str) -> list[Event]:
        names = self._names
        if self._message is not None:
            if mark in (names[END], names[RETURN], names[CALL]):
                return self._end_message(mark)
            if mark in (names[START], names[CHANNEL]):  # its end was forgotten
                events = self._end_message("")
                return events + self._mark(mark)
            return self._text(mark)
        if mark == names[MESSAGE]:
            self._message = _parsed(self._header, names)
            self._header = self._given = ""
            self._fresh, self._lost = True, False
            return []
        if mark in (names[START], names[END], names[RETURN], names[CALL]):
            events = self._end_header()
            self._lost = False
            return events
        self._lost = False
        self._header += mark  # a channel, or what its text is constrained to
        return []

    def _text(self, text: str) -> list[Event]:
        """Text of the message that has begun."""
        message = self._message
        if message is None:
            return self._content(text, _NO_HEADER)
        if _is_call(message):
            self._body += text
            return self._write_call(message.recipient or "")
        if message.channel == "analysis":
            return [Reasoning(self._paragraph(Reasoning) + self.marks.spelled(text))]
        events = self._content(text, self._problem(message))
        first = events[0]
        if isinstance(first, Content) and (paragraph := self._paragraph(Content)):
            events.insert(0, Content(paragraph, first.warning))
        return events

    def _problem(self, message: Header) -> str | None:
        """What is wrong with a message that is shown to the user."""
        if message.role != "assistant":
            return f"the model wrote a message of the role {message.role!r}"
        if message.channel not in ("final", "commentary", None):
            return f"the channel {message.channel!r} is none of the format"
        return None

    def _paragraph(self, kind: type) -> str:
        """What goes before a message's first text."""
        if not self._fresh:
            return ""
        self._fresh = False
        again = kind in self._said
        self._said.add(kind)
        return _PARAGRAPH if again else ""

    def _end_message(self, end: str) -> list[Event]:
        message, self._message = self._message, None
        if message is None or not _is_call(message):
            return []
        call, self._call = self._call, None
        body, self._body = self.marks.spelled(self._body), ""
        if call is not None:
            return self._end_call(call, body, end)
        try:
            return [self._read_call(message.recipient or "", body)]
        except MalformedCallError as error:
            said = f"to={message.recipient} {body}{self.marks.spelled(end)}"
            return [Content(self._paragraph(Content) + said, str(error))]

    def _write_call(self, recipient: str) -> list[Event]:
        """Hand on what has come of a call's arguments. The header makes it certain to be one."""
        if self._call is None:
            name, body = self._function(recipient), self._body.lstrip()
            if name is None or not body.startswith("{"):
                return []
            self._call, self._body = StreamedJson(name, self.marks.spelled), body
        if self._call.is_over:
            return []
        events, used = self._call.push(self._body, final=False)
        self._body = self._body[used:]
        return events

    def _end_call(self, call: StreamedCall, rest: str, end: str) -> list[Event]:
        """The message of a call that was handed on has ended."""
        if not call.is_over:
            call.cut(f"the {'call' if end else 'answer'} ends within them")
        return call.finish(rest)

    def _function(self, recipient: str) -> str | None:
        """The name of the function that a message to `recipient` calls."""
        name = recipient.removeprefix(FUNCTIONS)
        return name if name != recipient or recipient in self._schemas else None

    def _read_call(self, recipient: str, body: str) -> ToolCall:
        if (name := self._function(recipient)) is not None:
            return ToolCall(name, arguments_text(body))
        if recipient.partition(".")[0] in _BUILTIN:
            return ToolCall(recipient, body, builtin=True)
        raise MalformedCallError(f"there is no recipient {recipient!r}")

    def _lose(self) -> list[Event]:
        """Give up waiting for the rest of what is too long to be a header."""
        said = self._header.removeprefix(self._given)
        if len(said) <= _LONGEST_HEADER:
            return []
        self._lost, self._header, self._given = True, "", ""
        return self._content(said, _NO_HEADER)


def _parsed(header: str, names: dict[str, str]) -> Header:
    """Role, channel and recipient of a header. The last of several channels counts."""
    header = header.replace(names[CONSTRAIN], " ")
    role, *channels = header.split(names[CHANNEL])
    stated = channels[-1] if channels else ""
    recipients = [
        match[1] for part in (role, *channels[-1:]) for match in _RECIPIENT.finditer(part)
    ]
    recipient = recipients[-1] if recipients and recipients[-1] != "assistant" else None
    words = _RECIPIENT.sub(" ", stated).split()
    role = _RECIPIENT.sub(" ", role).strip() or "assistant"
    return Header(role, words[0] if words else None, recipient)


def _is_cut_off(header: str, names: dict[str, str]) -> bool:
    """Whether the text is the beginning of a header, and no text of a model that forgot it."""
    role, *channels = header.replace(names[CONSTRAIN], " ").split(names[CHANNEL])
    match = _CUT_ROLE.fullmatch(role)
    return (
        match is not None
        and "assistant".startswith(match[1])
        and all(_CUT_CHANNEL.fullmatch(channel) for channel in channels)
    )


def _is_call(message: Header) -> bool:
    return message.recipient is not None and message.role == "assistant"
