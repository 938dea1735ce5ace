"""Hostile GGUF files end in success or a typed error: no crash, no hang, no large allocation.

PESTLE_FUZZ_CASES=100000 runs that many mutated files instead of a few thousand.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.gguf_bytes import ARRAY, STRING, Tensor, entry, gguf, string
from tests.fuzz.gguf_cases import NUMBERS, case, seeds
from tests.fuzz.gguf_worker import outcome

CASES = int(os.environ.get("PESTLE_FUZZ_CASES", "3000"))
ROOT = Path(__file__).resolve().parents[2]

fuzzed = settings(
    max_examples=min(CASES // 10, 10_000),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

numbers = st.sampled_from(NUMBERS) | st.integers(0, 2**64 - 1)
u32s = st.sampled_from([n for n in NUMBERS if n < 2**32]) | st.integers(0, 2**32 - 1)
texts = st.binary(max_size=12) | st.sampled_from(
    ["general.alignment", "general.architecture", "split.count", "split.no", "llama.block_count"]
)
tensors = st.builds(
    Tensor,
    name=st.sampled_from(["a", "b", "blk.0.attn_q.weight"]) | st.binary(max_size=70),
    dims=st.lists(numbers, max_size=5).map(tuple),
    kind=st.integers(0, 45) | u32s,
    offset=numbers.map(lambda n: n // 32 * 32) | numbers,
    n_dims=st.none() | u32s,
)


@st.composite
def entries(draw: st.DrawFn) -> bytes:
    """A metadata entry of any type, with nested arrays, and counts that need not be true."""
    head = string(draw(texts))
    kind = draw(st.integers(0, 13))
    if kind == STRING and draw(st.booleans()):
        return entry("general.architecture", STRING, "llama")
    raw = head + kind.to_bytes(4, "little")
    for _ in range(draw(st.integers(0, 3)) if kind == ARRAY else 0):
        raw += draw(st.integers(0, 13)).to_bytes(4, "little") + draw(numbers).to_bytes(8, "little")
    return raw + draw(st.binary(max_size=24))


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    """A file in memory, where there is such a place."""
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="pestle-fuzz-", dir=folder) as made:
        yield Path(made) / "model.gguf"


def test_the_seeds_are_right(path: Path) -> None:
    for seed in seeds():
        path.write_bytes(seed)
        assert outcome(path) == "ok"


def test_every_truncation(path: Path) -> None:
    for seed in seeds():
        for length in range(len(seed)):
            path.write_bytes(seed[:length])
            cut_padding = outcome(path) == "ok"
            assert not cut_padding or seed[length:].strip(b"\0") == b""


@fuzzed
@given(
    st.lists(entries(), max_size=4),
    st.lists(tensors, max_size=3),
    st.none() | numbers,
    st.none() | numbers,
    st.sampled_from([2, 3, 3, 3]),
)
def test_hostile_fields(
    path: Path,
    metadata: list[bytes],
    infos: list[Tensor],
    n_entries: int | None,
    n_tensors: int | None,
    version: int,
) -> None:
    content = gguf(
        metadata, infos, bytes(256), n_entries=n_entries, n_tensors=n_tensors, version=version
    )
    path.write_bytes(content)
    outcome(path)


@fuzzed
@given(st.binary(max_size=200))
def test_noise_after_a_header(path: Path, noise: bytes) -> None:
    path.write_bytes(gguf(n_entries=2, n_tensors=2) + noise)
    outcome(path)


def test_mutated_files(path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.gguf_worker", "0", str(CASES), str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"crash or bug; the file: {path.read_bytes()!r}\n{done.stderr}"
    result = json.loads(done.stdout)
    assert sum(result["outcomes"].values()) == CASES
    assert result["outcomes"]["ok"] > CASES // 50, "the mutations leave nothing to read"
    assert result["slowest_s"] < 2
    assert result["grown_bytes"] < 64 << 20


def test_cases_are_reproducible() -> None:
    assert case(7) == case(7)
    assert len({case(i) for i in range(100)}) > 90
