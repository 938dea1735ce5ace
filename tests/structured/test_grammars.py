"""What may be asked for, in every way of asking, and what is refused before anything is said."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pestle import GrammarError, UnsupportedError
from pestle.errors import Error

from .babblers import Babbler
from .test_schemas import HELLO, SCHEMA, check

LARK = """
start: "yes" | NUMBER " apples"
NUMBER: /[1-9][0-9]?/
"""
GBNF = """
root ::= "yes" | number " apples"
number ::= [1-9] [0-9]?
"""
APPLES = re.compile(r"yes|[1-9][0-9]? apples")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"grammar": LARK}, APPLES),
        ({"grammar": GBNF}, APPLES),
        ({"regex": "[a-c]{2}[0-9]+x"}, re.compile("[a-c]{2}[0-9]+x")),
        ({"choice": ["maybe", "may", 'no "'] }, re.compile('maybe|may|no "')),
        ({"json_schema": json.dumps({"enum": ["a", 1, None]})}, re.compile('"a"|1|null')),
    ],
)  # fmt: skip
def test_every_way_of_asking(babbles: Babbler, options: Any, wanted: re.Pattern[str]) -> None:
    plain, thinking = babbles("plain"), babbles("qwen3")
    seen = set()
    for seed in range(8):
        asked = {"max_tokens": 200, "seed": seed, **options}
        seen.add(text := plain.generate("So: ", **asked).text)
        assert wanted.fullmatch(text)
        assert wanted.fullmatch(plain.chat(HELLO, **asked).text)
        answer = thinking.chat(HELLO, reasoning=True, reasoning_budget=5, **asked)
        assert wanted.fullmatch(answer.text)
        assert answer.reasoning
    assert len(seen) > 1


def test_response_formats(babbles: Babbler) -> None:
    llm = babbles("qwen3")
    named = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    check(llm.chat(HELLO, response_format=named, reasoning=False, seed=1).text)
    anything = llm.chat(HELLO, response_format={"type": "text"}, seed=1, max_tokens=9)
    assert anything.token_ids == llm.chat(HELLO, seed=1, max_tokens=9).token_ids
    some = llm.chat(
        HELLO, response_format={"type": "json_object"}, reasoning=False, seed=1, max_tokens=40
    )
    assert some.text.startswith("{")


UNHELD: dict[str, Any] = {
    "not": {"type": "object", "properties": {"a": {"not": {"type": "string"}}}},
    "uniqueItems": {"type": "array", "uniqueItems": True},
    "look-around": {"type": "string", "pattern": "(?=a)b"},
    "strin": {"type": "strin"},
    "nonsense": {"type": "string", "format": "nonsense"},
    "oneOf": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
    "Unsatisfiable": {"type": "string", "minLength": 5, "maxLength": 3},
}


@pytest.mark.parametrize("word", UNHELD)
@pytest.mark.parametrize("family", ["plain", "opened", "harmony"])
def test_a_schema_that_cannot_be_held_is_refused(babbles: Babbler, family: str, word: str) -> None:
    llm = babbles(family)
    with pytest.raises(GrammarError, match=f"json_schema: .*{word}"):
        llm.chat(HELLO, json_schema=UNHELD[word], stream=True)
    with pytest.raises(GrammarError, match=f"json_schema: .*{word}"):
        llm.generate("Hi", json_schema=UNHELD[word], stream=True)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"grammar": "start: b"}, GrammarError, "grammar: .*b"),
        (
            {"grammar": "root ::= b"},
            GrammarError,
            "it is not Lark, and as GBNF: Rule 'b' not found",
        ),
        ({"regex": "[a"}, GrammarError, "regex: .*unclosed"),
        ({"json_schema": "{"}, GrammarError, "json_schema is not valid JSON"),
        ({"json_schema": 3}, TypeError, "json_schema is 3, expected a JSON schema"),
        ({"json_schema": {"enum": [{1}]}}, TypeError, "json_schema: .*set"),
        ({"grammar": b"start:"}, TypeError, "expected a string"),
        ({"choice": "yes"}, TypeError, "choice is 'yes', expected a list of strings"),
        ({"choice": [1]}, TypeError, "expected strings"),
        ({"choice": []}, ValueError, "choice is empty"),
        ({"regex": "a", "choice": ["b"]}, ValueError, "regex and choice exclude each other"),
        ({"response_format": "json"}, TypeError, "response_format is 'json', expected a mapping"),
        ({"response_format": {"type": "yaml"}}, ValueError, "type is 'yaml', expected text, json"),
        ({"response_format": {"type": "json_schema"}}, ValueError, "json_schema has no schema"),
        ({"tool_choice": "required"}, ValueError, "there are no tools"),
    ],
)
def test_what_says_nothing_is_refused(
    babbles: Babbler, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        babbles("qwen3").chat(HELLO, stream=True, **options)


def test_a_text_knows_no_options_of_chats(babbles: Babbler) -> None:
    llm: Any = babbles("qwen3")
    with pytest.raises(TypeError, match="unknown generation option 'response_format'"):
        llm.generate("Hi", response_format={"type": "json_object"})


def test_tags_of_several_tokens_are_no_place_to_begin(babbles: Babbler) -> None:
    """`coder` has no tokens for the tags, but a template that thinks."""
    llm = babbles("spelled")
    with pytest.raises(UnsupportedError, match="spells </think> in several tokens"):
        llm.chat(HELLO, regex="a")
    assert llm.chat(HELLO, regex="a+b", reasoning=False, seed=1).text.endswith("b")


def test_a_mask_and_a_ban_that_leave_nothing(babbles: Babbler) -> None:
    ban = {ord("a"): float("-inf")}
    with pytest.raises(Error, match="every token is banned"):
        babbles("plain").generate("Hi", choice=["a", "ab"], logit_bias=ban)


def test_what_no_token_can_say(babbles: Babbler) -> None:
    """A grammar of control tokens only, none of which the vocabulary has."""
    with pytest.raises(GrammarError, match=r"grammar: .*think"):
        babbles("plain").generate("Hi", grammar="start: <think>")
