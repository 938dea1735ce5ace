"""OpenAI's Agents SDK against a real port, by both APIs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM

from tests.server.scripted import calls, scripted, thinks
from tests.server.serving import Client

agents = pytest.importorskip("agents", reason="openai-agents is not installed")
openai = pytest.importorskip("openai")

TURNS = (
    [*thinks("Where?"), "I look up.", *calls("look", at="sky")],
    [*thinks("So."), "There is a jay."],
)
ASKED = {"role": "user", "content": "What is up?"}


@pytest.fixture(params=["OpenAIResponsesModel", "OpenAIChatCompletionsModel"])
def agent(
    request: pytest.FixtureRequest, make_llm: Callable[..., LLM], serve: Callable[..., Client]
) -> Any:
    """An agent with a tool, of a model that uses it; `seen` is where that was asked to look."""
    agents.set_tracing_disabled(True)
    url = f"{serve(scripted(make_llm, *TURNS)).url}/v1"
    client = openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0)
    seen: list[str] = []

    @agents.function_tool  # type: ignore[untyped-decorator]
    def look(at: str) -> str:
        """Looks at something."""
        seen.append(at)
        return "It has feathers."

    model = getattr(agents, request.param)(model="fake", openai_client=client)
    made = agents.Agent(
        name="Watcher",
        instructions="Watch.",
        model=model,
        tools=[look],
        model_settings=agents.ModelSettings(temperature=0),
    )
    made.seen = seen
    return made


def test_a_task_of_two_turns(agent: Any) -> None:
    async def run() -> tuple[Any, Any]:
        first = await agents.Runner.run(agent, "What is up?")
        return first, await agents.Runner.run(agent, [*first.to_input_list(), ASKED])

    first, again = asyncio.run(run())
    assert agent.seen == ["sky"]
    assert first.final_output == again.final_output == "There is a jay."
    usage = first.context_wrapper.usage
    assert usage.requests == 2
    assert usage.input_tokens_details.cached_tokens > 0


def test_a_stream_of_two_turns(agent: Any) -> None:
    async def run() -> tuple[list[str], dict[str, str], Any]:
        texts: list[str] = []
        thoughts: dict[str, str] = {}
        result = agents.Runner.run_streamed(agent, "What is up?")
        async for event in result.stream_events():
            if event.type == "raw_response_event":
                kind = event.data.type
                if kind == "response.output_text.delta":
                    texts.append(event.data.delta)
                elif kind.startswith("response.reasoning") and kind.endswith(".delta"):
                    thoughts[kind] = thoughts.get(kind, "") + event.data.delta
        return texts, thoughts, result

    texts, thoughts, result = asyncio.run(run())
    assert agent.seen == ["sky"]
    assert "".join(texts) == "I look up.There is a jay."
    # Of chat completions it tells by two names, as they come: `reasoning_content`, `reasoning`.
    assert set(thoughts.values()) == {"Where?So."}
    assert result.final_output == "There is a jay."


@pytest.mark.parametrize("api", ["OpenAIResponsesModel", "OpenAIChatCompletionsModel"])
def test_an_answer_of_a_type(
    make_llm: Callable[..., LLM], serve: Callable[..., Client], api: str
) -> None:
    pydantic = pytest.importorskip("pydantic")
    agents.set_tracing_disabled(True)
    kind = pydantic.create_model("Kind", legs=(int, pydantic.Field(ge=2, le=2)))
    client = openai.AsyncOpenAI(base_url=f"{serve(make_llm()).url}/v1", api_key="x", max_retries=0)
    model = getattr(agents, api)(model="fake", openai_client=client)
    agent = agents.Agent(name="Counter", model=model, output_type=kind)
    assert asyncio.run(agents.Runner.run(agent, "How many?")).final_output.legs == 2
