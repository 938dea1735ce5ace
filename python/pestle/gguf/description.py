"""What a GGUF file holds, as data: the content of `pestle info`.

Nothing here loads a model: only the header of a file is read. All sizes are bytes.
"""

import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pestle._core import GgufFile, GgufTensor, kv_memory
from pestle.errors import FormatError, UnsupportedError
from pestle.options.values import KV_TYPES
from pestle.types import FILE_TYPES
from pestle.untrusted_json import parse_object

JSON_VERSION = 1

# The first pattern that is found in a tensor's name decides. The router and shared experts are
# read for every token, so they count as ffn.
_PARTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("norms", re.compile(r"norm")),
    ("embedding", re.compile(r"^(token_embd|position_embd|token_types)\b")),
    ("output", re.compile(r"^output\b")),
    ("attention", re.compile(r"^blk\.\d+\.attn_")),
    ("experts", re.compile(r"^blk\.\d+\.ffn_\w+_exps\b|^blk\.\d+\.ffn_(gate|up|down)\.\d+\.")),
    ("ffn", re.compile(r"^blk\.\d+\.(ffn_|exp_probs_b)")),
    ("other", re.compile(r"")),
)


@dataclass(frozen=True)
class Share:
    """A group of tensors: those of one type, or of one part of the model."""

    name: str
    tensors: int
    parameters: int
    bytes: int


@dataclass(frozen=True)
class KvCache:
    """The memory that keys and values take, kept in one type."""

    type: str
    bytes_per_token: int
    window_bytes: int  # at most, of layers with a window, however long the text is


@dataclass(frozen=True)
class TokenizerDescription:
    """The tokenizer that the file's metadata describes."""

    model: str  # "gpt2", "llama", ...
    pre: str | None  # the pre-tokenizer's name
    n_vocab: int
    special_ids: dict[str, int]  # "bos", "eos", "unknown", ... to token ids
    add_bos: bool | None  # None: the file does not say


@dataclass(frozen=True)
class FileDescription:
    """A GGUF file. What the file does not state is None."""

    path: str
    shards: int
    gguf_version: int
    file_bytes: int
    architecture: str
    name: str | None
    license: str | None
    file_type: str | None  # as its author called the mixture: "Q4_K_M"
    parameters: int
    tensor_bytes: int
    types: tuple[Share, ...]  # largest first
    parts: tuple[
        Share, ...
    ]  # embedding, attention, ffn, experts, output, norms, other: those that occur
    tied_embeddings: bool  # the output layer reads the embedding table
    context_length: int | None
    n_layers: int | None
    dim: int | None
    n_experts: int | None
    top_k: int | None  # experts that a token uses
    kv_cache: tuple[KvCache, ...]  # of every type; none where Pestle does not run the file
    refusal: str | None  # why it does not; None if it does, as far as the header tells
    tokenizer: TokenizerDescription | None
    has_chat_template: bool
    certificate: dict[str, Any] | None = None  # of what it lost of its source, by its own word
    damage: str | None = None  # what of it is cut or missing; None: nothing

    def to_json(self) -> dict[str, Any]:
        """The same as JSON-ready data.

        "version" goes up when a field changes its meaning or goes away.
        """
        return {"version": JSON_VERSION, **asdict(self)}


def describe(path: str | os.PathLike[str], *, damaged: bool = False) -> FileDescription:
    """Describe the model file at `path`, or the split model that begins there.

    damaged: describe a file too whose metadata is whole while its list of tensors or its data is
    cut, or shards are missing; `damage` says so. Tensors of a list that is cut are left out.

    FormatError: the file is wrong; UnsupportedError: it is of a kind that is not read;
    Error: it cannot be opened.
    """
    file = GgufFile(path, damaged=damaged)
    keys = _Keys(file)
    tensors = file.tensors
    names = {tensor.name for tensor in tensors}
    file_type = keys.integer("general.file_type")
    architecture = keys.text("general.architecture")
    if architecture is None:
        raise keys.error("general.architecture", "is missing")
    kv_cache, refusal = _kv_cache(file)
    return FileDescription(
        path=file.path,
        shards=len(file.paths),
        gguf_version=file.version,
        file_bytes=file.size,
        architecture=architecture,
        name=keys.text("general.name"),
        license=keys.text("general.license"),
        file_type=None if file_type is None else FILE_TYPES.get(file_type),
        parameters=sum(map(_parameters, tensors)),
        tensor_bytes=sum(tensor.nbytes for tensor in tensors),
        types=_shares(tensors, lambda tensor: tensor.type),
        parts=_shares(tensors, _part),
        tied_embeddings="token_embd.weight" in names and "output.weight" not in names,
        context_length=keys.integer(f"{architecture}.context_length"),
        n_layers=keys.integer(f"{architecture}.block_count"),
        dim=keys.integer(f"{architecture}.embedding_length"),
        n_experts=keys.integer(f"{architecture}.expert_count"),
        top_k=max(keys.integers(f"{architecture}.expert_used_count"), default=None),
        kv_cache=kv_cache,
        refusal=refusal,
        tokenizer=_tokenizer(keys, file),
        has_chat_template=keys.text("tokenizer.chat_template") is not None,
        certificate=_certificate(keys),
        damage=file.damage,
    )


def _part(tensor: GgufTensor) -> str:
    """The part of a model that a tensor belongs to."""
    return next(part for part, pattern in _PARTS if pattern.search(tensor.name))


class _Keys:
    """Metadata by key: None when it is absent, FormatError when it is of another kind."""

    def __init__(self, file: GgufFile) -> None:
        self._file = file

    def error(self, key: str, problem: str) -> FormatError:
        return FormatError(f"{self.where(key)} {problem}")

    def where(self, key: str) -> str:
        """What messages call the key."""
        return f"{Path(self._file.path).name}: key `{key}`"

    def text(self, key: str) -> str | None:
        """Text for a line of output: without control characters and bytes that are not UTF-8."""
        value = self._file.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.error(key, "is not a string")
        return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", value)

    def flag(self, key: str) -> bool | None:
        value = self._file.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.error(key, "is not a bool")
        return value

    def integers(self, key: str) -> list[int]:
        """A scalar as a list of one; an absent key as an empty list. Never negative."""
        value = self._file.get(key, [])
        values: list[Any] = value if isinstance(value, list) else [value]
        for item in values:
            if not isinstance(item, int) or isinstance(item, bool):
                raise self.error(key, "is not an integer")
            if item < 0:
                raise self.error(key, f"is {item}, expected no negative number")
        return values

    def integer(self, key: str) -> int | None:
        values = self.integers(key)
        if not values:
            return None
        if isinstance(self._file[key], list):
            raise self.error(key, "is an array, expected an integer")
        return values[0]


def _certificate(keys: _Keys) -> dict[str, Any] | None:
    key = "pestle.certificate"
    text = keys.text(key)
    if text is None or not text.strip():
        return None
    return parse_object(text, keys.where(key))


def _parameters(tensor: GgufTensor) -> int:
    return math.prod(tensor.shape)


def _shares(tensors: Iterable[GgufTensor], key: Callable[[GgufTensor], str]) -> tuple[Share, ...]:
    groups: dict[str, list[GgufTensor]] = {}
    for tensor in tensors:
        groups.setdefault(key(tensor), []).append(tensor)
    shares = (
        Share(name, len(group), sum(map(_parameters, group)), sum(t.nbytes for t in group))
        for name, group in groups.items()
    )
    return tuple(sorted(shares, key=lambda share: (-share.bytes, share.name)))


def _kv_cache(file: GgufFile) -> tuple[tuple[KvCache, ...], str | None]:
    """What the core would keep of a text, or nothing; and why it does not run the file."""
    try:
        found = [(kv_type, kv_memory(file, kv_type)) for kv_type in KV_TYPES]
    except (FormatError, UnsupportedError) as error:
        return (), file.damage or str(error)
    return tuple(KvCache(t, m.bytes_per_token, m.window_bytes) for t, m in found), file.damage


def _tokenizer(keys: _Keys, file: GgufFile) -> TokenizerDescription | None:
    model = keys.text("tokenizer.ggml.model")
    if model is None:
        return None
    special = re.compile(r"tokenizer\.ggml\.(\w+)_token_id")
    ids = filter(None, map(special.fullmatch, file.keys()))
    return TokenizerDescription(
        model=model,
        pre=keys.text("tokenizer.ggml.pre"),
        n_vocab=len(file.get("tokenizer.ggml.tokens", ())),
        special_ids={
            match[1]: value for match in ids if (value := keys.integer(match[0])) is not None
        },
        add_bos=keys.flag("tokenizer.ggml.add_bos_token"),
    )
