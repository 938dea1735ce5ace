"""Sizes in bytes as people write and read them."""

from __future__ import annotations

import re
from collections.abc import Sequence

_UNITS = {
    "": 1, "B": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
    "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40,
}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|[KMGT]I?B?)?")


def parsed(text: str) -> int:
    """The bytes of a size such as 12GiB, 12GB, 12G (decimal, too) or 1.5G. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip().upper())
    if match is None:
        raise ValueError(f"{text!r} is not a size, as in 12GiB or 800MB")
    unit = match[2] or ""
    return int(float(match[1]) * _UNITS[unit if unit == "B" else unit.removesuffix("B")])


def shown(n_bytes: float) -> str:
    """Bytes with three significant digits, decimal: 98.4 MB."""
    return scaled(n_bytes, ("B", "kB", "MB", "GB", "TB"))


def scaled(value: float, names: Sequence[str]) -> str:
    """A number with three significant digits and the name of the power of 1,000."""
    power = 0
    while abs(value) >= 999.5 and power < len(names) - 1:
        value /= 1000
        power += 1
    whole = power == 0 or abs(value) >= 99.95
    return f"{value:.0f} {names[power]}" if whole else f"{value:#.3g} {names[power]}"
