"""A Hugging Face checkpoint's folder: what its files hold, as GGUF's tensors and keys."""

from pestle.huggingface.config import ModelConfig, read_config
from pestle.huggingface.encodings import check_quantization, source_of, value_names
from pestle.huggingface.folder import Checkpoint, open_checkpoint
from pestle.huggingface.model import open_model

__all__ = [
    "Checkpoint",
    "ModelConfig",
    "check_quantization",
    "open_checkpoint",
    "open_model",
    "read_config",
    "source_of",
    "value_names",
]
