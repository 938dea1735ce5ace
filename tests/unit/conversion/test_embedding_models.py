"""Checkpoints of models for embeddings, as sentence-transformers writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from pestle import LLM
from pestle._core import GgufFile
from pestle.conversion import convert, verify
from pestle.errors import Error, FormatError, UnsupportedError

from tests.oracle import checkpoint_folder, checkpoints, reference
from tests.oracle.checkpoints import CASES

CASE = CASES["qwen2-tied"]
KINDS = "sentence_transformers.models."
LAST = {"word_embedding_dimension": 64, "pooling_mode_lasttoken": True, "include_prompt": True}


def write(folder: Path, *, bare: bool = True, pooling: Any = None, **modules: Any) -> Path:
    """A checkpoint of the model without its head, which puts a token behind each text."""
    weights = checkpoints.weights(CASE)
    if bare:
        weights = {name.removeprefix("model."): values for name, values in weights.items()}
    checkpoint_folder.write(folder, CASE, weights)
    definition = checkpoint_folder.tokenizer(CASE.n_vocab)
    definition["added_tokens"].append({
        "id": CASE.n_vocab - 2, "content": "<|endoftext|>", "special": True
    })  # fmt: skip
    vocab = definition["model"]["vocab"]
    definition["model"]["vocab"] = {t: n for t, n in vocab.items() if n < CASE.n_vocab - 2}
    definition["post_processor"] = {
        "type": "Sequence",
        "processors": [
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False},
            {
                "type": "TemplateProcessing",
                "single": [
                    {"Sequence": {"id": "A", "type_id": 0}},
                    {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}},
                ],
            },
        ],
    }
    kinds = modules.get("kinds", ("Transformer", "Pooling", "Normalize"))
    listed = [{"idx": n, "name": str(n), "type": KINDS + kind} for n, kind in enumerate(kinds)]
    (folder / "1_Pooling").mkdir()
    for name, content in {
        "tokenizer.json": definition,
        "modules.json": listed,
        "1_Pooling/config.json": LAST if pooling is None else pooling,
    }.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_it_embeds_as_its_author_meant_it(tmp_path: Path) -> None:
    source = write(tmp_path / "source")
    made = convert(source, tmp_path / "out.gguf", to="F32").paths[0]
    with LLM(made, threads=1, kv_type="f32") as llm:
        assert llm.pooling == "last"
        tokens = llm.tokenize("abc")
        assert tokens[-1] == CASE.n_vocab - 2
        assert llm.tokenizer.eog_ids >= {CASE.n_vocab - 2, CASE.n_vocab - 1}
        state = reference.hidden_states(CASE, checkpoints.weights(CASE), tokens)[-1]
        expected = state / np.linalg.norm(state)
        np.testing.assert_allclose(llm.embed("abc"), expected, rtol=0, atol=1e-5)
    assert verify(made, rederive=source).ok


def test_the_bare_model_is_the_whole_one(tmp_path: Path) -> None:
    def tensors(bare: bool) -> dict[str, bytes]:
        source, target = write(tmp_path / f"{bare}", bare=bare), tmp_path / f"{bare}.gguf"
        reader = gguf.GGUFReader(convert(source, target, to="F32").paths[0])
        return {tensor.name: bytes(tensor.data) for tensor in reader.tensors}

    assert tensors(bare=True) == tensors(bare=False)


@pytest.mark.parametrize(
    ("pooling", "number"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, 1),
        ({"pooling_mode_cls_token": True}, 2),
        (LAST, 3),
        ({"pooling_mode": "lasttoken"}, 3),
        ({"pooling_mode": "mean"}, 1),
    ],
)
def test_poolings(pooling: Any, number: int, tmp_path: Path) -> None:
    made = convert(write(tmp_path / "source", pooling=pooling), tmp_path / "out.gguf", to="F32")
    assert GgufFile(made.paths[0]).get("qwen2.pooling_type") == number


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"pooling": {"pooling_mode_max_tokens": True}}, UnsupportedError, "'max_tokens'"),
        ({"pooling": {"pooling_mode": 3}}, UnsupportedError, "the pooling is [3], expected"),
        ({"pooling": {}}, UnsupportedError, "the pooling is [], expected one of mean_tokens"),
        (
            {"pooling": {"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": True}},
            UnsupportedError,
            "'lasttoken', 'mean_tokens'",
        ),
        ({"pooling": []}, FormatError, "config.json"),
        ({"kinds": ("Transformer", "Pooling", "Dense")}, UnsupportedError, "the type 'Dense'"),
    ],
)
def test_what_gguf_cannot_say(
    change: Any, error: type[Error], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        convert(write(tmp_path / "source", **change), tmp_path / "out.gguf", to="F32")
    assert message in str(caught.value)
    assert not (tmp_path / "out.gguf").exists()


def test_modules_that_are_no_list(tmp_path: Path) -> None:
    source = write(tmp_path / "source")
    for content in ("{}", "[3]", '[{"idx": 0}]'):
        (source / "modules.json").write_text(content)
        with pytest.raises(FormatError, match=r"modules\.json: expected a list of modules"):
            convert(source, tmp_path / "out.gguf", to="F32")


def test_a_model_without_pooling(tmp_path: Path) -> None:
    source = write(tmp_path / "source", kinds=("Transformer",))
    made = convert(source, tmp_path / "out.gguf", to="F32")
    assert GgufFile(made.paths[0]).get("qwen2.pooling_type") is None
