"""Wheels for Linux, from one machine, the same bytes on every machine."""
