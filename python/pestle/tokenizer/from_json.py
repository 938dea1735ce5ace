"""A whole Hugging Face tokenizer in `tokenizer.huggingface.json`, which some files carry."""

import json
from collections.abc import Callable

from tokenizers import Tokenizer as HfTokenizer

from pestle.errors import TokenizerError
from pestle.tokenizer.unlocked import token_ids
from pestle.tokenizer.vocabulary import TokenType, Vocabulary
from pestle.untrusted_json import parse_object

KEY = "tokenizer.huggingface.json"
_HIDDEN = (TokenType.CONTROL, TokenType.UNKNOWN, TokenType.UNUSED)


def json_encoder(vocabulary: Vocabulary, text: str) -> Callable[[str], list[int]]:
    """What tokenizes text without control tokens, as the JSON `text` describes.

    Raises TokenizerError where it is not a tokenizer, or one of other tokens than the file's.
    """
    try:
        description = parse_object(text, "it")
        # Control tokens are split off before. They stay in the list, for without them the others
        # would be numbered anew, but as the special ones, which are not looked for in text.
        for token in description.get("added_tokens") or []:
            token["special"] = vocabulary.marked.get(token["id"]) in _HIDDEN
        # It is not to cut, pad or add anything.
        description.update(truncation=None, padding=None, post_processor=None)
        tokenizer = HfTokenizer.from_str(json.dumps(description))
        tokenizer.encode_special_tokens = True
    except BaseException as error:
        if not _is_of_the_library(error):
            raise
        reason = str(error).partition("\n")[0]
        raise TokenizerError(f"{KEY} is not a tokenizer: {reason:.300}") from error
    _check(vocabulary, tokenizer)

    def encode(text: str) -> list[int]:
        try:
            return token_ids(tokenizer, text)
        except BaseException as error:
            if not _is_of_the_library(error):
                raise
            reason = str(error).partition("\n")[0]
            raise TokenizerError(f"{KEY} cannot tokenize a text: {reason:.300}") from error

    return encode


def _is_of_the_library(error: BaseException) -> bool:
    """`tokenizers` raises plain Exception, and where it panics a BaseException of its own."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _check(vocabulary: Vocabulary, tokenizer: HfTokenizer) -> None:
    n_vocab = len(vocabulary.texts)
    for text, token in tokenizer.get_vocab(with_added_tokens=True).items():
        if token >= n_vocab:
            raise TokenizerError(f"{KEY} has token {token}, expected less than {n_vocab}")
        found = vocabulary.texts[token]
        # Converters write the spaces of added tokens as they are, and HF as U+2581.
        if found != text and found.replace("\u2581", " ") != text.replace("\u2581", " "):
            raise TokenizerError(
                f"{KEY} has {text!r:.40} for token {token}, but tokenizer.ggml.tokens {found!r:.40}"
            )
