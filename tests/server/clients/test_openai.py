"""OpenAI's own client against a real port: chat completions and responses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal

import pytest
from pestle import LLM

from tests.server.scripted import calls, scripted, thinks
from tests.server.serving import Client

openai = pytest.importorskip("openai")
pydantic = pytest.importorskip("pydantic")

MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]
HELLO = [{"role": "user", "content": "Hello!"}]
PARAMETERS = {
    "type": "object",
    "properties": {"at": {"type": "string"}},
    "required": ["at"],
    "additionalProperties": False,
}
LOOK = {"name": "look", "description": "Looks.", "parameters": PARAMETERS, "strict": True}


class Bird(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    """What is parsed."""

    kind: Literal["jay"]
    wings: Literal[2]


@pytest.fixture
def ask(serve: Serve) -> Callable[[LLM], Any]:
    """A client of a server of a model. It tries nothing twice: a retry would hide what is wrong."""
    return lambda llm: openai.OpenAI(base_url=f"{serve(llm).url}/v1", api_key="x", max_retries=0)


@pytest.fixture
def client(make_llm: MakeLlm, ask: Callable[[LLM], Any]) -> Any:
    """A client of a model that thinks, looks and answers."""
    first = [*thinks("Hm."), *calls("look", at="sky")]
    return ask(scripted(make_llm, first, [*thinks("Ah."), "A jay."]))


def test_models(client: Any) -> None:
    (model,) = client.models.list()
    assert model.id == "fake"


def test_chat(make_llm: MakeLlm, ask: Callable[[LLM], Any]) -> None:
    client = ask(scripted(make_llm, [*thinks("Hm."), "Good morning."]))
    asked = {"model": "fake", "messages": HELLO, "temperature": 0}
    answer = client.chat.completions.create(**asked)
    (choice,) = answer.choices
    assert (choice.message.content, choice.message.role) == ("Good morning.", "assistant")
    assert choice.message.reasoning_content == "Hm."
    assert choice.finish_reason == "stop"
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0
    with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        final = stream.get_final_completion()
    assert text == final.choices[0].message.content == "Good morning."
    assert final.usage.completion_tokens == answer.usage.completion_tokens


@pytest.mark.parametrize("stream", [False, True])
def test_chat_with_tools(client: Any, stream: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": "What is up?"}]
    tools = [{"type": "function", "function": LOOK}]
    asked = {"model": "fake", "tools": tools, "temperature": 0}
    for _ in range(2):
        if stream:
            with client.chat.completions.stream(**asked, messages=messages) as events:
                for _ in events:
                    pass
                message = events.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(**asked, messages=messages).choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls or ():
            assert json.loads(call.function.arguments) == {"at": "sky"}
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "It flies."})
    assert message.content == "A jay."
    assert [each["role"] for each in messages] == ["user", "assistant", "tool", "assistant"]


def test_chat_is_parsed(make_llm: MakeLlm, ask: Callable[[LLM], Any]) -> None:
    client = ask(make_llm())
    answer = client.chat.completions.parse(
        model="fake", messages=HELLO, response_format=Bird, seed=1
    )
    assert answer.choices[0].message.parsed == Bird(kind="jay", wings=2)


def test_a_response(make_llm: MakeLlm, ask: Callable[[LLM], Any]) -> None:
    client = ask(scripted(make_llm, [*thinks("Hm."), "Good morning."]))
    asked = {"model": "fake", "input": "Hello!", "temperature": 0}
    response = client.responses.create(**asked)
    reasoning, message = response.output
    assert reasoning.content[0].text == "Hm."
    assert response.output_text == message.content[0].text == "Good morning."
    # The client checks nothing by itself.
    assert type(response).model_validate(response.to_dict()) == response
    for event in client.responses.create(**asked, stream=True):
        assert type(event).model_validate(event.to_dict()) == event
    with client.responses.stream(**asked) as stream:
        deltas = [each.delta for each in stream if each.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == "Good morning."
    assert final.usage.output_tokens == response.usage.output_tokens


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"reasoning": {"summary": "auto", "effort": "low"}},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
        {"max_output_tokens": 12},
        {"text": {"format": {"type": "json_object"}}},
        {"tool_choice": "none", "metadata": {"a": "b"}, "parallel_tool_calls": False},
    ],
)
def test_all_events_are_of_the_api(
    make_llm: MakeLlm, ask: Callable[[LLM], Any], more: dict[str, Any]
) -> None:
    script = [
        *thinks("Hm."),
        '{"a": 1}\n',
        *calls("look", at="sky"),
        "\n",
        *calls("look", at="sea"),
    ]
    client = ask(scripted(make_llm, script))
    asked: dict[str, Any] = {"model": "fake", "tools": [{"type": "function", **LOOK}]}
    asked |= {"input": "What is up?", "instructions": "Watch.", "temperature": 0, **more}
    events = list(client.responses.create(**asked, stream=True))
    for number, event in enumerate(events):
        assert event.sequence_number == number
        assert type(event).model_validate(event.to_dict()) == event
    response = client.responses.create(**asked)
    assert type(response).model_validate(response.to_dict()) == response
    assert events[-1].type == f"response.{response.status}"
    assert [item.type for item in events[-1].response.output] == [
        item.type for item in response.output
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_with_tools(client: Any, stream: bool) -> None:
    items: list[Any] = [{"role": "user", "content": "What is up?"}]
    asked: dict[str, Any] = {"model": "fake", "tools": [{"type": "function", **LOOK}]}
    asked |= {"temperature": 0, "store": False, "include": ["reasoning.encrypted_content"]}
    for _ in range(2):
        if stream:
            with client.responses.stream(**asked, input=items) as events:
                response = events.get_final_response()
        else:
            response = client.responses.create(**asked, input=items)
        for item in response.output:
            items.append(item.to_dict())
            if item.type == "function_call":
                assert json.loads(item.arguments) == {"at": "sky"}
                items.append(
                    {
                        "type": "function_call_output",
                        "call_id": item.call_id,
                        "output": "It flies.",
                    }
                )
    assert response.output_text == "A jay."
    assert response.usage.input_tokens_details.cached_tokens > 0


def test_a_response_is_parsed(make_llm: MakeLlm, ask: Callable[[LLM], Any]) -> None:
    client = ask(make_llm())
    asked = {"model": "fake", "input": "A bird?", "text_format": Bird, "extra_body": {"seed": 1}}
    assert client.responses.parse(**asked).output_parsed == Bird(kind="jay", wings=2)


def test_errors_are_typed(client: Any) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-9", messages=HELLO)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(model="fake", messages=HELLO, temperature="hot")
    assert wrong.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as wrong:
        client.responses.create(model="fake", input="Hello!", temperature="hot")
    assert wrong.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as long:
        client.responses.create(model="fake", input="x" * 20_000)
    assert long.value.code == "context_length_exceeded"


def test_an_error_in_midstream_is_raised(make_llm: MakeLlm, ask: Callable[[LLM], Any]) -> None:
    passes: list[None] = []

    def fails() -> None:
        passes.append(None)
        if len(passes) > 20:
            raise RuntimeError("a defect")

    client = ask(make_llm("On and on, ", end=False, n_ctx=10_000, before=fails))
    stream = client.chat.completions.create(model="fake", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match="RuntimeError"):
        list(stream)


def test_asyncio(make_llm: MakeLlm, serve: Serve) -> None:
    url = f"{serve(scripted(make_llm, ['Hi.'])).url}/v1"

    async def several() -> list[str]:
        async with openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client:
            asked = [
                client.responses.create(model="fake", input=f"Hi {n}", temperature=0)
                for n in range(8)
            ]
            return [response.output_text for response in await asyncio.gather(*asked)]

    assert asyncio.run(several()) == ["Hi."] * 8
