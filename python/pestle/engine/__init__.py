"""Generation: a loaded model's forward pass, the one loop that steps it, and streams of answers.

runtime      a loaded model in use: its scheduler and its sequences
scheduler    the loop: takes what all work in progress wants next into one pass
line         what goes on, what waits, and what is set aside
passes       one of these passes
work, ticket what the scheduler is given to do, and how somebody waits for it
pace         how much of a prompt goes into a pass
sequence     tokens with their keys and values, until the model is closed
generation   one generation from prompt to last token, as a state machine
run          a generation as its caller sees it
order        who is served next, and who is set aside
activity     how far a generation is, and what all work comes to
stream       an iterator over it, for threads and for asyncio
waking       how a coroutine waits for the scheduler's thread
together     the results of several at once
speculation  drafts of what comes next, verified several at once
governor     how much of a draft is worth verifying
step_costs   what a pass of several rows costs
masks        which tokens may come next, computed beside the forward pass
scoring      what a model thinks of a text that is there already
embedding    vectors of texts
"""

from pestle.engine.stream import AsyncStream, Stream

__all__ = ["AsyncStream", "Stream"]
