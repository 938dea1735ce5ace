"""Ten ways to convert a model wrongly, each of which an evaluation against its source exposes.

The faults are put into files that were converted rightly: tensors or keys are what a converter
with that mistake would have written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle._core import GgufFile
from pestle.conversion import convert
from pestle.errors import TokenizerError
from pestle.quality import Evaluation, evaluate
from pestle.tensors.transforms import interleave_halves

from . import altered_file, checkpoint_folder, checkpoints
from .checkpoints import CASES

TEXT = (
    "Nobody who measures twice is surprised by the shelf, but most of us measure once, and late; "
    "so we own a drawer of wooden wedges, a file, and some patience. It has stood for years now."
).replace(" ", "_")  # the tiny vocabularies have no space


@dataclass
class Changes:
    """What a defect makes of a file."""

    keys: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, np.ndarray] = field(default_factory=dict)


def _named(path: Path, ending: str) -> dict[str, np.ndarray]:
    """The tensors of F32 whose names end so."""
    names = [t.name for t in GgufFile(path).tensors if t.name.endswith(ending)]
    assert names, ending
    return {name: altered_file.floats(path, name) for name in names}


def _raw(path: Path, name: str) -> np.ndarray:
    return np.array(GgufFile(path).read(name)).reshape(-1)


def _experts_reversed(path: Path) -> dict[str, np.ndarray]:
    """Experts in another order than the router's, as if their names had been sorted."""
    file = GgufFile(path)
    return {
        t.name: _raw(path, t.name).reshape(t.shape[2], -1)[::-1].copy()
        for t in file.tensors
        if t.name.endswith("_exps.weight")
    }


def wrong_rope_base(path: Path) -> Changes:
    return Changes(keys={"llama.rope.freq_base": 10000.0})


def missing_sinks(path: Path) -> Changes:
    return Changes(
        tensors={
            name: np.full_like(values, -1e30)
            for name, values in _named(path, "attn_sinks.weight").items()
        }
    )


def swapped_gate_and_up(path: Path) -> Changes:
    gate, up = "blk.1.ffn_gate.weight", "blk.1.ffn_up.weight"
    return Changes(tensors={gate: _raw(path, up), up: _raw(path, gate)})


def rounded_yarn_range(path: Path) -> Changes:
    """The ramp ends at the next whole channel, as YaRN's own code has it and gpt-oss has not."""
    file = GgufFile(path)
    base, n_rot = file["gpt-oss.rope.freq_base"], file["gpt-oss.attention.key_length"]
    turns = file["gpt-oss.rope.scaling.original_context_length"] / (2 * math.pi)
    per_channel = 2 * math.log(base) / n_rot
    end = math.log(turns / file["gpt-oss.rope.scaling.yarn_beta_slow"]) / per_channel
    rounded = turns * math.exp(-math.ceil(end) * per_channel)
    return Changes(keys={"gpt-oss.rope.scaling.yarn_beta_slow": rounded})


def missing_routing_bias(path: Path) -> Changes:
    return Changes(
        tensors={
            name: np.zeros_like(values) for name, values in _named(path, "exp_probs_b.bias").items()
        }
    )


def wrong_expert_order(path: Path) -> Changes:
    return Changes(tensors=_experts_reversed(path))


def unpermuted_q_and_k(path: Path) -> Changes:
    """Rows as Hugging Face has them: the permutation is undone, row by row of blocks."""
    file, changed = GgufFile(path), {}
    for t in file.tensors:
        heads = {"attn_q.weight": "head_count", "attn_k.weight": "head_count_kv"}
        key = heads.get(t.name.partition("blk.0.")[2])
        if key is None:
            continue
        rows = _raw(path, t.name).reshape(t.shape[1], -1)
        order = interleave_halves(np.arange(len(rows)), file[f"llama.attention.{key}"])
        changed[t.name] = rows[np.argsort(order)]
    return Changes(tensors=changed)


def norm_without_one(path: Path) -> Changes:
    return Changes(
        tensors={name: values - 1 for name, values in _named(path, "norm.weight").items()}
    )


def wrong_template(path: Path) -> Changes:
    return Changes(keys={"tokenizer.chat_template": "{{ messages[0].content }}"})


def wrong_pre_tokenizer(path: Path) -> Changes:
    return Changes(keys={"tokenizer.ggml.pre": "qwen2"})


DEFECTS: Mapping[Callable[[Path], Changes], str] = {
    wrong_rope_base: "llama-256",
    missing_sinks: "gptoss-256",
    swapped_gate_and_up: "llama-256",
    rounded_yarn_range: "gptoss-yarn",
    missing_routing_bias: "deepseek3-256",
    wrong_expert_order: "qwen3moe-256",
    unpermuted_q_and_k: "llama-256",
    norm_without_one: "gemma3-256",
}


@dataclass
class Models:
    """Checkpoints and their files, each made once."""

    folder: Path

    def source(self, case: str) -> Path:
        path = self.folder / case
        if not path.exists():
            checkpoint_folder.write(path, CASES[case], checkpoints.weights(CASES[case]))
        return path

    def file(self, case: str, kind: str) -> Path:
        path = self.folder / f"{case}-{kind}.gguf"
        return path if path.exists() else convert(self.source(case), path, to=kind).paths[0]

    def evaluated(
        self, case: str, kind: str, defect: Callable[[Path], Changes] | None
    ) -> Evaluation:
        texts = self.folder / "text.txt"
        texts.write_text(TEXT, encoding="utf-8")
        path = self.file(case, kind)
        if defect is not None:
            changes = defect(path)
            path = altered_file.write(
                self.folder / "altered.gguf", path, keys=changes.keys, tensors=changes.tensors
            )
        return evaluate(path, reference=self.source(case), texts=texts)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("defects"))


# Random routers are full of near ties, which any rounding turns: no divergence of these is small.
TURNED_BY_ROUNDING = {"deepseek3-256", "qwen3moe-256"}
QUANTIZED = [defect for defect, case in DEFECTS.items() if case not in TURNED_BY_ROUNDING]


def _name(defect: Callable[[Path], Changes]) -> str:
    return defect.__name__


@pytest.mark.parametrize("case", sorted(set(DEFECTS.values())))
def test_a_sound_file(case: str, models: Models) -> None:
    """As F32 it is its source, to the bit; as Q8_0 it is as far as rounding takes it."""
    found = models.evaluated(case, "F32", None)
    assert found.total.divergence is not None
    assert (found.total.divergence.max, found.total.divergence.same_best) == (0, 1)
    assert found.problems == ()
    if case not in TURNED_BY_ROUNDING:
        assert models.evaluated(case, "Q8_0", None).problems == ()


@pytest.mark.parametrize("defect", DEFECTS, ids=_name)
def test_a_defect(defect: Callable[[Path], Changes], models: Models) -> None:
    (problem,) = models.evaluated(DEFECTS[defect], "F32", defect).problems
    assert "converted wrongly" in problem


@pytest.mark.parametrize("defect", QUANTIZED, ids=_name)
def test_a_defect_of_a_quantized_file(defect: Callable[[Path], Changes], models: Models) -> None:
    """Rounding does not hide it."""
    (problem,) = models.evaluated(DEFECTS[defect], "Q8_0", defect).problems
    assert "converted wrongly" in problem


def test_another_template(models: Models) -> None:
    found = models.evaluated("llama-256", "F32", wrong_template)
    assert found.problems == ("its chat template is not the reference's",)


def test_another_pre_tokenizer(models: Models) -> None:
    with pytest.raises(TokenizerError, match=r"tokenizer\.ggml\.pre is 'qwen2', expected 'gpt-2'"):
        models.evaluated("llama-256", "F32", wrong_pre_tokenizer)
