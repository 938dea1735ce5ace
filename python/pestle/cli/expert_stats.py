"""`--expert-stats`: which experts a run used, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pestle.cli.outputs import require_no_source

if TYPE_CHECKING:
    from pestle import LLM


_TRAFFIC = (
    "tokens", "asked", "hits", "reads", "read_bytes", "stall_seconds", "stall_bytes",
    "guesses", "right",
)  # fmt: skip
"""Of `_core.ExpertTraffic`."""


def check(llm: LLM, path: str) -> None:
    """Raise, before the work is done, unless there will be counts and a place for them."""
    from pestle import files

    if llm.expert_counts().shape[1] == 0:
        raise click.UsageError(f"--expert-stats: {llm.path} has no experts to count.")
    require_no_source(Path(path), [Path(llm.path)])
    try:
        files.check_place(Path(path))
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error


def of(llm: LLM) -> dict[str, Any]:
    """The counts of each layer that has experts; each token of it counts once per expert used."""
    counts, traffic = llm.expert_counts(), llm.expert_traffic
    found: dict[str, Any] = {
        "model": llm.path,
        "architecture": llm.architecture,
        "n_layers": counts.shape[0],
        "n_experts": counts.shape[1],
        "layers": [
            {"layer": layer, "counts": of_layer.tolist()}
            for layer, of_layer in enumerate(counts)
            if of_layer.any()
        ],
    }
    if traffic is not None:
        found["streaming"] = {
            "expert_memory": llm.model.expert_memory,
            "past_cache": llm.model.experts_past_cache,
            "probed_bytes_per_s": llm.model.expert_read_rate or None,
            **{name: getattr(traffic, name) for name in _TRAFFIC},
        }
    return found


def write(llm: LLM, path: str) -> None:
    """Write the counts to `path`, whole or not at all."""
    from pestle import files

    try:
        with files.placed(Path(path)) as stream:
            stream.write((json.dumps(of(llm)) + "\n").encode())
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
