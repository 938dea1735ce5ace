"""Vectors of texts, for searching and comparing."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from pestle.chat.characters import warn_of
from pestle.chat.entry import about, check_names, prompt_tokens, several
from pestle.engine.embedding import EmbeddingRequest, EmbeddingRun
from pestle.errors import UnsupportedError
from pestle.options import EmbedOptions, check_bool, check_choice, check_integer, explained
from pestle.options.values import POOLINGS

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray
    from typing_extensions import Unpack

    from pestle.chat.calls import Prompt
    from pestle.engine.loaded import Loaded
    from pestle.engine.runtime import Runtime
    from pestle.engine.waking import Awaited

Texts: TypeAlias = "Prompt | Sequence[Prompt]"


class EmbeddingCalls:
    """One vector for a text: an embedding."""

    _runtime: Runtime

    @explained(EmbedOptions)
    def embed(self, texts: Texts, **options: Unpack[EmbedOptions]) -> NDArray[float32]:
        """The vectors of `texts`: float32 (n_texts, dimensions), of one text (dimensions,).

        `texts` is one text or a list of them. A text gets the tokens around it that the file wants;
        it may be token ids instead, which are used as they are. The options are those of
        `EmbedOptions`.

        A vector depends on its text alone, to the bit. All texts are checked before any work.
        Raises ContextLengthError for one that is longer than the context: nothing is cut.
        UnsupportedError: the model was not made for vectors, and `pooling` does not ask for them
        all the same; ArgumentError or ArgumentTypeError: a text or an option is wrong.
        """
        request = self.embedding_request(texts, options)
        warn_of(request.notes)
        vectors = self.embedding_run(request).result()
        return vectors[0] if _is_one(texts) else vectors

    @explained(EmbedOptions)
    def aembed(self, texts: Texts, **options: Unpack[EmbedOptions]) -> Awaited[NDArray[float32]]:
        """`embed` for asyncio. Cancelling it ends the work before its next forward pass."""
        request = self.embedding_request(texts, options)
        warn_of(request.notes)
        vectors = self.embedding_run(request).aresult()
        return _first(vectors) if _is_one(texts) else vectors

    def embedding_request(self, texts: Texts, options: EmbedOptions) -> EmbeddingRequest:
        """What `embed` is given, read and checked; `embedding_run` takes it. Raises as it does."""
        check_names(options, EmbedOptions.__optional_keys__, "embedding")
        loaded = self._runtime.loaded
        pooling = _pooling(loaded, options.get("pooling"))
        dimensions, dim = options.get("dimensions"), loaded.engine.dim
        normalize = check_bool("normalize", options.get("normalize", True))
        special = check_bool("parse_special", options.get("parse_special", False))
        read = _read(loaded, texts, parse_special=special)
        return EmbeddingRequest(
            texts=[tokens for tokens, _ in read],
            pooling=pooling,
            dimensions=dim
            if dimensions is None
            else check_integer("dimensions", dimensions, 1, dim),
            normalize=normalize,
            notes=tuple(note for _, notes in read for note in notes),
        )

    def embedding_run(self, request: EmbeddingRequest, *, client: str = "") -> EmbeddingRun:
        """What `embed` does, not begun; `client` is whom it is for."""
        return EmbeddingRun(self._runtime, request, client)


def _pooling(loaded: Loaded, asked: str | None) -> str:
    if asked is not None:
        return check_choice("pooling", asked, POOLINGS)
    key = f"{loaded.architecture}.pooling_type"
    if loaded.pooling is None:
        raise UnsupportedError(
            f"{loaded.path}: the model was not made for embeddings: the file has no {key}; "
            "pooling 'last' or 'mean' asks for its vectors all the same"
        )
    if loaded.pooling not in POOLINGS:
        raise UnsupportedError(
            f"{loaded.path}: {key} is {loaded.pooling!r}, expected 'mean' or 'last'"
        )
    return loaded.pooling


def _read(
    loaded: Loaded, texts: Any, *, parse_special: bool
) -> list[tuple[list[int], tuple[str, ...]]]:
    """The tokens of each text, and what was replaced in it."""
    if _is_one(texts):
        return [prompt_tokens(loaded, texts, parse_special=parse_special, name="texts")]
    given = several("texts", texts, "text, token ids or a list")

    def read(name: str, text: Any) -> tuple[list[int], tuple[str, ...]]:
        with about(name):
            return prompt_tokens(loaded, text, parse_special=parse_special, name=name)

    return [read(f"texts[{n}]", text) for n, text in enumerate(given)]


async def _first(vectors: Awaited[NDArray[float32]]) -> NDArray[float32]:
    first: NDArray[float32] = (await vectors)[0]
    return first


def _is_one(texts: Any) -> bool:
    """Whether it is one text: a string, or token ids, of which the first is a number."""
    if isinstance(texts, str):
        return True
    try:
        operator.index(texts[0])
    except (TypeError, LookupError):
        return False
    return not isinstance(texts, (bytes, Mapping))
