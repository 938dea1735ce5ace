"""Cases that failed, on the disk, made smaller where that is cheap; and the corpus."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from fuzzing.campaign import Finding
from fuzzing.kinds import kind

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
_MOST = 5  # files of one cause
_REDUCTIONS = 300  # attempts at a smaller case
_SECONDS = 10


class Folder:
    """Where findings are written: KIND-SEED.case and what happened, KIND-SEED.txt."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._causes: dict[str, int] = {}

    def add(self, finding: Finding) -> Path | None:
        """Write a case; None where there are enough of its cause."""
        cause = f"{finding.kind} {finding.what}"
        self._causes[cause] = self._causes.get(cause, 0) + 1
        if self._causes[cause] > _MOST:
            return None
        self._path.mkdir(parents=True, exist_ok=True)
        stem = self._path / f"{finding.kind}-{finding.seed}"
        case = stem.with_suffix(".case")
        try:
            case.write_bytes(kind(finding.kind).case(finding.kind, finding.seed))
        except Exception as error:  # then the mistake is the fuzzer's own, and the trace says where
            case.write_bytes(repr(error).encode())
        again = f"tools/fuzz {finding.kind} --seed {finding.seed}"
        stem.with_suffix(".txt").write_text(
            f"{finding.what}\n{again}\n\n{finding.trace}\n", "utf-8"
        )
        return case

    @property
    def causes(self) -> dict[str, int]:
        """How often each cause was found."""
        return dict(sorted(self._causes.items(), key=lambda item: -item[1]))


def replay(name: str, case: bytes, folder: Path) -> str:
    """Run a case in this process: its outcome. Raises what is a bug."""
    return kind(name).outcome(case, folder)


def failure(name: str, case: Path) -> str | None:
    """Run a case in a process of its own: the last line of its failure, None if it passes."""
    command = [sys.executable, str(ROOT / "tools" / "fuzz"), name, "--case", str(case)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        return "hang"
    if done.returncode == 0:
        return None
    return f"{done.returncode} {(done.stderr.strip().splitlines() or ['?'])[-1]}"


def reduced(case: bytes, fails: Callable[[bytes], bool], attempts: int = _REDUCTIONS) -> bytes:
    """Leave out whatever need not be there, halves first, while `fails`."""
    size = len(case) // 2
    while size and attempts:
        at = 0
        while at < len(case) and attempts:
            attempts -= 1
            shorter = case[:at] + case[at + size :]
            if fails(shorter):
                case = shorter
            else:
                at += size
        size //= 2
    return case


def minimise(name: str, path: Path, attempts: int = 60) -> bytes:
    """A smaller case that fails in the same way, each attempt in a process of its own."""
    case = path.read_bytes()
    wanted = failure(name, path)
    if wanted is None:
        return case
    with tempfile.TemporaryDirectory(prefix="pestle-fuzz-") as folder:
        attempt = Path(folder) / "case"

        def fails(shorter: bytes) -> bool:
            attempt.write_bytes(shorter)
            return failure(name, attempt) == wanted

        return reduced(case, fails, attempts)


def keep(name: str, case: bytes, label: str, story: str) -> Path:
    """Put a case into the corpus, with a line that says what it once broke."""
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / label
    path.write_bytes(case)
    notes = CORPUS / "README.md"
    with notes.open("a", encoding="utf-8") as stream:
        stream.write(f"| `{name}/{label}` | {story} |\n")
    return path
