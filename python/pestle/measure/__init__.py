"""What a model is measured by: texts, losses, divergence from a reference."""

from pestle.measure.certificate import BLANK, Certificate
from pestle.measure.divergence import Comparison, compare, divergence, losses
from pestle.measure.evaluation import CTX_SIZE, Evaluation, measure
from pestle.measure.figures import Divergence, Figures, Tally
from pestle.measure.sources import LogitSource, Part, StreamedModel, through_layers
from pestle.measure.subject import FileSubject, Subject, matrix_types
from pestle.measure.text_set import Text, TextSet, built_in, from_file
from pestle.measure.windows import Window

__all__ = [
    "BLANK",
    "CTX_SIZE",
    "Certificate",
    "Comparison",
    "Divergence",
    "Evaluation",
    "Figures",
    "FileSubject",
    "LogitSource",
    "Part",
    "StreamedModel",
    "Subject",
    "Tally",
    "Text",
    "TextSet",
    "Window",
    "built_in",
    "compare",
    "divergence",
    "from_file",
    "losses",
    "matrix_types",
    "measure",
    "through_layers",
]
