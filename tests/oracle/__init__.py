"""Proofs that the numbers are right."""
