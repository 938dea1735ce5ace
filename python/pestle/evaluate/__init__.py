"""How good a model file is, and how much it has lost of what it was made from.

The package is also the function of its name: `pestle.evaluate("model.gguf", reference="folder")`.
"""

import sys
from types import ModuleType

from pestle.evaluate.api import evaluate
from pestle.evaluate.plot import check_plot, plot
from pestle.measure import Divergence, Evaluation, Figures, compare, divergence, losses

__all__ = [
    "Divergence",
    "Evaluation",
    "Figures",
    "check_plot",
    "compare",
    "divergence",
    "evaluate",
    "losses",
    "plot",
]


class _Package(ModuleType):
    __call__ = staticmethod(evaluate)


sys.modules[__name__].__class__ = _Package
