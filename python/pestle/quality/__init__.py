"""What a model is measured by: texts, losses, divergence from a reference."""

from pestle.quality.api import evaluate
from pestle.quality.certificate import BLANK, Certificate
from pestle.quality.certification import certify
from pestle.quality.checkpoint_subject import CheckpointSubject
from pestle.quality.divergence import Comparison, compare, divergence, losses
from pestle.quality.evaluation import CTX_SIZE, Evaluation, measure
from pestle.quality.figures import Divergence, Figures, Tally
from pestle.quality.logit_sources import LogitSource, ModelPart, StreamedModel, through_layers
from pestle.quality.subject import FileSubject, Subject, matrix_types
from pestle.quality.text_set import Text, TextSet, built_in, from_file
from pestle.quality.windows import Window

__all__ = [
    "BLANK",
    "CTX_SIZE",
    "Certificate",
    "CheckpointSubject",
    "Comparison",
    "Divergence",
    "Evaluation",
    "Figures",
    "FileSubject",
    "LogitSource",
    "ModelPart",
    "StreamedModel",
    "Subject",
    "Tally",
    "Text",
    "TextSet",
    "Window",
    "built_in",
    "certify",
    "compare",
    "divergence",
    "evaluate",
    "from_file",
    "losses",
    "matrix_types",
    "measure",
    "through_layers",
]
