"""`POST /v1/completions` over a real port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM
from pestle.server import ServerOptions

from .serving import Client

PATH = "/v1/completions"
LOGPROB_LISTS = {"tokens", "token_logprobs", "top_logprobs", "text_offset"}
MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]


def streamed(client: Client, asked: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """The choices of all chunks, and the chunks without any."""
    answer = client.post(PATH, {**asked, "stream": True})
    assert answer.headers["content-type"] == "text/event-stream"
    *chunks, done = [data for _, data in answer.events]
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return choices, [chunk for chunk in chunks if not chunk["choices"]]


def joined(choices: list[Any]) -> dict[int, Any]:
    """The pieces of each choice as one, as a client adds them up."""
    whole: dict[int, Any] = {}
    for piece in choices:
        known = whole.setdefault(piece["index"], {"text": "", "lists": None, "reason": None})
        assert known["reason"] is None
        known["text"] += piece["text"]
        known["reason"] = piece["finish_reason"]
        if piece["logprobs"] is not None:
            lists = known["lists"] or {name: [] for name in LOGPROB_LISTS}
            known["lists"] = {name: lists[name] + piece["logprobs"][name] for name in lists}
    return whole


def test_a_text_is_gone_on_with(make_llm: MakeLlm, serve: Serve) -> None:
    llm = make_llm()
    alone = llm.generate("once upon", seed=3, max_tokens=9, temperature=2.0)
    asked = {"prompt": "once upon", "seed": 3, "max_tokens": 9, "temperature": 2.0}
    answer = serve(llm).post(PATH, {"model": "fake", **asked}).json
    assert answer["object"] == "text_completion"
    assert answer["choices"] == [
        {"index": 0, "text": alone.text, "logprobs": None, "finish_reason": "length"}
    ]
    counts = answer["usage"]
    assert counts["prompt_tokens"] == alone.usage.prompt_tokens
    assert counts["completion_tokens"] == 9
    assert counts["total_tokens"] == counts["prompt_tokens"] + 9


def test_sixteen_tokens_where_nobody_says(llm: LLM, serve: Serve) -> None:
    client = serve(llm)
    assert client.post(PATH, {"prompt": "a"}).json["usage"]["completion_tokens"] == 16
    assert client.post(PATH, {"prompt": "a", "max_tokens": 0}).json["choices"][0]["text"] == ""


def test_prompts_in_all_forms(llm: LLM, serve: Serve) -> None:
    client, texts = serve(llm), ["one", "two", "three"]
    ids = [llm.tokenize(text) for text in texts]

    def said(prompt: Any, **more: Any) -> list[str]:
        answer = client.post(PATH, {"prompt": prompt, "seed": 5, **more}).json
        assert [choice["index"] for choice in answer["choices"]] == [*range(len(answer["choices"]))]
        return [choice["text"] for choice in answer["choices"]]

    alone = [llm.generate(text, seed=5, max_tokens=16).text for text in texts]
    assert said(texts) == said(ids) == alone
    assert said("one") == said(ids[0]) == alone[:1]
    assert said(["one", ids[1]]) == alone[:2]
    twice = [llm.generate(text, seed=seed, max_tokens=16).text for text in texts for seed in (5, 6)]
    assert said(texts, n=2) == twice
    usage = client.post(PATH, {"prompt": texts, "n": 2, "max_tokens": 4}).json["usage"]
    assert usage["prompt_tokens"] == sum(map(len, ids))
    assert usage["completion_tokens"] == 4 * 6


def test_control_tokens_in_a_prompt(llm: LLM, serve: Serve) -> None:
    """A prompt is all that the model reads; what renders chats writes it so."""
    usage = serve(llm).post(PATH, {"prompt": "<|im_start|>a"}).json["usage"]
    assert usage["prompt_tokens"] == 2


def test_streams_add_up(llm: LLM, serve: Serve) -> None:
    client = serve(llm)
    for echo in (False, True):
        asked = {"prompt": ["ü and", "b"], "n": 2, "seed": 1, "logprobs": 2, "echo": echo}
        whole = client.post(PATH, asked).json
        choices, others = streamed(client, {**asked, "stream_options": {"include_usage": True}})
        assert joined(choices) == {
            c["index"]: {"text": c["text"], "lists": c["logprobs"], "reason": c["finish_reason"]}
            for c in whole["choices"]
        }
        [last] = others
        assert last["usage"]["total_tokens"] == whole["usage"]["total_tokens"]
        assert len(choices) >= 4 * 16


def test_log_probabilities(llm: LLM, serve: Serve) -> None:
    asked = {"prompt": "abc", "seed": 7, "max_tokens": 5, "logprobs": 3, "temperature": 2.0}
    [choice] = serve(llm).post(PATH, asked).json["choices"]
    alone = llm.generate("abc", seed=7, max_tokens=5, logprobs=3, temperature=2.0)
    assert alone.logprobs is not None
    lists = choice["logprobs"]
    assert set(lists) == LOGPROB_LISTS
    assert lists["token_logprobs"] == [each.logprob for each in alone.logprobs]
    for top, token, each in zip(
        lists["top_logprobs"], lists["tokens"], alone.logprobs, strict=True
    ):
        likeliest = {other.piece.decode(): other.logprob for other in each.top}
        assert top == {**likeliest, token: each.logprob}
    assert lists["text_offset"] == [0, 1, 2, 3, 4]
    assert "".join(lists["tokens"]) == choice["text"]


def test_echo_scores_the_prompt(llm: LLM, serve: Serve) -> None:
    """As lm-evaluation-harness asks; greedy is what has the very float of the likeliest."""
    prompt = "a text to score"
    ids = llm.tokenize(prompt)
    scored = llm.score(ids, logprobs=1)
    asked = {"prompt": [ids], "echo": True, "max_tokens": 1, "logprobs": 1, "temperature": 0}
    [choice] = serve(llm).post(PATH, asked).json["choices"]
    said = llm.generate(ids, max_tokens=1, temperature=0, logprobs=1)
    assert said.logprobs is not None
    assert choice["text"] == prompt + said.text
    lists = choice["logprobs"]
    *of_prompt, last = lists["token_logprobs"]
    assert of_prompt == [None, *(each.logprob for each in scored)]
    assert last == said.logprobs[0].logprob
    first, *tops = lists["top_logprobs"]
    assert first is None
    greedy = [
        logprob == max(top.values())
        for logprob, top in zip(lists["token_logprobs"][1:], tops, strict=True)
    ]
    assert greedy == [*(each.is_greedy for each in scored), True]
    assert True in greedy[:-1] or False in greedy
    assert lists["text_offset"] == [*range(len(prompt) + 1)]


def test_echo_reads_the_prompt_once(make_llm: MakeLlm, serve: Serve) -> None:
    llm: Any = make_llm()
    asked = {"prompt": "a text to score", "echo": True, "max_tokens": 1, "logprobs": 1}
    serve(llm).post(PATH, asked)
    assert sum(llm.engine.passes) <= len("a text to score") + 1


def test_echo_alone(llm: LLM, serve: Serve) -> None:
    client = serve(llm)
    asked = {"prompt": "<|im_start|>ü", "echo": True, "max_tokens": 0}
    assert client.post(PATH, asked).json["choices"][0]["text"] == "<|im_start|>ü"
    ids = llm.tokenize("<|im_start|>ü", parse_special=True)
    [choice] = client.post(PATH, {**asked, "prompt": ids, "logprobs": 0}).json["choices"]
    assert choice["text"] == "<|im_start|>ü"
    lists = choice["logprobs"]
    assert lists["tokens"] == ["<|im_start|>", "bytes:\\xc3", "bytes:\\xbc"]
    assert lists["text_offset"] == [0, 12, 12]
    assert [top and len(top) for top in lists["top_logprobs"]] == [None, 1, 1]


def test_what_stands_before_a_text_has_no_place_in_it(tiny_with_bos: LLM, serve: Serve) -> None:
    asked = {"prompt": "the text", "echo": True, "max_tokens": 2, "logprobs": 0}
    [choice] = serve(tiny_with_bos).post(PATH, asked).json["choices"]
    lists = choice["logprobs"]
    assert choice["text"].startswith("the text")
    assert lists["tokens"][:2] == ["<|im_start|>", "th"]
    assert lists["text_offset"][:4] == [0, 0, 2, 3]
    assert lists["text_offset"][-2] == len("the text")


def test_prompts_whose_scores_would_fill_the_memory(llm: LLM, serve: Serve) -> None:
    client = serve(llm, options=ServerOptions(logprobs=60))
    asked = {"prompt": ["x" * 10, "y" * 10], "echo": True, "max_tokens": 0}
    assert client.post(PATH, {**asked, "logprobs": 2}).status == 200
    assert client.post(PATH, asked).status == 200
    for more in ({"logprobs": 3}, {"logprobs": 2, "n": 2}):
        error = client.post(PATH, {**asked, **more}).json["error"]
        assert error["message"].startswith("echo with logprobs would give")
        assert error["param"] == "logprobs"


def test_a_prompt_that_is_too_long(llm: LLM, serve: Serve) -> None:
    error = serve(llm).post(PATH, {"prompt": ["x", "x" * 9000]}).json["error"]
    assert error["code"] == "context_length_exceeded"
    assert error["n_prompt_tokens"] == 9000


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({}, "prompt", "prompt is None, expected a string"),
        ({"prompt": []}, "prompt", "expected a string, an array"),
        ({"prompt": {"text": "x"}}, "prompt", "expected a string, an array"),
        ({"prompt": ["x", 3]}, "prompt", "prompt[1] is 3, expected"),
        ({"prompt": [[1, "x"]]}, "prompt", "prompt[0] is"),
        ({"prompt": [[]]}, "prompt", "prompt[0] is [], expected"),
        ({"prompt": ["x"] * 3000}, "prompt", "3000 texts, expected 2048 at most"),
        ({"prompt": [5, 999]}, None, "token 999"),
        ({"prompt": ""}, None, "no tokens"),
        ({"prompt": "x", "suffix": "y"}, "suffix", "suffix is not supported"),
        ({"prompt": "x", "best_of": 3}, "best_of", "best_of is 3, expected n, which is 1"),
        ({"prompt": "x", "n": 99}, "n", "n is 99, expected 16 at most"),
        ({"prompt": "x", "logprobs": 21}, "logprobs", "logprobs is 21, expected 0 to 20"),
        ({"prompt": "x", "logprobs": True}, "logprobs", "logprobs"),
        ({"prompt": "x", "echo": "yes"}, "echo", "echo"),
        ({"prompt": "x", "prompt_logprobs": 1}, "prompt_logprobs", "use echo"),
    ],
)
def test_what_is_wrong_is_named(
    llm: LLM, serve: Serve, fields: dict[str, Any], param: str | None, said: str
) -> None:
    answer = serve(llm).post(PATH, fields)
    assert answer.status == 400
    assert answer.json["error"]["param"] == param
    assert said in answer.json["error"]["message"]
