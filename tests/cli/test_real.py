"""The commands on the default model's weights, as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pestle.errors import OfflineError
from pestle.models import resolve

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def weights() -> Path:
    try:
        return resolve(None, offline=True)
    except OfflineError:
        pytest.skip("the default model is not on this machine: `pestle pull` fetches it")


def pestle(
    *arguments: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pestle", *arguments], input=stdin, capture_output=True,
        encoding="utf-8", env=os.environ | environment, timeout=120,
    )  # fmt: skip


def test_same_seed_same_text(weights: Path) -> None:
    arguments = ("run", "-m", str(weights), "--seed", "7", "-n", "12", "-p", "Hello!")
    texts = {pestle(*arguments, "-t", threads).stdout for threads in ("1", "2")}
    assert len(texts) == 1
    assert texts.pop().strip()


def test_json(weights: Path) -> None:
    result = pestle("run", "-m", str(weights), "--json", "--temp", "0", "-n", "4", stdin="Hello!")
    answer = json.loads(result.stdout)
    assert (answer["finish_reason"], answer["usage"]["completion_tokens"]) == ("length", 4)
    assert (result.stderr, result.returncode) == ("", 0)


def test_prompt_over_the_context(weights: Path) -> None:
    result = pestle("run", "-m", str(weights), "-c", "16", stdin="word " * 20)
    assert result.stderr.startswith("pestle: error: the prompt has ")
    assert result.stderr.endswith(" tokens, the context holds 16\n")
    assert (result.stdout, result.returncode) == ("", 5)


def test_unknown_kernels(weights: Path) -> None:
    result = pestle("run", "-m", str(weights), "-p", "x", PESTLE_ISA="mmx")
    assert result.stderr.startswith("pestle: error: PESTLE_ISA=mmx is unknown")
    assert result.returncode == 3


def test_bench(weights: Path) -> None:
    result = pestle(
        "bench", "-m", str(weights), "-p", "32", "-n", "4", "-r", "1", "--depth", "8", "--json"
    )
    found = json.loads(result.stdout)
    assert found["prefill"]["tokens_per_second"] > 0
    assert found["decode"]["share_of_bandwidth"] > 0


def test_doctor() -> None:
    found = json.loads(pestle("doctor", "--json").stdout)
    assert found["isa"]["active"] in found["isa"]["usable"]
    assert found["bandwidth"] > 0


def test_context_beyond_training_is_said(weights: Path) -> None:
    result = pestle("run", "-m", str(weights), "-c", "9000", "-n", "1", "-p", "x")
    assert result.stderr == "The model was trained for 8,192 tokens; beyond them it may fail.\n"
    assert result.returncode == 0
