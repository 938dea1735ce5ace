"""Byte-level BPE (`tokenizer.ggml.model` = gpt2), built as a Hugging Face tokenizer."""

from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as HfTokenizer

from pestle.errors import TokenizerError
from pestle.tokenizer.pretokenizers import PreTokenizer
from pestle.tokenizer.vocabulary import TokenType, Vocabulary

_NEVER_IN_TEXT = (TokenType.CONTROL, TokenType.UNKNOWN, TokenType.UNUSED)


def build_bpe(vocabulary: Vocabulary, merges: list[str], pre: PreTokenizer) -> HfTokenizer:
    """The tokenizer of text without control tokens; `merges` are "left right", best first.

    Raises TokenizerError when a merge is malformed or is of tokens that do not exist.
    """
    ids = dict(vocabulary.ids)
    for text in vocabulary.of_type(*_NEVER_IN_TEXT):
        del ids[text]
    try:
        # Handing over the objects takes half the time of a JSON text: 25 ms for 49,000 merges.
        model = models.BPE(
            vocab=ids,
            merges=_pairs(merges),
            fuse_unk=False,
            byte_fallback=False,
            ignore_merges=pre.ignore_merges,
        )
    # The library raises plain Exception.
    except Exception as error:
        raise TokenizerError(
            f"tokenizer.ggml.merges does not fit the vocabulary: {error}"
        ) from error
    tokenizer = HfTokenizer(model)
    if pre.nfc:
        tokenizer.normalizer = normalizers.NFC()
    splits: list[pre_tokenizers.PreTokenizer] = [
        pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in pre.patterns
    ]
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, to_bytes])
    tokenizer.add_tokens(
        [AddedToken(text, normalized=False) for text in vocabulary.of_type(TokenType.USER_DEFINED)]
    )
    return tokenizer


def _pairs(merges: list[str]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for merge in merges:
        # A part may itself begin with a space, so the one that parts them is never the first.
        at = merge.find(" ", 1)
        if at < 0 or at == len(merge) - 1:
            raise TokenizerError(
                f"tokenizer.ggml.merges element {len(pairs)} is {merge!r:.60}, "
                "expected two tokens with a space between"
            )
        pairs.append((merge[:at], merge[at + 1 :]))
    return pairs
