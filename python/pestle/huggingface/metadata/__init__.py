"""What GGUF's keys say of a checkpoint: its architecture, its tokenizer, its author's defaults."""

from pestle.huggingface.metadata.general import general_keys, read_generation_config
from pestle.huggingface.metadata.pooling import MODULES, POOLING, pooling_keys
from pestle.huggingface.metadata.rope import rope_divisors

__all__ = [
    "MODULES",
    "POOLING",
    "general_keys",
    "pooling_keys",
    "read_generation_config",
    "rope_divisors",
]
