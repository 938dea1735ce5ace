"""The text that is read where the caller has none."""

from __future__ import annotations

from importlib.resources import files


def calibration_text() -> str:
    """Prose, dialogue, code, data and mathematics in several languages, written for Pestle.

    About 16,000 characters. It is never used to measure what a file has lost.
    """
    return (
        files("pestle.quantization.importance")
        .joinpath("calibration.txt")
        .read_text(encoding="utf-8")
    )
