"""Answers that are held to a schema, a grammar or a call, by models with random weights."""
