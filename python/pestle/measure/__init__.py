"""What a model is measured by: texts, losses, divergence from a reference."""

from pestle.measure.divergence import Comparison, compare, divergence, losses
from pestle.measure.figures import Divergence, Figures, Tally

__all__ = [
    "Comparison",
    "Divergence",
    "Figures",
    "Tally",
    "compare",
    "divergence",
    "losses",
]
