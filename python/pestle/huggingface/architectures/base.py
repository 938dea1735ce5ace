"""NamedTensor names: `model.layers.3.self_attn.q_proj.weight` is GGUF's `blk.3.attn_q.weight`.

A table says for every module of a checkpoint what GGUF calls it, and what becomes of its values on
the way. `Architecture.tensors` turns a checkpoint's names into GGUF's tensors, each made of parts
that can be read, transformed and written one after the other: no part is larger than one tensor of
the checkpoint, and an expert of a fused tensor is transformed alone or with the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from pestle.errors import FormatError
from pestle.huggingface.architectures.keys import Keys, common_keys, n_experts
from pestle.huggingface.config import ModelConfig
from pestle.tensors.transforms import Array, Config, Transform, unchanged


@dataclass(frozen=True)
class TensorTarget:
    """Where values go, and what becomes of them on the way."""

    name: str
    transform: Transform = unchanged


Target = str | TensorTarget | tuple[TensorTarget, ...]
"""GGUF's name, where nothing is done to the values; several where a tensor is split."""
Table = Mapping[str, Target]
"""By module, and then with GGUF's module: `.weight` and `.bias` follow. By whole name, and then
with GGUF's whole name, for parameters that end otherwise. `*` is the number of an expert."""

WHOLE_MODEL: Final[Table] = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}
ATTENTION: Final[Table] = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
}
MLP: Final[Table] = {
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
QK_NORMS: Final[Table] = {
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
}
EXPERTS: Final[Table] = {
    "mlp.gate": "ffn_gate_inp",
    "mlp.experts.*.gate_proj": "ffn_gate_exps",
    "mlp.experts.*.up_proj": "ffn_up_exps",
    "mlp.experts.*.down_proj": "ffn_down_exps",
}

_LAYER = re.compile(r"model\.layers\.(\d{1,6})\.(.+)", re.ASCII)
_EXPERT = re.compile(r"(.+\.experts)\.(\d{1,6})\.(.+)", re.ASCII)
_WITHOUT_HEAD = ("embed_tokens.", "layers.", "norm.")
"""How names begin in a checkpoint of the bare model, which has no `model.` in front of them."""
_SHOWN = 20
_SUFFIXES = (".weight", ".bias")


@dataclass(frozen=True)
class NamedPart:
    """What one tensor of the checkpoint gives to one of GGUF's."""

    source: str
    transform: Transform

    def values(self, read: Callable[[str], Array], config: Config) -> Array:
        """`read(name)` gives the checkpoint's values."""
        return self.transform.whole(read(self.source), config)


@dataclass(frozen=True)
class NamedTensor:
    """One of GGUF's. Its parts follow each other in the file."""

    name: str
    parts: tuple[NamedPart, ...]
    stacked: bool
    """Whether the parts are experts, which make a dimension of their own."""

    def values(self, read: Callable[[str], Array], config: Config) -> Array:
        """All of it at once, in the order of numpy: the dimensions of GGUF reversed."""
        parts = [part.values(read, config) for part in self.parts]
        return np.stack(parts) if self.stacked else parts[0]


@dataclass(frozen=True)
class Architecture:
    """The tensors of one architecture, and the metadata of its own."""

    name: str
    """GGUF's `general.architecture`."""
    model_types: tuple[str, ...]
    """`model_type` of config.json."""
    own_keys: Callable[[ModelConfig], Keys]
    """Beside `common_keys`. UnsupportedError: GGUF cannot express the model."""
    block: Table
    whole_model: Table = field(default_factory=lambda: WHOLE_MODEL)
    wrapper: str = ""
    """A module around the text model, in checkpoints that hold more than that."""
    ignored: tuple[str, ...] = ()
    """Beginnings of names that are not part of the text model."""
    ignores_extra_layers: bool = False
    """Whether layers behind the last are not part of it: they predict further tokens."""

    def keys(self, config: ModelConfig) -> Keys:
        """GGUF's keys without the name in front; bool, int, float, str or list.

        Raises as `common_keys` and `own_keys` do.
        """
        return common_keys(config) | self.own_keys(config)

    def ignores(self, name: str) -> bool:
        """Whether a tensor is not part of the text model, or follows from the config."""
        return name.startswith(self.ignored) or name.endswith("rotary_emb.inv_freq")

    def tensors(self, names: Iterable[str], config: Config) -> list[NamedTensor]:
        """GGUF's tensors of a checkpoint that holds the tensors `names`.

        Raises KeyError, with the name, for a tensor that the architecture does not have, and
        FormatError for experts that are not all there.
        """
        parts: dict[str, dict[int | None, NamedPart]] = {}
        for name in names:
            for gguf_name, expert, transform in self._targets(name, config):
                of_tensor = parts.setdefault(gguf_name, {})
                if expert in of_tensor:
                    raise FormatError(
                        f"tensors `{of_tensor[expert].source}` and `{name}` are both {gguf_name}"
                    )
                of_tensor[expert] = NamedPart(name, transform)
        return [_tensor(name, by_expert, config) for name, by_expert in parts.items()]

    def _targets(self, name: str, config: Config) -> Iterator[tuple[str, int | None, Transform]]:
        """GGUF's names of the checkpoint's tensor, the expert that it is, and its transform."""
        if self.ignores(name):
            return
        inner = name.replace(self.wrapper, "", 1) if self.wrapper else name
        if inner.startswith(_WITHOUT_HEAD):
            inner = f"model.{inner}"
        if inner == "lm_head.weight" and config.get("tie_word_embeddings"):
            return
        table, prefix, expert = self.whole_model, "", None
        if match := _LAYER.fullmatch(inner):
            if self.ignores_extra_layers and int(match[1]) >= config["num_hidden_layers"]:
                return
            table, prefix, inner = self.block, f"blk.{match[1]}.", match[2]
        if match := _EXPERT.fullmatch(inner):
            expert, inner = int(match[2]), f"{match[1]}.*.{match[3]}"
        targets, suffix = _look_up(table, inner)
        if not targets:
            raise KeyError(name)
        for into in targets:
            yield prefix + into.name + suffix, expert, into.transform


def _look_up(table: Table, name: str) -> tuple[tuple[TensorTarget, ...], str]:
    """Where a parameter goes, and what follows GGUF's name of its module; () for an unknown one."""
    if _is_whole(targets := _targets_of(table, name)):
        return targets, ""
    module, dot, kind = name.rpartition(".")
    if dot + kind in _SUFFIXES and not _is_whole(targets := _targets_of(table, module)):
        return targets, dot + kind
    return (), ""


def _targets_of(table: Table, key: str) -> tuple[TensorTarget, ...]:
    target = table.get(key, ())
    if isinstance(target, str):
        return (TensorTarget(target),)
    return (target,) if isinstance(target, TensorTarget) else target


def _is_whole(targets: tuple[TensorTarget, ...]) -> bool:
    """Whether GGUF's names are those of parameters; else they are those of modules."""
    return any(into.name.endswith(_SUFFIXES) for into in targets)


def _tensor(name: str, by_expert: Mapping[int | None, NamedPart], config: Config) -> NamedTensor:
    if list(by_expert) == [None]:
        return NamedTensor(name, (by_expert[None],), stacked=False)
    wanted = range(n_experts(config))
    if len(by_expert) != len(wanted) or not all(expert in by_expert for expert in wanted):
        there = sorted(expert for expert in by_expert if expert is not None)
        found = ", ".join(map(str, there[:_SHOWN])) + ", ..." * (len(there) > _SHOWN)
        raise FormatError(
            f"{name} needs experts 0 to {len(wanted) - 1}, the checkpoint has {found}"
        )
    return NamedTensor(name, tuple(by_expert[expert] for expert in wanted), stacked=True)
