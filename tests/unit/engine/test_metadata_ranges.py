"""Numbers of the metadata that would overflow: each is refused, with its range."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from pestle import _core
from pestle.errors import FormatError

from tests.oracle import checkpoints, gguf_file
from tests.oracle.checkpoints import CASES
from tests.oracle.gguf_metadata import metadata

from .parts import Parts, parts

MOST_POSITIONS = (2**31 - 1) // 2


def deepseek(**keys: Any) -> Parts:
    case = CASES["deepseek3-ragged"]
    tensors = gguf_file.gguf_weights(case, checkpoints.weights(case))
    return Parts("deepseek2", {**metadata(case), **keys}, tensors)


RANGES: list[tuple[dict[str, Any], str]] = [
    (
        {"expert_shared_count": 2**31 - 1},
        "deepseek2.expert_shared_count is 2147483647, expected 0 to 29127",
    ),
    ({"expert_shared_count": 60_000_000}, "expert_shared_count is 60000000, expected 0 to 29127"),
    ({"expert_weights_scale": -2.5}, "expert_weights_scale is -2.5, expected 0 to 1e+06"),
    ({"expert_weights_scale": math.nan}, "expert_weights_scale is nan, expected 0 to 1e+06"),
    ({"expert_weights_scale": math.inf}, "expert_weights_scale is inf, expected 0 to 1e+06"),
    (
        {"rope.scaling.yarn_log_multiplier": -0.1},
        "rope.scaling.yarn_log_multiplier is -0.1, expected 0 to 100",
    ),
    (
        {"rope.scaling.yarn_log_multiplier": math.nan},
        "rope.scaling.yarn_log_multiplier is nan, expected 0 to 100",
    ),
    ({"attention.q_lora_rank": 2**31 - 1}, "q_lora_rank is 2147483647, expected 0 to 1048576"),
    ({"attention.kv_lora_rank": 2**31 - 1}, "kv_lora_rank 2147483647"),
    ({"attention.key_length_mla": 2**31 - 1}, "do not make latent attention"),
    ({"attention.value_length_mla": 2**31 - 1}, "do not make latent attention"),
    ({"nextn_predict_layers": 2**31 - 1}, "every layer predicts further tokens"),
    ({"expert_group_count": 2**31 - 1}, "cannot be chosen from the best"),
    ({"expert_group_used_count": 2**31 - 1}, "cannot be chosen from the best"),
    (
        {"expert_group_count": 12, "expert_group_used_count": 4},
        "12 groups of one expert each, of which the best 4 are to be kept, have no two best",
    ),
    (
        {"rope.scaling.original_context_length": 2**31 - 1},
        f"original_context_length is 2147483647, expected 1 to {MOST_POSITIONS}",
    ),
    (
        {"context_length": 2**31 - 1},
        f"context_length is 2147483647, expected 1 to {MOST_POSITIONS}",
    ),
]


@pytest.mark.parametrize(("keys", "message"), RANGES)
def test_ranges(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    path = deepseek(**keys).write(tmp_path / "bad.gguf")
    with pytest.raises(FormatError) as caught:
        _core.Model(path, threads=1)
    assert str(caught.value).startswith("bad.gguf: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("trained", "factor"), [(2**30 - 1, 1e-3), (5, 1e6), (1, 1.5), (2**30 - 1, 1.0)]
)
def test_contexts_that_a_linear_factor_leads_to(
    tmp_path: Path, trained: int, factor: float
) -> None:
    """The original one is no key of the file's, and no part of what runs."""
    model = parts()
    model.metadata |= {
        "context_length": trained,
        "rope.scaling.type": "linear",
        "rope.scaling.factor": factor,
    }
    loaded = _core.Model(model.write(tmp_path / "m.gguf"), threads=1)
    assert _core.Engine(loaded, threads=1).n_ctx == trained
