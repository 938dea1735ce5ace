"""Chat templates: programs in Jinja, made by a grammar, and mutations of real ones."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from random import Random

from pestle.template import ChatTemplate
from pestle.tokenizer import Tokenizer

from fuzzing import chance, conversations, tiny_vocabularies
from fuzzing.jinja_programs import WORDS, program
from fuzzing.kinds import Kind

_DAY = datetime(2026, 1, 1)


@cache
def tokenizer() -> Tokenizer:
    """With the marks of all formats."""
    return Tokenizer.from_gguf(tiny_vocabularies.byte_level())


def make(rng: Random) -> bytes:
    if rng.random() < 0.6:
        source = program(rng)
    else:
        source = chance.mutated_text(rng.choice(conversations.TEMPLATES), rng, WORDS)
    messages, tools = conversations.conversation(rng, wrong=0)
    found = {"template": source, "messages": messages, "tools": tools}
    return json.dumps(found).encode()


def run(case: bytes, folder: Path, rng: Random) -> None:
    found = json.loads(case)
    template = ChatTemplate(found["template"], tokenizer(), now=lambda: _DAY, seconds=0.5)
    if rng.random() < 0.3:
        assert isinstance(template.render(found["messages"], tools=found["tools"]), str)
        return
    tokens = template.encode(found["messages"], tools=found["tools"])
    assert all(0 <= token < tokenizer().n_vocab for token in tokens)
    _ = template.variables


KIND = Kind(make, run)
