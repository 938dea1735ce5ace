"""`POST /api/embed`, and its older form `POST /api/embeddings`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pestle.options.values import POOLINGS
from pestle.server.dialects import prompts
from pestle.server.dialects.ollama import options
from pestle.server.dialects.ollama.fields import EmbeddingsFields, EmbedFields, Options
from pestle.server.endpoint import Call, Reply
from pestle.server.errors import ApiError

if TYPE_CHECKING:
    from pestle.llm import LLM


async def answer(call: Call[EmbedFields]) -> Reply:
    """The vectors of texts, of length 1."""
    fields, llm, began = call.fields, call.served.llm, time.perf_counter_ns()
    _check(llm, call.served.name, fields.options)
    if not fields.input:
        return Reply({"model": call.served.name, "embeddings": []})
    texts = prompts.several("input", fields.input, call.service.options.texts)
    wanted: dict[str, Any] = {"dimensions": fields.dimensions}
    vectors, n_tokens = await call.service.vectors(llm, texts, wanted, call.client)
    return Reply(
        {
            "model": call.served.name,
            "embeddings": await call.service.prepared(vectors.tolist),
            "total_duration": time.perf_counter_ns() - began,
            "load_duration": 0,
            "prompt_eval_count": n_tokens,
        }
    )


async def answer_one(call: Call[EmbeddingsFields]) -> Reply:
    """The vector of a text, of the length that it has."""
    fields, llm = call.fields, call.served.llm
    _check(llm, call.served.name, fields.options)
    if not fields.prompt:
        return Reply({"embedding": []})
    wanted: dict[str, Any] = {"normalize": False}
    vectors, _ = await call.service.vectors(llm, [fields.prompt], wanted, call.client)
    return Reply({"embedding": vectors[0].tolist()})


def _check(llm: LLM, name: str, given: Options | None) -> None:
    if llm.pooling not in POOLINGS:
        said = f"the model {name!r} was not made for embeddings"
        raise ApiError(400, said, param="model")
    options.check_context(llm, given or Options())


__all__ = ["EmbedFields", "EmbeddingsFields", "answer", "answer_one"]
