"""GGUF files: what one holds, as data, and the bytes of a header."""

from pestle.gguf.description import (
    JSON_VERSION,
    FileDescription,
    KvCache,
    Share,
    TokenizerDescription,
    describe,
)

__all__ = [
    "JSON_VERSION",
    "FileDescription",
    "KvCache",
    "Share",
    "TokenizerDescription",
    "describe",
]
