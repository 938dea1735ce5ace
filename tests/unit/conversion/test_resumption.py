"""A conversion that was killed goes on, and makes the bytes of an undisturbed one."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pestle import files
from pestle.conversion import convert
from pestle.conversion.execution import Conversion, carry_out
from pestle.conversion.journal import Journal, JournalState
from pestle.conversion.options import ConversionOptions
from pestle.conversion.partial import Workplace
from pestle.conversion.plan import open_source, plan_conversion
from pestle.errors import Error
from pestle.tensors import plan as plan_module

PIECE = 60_000


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class StopError(Exception):
    pass


class StopAt:
    """Ends a conversion after so many bytes."""

    def __init__(self, n: int) -> None:
        self.left = n

    def start(self, label: str, total_bytes: int | None) -> None:
        pass

    def advance(self, n: int) -> None:
        self.left -= n
        if self.left < 0:
            raise StopError

    def finish(self) -> None:
        pass


def run(source: Path, path: Path, stop: int | None = None) -> Conversion:
    """Convert, noting every piece, and end after `stop` bytes."""
    progress = None if stop is None else StopAt(stop)
    plan = plan_conversion(open_source(source), ConversionOptions("Q8_0"))
    return carry_out(plan, path, progress=progress, record_seconds=0)


@pytest.fixture(autouse=True)
def many_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting for the disk: what is killed here is the process, not the machine."""
    monkeypatch.setattr(plan_module, "PIECE_BYTES", PIECE)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def test_stopped_anywhere(source: Path, tmp_path: Path) -> None:
    expected = run(source, tmp_path / "whole.gguf")
    wanted = sha256(expected.paths[0])
    path, total = tmp_path / "out.gguf", expected.bytes_read + expected.bytes_written
    for part in range(1, 20, 3):
        with pytest.raises(StopError):
            run(source, path, total * part // 20)
        assert not path.exists()
        made = run(source, path)
        assert made.resumed
        assert sha256(path) == wanted
        assert made.manifest == expected.manifest
        path.unlink()
    assert sorted(p.suffix for p in tmp_path.iterdir()) == ["", ".gguf", ".json", ".json"]


def test_stopped_again_and_again(source: Path, tmp_path: Path) -> None:
    """Only what was not noted is read again: each run comes further."""
    wanted = sha256(run(source, tmp_path / "whole.gguf").paths[0])
    path, journal = tmp_path / "out.gguf", tmp_path / "out.gguf.partial" / "out.gguf.journal"
    done = []
    for part in range(1, 6):
        with pytest.raises(StopError):
            run(source, path, part * 1_000_000)
        done.append(journal.read_text().splitlines()[-1])
    assert len(set(done)) == len(done)
    run(source, path)
    assert sha256(path) == wanted


def test_stopped_with_several_files(source: Path, tmp_path: Path) -> None:
    plan = plan_conversion(open_source(source), ConversionOptions("Q8_0", split_size=1_000_000))
    wanted = [sha256(path) for path in carry_out(plan, tmp_path / "whole.gguf").paths]
    path = tmp_path / "out.gguf"
    with pytest.raises(StopError):
        carry_out(plan, path, progress=StopAt(4_000_000), record_seconds=0)
    assert not list(tmp_path.glob("out-*.gguf"))
    made = carry_out(plan, path, record_seconds=0)
    assert made.resumed
    assert [sha256(path) for path in made.paths] == wanted
    assert not list(tmp_path.glob("*.partial*"))


def test_quantizing_that_was_stopped(source: Path, tmp_path: Path) -> None:
    wide = convert(source, tmp_path / "wide.gguf", to="F32").paths[0]
    plan = plan_conversion(open_source(wide), ConversionOptions("Q8_0", split_size=1_000_000))
    expected = carry_out(plan, tmp_path / "whole.gguf")
    path, total = tmp_path / "out.gguf", expected.bytes_read + expected.bytes_written
    for part in (5, 12, 18):
        with pytest.raises(StopError):
            carry_out(plan, path, progress=StopAt(total * part // 20), record_seconds=0)
        assert not list(tmp_path.glob("out-*.gguf"))
    made = carry_out(plan, path, record_seconds=0)
    assert made.resumed
    assert [sha256(p) for p in made.paths] == [sha256(p) for p in expected.paths]


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_stopped_while_shards_are_replaced(
    n: int, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After n changes to names: no mixed model is there, and the next run ends what was begun."""
    options: dict[str, Any] = {"split_size": 3_000_000, "overwrite": True}
    path = tmp_path / "out.gguf"
    before = convert(source, path, to="F16", **options).paths
    wanted = [sha256(p) for p in convert(source, tmp_path / "w.gguf", to="BF16", **options).paths]
    first, old = before[0], [sha256(path) for path in before]
    assert len(old) == len(wanted) == 3
    with monkeypatch.context() as patch:
        left = n

        def counted(change: Any) -> Any:
            def changed(*args: Path, **kwargs: Any) -> Any:
                nonlocal left
                if args[-1].name.startswith("out-") and "json" not in args[-1].name:
                    left -= 1
                    if left < 0:
                        raise StopError
                return change(*args, **kwargs)

            return changed

        patch.setattr(files, "move", counted(files.move))
        patch.setattr(files, "remove", counted(files.remove))
        with suppress(StopError):
            convert(source, path, to="BF16", **options)
        assert (left < 0) == (n < 4)
    if first.exists():
        assert [sha256(path) for path in before] == (old if n < 4 else wanted)
    made = convert(source, path, to="BF16", **options)
    assert made.resumed == (n < 4)
    assert [sha256(path) for path in made.paths] == wanted
    assert not list(tmp_path.glob("*.partial*"))


def test_stopped_when_all_is_there(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last change of a name and the end: nothing is replaced, and nothing is asked."""
    with monkeypatch.context() as patch:
        patch.setattr(Workplace, "remove", lambda self: None)
        path = run(source, tmp_path / "out.gguf").paths[0]
    wanted, written = sha256(path), path.stat().st_mtime_ns
    journal = tmp_path / "out.gguf.partial" / "out.gguf.journal"
    assert journal.exists()
    assert run(source, path).resumed
    assert (sha256(path), path.stat().st_mtime_ns) == (wanted, written)
    assert not journal.exists()


def test_a_journal_of_a_file_that_is_another_now(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Workplace, "remove", lambda self: None)
        path = run(source, tmp_path / "out.gguf").paths[0]
    path.write_bytes(b"other")
    with pytest.raises(Error, match="is there already"):
        run(source, path)
    assert path.read_bytes() == b"other"


@pytest.mark.parametrize("cut", [1, 20])
def test_a_journal_that_was_cut_off(cut: int, source: Path, tmp_path: Path) -> None:
    wanted = sha256(run(source, tmp_path / "whole.gguf").paths[0])
    path, journal = tmp_path / "out.gguf", tmp_path / "out.gguf.partial" / "out.gguf.journal"
    with pytest.raises(StopError):
        run(source, path, 4_000_000)
    journal.write_bytes(journal.read_bytes()[:-cut])
    assert run(source, path).resumed
    assert sha256(path) == wanted


@pytest.mark.parametrize("damage", [b"", b"\n", b"[]\n", b"{}\n", b"\xff\xfe", b'{"plan": 5}\n'])
def test_a_journal_of_something_else(damage: bytes, source: Path, tmp_path: Path) -> None:
    wanted = sha256(run(source, tmp_path / "whole.gguf").paths[0])
    path, journal = tmp_path / "out.gguf", tmp_path / "out.gguf.partial" / "out.gguf.journal"
    with pytest.raises(StopError):
        run(source, path, 4_000_000)
    journal.write_bytes(damage)
    assert not run(source, path).resumed
    assert sha256(path) == wanted


def test_another_source_begins_anew(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.gguf"
    with pytest.raises(StopError):
        run(source, path, 4_000_000)
    shard = sorted(source.glob("*.safetensors"))[0]
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1  # a mantissa's bit
    shard.write_bytes(data)
    os.utime(shard, ns=(1, 1))
    assert not run(source, path).resumed
    assert sha256(path) == sha256(run(source, tmp_path / "whole.gguf").paths[0])


def test_other_options_begin_anew(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.gguf"
    with pytest.raises(StopError):
        run(source, path, 4_000_000)
    made = convert(source, path, to="F16")
    assert not made.resumed
    assert sha256(path) == sha256(convert(source, tmp_path / "whole.gguf", to="F16").paths[0])


def test_the_journal_itself(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path, "plan")
    assert journal.load() is None
    journal.begin(None)
    assert journal.load() == JournalState()
    for n in (1, 5):
        journal.record(JournalState(n, {"a": "0"}))
    journal.close()
    assert journal.load() == JournalState(5, {"a": "0"})
    assert Journal(path, "other").load() is None
    with path.open("ab") as stream:
        stream.write(b'{"pieces": 9, "files"')  # killed while it was written
    state = journal.load()
    assert state == JournalState(5, {"a": "0"})
    journal.begin(state)
    journal.record(JournalState(7))
    journal.close()
    assert journal.load() == JournalState(7)


WORKER = """
import os, sys
from pathlib import Path
from pestle.tensors import plan
from pestle.conversion.execution import carry_out
from pestle.conversion.options import ConversionOptions
from pestle.conversion.partial import Workplace
from pestle.conversion.plan import open_source, plan_conversion

source, path = map(Path, sys.argv[1:3])
plan.PIECE_BYTES = int(sys.argv[3])
os.fsync = lambda descriptor: None
print("ready", flush=True)
plan = plan_conversion(open_source(source), ConversionOptions("Q8_0"))
carry_out(plan, path, record_seconds=0)
"""


def start(source: Path, path: Path, isa: str | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WORKER, str(source), str(path), str(PIECE)]
    environment = {**os.environ, **({"PESTLE_ISA": isa} if isa else {})}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize("seed", range(int(os.environ.get("PESTLE_KILLS", "4"))))
def test_killed(seed: int, source: Path, tmp_path: Path) -> None:
    """Killed at random moments, four times, and then left alone: a checkpoint, a file in turns."""
    if seed % 2:
        source = convert(source, tmp_path / "wide.gguf", to="F32").paths[0]
    whole = tmp_path / "whole.gguf"
    with start(source, whole) as process:
        began = time.monotonic()
        assert process.wait() == 0
        seconds = time.monotonic() - began
    wanted = sha256(whole)
    draw, path = random.Random(seed), tmp_path / "out.gguf"
    journal = tmp_path / "out.gguf.partial" / "out.gguf.journal"
    for _ in range(4):
        with start(source, path) as process:
            time.sleep(draw.uniform(0, seconds))
            process.send_signal(signal.SIGKILL)
        if path.exists() and not journal.exists():
            break
    else:
        with start(source, path) as process:
            assert process.wait() == 0
    assert sha256(path) == wanted


def test_instruction_sets(source: Path, tmp_path: Path) -> None:
    from pestle import _core

    digests = set()
    for isa in _core.isas():
        path = tmp_path / f"{isa}.gguf"
        with start(source, path, isa) as process:
            assert process.wait() == 0
        digests.add(sha256(path))
    assert len(digests) == 1
