"""LiteLLM against a real port, as OpenAI's and as Anthropic's API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM

from tests.server.scripted import calls, scripted, thinks
from tests.server.serving import Client

litellm = pytest.importorskip("litellm")

MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]
HELLO = [{"role": "user", "content": "Hello!"}]
LOOK = {
    "type": "function",
    "function": {
        "name": "look",
        "parameters": {
            "type": "object",
            "properties": {"at": {"type": "string"}},
            "required": ["at"],
        },
    },
}


@pytest.fixture(params=["openai", "anthropic"])
def ask(request: pytest.FixtureRequest, serve: Serve) -> Callable[..., Callable[..., Any]]:
    """LiteLLM's `completion` at a server of a model."""

    def of(llm: LLM) -> Callable[..., Any]:
        base = serve(llm).url + ("/v1" if request.param == "openai" else "")

        def completion(**asked: Any) -> Any:
            return litellm.completion(
                model=f"{request.param}/fake",
                api_base=base,
                api_key="x",
                max_tokens=200,
                temperature=0,
                num_retries=0,
                **asked,
            )

        return completion

    return of


def test_whole_and_streamed(make_llm: MakeLlm, ask: Callable[..., Callable[..., Any]]) -> None:
    completion = ask(scripted(make_llm, [*thinks("Hm."), "Good morning."]))
    answer = completion(messages=HELLO)
    assert answer.choices[0].message.content == "Good morning."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens > 0
    pieces = [piece.choices[0].delta.content or "" for piece in completion(
        messages=HELLO, stream=True
    )]  # fmt: skip
    assert "".join(pieces) == "Good morning."
    assert len(pieces) > 5


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_and_what_it_says(
    make_llm: MakeLlm, ask: Callable[..., Callable[..., Any]], streamed: bool
) -> None:
    completion = ask(scripted(make_llm, calls("look", at="sky"), ["A jay."]))
    asked: dict[str, Any] = {"messages": HELLO, "tools": [LOOK]}
    answer = completion(**asked, stream=streamed)
    if streamed:
        answer = litellm.stream_chunk_builder(list(answer))
    message = answer.choices[0].message
    (call,) = message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("look", {"at": "sky"})
    result = {"role": "tool", "tool_call_id": call.id, "content": "a jay"}
    again = completion(messages=[*HELLO, message, result], tools=[LOOK])
    assert again.choices[0].message.content == "A jay."
