"""A thousand generated answers of each format: parsed as meant, however they are cut."""

from __future__ import annotations

from random import Random

import pytest
from pestle.formats import Content, Event, Reasoning
from pestle.results import ToolCall

from tests.unit.formats.answers import Dialect, Mark, cut, meant, merged
from tests.unit.formats.dialects import DIALECTS

N = 1000


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_answers_are_parsed_as_meant_in_any_pieces(dialect: Dialect) -> None:
    random = Random(f"answers of {dialect.name}")
    kinds: set[type] = set()
    for n in range(N):
        events = meant(random, dialect)
        kinds |= {type(event) for event in events}
        pieces = dialect.say(random, events)
        for _ in range(2):
            said = cut(random, pieces)
            assert dialect.events_of(said) == merged(events), (n, said)
    assert kinds == {
        Content,
        *((Reasoning,) if dialect.thinks else ()),
        *((ToolCall,) if dialect.calls else ()),
    }


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_answers_that_end_anywhere_are_the_same_in_any_pieces(dialect: Dialect) -> None:
    random = Random(f"cut answers of {dialect.name}")
    for n in range(N):
        pieces = cut(random, dialect.say(random, meant(random, dialect)))
        pieces = pieces[: random.randint(0, len(pieces))]
        expected = dialect.events_of(pieces)
        said = cut(random, pieces)
        assert dialect.events_of(said) == expected, (n, said)
        # What comes early is not taken back: an answer that goes on begins the same.
        assert _words(expected).startswith(_sure(dialect, pieces))


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_garbage_never_raises_and_is_the_same_in_any_pieces(dialect: Dialect) -> None:
    random = Random(f"garbage of {dialect.name}")
    fragments = (
        *map(Mark, dialect.marks),
        *("<think>", "</think>", "<tool_call>", "</tool_call>", "\n", " ", "assistant", "final"),
        *('{"name": "f"}', "<function=f></function>", "f", "{}"),
        *('{"name": "f", "arguments": {', '"a": "', "}", "}}", '"', "[[", "\\", "\ud800"),
        *("<function=f>", "<parameter=a>", "</parameter>", "</function>", "analysis", "\x00"),
        *(" to=functions.f", " to=x", "commentary", "json", "NaN", "```", "```json\n", "function"),
        *('invoke name="f">', 'parameter name="a" string="false">', "</", "<", "x" * 100),
    )
    for n in range(N):
        pieces = [random.choice(fragments) for _ in range(random.randint(0, 25))]
        expected = dialect.events_of(pieces)
        said = cut(random, pieces)
        assert dialect.events_of(said) == expected, (n, said)


def _words(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Content))


def _sure(dialect: Dialect, pieces: list[str]) -> str:
    """The content that has come before the end of the answer is known."""
    vocabulary = dialect.vocabulary
    prompt = [token for token, _ in vocabulary.tokens(dialect.prompt)]
    parser = dialect.format.parser(prompt)
    return _words(
        [e for token, text in vocabulary.tokens(pieces) for e in parser.push(token, text)]
    )
