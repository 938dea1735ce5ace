"""`POST /v1/messages` over a real port."""

from __future__ import annotations

import itertools
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM
from pestle.server import ServerOptions

from .scripted import calls, scripted, thinks
from .serving import Answer, Client

PATH = "/v1/messages"
HELLO = [{"role": "user", "content": "Hello!"}]
TOOL = {
    "name": "weather",
    "description": "The weather of a place.",
    "input_schema": {
        "type": "object",
        "properties": {"place": {"type": "string"}},
        "required": ["place"],
    },
}
CALL = calls("weather", place="Roma")
MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]


@pytest.fixture
def log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> pytest.LogCaptureFixture:
    """The log of a server that has told nothing yet."""
    monkeypatch.setattr("pestle.server.once._told", set())
    caplog.set_level(logging.INFO, "pestle.server")
    return caplog


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": "fake", "max_tokens": 500, "messages": HELLO, **fields}


def kinds(answer: Answer) -> list[str]:
    """The types of a stream's events, each row of deltas as one."""
    told = [data["delta"]["type"] if "delta" in data and "index" in data else data["type"]
            for _, data in answer.events]  # fmt: skip
    return [kind for kind, _ in itertools.groupby(told)]


def test_a_message(says: Callable[..., Client]) -> None:
    answer = says("Good morning.").post(f"{PATH}?beta=true", asked())
    assert answer.status == 200
    message = answer.json
    assert message.pop("id").startswith("msg_")
    usage = message.pop("usage")
    assert message == {
        "type": "message",
        "role": "assistant",
        "model": "fake",
        "content": [{"type": "text", "text": "Good morning."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
    }
    assert usage["output_tokens"] == len("Good morning.")
    assert usage["input_tokens"] > 0
    assert answer.headers["request-id"].startswith("req_")


def test_a_stream_has_the_events_in_their_order(make_llm: MakeLlm, serve: Serve) -> None:
    llm = scripted(make_llm, [*thinks("Hm."), "Let me see.\n", *CALL])
    client = serve(llm)
    answer = client.post(PATH, asked(stream=True, tools=[TOOL]))
    assert answer.headers["content-type"] == "text/event-stream"
    assert all(name == data["type"] for name, data in answer.events)
    block = ["content_block_start", "", "content_block_stop"]
    assert kinds(answer) == [
        "message_start",
        *["content_block_start", "thinking_delta", "signature_delta", "content_block_stop"],
        *[each or "text_delta" for each in block],
        *[each or "input_json_delta" for each in block],
        "message_delta",
        "message_stop",
    ]
    indices = [data["index"] for _, data in answer.events if "index" in data]
    assert indices == sorted(indices)
    assert set(indices) == {0, 1, 2}


def test_a_stream_adds_up_to_the_message(make_llm: MakeLlm, serve: Serve) -> None:
    llm = scripted(make_llm, [*thinks("Hm."), "Let me see.\n", *CALL])
    client = serve(llm)
    whole = client.post(PATH, asked(tools=[TOOL])).json
    thinking, text, use = whole["content"]
    assert thinking["thinking"].strip() == "Hm."
    assert thinking["signature"]
    assert text == {"type": "text", "text": "Let me see."}
    assert use.pop("id")
    assert use == {"type": "tool_use", "name": "weather", "input": {"place": "Roma"}}
    assert whole["stop_reason"] == "tool_use"

    events = [data for _, data in client.post(PATH, asked(stream=True, tools=[TOOL])).events]
    deltas = [data["delta"] for data in events if data["type"] == "content_block_delta"]
    streamed = {
        name: "".join(delta.get(name, "") for delta in deltas)
        for name in ("thinking", "signature", "text", "partial_json")
    }
    assert {n: streamed[n] for n in ("thinking", "signature")} == {
        n: thinking[n] for n in ("thinking", "signature")
    }
    assert streamed["text"] == text["text"]
    assert json.loads(streamed["partial_json"]) == use["input"]
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert events[-2]["usage"]["output_tokens"] == whole["usage"]["output_tokens"]


@pytest.mark.parametrize(
    ("fields", "reason", "sequence"),
    [
        ({}, "end_turn", None),
        ({"max_tokens": 3}, "max_tokens", None),
        ({"stop_sequences": ["zzz", "fine"]}, "stop_sequence", "fine"),
    ],
)
def test_why_it_stops(says: Callable[..., Client], fields: Any, reason: str, sequence: Any) -> None:
    client = says("A fine day.")
    whole = client.post(PATH, asked(**fields)).json
    assert (whole["stop_reason"], whole["stop_sequence"]) == (reason, sequence)
    streamed = client.post(PATH, asked(**fields, stream=True)).events[-2][1]
    assert streamed["delta"] == {"stop_reason": reason, "stop_sequence": sequence}


def test_the_end_of_the_context_is_a_reason_of_its_own(says: Callable[..., Client]) -> None:
    client = says("on and on ", end=False, n_ctx=128)
    assert client.post(PATH, asked()).json["stop_reason"] == "model_context_window_exceeded"


def test_what_was_read_before_is_told(make_llm: MakeLlm, serve: Serve) -> None:
    llm = scripted(make_llm, ["Yes."], ["Again yes."])
    client = serve(llm)
    first = client.post(PATH, asked()).json
    turns = [*HELLO, {"role": "assistant", "content": first["content"]}, *HELLO]
    for stream in (False, True):
        answer = client.post(PATH, asked(messages=turns, stream=stream))
        usage = answer.events[-2][1]["usage"] if stream else answer.json["usage"]
        assert usage["cache_read_input_tokens"] > first["usage"]["input_tokens"]
        total = usage["cache_read_input_tokens"] + usage["input_tokens"]
        assert total == len(llm.chat_tokens([*HELLO, {"role": "assistant", "content": "Yes."},
                                             *HELLO]))  # fmt: skip
    started = answer.events[0][1]["message"]["usage"]
    assert started["cache_read_input_tokens"] == usage["cache_read_input_tokens"]
    assert started["input_tokens"] == usage["input_tokens"]


def test_a_task_with_a_tool(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    llm = scripted(make_llm, [*thinks("Hm."), "I ask.", *CALL], ["It is sunny."], prompts=prompts)
    client = serve(llm)
    first = client.post(PATH, asked(tools=[TOOL], system="Be brief.")).json
    (use,) = [block for block in first["content"] if block["type"] == "tool_use"]
    result = {
        "type": "tool_result",
        "tool_use_id": use["id"],
        "content": [{"type": "text", "text": "sun"}, {"type": "text", "text": "30 C"}],
    }
    turns = [
        *HELLO,
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": [{"type": "text", "text": "Well?"}, result]},
    ]
    second = client.post(PATH, asked(tools=[TOOL], system="Be brief.", messages=turns)).json
    assert second["content"][-1]["text"] == "It is sunny."
    prompt = prompts[-1]
    assert "Be brief." in prompt
    assert '{"name": "weather", "description": "The weather of a place."' in prompt
    written = '<tool_call>\n{"name": "weather", "arguments": {"place": "Roma"}}\n</tool_call>'
    assert prompt.index(written) < prompt.index("sun\n30 C") < prompt.index("Well?")
    assert second["usage"]["cache_read_input_tokens"] > 0


def test_results_that_are_errors_are_told_as_such(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    llm = scripted(make_llm, ["-"], ["Oh."], prompts=prompts)
    use = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"place": "Roma"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "no net", "is_error": True}
    turns = [
        *HELLO,
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    serve(llm).post(PATH, asked(tools=[TOOL], messages=turns))
    assert "<tool_response>\nerror: no net\n</tool_response>" in prompts[-1]


def test_arguments_that_are_no_object_come_and_go(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    llm = scripted(make_llm, ["-"], ["Oh."], prompts=prompts)
    use = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"INVALID_JSON": '{"pl'}}
    turns = [
        *HELLO,
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1"}]},
    ]
    answer = serve(llm).post(PATH, asked(tools=[TOOL], messages=turns))
    assert answer.status == 200
    assert "INVALID_JSON" not in prompts[-1]


def test_thoughts_that_are_omitted_are_not_lost(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    llm = scripted(make_llm, [*thinks("Deep."), *CALL], ["Done."], prompts=prompts)
    client = serve(llm)
    thinking = {"type": "adaptive", "display": "omitted"}
    answer = client.post(PATH, asked(tools=[TOOL], thinking=thinking))
    assert b"Deep" not in answer.body
    thought, use = answer.json["content"]
    assert thought["thinking"] == ""
    turns: list[dict[str, Any]] = [
        *HELLO,
        {"role": "assistant", "content": [thought, use]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use["id"]}]},
    ]
    client.post(PATH, asked(tools=[TOOL], thinking=thinking, messages=turns))
    assert "<think>\nDeep.\n</think>" in prompts[-1]
    others = [{"type": "redacted_thinking", "data": "x"},
              {"type": "thinking", "thinking": "", "signature": "pestle.?"}]  # fmt: skip
    turns[1] = {"role": "assistant", "content": [*others, use]}
    answer = client.post(PATH, asked(tools=[TOOL], messages=turns))
    assert answer.status == 200
    assert "Deep" not in prompts[-1]


def test_thinking_is_switched(make_llm: MakeLlm, serve: Serve) -> None:
    llm = scripted(make_llm, [*thinks("Hm, hm, hm."), "So."])
    client = serve(llm)

    def blocks(**fields: Any) -> list[str]:
        return [block["type"] for block in client.post(PATH, asked(**fields)).json["content"]]

    assert blocks() == ["thinking", "text"]
    assert blocks(thinking={"type": "adaptive"}) == ["thinking", "text"]
    assert blocks(thinking={"type": "disabled"}) == ["text"]
    assert blocks(output_config={"effort": "none"}) == ["text"]
    enabled = {"type": "enabled", "budget_tokens": 3}
    content = client.post(PATH, asked(thinking=enabled)).json["content"]
    assert len(content[0]["thinking"]) < len("Hm, hm, hm.")


def test_wishes_that_a_model_has_no_switch_for_do_no_harm(
    says: Callable[..., Client], log: pytest.LogCaptureFixture
) -> None:
    client = says("So.")
    for thinking in ({"type": "enabled", "budget_tokens": 2000}, {"type": "disabled"}):
        for _ in range(2):
            fields = asked(thinking=thinking, output_config={"effort": "max"})
            assert client.post(PATH, fields).json["content"][-1]["text"] == "So."
    said = [record.getMessage() for record in log.records]
    assert len([text for text in said if text.startswith("reasoning_effort of requests")]) == 1
    assert len([text for text in said if text.startswith("reasoning_budget of requests")]) == 1


def test_a_schema_holds_the_text(make_llm: MakeLlm, serve: Serve) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"],
              "additionalProperties": False}  # fmt: skip
    client = serve(make_llm(n_ctx=4096))
    form = {"type": "json_schema", "schema": schema}
    for fields in ({"output_config": {"format": form}}, {"output_format": form}):
        text = client.post(PATH, asked(**fields, seed=3)).json["content"][0]["text"]
        assert json.loads(text)["a"] in (1, 2)


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ({"type": "any"}, {"weather", "time"}),
        ({"type": "tool", "name": "time"}, {"time"}),
        ({"type": "any", "disable_parallel_tool_use": True}, {"weather", "time"}),
    ],
)
def test_a_call_is_forced(make_llm: MakeLlm, serve: Serve, choice: Any, names: set[str]) -> None:
    llm = scripted(make_llm, ["I will not."])
    tools = [TOOL, {**TOOL, "name": "time"}]
    fields = asked(tools=tools, tool_choice=choice, thinking={"type": "disabled"}, max_tokens=2000)
    message = serve(llm).post(PATH, fields).json
    uses = [block for block in message["content"] if block["type"] == "tool_use"]
    assert {use["name"] for use in uses} <= names
    assert message["stop_reason"] == "tool_use"
    assert all(isinstance(use["input"]["place"], str) for use in uses)


def test_tools_that_may_not_be_called_are_not_told_of(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    llm = scripted(make_llm, ["No."], prompts=prompts)
    serve(llm).post(PATH, asked(tools=[TOOL], tool_choice={"type": "none"}))
    assert "weather" not in prompts[-1]


def test_tools_of_anthropic_are_left_out(
    make_llm: MakeLlm, serve: Serve, log: pytest.LogCaptureFixture
) -> None:
    prompts: list[str] = []
    llm = scripted(make_llm, ["No."], prompts=prompts)
    client = serve(llm)
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
    for _ in range(2):
        assert client.post(PATH, asked(tools=[search, TOOL])).status == 200
    assert "web_search" not in prompts[-1]
    assert [r.getMessage() for r in log.records if "web_search_20250305" in r.getMessage()] == [
        "tools of the type 'web_search_20250305' are not there for this model"
    ]
    for choice in ({"type": "tool", "name": "web_search"}, {"type": "any"}):
        answer = client.post(PATH, asked(tools=[search], tool_choice=choice))
        assert answer.status == 400
        assert "tool_choice" in answer.json["error"]["message"]


def test_what_claude_code_sends(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    llm = scripted(make_llm, ["Yes."], prompts=prompts)
    client = serve(llm)
    cached = {"type": "ephemeral"}
    heads = [f"x-anthropic-billing-header: cc_version=2.1.{n}.7b4; cc_entrypoint=cli; cch=eb6c{n};"
             for n in (1, 2)]  # fmt: skip
    for n, head in enumerate(heads):
        answer = client.post(
            f"{PATH}?beta=true",
            asked(
                system=[
                    {"type": "text", "text": head},
                    {"type": "text", "text": "You are helpful.", "cache_control": cached},
                ],
                messages=[
                    {"role": "system", "content": "Today is Monday."},
                    {"role": "user", "content": [
                        {"type": "text", "text": "Hello!", "cache_control": cached}
                    ]},
                ],
                thinking={"type": "adaptive"},
                output_config={"effort": "high"},
                context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
                metadata={"user_id": "u"},
                tools=[],
                max_tokens=32000,
                stream=True,
            ),
            **{"anthropic-version": "2023-06-01", "anthropic-beta": "a,b", "x-api-key": "k"},
        )  # fmt: skip
        assert answer.status == 200
        last = answer.events[-2][1]
        assert last["context_management"] == {"applied_edits": []}
        assert (last["usage"]["cache_read_input_tokens"] > 0) == (n > 0)
    assert "billing" not in prompts[-1]
    assert "You are helpful." in prompts[-1]
    assert "Today is Monday." in prompts[-1]


def test_only_a_header_is_taken_for_one(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    llm = scripted(make_llm, ["Yes."], prompts=prompts)
    client = serve(llm)
    head = "x-anthropic-billing-header: cc_version=2.1.100.7b4; cch=eb6c6;"
    client.post(PATH, asked(system=f"{head}\nYou are helpful."))
    assert "system\nYou are helpful." in prompts[-1]
    client.post(PATH, asked(system=f"Never write {head}"))
    assert head in prompts[-1]
    client.post(PATH, asked(system=f"x-anthropic-billing-header: is a header\n{head}"))
    assert head in prompts[-1]


def test_documents_of_text_are_read(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    llm = scripted(make_llm, ["Yes."], prompts=prompts)
    content = [
        {"type": "document", "title": "T", "context": "C",
         "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
        {"type": "document",
         "source": {"type": "content", "content": [{"type": "text", "text": "parts"}]}},
        {"type": "search_result", "source": "u", "title": "S",
         "content": [{"type": "text", "text": "found"}]},
        {"type": "text", "text": "Which?"},
    ]  # fmt: skip
    serve(llm).post(PATH, asked(messages=[{"role": "user", "content": content}]))
    assert "user\nT\nC\nplain\nparts\nS\nu\nfound\nWhich?<|im_end|>" in prompts[-1]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": []}, "messages is empty"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "I"}]}, "prefill"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
         "messages[0].content[0]: blocks of the type 'image'"),
        ({"messages": [{"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image"}]}]}]},
         "messages[0].content[0].content[0]: blocks of the type 'image'"),
        ({"messages": [{"role": "user", "content": [
            {"type": "document", "source": {"type": "base64", "data": "x"}}]}]},
         "messages[0].content[0]: of documents"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "needs text"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "tool_use_id"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use"}]}, *HELLO]},
         "messages[0].content[0]: a tool_use block needs"),
        ({"system": [{"type": "image"}]}, "system[0]"),
        ({"thinking": {"type": "between_tools"}}, "thinking.type"),
        ({"output_config": {"effort": "huge"}}, "reasoning_effort"),
        ({"output_config": {"format": {"type": "xml", "schema": {}}}}, "output_config.format.type"),
        ({"tools": [{"name": "f"}]}, "tools[0]"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "known: weather"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"temperature": "hot"}, "temperature"),
        ({"mcp_servers": [{"type": "url"}]}, "mcp_servers"),
        ({"compaction": {"type": "x"}}, "compaction"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(says: Callable[..., Client], fields: Any, named: str) -> None:
    answer = says("x").post(PATH, asked(**fields))
    assert answer.status == 400
    assert answer.json["type"] == "error"
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert named in answer.json["error"]["message"]
    assert answer.json["request_id"] == answer.headers["request-id"]


def test_nothing_is_kept_between_requests(says: Callable[..., Client]) -> None:
    client = says("x")
    for thread in ({"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}):
        error = client.post(PATH, asked(thread=thread)).json["error"]
        assert error["type"] == "invalid_request_error"
        assert error["details"] == {"error_code": "thread_unsupported_request"}


def test_system_prompts_for_one_turn(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    client = serve(scripted(make_llm, ["Yes."], prompts=prompts))
    brief = {"role": "system", "content": "Be brief.", "clear_at": "next_user_message"}
    client.post(PATH, asked(messages=[*HELLO, brief]))
    assert "Be brief." in prompts[-1]
    client.post(PATH, asked(messages=[*HELLO, brief, *HELLO]))
    assert "Be brief." not in prompts[-1]
    client.post(PATH, asked(messages=[*HELLO, {**brief, "clear_at": "never"}, *HELLO]))
    assert "Be brief." in prompts[-1]


def test_other_models_are_not_found(says: Callable[..., Client]) -> None:
    answer = says("x").post(PATH, asked(model="claude-9"))
    assert answer.status == 404
    assert answer.json["error"]["type"] == "not_found_error"


def test_a_prompt_that_is_too_long_says_so_in_anthropics_words(says: Callable[..., Client]) -> None:
    answer = says("x").post(PATH, asked(system="x" * 9000))
    assert answer.status == 400
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert answer.json["error"]["message"].startswith("prompt is too long: ")


def test_a_full_queue_is_overloaded(make_llm: MakeLlm, serve: Serve) -> None:
    go_on = threading.Event()
    llm = make_llm("Good.", before=lambda: go_on.wait(60))
    client = serve(llm, options=ServerOptions(queue=1))
    waiting = client.begin(PATH, asked())
    try:
        while llm._runtime.scheduler.idle:
            time.sleep(0.01)
        refused = client.post(PATH, asked())
        assert refused.status == 529
        assert refused.json["error"]["type"] == "overloaded_error"
        assert int(refused.headers["retry-after"]) > 0
        asked_of_ollama = client.post("/api/chat", {"messages": HELLO})
        assert asked_of_ollama.status == 503
        assert "wait already" in asked_of_ollama.json["error"]
    finally:
        go_on.set()
        waiting.close()


def test_an_error_in_the_middle_ends_the_stream(make_llm: MakeLlm, serve: Serve) -> None:
    llm = make_llm("A long answer, which breaks.")

    def breaks() -> None:
        if len(llm.engine.passes) > 5:  # type: ignore[attr-defined]
            raise MemoryError

    llm.engine.before = breaks  # type: ignore[attr-defined]
    answer = serve(llm).post(PATH, asked(stream=True))
    assert answer.status == 200
    name, data = answer.events[-1]
    assert (name, data["type"], data["error"]["type"]) == ("error", "error", "api_error")
    assert data["request_id"] == answer.headers["request-id"]


def test_a_long_prompt_is_told_of_by_pings(make_llm: MakeLlm, serve: Serve) -> None:
    llm = make_llm("Yes.", chunk=20, before=lambda: time.sleep(0.05))
    client = serve(llm, options=ServerOptions(beat=0.02))
    answer = client.post(PATH, asked(system="x" * 100, stream=True))
    assert kinds(answer)[:2] == ["message_start", "ping"]
    read = [data["prompt"]["read"] for _, data in answer.events if "prompt" in data]
    assert read == sorted(read)
    assert len(set(read)) > 2


def test_tokens_are_counted_before_a_message_is_asked_for(make_llm: MakeLlm, serve: Serve) -> None:
    llm = scripted(make_llm, ["Yes."], n_ctx=700)
    client = serve(llm)
    fields = {"messages": HELLO, "system": "Be brief.", "tools": [TOOL]}
    counted = client.post(f"{PATH}/count_tokens", {"model": "fake", **fields})
    assert counted.json == {"input_tokens": counted.json["input_tokens"]}
    usage = client.post(PATH, asked(**fields)).json["usage"]
    assert counted.json["input_tokens"] == usage["input_tokens"]
    more = client.post(f"{PATH}/count_tokens", {**fields, "system": "x" * 9000})
    assert more.json["input_tokens"] > 9000
    wrong = client.post(f"{PATH}/count_tokens", {"messages": 1})
    assert wrong.status == 400
    assert "messages" in wrong.json["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_no_memory_can_hold(make_llm: MakeLlm, serve: Serve, stream: bool) -> None:
    llm = make_llm("Good morning.")
    engine: Any = llm.engine
    engine.kv_limit = 50
    long = [{"role": "user", "content": "x" * 60}]
    answer = serve(llm).post(PATH, {"messages": long, "max_tokens": 9, "stream": stream})
    assert answer.status == 400
    said = answer.json["error"]["message"]
    assert said.startswith("prompt is too long: kv_memory is 50 bytes")
