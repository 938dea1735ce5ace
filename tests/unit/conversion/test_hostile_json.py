"""JSON in which anything stands anywhere: a checkpoint is prepared, or refused with our errors."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pestle.conversion.options import ConversionOptions
from pestle.conversion.plan import open_source, plan_conversion
from pestle.errors import Error

from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES

FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats()
    | st.sampled_from(["", "x", "\ud800", "yarn", "llama3", "BPE", "ByteLevel", "Sequence"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in `value` with each of its keys, but for most of a vocabulary."""
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else range(len(value))
        for key in [*keys][:8] + [*keys][8:][-20:]:
            yield value, key
            yield from places(value[key])


@pytest.fixture(
    scope="module",
    params=["gptoss-256", "gemma3-256", "deepseek3-256", "llama-256", "qwen3moe-256"],
)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    case = CASES[request.param]
    folder = tmp_path_factory.mktemp("source")
    checkpoint_folder.write(folder, case, checkpoints.weights(case))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config |= {"bos_token": {"content": "<|end_of_text|>"}, "add_bos_token": True}
    config["chat_template"] = [{"name": "default", "template": "x"}]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("number", [2**31 - 1, 2**31, 2**64, 10**300])
def test_no_number_takes_memory(source: Path, number: int) -> None:
    """Wherever it stands in config.json: nothing is made for each of so many."""
    path = source / "config.json"
    good = path.read_text()
    tracemalloc.start()
    try:
        for n in range(len([*places(json.loads(good))])):
            content = json.loads(good)
            container, key = [*places(content)][n]
            container[key] = number
            path.write_text(json.dumps(content))
            try:
                plan = plan_conversion(open_source(source), ConversionOptions("Q8_0"))
                plan.headers(plan.manifest)
            except Error:
                pass
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
        path.write_text(good)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_anything_anywhere(source: Path, data: st.DataObject) -> None:
    path = source / data.draw(st.sampled_from(FILES))
    good = path.read_bytes()
    content = json.loads(good)
    for _ in range(data.draw(st.integers(1, 2))):
        container, key = data.draw(st.sampled_from(list(places(content))))
        if data.draw(st.booleans()) and isinstance(container, dict):
            container.pop(key, None)
        elif isinstance(container, dict) or key < len(container):
            container[key] = data.draw(ODD)
    path.write_text(json.dumps(content))
    try:
        plan = plan_conversion(open_source(source), ConversionOptions("Q8_0"))
        plan.headers(plan.manifest)
    except Error:
        pass
    finally:
        path.write_bytes(good)
