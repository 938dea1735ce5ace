"""A process that makes and runs cases: python -m fuzzing.worker FOLDER

Takes lines of JSON from stdin, each of them a batch {"kind", "first", "cases"}, and answers each
with a line. Which case it is at, and since when, stands in FOLDER/now before the case begins, so
whoever started this process knows what ended it. An exception that is no right answer does not end
the process; it is reported as a finding.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from fuzzing.kinds import DEFAULT, Kind, kind
from fuzzing.scratch import emptied

MEMORY = 1 << 30  # bytes of address space, beyond what the process has when it begins
NOW = struct.Struct("<Qdd")  # the case; processor time and time when it began
_MOST_FINDINGS = 50  # of a batch


def sanitized() -> bool:
    """Whether this runs under AddressSanitizer, which reserves terabytes and takes its time."""
    return "libasan" in os.environ.get("LD_PRELOAD", "")


def limit_memory() -> None:
    """Make a large allocation fail, where the system knows such limits."""
    if sys.platform != "linux" or sanitized():
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def peak_bytes() -> int:
    """The most memory that was resident at a time; 0 where /proc does not tell."""
    try:  # getrusage would begin with what the process that started this one had
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def where(error: BaseException) -> str:
    """The innermost places of Pestle and of the fuzzer: what tells findings apart."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/pestle/" in f.filename or "/fuzzing/" in f.filename]
    places = [f"{Path(f.filename).name}:{f.lineno}" for f in ours[-2:]]
    return f"{type(error).__name__} at {' > '.join(places)}"


def run_batch(name: str, first: int, cases: int, folder: Path, now: mmap.mmap) -> dict[str, Any]:
    """Make and run the cases from `first` on; what became of them."""
    found: Kind = kind(name)
    outcomes: Counter[str] = Counter()
    findings: list[dict[str, Any]] = []
    slowest = (0.0, first)
    work = folder / "work"
    work.mkdir(exist_ok=True)
    for seed in range(first, first + cases):
        began = time.process_time()
        now[: NOW.size] = NOW.pack(seed, began, time.time())
        try:
            case = found.case(name, seed)
            began = time.process_time()
            outcomes[found.outcome(case, work)] += 1
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            outcomes["FINDING"] += 1
            if len(findings) < _MOST_FINDINGS:
                text = "".join(traceback.format_exception(error))
                findings.append({"seed": seed, "what": where(error), "trace": text[-8000:]})
        slowest = max(slowest, (time.process_time() - began, seed))
        emptied(work)
    now[: NOW.size] = NOW.pack(2**64 - 1, 0, 0)
    return {
        "outcomes": outcomes,
        "findings": findings,
        "slowest": slowest,
        "peak": peak_bytes(),
    }


def main(folder: Path) -> None:
    """Run batches until there are no more."""
    os.environ.update(
        PESTLE_CACHE=str(folder / "cache"), PESTLE_DATA=str(folder / "data"), HF_HUB_OFFLINE="0",
        HF_HOME=str(folder / "hub"), HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1",
    )  # fmt: skip
    with (folder / "now").open("r+b") as stream:
        now = mmap.mmap(stream.fileno(), NOW.size)
    for name in DEFAULT:
        kind(name)  # modules are no part of what a case may take
    limit_memory()
    for line in sys.stdin:
        batch = json.loads(line)
        result = run_batch(batch["kind"], batch["first"], batch["cases"], folder, now)
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
