"""What GGUF's keys say of a checkpoint: its architecture, its tokenizer, its author's defaults."""

from pestle.huggingface.metadata.architecture import architecture_keys, rope_divisors
from pestle.huggingface.metadata.general import general_keys, read_generation_config

__all__ = ["architecture_keys", "general_keys", "read_generation_config", "rope_divisors"]
