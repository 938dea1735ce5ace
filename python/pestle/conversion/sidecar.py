"""FILE.manifest.json: the manifest that lies beside a converted file, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pestle._core import GgufFile, GgufTensor
from pestle.conversion.execution import manifest_path
from pestle.conversion.manifest import Manifest
from pestle.errors import FormatError
from pestle.tensors.plan import Output
from pestle.untrusted_json import read_object

_SHOWN: Final = 3


def sidecar_path(file: GgufFile) -> Path:
    """Where the manifest of `file` lies."""
    path, n_shards = Path(file.paths[0]), len(file.paths)
    if n_shards > 1:
        stem = path.stem.removesuffix(f"-{1:05}-of-{n_shards:05}")
        path = path.with_name(stem + path.suffix)
    return manifest_path(path)


def sidecar_problems(file: GgufFile, manifest: Manifest) -> tuple[str, ...]:
    """In what the manifest beside `file` is not the one in its metadata; empty where it is.

    Each is the rest of a sentence that begins with the path. The values are compared, not how
    they are laid out in lines. Error: it is there and cannot be read.
    """
    path = sidecar_path(file)
    if not path.exists():
        return ("is missing",)
    names = [Path(name).name for name in file.paths]
    try:
        expected = manifest.to_json(names, [_output(tensor) for tensor in file.tensors])
        found = read_object(path)
    except FormatError as error:
        return (str(error).removeprefix(f"{path} ").removeprefix(f"{path}: "),)
    shown = list(islice(_differences(found, expected, ""), _SHOWN + 1))
    return (*shown[:_SHOWN], *["differs in more"] * (len(shown) > _SHOWN))


def _output(tensor: GgufTensor) -> Output:
    return Output(tensor.name, tensor.type, tuple(reversed(tensor.shape)), tensor.nbytes)


def _differences(found: Any, expected: Any, where: str) -> Iterator[str]:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys()):
            inner = f"{where}.{key:.60}" if where else f"{key:.60}"
            if key not in expected:
                yield f"has `{inner}`, which is not in the file"
            elif key not in found:
                yield f"lacks `{inner}`"
            else:
                yield from _differences(found[key], expected[key], inner)
    elif isinstance(found, list) and isinstance(expected, list):
        if len(found) != len(expected):
            yield f"has {len(found)} `{where}`, the file {len(expected)}"
        for n, (one, other) in enumerate(zip(found, expected, strict=False)):
            yield from _differences(one, other, f"{where}[{n}]")
    elif type(found) is not type(expected) or found != expected:
        yield f"says `{where}` is {found!r:.80}, the file {expected!r:.80}"
