"""Many cases in processes that may die: what became of each, and what stopped the others."""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzzing.kinds import RUN_MODELS, SHARES
from fuzzing.scratch import in_memory
from fuzzing.worker import NOW, sanitized

BATCH = 250  # cases; their share of a kind may be less
HANG = 5.0  # seconds of processor time for one case
STUCK = 6.0  # times as long by the clock: a machine that is busy with others is not a hang
MEMORY = 1 << 30  # bytes that a process may have resident
_LIFE = 8000  # cases before a process is replaced
_POLL = 0.5  # seconds
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class Batch:
    """Cases of one kind, by their numbers."""

    kind: str
    first: int
    cases: int


@dataclass(frozen=True)
class Finding:
    """A case that ended otherwise than it may. `what` tells one cause from another."""

    kind: str
    seed: int
    what: str
    trace: str = ""


@dataclass
class Report:
    """What became of the cases."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    slowest: dict[str, tuple[float, int]] = field(default_factory=dict)  # seconds, and the case
    peak: int = 0
    seconds: float = 0.0

    @property
    def cases(self) -> int:
        """All of them."""
        return sum(map(Counter.total, self.outcomes.values()))

    def add(self, kind: str, result: dict[str, Any]) -> None:
        """What a worker says of a batch."""
        self.outcomes.setdefault(kind, Counter()).update(result["outcomes"])
        self.findings += [Finding(kind, **found) for found in result["findings"]]
        seconds, seed = result["slowest"]
        self.slowest[kind] = max(self.slowest.get(kind, (0.0, 0)), (seconds, seed))
        self.peak = max(self.peak, result["peak"])

    def to_json(self) -> dict[str, Any]:
        """As JSON-ready data. Only kinds that run models count as loaded and run."""
        run = sum(self.outcomes[kind].total() for kind in RUN_MODELS if kind in self.outcomes)
        return {
            "cases": self.cases,
            "cases_of_model_files_loaded_and_run": run,
            "seconds": round(self.seconds, 1),
            "cases_per_second": round(self.cases / max(self.seconds, 1e-9), 1),
            "peak_bytes": self.peak,
            "kinds": {
                kind: {
                    "cases": counts.total(),
                    "outcomes": dict(counts.most_common()),
                    "slowest_seconds": round(self.slowest.get(kind, (0.0, 0))[0], 3),
                    "slowest_seed": self.slowest.get(kind, (0.0, 0))[1],
                }
                for kind, counts in sorted(self.outcomes.items())
            },
            "findings": [{"kind": f.kind, "seed": f.seed, "what": f.what} for f in self.findings],
        }


def batches(kinds: Iterable[str], cases: int, first: int) -> Iterator[Batch]:
    """So many cases, each kind with its share, in turns. Numbers go on from `first`."""
    shares = {kind: SHARES[kind][1] for kind in kinds}
    total = sum(shares.values())
    following = dict.fromkeys(shares, first)
    done, given = 0, dict.fromkeys(shares, 0.0)
    turn = min(BATCH * len(shares), cases)
    while done < cases:
        for kind, share in shares.items():
            given[kind] += turn * share / total
            n = min(int(given[kind]), cases - done)
            if n:
                yield Batch(kind, following[kind], n)
                following[kind] += n
                given[kind] -= n
                done += n


class Worker:
    """A child process, and what it is at."""

    def __init__(self, folder: Path, hang: float = HANG) -> None:
        """`hang`: seconds of processor time that a case may take."""
        folder.mkdir()
        self._longest = hang * (20 if sanitized() else 1)
        (folder / "now").write_bytes(NOW.pack(2**64 - 1, 0, 0))
        self._now = folder / "now"
        self._errors = (folder / "stderr").open("w+b")
        self.cases = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fuzzing.worker", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for this process alone
        )

    def run(self, batch: Batch, stopped: Callable[[], bool]) -> dict[str, Any] | str:
        """A batch's result, or in words what ended the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.cases += batch.cases
        line = json.dumps({"kind": batch.kind, "first": batch.first, "cases": batch.cases})
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return self._end()
        while True:
            ready, _, _ = select.select([self.process.stdout], [], [], _POLL)
            if ready:
                answer = self.process.stdout.readline()
                if not answer:
                    return self._end()
                found: dict[str, Any] = json.loads(answer)
                return found
            if stopped():
                self.close()
                return "stopped"
            if (hang := self._hang()) is not None:
                self.close()
                return hang

    @property
    def at(self) -> int | None:
        """The case that it is at, or was when it ended."""
        seed: int = NOW.unpack(self._now.read_bytes())[0]
        return None if seed == 2**64 - 1 else seed

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self._errors.close()

    def _hang(self) -> str | None:
        seed, processor, began = NOW.unpack(self._now.read_bytes())
        if seed == 2**64 - 1:
            return None
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            used = (int(fields[11]) + int(fields[12])) / _TICKS - processor
        except (OSError, IndexError):
            used = 0.0
        if used > self._longest:
            return f"hang: more than {self._longest:g} s of processor time"
        if time.time() - began > STUCK * self._longest:
            return f"hang: not done after {STUCK * self._longest:g} s"
        return None

    def _end(self) -> str:
        code = self.process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace")
        self._errors.close()
        name = signal.Signals(-code).name if code < 0 else f"exit {code}"
        lines = [line for line in said.splitlines() if "ERROR" in line or "runtime error" in line]
        return f"crash: {name} {lines[0] if lines else ''}".strip() + f"\n{said[-8000:]}"


def _environment() -> dict[str, str]:
    tools = str(Path(__file__).resolve().parents[1])
    inherited = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([tools, inherited] if inherited else [tools]),
        "PYTHONFAULTHANDLER": "1",
    }


def run(
    plan: Iterable[Batch],
    *,
    jobs: int,
    seconds: float = float("inf"),
    hang: float = HANG,
    found: Callable[[Finding], None] = lambda _: None,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Run batches in `jobs` processes until there are no more, time is up, or Ctrl-C comes.

    `found` hears of each finding at once, `progress` of every batch.
    """
    report, lock, began = Report(), threading.Lock(), time.monotonic()
    todo = iter(plan)
    again: queue.SimpleQueue[Batch] = queue.SimpleQueue()
    ended = threading.Event()

    def stopped() -> bool:
        return ended.is_set() or time.monotonic() - began > seconds

    def following() -> Batch | None:
        with lock:
            return again.get() if not again.empty() else next(todo, None)

    def heard(finding: Finding) -> None:
        report.findings.append(finding)
        found(finding)

    def work(folder: Path) -> None:
        worker, n = Worker(folder / "0", hang), 0
        while not stopped() and (batch := following()) is not None:
            result = worker.run(batch, stopped)
            with lock:
                if isinstance(result, dict):
                    before = len(report.findings)
                    report.add(batch.kind, result)
                    for finding in report.findings[before:]:
                        found(finding)
                    if result["peak"] > MEMORY and not sanitized():
                        what = f"memory: {result['peak'] >> 20} MB were resident"
                        heard(Finding(batch.kind, batch.first, what))
                elif result != "stopped":
                    _lost(report, batch, worker.at, result, heard, again)
                report.seconds = time.monotonic() - began
                progress(report)
            over = isinstance(result, dict) and result["peak"] > MEMORY
            if not isinstance(result, dict) or over or worker.cases > _LIFE:
                worker.close()
                n += 1
                worker = Worker(folder / str(n), hang)
        worker.close()

    with in_memory() as scratch:
        folders = [Path(scratch) / str(job) for job in range(jobs)]
        for folder in folders:
            folder.mkdir()
        threads = [threading.Thread(target=work, args=(folder,)) for folder in folders]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)
        except KeyboardInterrupt:
            pass
        finally:
            ended.set()
            for thread in threads:
                thread.join()
    report.seconds = time.monotonic() - began
    return report


def _lost(
    report: Report,
    batch: Batch,
    at: int | None,
    result: str,
    heard: Callable[[Finding], None],
    again: queue.SimpleQueue[Batch],
) -> None:
    """A process ended within a batch: the case that it was at is a finding, the others go on.

    Those before it are run again, as what they had come to is lost.
    """
    what, _, trace = result.partition("\n")
    seed = batch.first if at is None else at
    heard(Finding(batch.kind, seed, what, trace))
    report.outcomes.setdefault(batch.kind, Counter())["FINDING"] += 1
    if at is None:
        return
    if seed > batch.first:
        again.put(Batch(batch.kind, batch.first, seed - batch.first))
    if seed + 1 < batch.first + batch.cases:
        again.put(Batch(batch.kind, seed + 1, batch.first + batch.cases - seed - 1))
