"""A checkpoint's folder, and what its tensors hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle.errors import FormatError, ModelNotFoundError, UnsupportedError
from pestle.huggingface import (
    ModelConfig,
    check_quantization,
    open_checkpoint,
    source_of,
    value_names,
)
from pestle.tensors.source_tensor import StoredTensor

from tests.oracle.checkpoint_folder import stored, write_tensors

INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    tensors = {name: stored(np.zeros((2, 3))) for name in "abcd"}
    write_tensors(tmp_path, tensors, shards=2)
    return tmp_path


def test_shards(folder: Path) -> None:
    checkpoint = open_checkpoint(folder)
    assert sorted(checkpoint.tensors) == list("abcd")
    assert [file.path.name for file in checkpoint.files] == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]
    assert sum(file.size for file in checkpoint.files) == sum(
        p.stat().st_size for p in folder.glob("*.safetensors")
    )


def _change_index(folder: Path, change: Any) -> None:
    index = json.loads((folder / INDEX).read_text())
    change(index["weight_map"])
    (folder / INDEX).write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda places: places.update(e="model-00001-of-00002.safetensors"), "`e` is not in"),
        (lambda places: places.update(a="model-00002-of-00002.safetensors"), "`a` is not in"),
        (lambda places: places.pop("b"), "tensor `b` is not in model.safetensors.index.json"),
        (lambda places: places.update(a="../x.safetensors"), "expected the name of a file"),
        (lambda places: places.update(a="/etc/passwd"), "expected the name of a file"),
        (lambda places: places.update(a="..\\x"), "expected the name of a file"),
        (lambda places: places.update(a="x\0.safetensors"), r"'x\\x00\.safetensors', expected the"),
        (lambda places: places.update(a="x" * 256), "expected the name of a file"),
        (lambda places: places.update(a="\u202egnp.safetensors"), "expected the name of a file"),
        (lambda places: places.update(a="NUL.safetensors"), "expected the name of a file"),
        (lambda places: places.update(a=".."), "expected the name of a file"),
        (lambda places: places.update(a=""), "expected the name of a file"),
        (lambda places: places.update(a=["x"]), "expected the name of a file"),
        (lambda places: places.update(a=3), "expected the name of a file"),
        (lambda places: places.clear(), "`weight_map` is missing or empty"),
    ],
)
def test_an_index_that_is_wrong(folder: Path, change: Any, message: str) -> None:
    _change_index(folder, change)
    with pytest.raises(FormatError, match=message):
        open_checkpoint(folder)


def test_a_tensor_that_is_there_twice(folder: Path) -> None:
    first = folder / "model-00001-of-00002.safetensors"
    (folder / "more.safetensors").write_bytes(first.read_bytes())
    _change_index(folder, lambda places: places.update(x="more.safetensors"))
    with pytest.raises(FormatError, match=r"is in model-00001-of-00002\.safetensors too"):
        open_checkpoint(folder)


def test_folders_that_are_no_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="gone does not exist"):
        open_checkpoint(tmp_path / "gone")
    (tmp_path / "x.gguf").write_bytes(b"")
    with pytest.raises(ModelNotFoundError, match=r"x\.gguf is not a folder.*pestle quantize"):
        open_checkpoint(tmp_path / "x.gguf")
    (tmp_path / "x.gguf").unlink()
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(FormatError, match=r"neither .*; pytorch_model.bin is of another format"):
        open_checkpoint(tmp_path)


def _tensors(**tensors: tuple[str, tuple[int, ...]]) -> dict[str, StoredTensor]:
    return {
        name: StoredTensor(name, dtype, shape, Path("x.safetensors"), 0, int(np.prod(shape)))
        for name, (dtype, shape) in tensors.items()
    }


def test_scales_belong_to_their_numbers() -> None:
    tensors = _tensors(
        a=("F8_E4M3", (130, 256)),
        a_scale_inv=("F32", (2, 2)),
        b_blocks=("U8", (3, 8, 2, 16)),
        b_scales=("U8", (3, 8, 2)),
        c=("BF16", (5,)),
    )
    assert value_names(tensors) == ["a", "b_blocks", "c"]
    fp8, mxfp4, plain = (source_of(name, tensors) for name in value_names(tensors))
    assert (fp8.encoding, fp8.shape) == ("fp8", (130, 256))
    assert (mxfp4.encoding, mxfp4.shape) == ("mxfp4", (3, 8, 64))
    assert (plain.encoding, plain.scales) == ("BF16", None)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"a": ("F8_E4M3", (4, 4))}, "there is no `a_scale_inv`"),
        ({"a": ("F8_E4M3", (4,)), "a_scale_inv": ("F32", (1,))}, "expects two"),
        ({"a": ("F8_E4M3", (4, 129)), "a_scale_inv": ("F32", (1, 1))}, "expected F32 1x2"),
        ({"a": ("F8_E4M3", (4, 4)), "a_scale_inv": ("BF16", (1, 1))}, "is BF16 1x1"),
        ({"a_blocks": ("U8", (2, 4, 1, 16))}, "without their scales"),
        ({"a_blocks": ("U8", (4, 1, 16)), "a_scales": ("U8", (4, 1))}, "experts x rows"),
        ({"a_blocks": ("U8", (2, 4, 1, 16)), "a_scales": ("U8", (2, 4, 2))}, "expected U8 2x4x1"),
        ({"a": ("F32", ())}, "holds no values"),
        ({"a": ("F32", (3, 0))}, "holds no values"),
    ],
)
def test_values_that_are_wrong(tensors: Any, message: str) -> None:
    found = _tensors(**tensors)
    with pytest.raises(FormatError, match=message):
        source_of(next(iter(found)), found)


def test_a_dtype_that_weights_do_not_have() -> None:
    with pytest.raises(UnsupportedError, match="tensor `a` is I64"):
        source_of("a", _tensors(a=("I64", (3,))))


@pytest.mark.parametrize(
    ("quantization", "message"),
    [
        ({"quant_method": "gptq"}, "`quant_method` is 'gptq', expected fp8 or mxfp4"),
        ({"quant_method": "fp8", "weight_block_size": [64, 64]}, "`weight_block_size` is"),
        ({"quant_method": "fp8", "fmt": "e5m2"}, "`fmt` is 'e5m2'"),
        ("x", "`quant_method` is 'x'"),
    ],
)
def test_quantizations_that_are_not_read(quantization: Any, message: str) -> None:
    config = ModelConfig({"model_type": "llama", "quantization_config": quantization})
    with pytest.raises(UnsupportedError, match=message):
        check_quantization(config)
