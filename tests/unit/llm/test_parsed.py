"""Answers that were to be JSON, as Python's values."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM, ParseError
from pestle.results import ChatCompletion
from pydantic import BaseModel, field_validator

MakeLlm = Callable[..., LLM]
HELLO = [{"role": "user", "content": "Hello"}]
TEXT = '{"name": "Ada", "age": 36}'


class Person(BaseModel):
    name: str
    age: int

    @field_validator("age")
    @classmethod
    def is_grown_up(cls, age: int) -> int:
        if age < 18:
            raise ValueError("is a child")
        return age


SCHEMA = Person.model_json_schema()
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}


@pytest.mark.parametrize("option", ["json_schema", "response_format"])
def test_a_class_gives_its_instances(make_llm: MakeLlm, option: str) -> None:
    options: dict[str, Any] = {option: Person, "temperature": 0}
    llm = make_llm(TEXT)
    ada = Person(name="Ada", age=36)
    assert llm.chat(HELLO, **options).parsed == ada
    assert llm.conversation().ask("Hello", **options).parsed == ada
    stream = llm.chat(HELLO, stream=True, **options)
    next(stream)
    assert stream.result().parsed == ada
    assert asyncio.run(llm.achat(HELLO, **options)).parsed == ada
    assert [each.parsed for each in llm.chat_all([HELLO] * 2, **options)] == [ada] * 2


@pytest.mark.parametrize(
    "options",
    [
        {"json_schema": SCHEMA},
        {"json_schema": True},
        {"json_schema": "{}"},
        {"response_format": FORMAT},
        {"response_format": {"type": "json_object"}},
    ],
    ids=str,
)
def test_a_schema_gives_json(make_llm: MakeLlm, options: Any) -> None:
    assert make_llm(TEXT).chat(HELLO, temperature=0, **options).parsed == {"name": "Ada", "age": 36}


def test_texts_too(make_llm: MakeLlm) -> None:
    done = make_llm(TEXT).generate("\x02", json_schema=Person, temperature=0)
    assert done.parsed == Person(name="Ada", age=36)


@pytest.mark.parametrize(
    "options", [{}, {"response_format": {"type": "text"}}, {"choice": [TEXT]}], ids=str
)
def test_without_json_there_is_nothing_to_parse(make_llm: MakeLlm, options: Any) -> None:
    assert make_llm(TEXT).chat(HELLO, temperature=0, **options).parsed is None


def test_an_answer_that_is_not_whole(make_llm: MakeLlm) -> None:
    answer = make_llm(TEXT).chat(HELLO, temperature=0, max_tokens=8, json_schema=Person)
    with pytest.raises(ParseError, match=r"""finish_reason is 'length': '{"name":'$"""):
        _ = answer.parsed
    assert answer.text == TEXT[:8]


def test_what_a_validator_refuses(make_llm: MakeLlm) -> None:
    answer = make_llm('{"name": "Ada", "age": 3}').chat(HELLO, temperature=0, json_schema=Person)
    with pytest.raises(ParseError, match=r"not what was asked for: .*is a child") as caught:
        _ = answer.parsed
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_calls_in_its_place(make_llm: MakeLlm) -> None:
    answer = make_llm(TEXT).chat(HELLO, temperature=0, json_schema=Person)
    called = ChatCompletion(
        text="", token_ids=(), finish_reason="stop", stop_reason=None, usage=answer.usage,
        timings=answer.timings, seed=0, tool_calls=("a call",), parser=answer.parser,  # type: ignore[arg-type]
    )  # fmt: skip
    assert called.parsed is None


def test_results_can_be_pickled_and_compared(make_llm: MakeLlm) -> None:
    answer = make_llm(TEXT).chat(HELLO, temperature=0, json_schema=Person)
    again = pickle.loads(pickle.dumps(answer))
    assert again == answer
    assert again.parsed == answer.parsed
    assert "parser" not in repr(answer)
    assert "parser" not in answer.to_dict()
