"""Other people's files: a folder full of them, and whether they are still what they were."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

_NEAR = (
    # Sessions
    "kv-notes", "kv-000001.bak", "kv-1", "kv-", "KV-000001", "session.json.bak", "session.json~",
    "lock.bak", "lockfile", "session.json.tmp",
    # Temporary files
    ".pestle-0123456789abcdef-0123456789abcdef.tmp", ".pestle-notes.tmp", "x.tmp", "x.part",
    ".pestle-work.bak",
    # Outputs and what lies beside them
    "out.gguf.partial.bak", "x.partial", "out.gguf.bak", "out.gguf.journal", "out.gguf.measured",
    "out.gguf.partial.lock", "out.gguf.partial.journal", "out.gguf.part", "thesis.tex",
    # Caches
    "main", "model_digests.json.bak", "0" * 40 + ".bak", "Tiny__Q8_0.gguf", "blob",
)  # fmt: skip


def fill(folder: Path, outside: Path) -> None:
    """Put files, links, folders and a pipe into `folder`; links lead to files in `outside`."""
    folder.mkdir(parents=True, exist_ok=True)
    outside.mkdir(parents=True, exist_ok=True)
    thesis = outside / f"thesis-{folder.name}"
    if not thesis.exists():
        thesis.write_bytes(b"three years of work\n")
    for n, name in enumerate(_NEAR):
        path = folder / name
        if path.exists():
            continue  # of Pestle
        path.write_bytes(f"{name} is mine\n".encode() * (n % 3))
        path.chmod((0o600, 0o644, 0o444, 0o755)[n % 4])
    (folder / "kv-link").symlink_to(thesis)
    (folder / "x.lock").symlink_to("nowhere")
    os.link(thesis, folder / "kv-hard")
    for name in ("kv-folder", ".pestle-fedcba9876543210-0000000000000000.tmp", "folder.partial"):
        (folder / name).mkdir()
        (folder / name / "kv-000001").write_bytes(b"a file in a folder\n")
        (folder / name / "session.json").write_bytes(b"{}")
    (folder / "empty").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "kv-pipe")


def state(*folders: Path) -> dict[str, Any]:
    """All that stands in `folders`: kind, mode, device, inode, and contents or where it leads."""
    found: dict[str, Any] = {}
    for folder in folders:
        for above, names, files in os.walk(folder):
            for name in (*names, *files):
                path = Path(above) / name
                status = path.lstat()
                what: Any = None
                if stat.S_ISREG(status.st_mode):
                    what = path.read_bytes()
                elif stat.S_ISLNK(status.st_mode):
                    what = str(path.readlink())
                found[str(path)] = (status.st_mode, status.st_dev, status.st_ino, what)
    return found


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The paths of `before` that are gone or are something else."""
    return [path for path, what in before.items() if after.get(path) != what]
