"""Very many chats at once, of every kind, some of which break off or never read.

Each is asked alone first. In company it has to be answered with the same text, log probabilities
and counts, to the bit.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from load.exchange import Address, Answer, ask
from load.heard import Heard, differences, heard
from load.speed import WORDS

Figures = dict[str, float]
LEAVES, NEVER_READS = 0.10, 0.05
_SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "maxItems": 3},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
_TOOL = {
    "name": "look_up",
    "description": "Look a word up",
    "parameters": {
        "type": "object",
        "properties": {"word": {"type": "string", "maxLength": 10}},
        "required": ["word"],
    },
}


# What nobody reads is so much that no buffer of the system takes all of it.
_FULL: dict[str, Any] = {
    "path": "/v1/chat/completions",
    "body": {"stream": True, "logprobs": True, "top_logprobs": 20, "max_tokens": 400, "n": 1},
}


@dataclass(frozen=True)
class Chat:
    """One request, and how its client behaves.

    leaves  seconds after which it breaks the connection off; None: it stays
    """

    path: str
    body: dict[str, Any]
    leaves: float | None = None
    reads: bool = True


@dataclass
class Report:
    """What came of a round.

    wrong  in words, what must not be: other answers than alone, errors, broken streams
    """

    seconds: float = 0.0
    same: int = 0
    left: int = 0
    unread: int = 0
    refused: int = 0
    tokens: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def figures(self) -> Figures:
        """The counts, with the length of `wrong`."""
        return {
            "seconds": self.seconds,
            "same": self.same,
            "left": self.left,
            "unread": self.unread,
            "refused": self.refused,
            "wrong": len(self.wrong),
            "5xx": sum(n for status, n in self.statuses.items() if status >= 500),
            "tokens": self.tokens,
        }


def chats(
    n: int,
    seed: int,
    *,
    dialects: Sequence[str],
    prefixes: int = 50,
    longest: int = 1500,
    most: int = 48,
    patience: float = 5.0,
) -> list[Chat]:
    """n chats, the same for the same seed; a common beginning has up to `longest` words.

    Answers have up to `most` tokens. Who leaves does so after `patience` seconds on average.
    """
    draw = random.Random(seed)
    # As many short ones as long ones, by orders of magnitude.
    lengths = [int(2 * (longest / 2) ** (i / max(prefixes - 1, 1))) for i in range(prefixes)]
    beginnings = [" ".join(draw.choices(WORDS, k=length)) for length in lengths]
    found = []
    for i in range(n):
        path = draw.choice(dialects)
        text = " ".join([draw.choice(beginnings), *draw.choices(WORDS, k=draw.randint(1, 12))])
        body = _WRITES[path](draw, text, draw.randint(1, most), i)
        fate = draw.random()
        leaves = draw.expovariate(1 / patience) if fate < LEAVES else None
        reads = not LEAVES <= fate < LEAVES + NEVER_READS
        if not reads and path == _FULL["path"]:
            body |= _FULL["body"]
        found.append(Chat(path, body, leaves, reads))
    return found


def _sampled(draw: random.Random, seed: int) -> dict[str, Any]:
    return {"seed": seed, "temperature": draw.choice([0, 0.8, 1.5]), "top_p": 0.95}


def _chat_completion(draw: random.Random, text: str, tokens: int, seed: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": tokens,
        **_sampled(draw, seed),
    }
    kind = draw.choice(["plain", "plain", "schema", "regex", "choice", "tools", "stop", "n"])
    if kind == "schema":
        wanted = {"name": "person", "schema": _SCHEMA, "strict": True}
        body |= {"response_format": {"type": "json_schema", "json_schema": wanted}}
    elif kind == "regex":
        body["regex"] = "[a-f]{3,9}[0-9]{2}"
    elif kind == "choice":
        body["choice"] = ["yes", "no", "perhaps"]
    elif kind == "tools":
        body |= {
            "tools": [{"type": "function", "function": _TOOL}],
            "tool_choice": draw.choice(["auto", "required"]),
        }
    elif kind == "stop":
        body |= {"stop": draw.choice(["e", [" the", "ing"]]), "frequency_penalty": 0.5}
    elif kind == "n":
        body |= {"n": 2, "presence_penalty": 0.3}
    if draw.random() < 0.3:
        body |= {"logprobs": True, "top_logprobs": draw.randint(0, 3)}
    if draw.random() < 0.6:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def _completion(draw: random.Random, text: str, tokens: int, seed: int) -> dict[str, Any]:
    body = {"prompt": text, "max_tokens": tokens, **_sampled(draw, seed)}
    if draw.random() < 0.3:
        body |= {"logprobs": draw.randint(0, 3)}
    if draw.random() < 0.5:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def _message(draw: random.Random, text: str, tokens: int, seed: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "system": text,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Go on."}]}],
        "max_tokens": tokens,
        "temperature": 0,  # the API has no seed
        "stream": draw.random() < 0.7,
    }
    if draw.random() < 0.3:
        body["stop_sequences"] = ["e"]
    if draw.random() < 0.3:
        schema = {"input_schema": _TOOL["parameters"]}
        tool = {n: v for n, v in _TOOL.items() if n != "parameters"} | schema
        body |= {"tools": [tool], "tool_choice": {"type": draw.choice(["auto", "any"])}}
    return body


def _response(draw: random.Random, text: str, tokens: int, seed: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "instructions": text,
        "input": "Go on.",
        "max_output_tokens": max(tokens, 16),  # the API's least
        "temperature": 0,
        "store": False,
        "stream": draw.random() < 0.7,
    }
    if draw.random() < 0.3:
        body["tools"] = [{"type": "function", **_TOOL}]
    return body


def _ollama(draw: random.Random, text: str, tokens: int, seed: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": text}],
        "options": {"num_predict": tokens, **_sampled(draw, seed)},
        "stream": draw.random() < 0.7,
    }
    if draw.random() < 0.3:
        body["format"] = _SCHEMA
    return body


def _generate(draw: random.Random, text: str, tokens: int, seed: int) -> dict[str, Any]:
    options = {"num_predict": tokens, **_sampled(draw, seed)}
    return {"prompt": text, "options": options, "stream": draw.random() < 0.7}


_WRITES = {
    "/v1/chat/completions": _chat_completion,
    "/v1/completions": _completion,
    "/v1/messages": _message,
    "/v1/responses": _response,
    "/api/chat": _ollama,
    "/api/generate": _generate,
}


async def alone(address: Address, asked: Sequence[Chat]) -> dict[int, Heard]:
    """What each that is read is answered with nobody else there, by its number.

    Raises RuntimeError for one that fails.
    """
    found = {}
    for number, chat in enumerate(asked):
        if not chat.reads:
            continue
        answer = await ask(address, chat.path, chat.body)
        if answer.status != 200 or not answer.whole:
            said = answer.body[:300].decode(errors="replace")
            raise RuntimeError(f"chat {number} ({chat.path}) alone: {answer.status} {said}")
        found[number] = heard(chat.path, answer)
    return found


async def together(address: Address, asked: Sequence[Chat], expected: dict[int, Heard]) -> Report:
    """Ask all at once; who never reads goes when all others have their answers."""
    report = Report()
    began = time.perf_counter()
    over = asyncio.Event()
    reading = [
        asyncio.ensure_future(ask(address, chat.path, chat.body, leave=chat.leaves))
        for chat in asked
        if chat.reads
    ]
    unread = [
        asyncio.ensure_future(ask(address, chat.path, chat.body, reads=False, until=over))
        for chat in asked
        if not chat.reads
    ]
    answers = await asyncio.gather(*reading, return_exceptions=True)
    over.set()
    await asyncio.gather(*unread, return_exceptions=True)
    report.seconds = time.perf_counter() - began
    report.unread = len(unread)
    readers = [number for number, chat in enumerate(asked) if chat.reads]
    for number, answer in zip(readers, answers, strict=True):
        _judge(report, number, asked[number], answer, expected[number])
    return report


def _judge(
    report: Report, number: int, chat: Chat, answer: Answer | BaseException, expected: Heard
) -> None:
    name = f"chat {number} ({chat.path})"
    if isinstance(answer, BaseException):
        report.wrong.append(f"{name}: {answer!r}")
        return
    report.statuses[answer.status] += 1
    if answer.status == 429:
        report.refused += 1
    elif chat.leaves is not None and not answer.whole:
        report.left += 1
    elif answer.status != 200 or not answer.whole:
        report.wrong.append(f"{name}: {answer.status}, {answer.body[-300:]!r}")
    else:
        _compare(report, name, chat, answer, expected)


def _compare(report: Report, name: str, chat: Chat, answer: Answer, expected: Heard) -> None:
    try:
        said = heard(chat.path, answer)
    except ValueError as error:
        report.wrong.append(f"{name}: {error}")
        return
    differs = list(differences(expected, said))
    report.wrong += [f"{name}: {each}" for each in differs]
    report.same += not differs
    report.tokens += sum(v for n, v in said.usage.items() if n in _WRITTEN)


_WRITTEN = {"completion_tokens", "output", "output_tokens", "eval_count"}
