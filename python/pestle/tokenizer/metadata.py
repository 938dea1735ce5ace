"""Reading the `tokenizer.*` keys of a file, which is hostile until each has been checked."""

from collections.abc import Collection
from typing import Any, Protocol, TypeVar

from pestle.errors import TokenizerError

T = TypeVar("T", bool, int, float, str)


class Metadata(Protocol):
    """A model file's metadata: `GgufFile`, or a dict."""

    def __contains__(self, key: str, /) -> bool: ...
    def __getitem__(self, key: str, /) -> Any: ...
    def get(self, key: str, default: Any = None, /) -> Any: ...


_NAMES: dict[type, str] = {bool: "a boolean", int: "an integer", float: "a number", str: "a string"}


def value(metadata: Metadata, key: str, kind: type[T]) -> T | None:
    """The value of `key`, None when absent; TokenizerError when it is of another kind."""
    found = metadata.get(key)
    if found is None:
        return None
    if type(found) is not kind:
        raise TokenizerError(f"{key} is {found!r:.40}, expected {_NAMES[kind]}")
    return found


def array(metadata: Metadata, key: str, kind: type[T]) -> list[T] | None:
    """The elements of `key`, None when absent; TokenizerError when one is of another kind."""
    found = metadata.get(key)
    if found is None:
        return None
    if not isinstance(found, list):
        raise TokenizerError(f"{key} is {found!r:.40}, expected an array")
    if not set(map(type, found)) <= {kind}:
        raise TokenizerError(f"{key} holds something that is not {_NAMES[kind]}")
    return found


def required(found: T | None, key: str) -> T:
    """`found`; TokenizerError when the file lacks `key`."""
    if found is None:
        raise TokenizerError(f"{key} is missing, expected {_NAMES[str]}")
    return found


def check_length(key: str, values: Collection[object], n_vocab: int) -> None:
    """TokenizerError unless `values` has one element for each token."""
    if len(values) != n_vocab:
        raise TokenizerError(
            f"{key} has {len(values)} elements, expected {n_vocab}, as tokenizer.ggml.tokens has"
        )


def token_id(metadata: Metadata, key: str, n_vocab: int) -> int | None:
    """The token that `key` names, None when absent; TokenizerError outside the vocabulary."""
    found = value(metadata, key, int)
    if found is not None and not 0 <= found < n_vocab:
        raise TokenizerError(f"{key} is {found}, expected a token of the {n_vocab}")
    return found
