"""`pestle eval`: exact text and JSON on figures made by hand, and the command on a tiny model."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pestle.cli import evaluate as cli
from pestle.conversion import convert
from pestle.quality import CTX_SIZE, Divergence, Evaluation, Figures

from tests.oracle import altered_file, checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES

from .conftest import Pestle

_OF = Divergence(0.01234, 0.0005, 0.0021, 0.15, 1.25, 0.978, 11.9, 1.0084, 0.002)
FOUND = Evaluation(
    model="small.gguf",
    reference="small",
    texts="pestle-1",
    texts_sha256="",
    left_out=(),
    ctx_size=512,
    total=Figures(9812, 12.0, 0.25, _OF),
    categories={"code": Figures(1900, 3.456, 0.07, replace(_OF, mean=0.4, same_best=1.0))},
    problems=(),
)
TEXT = """\
small.gguf against small: 9,812 tokens of pestle-1, in windows of 512

      tokens  perplexity    +-   ratio  divergence      +-  median   p99   max  same token
code   1,900       3.456  0.07  1.0084         0.4  0.0005  0.0021  0.15  1.25     100.0 %
all    9,812          12  0.25  1.0084      0.0123  0.0005  0.0021  0.15  1.25      97.8 %

Picks the same next token as the reference 97.8 % of the time; perplexity is 1.0084 times the \
reference's.
"""
ALONE = """\
small.gguf: 9,812 tokens of pestle-1, in windows of 512

     tokens  perplexity    +-
all   9,812          12  0.25
"""


def test_lines() -> None:
    assert "\n".join(cli.lines(FOUND)) + "\n" == TEXT
    alone = replace(FOUND, reference=None, total=Figures(9812, 12.0, 0.25), categories={})
    assert "\n".join(cli.lines(alone)) + "\n" == ALONE


def test_the_default_is_the_librarys() -> None:
    assert cli.CTX_SIZE == CTX_SIZE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, two files of it, and a text that its vocabulary can express."""
    folder = tmp_path_factory.mktemp("eval")
    case = CASES["qwen2-tied"]
    checkpoint_folder.write(folder / "tiny", case, checkpoints.weights(case))
    for kind in ("F32", "Q8_0"):
        convert(folder / "tiny", folder / f"{kind}.gguf", to=kind)
    (folder / "text.txt").write_text("It_leans_towards_the_window.", encoding="utf-8")
    return folder


def test_a_file_against_its_checkpoint(
    pestle: Pestle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done = pestle("eval", "F32.gguf", "--reference", "tiny", "--texts", "text.txt")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "F32.gguf against tiny: 27 tokens of text.txt, in windows of 256"
    assert lines[-1].startswith("Picks the same next token as the reference 100.0 % of the time;")


def test_json_of_several(pestle: Pestle, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    files = ["F32.gguf", "Q8_0.gguf"]
    done = pestle("eval", *files, "--texts", "text.txt", "--json", "--stream")
    found = json.loads(done.stdout)
    assert [of["model"] for of in found["evaluations"]] == files
    one = pestle("eval", files[0], "--texts", "text.txt", "--json")
    assert json.loads(one.stdout) == found["evaluations"][0]


def test_a_wrong_file(pestle: Pestle, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    keys = {"qwen2.rope.freq_base": 100.0}
    altered_file.write(folder / "wrong.gguf", folder / "F32.gguf", keys=keys)
    done = pestle("eval", "wrong.gguf", "--reference", "tiny", "--texts", "text.txt")
    assert done.exit_code == 3
    assert done.stderr.startswith("pestle: error: wrong.gguf: its mean divergence is ")


def test_plot(pestle: Pestle, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    monkeypatch.chdir(folder)
    arguments = ("eval", "F32.gguf", "Q8_0.gguf", "--reference", "tiny", "--texts", "text.txt")
    drawn = []
    for name in ("a.svg", "b.svg"):
        assert pestle(*arguments, "--plot", name).exit_code == 0
        drawn.append((folder / name).read_bytes())
    assert drawn[0] == drawn[1]
    assert b"Q8_0" in drawn[0]
    assert b"mean divergence from the reference" in drawn[0]


@pytest.mark.skipif(sys.platform == "win32", reason="no such file names on Windows")
def test_names_in_a_plot(
    pestle: Pestle, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are no formulas, and nothing of them breaks the file."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    monkeypatch.chdir(folder)
    name = tmp_path / "a$\\frac$\x1b]0;\x07<b>.gguf"
    shutil.copy("F32.gguf", name)
    drawn = str(tmp_path / "a.svg")
    done = pestle("eval", str(name), "--reference", "tiny", "--texts", "text.txt", "--plot", drawn)
    assert done.exit_code == 0, done.stderr
    text = "".join(ElementTree.parse(drawn).getroot().itertext())
    assert "a$\\frac$\ufffd]0;\ufffd<b>" in text


def test_plots_that_cannot_be(
    pestle: Pestle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert pestle("eval", "F32.gguf", "--plot", "a.svg").exit_code == 2
    compared = ("eval", "F32.gguf", "--reference", "tiny", "--plot")
    done = pestle(*compared, "a.bmp")
    assert (done.exit_code, done.stderr) == (
        2,
        (
            "pestle: error: --plot: cannot plot to a.bmp: expected .svg, .png, .pdf "
            "(see `pestle eval -h`)\n"
        ),
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = pestle(*compared, "a.svg")
    assert done.exit_code == 1
    assert "pip install 'pestle[plot]'" in done.stderr
