"""What an evaluation measures, against transformers and numpy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from pestle._core import GgufFile
from pestle.conversion import convert
from pestle.conversion.options import ConversionOptions
from pestle.conversion.plan import open_source, plan_conversion
from pestle.quality import evaluate
from pestle.tokenizer.byte_alphabet import CHAR_OF_BYTE

from tests.assets import path_of
from tests.unit.quality import numbers

from . import checkpoint_folder, checkpoints
from .checkpoints import CASES
from .test_defects import TEXT

pytestmark = pytest.mark.live
WINDOW = 200
TRAINED = ("qwen3moe", "gptoss", "deepseek_v3")
TINY = ("llama-256", "qwen2-256", "gemma3-256")


def _source(name: str, folder: Path) -> Path:
    if name in TRAINED:
        return path_of(f"trained/{name}")
    case = CASES[name]
    return checkpoint_folder.write(folder / "source", case, checkpoints.weights(case))


def _text(name: str) -> str:
    if name not in TRAINED:
        return TEXT * 2
    text = path_of("text/tinyshakespeare.txt").read_text(encoding="utf-8")
    return text[int(0.9 * len(text)) :][:1500]


def _tokens(source: Path, text: str) -> list[int]:
    """Their tokenizers merge nothing: a token is a byte, and all of the text is ASCII."""
    definition = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = definition["model"]["vocab"]
    return [vocabulary[CHAR_OF_BYTE[byte]] for byte in text.encode()]


def _values(file: GgufFile, name: str) -> np.ndarray:
    """Of a tensor, as the format's own package reads them."""
    (tensor,) = (t for t in file.tensors if t.name == name)
    kind = gguf.GGMLQuantizationType[tensor.type]
    return gguf.dequantize(file.read(name).reshape(-1), kind).reshape(tensor.shape[::-1])


def _quantized(source: Path, path: Path, folder: Path) -> Path:
    """The checkpoint with the numbers that the file at `path` has."""
    plan, file = plan_conversion(open_source(source), ConversionOptions("F32")), GgufFile(path)
    tensors: dict[str, checkpoint_folder.Stored] = {}
    for name, job in plan.tensors.jobs.items():
        stored = job.source.numbers
        with stored.path.open("rb") as stream:
            stream.seek(stored.offset)
            raw = np.frombuffer(stream.read(stored.nbytes), np.uint8)
        if stored.dtype == "F32":
            values = raw.view("<f4").copy()
        else:
            values = (raw.view("<u2").astype("<u4") << 16).view("<f4")
        places = np.arange(values.size).reshape(job.source.shape)
        for share in job.shares:
            if len(share.output.shape) == 1:  # which are never quantized
                continue
            # Where each number of the file's tensor stands in the checkpoint's.
            to = share.transform.whole(places, plan.source.config).reshape(-1)
            start = share.start // 4
            values[to] = _values(file, share.output.name).reshape(-1)[start : start + len(to)]
        tensors[name] = checkpoint_folder.stored(values.reshape(job.source.shape))
    folder.mkdir()
    checkpoint_folder.write_tensors(folder, tensors)
    shutil.copy(source / "config.json", folder)
    return folder


def _logits(checkpoint: Path, windows: list[list[int]]) -> np.ndarray:
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(
        checkpoint, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    with torch.no_grad():
        rows = [model(torch.tensor([w]), use_cache=False).logits[0, :-1].numpy() for w in windows]
    return np.concatenate(rows)


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
@pytest.mark.parametrize("name", [*TRAINED, *TINY])
def test_against_transformers(name: str, kind: str, tmp_path: Path) -> None:
    """Within 1 %: KL divergence, perplexities and their ratio; the best tokens."""
    pytest.importorskip("transformers", minversion="5.24", reason="transformers is not installed")
    pytest.importorskip("torch", reason="torch is not installed")
    source, text = _source(name, tmp_path), _text(name)
    path = convert(source, tmp_path / "model.gguf", to=kind).paths[0]
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    found = evaluate(path, reference=source, texts=tmp_path / "text.txt", ctx_size=WINDOW)
    of = found.total.divergence
    assert of is not None

    tokens = _tokens(source, text)
    windows = [tokens[at : at + WINDOW] for at in range(0, len(tokens), WINDOW)]
    following = np.concatenate([window[1:] for window in windows])
    reference = _logits(source, windows)
    logits = _logits(_quantized(source, path, tmp_path / "quantized"), windows)
    losses = [numbers.losses(rows, following) for rows in (reference, logits)]
    divergence = numbers.divergence(reference, logits)
    assert found.total.tokens == len(following)
    assert {
        "perplexity": found.total.perplexity,
        "reference": of.reference_perplexity,
        "ratio": of.perplexity_ratio,
        "mean": of.mean,
        "median": of.median,
        "same_best": of.same_best,
    } == pytest.approx(
        {
            "perplexity": np.exp(losses[1].mean()),
            "reference": np.exp(losses[0].mean()),
            "ratio": np.exp((losses[1] - losses[0]).mean()),
            "mean": divergence.mean(),
            "median": np.median(divergence),
            "same_best": (reference.argmax(axis=1) == logits.argmax(axis=1)).mean(),
        },
        rel=0.01,
    )
