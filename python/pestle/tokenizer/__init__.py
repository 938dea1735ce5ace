"""Text to tokens and back, from the metadata of a model file."""

from pestle.tokenizer.detokenizer import Detokenizer
from pestle.tokenizer.metadata import Metadata
from pestle.tokenizer.stop_strings import StopStrings
from pestle.tokenizer.tokenizer import Tokenizer

__all__ = ["Detokenizer", "Metadata", "StopStrings", "Tokenizer"]
