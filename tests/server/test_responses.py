"""`POST /v1/responses` over a real port."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM
from pestle.server import ServerOptions

from .scripted import calls, scripted, thinks
from .serving import Answer, Client

PATH = "/v1/responses"
MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]

LOOK = {
    "type": "function",
    "name": "look",
    "description": "Looks.",
    "strict": False,
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
}
RICH = [*thinks("Hm."), "I look.\n", *calls("look", at="sky"), "\n", *calls("look", at="sea")]


def told(answer: Answer) -> list[tuple[str, Any]]:
    """The events of a stream, whose names and numbers agree."""
    assert answer.headers["content-type"] == "text/event-stream"
    for n, (name, data) in enumerate(answer.events):
        assert (name, n) == (data["type"], data["sequence_number"])
    return [(data["type"].removeprefix("response."), data) for _, data in answer.events]


def streamed(client: Client, asked: dict[str, Any]) -> list[tuple[str, Any]]:
    return told(client.post(PATH, {**asked, "stream": True}))


def without_ids(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in item.items() if name != "id"} for item in items]


def test_an_answer(says: Callable[..., Client]) -> None:
    answer = says("Good morning.").post(PATH, {"model": "fake", "input": "Hello!"})
    assert answer.status == 200
    response = answer.json
    assert (response["object"], response["status"], response["error"]) == (
        *("response", "completed", None),
    )
    (item,) = response["output"]
    assert (item["type"], item["role"], item["status"]) == ("message", "assistant", "completed")
    assert item["content"] == [
        {"type": "output_text", "text": "Good morning.", "annotations": [], "logprobs": []}
    ]
    usage = response["usage"]
    assert usage["output_tokens"] == len("Good morning.")
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert response["store"] is False


def test_a_stream_tells_all_in_order(make_llm: MakeLlm, serve: Serve) -> None:
    client = serve(scripted(make_llm, RICH))
    asked = {"input": "What is up?", "tools": [LOOK], "temperature": 0}
    events = streamed(client, asked)
    order: list[str] = []
    for name, _ in events:
        if order[-1:] != [name]:
            order.append(name)
    call = [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    assert order == [
        "created",
        "in_progress",
        *("output_item.added", "content_part.added", "reasoning_text.delta"),
        *("reasoning_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done"),
        *call,
        *call,
        "completed",
    ]
    items = [data["item"] for name, data in events if name == "output_item.done"]
    assert [item["type"] for item in items] == ["reasoning", "message", *["function_call"] * 2]
    for index, item in enumerate(items):
        mine = [data for _, data in events if data.get("output_index") == index]
        assert {data["item_id"] for data in mine if "item_id" in data} == {item["id"]}
        deltas = "".join(data["delta"] for data in mine if "delta" in data)
        whole = item["arguments"] if "arguments" in item else item["content"][0]["text"]
        assert deltas == whole
    assert items[0]["content"] == [{"type": "reasoning_text", "text": "Hm."}]
    assert items[0]["summary"] == []
    assert [item["arguments"] for item in items[2:]] == ['{"at": "sky"}', '{"at": "sea"}']
    assert items[2]["call_id"] != items[3]["call_id"]
    response = events[-1][1]["response"]
    assert response["output"] == items
    assert response["usage"]["output_tokens_details"]["reasoning_tokens"] > 0
    assert {data["response"]["id"] for _, data in events if "response" in data} == {response["id"]}

    whole = client.post(PATH, asked).json
    assert without_ids(whole["output"]) == without_ids(items)
    assert whole["usage"]["output_tokens"] == response["usage"]["output_tokens"]


def test_reasoning_as_a_summary(make_llm: MakeLlm, serve: Serve) -> None:
    client = serve(scripted(make_llm, [*thinks("Hm."), "So."]))
    asked = {"input": "Why?", "reasoning": {"summary": "auto"}, "temperature": 0}
    events = streamed(client, asked)
    deltas = [d for name, d in events if name == "reasoning_summary_text.delta"]
    assert "".join(d["delta"] for d in deltas) == "Hm."
    assert {d["summary_index"] for d in deltas} == {0}
    names = [name for name, _ in events]
    assert names.index("reasoning_summary_part.added") < names.index("reasoning_summary_text.delta")
    assert names.index("reasoning_summary_text.done") < names.index("reasoning_summary_part.done")
    item = events[-1][1]["response"]["output"][0]
    assert item["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert "content" not in item


@pytest.mark.parametrize("reasoning", [{}, {"summary": "auto"}])
def test_a_second_turn_reads_only_what_is_new(
    make_llm: MakeLlm, serve: Serve, reasoning: dict[str, str]
) -> None:
    llm = scripted(make_llm, RICH, [*thinks("Ah."), "Blue."])
    client = serve(llm)
    asked: dict[str, Any] = {"tools": [LOOK], "temperature": 0, "reasoning": reasoning}
    given: list[Any] = [
        {"role": "user", "content": [{"type": "input_text", "text": "What is up?"}]}
    ]
    first = client.post(PATH, {**asked, "input": given}).json
    ids = [item["call_id"] for item in first["output"] if item["type"] == "function_call"]
    results = [
        {"type": "function_call_output", "call_id": ids[0], "output": "a bird"},
        {
            "type": "function_call_output",
            "call_id": ids[1],
            "output": [{"type": "input_text", "text": "a fish"}],
        },
    ]
    second = client.post(PATH, {**asked, "input": [*given, *first["output"], *results]}).json
    assert second["output"][-1]["content"][0]["text"] == "Blue."
    cached = second["usage"]["input_tokens_details"]["cached_tokens"]
    assert cached == first["usage"]["total_tokens"]
    assert (
        llm.chat(
            [
                {"role": "user", "content": "What is up?"},
                {
                    "role": "assistant",
                    "content": "I look.",
                    "reasoning_content": "Hm.",
                    "tool_calls": [
                        {
                            "id": ids[0],
                            "type": "function",
                            "function": {"name": "look", "arguments": '{"at": "sky"}'},
                        },
                        {
                            "id": ids[1],
                            "type": "function",
                            "function": {"name": "look", "arguments": '{"at": "sea"}'},
                        },
                    ],
                },
                {"role": "tool", "tool_call_id": ids[0], "content": "a bird"},
                {"role": "tool", "tool_call_id": ids[1], "content": "a fish"},
            ],
            tools=[{"type": "function", "function": {k: LOOK[k] for k in LOOK if k != "type"}}],
            max_tokens=0,
        ).usage.prompt_tokens
        == second["usage"]["input_tokens"]
    )


def test_instructions_come_first(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    client = serve(scripted(make_llm, ["Hi."], prompts=prompts))
    given = [
        {"role": "developer", "content": [{"type": "input_text", "text": "Be kind."}]},
        {"role": "system", "content": "Be quick."},
        {"role": "user", "content": "Hello!"},
        {"role": "developer", "content": "Now."},
    ]
    response = client.post(PATH, {"input": given, "instructions": "Be brief."}).json
    assert response["instructions"] == "Be brief."
    (prompt,) = prompts
    assert prompt == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>system\nBe kind.<|im_end|>\n"
        "<|im_start|>system\nBe quick.<|im_end|>\n"
        "<|im_start|>user\nHello!<|im_end|>\n"
        "<|im_start|>system\nNow.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_token_limit(make_llm: MakeLlm, serve: Serve) -> None:
    client = serve(scripted(make_llm, [*thinks("Hm."), "On and on."]))
    asked = {"input": "Go!", "max_output_tokens": 12, "temperature": 0}
    name, data = streamed(client, asked)[-1]
    assert name == "incomplete"
    response = data["response"]
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["usage"]["output_tokens"] == 12
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]
    assert client.post(PATH, asked).json["status"] == "incomplete"


def test_a_call_that_is_cut_off(make_llm: MakeLlm, serve: Serve) -> None:
    client = serve(scripted(make_llm, calls("look", at="sky and sea")))
    asked = {"input": "Go!", "tools": [LOOK], "max_output_tokens": 43, "temperature": 0}
    events = streamed(client, asked)
    deltas = [data["delta"] for name, data in events if name == "function_call_arguments.delta"]
    (item,) = events[-1][1]["response"]["output"]
    assert (item["type"], item["status"]) == ("function_call", "incomplete")
    assert "".join(deltas) == item["arguments"] == '{"at": "sky'
    assert without_ids(client.post(PATH, asked).json["output"])[0]["status"] == "incomplete"


def test_log_probabilities_are_those_of_the_text(make_llm: MakeLlm, serve: Serve) -> None:
    client = serve(scripted(make_llm, [*thinks("Hm, k?"), "\u00e4h, k", *calls("look")]))
    asked = {
        "input": "Well?",
        "tools": [LOOK],
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
        "temperature": 0,
    }
    events = streamed(client, asked)
    message = events[-1][1]["response"]["output"][1]["content"][0]
    assert message["text"] == "\u00e4h, k"
    pieces = [bytes(each["bytes"]) for each in message["logprobs"]]
    assert b"".join(pieces).decode() == "\u00e4h, k"
    assert len(pieces) == 6
    assert [len(each["top_logprobs"]) for each in message["logprobs"]] == [2] * 6
    deltas = [d["logprobs"] for name, d in events if name == "output_text.delta"]
    assert [each for several in deltas for each in several] == message["logprobs"]
    assert client.post(PATH, asked).json["output"][1]["content"][0] == message


def test_a_schema_is_held(make_llm: MakeLlm, serve: Serve) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"const": 7}},
        "required": ["n"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "name": "seven", "schema": schema, "strict": True}
    client = serve(make_llm())
    response = client.post(PATH, {"input": "Hi", "seed": 1, "text": {"format": form}}).json
    assert json.loads(response["output"][0]["content"][0]["text"]) == {"n": 7}
    assert response["text"]["format"] == form


def test_a_call_can_be_forced_or_forbidden(make_llm: MakeLlm, serve: Serve) -> None:
    llm = scripted(make_llm, calls("look", at="sky"))
    client = serve(llm)
    other = {**LOOK, "name": "listen"}
    asked = {"input": "Hi", "tools": [LOOK, other], "temperature": 0}
    choices: list[Any] = ["required", {"type": "function", "name": "look"}]
    for choice in choices:
        response = client.post(PATH, {**asked, "tool_choice": choice}).json
        assert [item["name"] for item in response["output"]] == ["look"]
        assert response["tool_choice"] == choice
    for tool in ("look", "listen"):
        allowed = [{"type": "function", "name": tool}, {"type": "web_search"}]
        choice = {"type": "allowed_tools", "mode": "auto", "tools": allowed}
        response = client.post(PATH, {**asked, "tool_choice": choice}).json
        assert [item["name"] for item in response["output"]] == [tool]
    none = client.post(PATH, {**asked, "tool_choice": "none"}).json
    assert none["usage"]["input_tokens"] == len(
        llm.chat_tokens([{"role": "user", "content": "Hi"}])
    )


def test_tools_of_other_types_are_left_out(make_llm: MakeLlm, serve: Serve) -> None:
    client = serve(scripted(make_llm, ["Hi."]))
    plain = client.post(PATH, {"input": "Hi"}).json
    custom = {"type": "custom", "name": "patch"}
    others = [{"type": "web_search"}, {"type": "namespace", "name": "n", "tools": [custom]}]
    asked = {"input": "Hi", "tools": others}
    response = client.post(PATH, {**asked, "tool_choice": "auto"}).json
    assert response["usage"]["input_tokens"] == plain["usage"]["input_tokens"]
    assert response["tools"] == others[1:]
    for choice in ({"type": "web_search"}, "required"):
        refused = client.post(PATH, {**asked, "tool_choice": choice})
        assert refused.status == 400
        assert "tool" in refused.json["error"]["message"]


def test_functions_of_a_namespace(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    script = [*calls("birds__look", at="sky"), "\n", *calls("look", at="sea")]
    client = serve(scripted(make_llm, script, ["Two."], prompts=prompts))
    tools = [LOOK, {"type": "namespace", "name": "birds", "tools": [LOOK]}]
    asked = {"tools": tools, "temperature": 0}
    first = client.post(PATH, {**asked, "input": "Look!"}).json["output"]
    assert [(item["name"], item.get("namespace")) for item in first] == [
        *(("look", "birds"), ("look", None)),
    ]
    results = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "x"}
        for item in first
    ]
    given = [{"role": "user", "content": "Look!"}, *first, *results]
    second = client.post(PATH, {**asked, "input": given}).json
    assert second["output"][0]["content"][0]["text"] == "Two."
    assert '<tool_call>\n{"name": "birds__look", "arguments": {"at": "sky"}}' in prompts[-1]
    forced = {"type": "function", "name": "look", "namespace": "birds"}
    (item,) = client.post(PATH, {**asked, "input": "Look!", "tool_choice": forced}).json["output"]
    assert (item["name"], item["namespace"]) == ("look", "birds")


def test_what_is_not_supported_is_named(says: Callable[..., Client]) -> None:
    client = says("x")
    lost = {"type": "function_call_output", "call_id": "call9", "output": "x"}
    image = {"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]}
    for fields, param, said in (
        ({"previous_response_id": "resp_1"}, "previous_response_id", "stored"),
        ({"conversation": "conv_1"}, "conversation", "stored"),
        ({"background": True}, "background", "stored"),
        ({"prompt": {"id": "p"}}, "prompt", "stored"),
        ({"truncation": "auto"}, "truncation", "cut"),
        ({"n": 2}, "n", "one answer"),
        ({"input": [image]}, "input", "input[0]: content[0] is of the type 'input_image'"),
        ({"input": [{"type": "item_reference", "id": "m"}]}, "input", "stored"),
        ({"input": [{"type": "web_search_call"}]}, "input", "web_search_call"),
        ({"input": [lost]}, "input", "call9"),
        ({"input": [{"role": "robot", "content": ""}]}, "input", "robot"),
        ({"input": 3}, "input", "expected"),
        ({"input": [3]}, "input", "input[0]"),
        ({"tools": [3]}, "tools[0]", "expected"),
        ({"tools": [{"type": "namespace", "tools": 3}]}, "tools", "namespace"),
        ({"text": {"format": {"type": "poem"}}}, None, "poem"),
        ({"text": {"format": "json"}}, "text", "format"),
        ({"max_output_tokens": "many"}, "max_output_tokens", "expected"),
    ):
        answer = client.post(PATH, {"input": "Hi", **fields})
        assert answer.status == 400, fields
        error = answer.json["error"]
        assert (error["param"], error["type"]) == (param, "invalid_request_error")
        assert said in error["message"]


def test_what_asks_for_nothing_is_fine(says: Callable[..., Client]) -> None:
    asked = {
        "input": "Hi",
        "store": True,
        "truncation": "disabled",
        "background": False,
        "previous_response_id": None,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "k",
        "client_metadata": {"a": 1},
        "metadata": {"a": "b"},
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
    }
    response = says("Hi.").post(PATH, asked).json
    assert response["status"] == "completed"
    assert (response["store"], response["metadata"]) == (False, {"a": "b"})


def test_a_prompt_that_is_too_long(says: Callable[..., Client]) -> None:
    client = says("x")
    asked = {"input": "x" * 9000}
    answer = client.post(PATH, asked)
    assert (answer.status, answer.json["error"]["code"]) == (400, "context_length_exceeded")
    events = streamed(client, asked)
    assert [name for name, _ in events] == ["created", "failed"]
    response = events[-1][1]["response"]
    assert response["status"] == "failed"
    assert response["error"]["code"] == "context_length_exceeded"
    assert "9" in response["error"]["message"]


def test_a_failure_in_midstream(make_llm: MakeLlm, serve: Serve) -> None:
    passes: list[None] = []

    def fails() -> None:
        passes.append(None)
        if len(passes) > 5:
            raise RuntimeError("a defect")

    client = serve(make_llm("On and on.", before=fails))
    events = streamed(client, {"input": "Hi"})
    name, data = events[-1]
    assert name == "failed"
    assert data["response"]["status"] == "failed"
    assert data["response"]["error"]["code"] == "server_error"
    assert any(name == "output_text.delta" for name, _ in events)


def test_progress_of_a_long_prompt(make_llm: MakeLlm, serve: Serve) -> None:
    llm = make_llm("Yes.", chunk=20, before=lambda: time.sleep(0.05))
    client = serve(llm, options=ServerOptions(beat=0.02))
    events = streamed(client, {"input": "x" * 100})
    counts = [data["prompt_progress"] for _, data in events if "prompt_progress" in data]
    done = [each["processed"] for each in counts]
    assert done == sorted(done)
    assert len(set(done)) > 2
    total = events[-1][1]["response"]["usage"]["input_tokens"]
    assert {each["total"] for each in counts} == {total}


def test_an_effort_is_the_nearest_that_the_model_has(make_llm: MakeLlm, serve: Serve) -> None:
    client = serve(scripted(make_llm, [*thinks("Hm."), "So."]))
    kinds = {
        effort: [item["type"] for item in response["output"]]
        for effort in ("none", "minimal", "max")
        for response in [client.post(PATH, {"input": "Why?", "reasoning": {"effort": effort}}).json]
    }
    # It has a switch, but no efforts.
    assert kinds["none"] == ["message"]
    assert kinds["minimal"] == kinds["max"] == ["reasoning", "message"]
