"""What to expect of a model before it is downloaded: whether it runs here, and how fast.

    plan(hf="user/repo")       every quantization of a repository
    plan("model.gguf")         a file

planned       what is known of a model
expectation   from a header, options and a machine to a plan
fit           memory: whole, streamed or not at all
speed         seconds of a token, as the sum of its parts
streaming     what experts on the disk cost
probes        what this machine was measured to do
"""

from pestle.footprint.fit import Fit
from pestle.planning.api import plan
from pestle.planning.planned import PROMPT, Plan, Rate

__all__ = ["PROMPT", "Fit", "Plan", "Rate", "plan"]
