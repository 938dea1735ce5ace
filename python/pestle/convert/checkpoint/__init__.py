"""A Hugging Face checkpoint on disk: its safetensors, its config, and what its tensors hold."""

from pestle.convert.checkpoint.config import ModelConfig, read_config
from pestle.convert.checkpoint.folder import Checkpoint, open_checkpoint
from pestle.convert.checkpoint.source import check_quantization, source_of, value_names

__all__ = [
    "Checkpoint",
    "ModelConfig",
    "check_quantization",
    "open_checkpoint",
    "read_config",
    "source_of",
    "value_names",
]
