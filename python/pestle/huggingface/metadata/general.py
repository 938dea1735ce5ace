"""What GGUF says of a file as a whole, and the sampling that its author recommends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pestle.errors import FormatError
from pestle.huggingface.config import is_float32
from pestle.untrusted_json import read_object

_SAMPLING: Final[Mapping[str, str]] = {
    "temperature": "temp",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repetition_penalty": "penalty_repeat",
}
"""GGUF's `general.sampling.*`, by the names of generation_config.json."""
FILE_TYPE: Final = "general.file_type"
VERSION_KEY: Final = "general.quantization_version"
QUANTIZATION_VERSION: Final = 2
"""Of ggml's block formats; it has not changed since 2023."""


def general_keys(
    architecture: str, *, name: str | None, generation: Mapping[str, Any]
) -> dict[str, Any]:
    """`general.*`, with the file type of floats. `generation`: generation_config.json."""
    keys: dict[str, Any] = {"general.architecture": architecture, "general.type": "model"}
    if name is not None:
        keys["general.name"] = name
    keys[FILE_TYPE] = 0
    keys[VERSION_KEY] = QUANTIZATION_VERSION
    if generation.get("do_sample", True):
        for theirs, ours in _SAMPLING.items():
            value = generation.get(theirs)
            if value is None:
                continue
            if not is_float32(value) or (ours == "top_k" and not _is_count(value)):
                raise FormatError(f"generation_config.json: `{theirs}` is {value!r:.40}")
            keys[f"general.sampling.{ours}"] = value if ours == "top_k" else float(value)
    return keys


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def read_generation_config(folder: Path) -> dict[str, Any]:
    """generation_config.json, empty where there is none; FormatError where it is malformed."""
    path = folder / "generation_config.json"
    return read_object(path) if path.is_file() else {}
