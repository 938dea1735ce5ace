"""`POST /v1/chat/completions` over a real port."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from pestle import LLM

from .scripted import calls, scripted
from .serving import Client

MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]
PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello!"}]


def test_an_answer(says: Callable[..., Client]) -> None:
    answer = says("Good morning.").post(PATH, {"model": "fake", "messages": HELLO})
    assert answer.status == 200
    assert answer.json["object"] == "chat.completion"
    (choice,) = answer.json["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Good morning.", "refusal": None}
    assert choice["finish_reason"] == "stop"
    counts = answer.json["usage"]
    assert counts["total_tokens"] == counts["prompt_tokens"] + counts["completion_tokens"]


def test_a_stream_has_the_same_text(says: Callable[..., Client]) -> None:
    asked = {"messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
    answer = says("Good morning.").post(PATH, asked)
    assert answer.headers["content-type"] == "text/event-stream"
    *chunks, last, done = [data for _, data in answer.events]
    assert done == "[DONE]"
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == len("Good morning.")
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content", "") for delta in deltas) == "Good morning."
    assert [delta.get("role") for delta in deltas] == ["assistant", *[None] * (len(deltas) - 1)]
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [*[None] * (len(chunks) - 1), "stop"]
    assert len({chunk["id"] for chunk in [*chunks, last]}) == 1


def test_calls_come_piece_by_piece(make_llm: MakeLlm, serve: Serve) -> None:
    script = [*calls("look", at="sky"), "\n", *calls("look", at="sea")]
    tools = [{"type": "function", "function": {"name": "look"}}]
    asked = {"messages": HELLO, "tools": tools, "temperature": 0}
    client = serve(scripted(make_llm, script))
    answer = client.post(PATH, {**asked, "stream": True})
    choices = [data["choices"][0] for _, data in answer.events[:-1]]
    whole: dict[int, dict[str, Any]] = {}
    for delta in (call for each in choices for call in each["delta"].get("tool_calls", ())):
        call = whole.setdefault(delta["index"], {**delta, "function": {}})
        for name in delta["function"]:
            call["function"][name] = call["function"].get(name, "") + delta["function"][name]
        assert ("id" in delta) == ("name" in delta["function"])
    assert choices[-1]["finish_reason"] == "tool_calls"
    message = client.post(PATH, asked).json["choices"][0]["message"]
    assert message["content"] is None
    assert [call.pop("index") for call in whole.values()] == [0, 1]
    assert [call["function"]["arguments"] for call in whole.values()] == [
        *('{"at": "sky"}', '{"at": "sea"}'),
    ]
    functions = [call["function"] for call in message["tool_calls"]]
    assert functions == [call["function"] for call in whole.values()]


def test_several_answers_have_seeds_that_follow(
    make_llm: Callable[..., LLM], serve: Callable[..., Client]
) -> None:
    llm = make_llm()
    asked = {"messages": HELLO, "max_tokens": 9, "seed": 4, "n": 3, "temperature": 3.0}
    choices = serve(llm).post(PATH, asked).json["choices"]
    alone = [llm.chat(HELLO, max_tokens=9, seed=seed, temperature=3.0).text for seed in (4, 5, 6)]
    assert [choice["message"]["content"] for choice in choices] == alone
    assert len(set(alone)) == 3


def test_log_probabilities(make_llm: Callable[..., LLM], serve: Callable[..., Client]) -> None:
    llm = make_llm()
    asked = {"messages": HELLO, "max_tokens": 4, "seed": 4, "logprobs": True, "top_logprobs": 2}
    content = serve(llm).post(PATH, asked).json["choices"][0]["logprobs"]["content"]
    alone = llm.chat(HELLO, max_tokens=4, seed=4, logprobs=2).logprobs
    assert alone is not None
    assert [each["logprob"] for each in content] == [each.logprob for each in alone]
    assert [each["bytes"] for each in content] == [list(each.piece) for each in alone]
    assert [len(each["top_logprobs"]) for each in content] == [2] * 4


def test_what_is_wrong_is_named(says: Callable[..., Client]) -> None:
    client = says("x")
    for fields, param in (
        ({"temperature": "hot"}, "temperature"),
        ({"messages": 3}, "messages"),
        ({"n": 99}, "n"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
    ):
        answer = client.post(PATH, {"messages": HELLO, **fields})
        assert answer.status == 400
        assert answer.json["error"]["param"] == param
        assert answer.json["error"]["type"] == "invalid_request_error"


def test_other_models_are_not_found(says: Callable[..., Client]) -> None:
    answer = says("x").post(PATH, {"model": "gpt-9", "messages": HELLO})
    assert answer.status == 404
    assert answer.json["error"]["code"] == "model_not_found"
    assert "fake" in answer.json["error"]["message"]


def test_a_prompt_that_is_too_long(says: Callable[..., Client]) -> None:
    long = [{"role": "user", "content": "x" * 9000}]
    answer = says("x").post(PATH, {"messages": long})
    assert answer.status == 400
    error = answer.json["error"]
    assert error["code"] == "context_length_exceeded"
    assert error["n_prompt_tokens"] > error["n_ctx"]


def test_who_leaves_ends_the_work(
    make_llm: Callable[..., LLM], serve: Callable[..., Client]
) -> None:
    llm = make_llm("on and on ", end=False, n_ctx=1_000_000)
    client = serve(llm)
    body = b'{"messages": [{"role": "user", "content": "Hello!"}], "stream": true}'
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        while b"delta" not in connection.recv(1 << 16):
            pass
        assert not llm._runtime.scheduler.idle
    deadline = time.monotonic() + 20
    while not llm._runtime.scheduler.idle and time.monotonic() < deadline:
        time.sleep(0.01)
    assert llm._runtime.scheduler.idle


def test_a_choice_of_tools_without_tools(says: Callable[..., Client]) -> None:
    client = says("Good morning.")
    for harmless in ("auto", "none"):
        answer = client.post(PATH, {"messages": HELLO, "tools": [], "tool_choice": harmless})
        assert answer.status == 200
    answer = client.post(PATH, {"messages": HELLO, "tool_choice": "required"})
    assert answer.status == 400
    assert "no tools" in answer.json["error"]["message"]


def test_no_tokens_at_all(says: Callable[..., Client]) -> None:
    asked = {"messages": HELLO, "max_completion_tokens": 0, "max_tokens": 5}
    answer = says("Good morning.").post(PATH, asked)
    (choice,) = answer.json["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "length")


def test_a_prompt_that_no_memory_can_hold(
    make_llm: Callable[..., LLM], serve: Callable[..., Client]
) -> None:
    llm = make_llm("Good morning.")
    engine: Any = llm.engine
    engine.kv_limit = 50
    client = serve(llm)
    for stream in (False, True):
        long = [{"role": "user", "content": "x" * 60}]
        answer = client.post(PATH, {"messages": long, "stream": stream})
        assert answer.status == 400
        assert answer.json["error"]["code"] == "context_length_exceeded"
        assert "kv_memory" in answer.json["error"]["message"]
