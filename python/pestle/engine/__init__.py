"""Generation: a loaded model's forward pass, the sampling loop over it, and its streams.

runtime      what is used of the core, and the lock around it
sequence     tokens with their keys and values, until the model is closed
generation   one generation from prompt to last token
speculation  drafts of what comes next, verified several at once
governor     how much of a draft is worth verifying
step_costs   what a pass of several rows costs
masks        which tokens may come next, computed beside the forward pass
scoring      what a model thinks of a text that is there already
stream       a generation as an iterator, for threads and for asyncio
"""

from pestle.engine.stream import AsyncStream, Stream

__all__ = ["AsyncStream", "Stream"]
