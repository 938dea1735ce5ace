"""Files of a wanted size, from a tiny checkpoint."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle import huggingface
from pestle._core import GgufFile
from pestle.conversion import Conversion, Target, api, convert, plan, quantize, verify
from pestle.conversion.options import ConversionOptions
from pestle.conversion.plan import ConversionPlan
from pestle.errors import Error
from pestle.tensors.model import SourceModel

from tests.oracle import checkpoint_folder, checkpoints, narrow_sources
from tests.oracle.checkpoints import CASES

TEXT = "".join("abcdefghij"[i] for i in np.random.Philox(5).random_raw(600) % 10)


def _types(made: Conversion) -> dict[str, str]:
    return {tensor.name: tensor.type for tensor in GgufFile(made.paths[0]).tensors}


def _bits(made: Conversion) -> float:
    tensors = GgufFile(made.paths[0]).tensors
    return 8 * sum(t.nbytes for t in tensors) / sum(math.prod(t.shape) for t in tensors)


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    """A smaller checkpoint than `source`: two layers without experts."""
    case = CASES["llama-256"]
    return checkpoint_folder.write(tmp_path / "dense", case, checkpoints.weights(case))


@pytest.fixture
def half(source: Path, tmp_path: Path) -> Path:
    """The checkpoint as F16."""
    return convert(source, tmp_path / "half.gguf", to="F16").paths[0]


def test_a_size(dense: Path, tmp_path: Path) -> None:
    size = 520_000
    made = convert(dense, tmp_path / "a.gguf", to=Target(size=size, text=TEXT))
    path = made.paths[0]
    assert 0.97 * size < path.stat().st_size <= size
    options = made.manifest.options
    assert options["target_size"] == size
    assert options["calibration"] == hashlib.sha256(TEXT.encode()).hexdigest()
    assert len(set(_types(made).values())) > 3  # a mixture indeed
    assert verify(path, rederive=dense).ok  # from the types that were chosen, without measuring
    again = convert(dense, tmp_path / "b.gguf", to=Target(size=size, text=TEXT), threads=1)
    assert path.read_bytes() == again.paths[0].read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == [
        "a.gguf", "a.gguf.manifest.json", "b.gguf", "b.gguf.manifest.json",
    ]  # fmt: skip


@pytest.mark.parametrize("measured", [True, False])
def test_bits(dense: Path, tmp_path: Path, measured: bool) -> None:
    half = convert(dense, tmp_path / "half.gguf", to="F16").paths[0]
    target = Target(bpw=5.0, text=TEXT if measured else None, measured=measured)
    made = quantize(half, tmp_path / "a.gguf", target, tensor_types=["blk.0.attn_q=Q8_0"])
    assert 4.8 < _bits(made) <= 5.0
    assert _types(made)["blk.0.attn_q.weight"] == "Q8_0"
    assert _types(made)["blk.0.attn_norm.weight"] == "F32"
    assert ("calibration" in made.manifest.options) == measured
    assert json.loads(made.manifest_path.read_text())["options"]["sensitivities"]


def test_what_matters_more_gets_more(half: Path, tmp_path: Path) -> None:
    """Experts that do nothing, as nothing is made of what they say, get the smallest types."""
    data = bytearray(half.read_bytes())
    for tensor in GgufFile(half).tensors:
        if tensor.name == "blk.1.ffn_down_exps.weight":
            data[tensor.offset : tensor.offset + tensor.nbytes] = bytes(tensor.nbytes)
    half.write_bytes(data)
    types = _types(quantize(half, tmp_path / "a.gguf", Target(bpw=5.0, text=TEXT)))
    for part in ("gate", "up", "down"):
        assert types[f"blk.1.ffn_{part}_exps.weight"] == "Q2_K"
        assert types[f"blk.0.ffn_{part}_exps.weight"] != "Q2_K"


def test_mxfp4_stays(tmp_path: Path) -> None:
    """It is widened to be measured beside the others, but loses nothing in the file."""
    source = tmp_path / "source"
    narrow_sources.write_mxfp4(source, CASES["gptoss-256"])
    made = convert(source, tmp_path / "a.gguf", to=Target(bpw=5.0, text=TEXT))
    types = _types(made)
    assert {types[f"blk.0.ffn_{part}_exps.weight"] for part in ("gate", "up", "down")} == {"MXFP4"}
    assert len(set(types.values()) - {"F32", "MXFP4"}) > 1
    assert _bits(made) <= 5.0
    assert verify(made.paths[0], rederive=source).ok


def test_targets_that_do_not_fit(half: Path, tmp_path: Path) -> None:
    for target in (Target(bpw=2.0, measured=False), Target(size=400_000, measured=False)):
        with pytest.raises(Error, match="the target is too small for this model"):
            quantize(half, tmp_path / "a.gguf", target)
    for text in ("abc", ""):
        with pytest.raises(Error, match="fewer than one chunk of 256"):
            quantize(half, tmp_path / "a.gguf", Target(bpw=5.0, text=text))
    with pytest.raises(Error, match=r"half\.gguf is there already"):  # before anything is measured
        convert(tmp_path / "source", half, to=Target(bpw=5.0, text="abc"))
    with pytest.raises(Error, match="no tensor of this model is left"):
        quantize(half, tmp_path / "a.gguf", Target(bpw=9), tensor_types=["weight=Q8_0"])
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == [
        "half.gguf", "half.gguf.manifest.json",
    ]  # fmt: skip


def test_the_source_is_read_once(
    dense: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a choice is tried."""
    opened, prepared = [], []

    def open_model(*arguments: Any, **options: Any) -> SourceModel:
        opened.append(arguments)
        return huggingface.open_model(*arguments, **options)

    def plan_conversion(*arguments: Any, **options: Any) -> ConversionPlan:
        prepared.append(arguments)
        return plan.plan_conversion(*arguments, **options)

    monkeypatch.setattr(api, "open_model", open_model)
    monkeypatch.setattr(api, "plan_conversion", plan_conversion)
    convert(dense, tmp_path / "a.gguf", to=Target(size=520_000, text=TEXT))
    assert len(opened) == 1
    assert len(prepared) > 2


def test_the_types_are_handed_on_by_name(dense: Path, tmp_path: Path) -> None:
    """Apart from the rules that the user gave."""
    target, rule = Target(bpw=5.0, measured=False), "blk.0.attn_q=Q8_0"
    options = convert(dense, tmp_path / "a.gguf", to=target, tensor_types=[rule]).manifest.options
    assert options["tensor_types"] == [rule]
    types = {tensor.name: tensor.type for tensor in GgufFile(tmp_path / "a.gguf").tensors}
    chosen = options["chosen_types"]
    assert chosen.items() <= types.items()
    others = types.keys() - chosen.keys() - {"blk.0.attn_q.weight"}
    assert others == {name for name in types if "norm" in name}


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (
            {"blk.9.attn_q.weight": "Q8_0"},
            "no matrix of this model is called `blk.9",
        ),
        ({"blk.0.attn_norm.weight": "Q8_0"}, "no matrix of this model is called"),
        ({"blk.0.ffn_down.weight": "Q4_K"}, "chosen_types: Q4_K: `blk.0.ffn_down.weight`: "),
    ],
)
def test_chosen_types_that_do_not_fit(chosen: dict[str, str], message: str, tmp_path: Path) -> None:
    case = CASES["llama-tied"]
    source = checkpoint_folder.write(tmp_path / "source", case, checkpoints.weights(case))
    with pytest.raises(Error, match=message):
        plan.plan_conversion(
            plan.open_source(source), ConversionOptions("Q8_0", chosen_types=chosen)
        )


@pytest.mark.parametrize("kind", ["Q9", 5, None])
def test_chosen_types_of_a_hostile_record(kind: object) -> None:
    record = ConversionOptions("Q8_0", chosen_types={"output.weight": "Q8_0"}).record()
    assert ConversionOptions.of_record(record).record() == record
    with pytest.raises(ValueError, match=r"`chosen_types` has .* for `output.weight`"):
        ConversionOptions.of_record({**record, "chosen_types": {"output.weight": kind}})
