"""Ollama's API over a real port."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pestle import LLM
from pestle.server import ServerOptions

from tests.structured.babblers import babbler

from .scripted import calls, scripted, thinks
from .serving import Answer, Client

MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]
CHAT, GENERATE = "/api/chat", "/api/generate"
HELLO = [{"role": "user", "content": "Hello!"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    },
}


def lines(answer: Answer) -> list[dict[str, Any]]:
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.body.splitlines()]


def test_a_chat_streams_unless_told_otherwise(says: Callable[..., Client]) -> None:
    client = says("Good morning.")
    *pieces, last = lines(client.post(CHAT, {"model": "fake", "messages": HELLO}))
    assert "".join(piece["message"]["content"] for piece in pieces) == "Good morning."
    assert all(piece["done"] is False for piece in pieces)
    assert last["message"] == {"role": "assistant", "content": ""}
    assert (last["done"], last["done_reason"]) == (True, "stop")
    whole = client.post(CHAT, {"model": "fake:latest", "messages": HELLO, "stream": False}).json
    assert whole["message"] == {"role": "assistant", "content": "Good morning."}
    assert whole["eval_count"] == last["eval_count"] == len("Good morning.")
    assert whole["prompt_eval_count"] == last["prompt_eval_count"] > 0
    durations = [each for each in whole if each.endswith("_duration")]
    assert len(durations) == 4
    assert all(type(whole[each]) is int for each in durations)
    assert whole["total_duration"] >= whole["prompt_eval_duration"] + whole["eval_duration"] > 0


def test_a_task_with_a_tool(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    asks = [*thinks("Hm."), "I ask.", *calls("weather", place="Roma")]
    client = serve(scripted(make_llm, asks, ["It is sunny."], prompts=prompts))
    fields = {"messages": HELLO, "tools": [WEATHER]}
    whole = client.post(CHAT, {**fields, "stream": False}).json["message"]
    streamed = [line["message"] for line in lines(client.post(CHAT, fields))]
    assert whole["thinking"] == "".join(each.get("thinking", "") for each in streamed) == "Hm."
    assert whole["content"] == "".join(each["content"] for each in streamed) == "I ask."
    (call,) = [call for each in streamed for call in each.get("tool_calls", ())]
    assert call["function"] == {"index": 0, "name": "weather", "arguments": {"place": "Roma"}}
    assert whole["tool_calls"][0]["function"] == call["function"]

    del call["id"]  # as clients hand it back that know of none
    result = {"role": "tool", "tool_name": "weather", "content": "sun"}
    turns = [*HELLO, {**whole, "tool_calls": [call]}, result]
    answer = client.post(CHAT, {**fields, "messages": turns, "stream": False}).json
    assert answer["message"]["content"] == "It is sunny."
    assert "<think>\nHm.\n</think>\n\nI ask." in prompts[-1]
    assert "<tool_response>\nsun\n</tool_response>" in prompts[-1]


def test_thinking_is_switched(make_llm: MakeLlm, serve: Serve) -> None:
    client = serve(scripted(make_llm, [*thinks("Hm."), "So."]))
    for think, thoughts in ((None, "Hm."), (True, "Hm."), ("high", "Hm."), (False, None)):
        fields = {"messages": HELLO, "stream": False, "think": think}
        message = client.post(CHAT, fields).json["message"]
        assert (message.get("thinking"), message["content"]) == (thoughts, "So.")
        fields = {"prompt": "Hello!", "stream": False, "think": think}
        answer = client.post(GENERATE, fields).json
        assert (answer.get("thinking"), answer["response"]) == (thoughts, "So.")


def test_only_models_that_think_are_asked_to(says: Callable[..., Client]) -> None:
    client = says("So.")
    answer = client.post(CHAT, {"messages": HELLO, "think": True})
    assert answer.status == 400
    assert "does not support thinking" in answer.json["error"]
    assert client.post(CHAT, {"messages": HELLO, "think": False}).status == 200


def test_generation(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    llm = scripted(make_llm, ["Good morning."], prompts=prompts)
    client = serve(llm)
    fields = {"model": "fake", "prompt": "Hello!", "system": "Be brief."}
    *pieces, last = lines(client.post(GENERATE, fields))
    assert "".join(piece["response"] for piece in pieces) == "Good morning."
    assert "system\nBe brief.<|im_end|>\n<|im_start|>user\nHello!" in prompts[-1]
    whole = client.post(GENERATE, {**fields, "stream": False}).json
    assert whole["response"] == "Good morning."
    system = {"role": "system", "content": "Be brief."}
    assert whole["context"] == last["context"] == [
        *llm.chat_tokens([system, *HELLO]),
        *b"Good morning.",
    ]  # fmt: skip


def test_a_raw_prompt_is_taken_as_it_is(make_llm: MakeLlm, serve: Serve) -> None:
    prompts: list[str] = []
    client = serve(scripted(make_llm, ["Yes."], prompts=prompts))
    prompt = "<|im_start|>user\nWell?<|im_end|>\n<|im_start|>assistant\n"
    answer = client.post(GENERATE, {"prompt": prompt, "raw": True, "stream": False}).json
    assert answer["response"] == "Yes."
    assert prompts == [prompt]


def test_options_are_those_of_the_library(make_llm: MakeLlm, serve: Serve) -> None:
    llm = make_llm()
    client = serve(llm)
    chosen = {"seed": 4, "temperature": 3, "top_k": 20}
    others = {"num_ctx": llm.n_ctx, "num_gpu": 1, "mirostat": 0}
    options: dict[str, Any] = {**chosen, **others, "num_predict": 9}
    answer = client.post(CHAT, {"messages": HELLO, "stream": False, "options": options}).json
    alone = llm.chat(HELLO, max_tokens=9, seed=4, temperature=3.0, top_k=20)
    assert answer["message"]["content"] == alone.text
    assert answer["done_reason"] == "length"
    options = {**chosen, "stop": [alone.text[3]]}
    answer = client.post(CHAT, {"messages": HELLO, "stream": False, "options": options}).json
    assert answer["message"]["content"] == alone.text.partition(alone.text[3])[0]
    assert answer["done_reason"] == "stop"


def test_log_probabilities(make_llm: MakeLlm, serve: Serve) -> None:
    llm = make_llm()
    options = {"num_predict": 4, "seed": 4}
    fields = {"messages": HELLO, "options": options, "logprobs": True, "top_logprobs": 2}
    client = serve(llm)
    whole = client.post(CHAT, {**fields, "stream": False}).json["logprobs"]
    alone = llm.chat(HELLO, max_tokens=4, seed=4, logprobs=2).logprobs
    assert alone is not None
    assert [each["logprob"] for each in whole] == [each.logprob for each in alone]
    assert [len(each["top_logprobs"]) for each in whole] == [2] * 4
    streamed = [each for line in lines(client.post(CHAT, fields)) for each in
                line.get("logprobs", ())]  # fmt: skip
    assert streamed == whole


@pytest.mark.parametrize("path", [CHAT, GENERATE])
def test_a_format_holds_the_answer(make_llm: MakeLlm, serve: Serve, path: str) -> None:
    client = serve(make_llm(n_ctx=4096))
    asked = {"messages": HELLO} if path == CHAT else {"prompt": "Hello!"}
    schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"],
              "additionalProperties": False}  # fmt: skip
    answer = client.post(path, {**asked, "format": schema, "stream": False}).json
    text = answer["message"]["content"] if path == CHAT else answer["response"]
    assert json.loads(text)["a"] in (1, 2)
    options = {"num_predict": 40}
    answer = client.post(path, {**asked, "format": "json", "stream": False, "options": options})
    text = answer.json["message"]["content"] if path == CHAT else answer.json["response"]
    assert text.lstrip().startswith("{")


def test_what_litellm_sends(says: Callable[..., Client]) -> None:
    message = {"role": "user", "content": "Hello!", "images": []}
    fields = {"model": "fake", "messages": [message], "options": {}, "stream": False}
    answer = says("Yes.").post(CHAT, {**fields, "keep_alive": "5m"})
    assert answer.json["message"]["content"] == "Yes."


@pytest.mark.parametrize(
    ("path", "fields", "named"),
    [
        (CHAT, {"model": "llama9"}, "llama9"),
        (CHAT, {"messages": 1}, "messages"),
        (CHAT, {"messages": [{"role": "user", "images": ["x"]}]}, "messages[0].images"),
        (CHAT, {"messages": [{"role": "robot", "content": "x"}]}, "role"),
        (CHAT, {"options": {"num_ctx": 10**6}}, "options.num_ctx is 1000000"),
        (CHAT, {"options": {"mirostat": 2}}, "options.mirostat"),
        (CHAT, {"options": {"temperature": "hot"}}, "options.temperature"),
        (CHAT, {"format": "xml"}, "format"),
        (CHAT, {"think": "very"}, "think"),
        (CHAT, {"messages": [{"role": "user", "content": "x" * 9000}]}, "the context holds"),
        (GENERATE, {"suffix": "}"}, "suffix"),
        (GENERATE, {"template": "{{ x }}"}, "template"),
        (GENERATE, {"images": ["x"]}, "images"),
        (GENERATE, {"context": [1, 2]}, "context"),
        (GENERATE, {"raw": True, "system": "s"}, "system"),
    ],
)
def test_what_is_wrong_is_named(
    says: Callable[..., Client], path: str, fields: Any, named: str
) -> None:
    asked = {"messages": HELLO} if path == CHAT else {"prompt": "Hello!"}
    answer = says("x").post(path, {**asked, **fields})
    assert answer.status == (404 if "model" in fields else 400)
    assert named in answer.json["error"]


def test_unknown_options_are_told_of_once(
    says: Callable[..., Client], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pestle.server.once._told", set())
    caplog.set_level(logging.INFO, "pestle.server")
    client = says("x")
    for _ in range(2):
        client.post(CHAT, {"messages": HELLO, "options": {"num_gpu": 1}})
    assert len([r for r in caplog.records if "'num_gpu'" in r.getMessage()]) == 1


def test_a_model_is_loaded_by_asking_nothing(says: Callable[..., Client]) -> None:
    client = says("x")
    for path, said in ((CHAT, "message"), (GENERATE, "response")):
        answer = client.post(path, {"model": "fake"}).json
        assert (answer["done"], answer["done_reason"]) == (True, "load")
        assert said in answer


def test_an_error_in_the_middle_is_a_line(make_llm: MakeLlm, serve: Serve) -> None:
    llm = make_llm("A long answer, which breaks.")

    def breaks() -> None:
        if len(llm.engine.passes) > 5:  # type: ignore[attr-defined]
            raise MemoryError

    llm.engine.before = breaks  # type: ignore[attr-defined]
    *_, last = lines(serve(llm).post(CHAT, {"messages": HELLO}))
    assert list(last) == ["error"]


def test_a_long_prompt_is_told_of(make_llm: MakeLlm, serve: Serve) -> None:
    llm = make_llm("Yes.", chunk=20, before=lambda: time.sleep(0.05))
    client = serve(llm, options=ServerOptions(beat=0.02))
    told = lines(client.post(CHAT, {"messages": [{"role": "user", "content": "x" * 100}]}))
    silent = [line for line in told if "progress" in line]
    assert all(line["message"]["content"] == "" and not line["done"] for line in silent)
    assert len({line["progress"]["read"] for line in silent}) > 2


def test_it_is_there(says: Callable[..., Client]) -> None:
    client = says("x")
    assert client.get("/").status == client.request("HEAD", "/").status == 200
    version = client.get("/api/version").json["version"]
    assert tuple(map(int, version.split("."))) >= (0, 6, 4)
    assert [model["name"] for model in client.get("/api/tags").json["models"]] == ["fake"]


def test_nothing_is_changed(says: Callable[..., Client]) -> None:
    client = says("x")
    for method, path in (("POST", "/api/pull"), ("POST", "/api/create"), ("POST", "/api/copy"),
                         ("POST", "/api/push"), ("DELETE", "/api/delete")):  # fmt: skip
        answer = client.request(method, path, {"model": "fake"})
        assert answer.status == 404
        assert path in answer.json["error"]


def test_what_is_told_of_a_model(tmp_path: Path, serve: Serve) -> None:
    path = tmp_path / "tiny.gguf"
    with babbler(path, "qwen3", n_ctx=64) as llm:
        client = serve({"tiny": llm})
        (listed,) = client.get("/api/tags").json["models"]
        assert listed["name"] == listed["model"] == "tiny"
        assert listed["size"] == path.stat().st_size
        assert len(listed["digest"]) == 64
        assert listed["details"]["family"] == "qwen3"
        assert listed["details"]["quantization_level"] == "F32"
        (running,) = client.get("/api/ps").json["models"]
        assert running["context_length"] == 64
        assert running["digest"] == listed["digest"]
        for asked in ({"model": "tiny"}, {"name": "tiny:latest"}):
            shown = client.post("/api/show", asked).json
            assert shown["model_info"]["general.architecture"] == "qwen3"
            assert shown["model_info"]["qwen3.context_length"] == 64
            assert shown["model_info"]["general.parameter_count"] == llm.model.n_params
            assert shown["details"] == listed["details"]
        assert client.post("/api/show", {"model": "other"}).status == 404


def test_what_a_model_can_do(make_llm: MakeLlm, serve: Serve) -> None:
    able = serve(scripted(make_llm, ["x"])).post("/api/show", {"model": "fake"}).json
    assert able["capabilities"] == ["completion", "tools", "thinking"]
    plain = serve(make_llm("x")).post("/api/show", {"model": "fake"}).json
    assert plain["capabilities"] == ["completion"]


def test_vectors(make_llm: MakeLlm, serve: Serve) -> None:
    llm = make_llm(pooling="last")
    client = serve(llm)
    texts = ["one", "a longer text"]
    answer = client.post("/api/embed", {"input": texts, "truncate": True}).json
    assert answer["embeddings"] == llm.embed(texts).tolist()
    assert answer["prompt_eval_count"] == sum(len(llm.tokenize(text)) for text in texts)
    assert client.post("/api/embed", {"input": "one"}).json["embeddings"] == [
        llm.embed("one").tolist()
    ]
    older = client.post("/api/embeddings", {"prompt": "one"}).json
    assert older == {"embedding": llm.embed("one", normalize=False).tolist()}
    assert client.post("/api/show", {"model": "fake"}).json["capabilities"] == ["embedding"]


def test_chat_models_give_no_vectors(says: Callable[..., Client]) -> None:
    for path, asked in (("/api/embed", {"input": "x"}), ("/api/embeddings", {"prompt": "x"})):
        answer = says("x").post(path, asked)
        assert answer.status == 400
        assert "not made for embeddings" in answer.json["error"]
