"""Health, counts, and the description of all routes."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

from pestle import LLM
from pestle.server import ServerOptions

from .serving import Client

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello!"}]
Serve = Callable[..., Client]
Make = Callable[..., LLM]


def value(client: Client, name: str, **labels: str) -> float:
    """A number of /metrics."""
    text = client.get("/metrics").body.decode()
    wanted = "".join(f'(?=[^}}]*\\b{key}="{each}")' for key, each in labels.items())
    found = re.search(rf"^{re.escape(name)}(?:\{{{wanted}[^}}]*\}})? (\S+)$", text, re.M)
    assert found is not None, (name, labels, text)
    return float(found[1])


def test_health_while_the_engine_gets_on(make_llm: Make, serve: Serve) -> None:
    llm = make_llm("on and on ", end=False, n_ctx=1_000_000)
    client = serve(llm, options=ServerOptions(stuck_s=0.5))
    assert client.get("/health").json == {"status": "ok", "models": {"fake": "ready"}}
    with client.begin(CHAT, {"messages": HELLO, "stream": True}) as stream:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:  # longer than an engine may stand still
            assert stream.recv(1 << 16)
            assert client.get("/health").status == 200


def test_health_says_what_is_wrong(make_llm: Make, serve: Serve) -> None:
    go_on = threading.Event()
    llm = make_llm("Good.", before=lambda: go_on.wait(60))
    client = serve(llm, options=ServerOptions(stuck_s=0.3))
    with client.begin(CHAT, {"messages": HELLO}) as connection:
        deadline = time.monotonic() + 60
        while (answer := client.get("/health")).status == 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert answer.status == 503
        assert re.fullmatch(
            r"the engine of fake has ended no pass for \d+ s", answer.json["message"]
        )
        assert answer.json["models"] == {"fake": "stuck"}
        go_on.set()
        assert b"200 OK" in connection.recv(1 << 16)
    assert client.get("/health").status == 200


def test_health_needs_no_key(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm("x"), options=ServerOptions(keys={"a": "secret"}))
    assert client.get("/health").status == 200
    assert client.request("HEAD", "/health").status == 200
    assert client.get("/metrics").status == 401


def test_what_is_counted(make_llm: Make, serve: Serve) -> None:
    client = serve({"m": make_llm("Good morning.")})
    for _ in range(2):
        assert client.post(CHAT, {"messages": HELLO}).status == 200
    client.post(CHAT, {"messages": HELLO, "max_tokens": 3, "stream": True, "n": 2})
    assert client.post(CHAT, {"messages": 1}).status == 400
    of = {"model_name": "m"}
    assert client.get("/metrics").headers["content-type"].startswith("text/plain; version=")
    assert value(client, "pestle:generation_tokens_total", **of) >= 2 * 13 + 2 * 3
    assert value(client, "pestle:prompt_tokens_total", **of) > 0
    assert value(client, "pestle:prefix_cache_queries_total", **of) > 0
    assert value(client, "pestle:num_requests_running", **of) == 0
    assert value(client, "pestle:num_requests_waiting", **of) == 0
    assert value(client, "pestle:num_preemptions_total", **of) == 0
    assert value(client, "pestle:model_loaded", **of) == 1
    ends = "pestle:request_success_total"
    assert value(client, ends, finished_reason="stop", **of) == 2
    assert value(client, ends, finished_reason="length", **of) == 2
    for name, times in (
        ("time_to_first_token_seconds", 4),
        ("inter_token_latency_seconds", 2 * 13 + 2 * 3),
        ("request_queue_time_seconds", 4),
        ("request_prefill_time_seconds", 4),
        ("request_decode_time_seconds", 4),
        ("e2e_request_latency_seconds", 4),
    ):
        assert value(client, f"pestle:{name}_count", **of) == times, name
        assert 0 <= value(client, f"pestle:{name}_sum", **of) < 60
    assert value(client, "pestle:request_generation_tokens_sum", **of) == 2 * 13 + 2 * 3
    assert value(client, "pestle:http_responses_total", status="400") == 1


def test_running_answers_are_counted(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm("on and on ", end=False, n_ctx=1_000_000))
    with client.begin(CHAT, {"messages": HELLO, "stream": True}) as stream:
        while b"delta" not in stream.recv(1 << 16):
            pass
        assert value(client, "pestle:num_requests_running", model_name="fake") == 1
    deadline = time.monotonic() + 60
    while value(client, "pestle:num_requests_running", model_name="fake"):
        assert time.monotonic() < deadline


def test_every_route_is_described(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm("x"))
    described = client.get("/openapi.json").json
    assert described["openapi"] == "3.1.0"
    paths = described["paths"]
    assert {"/health", "/metrics", "/v1/models", "/v1/models/{name}", "/openapi.json"} <= set(paths)
    for path in (CHAT, "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages"):
        post = paths[path]["post"]
        assert f"`POST {path}`" in post["summary"] or "Anthropic" in post["summary"]
        schema = post["requestBody"]["content"]["application/json"]["schema"]
        name = schema["$ref"].rpartition("/")[2]
        assert "model" in described["components"]["schemas"][name]["properties"]
    chat = paths[CHAT]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    fields = described["components"]["schemas"][chat.rpartition("/")[2]]
    assert fields["required"] == ["messages"]
