"""What models say, in the form of their family or not, read in pieces of any size."""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from pathlib import Path
from random import Random

from pestle.formats import Format, Reader, format_of
from pestle.formats.events import CallPiece, Content, Event, Reasoning
from pestle.tokenizer import Detokenizer

from fuzzing import chance
from fuzzing.kinds import Kind
from fuzzing.template_cases import tokenizer
from fuzzing.tiny_vocabularies import MARKS

_BAR, _LOW = "\uff5c", "\u2581"
# An architecture, and what of a template tells its format.
_FAMILIES = (
    ("gpt-oss", "<|channel|>"),
    ("qwen3", "<think></think><tool_call>"),
    ("qwen3moe", "<tool_call><function="),
    ("deepseek2", f"<{_BAR}tool{_LOW}call{_LOW}begin{_BAR}><think>```json"),
    ("deepseek2", f"{_BAR}DSML{_BAR}"),
    ("llama", "[TOOL_CALLS][ARGS]"),
    ("llama", '"parameters": ipython'),
    ("llama", "plain"),
)
_WORDS = (
    *MARKS, "assistant", "analysis", "final", "commentary", " to=functions.weather", "json", "\n",
    "\n\n",
    "```json\n", "\n```", "```", '{"name": "weather", "arguments": {"place": "Rome"}}',
    '{"name": "weather"',
    ', "parameters": {"days": 2}}', "[{", "}]", "{", "}", "weather", "<function=weather>",
    "</function>",
    "<parameter=place>", "</parameter>", "\nRome\n", f"<{_BAR}DSML{_BAR}invoke name=\"weather\">",
    f"</{_BAR}DSML{_BAR}invoke>", f"<{_BAR}DSML{_BAR}parameter name=\"place\" string=\"true\">",
    f"</{_BAR}DSML{_BAR}parameter>", f"<{_BAR}DSML{_BAR}function_calls>", "<thi", "nk>", "<tool_",
    "function",
    "weather(place='Rome')", "\u00e9", "\U0001f469", " ", "123456789", '"', "\\", "[" * 40,
    "[" * 3000,
)  # fmt: skip
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
            },
        },
    }
]


@cache
def _format(family: int) -> Format:
    architecture, template = _FAMILIES[family]
    return format_of(architecture, template, tokenizer())


def make(rng: Random) -> bytes:
    pieces = [
        rng.choice(_WORDS) if rng.random() < 0.85 else chance.text(rng)
        for _ in range(rng.randrange(1, 14))
    ]
    # As the tokenizer has them, so that only where they are cut makes a difference.
    whole = [unicodedata.normalize("NFC", piece) for piece in pieces]
    pieces = [piece.encode("utf-8", "replace").decode() for piece in whole]
    found = {
        "family": rng.randrange(len(_FAMILIES)),
        "prompt": rng.choice(["", "<think>\n", "<|start|>assistant", "<think></think>\n\n"]),
        "tools": rng.random() < 0.6,
        "pieces": pieces,
    }
    return json.dumps(found).encode()


def run(case: bytes, folder: Path, rng: Random) -> None:
    found = json.loads(case)
    form = _format(found["family"])
    prompt = tokenizer().encode(found["prompt"], add_special=False, parse_special=True)
    tools = _TOOLS if found["tools"] else None
    whole, bytewise = [], []
    for piece in found["pieces"]:
        mark = tokenizer().token_id(piece) if piece in MARKS else None
        if mark is not None:
            whole.append(mark)
            bytewise.append(mark)
        else:
            whole += tokenizer().encode(piece, add_special=False)
            bytewise += list(piece.encode())
    first, second = (_events(form, prompt, tools, tokens) for tokens in (whole, _ids(bytewise)))
    assert first == second, "the events depend on how the text is cut into tokens"


@cache
def _id_of_byte() -> list[int]:
    by_bytes = {tokenizer().token_bytes(token): token for token in range(256)}
    return [by_bytes[bytes([byte])] for byte in range(256)]


def _ids(tokens: list[int]) -> list[int]:
    """Bytes as their tokens; marks, which are beyond them, as they are."""
    return [_id_of_byte()[token] if token < 256 else token for token in tokens]


def _events(form: Format, prompt: list[int], tools: object, tokens: list[int]) -> list[object]:
    reader = Reader(Detokenizer(tokenizer()), form.parser(prompt, tools))  # type: ignore[arg-type]
    events: list[Event] = []
    for token in tokens:
        events += reader.push(token)
        _ = reader.in_reasoning
    events += reader.finish()
    return _joined(events)


def _joined(events: list[Event]) -> list[object]:
    """Pieces of one kind that follow each other as one."""
    joined: list[object] = []
    for event in events:
        if isinstance(event, (Content, Reasoning, CallPiece)):
            name = type(event).__name__
            text = event.arguments if isinstance(event, CallPiece) else event.text
            if joined and isinstance(joined[-1], list) and joined[-1][0] == name:
                joined[-1][1] += text
            elif text:
                joined.append([name, text])
        else:
            joined.append((event.name, event.arguments))
    return joined


KIND = Kind(make, run)
