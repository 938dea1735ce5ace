"""Rotary scaling that is asked for: as if the file said so, and refused where it makes no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle import _core
from pestle.options import EngineOptions

from .feeding import TOKENS, same_bits
from .parts import Parts, parts, windowed_parts

SCALING = {
    "yarn": {
        "rope.scaling.type": "yarn",
        "rope.scaling.factor": 4.0,
        "rope.scaling.original_context_length": 64,
    },
    "linear": {"rope.scaling.type": "linear", "rope.scaling.factor": 2.0},
    "none": {"rope.scaling.type": "none"},
}


def logits(model: Parts, path: Path, **asked: Any) -> np.ndarray:
    loaded = _core.Model(model.write(path), threads=1, rope=_core.RopeOverride(**asked))
    engine = _core.Engine(loaded, n_ctx=200, threads=1)
    engine.step([(engine.sequence(), TOKENS[:150])])
    return engine.logits()


def scaled(**metadata: Any) -> Parts:
    """A tiny model of 256 tokens; keywords with _ for the dots of keys."""
    model = parts("llama-tied")
    for key, value in metadata.items():
        model.metadata |= SCALING[value] if key == "scaling" else {key: value}  # type: ignore[call-overload]
    return model


@pytest.mark.parametrize("stated", [None, "none", "linear", "yarn"])
@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({"rope_scaling": "yarn", "rope_scale": 4, "yarn_orig_ctx": 64}, "yarn"),
        ({"rope_scaling": "linear", "rope_scale": 2}, "linear"),
        ({"rope_scaling": "none"}, "none"),
    ],
)
def test_as_if_the_file_said_so(
    tmp_path: Path, stated: str | None, asked: dict[str, Any], meant: str
) -> None:
    """Whatever it does say."""
    model = scaled(scaling=stated) if stated else scaled()
    expected = logits(scaled(scaling=meant), tmp_path / "expected.gguf")
    assert same_bits(logits(model, tmp_path / "m.gguf", **asked), expected)


def test_scalings_differ(tmp_path: Path) -> None:
    found = {logits(scaled(scaling=s), tmp_path / "m.gguf").tobytes() for s in SCALING}
    assert len(found) == 3


def test_a_scale_alone(tmp_path: Path) -> None:
    """Of the kind that the file states; of a file that states none, linear."""
    model = scaled(scaling="yarn")
    model.metadata["rope.scaling.factor"] = 2.0
    expected = logits(scaled(scaling="yarn"), tmp_path / "expected.gguf")
    assert same_bits(logits(model, tmp_path / "m.gguf", rope_scale=4), expected)
    expected = logits(scaled(scaling="linear"), tmp_path / "expected.gguf")
    assert same_bits(logits(scaled(), tmp_path / "m.gguf", rope_scale=2), expected)


def test_the_magnitude_goes_with_the_scale(tmp_path: Path) -> None:
    """What a file states for its own factor does not hold for another."""
    model = scaled(scaling="yarn")
    model.metadata |= {"rope.scaling.factor": 2.0, "rope.scaling.yarn_attn_factor": 1.5}
    expected = logits(scaled(scaling="yarn"), tmp_path / "expected.gguf")
    assert same_bits(logits(model, tmp_path / "m.gguf", rope_scale=4), expected)


def test_a_base(tmp_path: Path) -> None:
    model = scaled()
    model.metadata["rope.freq_base"] = 5e5
    expected = logits(model, tmp_path / "expected.gguf")
    assert same_bits(logits(scaled(), tmp_path / "m.gguf", rope_freq_base=5e5), expected)
    assert not same_bits(logits(scaled(), tmp_path / "m.gguf"), expected)


def test_local_layers_keep_theirs(tmp_path: Path) -> None:
    """Gemma 3's windows turn by a base of their own, without scaling: all layers with a window."""
    model = windowed_parts(100)
    model.metadata["attention.sliding_window_pattern"] = [True, True]
    expected = logits(model, tmp_path / "m.gguf")
    asked = {"rope_scaling": "yarn", "rope_scale": 4, "rope_freq_base": 5e5}
    assert same_bits(logits(model, tmp_path / "m.gguf", **asked), expected)


@pytest.mark.parametrize(
    ("stated", "asked", "n_ctx"),
    [
        (None, {}, 256),
        (None, {"rope_freq_base": 5e5}, 256),
        (None, {"rope_scale": 4}, 1024),
        (None, {"rope_scaling": "none"}, 256),
        (None, {"rope_scaling": "yarn", "rope_scale": 2.5}, 640),
        (None, {"rope_scaling": "yarn", "rope_scale": 4, "yarn_orig_ctx": 200}, 800),
        ("linear", {}, 256),
        ("linear", {"rope_scale": 8}, 1024),
        ("linear", {"rope_scaling": "none"}, 128),
        ("yarn", {}, 256),
        ("yarn", {"rope_scale": 8}, 512),
        ("yarn", {"rope_scaling": "none"}, 64),
        (None, {"rope_scale": 1e6}, 256_000_000),
    ],
)
def test_the_context(tmp_path: Path, stated: str | None, asked: dict[str, Any], n_ctx: int) -> None:
    """That before scaling, times the factor."""
    path = (scaled(scaling=stated) if stated else scaled()).write(tmp_path / "m.gguf")
    model = _core.Model(path, threads=1, rope=_core.RopeOverride(**asked))
    assert model.n_ctx_train == n_ctx
    assert _core.Engine(model, threads=1).n_ctx == n_ctx


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"rope_scaling": "longrope"}, 'rope_scaling is "longrope", expected "none", "linear" or'),
        ({"rope_scale": 0.5}, "rope_scale is 0.5"),
        ({"rope_scale": float("nan")}, "rope_scale is nan"),
        ({"rope_scale": 1e300}, "rope_scale is inf"),
        ({"rope_freq_base": 1.0}, "rope_freq_base is 1.0"),
        ({"yarn_orig_ctx": 0}, "yarn_orig_ctx is 0, expected from 1 to 2147483647"),
        ({"yarn_orig_ctx": 2**40}, "yarn_orig_ctx is"),
        ({"rope_scaling": "yarn"}, "linear and yarn scaling need a rope scale"),
        ({"rope_scaling": "linear"}, "linear and yarn scaling need a rope scale"),
        ({"rope_scaling": "none", "rope_scale": 2.0}, "not with none"),
        ({"yarn_orig_ctx": 64}, "goes with yarn scaling only"),
    ],
)
def test_what_makes_no_sense(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        EngineOptions(**asked)
