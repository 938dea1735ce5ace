"""Ollama's own client against a server on a real port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM

from tests.server.scripted import calls, scripted, thinks
from tests.server.serving import Client

ollama = pytest.importorskip("ollama")

MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]
HELLO = [{"role": "user", "content": "Hello!"}]


def client_of(server: Client) -> Any:
    return ollama.Client(host=server.url)


def test_a_chat(says: Callable[..., Client]) -> None:
    client = client_of(says("Good morning."))
    answer = client.chat("fake", HELLO)
    assert answer.message.content == "Good morning."
    assert (answer.done, answer.done_reason) == (True, "stop")
    assert answer.eval_count == len("Good morning.")
    pieces = list(client.chat("fake", HELLO, stream=True))
    assert "".join(piece.message.content for piece in pieces) == "Good morning."
    assert [piece.done for piece in pieces] == [*[False] * (len(pieces) - 1), True]


def test_asynchronous(says: Callable[..., Client]) -> None:
    server = says("Good morning.")

    async def ask() -> str:
        client = ollama.AsyncClient(host=server.url)
        stream = await client.chat("fake", HELLO, stream=True)
        return "".join([piece.message.content async for piece in stream])

    assert asyncio.run(ask()) == "Good morning."


def test_a_task_with_a_function(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    first = [*thinks("Hm."), *calls("weather", place="Roma")]
    client = client_of(serve(scripted(make_llm, first, ["It is sunny."], prompts=prompts)))

    def weather(place: str) -> str:
        """The weather of a place.

        Args:
            place: Where.
        """
        return f"sun in {place}"

    answer = client.chat("fake", HELLO, tools=[weather], think=True)
    assert answer.message.thinking == "Hm."
    (call,) = answer.message.tool_calls
    assert call.function.name == "weather"
    result = weather(**call.function.arguments)
    turns = [
        *HELLO,
        answer.message,
        {"role": "tool", "tool_name": call.function.name, "content": result},
    ]
    answer = client.chat("fake", turns, tools=[weather])
    assert answer.message.content == "It is sunny."
    assert "<tool_response>\nsun in Roma\n</tool_response>" in prompts[-1]
    assert "<think>\nHm.\n</think>" in prompts[-1]
    streamed = list(client.chat("fake", HELLO, tools=[weather], stream=True))
    found = [call for piece in streamed for call in piece.message.tool_calls or ()]
    assert [dict(each.function.arguments) for each in found] == [{"place": "Roma"}]


def test_thinking_is_switched_off(make_llm: MakeLlm, serve: Serve) -> None:
    client = client_of(serve(scripted(make_llm, [*thinks("Hm."), "So."])))
    answer = client.chat("fake", HELLO, think=False)
    assert (answer.message.thinking, answer.message.content) == (None, "So.")


def test_structured_output(make_llm: MakeLlm, serve: Serve) -> None:
    schema = {
        "type": "object",
        "properties": {"round": {"type": "boolean"}},
        "required": ["round"],
        "additionalProperties": False,
    }
    answer = client_of(serve(make_llm(n_ctx=4096))).chat("fake", HELLO, format=schema)
    assert isinstance(json.loads(answer.message.content)["round"], bool)


def test_generation(says: Callable[..., Client]) -> None:
    client = client_of(says("Good morning."))
    answer = client.generate("fake", "Hello!", system="Be brief.", options={"num_predict": 4})
    assert (answer.response, answer.done_reason) == ("Good", "length")
    assert answer.context
    pieces = list(client.generate("fake", "Hello!", stream=True))
    assert "".join(piece.response for piece in pieces) == "Good morning."


def test_vectors(make_llm: MakeLlm, serve: Serve) -> None:
    llm = make_llm(pooling="mean")
    client = client_of(serve(llm))
    assert client.embed("fake", ["a", "b"]).embeddings == llm.embed(["a", "b"]).tolist()
    one = client.embeddings("fake", "a").embedding
    assert one == llm.embed("a", normalize=False).tolist()


def test_models_are_listed(says: Callable[..., Client]) -> None:
    client = client_of(says("x"))
    assert [model.model for model in client.list().models] == ["fake"]
    assert [model.model for model in client.ps().models] == ["fake"]
    shown = client.show("fake")
    assert shown.capabilities == ["completion"]
    assert shown.modelinfo["general.architecture"] == "fake"


def test_errors_are_the_clients_own(says: Callable[..., Client]) -> None:
    client = client_of(says("x"))
    long = [{"role": "user", "content": "x" * 9000}]
    for status, ask, *asked in (
        (404, client.chat, "llama9", HELLO),
        (400, client.chat, "fake", long),
        (404, client.pull, "fake"),
        (404, client.delete, "fake"),
    ):
        with pytest.raises(ollama.ResponseError) as error:
            ask(*asked)
        assert error.value.status_code == status
    with pytest.raises(ollama.ResponseError, match="num_ctx"):
        client.chat("fake", HELLO, options={"num_ctx": 10**6})


def test_an_error_in_a_stream_is_raised(make_llm: MakeLlm, serve: Serve) -> None:
    llm = make_llm("A long answer, which breaks.")

    def breaks() -> None:
        if len(llm.engine.passes) > 5:  # type: ignore[attr-defined]
            raise MemoryError

    llm.engine.before = breaks  # type: ignore[attr-defined]
    with pytest.raises(ollama.ResponseError):
        list(client_of(serve(llm)).chat("fake", HELLO, stream=True))
