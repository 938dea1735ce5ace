"""Sources that others change between the moment they are opened and the moment they are read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pestle.conversion import convert
from pestle.conversion.execution import carry_out
from pestle.conversion.options import ConversionOptions
from pestle.conversion.plan import open_source, plan_conversion
from pestle.errors import Error, FormatError
from pestle.huggingface import model as model_module
from pestle.huggingface.tokenizer_files.sentencepiece import read_sentencepiece
from pestle.models.stamp import contents_stamp
from pestle.tensors.reading import Files

pytestmark = pytest.mark.skipif(os.name == "nt", reason="an open file cannot be changed there")

LONG_AGO = (1_000_000_000, 1_000_000_000)


def replaced(path: Path) -> None:
    """Another file of the same size and time takes its place."""
    content, found = bytearray(path.read_bytes()), path.stat()
    content[-1] ^= 1
    other = path.with_name("other")
    other.write_bytes(content)
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(path)


def written_to(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"x")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


CHANGES = [replaced, written_to, cut]


@pytest.mark.parametrize("change", CHANGES)
def test_a_checkpoint(change: Callable[[Path], None], source: Path, tmp_path: Path) -> None:
    weights = sorted(source.glob("*.safetensors"))[-1]
    os.utime(weights, LONG_AGO)
    plan = plan_conversion(open_source(source), ConversionOptions("Q8_0"))
    change(weights)
    with pytest.raises(FormatError, match=r"( was changed or replaced|: ends after)") as caught:
        carry_out(plan, tmp_path / "out.gguf", threads=1)
    assert str(weights) in str(caught.value)
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.parametrize("change", CHANGES)
def test_a_gguf_file(change: Callable[[Path], None], source: Path, tmp_path: Path) -> None:
    wide = convert(source, tmp_path / "wide.gguf", to="F32").paths[0]
    os.utime(wide, LONG_AGO)
    plan = plan_conversion(open_source(wide), ConversionOptions("Q8_0"))
    change(wide)
    with pytest.raises(FormatError, match=r"wide\.gguf( was changed or replaced|: ends after)"):
        carry_out(plan, tmp_path / "out.gguf", threads=1)
    assert not (tmp_path / "out.gguf").exists()


def test_removed(source: Path, tmp_path: Path) -> None:
    plan = plan_conversion(open_source(source), ConversionOptions("Q8_0"))
    shutil.rmtree(source)
    with pytest.raises(Error, match=r"cannot read .*\.safetensors.*: No such file"):
        carry_out(plan, tmp_path / "out.gguf", threads=1)


def test_other_names_and_permissions_are_no_change(source: Path, tmp_path: Path) -> None:
    """As when a cache links its files while they are converted."""
    plan = plan_conversion(open_source(source), ConversionOptions("Q8_0"))
    for path in source.glob("*.safetensors"):
        os.link(path, tmp_path / path.name)
        path.chmod(0o400)
    assert carry_out(plan, tmp_path / "out.gguf", threads=1).paths[0].exists()


def test_small_files_changed_while_they_are_read(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digests in a manifest are those of what decided the file."""
    tokenizer_keys = model_module.tokenizer_keys  # type: ignore[attr-defined]

    def changing(*arguments: Any, **options: Any) -> dict[str, Any]:
        found = tokenizer_keys(*arguments, **options)
        (source / "tokenizer.json").write_text("{}", encoding="utf-8")
        return found

    monkeypatch.setattr(model_module, "tokenizer_keys", changing)
    with pytest.raises(FormatError, match="its files were changed while they were read"):
        plan_conversion(open_source(source), ConversionOptions("Q8_0"))


def test_changed_between_two_parts(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(bytes(100))
    os.utime(path, LONG_AGO)
    with closing(Files({path: contents_stamp(path.stat())})) as files:
        assert files.read(path, 10, 5).tobytes() == bytes(5)
        written_to(path)
        with pytest.raises(FormatError, match="data was changed or replaced since it was opened"):
            files.read(path, 0, 10)


def test_a_vocabulary_that_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tokenizer.model")
    with pytest.raises(FormatError, match=r"tokenizer\.model: it is a pipe, expected a file"):
        read_sentencepiece(tmp_path / "tokenizer.model")
