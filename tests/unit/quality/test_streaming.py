"""Memory does not grow with the models: they are run layer by layer where they do not fit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pestle import memory
from pestle.conversion import convert
from pestle.memory import Memory
from pestle.quality import FileSubject, evaluate

from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES
from tests.oracle.test_defects import TEXT

LIMIT = 260_000_000

WORKER = """
import resource, sys
from pestle.quality import evaluate
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[4]), resource.RLIM_INFINITY))
path, source, texts = sys.argv[1:4]
found = evaluate(path, reference=source, texts=texts, stream=True, threads=2)
# Not ru_maxrss, which begins with what the process that started this one had.
status = open("/proc/self/status").read()
print(1024 * int(status.partition("VmHWM:")[2].split()[0]), found.total.tokens)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_DATA")
def test_models_larger_than_the_memory(tmp_path: Path) -> None:
    """A checkpoint and its file in F32, each more than the limit that is enforced."""
    wide = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 5}
    case = replace(CASES["qwen3-256"], config={**CASES["qwen3-256"].config, **wide})
    nbytes = checkpoint_folder.write_zeros(tmp_path / "source", case)
    path = convert(tmp_path / "source", tmp_path / "model.gguf", to="F32").paths[0]
    texts = tmp_path / "text.txt"
    texts.write_text(TEXT, encoding="utf-8")
    arguments = [str(path), str(tmp_path / "source"), str(texts), str(LIMIT)]
    done = subprocess.run(
        [sys.executable, "-c", WORKER, *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    peak, tokens = map(int, done.stdout.split())
    assert tokens > 100
    assert peak < LIMIT < nbytes


def test_what_does_not_fit_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["llama-tied"]
    source = checkpoint_folder.write(tmp_path / "source", case, checkpoints.weights(case))
    path = convert(source, tmp_path / "model.gguf", to="Q8_0").paths[0]
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    whole = evaluate(path, texts=tmp_path / "text.txt")
    parts: list[object] = []
    load = FileSubject.part

    def noted(self: FileSubject, part: str | int, threads: int) -> Any:
        parts.append(part)
        return load(self, part, threads)

    monkeypatch.setattr(FileSubject, "part", noted)
    assert evaluate(path, texts=tmp_path / "text.txt") == whole
    assert parts == []
    monkeypatch.setattr(memory, "read", lambda: Memory(10**9, path.stat().st_size))
    assert evaluate(path, texts=tmp_path / "text.txt") == whole
    assert parts == ["embedding", 0, 1, "output"]
