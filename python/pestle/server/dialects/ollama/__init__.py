"""Ollama's API, as far as it only reads: `/api/chat`, `/api/generate`, `/api/embed` and what tells
of the models. Nothing here fetches, makes, copies or removes one.

Source: Ollama's documentation, "API"; what its client and others send beyond it is theirs.

fields      what requests may have
options     from its options to those of the library
messages    messages as chat templates know them
lines       answers as lines of JSON
chat, generate, embed   the endpoints that compute
listing     the endpoints that tell of the models
errors      how errors are told
"""

from pestle.server.dialects.ollama import chat, embed, generate, listing
from pestle.server.dialects.ollama.errors import Ollama

__all__ = ["Ollama", "chat", "embed", "generate", "listing"]
