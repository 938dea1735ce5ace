"""Which type each matrix of a file has: llama-quantize's choice, or one type for all."""

from __future__ import annotations

from pestle import quantization
from pestle.quantization import ModelFacts
from pestle.types import MIXTURES, QUANTIZABLE, TYPES

from synthetic.shapes import Shape
from synthetic.tensors import tensors

PURE = QUANTIZABLE
"""Types that a whole file may have."""


def choose(shape: Shape, name: str, *, pure: bool = False) -> dict[str, str]:
    """The types of a shape's tensors in the mixture `name`, or, when `pure`, all of that type."""
    shapes = {tensor.name: tuple(reversed(tensor.size)) for tensor in tensors(shape)}
    if pure:
        types = {
            tensor: quantization.fitting_type(name, size[-1])
            if quantization.is_quantized(tensor, size)
            else "F32"
            for tensor, size in shapes.items()
        }
    else:
        n_experts = shape.experts.n if shape.experts else 0
        model = ModelFacts(shape.n_layers, shape.n_heads, shape.n_kv_heads, n_experts)
        types = quantization.mixture_types(name, shapes, model)
    if shape.architecture == "gpt-oss":  # as they were published: nobody quantizes them again
        experts = (tensor for tensor in types if tensor.endswith("_exps.weight"))
        types |= dict.fromkeys(experts, "MXFP4")
    return types


def file_type(name: str) -> int:
    """general.file_type. A file of one K type counts as the small mixture of that type."""
    return quantization.file_type(name if name in MIXTURES else next(iter(TYPES[name].mixtures)))
