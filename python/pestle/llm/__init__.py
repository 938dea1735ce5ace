"""`LLM`: from a file or name to a model that generates.

language_model  the class: how it is made and closed; sessions and conversations
lists           calls for many prompts or chats at once
texts           what it tells of texts without generating: tokens, logits, scores
embedding       vectors of texts
facts           its names, sizes and parts
opening         made and closed for asyncio
loading         from a path to the parts of a model in memory
"""

from pestle.llm.language_model import LLM

__all__ = ["LLM"]
