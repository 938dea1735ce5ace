"""Generated answers: what a model means, and the pieces in which it says that in its format.

A piece is a mark, by its spelling, or text. The texts hold what could be taken for marks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from pestle.formats import CallPiece, Content, Event, Format, Reasoning, format_of
from pestle.results import ToolCall

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {
                    "text": {"type": "string"},
                    "n": {"type": "integer"},
                    "x": {"type": "number"},
                    "yes": {"type": "boolean"},
                    "many": {"type": "array", "items": {}},
                    "more": {"type": "object"},
                    "maybe": {"type": ["string", "null"]},
                },
            },
        },
    }
    for name in ("get_weather", "fs.write", "nothing")
]
WORDS = (
    *("The", "answer", "is", "42", "caf\u00e9", "\u4f60\u597d", "\U0001f600", "a<b", "{", "}", '"'),
    *("<|end|>", "<|channel|>", "</think>", "<think>", "<tool_call>", "</tool_call>", "<", "</"),
    *("<\uff5ctool\u2581call\u2581begin\uff5c>", "<\uff5cDSML\uff5cinvoke", "\\", "```", "to=x"),
    *("\n", "\n\n", "```json", "<function=f>", "</parameter", "assistant", "<|", "|>", "\ufffd"),
)
ESCAPED_WORDS = tuple(word for word in WORDS if "</parameter" not in word)


class Mark(str):
    """A mark that the model says, not text that spells one."""


class Vocabulary:
    """Marks that are tokens, from 1000 on; token 0 is any text."""

    def __init__(self, *marks: str) -> None:
        self.marks = {mark: 1000 + n for n, mark in enumerate(marks)}

    def token_id(self, text: str) -> int | None:
        return self.marks.get(text)

    def token_bytes(self, token: int) -> bytes:
        return next((m.encode() for m, i in self.marks.items() if i == token), b"")

    def encode(self, text: str, **options: bool) -> list[int]:
        ids = [self.marks[mark] for mark in self.marks if mark in text]
        return ids or [0]

    def tokens(self, pieces: Sequence[str]) -> list[tuple[int, str]]:
        """Ids and texts; a mark without a token is text."""
        return [
            (self.marks.get(piece, 0) if isinstance(piece, Mark) else 0, piece) for piece in pieces
        ]


@dataclass(frozen=True)
class Dialect:
    """A model's way of answering."""

    name: str
    architecture: str
    template: str
    marks: tuple[str, ...]  # that are tokens
    say: Callable[[Random, list[Event]], list[str]]
    thinks: bool = True
    calls: bool = True
    prompt: tuple[str, ...] = ()

    @property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(*self.marks)

    @property
    def format(self) -> Format:
        return format_of(self.architecture, self.template, self.vocabulary)

    def events_of(self, pieces: Sequence[str]) -> list[Event]:
        """What the parser makes of pieces of an answer, pushed one by one."""
        vocabulary = self.vocabulary
        prompt = [token for token, _ in vocabulary.tokens(self.prompt)]
        parser = self.format.parser(prompt, TOOLS)
        events = [e for token, text in vocabulary.tokens(pieces) for e in parser.push(token, text)]
        return merged(without_pieces([*events, *parser.finish()]))


def without_pieces(events: Iterable[Event]) -> list[Event]:
    """The events but for pieces of calls, which have to agree with the calls that follow them."""
    rest: list[Event] = []
    name, said = None, ""
    for event in events:
        if isinstance(event, CallPiece):
            assert name in (None, event.name)
            name, said = event.name, said + event.arguments
            continue
        if name is not None and isinstance(event, ToolCall):
            assert (event.name, event.arguments) == (name, said)
            name, said = None, ""
        # Nothing is said between the pieces of a call.
        assert name is None or (isinstance(event, Content) and not event.text)
        rest.append(event)
    assert name is None
    return rest


def merged(events: Iterable[Event]) -> list[Event]:
    """The events with pieces of one kind, and of one warning, joined."""
    joined: list[Event] = []
    for event in events:
        last = joined[-1] if joined else None
        if isinstance(event, Reasoning) and isinstance(last, Reasoning):
            joined[-1] = Reasoning(last.text + event.text)
        elif (
            isinstance(event, Content)
            and isinstance(last, Content)
            and event.warning == last.warning
        ):
            joined[-1] = replace(last, text=last.text + event.text)
        else:
            joined.append(event)
    return joined


def text(random: Random, words: Sequence[str] = WORDS) -> str:
    """Some text that neither begins nor ends with a blank."""
    said = "".join(
        random.choice(words) + random.choice(("", " ", " ")) for _ in range(random.randint(1, 12))
    ).strip()
    return said or "yes"


def call(random: Random) -> ToolCall:
    values: dict[str, Callable[[], Any]] = {
        "text": lambda: text(random, ESCAPED_WORDS),
        "n": lambda: random.randint(-5, 10**12),
        "x": lambda: random.choice((0.5, -1e-7, 3)),
        "yes": lambda: random.random() < 0.5,
        "many": lambda: [1, text(random, ESCAPED_WORDS), None, True],
        "more": lambda: {"a": {"b": [text(random, ESCAPED_WORDS)]}, "</tool_call>": 1},
        "maybe": lambda: random.choice((None, "so", "42 of them")),
    }
    chosen = random.sample(sorted(values), random.randint(0, len(values)))
    arguments = {name: values[name]() for name in chosen}
    name = random.choice(TOOLS)["function"]["name"]  # type: ignore[index]
    return ToolCall(name, json.dumps(arguments, ensure_ascii=False))


def meant(random: Random, dialect: Dialect) -> list[Event]:
    """Reasoning, content and calls; any of them may be missing."""
    events: list[Event] = []
    if dialect.thinks and random.random() < 0.7:
        events.append(Reasoning(text(random)))
    if random.random() < 0.7:
        events.append(Content(text(random)))
    if dialect.calls and random.random() < 0.6:
        events += [call(random) for _ in range(random.randint(1, 3))]
    return events


def cut(random: Random, pieces: Sequence[str]) -> list[str]:
    """The same answer in other pieces: marks stay whole, text is cut anywhere or not at all."""
    joined: list[str] = []
    for piece in pieces:
        if joined and not isinstance(piece, Mark) and not isinstance(joined[-1], Mark):
            joined[-1] += piece
        else:
            joined.append(piece)
    size = random.choice((1, 2, 5, 40, 10**6))
    smaller: list[str] = []
    for piece in joined:
        at = 0
        while not isinstance(piece, Mark) and at < len(piece):
            length = random.randint(1, size)
            smaller.append(piece[at : at + length])
            at += length
        if isinstance(piece, Mark):
            smaller.append(piece)
    return smaller
