"""The products that a header tells of are those that a loaded model counts."""

from __future__ import annotations

import pytest
from pestle._core import GgufFile, Model, token_work

from .checkpoints import CASES
from .conftest import TinyFile


@pytest.mark.parametrize("name", CASES)
def test_every_family(tiny_file: TinyFile, name: str) -> None:
    path = tiny_file(name)
    work, model = token_work(GgufFile(path)), Model(path)
    assert work.n_layers == model.n_layers == len(work.attention)
    assert sum(p.bytes * p.per_token for p in work.products) == model.decode_bytes
    operations = sum(2 * p.rows * p.columns * p.per_token for p in work.products if not p.head)
    assert operations == model.prefill_ops
