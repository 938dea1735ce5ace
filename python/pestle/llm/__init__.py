"""`LLM`: from a file or name to a model that generates."""

from pestle.llm.language_model import LLM

__all__ = ["LLM"]
