"""A tiny checkpoint as a model of `transformers`, in float32 with plain attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from .checkpoints import Case, Weights


def load(case: Case, parameters: Weights) -> Any:
    """Every parameter of the model comes from `parameters`, and every one of those is used."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = {k: v for k, v in case.config.items() if k != "model_type"}
    config = AutoConfig.for_model(case.model_type, **settings)
    model = AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    state = {name: torch.from_numpy(v) for name, v in _fused(parameters).items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    expected = ["lm_head.weight"] if case.config["tie_word_embeddings"] else []
    if missing != expected or unexpected:
        raise ValueError(f"{case.name}: missing {missing}, unexpected {unexpected}")
    model.tie_weights()
    return model


def _fused(parameters: Weights) -> Weights:
    """Experts as version 5 has them in memory: all of a layer, the gate's rows before the up's."""
    out: Weights = {}
    experts: dict[str, dict[str, list[np.ndarray]]] = {}
    for name, values in parameters.items():
        layer, is_expert, rest = name.partition(".mlp.experts.")
        number, _, projection = rest.partition(".")
        if is_expert and number.isdigit():  # they come in order
            by_projection = experts.setdefault(layer, {})
            by_projection.setdefault(projection.removesuffix(".weight"), []).append(values)
        else:
            out[name] = values
    for layer, of in experts.items():
        gate, up = np.stack(of["gate_proj"]), np.stack(of["up_proj"])
        out[f"{layer}.mlp.experts.gate_up_proj"] = np.concatenate([gate, up], axis=1)
        out[f"{layer}.mlp.experts.down_proj"] = np.stack(of["down_proj"])
    return out


def logits(model: Any, token_ids: list[int]) -> np.ndarray:
    """float32 (positions, vocabulary) of one sequence."""
    import torch

    with torch.no_grad():
        out: np.ndarray = model(torch.tensor([token_ids]), use_cache=False).logits[0].numpy()
    return out


def logits_with_f16_cache(model: Any, token_ids: list[int]) -> np.ndarray:
    """The same with keys and values rounded to float16.

    Needs transformers 5.24, from which on DeepSeek's cache holds the latent, as Pestle's does.
    """
    import torch
    from transformers import DynamicCache

    class F16Cache(DynamicCache):  # type: ignore[misc]
        def update(self, keys: Any, values: Any, *place: Any, **more: Any) -> Any:
            return super().update(keys.half().float(), values.half().float(), *place, **more)

    with torch.no_grad():
        cached = model(torch.tensor([token_ids]), cache=F16Cache(), use_cache=True)
    out: np.ndarray = cached.logits[0].numpy()
    return out
