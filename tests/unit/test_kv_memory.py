"""What keys and values take, told from a file's header: published shapes, without their weights."""

from __future__ import annotations

import os
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from pestle import _core
from pestle.gguf import describe
from synthetic.gguf_file import _add_metadata, _nbytes
from synthetic.mixture import choose
from synthetic.shapes import SHAPES
from synthetic.tensors import tensors

ALIGNMENT = 32


def header(path: Path, name: str) -> Path:
    """A file of the shape whose data is a hole: nothing of it can be read in a hurry."""
    shape = SHAPES[name]
    writer = gguf.GGUFWriter(path, shape.architecture)
    _add_metadata(writer, name, shape, "Q4_0", {})
    size = 0
    for tensor in tensors(shape):
        kind = choose(tensor, shape, "Q4_0", pure=True)
        nbytes = _nbytes(tensor, kind)
        writer.add_tensor_info(
            tensor.name, tensor.size[::-1], np.dtype(np.float32), nbytes, Type[kind]
        )
        size += -(-nbytes // ALIGNMENT) * ALIGNMENT
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    start = -(-path.stat().st_size // ALIGNMENT) * ALIGNMENT
    os.truncate(path, start + size)
    return path


# f16: bytes that each token adds.
PUBLISHED = {
    "smollm2-135m": 23_040,
    "smollm2-360m": 40_960,
    "smollm2-1.7b": 196_608,
    "qwen3-0.6b": 114_688,
    "qwen3-4b": 147_456,
    "qwen3-30b-a3b": 98_304,
    "gpt-oss-20b": 24_576,
    "deepseek-v2-lite": 31_104,
}
RUN = {"llama", "qwen2"}


@pytest.mark.parametrize("name", [n for n in PUBLISHED if SHAPES[n].architecture in RUN])
def test_published_shapes(tmp_path: Path, name: str) -> None:
    f16, q8_0, f32 = describe(header(tmp_path / "m.gguf", name)).kv_cache
    assert (f16.type, q8_0.type, f32.type) == ("f16", "q8_0", "f32")
    assert f16.bytes_per_token == PUBLISHED[name]
    assert f32.bytes_per_token == 2 * PUBLISHED[name]
    assert q8_0.bytes_per_token * 64 == 34 * PUBLISHED[name]  # 34 bytes for 32 channels
    if name != "gpt-oss-20b":
        assert f16.window_bytes == q8_0.window_bytes == f32.window_bytes == 0
