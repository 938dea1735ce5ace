"""Checkpoints whose weights are stored as published ones are: FP8 with scales, MXFP4 blocks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from . import checkpoint_folder
from .checkpoint_folder import Stored, stored
from .checkpoints import Case, weights


def e4m3(code: int) -> float:
    """Sign, four bits of exponent with a bias of 7, three of mantissa (OCP, 8-bit formats)."""
    sign, exponent, mantissa = -1 if code & 128 else 1, code >> 3 & 15, code & 7
    if exponent == 0:
        return sign * mantissa / 8 * 2**-6
    return sign * (1 + mantissa / 8) * 2 ** (exponent - 7)


_E4M3 = np.array([e4m3(code) for code in range(127)])


def fp8(values: np.ndarray) -> tuple[Stored, Stored]:
    """Codes, and the scale of each block of 128 x 128; the edges' blocks are partial."""
    rows, columns = (-(-n // 128) for n in values.shape)
    padded = np.zeros((rows * 128, columns * 128))
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(rows, 128, columns, 128)
    scales = np.maximum(abs(blocks).max(axis=(1, 3)) / 448, 1e-12).astype(np.float32)
    wanted = abs(blocks / scales[:, None, :, None].astype(np.float64))
    codes = abs(wanted[..., None] - _E4M3).argmin(axis=-1).astype(np.uint8)
    codes |= np.where(blocks < 0, 128, 0).astype(np.uint8)
    codes = codes.reshape(padded.shape)[: values.shape[0], : values.shape[1]]
    return stored(codes, "F8_E4M3"), stored(scales)


def write_fp8(folder: Path, case: Case) -> Path:
    """DeepSeek's form: projections of whole blocks in FP8, everything else in F32."""
    tensors: dict[str, Stored] = {}
    for name, values in weights(case).items():
        is_projection = name.endswith(("_proj.weight", "_mqa.weight"))
        if is_projection and not any(n % 128 for n in values.shape):
            tensors[name], tensors[f"{name}_scale_inv"] = fp8(values)
        else:
            tensors[name] = stored(values)
    plain = [
        name.removesuffix(".weight")
        for name, (_, shape, _) in tensors.items()
        if len(shape) == 2 and f"{name}_scale_inv" not in tensors
    ]
    return _write(folder, case, tensors, {
        "quant_method": "fp8",
        "fmt": "e4m3",
        "weight_block_size": [128, 128],
        "activation_scheme": "dynamic",
        "dequantize": True,
        "modules_to_not_convert": plain,
    })  # fmt: skip


def write_mxfp4(folder: Path, case: Case) -> Path:
    """gpt-oss's form: the experts' matrices are random blocks, everything else F32."""
    rng = np.random.default_rng(case.seed)
    tensors: dict[str, Stored] = {}
    for name, values in weights(case).items():
        if not name.endswith(("gate_up_proj", "down_proj")):
            tensors[name] = stored(values)
            continue
        n, columns, rows = values.shape
        grid = (n, rows, columns // 32)
        tensors[f"{name}_blocks"] = stored(rng.integers(0, 256, (*grid, 16), dtype=np.uint8), "U8")
        tensors[f"{name}_scales"] = stored(rng.integers(118, 124, grid, dtype=np.uint8), "U8")
    return _write(folder, case, tensors, {
        "quant_method": "mxfp4",
        "modules_to_not_convert": [
            "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"
        ],
    })  # fmt: skip


def _write(
    folder: Path, case: Case, tensors: dict[str, Stored], quantization: dict[str, object]
) -> Path:
    checkpoint_folder.write(folder, case, {}, shards=1)
    checkpoint_folder.write_tensors(folder, tensors, shards=2)
    (folder / "model.safetensors").unlink()
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), "quantization_config": quantization}
    path.write_text(json.dumps(config), encoding="utf-8")
    return folder
