"""LangChain's chat model for OpenAI's API against a real port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM

from tests.server.scripted import Script, calls, scripted, thinks
from tests.server.serving import Client

langchain_openai = pytest.importorskip("langchain_openai")
pydantic = pytest.importorskip("pydantic")

MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]


class Bird(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    """A bird."""

    kind: str
    wings: int


def look(at: str) -> str:
    """Looks at something."""
    return f"a jay in the {at}"


@pytest.fixture
def chat(serve: Serve) -> Callable[[LLM], Any]:
    """LangChain's model of a server of a model."""
    return lambda llm: langchain_openai.ChatOpenAI(
        base_url=f"{serve(llm).url}/v1", api_key="x", model="fake", temperature=0, max_retries=0
    )


def test_whole_and_streamed(make_llm: MakeLlm, chat: Callable[[LLM], Any]) -> None:
    model = chat(scripted(make_llm, [*thinks("Hm."), "Good morning."]))
    answer = model.invoke("Hello!")
    assert answer.content == "Good morning."
    assert answer.response_metadata["finish_reason"] == "stop"
    pieces = list(model.stream("Hello!", stream_usage=True))
    assert "".join(piece.content for piece in pieces) == answer.content
    assert len(pieces) > 5
    (usage,) = [piece.usage_metadata for piece in pieces if piece.usage_metadata]
    assert usage["output_tokens"] == answer.usage_metadata["output_tokens"]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_and_what_it_says(
    make_llm: MakeLlm, chat: Callable[[LLM], Any], streamed: bool
) -> None:
    llm = scripted(make_llm, calls("look", at="sky"), ["A jay."])
    model = chat(llm).bind_tools([look])
    messages: list[Any] = [("user", "What is up?")]
    if streamed:
        first, *rest = model.stream(messages)
        said = sum(rest, start=first)
    else:
        said = model.invoke(messages)
    (call,) = said.tool_calls
    assert (call["name"], call["args"]) == ("look", {"at": "sky"})
    result = {"role": "tool", "content": look(**call["args"]), "tool_call_id": call["id"]}
    assert model.invoke([*messages, said, result]).content == "A jay."


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_a_schema(make_llm: MakeLlm, chat: Callable[[LLM], Any], method: str) -> None:
    said: dict[str, Script] = {
        "json_schema": ['{"kind": "jay", "wings": 2}'],
        "function_calling": calls("Bird", kind="jay", wings=2),
    }
    held = chat(scripted(make_llm, said[method])).with_structured_output(Bird, method=method)
    assert held.invoke("Which?") == Bird(kind="jay", wings=2)
