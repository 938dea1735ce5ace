"""`python -m pestle` is the command `pestle`."""

from __future__ import annotations

from pestle.cli import main

main()
