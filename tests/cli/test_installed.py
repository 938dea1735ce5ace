"""`pestle pull`, `pestle ls` and `pestle rm`, over the functions of `pestle.models`."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pestle import models
from pestle.errors import DownloadError, ModelNotFoundError
from pestle.models import InstalledModel, Progress

from .conftest import Pestle

DAY = time.mktime((2026, 11, 24, 12, 0, 0, 0, 0, -1))
INSTALLED = [
    InstalledModel("smollm2-135m", Path("/c/small.gguf"), 98_362_432, "pestle", DAY, True),
    InstalledModel("u/r:Q4_K_M", Path("/h/part.gguf"), 1_500_000_000, "hub", DAY, False),
]


@pytest.fixture
def pulled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Fetch nothing, but report as a download would; returns what was asked."""
    asked: list[Any] = []

    def pull(name: str | None, *, hf: str | None, progress: Progress) -> Path:
        asked.append((name, hf))
        progress.start("Fetching small.gguf", 92_871_040)
        progress.advance(90_000_000)
        if name == "broken":
            progress.finish()
            raise DownloadError("small.gguf has another digest than it should")
        progress.advance(2_871_040)
        progress.finish()
        return Path("/cache/small.gguf")

    monkeypatch.setattr(models, "pull", pull)
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)
    monkeypatch.setattr("pestle.planning.downloading.in_vain", lambda reference, options: None)
    return asked


def test_pull(pestle: Pestle, pulled: list[Any]) -> None:
    result = pestle("pull")
    assert result.stdout == "/cache/small.gguf\n"
    assert result.stderr == (
        "Fetching small.gguf (92.9 MB) ...\nFetching small.gguf: 92.9 MB in 0.0 s\n"
    )
    assert pestle("pull", "llama3.2-1b").exit_code == 0
    assert pestle("pull", "-hf", "u/r:Q8_0").exit_code == 0
    assert pulled == [(None, None), ("llama3.2-1b", None), (None, "u/r:Q8_0")]


def test_pull_quietly(pestle: Pestle, pulled: list[Any]) -> None:
    assert pestle("pull", "-q").stderr == ""


def test_pull_that_fails(pestle: Pestle, pulled: list[Any]) -> None:
    result = pestle("pull", "broken")
    assert result.stderr == (
        "Fetching small.gguf (92.9 MB) ...\n"
        "pestle: error: small.gguf has another digest than it should\n"
    )
    assert (result.stdout, result.exit_code) == ("", 1)


def test_pull_of_two(pestle: Pestle, pulled: list[Any]) -> None:
    result = pestle("pull", "a", "-hf", "b/c")
    assert (result.exit_code, pulled) == (2, [])


def test_ls(pestle: Pestle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "installed", lambda: INSTALLED)
    result = pestle("ls")
    assert result.stdout == (
        "name             size  fetched\n"
        "smollm2-135m  98.4 MB  2026-11-24\n"
        "u/r:Q4_K_M    1.50 GB  2026-11-24  incomplete: `pestle pull` goes on\n"
    )
    assert (result.stderr, result.exit_code) == ("", 0)


def test_ls_json(pestle: Pestle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "installed", lambda: INSTALLED)
    data = json.loads(pestle("ls", "--json").stdout)
    assert data["version"] == 1
    assert data["models"][1] == {
        "name": "u/r:Q4_K_M", "path": str(Path("/h/part.gguf")), "bytes": 1_500_000_000,
        "source": "hub", "modified": DAY, "complete": False,
    }  # fmt: skip


def test_ls_of_nothing(pestle: Pestle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "installed", list)
    result = pestle("ls")
    assert result.stdout == ""
    assert result.stderr == "No models yet: `pestle pull` fetches the default one.\n"


def test_ls_all(pestle: Pestle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "installed", lambda: INSTALLED[:1])
    monkeypatch.setattr(models, "is_here", lambda entry: entry.name == "smollm2-135m")
    lines = pestle("ls", "--all").stdout.splitlines()
    assert lines[3].startswith("To be fetched: `pestle chat NAME` does")
    assert lines[4].split() == ["name", "size", "tokens/s", "here", "good", "for"]
    assert max(map(len, lines)) <= 80
    names = [line.split()[0] for line in lines[5:]]
    assert names == [name for name in models.CATALOGUE if name != "smollm2-135m"]


class Terminal(io.StringIO):
    """Something typed on a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []

    def remove(name: str) -> int:
        if name == "other":
            raise ModelNotFoundError("no downloaded model is called other")
        asked.append(name)
        return 98_362_432

    monkeypatch.setattr(models, "remove", remove)
    return asked


def test_rm_without_a_terminal(pestle: Pestle, removed: list[str]) -> None:
    result = pestle("rm", "small")
    assert result.stderr == (
        "pestle: error: There is no terminal to ask on: add -y to delete (see `pestle rm -h`)\n"
    )
    assert (result.exit_code, removed) == (2, [])


def test_rm(pestle: Pestle, removed: list[str]) -> None:
    result = pestle("rm", "-y", "small")
    assert (result.stdout, result.stderr) == ("", "Deleted small: 98.4 MB freed.\n")
    assert (result.exit_code, removed) == (0, ["small"])


@pytest.mark.parametrize(("answer", "gone"), [("y\n", ["small"]), ("n\n", []), ("\n", [])])
def test_rm_asks(
    removed: list[str], monkeypatch: pytest.MonkeyPatch, answer: str, gone: list[str]
) -> None:
    from pestle.cli import main

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    with pytest.raises(SystemExit) as ended:
        main(["rm", "small"])
    assert (ended.value.code, removed) == (0, gone)


def test_rm_of_nothing(pestle: Pestle, removed: list[str]) -> None:
    result = pestle("rm", "-y", "other")
    assert result.stderr == "pestle: error: no downloaded model is called other\n"
    assert result.exit_code == 1


def test_ls_all_as_json(pestle: Pestle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with where it comes from, its license, and how to sample from it."""
    monkeypatch.setattr(models, "installed", list)
    monkeypatch.setattr(models, "is_here", lambda entry: False)
    found = {e["name"]: e for e in json.loads(pestle("ls", "--all", "--json").stdout)["available"]}
    assert found.keys() == models.CATALOGUE.keys()
    one = found["qwen3-30b-a3b"]
    assert (one["repository"], one["file"], one["license"], one["parameters"]) == (
        "Qwen/Qwen3-30B-A3B-GGUF", "Qwen3-30B-A3B-Q4_K_M.gguf", "apache-2.0", "30.5B",
    )  # fmt: skip
    assert one["sampling"] == {
        "temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": 0.0,
        "source": "https://huggingface.co/Qwen/Qwen3-8B",
    }  # fmt: skip
    assert all(type(each["fits"]) is bool for each in found.values())
    assert found["smollm2-135m"]["repository"] is None
