"""What GGUF calls the tensors of a Hugging Face checkpoint: one table per architecture."""

from pestle.huggingface.names.base import NamedPart, NamedTensor, NameMap, n_experts
from pestle.huggingface.names.deepseek2 import DEEPSEEK2
from pestle.huggingface.names.gemma3 import GEMMA3
from pestle.huggingface.names.gpt_oss import GPT_OSS
from pestle.huggingface.names.llama import LLAMA
from pestle.huggingface.names.qwen import QWEN2, QWEN3, QWEN3MOE

__all__ = ["NAME_MAPS", "NameMap", "NamedPart", "NamedTensor", "n_experts"]

NAME_MAPS: dict[str, NameMap] = {
    model_type: names
    for names in (LLAMA, QWEN2, QWEN3, QWEN3MOE, GPT_OSS, DEEPSEEK2, GEMMA3)
    for model_type in names.model_types
}
"""By `model_type` of the checkpoint's config.json."""
