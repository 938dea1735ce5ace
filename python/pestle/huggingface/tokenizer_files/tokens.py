"""The tokens of a checkpoint by id: texts, types and scores."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pestle.errors import TokenizerError
from pestle.huggingface.tokenizer_files.recognition import SPACE
from pestle.huggingface.tokenizer_files.sentencepiece import VocabularyPiece
from pestle.tokenizer.vocabulary import TokenType

# Tokens that steer a model although their file does not call them special.
_CONTROLS = re.compile(
    r"<\|.*\|>|<\uff5c.*\uff5c>|<unused\d+>|<pad>|<mask>|\[@BOS@\]|<2mass>", re.DOTALL
)
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


@dataclass
class Tokens:
    """By id. `pieces` has the tokens that were learned, `added` those that were put on top."""

    pieces: dict[int, VocabularyPiece] = field(default_factory=dict)
    added: dict[int, VocabularyPiece] = field(default_factory=dict)

    def listed(self, n_vocab: int) -> list[VocabularyPiece]:
        """One for each row of the embedding; `[PADn]` where the tokenizer has no token.

        TokenizerError: a token lies behind the last row.
        """
        found = self.pieces | self.added
        if found and max(found) >= n_vocab:
            raise TokenizerError(
                f"the tokenizer has token {max(found)} ({found[max(found)].text!r:.40}), "
                f"the model only {n_vocab} embeddings"
            )
        return [
            found.get(i) or VocabularyPiece(f"[PAD{i}]", 0.0, TokenType.UNUSED)
            for i in range(n_vocab)
        ]

    def ids(self) -> dict[str, int]:
        """By text."""
        return {p.text: i for i, p in sorted((self.pieces | self.added).items(), reverse=True)}


def learned(model: Mapping[str, Any], *, byte_level: bool) -> dict[int, VocabularyPiece]:
    """The vocabulary of a tokenizer.json's BPE model.

    SentencePiece's algorithm merges by score where this one has a list of merges: a token's score
    is how late it first comes in that list.
    """
    vocab = model.get("vocab")
    if not isinstance(vocab, Mapping) or not vocab:
        raise TokenizerError("tokenizer.json: model has no vocab")
    scores = {} if byte_level else _scores(merges(model))
    pieces: dict[int, VocabularyPiece] = {}
    for text, token in vocab.items():
        if type(token) is not int or not 0 <= token < 2**31:
            raise TokenizerError(f"tokenizer.json: token {text!r:.40} has the id {token!r:.40}")
        if token in pieces:
            raise TokenizerError(
                f"tokenizer.json: {text!r:.40} and {pieces[token].text!r:.40} are both {token}"
            )
        kind = TokenType.NORMAL
        if not byte_level:
            kind = TokenType.BYTE if _BYTE.fullmatch(text) else kind
            kind = TokenType.UNKNOWN if text == model.get("unk_token") else kind
        pieces[token] = VocabularyPiece(text, scores.get(text, 0.0), kind)
    return pieces


def merges(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The merges, best first: either of two forms, "left right" or a pair."""
    found = []
    for n, merge in enumerate(_list(model.get("merges"), "merges")):
        parts = merge.split(" ") if isinstance(merge, str) else merge
        if (
            not isinstance(parts, list)
            or len(parts) != 2
            or not all(isinstance(part, str) and part for part in parts)
        ):
            raise TokenizerError(f"tokenizer.json: merge {n} is {merge!r:.60}, expected two tokens")
        found.append((parts[0], parts[1]))
    return found


def added(definition: Mapping[str, Any], unknown: str | None) -> dict[int, VocabularyPiece]:
    """The `added_tokens` of a tokenizer.json, and what type GGUF gives to each."""
    tokens = {}
    for entry in _list(definition.get("added_tokens"), "added_tokens"):
        if not isinstance(entry, Mapping):
            raise TokenizerError(f"tokenizer.json: added token {entry!r:.60} is not an object")
        token, text = entry.get("id"), entry.get("content")
        if (
            type(token) is not int
            or not 0 <= token < 2**31
            or not isinstance(text, str)
            or not text
        ):
            raise TokenizerError(f"tokenizer.json: added token {entry!r:.100} lacks id or content")
        kind = TokenType.USER_DEFINED
        if entry.get("special") or _CONTROLS.fullmatch(text):
            kind = TokenType.UNKNOWN if text == unknown else TokenType.CONTROL
        else:
            text = text.replace(SPACE, " ")
        tokens[token] = VocabularyPiece(text, 0.0, kind)
    return tokens


def _list(found: Any, key: str) -> list[Any]:
    if found is not None and not isinstance(found, list):
        raise TokenizerError(f"tokenizer.json: {key} is {found!r:.40}, expected a list")
    return found or []


def _scores(pairs: list[tuple[str, str]]) -> dict[str, float]:
    first: dict[str, float] = {}
    for left, right in pairs:
        first.setdefault(left + right, -float(len(first)))
    return first
