"""Quantizers, conversions of floats, and the types of mixtures."""
