"""Float weights as GGUF's types.

    packed = quantize_rows("Q4_K", rows, importance=importance)

The bytes depend on the numbers, the importance and the type alone: not on the threads, the
instruction set, the compiler or the machine.
"""

from pestle.quantize.rows import TYPES, quantize_rows, row_bytes, widen, widen_fp8

__all__ = ["TYPES", "quantize_rows", "row_bytes", "widen", "widen_fp8"]
