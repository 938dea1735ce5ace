"""What rounding the activations costs, whatever computes the rest: a simulation in `transformers`.

Usage: python tools/simulate_activations.py MODEL.gguf TEXT [--tokens 512]
(needs torch, transformers and accelerate)

The inputs of every matrix are rounded to some bits with one scale for a group of columns; the rest
stays float32. A line a format: mean Kullback-Leibler divergence from the unrounded model, top-1
agreement. It is the evidence for the activation format of the kernels.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

Rounding = Callable[[torch.Tensor], torch.Tensor]


def rounding(bits: int, group: int | None, power_of_two: bool = False) -> Rounding:
    """Symmetric rounding to `bits` with a scale for each `group` columns (None: for the row)."""
    largest = 2 ** (bits - 1) - 1

    def apply(x: torch.Tensor) -> torch.Tensor:
        groups = x.reshape(-1, group or x.shape[-1])
        scale = groups.abs().amax(-1, keepdim=True) / largest
        if power_of_two:
            scale = torch.exp2(torch.ceil(torch.log2(scale.clamp_min(1e-30))))
        scale = torch.where(scale == 0, 1.0, scale)
        return (torch.round(groups / scale) * scale).reshape(x.shape)

    return apply


FORMATS: dict[str, Rounding] = {
    "8 bits, power of two per 32": rounding(8, 32, power_of_two=True),
    "8 bits, float per 32": rounding(8, 32),
    "8 bits, float per 16": rounding(8, 16),
    "10 bits, float per 32": rounding(10, 32),
    "12 bits, float per 32": rounding(12, 32),
    "14 bits, float per row": rounding(14, None),
    "15 bits, float per row": rounding(15, None),
}


def log_probabilities(model: Any, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return torch.log_softmax(model(ids).logits[0].double(), -1)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--tokens", type=int, default=512)
    options = parser.parse_args()
    source = {"gguf_file": options.model.name}
    tokenizer = AutoTokenizer.from_pretrained(options.model.parent, **source)
    model = AutoModelForCausalLM.from_pretrained(
        options.model.parent, dtype=torch.float32, **source
    ).eval()
    text = options.text.read_text(encoding="utf-8")[: 20 * options.tokens]
    ids = tokenizer(text, return_tensors="pt").input_ids[:, : options.tokens]
    exact = log_probabilities(model, ids)
    for name, rounded in FORMATS.items():
        hooks = [
            m.register_forward_pre_hook(lambda _, inputs, f=rounded: (f(inputs[0]), *inputs[1:]))
            for m in model.modules()
            if isinstance(m, torch.nn.Linear)
        ]
        approximate = log_probabilities(model, ids)
        for hook in hooks:
            hook.remove()
        divergence = (exact.exp() * (exact - approximate)).sum(-1).mean()
        agreement = (exact.argmax(-1) == approximate.argmax(-1)).double().mean()
        print(f"{name:28} KL {divergence:.5f}   top-1 {agreement:.2%}")


if __name__ == "__main__":
    main()
