"""Importance matrices against what the modules of `transformers` are given, case by case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle import _core
from pestle.huggingface.architectures import ARCHITECTURES
from pestle.quantization.importance.gathering import sums_of

from . import checkpoints, gguf_file, running, transformers_model
from .checkpoints import CASES, Case

pytestmark = pytest.mark.live


class Observed:
    """Sums of squares and counts of rows by GGUF's names."""

    def __init__(self) -> None:
        self.sums: dict[str, np.ndarray] = {}
        self.counts: dict[str, np.ndarray] = {}

    def add(self, name: str, rows: Any, matrix: int = 0, n_matrices: int = 1) -> None:
        rows = np.asarray(rows, np.float64).reshape(-1, rows.shape[-1])
        sums = self.sums.setdefault(name, np.zeros((n_matrices, rows.shape[1])))
        sums[matrix] += (rows**2).sum(axis=0)
        self.counts.setdefault(name, np.zeros(n_matrices))[matrix] += len(rows)


def _names(case: Case, parameters: checkpoints.Weights) -> dict[str, str]:
    """GGUF's name of each weight that is one matrix there and a module's in `transformers`."""
    return {
        tensor.parts[0].source.removesuffix(".weight"): tensor.name
        for tensor in ARCHITECTURES[case.model_type].tensors(parameters, case.config)
        if len(tensor.parts) == 1 and tensor.name.endswith(".weight")
    }


@contextmanager
def _hooked(case: Case, model: Any, parameters: checkpoints.Weights) -> Iterator[Observed]:
    import torch

    found, names, handles = Observed(), _names(case, parameters), []
    for path, module in model.named_modules():
        layer = path.split(".")[2] if path.startswith("model.layers.") else ""
        if path.endswith("mlp.experts"):
            handles.append(module.register_forward_hook(_experts(found, f"blk.{layer}", model)))
        elif path.endswith(("mlp.router", "mlp.gate")) or isinstance(module, torch.nn.Linear):
            if case.config["tie_word_embeddings"] and path == "lm_head":
                names[path] = "token_embd.weight"
            if path in names and "kv_b" not in path:
                handles.append(module.register_forward_hook(_linear(found, names[path])))
        if path.endswith("self_attn") and hasattr(module, "kv_b_proj"):
            handles += _latent(found, f"blk.{layer}", module)
    yield found
    for handle in handles:
        handle.remove()


def _linear(found: Observed, name: str) -> Any:
    return lambda module, inputs, output: found.add(name, inputs[0].detach())


def _experts(found: Observed, block: str, model: Any) -> Any:
    """All of a layer's experts are one module: its products are repeated here."""

    def hook(module: Any, inputs: Any, output: Any) -> None:
        import torch

        x, chosen = inputs[0].detach().reshape(-1, inputs[0].shape[-1]), inputs[1]
        n = len(module.gate_up_proj)
        oss = model.config.model_type == "gpt_oss"
        for expert in range(n):
            rows = x[(chosen == expert).any(dim=-1)]
            w = module.gate_up_proj[expert].detach()
            if oss:
                both = rows @ w + module.gate_up_proj_bias[expert].detach()
                gate, up = both[:, ::2].clamp(max=7.0), both[:, 1::2].clamp(-7.0, 7.0)
                hidden = (up + 1) * gate * torch.sigmoid(1.702 * gate)
            else:
                gate, up = (rows @ w.T).chunk(2, dim=-1)
                hidden = torch.nn.functional.silu(gate) * up
            for part, values in (("gate", rows), ("up", rows), ("down", hidden)):
                found.add(f"{block}.ffn_{part}_exps.weight", values, expert, n)

    return hook


def _latent(found: Observed, block: str, attention: Any) -> list[Any]:
    """What the projections from the latent read where they are multiplied into their neighbours."""
    kept: dict[str, Any] = {}

    def keep(name: str) -> Any:
        return lambda module, inputs, output: kept.__setitem__(name, output.detach()[0])

    def after(module: Any, inputs: Any, output: Any) -> None:
        latent, weights = kept["latent"], output[1].detach()[0]
        n = len(weights)
        query = kept["query"].reshape(len(latent), n, -1)[:, :, : module.qk_nope_head_dim]
        found.add(f"{block}.attn_kv_b.weight", latent)
        for head in range(n):
            found.add(f"{block}.attn_k_b.weight", query[:, head], head, n)
            found.add(f"{block}.attn_v_b.weight", weights[head] @ latent, head, n)

    query = getattr(attention, "q_b_proj", None) or attention.q_proj
    return [
        attention.kv_a_layernorm.register_forward_hook(keep("latent")),
        query.register_forward_hook(keep("query")),
        attention.register_forward_hook(after),
    ]


@pytest.mark.parametrize("legacy", [False, True], ids=["", "legacy"])
@pytest.mark.parametrize("name", CASES)
def test_transformers(name: str, legacy: bool, tmp_path: Path) -> None:
    pytest.importorskip("transformers", minversion="5.24", reason="transformers is not installed")
    pytest.importorskip("torch", reason="torch is not installed")
    case = CASES[name]
    if legacy and not name.startswith("deepseek"):
        pytest.skip("one form of file only")
    parameters = checkpoints.weights(case)
    tokens = checkpoints.tokens(case, 100, stream=2)
    model = transformers_model.load(case, parameters)
    with _hooked(case, model, parameters) as found:
        transformers_model.logits(model, tokens)
    path = gguf_file.write(tmp_path / "tiny.gguf", case, parameters, legacy=legacy)
    run = running.engine(path, gather_inputs=True)
    running.feed(run, run.sequence(), tokens, 64)
    ours = sums_of(run)
    facts = {tensor.name for tensor in _core.GgufFile(path).tensors}
    assert set(ours) == set(found.sums) & facts
    for tensor, importance in ours.items():
        np.testing.assert_array_equal(importance.counts, found.counts[tensor], err_msg=tensor)
        expected = found.sums[tensor]
        atol = 1e-4 * expected.max()
        np.testing.assert_allclose(importance.sums, expected, rtol=1e-3, atol=atol, err_msg=tensor)
