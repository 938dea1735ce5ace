"""A checkpoint's folder: config.json and the safetensors, in one file or in many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pestle.errors import FormatError, ModelNotFoundError
from pestle.huggingface.config import ModelConfig, read_config
from pestle.huggingface.safetensors import SafetensorsFile, open_safetensors
from pestle.models.file_names import is_file_name
from pestle.tensors.source_tensor import StoredTensor
from pestle.untrusted_json import read_object

INDEX: Final = "model.safetensors.index.json"
SINGLE: Final = "model.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint; every header has been checked, no tensor has been read."""

    folder: Path
    config: ModelConfig
    files: tuple[SafetensorsFile, ...]
    """In the order of their names."""
    tensors: dict[str, StoredTensor]
    """By name."""

    @property
    def path(self) -> Path:
        """The folder: what messages call it."""
        return self.folder


def open_checkpoint(folder: Path) -> Checkpoint:
    """Open a checkpoint.

    ModelNotFoundError: there is no such folder. FormatError: something in it is missing or wrong.
    UnsupportedError: it is of a kind that Pestle does not convert. Error: it cannot be read.
    """
    if not folder.exists():
        raise ModelNotFoundError(f"{folder} does not exist, expected a Hugging Face checkpoint")
    if not folder.is_dir():
        hint = "; `pestle quantize` takes GGUF files" if folder.suffix == ".gguf" else ""
        raise ModelNotFoundError(
            f"{folder} is not a folder, expected a Hugging Face checkpoint{hint}"
        )
    config = read_config(folder / "config.json")
    index = folder / INDEX
    places = _weight_map(index) if index.is_file() else None
    names = sorted(set(places.values())) if places is not None else [SINGLE]
    if places is None and not (folder / SINGLE).is_file():
        others = sorted(p.name for p in folder.glob("*.bin")) + sorted(
            p.name for p in folder.glob("*.gguf")
        )
        hint = f"; {others[0]} is of another format" if others else ""
        raise FormatError(f"{folder} holds neither {SINGLE} nor {INDEX}{hint}")
    files = tuple(open_safetensors(folder / name) for name in names)
    tensors: dict[str, StoredTensor] = {}
    for file in files:
        for tensor in file.tensors:
            if (other := tensors.get(tensor.name)) is not None:
                raise FormatError(f"{tensor} is in {other.path.name} too")
            tensors[tensor.name] = tensor
    if places is not None:
        _check_places(index, places, tensors)
    return Checkpoint(folder, config, files, tensors)


def _weight_map(index: Path) -> dict[str, str]:
    found = read_object(index).get("weight_map")
    if not isinstance(found, dict) or not found:
        raise FormatError(f"{index}: `weight_map` is missing or empty")
    for name, place in found.items():
        if not isinstance(place, str) or not is_file_name(place):
            raise FormatError(
                f"{index}: tensor `{name:.100}` is in {place!r:.60}, expected the name of a file"
            )
    return found


def _check_places(index: Path, places: dict[str, str], tensors: dict[str, StoredTensor]) -> None:
    for name, place in places.items():
        if name not in tensors or tensors[name].path.name != place:
            raise FormatError(f"{index}: tensor `{name:.100}` is not in {place}")
    for name, tensor in tensors.items():
        if name not in places:
            raise FormatError(f"{tensor} is not in {index.name}")
