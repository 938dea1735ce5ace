"""What keys and values take, told from a file's header: published shapes, without their weights."""

from __future__ import annotations

import math
import os
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as Type
from pestle import _core
from pestle.errors import FormatError
from pestle.gguf import KvCache, describe
from synthetic.metadata import metadata
from synthetic.mixture import choose
from synthetic.shapes import SHAPES
from synthetic.tensors import tensors

# f16: bytes that each token adds.
PUBLISHED = {
    "smollm2-135m": 23_040,
    "smollm2-360m": 40_960,
    "smollm2-1.7b": 196_608,
    "qwen3-0.6b": 114_688,
    "qwen3-4b": 147_456,
    "qwen3-30b-a3b": 98_304,
    "gpt-oss-20b": 24_576,
    "deepseek-v2-lite": 31_104,  # 576 values in each layer
    "deepseek-v3": 70_272,
}
HEAD_DIM = {name: 128 if "qwen3" in name else 64 for name in PUBLISHED}
# gpt-oss: what 128 tokens of the layers with a window take.
WINDOW = 3 << 20
ALIGNMENT = 32


def header(path: Path, name: str) -> Path:
    """A file of the shape whose data is a hole: a test that read it would take very long."""
    shape = SHAPES[name]
    writer = gguf.GGUFWriter(path, shape.architecture)
    adders = {
        int: writer.add_uint32,
        float: writer.add_float32,
        str: writer.add_string,
        bool: writer.add_bool,
    }
    for key, value in metadata(shape).items():
        adders[type(value)](f"{shape.architecture}.{key}", value)
    size = 0
    types = choose(shape, "Q4_0", pure=True)
    for tensor in tensors(shape):
        kind = Type[types[tensor.name]]
        width, block = GGML_QUANT_SIZES[kind]
        nbytes = math.prod(tensor.size) // width * block
        # The type of numpy does not matter: GGUF's is given.
        writer.add_tensor_info(tensor.name, tensor.size[::-1], np.dtype(np.float32), nbytes, kind)
        size += _aligned(nbytes)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    os.truncate(path, _aligned(path.stat().st_size) + size)
    return path


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_shapes(tmp_path: Path, name: str) -> None:
    description = describe(header(tmp_path / "m.gguf", name))
    assert description.refusal is None
    per_token = PUBLISHED[name]
    # Pages for the window, 256 positions of slack and a pass of 512, wherever they begin.
    window = 15 * 64 * WINDOW // 128 if name == "gpt-oss-20b" else 0
    assert description.kv_cache == (
        KvCache("i16", per_token + scales(name, per_token), window + scales(name, window)),
        KvCache("f16", per_token, window),
        KvCache("f32", per_token * 2, window * 2),
        KvCache(
            "q8_0", per_token // 2 + scales(name, per_token), window // 2 + scales(name, window)
        ),
    )


def scales(name: str, in_f16: int) -> int:
    """Two bytes for all channels of a head; of DeepSeek's rows, for either part."""
    channels = 288 if "deepseek" in name else HEAD_DIM[name]
    assert in_f16 % (2 * channels) == 0
    return in_f16 // channels


def test_passes(tmp_path: Path) -> None:
    """While a pass is under way, its rows are there beside the window."""
    file = _core.GgufFile(header(tmp_path / "m.gguf", "gpt-oss-20b"))
    memory = [_core.kv_memory(file, "f16", chunk=n).window_bytes for n in (1, 2, 3, 66, 67)]
    assert [n * 128 // 64 / WINDOW for n in memory] == [7, 7, 8, 8, 9]  # pages


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    path = header(tmp_path / "m.gguf", "smollm2-135m")
    with path.open("rb") as file:
        data = file.read(100_000)
    (tmp_path / "other.gguf").write_bytes(data.replace(b"blk.3.ffn_up", b"blk.3.ffn_no"))
    os.truncate(tmp_path / "other.gguf", path.stat().st_size)
    message = r"other\.gguf: tensor `blk\.3\.ffn_up\.weight` is missing"
    with pytest.raises(FormatError, match=message):
        _core.kv_memory(_core.GgufFile(tmp_path / "other.gguf"))


def test_types_that_there_are_not(tmp_path: Path) -> None:
    file = _core.GgufFile(header(tmp_path / "m.gguf", "smollm2-135m"))
    with pytest.raises(ValueError, match='kv_type is "q4_0"'):
        _core.kv_memory(file, "q4_0")
