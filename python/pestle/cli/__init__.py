"""The command line. The only part of Pestle that prints or exits."""

from __future__ import annotations

from pestle.cli.root import main

__all__ = ["main"]
