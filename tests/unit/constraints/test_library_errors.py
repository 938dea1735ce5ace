"""What `llguidance` does not expect of callers is an error of ours."""

from __future__ import annotations

from typing import Any

import pytest
from pestle.constraints import grammar_of, text_plan
from pestle.errors import ArgumentError, GrammarError
from pestle.tokenizer import Tokenizer

from tests.unit.text.toy import byte_level

TOKENIZER = Tokenizer.from_gguf(byte_level(control=("</s>",), eos="</s>"))


def _nested(depth: int) -> Any:
    found: Any = None
    for _ in range(depth):
        found = [found]
    return found


def test_a_panic_of_rust() -> None:
    """It quotes the first 100 bytes of a `$ref`, which may end within a character."""
    for blanks in range(3):
        schema = {"$ref": [" " * blanks + "\u4e2d" * 60]}
        grammar = grammar_of({"json_schema": schema})
        assert grammar is not None
        with pytest.raises(GrammarError):
            text_plan(grammar, TOKENIZER, TOKENIZER.n_vocab)


@pytest.mark.parametrize(
    "options",
    [{"choice": ["a", "\ud800"]}, {"regex": "\ud800"}, {"grammar": 'start: "\ud800"\n'}],
    ids=["choice", "regex", "grammar"],
)
def test_half_a_character(options: dict[str, Any]) -> None:
    with pytest.raises(GrammarError, match="half a character"):
        grammar_of(options)


DEEP = 100_000  # for any Python: 3.13 writes down 5,000


@pytest.mark.parametrize(
    "options",
    [{"choice": _nested(DEEP)}, {"regex": _nested(DEEP)}, {"response_format": _nested(DEEP)},
     {"response_format": {"type": _nested(DEEP)}}, {"json_schema": _nested(DEEP)}],
    ids=["choice", "regex", "response_format", "type", "json_schema"],
)  # fmt: skip
def test_values_that_are_nested_too_deeply(options: dict[str, Any]) -> None:
    with pytest.raises((ArgumentError, GrammarError), match="nested too deeply"):
        grammar_of(options)
