"""The sampler, on logits that are known."""
