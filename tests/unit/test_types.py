"""Python's one table of types beside what the C++ core knows, and beside the `gguf` package."""

from __future__ import annotations

import subprocess
import sys

import gguf
import pytest
from pestle import _core
from pestle.types import FILE_TYPES, FLOATS, MIXTURES, QUANTIZABLE, RUN, TYPES

CORE = {known.name: known for known in _core.types()}
FACTS = ("name", "id", "block_elems", "block_bytes", "runs", "quantizable")


def test_the_same_types_as_in_the_core() -> None:
    assert {row.id: name for name, row in TYPES.items()} == {t.id: t.name for t in _core.types()}
    assert len({row.id for row in TYPES.values()}) == len(TYPES)


@pytest.mark.parametrize("name", TYPES)
def test_the_same_facts_as_in_the_core(name: str) -> None:
    def facts(of: object) -> list[object]:
        return [getattr(of, fact) for fact in FACTS]

    assert facts(TYPES[name]) == facts(CORE[name])


def test_what_runs_are_the_formats_of_the_kernels() -> None:
    assert set(RUN) == set(_core.kernels.FORMATS)
    assert set(QUANTIZABLE) <= set(RUN)
    assert FLOATS == ("F32", "F16", "BF16")


def test_file_types() -> None:
    """Against the `gguf` package's, which says MOSTLY_ of all that are not of floats."""
    theirs = {
        kind.value: kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")
        for kind in gguf.LlamaFileType
    }
    both = FILE_TYPES.keys() & theirs.keys()
    assert len(both) >= 30
    assert {n: FILE_TYPES[n] for n in both} == {n: theirs[n] for n in both}
    assert sum(len(row.mixtures) for row in TYPES.values()) == len(FILE_TYPES)
    assert set(MIXTURES) <= set(FILE_TYPES.values())


@pytest.mark.parametrize("name", QUANTIZABLE)
def test_what_takes_the_place_of_a_type(name: str) -> None:
    row, narrow = TYPES[name], TYPES[TYPES[name].narrow]
    assert narrow.quantizable
    assert narrow.block_elems < row.block_elems or row.block_elems == 1
    assert narrow.bits > row.bits or row.block_elems == 1


@pytest.mark.parametrize("name", RUN)
def test_fewer_bits_explain_no_less(name: str) -> None:
    """A divergence of zero would call every file of the type wrong."""
    row = TYPES[name]
    larger = [TYPES[other] for other in RUN if TYPES[other].bits >= row.bits + 1]
    assert row.divergence > 0
    assert all(other.divergence <= row.divergence for other in larger)


def test_without_numpy() -> None:
    code = "import sys, pestle.types; print('numpy' in sys.modules, 'pestle._core' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]
