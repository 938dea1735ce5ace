"""What a generation gives back: typed, frozen, with usage, timings and the seed that was used."""

from pestle.results.completions import ChatCompletion, Chunk, Completion, FinishReason
from pestle.results.counts import Reuse, Timings, Usage
from pestle.results.tokens import ScoredToken, TokenLogprob
from pestle.results.tool_calls import CallDelta, ToolCall

__all__ = [
    "CallDelta",
    "ChatCompletion",
    "Chunk",
    "Completion",
    "FinishReason",
    "Reuse",
    "ScoredToken",
    "Timings",
    "TokenLogprob",
    "ToolCall",
    "Usage",
]
