"""Whether two models read text alike: without that, their logits do not compare."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from pestle.errors import TokenizerError
from pestle.tokenizer import Metadata
from pestle.tokenizer.pretokenizers import PRE_TOKENIZERS

_LISTS = ("tokenizer.ggml.tokens", "tokenizer.ggml.merges")
_SCALARS = (
    "tokenizer.ggml.model",
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.add_bos_token",
    "tokenizer.ggml.add_eos_token",
    "tokenizer.ggml.add_space_prefix",
)
_PRE = "tokenizer.ggml.pre"
TEMPLATE = "tokenizer.chat_template"


def check_tokenizers(name: str, own: Metadata, reference: Metadata) -> None:
    """TokenizerError that names the first difference between a model's tokenizer and another's.

    `name`: of the model, for the message. Pre-tokenizers of two names that do the same agree, and
    so does a key that one of them leaves out, as other converters may.
    """
    for difference in _differences(own, reference):
        raise TokenizerError(f"{name}: its tokenizer is not the reference's: {difference}")


def same_template(own: Metadata, reference: Metadata) -> bool:
    """Whether both lay out chats by the same template, or have none."""
    return bool(own.get(TEMPLATE) == reference.get(TEMPLATE))


def _differences(own: Metadata, reference: Metadata) -> Iterator[str]:
    for key in _SCALARS[:1]:
        yield from _scalar(key, own, reference)
    pre, wanted = own.get(_PRE), reference.get(_PRE)
    if pre != wanted and _kind(pre) != _kind(wanted):
        yield f"{_PRE} is {pre!r:.40}, expected {wanted!r:.40}"
    for key in _LISTS:
        mine, theirs = own.get(key) or [], reference.get(key) or []
        if mine == theirs:
            continue
        pairs = enumerate(zip_longest(mine, theirs))
        at, (left, right) = next((n, pair) for n, pair in pairs if pair[0] != pair[1])
        yield f"{key}[{at}] is {left!r:.40}, expected {right!r:.40}"
    for key in _SCALARS[1:]:
        yield from _scalar(key, own, reference)


def _scalar(key: str, own: Metadata, reference: Metadata) -> Iterator[str]:
    mine, theirs = own.get(key), reference.get(key)
    if mine is not None and theirs is not None and mine != theirs:
        yield f"{key} is {mine!r:.40}, expected {theirs!r:.40}"


def _kind(pre: Any) -> Any:
    return PRE_TOKENIZERS.get(pre, pre) if isinstance(pre, str) else pre
