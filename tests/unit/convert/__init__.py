"""The converter, without `transformers`."""
