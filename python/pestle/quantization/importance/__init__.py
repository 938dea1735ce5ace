"""Importance matrices: which columns of a model's weights its quantizers should be careful with.

found = gather("model-BF16.gguf")
write_imatrix("imatrix.gguf", found.matrix)
importance = read_imatrix("imatrix.gguf").importance("blk.0.attn_q.weight")
"""

from pestle.quantization.importance.coverage import Coverage, ExpertCoverage, coverage
from pestle.quantization.importance.gathering import Gathering, calibration_text, gather
from pestle.quantization.importance.matrix import Importance, ImportanceMatrix
from pestle.quantization.importance.reading import read_imatrix
from pestle.quantization.importance.writing import write_imatrix

__all__ = [
    "Coverage",
    "ExpertCoverage",
    "Gathering",
    "Importance",
    "ImportanceMatrix",
    "calibration_text",
    "coverage",
    "gather",
    "read_imatrix",
    "write_imatrix",
]
