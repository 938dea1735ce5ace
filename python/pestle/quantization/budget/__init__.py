"""Which type each tensor should have, so that a file of a given size diverges least.

found = measure(copy_of_the_model, names, bits=4.5, text=text)
types = choose(found.tensors, budget_in_bytes)
"""

from pestle.quantization.budget.choice import Candidate, TensorCandidates, choose
from pestle.quantization.budget.probing import probing_options
from pestle.quantization.budget.sensitivity import (
    Importances,
    Sensitivities,
    Sensitivity,
    measure,
)
from pestle.quantization.budget.typical import assume

__all__ = [
    "Candidate",
    "Importances",
    "Sensitivities",
    "Sensitivity",
    "TensorCandidates",
    "assume",
    "choose",
    "measure",
    "probing_options",
]
