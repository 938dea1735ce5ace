"""A checkpoint's folder as a model that is converted: tensors and keys, as GGUF calls them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from pestle.errors import FormatError, UnsupportedError
from pestle.huggingface.architectures import ARCHITECTURES, Architecture, NamedTensor
from pestle.huggingface.encodings import check_quantization, source_of, value_names
from pestle.huggingface.folder import INDEX, Checkpoint, open_checkpoint
from pestle.huggingface.metadata import (
    MODULES,
    POOLING,
    general_keys,
    pooling_keys,
    read_generation_config,
    rope_divisors,
)
from pestle.huggingface.tokenizer_files import tokenizer_keys, vocabulary_rows
from pestle.quantization import ModelFacts
from pestle.tensors.model import ModelTensor, SourceModel, TransformedTensor
from pestle.tensors.source_tensor import SourceTensor, StoredTensor
from pestle.untrusted_json import read_bytes

_READ_WHOLE = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "chat_template.json",
    "chat_template.jinja",
    INDEX,
    MODULES,
    POOLING,
)
"""What a checkpoint holds beside its safetensors and decides what a file says."""


def open_model(
    folder: Path, *, name: str | None = None, tokenizer_pre: str | None = None
) -> SourceModel:
    """Open the checkpoint in `folder` and read all of it but the weights.

    name: the model's; by default what config.json says, or none. tokenizer_pre: what cuts text into
    words, whatever tokenizer.json says. Raises ModelNotFoundError, FormatError, UnsupportedError
    and TokenizerError, which say what of the checkpoint is wrong or cannot be converted.
    """
    read = _digests(folder)
    checkpoint = open_checkpoint(folder)
    config = checkpoint.config
    if config.model_type not in ARCHITECTURES:
        raise UnsupportedError(
            f"{config.path}: model_type `{config.model_type:.40}` is not known; "
            f"Pestle converts {', '.join(ARCHITECTURES)}"
        )
    check_quantization(config)
    architecture = ARCHITECTURES[config.model_type]
    n_vocab = vocabulary_rows(config)
    own = architecture.keys(config) | {"vocab_size": n_vocab} | pooling_keys(folder)
    facts = ModelFacts(
        own["block_count"],
        own["attention.head_count"],
        own["attention.head_count_kv"],
        own.get("expert_count", 0),
    )
    tensors = list(_tensors(checkpoint, architecture, n_vocab))
    constants = {}
    if (divisors := rope_divisors(config)) is not None:
        constants["rope_freqs.weight"] = divisors.astype("<f4").tobytes()
        tensors.append(ModelTensor("rope_freqs.weight", divisors.shape, ()))
    generation = read_generation_config(folder)
    keys = {
        **general_keys(
            architecture.name, name=name or _stated_name(checkpoint), generation=generation
        ),
        **{f"{architecture.name}.{key}": value for key, value in own.items()},
        **tokenizer_keys(folder, config, generation, n_vocab, pre=tokenizer_pre),
    }
    if _digests(folder) != read:  # what was read in between may be of neither
        raise FormatError(f"{folder}: its files were changed while they were read")
    return SourceModel(
        path=folder,
        files=checkpoint.files,
        tensors=tuple(sorted(tensors, key=_order)),
        constants=constants,
        facts=facts,
        keys=keys,
        digests=read,
        config=config,
        verbatim=False,
    )


def _tensors(
    checkpoint: Checkpoint, architecture: Architecture, n_vocab: int
) -> Iterator[ModelTensor]:
    """FormatError: one is unknown, missing or of a shape that does not go with the config."""
    tensors = _named(checkpoint, architecture)
    sources = {
        part.source: source_of(part.source, checkpoint.tensors)
        for tensor in tensors
        for part in tensor.parts
    }
    for tensor in tensors:
        shape = _shape(checkpoint, tensor, sources, n_vocab)
        inputs = (TransformedTensor(sources[p.source], p.transform) for p in tensor.parts)
        yield ModelTensor(tensor.name, shape, tuple(inputs))


def _named(checkpoint: Checkpoint, architecture: Architecture) -> list[NamedTensor]:
    try:
        return architecture.tensors(value_names(checkpoint.tensors), checkpoint.config)
    except KeyError as error:
        unknown: StoredTensor = checkpoint.tensors[error.args[0]]
        raise FormatError(f"{unknown} is not part of {architecture.name}") from error
    except FormatError as error:
        raise FormatError(f"{checkpoint.folder}: {error}") from error


def _shape(
    checkpoint: Checkpoint,
    tensor: NamedTensor,
    sources: Mapping[str, SourceTensor],
    n_vocab: int,
) -> tuple[int, ...]:
    """Of GGUF's tensor, as in numpy; FormatError where its parts do not go together."""
    shapes = {}
    for part in tensor.parts:
        source = sources[part.source]
        try:
            shapes[part.source] = part.transform.shape(source.shape, checkpoint.config)
        except (ValueError, IndexError) as error:
            raise FormatError(f"{source.numbers}: {error}") from error
    first, shape = next(iter(shapes.items()))
    for name, other in shapes.items():
        if other != shape:
            raise FormatError(
                f"{sources[name].numbers} has the shape {list(sources[name].shape)}, "
                f"`{first}` {list(sources[first].shape)}"
            )
    if tensor.stacked:
        shape = (len(tensor.parts), *shape)
    if tensor.name == "token_embd.weight":
        if shape[0] < n_vocab:
            raise FormatError(f"{sources[first].numbers} has {shape[0]} rows, expected {n_vocab}")
        shape = (n_vocab, *shape[1:])
    return shape


def _order(tensor: ModelTensor) -> tuple[int, int, str]:
    """The order in which a forward pass meets them."""
    head, _, rest = tensor.name.partition(".")
    if head == "blk":
        return 1, int(rest.partition(".")[0]), tensor.name
    return (2 if head.startswith("output") else 0), 0, tensor.name


def _stated_name(checkpoint: Checkpoint) -> str | None:
    """What the config itself says: a folder's name is not part of a checkpoint."""
    found = checkpoint.config.get("_name_or_path")
    return found.rstrip("/").rpartition("/")[2] or None if isinstance(found, str) else None


def _digests(folder: Path) -> dict[str, str]:
    """Of the files that are read as a whole, by name."""
    return {
        name: hashlib.sha256(read_bytes(folder / name)).hexdigest()
        for name in _READ_WHOLE
        if (folder / name).is_file()
    }
