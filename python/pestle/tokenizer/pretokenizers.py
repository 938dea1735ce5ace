"""The pre-tokenizers that GGUF names in `tokenizer.ggml.pre`.

A pre-tokenizer is a chain of regular expressions (Oniguruma's dialect). Each one splits the pieces
that the one before left; its matches and the gaps between them both become pieces, and merges
never cross a piece's edge.

All of them are ASCII: characters are written as escapes, because a source text that an editor
normalizes to NFC turns some of them (U+1FD3, U+212A) into others, and the class would change.
"""

from dataclasses import dataclass

from pestle.errors import TokenizerError

_CONTRACTION = r"'s|'t|'re|'ve|'m|'ll|'d"
_ANY_CASE_CONTRACTION = rf"(?i:{_CONTRACTION})"

GPT2 = rf"{_CONTRACTION}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)|\s+"


def _llama3(number: str) -> str:
    """Llama 3's expression; Qwen's differs only in how many digits make a number."""
    return (
        rf"{_ANY_CASE_CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{number}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


# Words split where lower case turns to upper; combining marks belong to both cases.
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def _cased(number: str, contraction: str) -> str:
    """The expression of o200k (GPT-4o, gpt-oss) and, without contractions, of Mistral's Tekken."""
    return (
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{contraction}"
        rf"|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{contraction}"
        rf"|{number}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


_CJK = r"[\x{4E00}-\x{9FA5}\x{0800}-\x{4E00}\x{AC00}-\x{D7FF}]+"

_DEEPSEEK_LLM_LETTERS = (
    r"A-Za-z\x{00B5}\x{00C0}-\x{00D6}\x{00D8}-\x{00F6}\x{00F8}-\x{01BA}\x{01BC}-\x{01BF}"
    r"\x{01C4}-\x{0293}\x{0295}-\x{02AF}\x{0370}-\x{0373}\x{0376}\x{0377}\x{037B}-\x{037D}"
    r"\x{037F}\x{0386}\x{0388}-\x{038A}\x{038C}\x{038E}-\x{03A1}\x{03A3}-\x{03F5}"
    r"\x{03F7}-\x{0481}\x{048A}-\x{052F}\x{0531}-\x{0556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}"
    r"\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}"
    r"\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}"
    r"\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}"
    r"\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}"
    r"\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}"
    r"\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}"
    r"\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}"
    r"\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}"
    r"\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}"
    r"\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}"
    r"\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}"
    r"\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}"
)

_DEEPSEEK_LLM = (
    r"[\r\n]",
    rf"\s?[{_DEEPSEEK_LLM_LETTERS}]+",
    r"\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+",
    r"\s+$",
    _CJK,
    r"\p{N}+",
)

_DEEPSEEK_CODER = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _CJK, r"\p{N}")

_DEEPSEEK_V3 = (
    r"\p{N}{1,3}",
    r"[\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+",
    (
        r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"""
        r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
)


@dataclass(frozen=True)
class PreTokenizer:
    """How text is cut into pieces before byte-level BPE merges within each."""

    patterns: tuple[str, ...]
    # Unicode normalization before everything else.
    nfc: bool = False
    # A piece that is a token as a whole is that token, whatever the merges would make of it.
    ignore_merges: bool = False
    # Whether a text starts with the BOS token where the file does not say.
    add_bos: bool = False


_BY_GPT2 = PreTokenizer((GPT2,))
_BY_DIGIT = PreTokenizer((r"\p{N}", GPT2))
_BY_LLAMA3 = PreTokenizer((_llama3(r"\p{N}{1,3}"),), ignore_merges=True, add_bos=True)
_BY_QWEN2 = PreTokenizer((_llama3(r"\p{N}"),), nfc=True)
# tiktoken's rule is that of `ignore_merges`; only tokens that no merges reach tell the difference.
_BY_O200K = PreTokenizer((_cased(r"\p{N}{1,3}", f"{_ANY_CASE_CONTRACTION}?"),), ignore_merges=True)

PRE_TOKENIZERS: dict[str, PreTokenizer] = {
    "gpt-2": _BY_GPT2,
    "phi-2": _BY_GPT2,
    "mpt": _BY_GPT2,
    "olmo": _BY_GPT2,
    "smollm": _BY_DIGIT,
    "starcoder": _BY_DIGIT,
    "refact": _BY_DIGIT,
    "codeshell": _BY_DIGIT,
    "command-r": _BY_DIGIT,
    "llama-bpe": _BY_LLAMA3,
    "llama3": _BY_LLAMA3,
    "llama-v3": _BY_LLAMA3,
    "falcon3": _BY_LLAMA3,
    "pixtral": _BY_LLAMA3,
    "tekken": PreTokenizer((_cased(r"\p{N}", ""),), ignore_merges=True, add_bos=True),
    "smaug-bpe": PreTokenizer((_llama3(r"\p{N}{1,3}"),)),
    "dbrx": PreTokenizer((_llama3(r"\p{N}{1,3}"),)),
    "qwen2": _BY_QWEN2,
    "deepseek-r1-qwen": _BY_QWEN2,
    "gpt-4o": _BY_O200K,
    "llama4": _BY_O200K,
    "deepseek-llm": PreTokenizer(_DEEPSEEK_LLM),
    "deepseek-coder": PreTokenizer(_DEEPSEEK_CODER),
    "deepseek-v3": PreTokenizer(_DEEPSEEK_V3),
}


def pre_tokenizer(name: str | None) -> PreTokenizer:
    """The pre-tokenizer of this name; TokenizerError for one that Pestle does not know."""
    if name is None:
        raise TokenizerError(
            "tokenizer.ggml.pre is missing: the file does not say how to split text into words; "
            "convert the model again with a current converter"
        )
    try:
        return PRE_TOKENIZERS[name]
    except KeyError:
        known = ", ".join(sorted(PRE_TOKENIZERS))
        raise TokenizerError(
            f"tokenizer.ggml.pre names the unknown pre-tokenizer {name!r:.80}; known: {known}"
        ) from None
