"""Numbers and columns as people read them."""

from __future__ import annotations

import pytest
from pestle.cli import units


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (9_996, "10.0 kB"), (999_499, "999 kB"),
        (999_500, "1.00 MB"), (98_362_432, "98.4 MB"), (4.68e9, "4.68 GB"), (2e15, "2000 TB"),
    ],
)  # fmt: skip
def test_size(n_bytes: float, text: str) -> None:
    assert units.size(n_bytes) == text


def test_other_units() -> None:
    assert units.count(134_515_008) == "135M"
    assert units.count(7.24e9) == "7.24B"
    assert units.binary(32 * 1024) == "32 KiB"
    assert units.binary(1 << 20) == "1 MiB"
    assert units.binary(512) == "512 B"
    assert units.gigabytes(29.14e9) == "29.1 GB/s"
    assert units.gigaops(1.2345e12) == "1,234 GOPS"


def test_aligned() -> None:
    assert units.aligned([("name", "n", ""), ("数字", "100", "x")], numbers=(1,)) == [
        "name    n",
        "数字  100  x",
    ]
