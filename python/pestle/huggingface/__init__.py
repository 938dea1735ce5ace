"""A Hugging Face checkpoint on disk: its safetensors, its config, and what its tensors hold."""

from pestle.huggingface.config import ModelConfig, read_config
from pestle.huggingface.encodings import check_quantization, source_of, value_names
from pestle.huggingface.folder import Checkpoint, open_checkpoint

__all__ = [
    "Checkpoint",
    "ModelConfig",
    "check_quantization",
    "open_checkpoint",
    "read_config",
    "source_of",
    "value_names",
]
