"""A model run part by part gives the logits of the whole, to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pestle._core import Engine, Model, PartRunner
from pestle.errors import FormatError

from . import checkpoints, running
from .checkpoints import CASES
from .conftest import TinyFile

# Of each architecture one; windows and YaRN, tied embeddings, Llama 3's divisors, latents.
NAMES = [
    "llama-tied", "llama-llama3-rope", "qwen2-yarn", "qwen3moe-yarn", "gptoss-yarn",
    "deepseek3-ragged", "gemma3-linear",
]  # fmt: skip


def _runner(path: Path, part: str | int, chunk: int = 512) -> PartRunner:
    return PartRunner(Model(path, threads=1, only=part), threads=1, kv_type="f32", chunk=chunk)


@pytest.mark.parametrize(
    ("name", "kind"), [*((name, "F32") for name in NAMES), ("llama-tied", "Q8_0")]
)
def test_same_bits(name: str, kind: str, tiny_file: TinyFile) -> None:
    path = tiny_file(name, kind, widen=False)
    tokens = checkpoints.tokens(CASES[name], 300)
    whole = running.engine(path)
    expected = running.feed(whole, whole.sequence(), tokens, 64)
    x = _runner(path, "embedding").embed(np.array(tokens, np.int32))
    for layer in range(Model(path, threads=1).n_layers):
        _runner(path, layer, chunk=100).layer(x)
    assert _runner(path, "output", chunk=77).logits(x).tobytes() == expected.tobytes()


def test_what_a_part_is_not_is_said(tiny_file: TinyFile) -> None:
    path = tiny_file("llama-256")
    embedding, layer = _runner(path, "embedding"), _runner(path, 1)
    x = embedding.embed(np.array([1, 2, 3], np.int32))
    assert x.shape == (3, 256)
    with pytest.raises(ValueError, match="was not loaded as a layer"):
        embedding.layer(x)
    with pytest.raises(ValueError, match="was not loaded as an output"):
        layer.logits(x)
    with pytest.raises(ValueError, match="rows of 256 floats are expected"):
        layer.layer(x[:, :255].copy())
    with pytest.raises(ValueError, match="token 131 is not in the vocabulary of 131"):
        embedding.embed(np.array([131], np.int32))
    with pytest.raises(ValueError, match='expected "embedding", "output" or a layer'):
        Model(path, only="head")
    with pytest.raises(IndexError, match="there is no layer 2, the model has 2"):
        Model(path, only=2)
    with pytest.raises(ValueError, match="an engine runs a whole model"):
        Engine(Model(path, only=0))


def test_a_part_is_no_larger_than_it_is(tiny_file: TinyFile) -> None:
    path = tiny_file("qwen3moe-256")
    parts = [Model(path, only=part).weight_bytes for part in ("embedding", 0, 1, "output")]
    assert sum(parts) == Model(path).weight_bytes


def test_a_missing_tensor_of_a_part_is_missed(tiny_file: TinyFile, tmp_path: Path) -> None:
    """Only those of other parts may be elsewhere."""
    data = tiny_file("llama-256").read_bytes()
    path = tmp_path / "renamed.gguf"
    path.write_bytes(data.replace(b"blk.1.ffn_up.weight", b"blk.7.ffn_up.weight"))
    assert Model(path, only=0).n_layers == 2
    with pytest.raises(FormatError, match=r"tensor `blk\.1\.ffn_up\.weight` is missing"):
        Model(path, only=1)
