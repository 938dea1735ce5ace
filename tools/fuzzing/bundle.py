"""Several named files in one case: JSON of their names and sizes, and their bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def bundled(files: Mapping[str, bytes]) -> bytes:
    """As one."""
    names = json.dumps({name: len(data) for name, data in files.items()}).encode()
    return names + b"\n" + b"".join(files.values())


def unbundled(case: bytes) -> dict[str, bytes]:
    """What was bundled. What a reducer has left may be less than was promised."""
    names, _, rest = case.partition(b"\n")
    files, at = {}, 0
    for name, size in json.loads(names).items():
        files[name] = rest[at : at + size]
        at += size
    return files


def write(case: bytes, folder: Path) -> dict[str, bytes]:
    """Write the files of a case into `folder`; returns them."""
    files = unbundled(case)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return files
