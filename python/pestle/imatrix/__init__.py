"""Importance matrices: which columns of a model's weights its quantizers should be careful with.

found = gather("model-BF16.gguf")
write_imatrix("imatrix.gguf", found.matrix)
importance = read_imatrix("imatrix.gguf").importance("blk.0.attn_q.weight")
"""

from pestle.imatrix.coverage import Coverage, ExpertCoverage, coverage
from pestle.imatrix.gathering import Gathering, gather
from pestle.imatrix.matrix import Importance, ImportanceMatrix
from pestle.imatrix.reading import read_imatrix
from pestle.imatrix.writing import write_imatrix

__all__ = [
    "Coverage",
    "ExpertCoverage",
    "Gathering",
    "Importance",
    "ImportanceMatrix",
    "coverage",
    "gather",
    "read_imatrix",
    "write_imatrix",
]
