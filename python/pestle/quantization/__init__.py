"""Float weights as GGUF's types: the numbers themselves, and which type each tensor of a file gets.

    quantized = quantize_rows("Q4_K", rows, importance=importance)

The bytes depend on the numbers, the importance and the type alone: not on the threads, the
instruction set, the compiler or the machine.
"""

from pestle.quantization.mixtures import (
    ModelFacts,
    Shapes,
    file_type,
    fitting_type,
    is_quantized,
    mixture_types,
)
from pestle.quantization.rows import (
    dequantize_rows,
    quantize_rows,
    row_bytes,
    widen,
    widen_fp8,
)

__all__ = [
    "ModelFacts",
    "Shapes",
    "dequantize_rows",
    "file_type",
    "fitting_type",
    "is_quantized",
    "mixture_types",
    "quantize_rows",
    "row_bytes",
    "widen",
    "widen_fp8",
]
