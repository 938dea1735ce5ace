"""GGUF files of published shapes with random weights: what `make_synthetic.py` is made of."""
