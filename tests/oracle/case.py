"""What a tiny checkpoint is made from: a config of `transformers`, a seed, and little else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Values = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Case:
    """One checkpoint. `config` has the names of config.json, with `rope_parameters` (v5)."""

    name: str
    config: dict[str, Any]
    seed: int = 1
    n_tokens: int = 150
    """Of the logits that are committed: two full pages of 64 positions and a part of a third."""
    fixed: Values = field(default_factory=dict)
    """Elements that are not random: end of the parameter's name, row, value of the whole row."""

    @property
    def model_type(self) -> str:
        return str(self.config["model_type"])

    @property
    def head_dim(self) -> int:
        default = self.config["hidden_size"] // self.config["num_attention_heads"]
        return int(self.config.get("head_dim") or default)

    @property
    def n_vocab(self) -> int:
        return int(self.config["vocab_size"])

    @property
    def n_experts(self) -> int:
        """Routed ones of a layer, by whichever name the config has for them."""
        keys = ("num_local_experts", "num_experts", "n_routed_experts")
        return int(next((self.config[key] for key in keys if key in self.config), 0))

    @property
    def rope(self) -> dict[str, Any]:
        """Of the layers that see everything, where others see a window with a rope of their own."""
        parameters = self.config["rope_parameters"]
        return dict(parameters.get("full_attention", parameters))
