"""What GGUF calls the tensors of a Hugging Face checkpoint: one table per architecture."""

from pestle.convert.names.base import NameMap
from pestle.convert.names.llama import LLAMA
from pestle.convert.names.qwen2 import QWEN2

__all__ = ["LLAMA", "NAME_MAPS", "QWEN2", "NameMap"]

NAME_MAPS: dict[str, NameMap] = {m.model_type: m for m in (LLAMA, QWEN2)}
"""By `model_type` of the checkpoint's config.json."""
