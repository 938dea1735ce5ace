"""Files that are cut, overwritten, replaced and removed at any moment while they are worked with.

Whatever happens is a typed error or success: no signal ends the process, and no other exception
comes out. That it is the right one for each case is tested one by one elsewhere.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pestle import errors

from .worker import OPERATIONS

ROOT = Path(__file__).resolve().parents[3]
ROUNDS = 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be changed there"),
]


class Storm:
    """Does something to one of the files, and puts it back as it was after a moment."""

    def __init__(self, files: dict[Path, bytes], seed: int) -> None:
        self._files = files
        self._random = random.Random(seed)

    def strike(self) -> None:
        path = self._random.choice(list(self._files))
        content = self._files[path]
        self._wait(0.04)
        self._damage(path, content)
        self._wait(0.01)
        aside = path.with_name("aside")
        aside.write_bytes(content)
        aside.replace(path)

    def _wait(self, most: float) -> None:
        time.sleep(self._random.uniform(0, most))

    def _damage(self, path: Path, content: bytes) -> None:
        match self._random.randrange(6):
            case 0:
                os.truncate(path, self._random.randrange(len(content)))
            case 1:
                with path.open("r+b") as stream:
                    stream.seek(self._random.randrange(len(content)))
                    stream.write(self._random.randbytes(100))
            case 2:
                with path.open("ab") as stream:
                    stream.write(bytes(100))
            case 3:
                path.unlink()
            case 4:  # as a download that starts again
                path.write_bytes(content[: self._random.randrange(len(content))])
            case 5:
                aside = path.with_name("aside")
                aside.write_bytes(self._random.randbytes(len(content)))
                aside.replace(path)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_storm(operation: str, originals: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    shutil.copytree(originals, place)
    (tmp_path / "scratch").mkdir()
    changed = sorted((place / "source").iterdir()) if operation == "convert" else []
    changed = changed or [place / "model.gguf"]
    storm = Storm({path: path.read_bytes() for path in changed}, len(operation))
    command = [sys.executable, "-m", "tests.unit.changing.worker", operation]
    command += map(str, (place / "model.gguf", place / "source", tmp_path / "scratch", ROUNDS))
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        while child.poll() is None:
            storm.strike()
        out, err = child.communicate()
    assert child.returncode == 0, f"{child.returncode}: {err}"
    outcomes = json.loads(out)
    assert sum(outcomes.values()) == ROUNDS
    assert outcomes.keys() <= {"ok", *errors.__all__}
