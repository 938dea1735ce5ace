"""`--target-size` and `--target-bpw`, on a tiny checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES

from .conftest import Pestle


@pytest.fixture(autouse=True)
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    case = CASES["llama-tied"]
    checkpoint_folder.write(tmp_path / "tiny", case, checkpoints.weights(case))
    Path("text.txt").write_text("abcdefg" * 50)


def test_converting(pestle: Pestle) -> None:
    done = pestle("convert", "tiny", "--target-bpw", "6.5", "--calibration", "text.txt")
    assert (done.exit_code, done.stdout) == (0, "tiny-6.5bpw.gguf\n")
    assert "Types were chosen by what rounding was measured to cost." in done.stderr
    options = json.loads(Path("tiny-6.5bpw.gguf.manifest.json").read_text())["options"]
    assert (options["target_bpw"], len(options["chosen_types"])) == (6.5, 15)


def test_quantizing(pestle: Pestle) -> None:
    pestle("convert", "tiny", "--to", "F32", "-o", "wide.gguf")
    done = pestle("quantize", "wide.gguf", "x.gguf", "--target-size", "1M", "--no-measure")
    assert (done.exit_code, done.stdout) == (0, "x.gguf\n")
    assert "chosen without running the model, by what is typical" in done.stderr
    assert Path("x.gguf").stat().st_size <= 1_000_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("convert", "tiny", "--target-bpw", "4", "--target-size", "1G"), "exclude each other"),
        (("convert", "tiny", "--target-bpw", "4", "--to", "Q8_0"), "--to excludes"),
        (("convert", "tiny", "--no-measure"), "ask for --target-size or --target-bpw"),
        (("convert", "tiny", "--target-bpw", "40"), "above 0 and below 32"),
        (
            ("convert", "tiny", "--target-bpw", "4", "--no-measure", "--calibration", "text.txt"),
            "--calibration and --no-measure exclude each other",
        ),
        (("quantize", "a.gguf", "b.gguf"), "Give TYPE, --target-size or --target-bpw"),
        (("quantize", "a.gguf", "b.gguf", "Q8_0", "--target-bpw", "4"), "Give TYPE, --target-size"),
    ],
)
def test_what_does_not_go_together(
    arguments: tuple[str, ...], message: str, pestle: Pestle
) -> None:
    done = pestle(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
