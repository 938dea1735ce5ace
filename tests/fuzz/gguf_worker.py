"""Read fuzz cases in a process of its own: python -m tests.fuzz.gguf_worker FIRST CASES FILE

Writes each case to FILE, which a crash leaves behind, and what became of them, as JSON, to stdout.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

from pestle._core import GgufFile
from pestle.errors import Error
from pestle.gguf import describe

from tests.fuzz.gguf_cases import case

MEMORY_LIMIT = 1 << 30  # of address space, beyond what the process has when it starts


def read_everything(path: Path) -> None:
    """Open a file, convert all its metadata and look at all its data; check what was promised."""
    file = GgufFile(path)
    for key in file.keys():  # noqa: SIM118 - no mapping
        file[key]
    for tensor in file.tensors:
        assert tensor.name.isprintable()
        assert tensor.name.isascii()
        assert all(tensor.shape)
        data = file.read(tensor.name)
        assert data.size == tensor.nbytes > 0
        data.max()
    for before, after in pairwise(file.tensors):
        assert before.offset + before.nbytes <= after.offset
    if file.tensors:
        assert file.tensors[-1].offset + file.tensors[-1].nbytes <= file.size
    describe(path)


def outcome(path: Path) -> str:
    """ "ok", or the name of the typed error. Any other exception is a bug and goes on."""
    try:
        read_everything(path)
    except Error as error:
        failure = error
    else:
        return "ok"
    assert str(failure).isprintable()
    assert len(str(failure)) < 500
    return type(failure).__name__


def limit_memory() -> None:
    """Make a large allocation fail. Sanitizers reserve terabytes, so not under them."""
    if sys.platform != "linux" or "libasan" in os.environ.get("LD_PRELOAD", ""):
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def peak_bytes() -> int:
    """The most memory that was resident at a time; 0 where the system does not tell."""
    if sys.platform == "linux":  # getrusage begins with what the process that started this one had
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(first: int, cases: int, path: Path) -> None:
    limit_memory()
    for index in range(first, first + min(cases, 50)):  # first uses load modules
        path.write_bytes(case(index))
        outcome(path)
    outcomes: Counter[str] = Counter()
    slowest, before = 0.0, peak_bytes()
    for index in range(first, first + cases):
        path.write_bytes(case(index))
        start = time.perf_counter()
        outcomes[outcome(path)] += 1
        slowest = max(slowest, time.perf_counter() - start)
    result = {"outcomes": outcomes, "slowest_s": slowest, "grown_bytes": peak_bytes() - before}
    sys.stdout.write(json.dumps(result))
    path.unlink()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
