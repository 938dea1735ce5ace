"""Do one thing with a model again and again, while somebody changes its files.

    python -m tests.unit.changing.worker OPERATION MODEL CHECKPOINT SCRATCH ROUNDS

Prints what became of it, as JSON: "ok" or the name of the typed error, and how often. Anything that
is not a typed error ends the process with a traceback.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pestle
from pestle._core import GgufFile
from pestle.conversion import convert, quantize, verify
from pestle.errors import Error
from pestle.gguf import describe
from pestle.quantization.importance import gather

TEXT = "The shelf has stood for eleven years, and it leans towards the window.\n" * 2


def load(model: Path, checkpoint: Path, scratch: Path) -> None:
    with pestle.LLM(model, n_ctx=64, threads=1) as llm:
        llm.generate("The shelf", max_tokens=2)


def use(model: Path, checkpoint: Path, scratch: Path) -> None:
    file = GgufFile(model)
    for _ in range(20):
        for key in file.keys():  # noqa: SIM118
            file[key]
        for tensor in file.tensors:
            file.read(tensor.name)


def info(model: Path, checkpoint: Path, scratch: Path) -> None:
    for _ in range(20):
        describe(model, damaged=True)


def evaluate(model: Path, checkpoint: Path, scratch: Path) -> None:
    text = scratch / "text.txt"
    text.write_text(TEXT, encoding="utf-8")
    pestle.evaluate(model, texts=text, ctx_size=40, threads=1, stream=True)


def quantized(model: Path, checkpoint: Path, scratch: Path) -> None:
    quantize(model, scratch / "quantized.gguf", "Q8_0", overwrite=True, threads=1)


def imatrix(model: Path, checkpoint: Path, scratch: Path) -> None:
    gather(model, TEXT, chunk_size=32, threads=1)


def verified(model: Path, checkpoint: Path, scratch: Path) -> None:
    verify(model, threads=1)


def converted(model: Path, checkpoint: Path, scratch: Path) -> None:
    convert(checkpoint, scratch / "converted.gguf", to="Q8_0", overwrite=True, threads=1)


OPERATIONS: dict[str, Callable[[Path, Path, Path], None]] = {
    "load": load,
    "use": use,
    "info": info,
    "eval": evaluate,
    "quantize": quantized,
    "imatrix": imatrix,
    "verify": verified,
    "convert": converted,
}


def main(operation: str, model: Path, checkpoint: Path, scratch: Path, rounds: int) -> None:
    outcomes: Counter[str] = Counter()
    for _ in range(rounds):
        try:
            OPERATIONS[operation](model, checkpoint, scratch)
        except Error as error:
            outcomes[type(error).__name__ if str(error).isprintable() else repr(error)] += 1
        else:
            outcomes["ok"] += 1
        time.sleep(0.02)  # so that quick ones meet more than one state of the files
    sys.stdout.write(json.dumps(outcomes))


if __name__ == "__main__":
    operation, model, checkpoint, scratch, rounds = sys.argv[1:]
    main(operation, Path(model), Path(checkpoint), Path(scratch), int(rounds))
