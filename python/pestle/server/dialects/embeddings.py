"""OpenAI's embeddings: `POST /v1/embeddings`.

Source: the OpenAI API reference, "Embeddings". Its client asks for base64 unless told otherwise.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from pestle.options.values import POOLINGS
from pestle.server import fields as body_fields
from pestle.server.dialects import prompts
from pestle.server.endpoint import Call, Reply
from pestle.server.errors import ApiError

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray


class Fields(msgspec.Struct, kw_only=True):
    """What a request may have. From `pooling` on they are extensions: options of `LLM.embed`."""

    model: str | None = None
    input: Any = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None
    pooling: Literal["mean", "last"] | None = None
    normalize: bool = True
    parse_special: bool = False


_REFUSED = {"truncate_prompt_tokens": "texts are never cut"}


async def answer(call: Call[Fields]) -> Reply:
    """Answer a request."""
    fields, llm = call.fields, call.served.llm
    body_fields.refuse(dict(call.raw), _REFUSED)
    if fields.pooling is None and llm.pooling not in POOLINGS:
        raise ApiError(
            400,
            f"the model {call.served.name!r} was not made for embeddings; the field pooling, "
            "'last' or 'mean', asks for its vectors all the same",
            param="model",
        )
    texts = prompts.several("input", fields.input, call.service.options.texts)
    wanted: dict[str, Any] = {
        "pooling": fields.pooling,
        "normalize": fields.normalize,
        "dimensions": fields.dimensions,
        "parse_special": fields.parse_special,
    }
    vectors, n_tokens = await call.service.vectors(llm, texts, wanted, call.client)
    data = await call.service.prepared(_data, vectors, fields.encoding_format)
    counts = {"prompt_tokens": n_tokens, "total_tokens": n_tokens}
    return Reply({"object": "list", "data": data, "model": call.served.name, "usage": counts})


def _data(vectors: NDArray[float32], encoding: str) -> list[dict[str, Any]]:
    def written(vector: NDArray[float32]) -> str | msgspec.Raw:
        if encoding == "base64":  # of float32, little-endian
            return base64.b64encode(vector.astype("<f4").tobytes()).decode()
        # As JSON already: so many numbers would keep the event loop busy.
        return msgspec.Raw(msgspec.json.encode(vector.tolist()))

    return [
        {"object": "embedding", "index": index, "embedding": written(vector)}
        for index, vector in enumerate(vectors)
    ]
