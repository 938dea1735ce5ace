"""Random operations among other people's files, while the system refuses, interrupts and kills.

    python -m tests.files.bystanders 10000 [SEED]

After each: every bystander is there, byte for byte, with its mode and inode; no file of this
program is half-written; and what was stopped goes on. Prints the figures; exit code 1 for a fault.
"""

from __future__ import annotations

import collections
import errno
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.files import others
from tests.files.faults import Fault, injected
from tests.files.operations import EXPECTED, World, settings

_ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
_REMOVING = ("remove_session", "delete")
_KILLED = -signal.SIGKILL


@dataclass
class Figures:
    """What was done, and what of it was wrong."""

    operations: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: collections.Counter[str] = field(default_factory=collections.Counter)
    bystanders: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        done = ", ".join(f"{name} {n}" for name, n in sorted(self.operations.items()))
        faults = ", ".join(f"{name} {n}" for name, n in sorted(self.faults.items()))
        return (
            f"{self.operations.total():,} operations ({done})\n"
            f"{self.faults.total():,} of them with a fault that came ({faults})\n"
            f"{self.bystanders} bystanders, {len(self.wrong)} wrong"
        )


def run(
    n: int,
    seed: int,
    root: Path,
    only: Container[str] | None = None,
    begin: Callable[[], None] = lambda: None,
) -> Figures:
    """n operations, of the names in `only`; stops at the tenth thing that is wrong.

    begin: what is called once all is prepared.
    """
    draw = random.Random(seed)
    figures = Figures()
    world = World(root, draw)
    with settings(world):
        watched = [
            root / name for name in ("work", "data", "cache", "hub", "chats", "state", "out")
        ]
        before = _prepare(world, watched)
        figures.bystanders = len(before)
        begin()
        lengths: dict[str, int] = {}
        operations = [o for o in world.operations() if only is None or o.__name__ in only]
        for number in range(n):
            operation = draw.choice(operations)
            name = operation.__name__
            fault = _fault(draw, lengths.get(name, 20))
            there = world.lasting()
            ended = _carried_out(operation, fault)
            figures.operations[name] += 1
            if fault.fired or ended == "kill":
                figures.faults[str(fault.kind) if isinstance(fault.kind, str)
                               else errno.errorcode[fault.kind]] += 1  # fmt: skip
            elif ended == "done" and fault.kind != "kill":
                lengths[name] = max(lengths.get(name, 0), fault.count)
            told = f"{number}: {name}, {fault}, {ended}"
            if ended.startswith("bug"):
                figures.wrong.append(f"{told}")
            after = others.state(*watched)
            figures.wrong += [
                f"{told}: {path} is changed" for path in others.changed(before, after)
            ]
            figures.wrong += [f"{told}: {what}" for what in world.wrong()]
            if name not in _REMOVING:
                gone = there - world.lasting()
                figures.wrong += [f"{told}: {path} is gone" for path in sorted(gone)]
            if len(figures.wrong) >= 10:
                break
        figures.wrong += _left(world, before, watched)
    return figures


def _fault(draw: random.Random, length: int) -> Fault:
    kinds: list[int | str] = [*_ERRORS, "interrupt", "kill"]
    kind = draw.choice(kinds)
    if draw.random() < 0.15:
        return Fault(0, errno.EIO)  # none
    return Fault(1 + draw.randrange(max(1, length)), kind, after=draw.random() < 0.3)


def _carried_out(operation: Any, fault: Fault) -> str:
    """How it ended. To be killed is for a process of its own."""
    if fault.kind != "kill" or fault.at == 0:
        return _tried(operation, fault)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 2
        try:
            code = 1 if _tried(operation, fault).startswith("bug") else 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    ended = os.waitstatus_to_exitcode(status)
    operation.__self__.draw.random()  # what the child has drawn is not known here
    return {_KILLED: "kill", 0: "done"}.get(ended, f"bug: the process ended with {ended}")


def _tried(operation: Any, fault: Fault) -> str:
    with injected(fault):
        try:
            operation()
        except EXPECTED as error:
            return f"refused: {error}"
        except Exception as error:
            return f"bug: {error!r}"
    return "done"


def _prepare(world: World, watched: list[Path]) -> dict[str, Any]:
    """Sessions, a repository and folders, and what is there of others, in them and beside them."""
    world.digest()
    world.history()
    for session in ("a", "full"):
        while not (world.data / "sessions" / session / "session.json").exists():
            _tried(world.save, Fault(0, 0))
    for _ in range(30):
        _tried(world.download, Fault(0, 0))
    others.fill(world.root / "out", world.root / "out")
    for commit, target in zip("cdef", ("thesis.tex", "kv-notes", "x.tmp", "blob"), strict=True):
        link = world.blobs.parent / "snapshots" / (commit * 40) / "Tiny-Q8_0.gguf"
        link.parent.mkdir(parents=True)
        link.symlink_to(world.root / "out" / target)  # the link may go, what it leads to may not
    own = {path: what for path, what in others.state(*watched).items() if "/out/" not in path}
    repository = world.blobs.parent
    folders = [
        world.work, world.chats, world.data, world.data / "sessions", world.cache,
        world.cache / "models", world.data / "sessions" / "full", world.hub, world.blobs,
        repository, repository / "refs", repository / "snapshots",
        repository / "snapshots" / ("a" * 40), world.root / "state" / "pestle",
    ]  # fmt: skip
    for folder in folders:
        others.fill(folder, world.root / "out")
    world.others_here()
    return {path: what for path, what in others.state(*watched).items() if path not in own}


def _left(world: World, before: dict[str, Any], watched: list[Path]) -> list[str]:
    """What is there that nobody needs, once everything has been done without a fault."""
    from pestle import files

    for folder in {Path(path).parent for path in others.state(*watched)}:
        if folder.is_dir() and not folder.is_symlink():
            files.remove_leftovers(folder)
    paths = [path for path in others.state(*watched) if path not in before]
    return [f"{path} was left" for path in paths if files.is_temporary(Path(path))]


def main(arguments: list[str]) -> int:
    n = int(arguments[0]) if arguments else 1000
    seed = int(arguments[1]) if len(arguments) > 1 else 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as root:
        figures = run(n, seed, Path(root))
    for line in figures.wrong:
        print(line)
    print(f"{figures}\n{time.monotonic() - began:.0f} s")
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
