"""Heads of GGUF files, every field of which may be wrong, end in success or a typed error."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzzing import header_cases
from fuzzing.chance import NUMBERS
from fuzzing.gguf_bytes import ARRAY, STRING, Tensor, entry, gguf, string
from fuzzing.header_cases import seeds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def outcome(path: Path) -> str:
    """As `tools/fuzz` reads the file."""
    return header_cases.KIND.outcome(path.read_bytes(), path.parent)


fuzzed = settings(
    max_examples=300,
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
