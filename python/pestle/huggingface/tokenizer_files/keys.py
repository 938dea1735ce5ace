"""The keys of `tokenizer.*`, from the files that a checkpoint's tokenizer consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pestle.errors import TokenizerError
from pestle.huggingface.config import ModelConfig
from pestle.huggingface.tokenizer_files.recognition import ByteLevel, SentencePiece, recognize
from pestle.huggingface.tokenizer_files.sentencepiece import VocabularyPiece, read_sentencepiece
from pestle.huggingface.tokenizer_files.special import special_keys, with_all_ends
from pestle.huggingface.tokenizer_files.template import template_keys
from pestle.huggingface.tokenizer_files.tokens import Tokens, added, learned, merges
from pestle.untrusted_json import read_object

Keys = dict[str, Any]


@dataclass(frozen=True)
class _Files:
    folder: Path
    tokenizer: Mapping[str, Any] | None
    config: Mapping[str, Any]


def tokenizer_keys(
    folder: Path,
    config: ModelConfig,
    generation: Mapping[str, Any],
    n_vocab: int,
    *,
    pre: str | None = None,
) -> Keys:
    """The keys that describe the tokenizer and the chat template of the checkpoint in `folder`.

    `n_vocab`: rows of the embedding. `generation`: generation_config.json. `pre`: what cuts text
    into words, whatever tokenizer.json says. TokenizerError: the tokenizer is malformed, missing,
    or of a kind that GGUF or Pestle does not know.
    """
    files = _Files(
        folder,
        _optional(folder / "tokenizer.json"),
        _optional(folder / "tokenizer_config.json") or {},
    )
    kind = recognize(files.tokenizer, pre) if files.tokenizer is not None else None
    if pre is not None and kind is None:
        raise TokenizerError(f"{folder} holds no tokenizer.json, for which `{pre}` would cut text")
    if isinstance(kind, ByteLevel):
        assert files.tokenizer is not None
        keys, tokens = _byte_level(files.tokenizer, kind)
    else:
        keys, tokens = _sentencepiece(files, kind)
    if _is_gemma3(config):  # its tokenizer has the token for images even where the model has not
        tokens.added = {i: piece for i, piece in tokens.added.items() if i < n_vocab}
    pieces = tokens.listed(n_vocab)
    keys["tokenizer.ggml.tokens"] = [piece.text for piece in pieces]
    if not isinstance(kind, ByteLevel):
        keys["tokenizer.ggml.scores"] = [piece.score for piece in pieces]
    keys["tokenizer.ggml.token_type"] = [int(piece.type) for piece in pieces]
    keys |= special_keys(tokens.ids(), files.config, files.tokenizer, config, generation)
    keys |= template_keys(folder, files.config)
    return with_all_ends(keys, generation)


def vocabulary_rows(config: ModelConfig) -> int:
    """The rows of the embedding that the file keeps.

    All, but for a Gemma 3 that sees images: the tokens that stand for these are its last rows.
    """
    n_vocab = config.whole("vocab_size")
    if not _is_gemma3(config):
        return n_vocab
    return min(n_vocab, config.whole("image_token_index", config.whole("image_token_id", n_vocab)))


def _is_gemma3(config: ModelConfig) -> bool:
    return config.model_type.startswith("gemma3")


def _optional(path: Path) -> dict[str, Any] | None:
    return read_object(path) if path.is_file() else None


def _byte_level(definition: Mapping[str, Any], kind: ByteLevel) -> tuple[Keys, Tokens]:
    model = definition["model"]
    tokens = Tokens(learned(model, byte_level=True), added(definition, None))
    pairs = merges(model)
    # GGUF parts the two by a space, so a space within one takes the form it has as a byte.
    texts = [f"{left} {right}" for left, right in (_spaceless(pair) for pair in pairs)]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": kind.pre,
        "tokenizer.ggml.merges": texts,
    }, tokens


def _spaceless(pair: tuple[str, str]) -> tuple[str, str]:
    return pair[0].replace(" ", "\u0120"), pair[1].replace(" ", "\u0120")


def _sentencepiece(files: _Files, kind: SentencePiece | None) -> tuple[Keys, Tokens]:
    path = files.folder / "tokenizer.model"
    own = read_sentencepiece(path) if path.is_file() else None
    if files.tokenizer is None and own is None:
        raise TokenizerError(f"{files.folder} holds neither tokenizer.json nor tokenizer.model")
    tokens, prefix = Tokens(), True
    if files.tokenizer is not None and kind is not None:
        model = files.tokenizer["model"]
        tokens.pieces = learned(model, byte_level=False)
        tokens.added = added(files.tokenizer, model.get("unk_token"))
        prefix = kind.add_space_prefix
    if own is not None:
        pieces = dict(enumerate(own.pieces))
        _check_same(path, pieces, tokens.pieces)
        tokens.pieces = pieces
        prefix = own.add_space_prefix if files.tokenizer is None else prefix
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.add_space_prefix": prefix,
    }, tokens


def _check_same(
    path: Path, own: Mapping[int, VocabularyPiece], other: Mapping[int, VocabularyPiece]
) -> None:
    for token, piece in own.items():
        if token in other and other[token].text != piece.text:
            raise TokenizerError(
                f"{path}: token {token} is {piece.text!r:.40}, "
                f"tokenizer.json has {other[token].text!r:.40}"
            )
