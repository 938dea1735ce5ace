"""Options: one name and one default from the command line to the core; help shows each."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from pestle import LLM, _core
from pestle.cli.model_options import ModelOptions, model_options
from pestle.errors import ArgumentError
from pestle.options import EngineOptions
from pestle.sessions import fingerprint_of

from tests.unit.sessions.models import write

FIELDS = {field.name: field.default for field in dataclasses.fields(EngineOptions)}
NOT_FLAGS = {"chunk", "expert_memory"}  # which --memory leaves to `settle`
KV_FLAGS = {"kv_k", "kv_v"}  # two flags make kv_type
OTHERS: dict[str, Any] = {
    "n_ctx": 77, "threads": 2, "threads_prefill": 3, "kv_type": "q8_0/f16", "chunk": 33,
    "prefix_cache": 5 << 20, "kv_memory": 50 << 20, "expert_memory": 1 << 30,
    "memory": 4 << 30, "rope_scaling": "yarn", "rope_scale": 2, "yarn_orig_ctx": 64,
    "rope_freq_base": 5000,
}  # fmt: skip


def test_llm_has_them_all_with_the_same_defaults() -> None:
    arguments = inspect.signature(LLM).parameters
    assert {name: arguments[name].default for name in FIELDS} == FIELDS
    assert LLM.__doc__ is not None
    written = inspect.cleandoc(LLM.__doc__)
    assert [name for name in FIELDS if f"\n    {name}: " not in written] == []


def test_so_has_the_command_line() -> None:
    found: list[EngineOptions] = []

    @click.command()
    @model_options
    def command(options: ModelOptions) -> None:
        found.append(options.engine)

    assert CliRunner().invoke(command, []).exit_code == 0
    assert found == [EngineOptions()]
    names = {parameter.name for parameter in command.params}
    assert names >= FIELDS.keys() - NOT_FLAGS - {"kv_type"} | KV_FLAGS


def test_all_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert OTHERS.keys() == FIELDS.keys()
    options = EngineOptions(**OTHERS)
    assert all(getattr(options, name) == value for name, value in OTHERS.items())
    seen: dict[str, Any] = {}

    def engine(model: Any, **given: Any) -> _core.Engine:
        seen.update(given)
        return _core.Engine(model, **given)

    monkeypatch.setattr("pestle.llm.loading.Engine", engine)
    of_dense = {**OTHERS, "expert_memory": 0}  # the model has no experts
    with LLM(write(tmp_path / "m.gguf"), **of_dense) as llm:
        assert (llm.n_ctx, llm.engine.chunk) == (77, 33)
        assert (llm.engine.threads, llm.engine.threads_prefill) == (2, 3)
        mark = fingerprint_of(llm._runtime.loaded)
    assert seen.pop("pass_memory") > 0  # of `memory`, what is left for it
    assert seen.items() <= OTHERS.items()
    of_model = {name for name in FIELDS if "rope" in name or "yarn" in name}
    assert seen.keys() == FIELDS.keys() - of_model - {"memory", "expert_memory"}
    assert mark.kv_type == "q8_0/f16"
    assert mark.options == (
        "rope_scaling=yarn rope_scale=2.0 yarn_orig_ctx=64 rope_freq_base=5000.0"
    )


def test_they_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        EngineOptions().n_ctx = 5  # type: ignore[misc]


def test_experts_that_a_model_does_not_have(tmp_path: Path) -> None:
    path = write(tmp_path / "m.gguf")
    with pytest.raises(ArgumentError, match=r"expert_memory is 1000, and m\.gguf has no experts"):
        LLM(path, expert_memory=1000)
