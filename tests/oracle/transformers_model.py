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
    state = {name: torch.from_numpy(values) for name, values in parameters.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    expected = ["lm_head.weight"] if case.config["tie_word_embeddings"] else []
    if missing != expected or unexpected:
        raise ValueError(f"{case.name}: missing {missing}, unexpected {unexpected}")
    model.tie_weights()
    return model


def logits(model: Any, token_ids: list[int]) -> np.ndarray:
    """float32 (positions, vocabulary) of one sequence."""
    import torch

    with torch.no_grad():
        out: np.ndarray = model(torch.tensor([token_ids])).logits[0].numpy()
    return out
