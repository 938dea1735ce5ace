"""What a checkpoint's tensors hold: plain floats, or numbers and scales in two tensors."""

from __future__ import annotations

from collections.abc import Mapping

from pestle.errors import FormatError, UnsupportedError
from pestle.huggingface.config import ModelConfig
from pestle.tensors.source_tensor import FP8_BLOCK, MXFP4_BLOCK, SourceTensor, StoredTensor
from pestle.types import FLOATS

_FP8_SCALES, _BLOCKS, _SCALES = "_scale_inv", "_blocks", "_scales"


def value_names(tensors: Mapping[str, StoredTensor]) -> list[str]:
    """The tensors without those that hold the scales of others."""
    scales = {_scales_of(name) for name in tensors}
    return [name for name in tensors if name not in scales]


def source_of(name: str, tensors: Mapping[str, StoredTensor]) -> SourceTensor:
    """The tensor `name` with its scales.

    FormatError: scales are missing or of another shape, or there are no values.
    UnsupportedError: the tensor is of a type that weights do not have.
    """
    tensor = tensors[name]
    if not tensor.shape or 0 in tensor.shape:
        raise FormatError(f"{tensor} has the shape {list(tensor.shape)}: it holds no values")
    if tensor.dtype == "F8_E4M3":
        return _fp8(tensor, tensors.get(_scales_of(name)))
    if tensor.dtype == "U8" and name.endswith(_BLOCKS):
        return _mxfp4(tensor, tensors.get(_scales_of(name)))
    if tensor.dtype not in FLOATS:
        raise UnsupportedError(
            f"{tensor} is {tensor.dtype}, expected {', '.join(FLOATS)}, F8_E4M3 or MXFP4 blocks"
        )
    return SourceTensor(tensor.dtype, tensor.shape, tensor)


def _scales_of(name: str) -> str:
    """The tensor with the scales of `name`, if there is one."""
    if name.endswith(_BLOCKS):
        return name.removesuffix(_BLOCKS) + _SCALES
    return name + _FP8_SCALES


def _fp8(tensor: StoredTensor, scales: StoredTensor | None) -> SourceTensor:
    if scales is None:
        raise FormatError(f"{tensor} is F8_E4M3, but there is no `{_scales_of(tensor.name)}`")
    if len(tensor.shape) != 2:
        raise FormatError(f"{tensor} has {len(tensor.shape)} dimensions, F8_E4M3 expects two")
    wanted = tuple(-(-n // FP8_BLOCK) for n in tensor.shape)
    _check(scales, "F32", wanted)
    return SourceTensor("fp8", tensor.shape, tensor, scales)


def _mxfp4(tensor: StoredTensor, scales: StoredTensor | None) -> SourceTensor:
    if scales is None:
        raise FormatError(f"{tensor} are MXFP4 blocks without their scales")
    if len(tensor.shape) != 4 or tensor.shape[-1] != MXFP4_BLOCK // 2:
        shape = "x".join(map(str, tensor.shape))
        raise FormatError(f"{tensor} has the shape {shape}, expected experts x rows x blocks x 16")
    _check(scales, "U8", tensor.shape[:-1])
    experts, rows, blocks, _ = tensor.shape
    return SourceTensor("mxfp4", (experts, rows, blocks * MXFP4_BLOCK), tensor, scales)


def _check(scales: StoredTensor, dtype: str, shape: tuple[int, ...]) -> None:
    if (scales.dtype, scales.shape) != (dtype, shape):
        found, wanted = ("x".join(map(str, s)) for s in (scales.shape, shape))
        raise FormatError(f"{scales} is {scales.dtype} {found}, expected {dtype} {wanted}")


def check_quantization(config: ModelConfig) -> None:
    """UnsupportedError unless the numbers of the checkpoint are of a kind that is read."""
    found = config.get("quantization_config")
    if found is None:
        return
    method = found.get("quant_method") if isinstance(found, dict) else found
    if method == "mxfp4":
        return
    if method != "fp8":
        raise UnsupportedError(
            f"{config.path}: `quant_method` is {method!r:.40}, expected fp8 or mxfp4"
        )
    for key, wanted in (("weight_block_size", [FP8_BLOCK, FP8_BLOCK]), ("fmt", "e4m3")):
        if found.get(key, wanted) != wanted:
            raise UnsupportedError(f"{config.path}: `{key}` is {found[key]!r}, expected {wanted!r}")
