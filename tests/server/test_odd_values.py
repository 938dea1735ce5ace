"""Values that no client should send: an answer that names the field, and never a 5xx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .serving import Client

HELLO = [{"role": "user", "content": "Hello!"}]
CHAT = {"messages": HELLO}
SIGNED = {"type": "thinking", "thinking": "", "signature": "pestle.é"}


@pytest.mark.parametrize(
    ("path", "asked", "param"),
    [
        ("/v1/chat/completions", {**CHAT, "n": 0}, "n"),
        ("/v1/chat/completions", {**CHAT, "n": -1}, "n"),
        ("/v1/completions", {"prompt": "a", "n": 0}, "n"),
        ("/v1/chat/completions", {**CHAT, "logit_bias": {"9" * 5000: 1}}, "logit_bias"),
        ("/v1/chat/completions", {**CHAT, "reasoning": {"effort": ["low"]}}, "reasoning.effort"),
        ("/v1/responses", {"input": "a", "reasoning": {"effort": ["low"]}}, "reasoning.effort"),
        ("/v1/chat/completions", {}, "messages"),
        ("/v1/chat/completions", {**CHAT, "max_tokens": 4.5}, "max_tokens"),
        ("/v1/responses", {"input": [{"role": "user", "content": [{"type": []}]}]}, "input"),
    ],
)
def test_it_is_named(says: Callable[..., Client], path: str, asked: Any, param: str) -> None:
    answer = says("Good.").post(path, asked)
    assert answer.status == 400, answer.json
    assert answer.json["error"]["param"] == param


def test_a_signature_that_was_changed_says_nothing(says: Callable[..., Client]) -> None:
    thought = {"role": "assistant", "content": [SIGNED, {"type": "text", "text": "Hi."}]}
    asked = {"max_tokens": 9, "messages": [*HELLO, thought, *HELLO]}
    answer = says("Good.").post("/v1/messages", asked)
    assert answer.status == 200, answer.json


def test_a_whole_number_may_be_written_as_a_float(says: Callable[..., Client]) -> None:
    client = says("Good morning.")
    answer = client.post("/v1/chat/completions", {**CHAT, "max_tokens": 4.0})
    assert answer.json["choices"][0]["message"]["content"] == "Good"
    asked = {**CHAT, "stream": False, "options": {"num_predict": 4.0, "num_ctx": 16.0}}
    answer = client.post("/api/chat", asked)
    assert answer.json["message"]["content"] == "Good", answer.json


def test_a_wrong_method_hears_which_is_right(says: Callable[..., Client]) -> None:
    answer = says("Good.").get("/v1/chat/completions")
    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"
    said = "there is no GET /v1/chat/completions here, but POST"
    assert answer.json["error"]["message"] == said
