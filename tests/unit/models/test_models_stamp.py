"""A file and its stamps: of the same file, whatever happens to its name in between."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzzing.gguf_bytes import Tensor, gguf
from pestle._core import GgufFile
from pestle.errors import Error
from pestle.models import stamp as stamp_module
from pestle.models.stamp import file_stamp, open_stamped

from tests.unit.test_gguf_split import GOOD, write

Opening = Callable[[Path], GgufFile]


def replacing(times: int) -> Opening:
    """Opens the file, and puts a copy in its place behind it, so many times."""

    def opened(path: Path) -> GgufFile:
        nonlocal times
        file = GgufFile(path)
        if times > 0:
            times -= 1
            shutil.copy(path, f"{path}.new")
            Path(f"{path}.new").replace(path)
        return file

    return opened


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf([], [Tensor()], bytes(32)))
    return path


def test_one_file(model: Path) -> None:
    file, stamps = open_stamped(model)
    assert stamps == {file.path: file_stamp(model)}


def test_shards(tmp_path: Path) -> None:
    file, stamps = open_stamped(write(tmp_path, GOOD))
    assert list(stamps) == file.paths
    assert stamps == {path: file_stamp(path) for path in file.paths}


@pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be replaced there")
def test_replaced_meanwhile(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that is returned is the one that the stamps are of."""
    monkeypatch.setattr(stamp_module, "GgufFile", replacing(1))
    file, stamps = open_stamped(model)
    assert stamps == {file.path: file_stamp(model)}
    file.check_unchanged()
    monkeypatch.setattr(stamp_module, "GgufFile", replacing(100))
    with pytest.raises(Error, match=r"m\.gguf is being replaced"):
        open_stamped(model)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"m\.gguf: No such file"):
        open_stamped(tmp_path / "m.gguf")
