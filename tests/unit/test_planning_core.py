"""What plans are made of: a token's work by a header, and how long a product takes here."""

from __future__ import annotations

from pathlib import Path

import pytest
from pestle._core import GgufFile, ProductProbe, token_work

from .test_kv_memory import header


@pytest.mark.parametrize("name", ["smollm2-135m", "gpt-oss-20b", "deepseek-v2-lite", "deepseek-v3"])
def test_the_products_of_a_token(tmp_path: Path, name: str) -> None:
    file = GgufFile(header(tmp_path / "m.gguf", name))
    work = token_work(file)
    assert len(work.attention) == work.n_layers
    assert [p.head for p in work.products] == [False] * (len(work.products) - 1) + [True]
    here = {tensor.name: tensor for tensor in file.tensors}
    for product in work.products:
        assert product.tensor in here
        assert 1 <= product.per_token <= product.count
        assert product.bytes > 0
        small = name == "smollm2-135m" and product.columns < 2048
        assert product.wide == (product.head or small)


def test_more_work_takes_longer() -> None:
    probe = ProductProbe(1 << 22, 1)
    one = probe.seconds("Q4_0", False, 512, 2048, 1)
    many = probe.seconds("Q4_0", False, 512, 2048, 256)
    assert 0 < one < many < 60
    assert probe.seconds("Q8_0", False, 4096, 2048) > 0  # more than the memory it was made with


@pytest.mark.parametrize("change", [{"format": "Q9"}, {"columns": 100}, {"rows": 0}, {"batch": 0}])
def test_wrong_products_are_refused(change: dict[str, object]) -> None:
    arguments = {"format": "Q4_0", "wide": False, "rows": 64, "columns": 64, "batch": 1} | change
    with pytest.raises(ValueError, match=r"format|matrix|batch"):
        ProductProbe(1 << 20, 1).seconds(**arguments)  # type: ignore[arg-type]
