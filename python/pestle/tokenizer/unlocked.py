"""Tokenizing with Hugging Face's library beside other threads."""

from __future__ import annotations

from tokenizers import Tokenizer

_LONG = 8192  # characters, which take some 3 ms


def token_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """The tokens of a text without any control tokens.

    `encode` keeps the interpreter to itself, half a second for a megabyte, in which no other
    thread comes to anything: none of a server's answers goes on. A batch does not, but uses a pool
    of threads, of which processes that are forked later complain: so it is for long texts only.
    """
    if len(text) < _LONG:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    else:
        ids = tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids
    return ids
