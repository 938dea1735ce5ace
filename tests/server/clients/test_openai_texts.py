"""OpenAI's own client against a real port: text completions and embeddings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pestle import LLM

from tests.server.serving import Client

openai = pytest.importorskip("openai")

MakeLlm = Callable[..., LLM]
Ask = Callable[[LLM], Any]
TEXTS = ["one", "a longer text", "ü"]


@pytest.fixture
def ask(serve: Callable[..., Client]) -> Ask:
    """A client of a server of a model, which tries nothing twice."""
    return lambda llm: openai.OpenAI(base_url=f"{serve(llm).url}/v1", api_key="x", max_retries=0)


def test_completions(llm: LLM, ask: Ask) -> None:
    client = ask(llm)
    asked = {"model": "fake", "prompt": "once upon", "seed": 3, "max_tokens": 9, "logprobs": 2}
    alone = llm.generate("once upon", seed=3, max_tokens=9, logprobs=2)
    whole = client.completions.create(**asked)
    (choice,) = whole.choices
    assert (choice.text, choice.finish_reason) == (alone.text, "length")
    assert choice.logprobs.token_logprobs == [each.logprob for each in alone.logprobs or ()]
    stream = client.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    *chunks, last = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks) == alone.text
    assert last.usage == whole.usage


def test_embeddings(make_llm: MakeLlm, ask: Ask) -> None:
    """The client asks for base64 by itself, and decodes it."""
    llm = make_llm(pooling="last")
    client, alone = ask(llm), llm.embed(TEXTS, dimensions=7)
    for more in ({}, {"encoding_format": "float"}):
        answer = client.embeddings.create(model="fake", input=TEXTS, dimensions=7, **more)
        found = np.array([each.embedding for each in answer.data], np.float32)
        assert found.tobytes() == alone.tobytes()
        assert answer.usage.prompt_tokens == sum(len(llm.tokenize(text)) for text in TEXTS)


def test_many_at_once(make_llm: MakeLlm, serve: Callable[..., Client]) -> None:
    llm = make_llm(pooling="mean")
    url = f"{serve(llm).url}/v1"
    texts = [f"text number {n}" for n in range(40)]

    async def main() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client:
            calls = [client.embeddings.create(model="fake", input=text) for text in texts]
            return await asyncio.gather(*calls)

    found = [answer.data[0].embedding for answer in asyncio.run(main())]
    assert np.array(found, np.float32).tobytes() == llm.embed(texts).tobytes()


def test_errors(llm: LLM, ask: Ask) -> None:
    client = ask(llm)
    with pytest.raises(openai.BadRequestError, match="not made for embeddings"):
        client.embeddings.create(model="fake", input="x")
    with pytest.raises(openai.BadRequestError, match="suffix is not supported"):
        client.completions.create(model="fake", prompt="x", suffix="y")
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="other", input="x")
