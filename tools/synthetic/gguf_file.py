"""Writes the file, one tensor after another: no more than one is in memory."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt
from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as Type
from pestle.gguf.header import aligned

from synthetic.blocks import random_rows
from synthetic.metadata import metadata
from synthetic.mixture import choose, file_type
from synthetic.shapes import Shape
from synthetic.tensors import Fill, Tensor, tensors
from synthetic.vocabulary import Value, pad

EMBEDDING_OF_EXPERTS = 4.0
"""Deviation of the embeddings of models with experts: more than what all layers add.

Random attention averages over the tokens before, so what the layers add is much the same for all.
Where that prevails, all tokens go to the same few experts, and each of these meets as many rows as
a dense layer does: a flattering benchmark. Trained routers are held to spread tokens evenly.
"""


def write(
    path: Path,
    shape: Shape,
    kind: str,
    vocabulary: Mapping[str, Value],
    *,
    pure: bool = False,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Write `path`, which appears when it is whole. `progress` hears of bytes."""
    plan = _plan(shape, kind, pure=pure)
    total, done = sum(_nbytes(*entry) for entry in plan), 0
    partial = path.with_name(path.name + ".part")
    writer = _with_header(partial, path.stem, shape, kind, vocabulary, plan)
    for tensor, chosen in plan:
        writer.write_tensor_data(contents(tensor, shape, chosen, seed))
        done += _nbytes(tensor, chosen)
        progress(done, total)
    writer.close()
    partial.replace(path)


def write_outline(
    path: Path, shape: Shape, kind: str, vocabulary: Mapping[str, Value], *, pure: bool = False
) -> None:
    """The same file with holes for its quantized matrices: they take no place, and are all 0."""
    plan = _plan(shape, kind, pure=pure)
    _with_header(path, path.stem, shape, kind, vocabulary, plan).close()
    at = aligned(path.stat().st_size)
    with path.open("r+b") as file:
        for tensor, chosen in plan:
            if chosen == "F32":
                file.seek(at)
                file.write(contents(tensor, shape, chosen, 0).tobytes())
            at += aligned(_nbytes(tensor, chosen))
        file.truncate(at)


def _plan(shape: Shape, kind: str, *, pure: bool) -> list[tuple[Tensor, str]]:
    """The tensors and their types."""
    types = choose(shape, kind, pure=pure)
    return [(tensor, types[tensor.name]) for tensor in tensors(shape)]


def _with_header(
    path: Path,
    name: str,
    shape: Shape,
    kind: str,
    vocabulary: Mapping[str, Value],
    plan: list[tuple[Tensor, str]],
) -> gguf.GGUFWriter:
    """A file that has all but its data."""
    writer = gguf.GGUFWriter(path, shape.architecture)
    _add_metadata(writer, name, shape, kind, pad(dict(vocabulary), shape.n_vocab))
    for tensor, chosen in plan:
        writer.add_tensor_info(
            tensor.name,
            tensor.size[::-1],
            np.dtype(np.float32),  # ignored: the type is given
            _nbytes(tensor, chosen),
            Type[chosen],
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    return writer


def contents(tensor: Tensor, shape: Shape, chosen: str, seed: int) -> npt.NDArray[np.generic]:
    """A tensor's numbers. They depend on the seed and its name, not on the tensors before it."""
    sequence = np.random.SeedSequence([seed, zlib.crc32(tensor.name.encode())])
    rng = np.random.Generator(np.random.SFC64(sequence))
    columns, rows = tensor.size[0], math.prod(tensor.size[1:])
    if tensor.fill is Fill.ROPE_FREQS:
        return rope_factors(shape)
    if tensor.fill is Fill.NORM:
        return 1 + 0.1 * rng.standard_normal(columns, np.float32)
    if tensor.fill is Fill.BIAS:
        return 0.1 * rng.standard_normal(tensor.size[::-1], np.float32)
    if shape.experts and tensor.name == "token_embd.weight":
        return random_rows(chosen, rows, columns, EMBEDDING_OF_EXPERTS, rng)
    # Products of normed activations then have a variance of one, at any width.
    return random_rows(chosen, rows, columns, columns**-0.5, rng)


def rope_factors(shape: Shape) -> npt.NDArray[np.float32]:
    """Llama 3's divisors of the rotary frequencies."""
    rope = shape.llama3_rope
    if rope is None:
        raise ValueError("the shape has no rope_freqs")
    exponents = np.arange(0, shape.head_dim, 2) / shape.head_dim
    turns = rope.original_n_ctx / (2 * np.pi * shape.rope_base**exponents)
    smooth = (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor)
    smooth = smooth.clip(0, 1)  # 0: a long wave, divided by the whole factor
    return np.asarray(1 / ((1 - smooth) / rope.factor + smooth), np.float32)


def _nbytes(tensor: Tensor, chosen: str) -> int:
    width, size = GGML_QUANT_SIZES[Type[chosen]]
    return int(math.prod(tensor.size) // width * size)


def _add_metadata(
    writer: gguf.GGUFWriter, name: str, shape: Shape, kind: str, vocabulary: Mapping[str, Value]
) -> None:
    writer.add_name(name)
    writer.add_description("random weights, for measuring speed")
    writer.add_file_type(file_type(kind))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    adders: dict[type, Callable[[str, object], None]] = {
        bool: writer.add_bool,
        int: writer.add_uint32,
        float: writer.add_float32,
        str: writer.add_string,
    }
    for key, value in metadata(shape).items():
        adders[type(value)](f"{shape.architecture}.{key}", value)
    for key, entry in vocabulary.items():
        writer.add_key_value(key, entry.value, entry.kind, entry.item)
