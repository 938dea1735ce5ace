"""The tensors of a model on their way from its files to a new one: read, transformed, encoded."""
