"""The catalogue: names that run, the spellings that people know, and what is said of each."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from pestle import _core
from pestle.models import CATALOGUE
from pestle.models.catalogue import entry_of_file, lookup, of_publisher
from pestle.models.fitting import best, expect
from pestle.models.hub import HubReference
from pestle.models.quants import group, quant_of
from pestle.models.wheel import WheelModel
from pestle.options import Sampling

ENTRIES = list(CATALOGUE.values())
GB = 10**9


def test_every_family_that_runs_is_there_and_no_other() -> None:
    assert {entry.architecture for entry in ENTRIES} == set(_core.architectures())
    assert len(ENTRIES) >= 30
    assert any(entry.embeds for entry in ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES, ids=list(CATALOGUE))
def test_an_entry_is_whole(entry) -> None:  # type: ignore[no-untyped-def]
    assert entry.name == entry.name.lower()
    assert entry.license
    assert entry.good_for
    assert quant_of(entry.file.lower()) == entry.quant
    if not isinstance(entry.source, WheelModel):
        assert HubReference.parse(entry.source) == HubReference(entry.source)
        first, *_ = group([entry.file])
        assert first.quant == entry.quant
    # Between two and nine bits for a parameter: a slip of a power of ten shows.
    assert 2 < entry.size * 8 / entry.parameters < 9.5
    assert entry.active_parameters <= entry.parameters
    if entry.sampling is not None:
        known = {field.name for field in fields(Sampling)}
        assert entry.sampling.values.keys() <= known
        Sampling(**entry.sampling.values)
        assert entry.sampling.source.startswith("https://")
        assert (entry.sampling.greedy is not None) == (entry.sampling.values["temperature"] == 0)


def test_no_two_share_a_name() -> None:
    spoken = [
        re.sub(r"[-_.:]", "", name) for entry in ENTRIES for name in (entry.name, *entry.aliases)
    ]
    assert len(set(spoken)) == len(spoken)
    files = [entry.file.lower() for entry in ENTRIES]
    assert len(set(files)) == len(files)


@pytest.mark.parametrize(
    ("text", "name", "quant"),
    [
        ("llama3.2", "llama3.2-3b", "Q4_K_M"),
        ("llama3.2:latest", "llama3.2-3b", "Q4_K_M"),
        ("Llama-3.2-1B-Instruct", "llama3.2-1b", "Q4_K_M"),
        ("llama3.2:1b-instruct-q8_0", "llama3.2-1b", "Q8_0"),
        ("gemma-3-4b-it", "gemma3-4b", "Q4_K_M"),
        ("gemma3:4b-it-q8_0", "gemma3-4b", "Q8_0"),
        ("gpt-oss:20b", "gpt-oss-20b", "MXFP4"),
        ("gpt-oss", "gpt-oss-20b", "MXFP4"),
        ("qwen3:4b", "qwen3-4b", "Q4_K_M"),
        ("qwen3:4b-instruct-2507-q8_0", "qwen3-4b-2507", "Q8_0"),
        ("Qwen3-4B-Instruct-2507", "qwen3-4b-2507", "Q4_K_M"),
        ("qwen3-embedding:0.6b", "qwen3-embedding-0.6b", "Q8_0"),
        ("deepseek-r1:7b", "deepseek-r1-7b", "Q4_K_M"),
        ("mistral", "mistral-7b", "Q4_K_M"),
    ],
)
def test_other_programs_names(text: str, name: str, quant: str) -> None:
    found = lookup(text)
    assert found is not None
    assert (found[0].name, found[1]) == (name, quant)


@pytest.mark.parametrize("text", ["", ":latest", "llama", "gemma3:5b", "a/llama3.2-1b", "hello"])
def test_what_is_no_name(text: str) -> None:
    assert lookup(text) is None


def test_names_of_publishers() -> None:
    for name, meant in (
        ("openai/gpt-oss-20b", "gpt-oss-20b"),
        ("google/gemma-3-12b-it", "gemma3-12b"),
        ("qwen/qwen3-4b-2507", "qwen3-4b-2507"),
    ):
        assert of_publisher(name) is CATALOGUE[meant]
    assert of_publisher("gemma3-4b") is None
    assert of_publisher("user/no-such-1b") is None


@pytest.mark.parametrize(
    ("file", "architecture", "name"),
    [
        ("Qwen3-8B-Q4_K_M.gguf", "qwen3", "qwen3-8b"),
        ("qwen3-8b-q8_0.gguf", "qwen3", "qwen3-8b"),
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "llama", "smollm2-135m"),
        ("qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf", "qwen2", "qwen2.5-7b"),
        ("Qwen3-8B-Q4_K_M.gguf", "llama", None),
        ("mine.gguf", "llama", None),
    ],
)
def test_the_entry_of_a_file(file: str, architecture: str, name: str | None) -> None:
    found = entry_of_file(Path("anywhere") / file, architecture)
    assert (found and found.name) == name


def test_what_fits() -> None:
    small, mixture = CATALOGUE["qwen3-4b-2507"], CATALOGUE["qwen3-30b-a3b-2507"]
    roomy = expect(small, 8 * GB, 25e9)
    assert roomy.fits
    assert roomy.speed == pytest.approx(10, rel=0.05)
    tight = expect(small, 2 * GB, 25e9)
    assert (tight.way, tight.fits, tight.speed) == ("no", False, None)
    # A token reads a ninth of the mixture's weights.
    fast = expect(mixture, 32 * GB, 25e9).speed
    assert fast == pytest.approx(12.4, rel=0.05)
    # And so much of it has to be there, if the rest is read from the disk.
    assert [expect(mixture, gb * GB, 25e9).way for gb in (1, 2, 4, 18, 32)] == [
        "no", "no", "streams", "streams", "fits",
    ]  # fmt: skip
    assert expect(mixture, 4 * GB, 25e9).speed is None  # that is for the disk to say


@pytest.mark.parametrize(
    ("available", "bandwidth", "name"),
    [
        (100 * GB, 60e9, "gpt-oss-120b"),
        (24 * GB, 40e9, "qwen3-30b-a3b-2507"),
        (15 * GB, 40e9, "gpt-oss-20b"),
        (6 * GB, 20e9, "qwen3-4b-2507"),
        (6 * GB, 11e9, "llama3.2-3b"),
        (6 * GB, 0.2e9, "qwen3-0.6b"),
        (10**8, 20e9, None),
    ],
)
def test_the_best_one(available: int, bandwidth: float, name: str | None) -> None:
    from pestle.models.fitting import LADDER

    found = best([expect(CATALOGUE[each], available, bandwidth) for each in LADDER])
    assert (found and found.entry.name) == name
