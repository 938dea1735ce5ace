"""From a checkpoint to GGUF."""
