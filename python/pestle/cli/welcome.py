"""The first screen: what to type, and which model is the best for this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pestle.cli import units

if TYPE_CHECKING:
    from pestle.models import CatalogueEntry, Fit

DEFAULT_IS_SMALL = "SmolLM2-135M: very small, for a first try, often wrong"
AFTER_DEFAULT = "This was SmolLM2-135M: very small, often wrong. `pestle` names better ones."
_QUICK = "qwen3-4b-2507"
_LARGE = 4e9  # bytes: such a model takes long to fetch


def lines() -> list[str]:
    """What bare `pestle` says before its help."""
    from pestle.models import CATALOGUE, best_here

    rows = [("pestle chat", f"talk to {DEFAULT_IS_SMALL}")]
    best = best_here()
    if best is not None:
        rows.append((f"pestle chat {best.entry.name}", f"the best for this machine: {told(best)}"))
        if best.entry.size > _LARGE:
            quick = CATALOGUE[_QUICK]
            rows.append((f"pestle chat {_QUICK}", f"good, and sooner here: {_fetched(quick)}"))
    rows.append(("pestle ls --all", "other models, and what fits here"))
    return [
        "Pestle runs language models on this computer. What you say to them stays on it.",
        "",
        *(f"  {line}" for line in units.aligned(rows)),
    ]


def told(fit: Fit) -> str:
    """What to expect of a model: what is to be fetched, and how fast it writes."""
    speed = "" if fit.speed is None else f", up to {fit.speed:.0f} tokens/s"
    return _fetched(fit.entry) + speed


def _fetched(entry: CatalogueEntry) -> str:
    from pestle.models import is_here

    return f"{units.size(entry.size)} {'on this disk' if is_here(entry) else 'to fetch'}"


def better_than_default() -> list[str]:
    """What a chat with the default model says first."""
    from pestle.models import DEFAULT_NAME, best_here

    said = [f"This is {DEFAULT_IS_SMALL}."]
    best = best_here()
    if best is not None and best.entry.name != DEFAULT_NAME:
        said.append(f"The best for this machine: `pestle chat {best.entry.name}`, {told(best)}.")
    return said
