"""`pestle convert` and `pestle verify`, on a tiny checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pestle.cli import conversion as cli
from pestle.conversion import Conversion, Manifest

from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES

from .conftest import Pestle

MADE = Conversion(
    paths=(Path("out.gguf"),),
    manifest_path=Path("out.gguf.manifest.json"),
    manifest=Manifest("1", {}, {}, ()),
    bytes_read=988_097_824,
    bytes_written=525_000_000,
    types={"Q8_0": 197, "F32": 113},
    resumed=False,
    seconds=12.34,
    refusal=None,
)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    case = CASES["qwen2-tied"]
    return checkpoint_folder.write(tmp_path / "tiny", case, checkpoints.weights(case))


def test_what_is_said() -> None:
    first = "988 MB became 525 MB in 12.3 s: 113 F32, 197 Q8_0"
    assert cli.lines(MADE) == [first]
    assert cli.lines(replace(MADE, resumed=True, refusal="too new")) == [
        first,
        "An interrupted conversion was taken up.",
        "Pestle itself does not run this file: too new",
    ]


def test_a_conversion(pestle: Pestle, source: Path) -> None:
    done = pestle("convert", "tiny")
    assert (done.exit_code, done.stdout) == (0, "tiny-Q4_K_M.gguf\n")
    assert Path("tiny-Q4_K_M.gguf.manifest.json").exists()
    again = pestle("convert", "tiny")
    assert again.exit_code == 1
    assert again.stderr.startswith("pestle: error: tiny-Q4_K_M.gguf is there already")
    assert pestle("convert", "tiny", "--overwrite", "-q").stderr == ""


def test_interrupted_and_taken_up(
    pestle: Pestle, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pestle.cli.progress import Downloads

    def interrupt(self: Downloads, n: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Downloads, "advance", interrupt)
        assert pestle("convert", "tiny").exit_code == 130
    assert not Path("tiny-Q4_K_M.gguf").exists()
    done = pestle("convert", "tiny")
    assert done.exit_code == 0
    assert "An interrupted conversion was taken up." in done.stderr


def test_options(pestle: Pestle, source: Path) -> None:
    done = pestle(
        "convert", "tiny", "-o", "x.gguf", "--to", "bf16", "--name", "T", "-t", "1",
        "--split-size", "1M", "--json",
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["version"] == 1
    assert found["paths"] == ["x.gguf"]
    assert found["types"]["BF16"] > 0
    assert found["bytes_written"] == Path("x.gguf").stat().st_size
    assert (found["resumed"], found["refusal"]) == (False, None)
    manifest = json.loads(Path(found["manifest"]).read_text())
    assert manifest["options"] == {"to": "BF16", "name": "T", "split_size": 1_000_000}


def test_verifying(pestle: Pestle, source: Path) -> None:
    pestle("convert", "tiny", "-o", "x.gguf")
    n = len(json.loads(Path("x.gguf.manifest.json").read_text())["tensors"])
    same = f"x.gguf: {n} tensors and the metadata are unchanged"
    assert pestle("verify", "x.gguf").stdout == f"{same}\n"
    rederived = pestle("verify", "x.gguf", "--rederive", "tiny")
    assert rederived.stdout == f"{same} and the source gives the same bytes\n"
    found = json.loads(pestle("verify", "x.gguf", "--json").stdout)
    assert (found["ok"], found["tensors"], found["damaged"]) == (True, n, [])
    data = bytearray(Path("x.gguf").read_bytes())
    data[-40] ^= 1
    Path("x.gguf").write_bytes(data)
    done = pestle("verify", "x.gguf", "--rederive", "tiny", "-q")
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr == (
        f"pestle: error: x.gguf: 1 of {n} tensors (output_norm.weight) have another sha256; "
        "the source gives other bytes for 1 tensors (output_norm.weight)\n"
    )
    done = pestle("verify", "x.gguf", "--json", "-q")
    assert (done.exit_code, json.loads(done.stdout)["ok"]) == (3, False)


def test_verifying_all_that_lies_around(pestle: Pestle, source: Path) -> None:
    pestle("convert", "tiny", "-o", "x.gguf")
    sidecar = Path("x.gguf.manifest.json")
    n = len(json.loads(sidecar.read_text())["tensors"])
    sidecar.rename("elsewhere.json")
    done = pestle("verify", "x.gguf", "-q")
    assert done.exit_code == 3
    assert done.stderr == (
        "pestle: error: x.gguf: x.gguf.manifest.json is missing; the file itself is unchanged\n"
    )
    alone = pestle("verify", "x.gguf", "--no-sidecar")
    assert alone.stdout == f"x.gguf: {n} tensors and the metadata are unchanged\n"
    Path("elsewhere.json").rename(sidecar)
    size = Path("x.gguf").stat().st_size
    with Path("x.gguf").open("ab") as stream:
        stream.write(b"\0")
    done = pestle("verify", "x.gguf", "-q")
    assert done.exit_code == 3
    expected = f"x.gguf: x.gguf has {size + 1:,} bytes, expected {size:,}"
    assert done.stderr == f"pestle: error: {expected}\n"
    found = json.loads(pestle("verify", "x.gguf", "-q", "--json").stdout)
    assert found["wrong_sizes"] == [{"name": "x.gguf", "found": size + 1, "expected": size}]


def test_choosing_how_text_is_cut(pestle: Pestle, source: Path) -> None:
    path = Path("tiny/tokenizer.json")
    definition = json.loads(path.read_text())
    definition["normalizer"] = {"type": "Lowercase"}
    path.write_text(json.dumps(definition))
    done = pestle("convert", "tiny", "-o", "x.gguf", "-q")
    assert done.exit_code == 3
    assert "the normalizer is Lowercase, there none; --tokenizer-pre gpt-2 takes" in done.stderr
    assert not Path("x.gguf").exists()
    done = pestle("convert", "tiny", "-o", "x.gguf", "--tokenizer-pre", "gpt-2")
    assert done.exit_code == 0
    assert "Text is cut into words as `gpt-2` does, whatever tokenizer.json says." in done.stderr
    manifest = json.loads(Path("x.gguf.manifest.json").read_text())
    assert manifest["options"]["tokenizer_pre"] == "gpt-2"
    assert pestle("verify", "x.gguf", "--rederive", "tiny", "-q").exit_code == 0
    done = pestle("convert", "tiny", "-o", "y.gguf", "--tokenizer-pre", "gpt-9")
    assert done.exit_code == 3
    assert "the pre-tokenizer 'gpt-9' is not known, expected gpt-2, phi-2" in done.stderr


@pytest.mark.parametrize("size", ["0G", "5", "x", "1T", "-1G"])
def test_sizes_that_are_none(size: str, pestle: Pestle, source: Path) -> None:
    done = pestle("convert", "tiny", "--split-size", size)
    assert done.exit_code == 2
    assert "is not a size, as in 500M or 4G" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("convert", "gone"), 1, "gone does not exist, expected a Hugging Face checkpoint"),
        (("convert", "gone.gguf"), 1, "gone.gguf does not exist"),
        (
            ("convert", "x.gguf"),
            1,
            "is not a folder, expected a Hugging Face checkpoint; `pe",
        ),
        (("convert", "tiny", "--to", "Q9"), 2, "Invalid value for '--to'"),
        (("convert", "tiny", "-o", "gone/x.gguf"), 1, "gone is not a folder"),
        (("verify", "tiny/config.json"), 3, "config.json"),
        (("verify", "gone.gguf"), 1, "gone.gguf"),
    ],
)
def test_failures(
    arguments: tuple[str, ...], code: int, message: str, pestle: Pestle, source: Path
) -> None:
    Path("x.gguf").write_bytes(b"")
    done = pestle(*arguments)
    assert done.exit_code == code
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
