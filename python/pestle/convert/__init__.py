"""From checkpoints and GGUF files to quantized GGUF, and the proof that a file is what it says.

The package is also the function of its name: `pestle.convert("checkpoint", "model.gguf")`.
"""

import sys
from types import ModuleType

from pestle.convert.api import convert, quantize
from pestle.convert.conversion import Conversion
from pestle.convert.manifest import Manifest
from pestle.convert.targets import Target
from pestle.convert.verification import Verification, verify

__all__ = ["Conversion", "Manifest", "Target", "Verification", "convert", "quantize", "verify"]


class _Package(ModuleType):
    __call__ = staticmethod(convert)


sys.modules[__name__].__class__ = _Package
