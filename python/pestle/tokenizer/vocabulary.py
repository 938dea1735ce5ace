"""The vocabulary of a model file, checked: what its tokens are, and which play a special part."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from pestle.errors import TokenizerError
from pestle.tokenizer.metadata import Metadata, array, check_length, token_id, value

MODELS = ("gpt2", "llama")


class TokenType(IntEnum):
    """The values of `tokenizer.ggml.token_type`."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


_TYPES = frozenset(map(int, TokenType))

# The GGUF key of each special token; the misspelled one is what files have.
_ROLE_KEYS = {
    "bos": "tokenizer.ggml.bos_token_id",
    "eos": "tokenizer.ggml.eos_token_id",
    "eot": "tokenizer.ggml.eot_token_id",
    "eom": "tokenizer.ggml.eom_token_id",
    "unknown": "tokenizer.ggml.unknown_token_id",
    "separator": "tokenizer.ggml.seperator_token_id",
    "padding": "tokenizer.ggml.padding_token_id",
    "mask": "tokenizer.ggml.mask_token_id",
    "fim_pad": "tokenizer.ggml.fim_pad_token_id",
    "fim_rep": "tokenizer.ggml.fim_rep_token_id",
    "fim_sep": "tokenizer.ggml.fim_sep_token_id",
}
# What SentencePiece files mean when they do not say. Byte-level files that do not say have none:
# GPT-2's own default, token 11, is a comma.
_SPM_ROLES = {"unknown": 0, "bos": 1, "eos": 2}


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id, and the special tokens by role; every id is in range."""

    model: str
    pre: str | None
    texts: list[str]
    ids: Mapping[str, int]  # by text
    marked: Mapping[int, TokenType]  # the type of every token that is not NORMAL, by id
    roles: Mapping[str, int]
    add_bos: bool | None
    add_eos: bool
    add_space_prefix: bool
    suppressed: frozenset[int]

    def of_type(self, *types: TokenType) -> dict[str, int]:
        """The tokens of these types that have a text (NORMAL is not asked for): id by text."""
        return {
            self.texts[token]: token
            for token, type_ in self.marked.items()
            if type_ in types and self.texts[token]
        }


def read_vocabulary(metadata: Metadata) -> Vocabulary:
    """Read and check the `tokenizer.ggml` keys; TokenizerError names the key that is wrong."""
    model = value(metadata, "tokenizer.ggml.model", str)
    if model not in MODELS:
        found = "is missing" if model is None else f"names the unknown tokenizer `{model}`"
        raise TokenizerError(f"tokenizer.ggml.model {found}; known: {', '.join(MODELS)}")
    texts = array(metadata, "tokenizer.ggml.tokens", str)
    if not texts:
        raise TokenizerError("tokenizer.ggml.tokens is missing or empty")
    marked = _marked(metadata, len(texts))
    add_space_prefix = value(metadata, "tokenizer.ggml.add_space_prefix", bool)
    suppressed = array(metadata, "tokenizer.ggml.suppress_tokens", int) or []
    if any(not 0 <= token < len(texts) for token in suppressed):
        raise TokenizerError(
            f"tokenizer.ggml.suppress_tokens holds a token outside the {len(texts)}"
        )
    return Vocabulary(
        model=model,
        pre=value(metadata, "tokenizer.ggml.pre", str),
        texts=texts,
        # Where a text occurs twice, the first token is the one that encoding finds.
        ids=dict(zip(reversed(texts), range(len(texts) - 1, -1, -1), strict=True)),
        marked=marked,
        roles=_roles(metadata, model, len(texts)),
        add_bos=value(metadata, "tokenizer.ggml.add_bos_token", bool),
        add_eos=value(metadata, "tokenizer.ggml.add_eos_token", bool) or False,
        add_space_prefix=model == "llama" if add_space_prefix is None else add_space_prefix,
        suppressed=frozenset(suppressed).union(
            token for token, type_ in marked.items() if type_ is TokenType.UNUSED
        ),
    )


def _marked(metadata: Metadata, n_vocab: int) -> dict[int, TokenType]:
    key = "tokenizer.ggml.token_type"
    types = array(metadata, key, int)
    if types is None:
        return {}
    check_length(key, types, n_vocab)
    if unknown := set(types) - _TYPES:
        raise TokenizerError(f"{key} holds {min(unknown)}, expected 1 to {max(_TYPES)}")
    return {token: TokenType(type_) for token, type_ in enumerate(types) if type_ != 1}


def _roles(metadata: Metadata, model: str, n_vocab: int) -> dict[str, int]:
    defaults = _SPM_ROLES if model == "llama" else {}
    roles = {role: token for role, token in defaults.items() if token < n_vocab}
    for role, key in _ROLE_KEYS.items():
        token = token_id(metadata, key, n_vocab)
        if token is not None:
            roles[role] = token
    return roles
