"""What rounding the activations costs, matrix by matrix, beside what rounding the weights costs.

Usage: python tools/simulate_activations.py MODEL.gguf TEXT [--tokens 512] [--skip 20000]
(needs torch, transformers, accelerate and gguf)

A simulation in `transformers`, whatever computes the rest: the inputs of some matrices are rounded,
or the weights, everything else stays float32. A line a choice: mean Kullback-Leibler divergence
from the unrounded model, and how often both find the same token most likely. It is the evidence for
the rule in cpp/model/matrix.h; docs/numerics.md has its figures.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

Rounding = Callable[[torch.Tensor], torch.Tensor]

PARTS = {
    "query, key, value": r"\.(q|k|v)_proj$",
    "attention output": r"\.o_proj$",
    "gate, up": r"\.(gate|up)_proj$",
    "down": r"\.down_proj$",
    "head": r"lm_head$",
}
LARGEST_SPIKE = 16319
"""The largest integer of 15 bits, as the kernels hold it: 128 * 127 + 63."""


def _scaled(groups: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    scale = torch.where(scale == 0, 1.0, scale)
    return torch.round(groups / scale) * scale


def symmetric(bits: int, group: int | None) -> Rounding:
    """Integers of `bits` with a scale for each `group` columns (None: for the row)."""
    largest = 2 ** (bits - 1) - 1

    def apply(x: torch.Tensor) -> torch.Tensor:
        groups = x.reshape(-1, group or x.shape[-1])
        return _scaled(groups, groups.abs().amax(-1, keepdim=True) / largest).reshape(x.shape)

    return apply


def asymmetric(group: int) -> Rounding:
    """Eight bits between the smallest and the largest number of each `group` columns."""

    def apply(x: torch.Tensor) -> torch.Tensor:
        groups = x.reshape(-1, group)
        low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
        return (_scaled(groups - low, (high - low) / 255) + low).reshape(x.shape)

    return apply


def mixed(quads: int, of: int = 8) -> Rounding:
    """Eight bits for 32 columns, but 15 for the `quads` largest of each `of` aligned fours."""

    def apply(x: torch.Tensor) -> torch.Tensor:
        fours = x.reshape(-1, 8 // of, of, 4)
        largest = fours.abs().amax(-1)
        spikes = torch.zeros_like(largest).scatter_(-1, largest.topk(quads, -1).indices, 1.0)
        blocks = fours.reshape(-1, 32)
        is_spike = spikes.bool()[..., None].expand_as(fours).reshape(-1, 32)
        rest = torch.where(is_spike, 0.0, blocks).abs().amax(-1, keepdim=True) / 127
        scale = torch.maximum(rest, blocks.abs().amax(-1, keepdim=True) / LARGEST_SPIKE)
        return _scaled(blocks, scale).reshape(x.shape)

    return apply


WHOLE: dict[str, Rounding] = {
    "8 bits, 32 columns": symmetric(8, 32),
    "8 bits, 16 columns": symmetric(8, 16),
    "8 bits, 32 columns, asymmetric": asymmetric(32),
    "9 bits, 32 columns": symmetric(9, 32),
    "10 bits, 32 columns": symmetric(10, 32),
    "11 bits, 32 columns": symmetric(11, 32),
    "12 bits, 32 columns": symmetric(12, 32),
    "mixed": mixed(1),
    "mixed, a quad a half": mixed(1, 4),
    "mixed, two quads": mixed(2),
    "mixed, four quads": mixed(4),
    "15 bits, a row": symmetric(15, None),
}


class Subject:
    """A model, a text, and what the one makes of the other without rounding."""

    def __init__(self, path: Path, text: str, tokens: int) -> None:
        source = {"gguf_file": path.name}
        tokenizer = AutoTokenizer.from_pretrained(path.parent, **source)
        self.model: Any = AutoModelForCausalLM.from_pretrained(
            path.parent, dtype=torch.float32, **source
        ).eval()
        self.linears = {
            name: module
            for name, module in self.model.named_modules()
            if isinstance(module, torch.nn.Linear)
        }
        self.ids = tokenizer(text, return_tensors="pt").input_ids[:, :tokens]
        self.exact = self._log_probabilities()

    def _log_probabilities(self) -> torch.Tensor:
        with torch.no_grad():
            return torch.log_softmax(self.model(self.ids).logits[0].double(), -1)

    def show(self, name: str) -> None:
        """Print how far the model, as it is now, is from what it was."""
        approximate = self._log_probabilities()
        divergence = (self.exact.exp() * (self.exact - approximate)).sum(-1).mean()
        same = (self.exact.argmax(-1) == approximate.argmax(-1)).double().mean()
        print(f"{name:44} KL {divergence:.2e}   same token {same:.1%}", flush=True)

    @contextmanager
    def activations(self, choice: dict[str, Rounding]) -> Iterator[None]:
        """Round the inputs of some parts, by their names in PARTS."""
        hooks = [
            module.register_forward_pre_hook(lambda _, inputs, f=f: (f(inputs[0]), *inputs[1:]))
            for part, f in choice.items()
            for name, module in self.linears.items()
            if re.search(PARTS[part], name)
        ]
        yield
        for hook in hooks:
            hook.remove()

    @contextmanager
    def weights(self, rounding: Rounding) -> Iterator[None]:
        """Round all weights that are multiplied."""
        kept = {name: module.weight.data for name, module in self.linears.items()}
        for module in self.linears.values():
            module.weight.data = rounding(module.weight.data)
        yield
        for name, module in self.linears.items():
            module.weight.data = kept[name]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--skip", type=int, default=20_000, help="characters of the text")
    options = parser.parse_args()
    text = options.text.read_text(encoding="utf-8")
    text = text[options.skip : options.skip + 40 * options.tokens]
    subject = Subject(options.model, text, options.tokens)
    for name, rounding in WHOLE.items():
        with subject.activations(dict.fromkeys(PARTS, rounding)):
            subject.show(f"all: {name}")
    eight, outliers, fifteen = symmetric(8, 32), mixed(1), symmetric(15, None)
    for part in PARTS:
        with subject.activations({part: eight}):
            subject.show(f"{part}: 8 bits, 32 columns")
        with subject.activations({part: outliers}):
            subject.show(f"{part}: mixed")
    with subject.activations(dict.fromkeys(PARTS, eight) | {"head": fifteen}):
        subject.show("8 bits, head 15")
    chosen = {"head": fifteen, "query, key, value": outliers}
    with subject.activations(dict.fromkeys(PARTS, eight) | chosen):
        subject.show("8 bits, head 15, query, key, value mixed")
    for bits, group in ((8, 32), (6, 16), (5, 32), (4, 32)):
        with subject.weights(symmetric(bits, group)):
            subject.show(f"weights: {bits} bits, {group} columns")


if __name__ == "__main__":
    main()
