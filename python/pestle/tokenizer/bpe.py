"""Byte-level BPE (`tokenizer.ggml.model` = gpt2), built as a Hugging Face tokenizer."""

from collections.abc import Callable

from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as HfTokenizer

from pestle.errors import TokenizerError, UnknownCharacterError
from pestle.tokenizer.pretokenizers import PreTokenizer
from pestle.tokenizer.unlocked import token_ids
from pestle.tokenizer.vocabulary import TokenType, Vocabulary

_NEVER_IN_TEXT = (TokenType.CONTROL, TokenType.UNKNOWN, TokenType.UNUSED)
# Stands for bytes that the vocabulary lacks; no text can spell it, for NUL is mapped to U+0100.
_MISSING = "\0missing"


def bpe_encoder(
    vocabulary: Vocabulary, merges: list[str], pre: PreTokenizer
) -> Callable[[str], list[int]]:
    """What tokenizes text without control tokens; `merges` are "left right", best first.

    Raises TokenizerError when a merge is malformed or is of tokens that do not exist. The encoder
    raises UnknownCharacterError for a character that the vocabulary cannot express: SmolLM2 lacks
    U+0004, for one.
    """
    tokenizer = _build(vocabulary, merges, pre)
    missing = len(vocabulary.texts)

    def encode(text: str) -> list[int]:
        ids = token_ids(tokenizer, text)
        if missing in ids:
            culprits = (char for char in text if missing in tokenizer.encode(char).ids)
            code = ord(next(culprits, text[0]))
            raise UnknownCharacterError(
                f"the model's vocabulary cannot express the character U+{code:04X}"
            )
        return ids

    return encode


def _build(vocabulary: Vocabulary, merges: list[str], pre: PreTokenizer) -> HfTokenizer:
    ids = dict(vocabulary.ids)
    for text in vocabulary.of_type(*_NEVER_IN_TEXT):
        ids.pop(text)
    ids[_MISSING] = len(vocabulary.texts)
    try:
        # Handing over the objects takes half the time of a JSON text: 25 ms for 49,000 merges.
        model = models.BPE(
            vocab=ids,
            merges=_pairs(merges),
            unk_token=_MISSING,
            fuse_unk=False,
            byte_fallback=False,
            ignore_merges=pre.ignore_merges,
        )
    # The library raises plain Exception.
    except Exception as error:
        for token, text in enumerate(vocabulary.texts):
            if not _is_utf8(text):
                raise TokenizerError(
                    f"tokenizer.ggml.tokens element {token} is not UTF-8: {text!r:.40}"
                ) from error
        reason = str(error).partition("\n")[0]
        raise TokenizerError(f"tokenizer.ggml.merges does not fit the tokens: {reason}") from error
    tokenizer = HfTokenizer(model)
    if pre.nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = splitter(pre)
    tokenizer.add_tokens(
        [AddedToken(text, normalized=False) for text in vocabulary.of_type(TokenType.USER_DEFINED)]
    )
    return tokenizer


def _is_utf8(text: str) -> bool:
    """False for what the reader made of other bytes: surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def splitter(pre: PreTokenizer) -> pre_tokenizers.PreTokenizer:
    """Cuts a text as `pre` says and maps each piece to the byte alphabet."""
    splits: list[pre_tokenizers.PreTokenizer] = [
        pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in pre.patterns
    ]
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([*splits, to_bytes])


def _pairs(merges: list[str]) -> list[tuple[str, str]]:
    parted = [merge.partition(" ") for merge in merges]
    pairs = [(left, right) for left, _, right in parted]
    if all(map(all, pairs)):
        return pairs
    return [_pair(n, merge) for n, merge in enumerate(merges)]


def _pair(n: int, merge: str) -> tuple[str, str]:
    # A part may itself begin with a space, so the one that parts them is never the first.
    at = merge.find(" ", 1)
    if at < 0 or at == len(merge) - 1:
        raise TokenizerError(
            f"tokenizer.ggml.merges element {n} is {merge!r:.60}, "
            "expected two tokens with a space between"
        )
    return merge[:at], merge[at + 1 :]
