"""`POST /v1/embeddings` over a real port."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from pestle import LLM
from pestle.server import ServerOptions

from .serving import Client

PATH = "/v1/embeddings"
MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]
TEXTS = ["one", "a longer text", "ü"]


def vectors(answer: Any) -> np.ndarray:
    assert [each["index"] for each in answer["data"]] == [*range(len(answer["data"]))]
    found = [each["embedding"] for each in answer["data"]]
    if isinstance(found[0], str):
        return np.stack([np.frombuffer(base64.b64decode(each), "<f4") for each in found])
    return np.array(found, np.float32)


def test_both_encodings_are_exact(make_llm: MakeLlm, serve: Serve) -> None:
    llm = make_llm(pooling="last")
    client, alone = serve(llm), llm.embed(TEXTS)
    for encoding in ({}, {"encoding_format": "float"}, {"encoding_format": "base64"}):
        answer = client.post(PATH, {"model": "fake", "input": TEXTS, **encoding}).json
        assert answer["object"] == "list"
        assert answer["model"] == "fake"
        assert vectors(answer).tobytes() == alone.tobytes()
        n_tokens = sum(len(llm.tokenize(text)) for text in TEXTS)
        assert answer["usage"] == {"prompt_tokens": n_tokens, "total_tokens": n_tokens}


def test_inputs_and_options(make_llm: MakeLlm, serve: Serve) -> None:
    llm = make_llm(pooling="mean")
    client = serve(llm)

    def embedded(given: Any, **options: Any) -> np.ndarray:
        return vectors(client.post(PATH, {"input": given, **options}).json)

    ids = [llm.tokenize(text) for text in TEXTS]
    assert embedded(ids).tobytes() == llm.embed(TEXTS).tobytes()
    assert embedded("one").tobytes() == embedded(ids[0]).tobytes() == llm.embed("one").tobytes()
    for options in (
        {"dimensions": 5},
        {"normalize": False},
        {"pooling": "last"},
        {"dimensions": 1, "normalize": False, "pooling": "last"},
    ):
        assert embedded(TEXTS, **options).tobytes() == llm.embed(TEXTS, **options).tobytes()


def test_control_tokens_in_a_text(make_llm: MakeLlm, serve: Serve) -> None:
    client = serve(make_llm(pooling="mean"))
    for parse_special, n_tokens in ((False, 13), (True, 2)):
        asked = {"input": "<|im_start|>a", "parse_special": parse_special}
        assert client.post(PATH, asked).json["usage"]["total_tokens"] == n_tokens


def test_a_chat_model_is_refused_unless_asked(llm: LLM, serve: Serve) -> None:
    client = serve(llm)
    refused = client.post(PATH, {"input": "one"})
    assert refused.status == 400
    error = refused.json["error"]
    assert error["param"] == "model"
    assert error["message"] == (
        "the model 'fake' was not made for embeddings; the field pooling, 'last' or 'mean', asks "
        "for its vectors all the same"
    )
    asked = client.post(PATH, {"input": "one", "pooling": "last"}).json
    assert vectors(asked)[0].tobytes() == llm.embed("one", pooling="last").tobytes()


def test_nothing_is_cut(make_llm: MakeLlm, serve: Serve) -> None:
    client = serve(make_llm(pooling="last", n_ctx=8))
    answer = client.post(PATH, {"input": ["x", "x" * 9]})
    assert answer.status == 400
    error = answer.json["error"]
    assert error["code"] == "context_length_exceeded"
    assert (error["n_prompt_tokens"], error["n_ctx"]) == (9, 8)
    refused = client.post(PATH, {"input": "x", "truncate_prompt_tokens": 4})
    assert refused.json["error"]["param"] == "truncate_prompt_tokens"


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({}, "input", "input is None, expected a string"),
        ({"input": []}, "input", "expected a string, an array"),
        ({"input": ["x", None]}, "input", "input[1] is None"),
        ({"input": ["x"] * 2049}, "input", "2049 texts, expected 2048 at most"),
        ({"input": ["x", ""]}, None, "texts[1] has no tokens"),
        ({"input": "x", "dimensions": 13}, None, "dimensions is 13, expected"),
        ({"input": "x", "encoding_format": "hex"}, "encoding_format", "hex"),
        ({"input": "x", "pooling": "cls"}, "pooling", "cls"),
    ],
)
def test_what_is_wrong_is_named(
    make_llm: MakeLlm, serve: Serve, fields: dict[str, Any], param: str | None, said: str
) -> None:
    answer = serve(make_llm(pooling="last")).post(PATH, fields)
    assert answer.status == 400
    assert answer.json["error"]["param"] == param
    assert said in answer.json["error"]["message"]


def test_who_waits_for_vectors_is_in_the_queue(
    make_llm: MakeLlm, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = make_llm(pooling="last")
    begun, may_end = threading.Event(), threading.Event()
    read = llm.embedding_request

    def read_slowly(*given: Any) -> Any:
        begun.set()
        assert may_end.wait(60)
        return read(*given)

    monkeypatch.setattr(llm, "embedding_request", read_slowly)
    client = serve(llm, options=ServerOptions(queue=1))
    with ThreadPoolExecutor(1) as asking:
        first = asking.submit(client.post, PATH, {"input": "one"})
        assert begun.wait(60)
        refused = client.post(PATH, {"input": "two"})
        may_end.set()
        assert first.result().status == 200
    assert refused.status == 429
    assert refused.json["error"]["code"] == "queue_full"
    assert client.post(PATH, {"input": "two"}).status == 200
