"""From checkpoints and GGUF files to quantized GGUF, and the proof that a file is what it says."""

from pestle.conversion.api import convert, quantize
from pestle.conversion.execution import Conversion
from pestle.conversion.manifest import Manifest
from pestle.conversion.targets import Target
from pestle.conversion.verification import Verification, verify

__all__ = ["Conversion", "Manifest", "Target", "Verification", "convert", "quantize", "verify"]
