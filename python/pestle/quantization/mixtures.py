"""Which type each tensor of a file has: the choices of llama.cpp's llama-quantize, by its names.

Files of the same name can so be compared. The rules are those of llama.cpp's src/llama-quant.cpp,
as they stand in 2026 for the architectures that Pestle runs; nothing of them depends on weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pestle.types import FLOATS, MIXTURES, TYPES

Shapes = Mapping[str, tuple[int, ...]]
"""Of a model's tensors, by name; dimensions as in numpy: the last one is contiguous."""


@dataclass(frozen=True)
class ModelFacts:
    """A model as far as the choice needs it. `n_experts` is 0 for dense models."""

    n_layers: int
    n_heads: int
    n_kv_heads: int
    n_experts: int = 0

    @property
    def gqa(self) -> int:
        """Query heads that share a key and value head."""
        return self.n_heads // self.n_kv_heads if self.n_kv_heads else 1


def file_type(mixture: str) -> int:
    """The number of a mixture in general.file_type. KeyError for what is no mixture."""
    return TYPES[MIXTURES[mixture]].mixtures[mixture]


def is_quantized(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a mixture says anything of the tensor; all others are stored as F32.

    Norms, biases, sinks and routers are not; nor are vectors of any name.
    """
    return (
        any(n > 1 for n in shape[:-1])
        and name.endswith("weight")
        and "_norm.weight" not in name
        and "ffn_gate_inp.weight" not in name
    )


def fitting_type(kind: str, columns: int) -> str:
    """`kind`, or what takes its place where rows of `columns` are not whole blocks of it."""
    for candidate in (kind, TYPES[kind].narrow):
        if TYPES[candidate].fits(columns):
            return candidate
    return "F16"


def mixture_types(
    mixture: str,
    shapes: Shapes,
    model: ModelFacts,
    *,
    has_importance: bool = False,
) -> dict[str, str]:
    """The type of each tensor, by its name. The order of the tensors does not matter.

    has_importance: whether the quantizers are given an importance matrix; some mixtures spend
    fewer bits then. Raises ValueError for a mixture that is not in MIXTURES.
    """
    if mixture not in MIXTURES:
        raise ValueError(f"{mixture} is no mixture; there are {', '.join(MIXTURES)}")
    return _Choice(mixture, shapes, model, has_importance).types()


def _order(name: str) -> tuple[int, str]:
    """The order in which llama-quantize counts tensors."""
    layer = _layer(name)
    return (-1 if layer is None else layer, name)


def _layer(name: str) -> int | None:
    found = re.match(r"blk\.(\d+)\.", name)
    return int(found[1]) if found else None


def _more_bits(i: int, n: int) -> bool:
    """The first and the last eighth of the layers, and every third between."""
    return i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2


class _Choice:
    """One file's choice: the counters of the tensors met so far."""

    def __init__(
        self, mixture: str, shapes: Shapes, model: ModelFacts, has_importance: bool
    ) -> None:
        self.mixture, self.shapes, self.model = mixture, shapes, model
        self.base = MIXTURES[mixture]
        self.has_importance = has_importance
        self.n_attn_v = sum(map(_is_attn_v, shapes))
        self.has_output = "output.weight" in shapes
        self.attn_v = self.ffn_down = 0  # how many have been met

    def types(self) -> dict[str, str]:
        found = {}
        for name in sorted(self.shapes, key=_order):
            shape = self.shapes[name]
            kind = self._wanted(name, shape) if is_quantized(name, shape) else "F32"
            found[name] = fitting_type(kind, shape[-1])
        return found

    def _wanted(self, name: str, shape: tuple[int, ...]) -> str:
        if self.base in FLOATS:
            return self.base
        head = "output.weight" if self.has_output else "token_embd.weight"
        if name == head:
            return self._output(shape[-1])
        if self.mixture == "MXFP4_MOE":
            return "MXFP4" if len(shape) > 2 and shape[-3] > 1 else "Q8_0"
        if name == "token_embd.weight":
            return self.base
        if _is_attn_v(name):
            self.attn_v += 1
            return self._attention_value(self.attn_v - 1)
        if "attn_k.weight" in name:
            return "Q8_0" if self.model.n_experts == 8 else self.base
        if "attn_output.weight" in name:
            return self._attention_output()
        if "ffn_down" in name:
            self.ffn_down += 1
            layer = _layer(name)
            if layer is None or self.model.n_experts <= 1:
                layer = self.ffn_down - 1  # layers of experts have several of them: no use counting
            return self._down(layer)
        return self.base

    def _output(self, columns: int) -> str:
        whole = TYPES[self.base].fits(columns)
        return "Q8_0" if self.base in ("Q8_0", "MXFP4") or not whole else "Q6_K"

    def _attention_value(self, i: int) -> str:
        gqa, kind = self.model.gqa, self.base
        match self.mixture:
            case "Q2_K":
                kind = "Q4_K" if gqa >= 4 else "Q3_K"
            case "Q2_K_S" if gqa >= 4:
                kind = "Q4_K"
            case "Q3_K_M":
                kind = "Q5_K" if i < 2 else "Q4_K"
            case "Q3_K_L":
                kind = "Q5_K"
            case "IQ4_NL" | "IQ4_XS" if gqa >= 4:
                kind = "Q5_K"
            case "Q4_K_M" | "Q5_K_M" if _more_bits(i, self.n_attn_v):
                kind = "Q6_K"
            case "Q4_K_S" if i < 4:
                kind = "Q5_K"
        if self.model.n_layers == 80 and gqa > 1 and kind in ("Q3_K", "Q4_K"):
            kind = "Q5_K"  # Llama 2 70B: little memory beside the rest, and shared by eight heads
        return "Q8_0" if self.model.n_experts == 8 else kind

    def _attention_output(self) -> str:
        if self.model.n_experts == 8:
            few_bits = ("Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M", "IQ4_NL", "IQ4_XS")
            return "Q5_K" if self.mixture in few_bits else self.base
        return {"Q2_K": "Q3_K", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K"}.get(self.mixture, self.base)

    def _down(self, i: int) -> str:
        n = self.model.n_layers
        early = i < n // 8
        match self.mixture:
            case "Q2_K":
                return "Q3_K"
            case "Q2_K_S" if early:
                return "Q4_K"
            case "Q3_K_M":
                return "Q5_K" if i < n // 16 else "Q4_K"
            case "Q3_K_L":
                return "Q5_K"
            case "Q4_K_M" | "Q5_K_M" if _more_bits(i, n):
                return "Q6_K"
            case "Q4_K_S" if early:
                return "Q5_K"
            case "IQ4_NL" | "IQ4_XS" if early and not self.has_importance:
                return "Q5_K"
            case "Q4_0" | "Q5_0" if early and self.has_importance:
                return {"Q4_0": "Q4_1", "Q5_0": "Q5_1"}[self.mixture]
        return self.base


def _is_attn_v(name: str) -> bool:
    return any(part in name for part in ("attn_v.weight", "attn_qkv.weight", "attn_kv_b.weight"))
