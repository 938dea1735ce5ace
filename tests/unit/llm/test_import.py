"""`import pestle` is quick: what is heavy comes when it is used."""

from __future__ import annotations

import subprocess
import sys

import pestle
import pytest

HEAVY = (
    "asyncio",
    "huggingface_hub",
    "jinja2",
    "llguidance",
    "numpy",
    "pestle.models",
    "rich",
    "tokenizers",
)


def test_import_loads_nothing_heavy() -> None:
    script = f"import sys, pestle; print([m for m in {HEAVY!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


@pytest.mark.parametrize("name", pestle.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(pestle, name) is not None
    assert name in dir(pestle)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="Llama"):
        pestle.Llama  # type: ignore[attr-defined]  # noqa: B018
