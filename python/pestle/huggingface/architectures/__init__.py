"""What GGUF calls the tensors and settings of a checkpoint: one file per architecture."""

from pestle.huggingface.architectures.base import Architecture, NamedPart, NamedTensor
from pestle.huggingface.architectures.deepseek2 import DEEPSEEK2
from pestle.huggingface.architectures.gemma3 import GEMMA3
from pestle.huggingface.architectures.gpt_oss import GPT_OSS
from pestle.huggingface.architectures.keys import Keys, n_experts
from pestle.huggingface.architectures.llama import LLAMA
from pestle.huggingface.architectures.qwen import QWEN2, QWEN3, QWEN3MOE
from pestle.huggingface.config import ModelConfig

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "NamedPart",
    "NamedTensor",
    "architecture_keys",
    "n_experts",
]

_ALL = (LLAMA, QWEN2, QWEN3, QWEN3MOE, GPT_OSS, DEEPSEEK2, GEMMA3)
ARCHITECTURES: dict[str, Architecture] = {
    model_type: architecture for architecture in _ALL for model_type in architecture.model_types
}
"""By `model_type` of the checkpoint's config.json."""


def architecture_keys(name: str, config: ModelConfig) -> Keys:
    """The keys of the architecture that GGUF calls `name`, as `Architecture.keys` gives them."""
    return next(found for found in _ALL if found.name == name).keys(config)
