"""The tokenizer of a model file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from pestle.errors import TokenizerError, UnknownCharacterError
from pestle.tokenizer.bpe import bpe_encoder
from pestle.tokenizer.byte_alphabet import bytes_of
from pestle.tokenizer.detokenizer import Detokenizer
from pestle.tokenizer.end_of_generation import end_of_generation, end_of_turn, with_ends_as_control
from pestle.tokenizer.from_json import KEY as JSON_KEY
from pestle.tokenizer.from_json import json_encoder
from pestle.tokenizer.metadata import Metadata, array, check_length, value
from pestle.tokenizer.pretokenizers import pre_tokenizer
from pestle.tokenizer.special import ControlTokens, map_strings
from pestle.tokenizer.spm import SPACE, SpmEncoder, byte_of
from pestle.tokenizer.vocabulary import TokenType, Vocabulary, read_vocabulary

_STAND_INS = ("\ufffd", "?", " ")
_SURROGATE = re.compile("[\ud800-\udfff]")

Encode = Callable[[str], list[int]]


class Tokenizer:
    """From text to tokens and back, as the model's file says. It never changes: threads share it.

    Attributes:
        n_vocab: how many tokens there are.
        bos_id, eos_id, eot_id: the tokens that begin a text, end it, and end a turn, or None.
        eog_ids: every token that ends a generation.
        suppressed_ids: tokens that are never to be sampled: the vocabulary's padding.
        add_bos, add_eos: whether `encode` puts BOS before a text and EOS after it.
    """

    def __init__(self, vocabulary: Vocabulary, encode: Encode, *, add_bos: bool) -> None:
        """`encode` tokenizes text without control tokens. `from_gguf` makes all this."""
        self._vocabulary = vocabulary
        self._encode_text = encode
        controls = vocabulary.of_type(TokenType.CONTROL, TokenType.UNKNOWN)
        self._controls = ControlTokens(controls, vocabulary.of_type(TokenType.USER_DEFINED))
        self.n_vocab = len(vocabulary.texts)
        self.bos_id = vocabulary.roles.get("bos")
        self.eos_id = vocabulary.roles.get("eos")
        self.eot_id = end_of_turn(vocabulary)
        self.eog_ids = end_of_generation(vocabulary)
        self.suppressed_ids = vocabulary.suppressed
        self.add_bos = add_bos and self.bos_id is not None
        self.add_eos = vocabulary.add_eos and self.eos_id is not None
        # Whether decoding takes off the space that encoding put before the text.
        self.strips_space = vocabulary.model == "llama" and vocabulary.add_space_prefix

    @classmethod
    def from_gguf(cls, metadata: Metadata) -> Tokenizer:
        """The tokenizer that a model file's metadata describes.

        Raises TokenizerError, which names the key, what it holds and what was expected.
        """
        try:
            vocabulary = with_ends_as_control(read_vocabulary(metadata))
            encode, add_bos = _encoder(vocabulary, metadata)
            return cls(
                vocabulary,
                encode,
                add_bos=add_bos if vocabulary.add_bos is None else vocabulary.add_bos,
            )
        except TokenizerError as error:
            path = getattr(metadata, "path", None)
            raise TokenizerError(f"{path}: {error}" if path else str(error)) from error

    def encode(
        self, text: str, *, add_special: bool = True, parse_special: bool = False
    ) -> list[int]:
        """The tokens of `text`.

        `add_special` adds BOS and EOS where the model wants them and `text` has none.
        `parse_special` reads control tokens such as `<|im_end|>` in `text` as such; never do that
        with text from others. Raises UnknownCharacterError for what the vocabulary cannot
        express, and for lone surrogates.
        """
        tokens = self._encode(text, parse_special=parse_special)
        return self._with_special(tokens) if add_special else tokens

    def can_express(self, character: str) -> bool:
        """Whether `encode` takes a character."""
        try:
            self._encode(character, parse_special=False)
        except UnknownCharacterError:
            return False
        return True

    @cached_property
    def stand_in(self) -> str:
        """What may take the place of a character that the vocabulary cannot express.

        U+FFFD, which says so, or else "?", or else a space; nothing where it has none of them.
        """
        return next(filter(self.can_express, _STAND_INS), "")

    def encode_within(self, text: str) -> list[int]:
        """The tokens of `text` behind other text: no space goes before it, and nothing else."""
        if not self.strips_space:
            return self._encode(text, parse_special=False)
        before = self._encode("\n", parse_special=False)  # nothing merges with it
        tokens = self._encode(f"\n{text}", parse_special=False)
        return tokens[len(before) :]

    def encode_marked(self, text: str, mark: str) -> list[int]:
        """The tokens of a rendered chat: like `encode` with `parse_special`, but not at marks.

        See `mark_untrusted`. BOS is added where the model wants it and the template gave none.
        """
        tokens = self._encode(text, parse_special=True, mark=mark)
        return self._with_bos(tokens)

    def mark_untrusted(self, value: Any, mark: str) -> Any:
        """A copy of JSON-like `value` in whose strings `encode_marked` finds no control token.

        `mark` is a character that occurs nowhere else. It goes before every character that could
        begin a control token, where it survives trimming, splitting and joining.
        """
        return map_strings(value, lambda text: self._controls.mark(text, mark))

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """The text of `ids`; bytes that are not UTF-8 become U+FFFD.

        Control tokens are left out, or written as they are spelled if not `skip_special`.
        """
        detokenizer = Detokenizer(self, skip_special=skip_special)
        return "".join(map(detokenizer.push, ids)) + detokenizer.flush()

    def token_bytes(self, token: int) -> bytes:
        """The bytes that a token stands for, a control token for those of its spelling."""
        text = self.token_text(token)
        type_ = self._vocabulary.marked.get(token, TokenType.NORMAL)
        if type_ is TokenType.BYTE:
            return bytes([byte_of(text, token)])
        if type_ in (TokenType.NORMAL, TokenType.UNUSED):
            if self._vocabulary.model == "gpt2":
                return bytes_of(text)
            text = text.replace(SPACE, " ")
        elif type_ is TokenType.USER_DEFINED and self._vocabulary.model == "llama":
            text = text.replace(SPACE, " ")
        # Bytes of the file that are not UTF-8 come as surrogates.
        return text.encode("utf-8", "surrogateescape")

    def token_text(self, token: int) -> str:
        """A token as the vocabulary writes it; IndexError outside the vocabulary."""
        if not 0 <= token < self.n_vocab:
            raise IndexError(f"token {token} is outside the vocabulary of {self.n_vocab} tokens")
        return self._vocabulary.texts[token]

    def token_id(self, text: str) -> int | None:
        """The token that the vocabulary writes as `text`, None if there is none."""
        return self._vocabulary.ids.get(text)

    def is_control(self, token: int) -> bool:
        """Whether a token steers the model and is not text."""
        return self._vocabulary.marked.get(token) in (TokenType.CONTROL, TokenType.UNKNOWN)

    def _encode(self, text: str, *, parse_special: bool, mark: str = "") -> list[int]:
        if (surrogate := _SURROGATE.search(text)) is not None:
            code = f"U+{ord(surrogate[0]):04X}"
            raise UnknownCharacterError(
                f"the text holds the lone surrogate {code}, which is not a character"
            )
        tokens: list[int] = []
        for piece in self._controls.split(text, mark) if parse_special else (text,):
            if isinstance(piece, int):
                tokens.append(piece)
            elif piece:
                tokens += self._encode_text(piece)
        return tokens

    def _with_special(self, tokens: list[int]) -> list[int]:
        tokens = self._with_bos(tokens)
        if self.add_eos and self.eos_id is not None and tokens[-1:] != [self.eos_id]:
            tokens = [*tokens, self.eos_id]
        return tokens

    def _with_bos(self, tokens: list[int]) -> list[int]:
        if self.add_bos and self.bos_id is not None and tokens[:1] != [self.bos_id]:
            tokens = [self.bos_id, *tokens]
        return tokens


def _encoder(vocabulary: Vocabulary, metadata: Metadata) -> tuple[Encode, bool]:
    """What tokenizes text without control tokens, and whether such a model wants BOS."""
    text = value(metadata, JSON_KEY, str)
    if text is not None:
        return json_encoder(vocabulary, text), vocabulary.model == "llama"
    if vocabulary.model == "llama":
        return SpmEncoder(vocabulary, _scores(vocabulary, metadata)).encode, True
    pre = pre_tokenizer(vocabulary.pre)
    merges = array(metadata, "tokenizer.ggml.merges", str)
    if merges is None:
        raise TokenizerError("tokenizer.ggml.merges is missing")
    return bpe_encoder(vocabulary, merges, pre), pre.add_bos


def _scores(vocabulary: Vocabulary, metadata: Metadata) -> list[float]:
    key = "tokenizer.ggml.scores"
    scores = array(metadata, key, float)
    if scores is None:
        raise TokenizerError(f"{key} is missing")
    check_length(key, scores, len(vocabulary.texts))
    if any(map(math.isnan, scores)):
        raise TokenizerError(f"{key} holds NaN")
    return scores
