"""Reading whole files that must not be larger than they may be."""

from __future__ import annotations

import errno
import tracemalloc
from pathlib import Path

import pytest
from pestle.files import read_bounded


def test_memory_is_that_of_the_file(tmp_path: Path) -> None:
    """Not that of the largest one that would be read: a gigabyte for a session of 2 KB."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 2000)
    tracemalloc.start()
    try:
        assert read_bounded(path, 1 << 30) == b"x" * 2000
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_files_of_any_size(size: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"y" * size)
    assert read_bounded(path, size) == b"y" * size
    if size:
        with pytest.raises(OSError, match=f"it has {size} bytes") as caught:
            read_bounded(path, size - 1)
        assert caught.value.errno == errno.EFBIG
