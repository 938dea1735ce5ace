"""Experts that score the same: the lower number is chosen, as everywhere else. Busy and idle ones.

The same router row twice gives two scores of the same bits. A model whose second expert cannot be
chosen must then give the same logits to the bit, and one whose first cannot be chosen others.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from . import checkpoints, gguf_file, running
from .checkpoints import CASES, Case, Weights
from .conftest import TinyFile

NEVER = -100.0
N_TOKENS = 60


def _logits(path: Path, case: Case, weights: Weights) -> np.ndarray:
    run = running.engine(gguf_file.write(path, case, weights))
    return running.feed(run, run.sequence(), checkpoints.tokens(case, N_TOKENS), 16)


def _edited(weights: Weights, ending: str, rows: dict[int, np.ndarray | float]) -> Weights:
    out = {name: values.copy() for name, values in weights.items()}
    for name in out:
        if name.endswith(ending):
            for row, values in rows.items():
                out[name][row] = values
    return out


def test_experts_of_equal_scores(tmp_path: Path) -> None:
    case = CASES["gptoss-top1"]  # whoever is chosen has the weight 1
    assert case.config["num_experts_per_tok"] == 1
    drawn = checkpoints.weights(case)
    tied = {name: values.copy() for name, values in drawn.items()}
    for name, values in tied.items():
        if name.endswith(("router.weight", "router.bias")):
            values[3] = values[1]
    whole = _logits(tmp_path / "tied.gguf", case, tied)
    without = {
        expert: _logits(
            tmp_path / f"{expert}.gguf", case, _edited(tied, "router.bias", {expert: NEVER})
        )
        for expert in (1, 3)
    }
    assert whole.tobytes() == without[3].tobytes()
    assert whole.tobytes() != without[1].tobytes()


def test_experts_of_equal_softmax_scores(tmp_path: Path) -> None:
    """Without a bias none can be forbidden, but what an expert computes shows whether it served."""
    case = CASES["qwen3moe-top1"]
    drawn = checkpoints.weights(case)
    tied = {name: values.copy() for name, values in drawn.items()}
    for name, values in tied.items():
        if name.endswith("mlp.gate.weight"):
            values[3] = values[1]
    whole = _logits(tmp_path / "tied.gguf", case, tied)
    doubled = {
        expert: _logits(
            tmp_path / f"{expert}.gguf",
            case,
            {n: 2 * v if f"experts.{expert}.up_proj" in n else v for n, v in tied.items()},
        )
        for expert in (1, 3)
    }
    assert whole.tobytes() == doubled[3].tobytes()
    assert whole.tobytes() != doubled[1].tobytes()


@pytest.mark.parametrize(
    ("name", "always", "never"), [("gptoss-busy", {1, 4}, {2}), ("deepseek3-busy", {5}, {6})]
)
def test_experts_of_all_tokens_and_of_none(
    name: str, always: set[int], never: set[int], tiny_file: TinyFile
) -> None:
    """What these cases are made for, in every layer that has experts."""
    run = running.engine(tiny_file(name))
    running.feed(run, run.sequence(), checkpoints.tokens(CASES[name], N_TOKENS), 16)
    counts = run.expert_counts()
    assert counts.any()
    for layer in counts[counts.any(axis=1)]:
        assert set(np.flatnonzero(layer == N_TOKENS)) == always
        assert set(np.flatnonzero(layer == 0)) >= never


def test_groups_of_equal_scores(tmp_path: Path) -> None:
    """Groups 1 and 2 are the same, and the best; one of them is kept."""
    base = CASES["deepseek3-busy"]
    config = base.config | {"n_group": 4, "topk_group": 1, "num_experts_per_tok": 2}
    case = replace(base, config=config, fixed={})
    bias = "e_score_correction_bias"
    tied = checkpoints.weights(case)
    for name, values in tied.items():
        if name.endswith("mlp.gate.weight"):
            values[4:6] = values[2:4]
    tied = _edited(tied, bias, {2: 1.5, 3: 1.0, 4: 1.5, 5: 1.0})
    whole = _logits(tmp_path / "tied.gguf", case, tied)
    without = {}
    for group in (1, 2):
        edited = _edited(tied, bias, {2 * group: NEVER, 2 * group + 1: NEVER})
        without[group] = _logits(tmp_path / f"{group}.gguf", case, edited)
    assert whole.tobytes() == without[2].tobytes()
    assert whole.tobytes() != without[1].tobytes()
