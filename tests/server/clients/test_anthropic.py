"""Anthropic's own client against a server on a real port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import pytest
from pestle import LLM

from tests.server.scripted import calls, scripted, thinks
from tests.server.serving import Client

anthropic = pytest.importorskip("anthropic")

MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]
ASKED: dict[str, Any] = {
    "model": "fake",
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "Hello!"}],
}
WEATHER = {
    "name": "weather",
    "description": "The weather of a place.",
    "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}},
}


def client_of(server: Client) -> Any:
    return anthropic.Anthropic(base_url=server.url, api_key="k", max_retries=0)


def test_a_message(says: Callable[..., Client]) -> None:
    message = client_of(says("Good morning.")).messages.create(**ASKED)
    assert [block.text for block in message.content] == ["Good morning."]
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == len("Good morning.")
    assert message._request_id.startswith("req_")


def test_a_stream(make_llm: MakeLlm, serve: Serve) -> None:
    llm = scripted(make_llm, [*thinks("Hm."), "I ask.", *calls("weather", place="Roma")])
    client = client_of(serve(llm))
    whole = client.messages.create(**ASKED, tools=[WEATHER])
    with client.messages.stream(**ASKED, tools=[WEATHER]) as stream:
        kinds = {event.type for event in stream}
        streamed = stream.get_final_message()
    assert {"thinking", "signature", "text", "input_json", "message_stop"} <= kinds
    assert [block.type for block in whole.content] == ["thinking", "text", "tool_use"]
    assert streamed.content[0] == whole.content[0]
    assert streamed.content[1].text == whole.content[1].text == "I ask."
    assert streamed.content[2].name == whole.content[2].name == "weather"
    assert streamed.content[-1].input == {"place": "Roma"}
    assert streamed.stop_reason == whole.stop_reason == "tool_use"
    assert streamed.usage.output_tokens == whole.usage.output_tokens


def test_the_text_of_a_stream(says: Callable[..., Client]) -> None:
    with client_of(says("Ünï cödé.")).messages.stream(**ASKED) as stream:
        assert "".join(stream.text_stream) == "Ünï cödé."


def test_asynchronous(says: Callable[..., Client]) -> None:
    server = says("Good morning.")

    async def ask() -> Any:
        async with (
            anthropic.AsyncAnthropic(base_url=server.url, api_key="k") as client,
            client.messages.stream(**ASKED) as stream,
        ):
            return await stream.get_final_text()

    assert asyncio.run(ask()) == "Good morning."


def test_a_task_with_tools(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    first = [*thinks("Hm."), *calls("weather", place="Roma")]
    llm = scripted(make_llm, first, ["It is sunny."], prompts=prompts)
    asked = []

    def weather(place: str) -> str:
        """The weather of a place."""
        asked.append(place)
        return "sun"

    tools = [anthropic.beta_tool(weather)]
    runner = client_of(serve(llm)).beta.messages.tool_runner(**ASKED, tools=tools)
    last = runner.until_done()
    assert asked == ["Roma"]
    assert [block.text for block in last.content] == ["It is sunny."]
    assert "<think>\nHm.\n</think>" in prompts[-1]
    assert "<tool_response>\nsun\n</tool_response>" in prompts[-1]
    assert last.usage.cache_read_input_tokens > 0


def test_a_call_that_is_forced(make_llm: MakeLlm, serve: Serve) -> None:
    llm = scripted(make_llm, ["I will not."])
    message = client_of(serve(llm)).messages.create(
        **ASKED,
        tools=[{**WEATHER, "strict": True}],
        tool_choice={"type": "tool", "name": "weather"},
        thinking={"type": "disabled"},
    )
    assert [(block.type, block.name) for block in message.content] == [("tool_use", "weather")]


def test_structured_output(make_llm: MakeLlm, serve: Serve) -> None:
    pydantic = pytest.importorskip("pydantic")
    shape = pydantic.create_model("Shape", round=(bool, ...), name=(Literal["a", "b"], ...))
    client = client_of(serve(make_llm(n_ctx=4096)))
    message = client.messages.parse(**ASKED, output_format=shape)
    assert isinstance(message.parsed_output, shape)


def test_thinking_goes_back_and_forth(make_llm: MakeLlm, serve: Serve) -> None:
    llm = scripted(make_llm, [*thinks("Hm."), "So."])
    client = client_of(serve(llm))
    enabled = {"type": "enabled", "budget_tokens": 1024}
    first = client.messages.create(**{**ASKED, "max_tokens": 2000}, thinking=enabled)
    thought, text = first.content
    assert thought.thinking.strip() == "Hm."
    assert thought.signature
    messages = [*ASKED["messages"], first.to_param(), *ASKED["messages"]]
    again = client.messages.create(**{**ASKED, "messages": messages})
    assert again.content[-1].text == text.text


def test_tokens_are_counted(says: Callable[..., Client]) -> None:
    client = client_of(says("x"))
    counted = client.messages.count_tokens(model="fake", messages=ASKED["messages"])
    assert counted.input_tokens == client.messages.create(**ASKED).usage.input_tokens


def test_models_are_listed(says: Callable[..., Client]) -> None:
    client = client_of(says("x", n_ctx=300))
    (listed,) = client.models.list()
    assert listed == client.models.retrieve("fake")
    assert (listed.id, listed.type, listed.max_input_tokens) == ("fake", "model", 300)
    assert listed.created_at.year >= 2026


def test_errors_are_the_clients_own(says: Callable[..., Client]) -> None:
    client = client_of(says("x"))
    with pytest.raises(anthropic.NotFoundError) as missing:
        client.messages.create(**{**ASKED, "model": "claude-9"})
    assert missing.value.request_id.startswith("req_")
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        client.messages.create(**ASKED, extra_body={"temperature": "hot"})
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        client.messages.create(**ASKED, system="x" * 9000)
    image = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    content = [{"type": "image", "source": image}]
    with pytest.raises(anthropic.BadRequestError, match=r"messages\[0\].content\[0\]"):
        client.messages.create(**{**ASKED, "messages": [{"role": "user", "content": content}]})


def test_an_error_in_a_stream_is_raised(make_llm: MakeLlm, serve: Serve) -> None:
    llm = make_llm("A long answer, which breaks.")

    def breaks() -> None:
        if len(llm.engine.passes) > 5:  # type: ignore[attr-defined]
            raise MemoryError

    llm.engine.before = breaks  # type: ignore[attr-defined]
    with (
        pytest.raises(anthropic.APIStatusError),
        client_of(serve(llm)).messages.stream(**ASKED) as stream,
    ):
        stream.until_done()
