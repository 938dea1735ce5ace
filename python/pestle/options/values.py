"""The values that options may have, each list once: for the API's checks and the command line."""

from __future__ import annotations

KV_TYPES = ("i16", "f16", "f32", "q8_0")
"""How keys, or values, are kept."""
ROPE_SCALINGS = ("none", "linear", "yarn")
"""How positions are stretched beyond the context that a model was trained for."""
POOLINGS = ("mean", "last")
"""How the states of a text's tokens become one vector."""
UNKNOWN_CHARACTERS = ("error", "replace")
"""What becomes of characters of a prompt that the vocabulary cannot express."""
ON_FULL = ("error", "slide")
"""What becomes of a conversation that outgrows the context."""
REASONING_EFFORTS = ("low", "medium", "high")
"""How much a model thinks before it answers."""
GRAMMARS = ("json_schema", "grammar", "regex", "choice")
"""Options that say what a text has to be; one at most."""
TOOL_CHOICES = ("auto", "none", "required")
"""Whether an answer calls a tool; a function, by its name, is the other choice."""
