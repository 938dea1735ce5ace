"""Which type each matrix of a file has: the choice of llama.cpp's llama-quantize."""

from __future__ import annotations

from gguf import GGML_QUANT_SIZES, LlamaFileType
from gguf import GGMLQuantizationType as Type

from synthetic.shapes import Shape
from synthetic.tensors import Fill, Tensor

MIXTURES = {
    name: base or name
    for name, base in {
        "F32": "", "F16": "", "BF16": "", "Q8_0": "", "Q4_0": "", "Q4_1": "", "Q5_0": "",
        "Q5_1": "", "IQ4_NL": "", "IQ4_XS": "", "Q6_K": "",
        "Q4_K_S": "Q4_K", "Q4_K_M": "Q4_K", "Q5_K_S": "Q5_K", "Q5_K_M": "Q5_K",
        "MXFP4_MOE": "MXFP4",
    }.items()
}  # fmt: skip
"""The type that most matrices of a mixture have."""

PURE = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL", "IQ4_XS",
        "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "MXFP4")  # fmt: skip
"""Types that a whole file may have."""

FLOATS = ("F32", "F16", "BF16")

NARROW = {
    "Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0",
    "IQ4_XS": "IQ4_NL",
}  # fmt: skip
"""What takes the place of a type of 256 columns where a row is no multiple of them."""


def choose(tensor: Tensor, shape: Shape, name: str, *, pure: bool = False) -> str:
    """The type of a tensor in the mixture `name`, or, when `pure`, in a file of one type."""
    if tensor.fill is not Fill.WEIGHT:
        return "F32"
    if shape.architecture == "gpt-oss" and "_exps." in tensor.name:
        return "MXFP4"  # as they were published: nobody quantizes them again
    wanted = name if pure else _wanted(tensor, shape, name)
    return _fitting(wanted, tensor.size[0])


def file_type(name: str) -> int:
    """general.file_type. A file of one K type counts as the small mixture of that type."""
    spelled = {"F32": "ALL_F32", "MXFP4": "MOSTLY_MXFP4_MOE", "Q2_K": "MOSTLY_Q2_K"}
    spelled |= {k: f"MOSTLY_{k}_S" for k in ("Q3_K", "Q4_K", "Q5_K")}
    return int(LlamaFileType[spelled.get(name, f"MOSTLY_{name}")])


def _wanted(tensor: Tensor, shape: Shape, name: str) -> str:
    base, part = MIXTURES[name], tensor.name
    if base in FLOATS:
        return base
    head = "token_embd.weight" if shape.tied else "output.weight"
    if part == head:
        columns = GGML_QUANT_SIZES[Type[base]][0]
        eight_bits = name in ("Q8_0", "MXFP4_MOE") or tensor.size[0] % columns
        return "Q8_0" if eight_bits else "Q6_K"
    if name == "MXFP4_MOE":
        return "MXFP4" if len(tensor.size) == 3 else "Q8_0"
    if not part.startswith("blk."):
        return base
    layer, kind = int(part.split(".")[1]), part.split(".")[2]
    if kind == "attn_v":
        return _attn_v(name, base, layer, shape)
    if kind.startswith("ffn_down"):
        return _ffn_down(name, base, layer, shape.n_layers)
    return base


def _attn_v(name: str, base: str, layer: int, shape: Shape) -> str:
    if name in ("Q4_K_M", "Q5_K_M") and _more_bits(layer, shape.n_layers):
        return "Q6_K"
    if name == "Q4_K_S" and layer < 4:
        return "Q5_K"
    if name in ("IQ4_NL", "IQ4_XS") and shape.n_heads >= 4 * shape.n_kv_heads:
        return "Q5_K"
    return base


def _ffn_down(name: str, base: str, layer: int, n_layers: int) -> str:
    if name in ("Q4_K_M", "Q5_K_M") and _more_bits(layer, n_layers):
        return "Q6_K"
    if name in ("Q4_K_S", "IQ4_NL", "IQ4_XS") and layer < n_layers // 8:
        return "Q5_K"
    return base


def _more_bits(layer: int, n_layers: int) -> bool:
    """The first and the last eighth of the layers, and every third between."""
    eighth = n_layers // 8
    return layer < eighth or layer >= 7 * n_layers // 8 or (layer - eighth) % 3 == 2


def _fitting(wanted: str, columns: int) -> str:
    for candidate in (wanted, NARROW.get(wanted, wanted)):
        if columns % GGML_QUANT_SIZES[Type[candidate]][0] == 0:
            return candidate
    return "F16"
