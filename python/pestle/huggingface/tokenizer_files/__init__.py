"""A checkpoint's tokenizer and chat template as GGUF's `tokenizer.*` keys."""

from pestle.huggingface.tokenizer_files.keys import tokenizer_keys, vocabulary_rows

__all__ = ["tokenizer_keys", "vocabulary_rows"]
