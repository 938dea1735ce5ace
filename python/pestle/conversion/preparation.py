"""All that the conversion of a checkpoint decides before it reads a weight."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pestle.conversion.checkpoint_plan import plan_tensors
from pestle.conversion.manifest import UNKNOWN, Manifest
from pestle.conversion.options import Options
from pestle.conversion.prepared import Prepared
from pestle.errors import FormatError, UnsupportedError
from pestle.huggingface import Checkpoint, check_quantization, open_checkpoint
from pestle.huggingface.folder import INDEX
from pestle.huggingface.metadata import architecture_keys, general_keys, read_generation_config
from pestle.huggingface.names import NAME_MAPS
from pestle.huggingface.vocabulary import tokenizer_keys, vocabulary_rows
from pestle.quantization import ModelFacts, file_type
from pestle.tensors.weighting import ImportanceSource, Weighting
from pestle.untrusted_json import read_bytes
from pestle.version import own_version

_READ_WHOLE = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "chat_template.json",
    "chat_template.jinja",
    INDEX,
)
"""What a checkpoint holds beside its safetensors and decides what a file says."""


def prepare(
    source: Path,
    options: Options,
    *,
    importance: ImportanceSource | None = None,
    repository: str | None = None,
    revision: str | None = None,
) -> Prepared:
    """Open the checkpoint in the folder `source` and decide everything.

    importance: what `options.imatrix` is the digest of. Raises ModelNotFoundError, FormatError,
    UnsupportedError and TokenizerError, which say what of the checkpoint is wrong or cannot be
    converted, and otherwise as `stored_types`.
    """
    read = _digests(source)
    checkpoint = open_checkpoint(source)
    config = checkpoint.config
    if config.model_type not in NAME_MAPS:
        raise UnsupportedError(
            f"{config.path}: model_type `{config.model_type:.40}` is not known; "
            f"Pestle converts {', '.join(NAME_MAPS)}"
        )
    check_quantization(config)
    names = NAME_MAPS[config.model_type]
    architecture = names.architecture
    n_vocab = vocabulary_rows(config)
    own = architecture_keys(architecture, config) | {"vocab_size": n_vocab}
    facts = ModelFacts(
        own["block_count"],
        own["attention.head_count"],
        own["attention.head_count_kv"],
        own.get("expert_count", 0),
    )
    plan = plan_tensors(checkpoint, names, options, facts, n_vocab=n_vocab)
    generation = read_generation_config(source)
    keys = {
        **general_keys(
            architecture,
            name=options.name or _stated_name(checkpoint),
            file_type=file_type(options.to),
            generation=generation,
        ),
        **{f"{architecture}.{key}": value for key, value in own.items()},
        **tokenizer_keys(source, config, generation, n_vocab, pre=options.tokenizer_pre),
    }
    if _digests(source) != read:  # what was read in between may be of neither
        raise FormatError(f"{source}: its files were changed while they were read")
    return Prepared(
        checkpoint,
        plan,
        keys,
        Manifest(
            own_version(),
            options.record(),
            read | {file.name: UNKNOWN for file in checkpoint.files},
            (UNKNOWN,) * len(plan.outputs),
            repository,
            revision,
        ),
        Weighting(importance, plan.outputs) if importance is not None else None,
    )


def _stated_name(checkpoint: Checkpoint) -> str | None:
    """What the config itself says: a folder's name is not part of a checkpoint."""
    found = checkpoint.config.get("_name_or_path")
    return found.rstrip("/").rpartition("/")[2] or None if isinstance(found, str) else None


def _digests(folder: Path) -> dict[str, str]:
    """Of the files that are read as a whole, by name."""
    paths = [folder / name for name in _READ_WHOLE]
    return {
        path.name: hashlib.sha256(read_bytes(path)).hexdigest() for path in paths if path.is_file()
    }
