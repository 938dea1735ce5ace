"""`/tokenize`, `/detokenize` and `/tokenizer_info` over a real port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM

from .serving import Client

Serve = Callable[..., Client]
HELLO = [{"role": "user", "content": "<|im_end|>"}]


def test_texts(llm: LLM, serve: Serve) -> None:
    client = serve(llm)
    answer = client.post("/tokenize", {"prompt": "aü", "return_token_strs": True}).json
    tokens = llm.tokenize("aü")
    assert answer == {
        "count": 3,
        "max_model_len": llm.n_ctx,
        "tokens": tokens,
        "token_strs": [llm.tokenizer.token_text(token) for token in tokens],
    }
    assert client.post("/detokenize", {"tokens": tokens}).json == {"prompt": "aü"}


def test_control_tokens_are_read_and_spelled(llm: LLM, serve: Serve) -> None:
    client = serve(llm)
    answer = client.post("/tokenize", {"prompt": "<|im_start|>a"}).json
    assert answer["tokens"] == [256, ord("a")]
    assert "token_strs" not in answer
    said = client.post("/detokenize", {"tokens": answer["tokens"]}).json
    assert said == {"prompt": "<|im_start|>a"}


def test_what_stands_around_a_text(tiny_with_bos: LLM, serve: Serve) -> None:
    client = serve(tiny_with_bos)
    bos = tiny_with_bos.tokenizer.bos_id
    with_bos = client.post("/tokenize", {"prompt": "the"}).json["tokens"]
    asked = {"prompt": "the", "add_special_tokens": False}
    assert with_bos == [bos, *client.post("/tokenize", asked).json["tokens"]]


def test_chats_are_laid_out(llm: LLM, serve: Serve) -> None:
    """What a message says is text, and means no control token."""
    answer = serve(llm).post("/tokenize", {"messages": HELLO}).json
    assert answer["tokens"] == llm.chat_tokens(HELLO)
    assert answer["tokens"].count(257) == 1


def test_what_the_tokenizer_is(llm: LLM, tiny_with_bos: LLM, serve: Serve) -> None:
    client = serve({"fake": llm, "tiny": tiny_with_bos})
    info = client.get("/tokenizer_info").json
    assert info["eos_token"] == "<|im_end|>"
    assert info["chat_template"] == llm.template.source  # type: ignore[union-attr]
    assert info["model_max_length"] == llm.n_ctx
    assert info["add_bos_token"] is False
    info = client.get("/tokenizer_info?model=tiny").json
    assert info["bos_token"] == "<|im_start|>"
    assert info["add_bos_token"] is True
    missing = client.get("/tokenizer_info?model=other")
    assert missing.status == 404
    assert missing.json["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        ("/tokenize", {}, "expected either prompt or messages"),
        ("/tokenize", {"prompt": "x", "messages": HELLO}, "expected either prompt or messages"),
        ("/tokenize", {"prompt": 3}, "prompt"),
        ("/tokenize", {"messages": HELLO, "chat_template": "x"}, "chat_template is not supported"),
        ("/tokenize", {"messages": HELLO, "add_special_tokens": True}, "add_special_tokens"),
        ("/tokenize", {"messages": HELLO, "add_generation_prompt": False}, "laid out to be"),
        ("/detokenize", {}, "tokens"),
        ("/detokenize", {"tokens": [1, 999]}, "token 999 is not in [0, 259)"),
        ("/detokenize", {"tokens": [-1]}, "token -1"),
        ("/detokenize", {"tokens": [2**70]}, "tokens"),
    ],
)
def test_what_is_wrong_is_named(
    llm: LLM, serve: Serve, path: str, fields: dict[str, Any], said: str
) -> None:
    answer = serve(llm).post(path, fields)
    assert answer.status == 400
    assert said in answer.json["error"]["message"]
