"""What is probed together."""

from __future__ import annotations

import pytest
from pestle.quantization.budget.groups import groups


def _model(n_layers: int) -> list[str]:
    kinds = [f"attn_{part}.weight" for part in ("q", "k", "v", "output")] + ["ffn_down.weight"]
    layers = [f"blk.{i}.{kind}" for i in range(n_layers) for kind in kinds]
    return ["token_embd.weight", *layers, "output.weight"]


@pytest.mark.parametrize(("n_layers", "most"), [(1, 64), (12, 62), (30, 64), (80, 64), (80, 3)])
def test_groups(n_layers: int, most: int) -> None:
    names = _model(n_layers)
    found = groups(names, most)
    assert sorted(name for group in found for name in group) == sorted(names)
    assert len(found) <= max(most, 7)  # a kind of tensor is never probed with another
    if len(names) <= most:
        assert found == [(name,) for name in names]
    for group in found:
        assert len({name.rpartition(".")[0].rpartition(".")[2] for name in group}) == 1
        layers = [int(name.split(".")[1]) for name in group if name.startswith("blk.")]
        assert layers == list(range(min(layers, default=0), max(layers, default=-1) + 1))
