"""Whoever needs a file twice opens it once: another that takes its name in between is not seen."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pestle
import pytest
from pestle.llm import loading
from pestle.models.stamp import Stamp, open_stamped
from pestle.quality import FileSubject, from_file, measure

from .worker import TEXT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced there")


@pytest.fixture
def model(originals: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(originals / "model.gguf", tmp_path))


def replace(path: Path, other: Path) -> None:
    Path(shutil.copy(other, path.with_name("other"))).replace(path)


def test_loading(originals: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokenizer, weights and stamps are of one file."""
    opened: list[dict[str, Stamp]] = []

    def replaced_behind(path: Path) -> object:
        file, stamps = open_stamped(path)
        opened.append(stamps)
        replace(model, originals / "small.gguf")
        return file, stamps

    with pestle.LLM(model, n_ctx=64, threads=1) as llm:
        expected = llm.score("The shelf has stood")
    monkeypatch.setattr(loading, "open_stamped", replaced_behind)
    with pestle.LLM(model, n_ctx=64, threads=1) as llm:
        assert llm.score("The shelf has stood") == expected
    monkeypatch.undo()
    with pestle.LLM(model, n_ctx=64, threads=1) as llm:
        assert llm.score("The shelf has stood") != expected
    assert len(opened) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_evaluating(originals: Path, model: Path, tmp_path: Path, stream: bool) -> None:
    """A model that is run layer by layer is loaded as many times as it has layers."""
    text = tmp_path / "text.txt"
    text.write_text(TEXT, encoding="utf-8")

    def total(subject: FileSubject) -> object:
        found = measure(subject, None, from_file(text), ctx_size=40, threads=1, stream=stream)
        return found.total

    expected = total(FileSubject(model))
    subject = FileSubject(model)
    replace(model, originals / "small.gguf")
    assert total(subject) == expected
    assert total(FileSubject(model)) != expected
