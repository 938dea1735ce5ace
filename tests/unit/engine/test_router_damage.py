"""A router's score that is not finite reaches every logit, wherever it stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pestle import _core
from pestle.errors import Error

from tests.oracle import checkpoints, gguf_file
from tests.oracle.checkpoints import CASES

# All rules: a softmax over all experts, over those chosen, with and without groups, sigmoids with
# groups and a bias of the selection; the best k of 5 to 12.
ROUTERS = {
    "qwen3moe-yarn": "mlp.gate.weight",
    "gptoss-yarn": "mlp.router.bias",
    "deepseek2-groups": "mlp.gate.weight",
    "deepseek3-ragged": "mlp.gate.weight",
    "deepseek3-busy": "mlp.gate.e_score_correction_bias",
    "deepseek3-top1": "mlp.gate.weight",
}


def run(path: Path, case: checkpoints.Case, weights: checkpoints.Weights, kind: str) -> np.ndarray:
    gguf_file.write(path, case, weights, kind)
    engine = _core.Engine(_core.Model(path, threads=1), n_ctx=64, threads=1)
    prompt = checkpoints.tokens(case, 7)
    engine.step([(engine.sequence(), prompt)], "all")
    if not np.isfinite(engine.logits()).all():
        with pytest.raises(Error, match="not finite"):
            _core.Sampler(temperature=0).sample(engine, len(prompt) - 1, prompt)
    return engine.logits()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ROUTERS)
def test_any_expert_s_score(tmp_path: Path, name: str, value: float) -> None:
    case = CASES[name]
    sound = checkpoints.weights(case)
    assert np.isfinite(run(tmp_path / "sound.gguf", case, sound, "F32")).all()
    (damaged,) = (n for n in sound if n.endswith(f"1.{ROUTERS[name]}"))
    for expert in range(case.n_experts):
        weights = {**sound, damaged: sound[damaged].copy()}
        if weights[damaged].ndim == 1:
            weights[damaged][expert] = value
        else:
            weights[damaged][expert, 3] = value
        logits = run(tmp_path / "damaged.gguf", case, weights, "F32")
        assert np.isnan(logits).all(), expert


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "damaged",
    ["self_attn.sinks", "mlp.experts.gate_up_proj_bias", "mlp.experts.down_proj_bias"],
)
def test_what_gpt_oss_clamps_or_takes_for_no_weight(
    tmp_path: Path, damaged: str, value: float
) -> None:
    case = CASES["gptoss-busy"]  # all tokens go to the experts 1 and 4
    weights = checkpoints.weights(case)
    (name,) = (n for n in weights if n.endswith(f"0.{damaged}"))
    for at in (0, 1):  # a gate and an up: they alternate
        changed = {**weights, name: weights[name].copy()}
        changed[name][..., at] = value
        assert np.isnan(run(tmp_path / "damaged.gguf", case, changed, "F32")).all()
