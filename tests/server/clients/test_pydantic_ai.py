"""Pydantic AI and instructor: results of a type, held by schemas and by tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM

from tests.server.scripted import Script, calls, scripted
from tests.server.serving import Client

pydantic = pytest.importorskip("pydantic")

MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]


class Bird(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    """A bird."""

    kind: str
    wings: int


JAY: Script = ['{"kind": "jay", "wings": 2}']


def test_instructor(make_llm: MakeLlm, serve: Serve) -> None:
    instructor = pytest.importorskip("instructor")
    openai = pytest.importorskip("openai")
    for mode, said in (
        (instructor.Mode.TOOLS, calls("Bird", kind="jay", wings=2)),
        (instructor.Mode.JSON_SCHEMA, JAY),
    ):
        url = f"{serve(scripted(make_llm, said)).url}/v1"
        client = instructor.from_openai(
            openai.OpenAI(base_url=url, api_key="x", max_retries=0), mode=mode
        )
        asked: dict[str, Any] = {
            "model": "fake",
            "messages": [{"role": "user", "content": "Which?"}],
            "response_model": Bird,
            "max_retries": 0,
        }
        assert client.chat.completions.create(**asked).model_dump() == {"kind": "jay", "wings": 2}
        if mode is instructor.Mode.TOOLS:
            continue  # its tool has another name where parts are wanted, which the script has not
        *_, last = client.chat.completions.create_partial(**asked)
        assert last.model_dump() == {"kind": "jay", "wings": 2}


@pytest.fixture
def model(serve: Serve) -> Callable[[LLM], Any]:
    """Pydantic AI's model of a server of a model."""
    models = pytest.importorskip("pydantic_ai.models.openai")
    providers = pytest.importorskip("pydantic_ai.providers.openai")
    return lambda llm: models.OpenAIChatModel(
        "fake",
        provider=providers.OpenAIProvider(base_url=f"{serve(llm).url}/v1", api_key="x"),
    )


def test_an_agent_with_a_tool(make_llm: MakeLlm, model: Callable[[LLM], Any]) -> None:
    pydantic_ai = pytest.importorskip("pydantic_ai")
    looked: list[str] = []

    def look(at: str) -> str:
        """Looks at something."""
        looked.append(at)
        return "a jay"

    llm = scripted(make_llm, calls("look", at="sky"), ["A jay."])
    agent = pydantic_ai.Agent(model(llm), tools=[look])
    assert agent.run_sync("What is up?").output == "A jay."
    assert looked == ["sky"]


def test_a_result_of_a_type(make_llm: MakeLlm, model: Callable[[LLM], Any]) -> None:
    pydantic_ai = pytest.importorskip("pydantic_ai")
    for output, said in (
        (Bird, calls("final_result", kind="jay", wings=2)),
        (pydantic_ai.NativeOutput(Bird), JAY),
    ):
        agent = pydantic_ai.Agent(model(scripted(make_llm, said)), output_type=output)
        assert agent.run_sync("Which?").output == Bird(kind="jay", wings=2)
