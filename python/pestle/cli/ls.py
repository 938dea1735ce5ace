"""`pestle ls`: the models on this disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from pestle.cli import units
from pestle.cli.console import current
from pestle.cli.options import json_option, verbosity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pestle.models import Fit, InstalledModel


def lines(models: Sequence[InstalledModel]) -> list[str]:
    """One line for each model: what -m takes, its size, the day it came."""
    rows = [("name", "size", "fetched", "")]
    for model in models:
        day = time.strftime("%Y-%m-%d", time.localtime(model.modified))
        state = "" if model.complete else "incomplete: `pestle pull` goes on"
        rows.append((model.name, units.size(model.size), day, state))
    return units.aligned(rows, numbers=(1,))


def available_lines(fits: Sequence[Fit]) -> list[str]:
    """One line for each name that could be fetched: its size, and what to expect of it here."""
    rows = [("name", "size", "tokens/s here", "good for")]
    for fit in fits:
        entry = fit.entry
        rows.append((entry.name, units.size(entry.size), pace(fit), entry.good_for))
    return units.aligned(rows, numbers=(1, 2))


def pace(fit: Fit) -> str:
    """Whether a model runs, and how fast it is at most: "up to 12"."""
    if not fit.fits:
        return "streams" if fit.way == "streams" else "does not fit"
    if fit.entry.embeds or fit.speed is None:
        return "fits"
    return f"up to {fit.speed:.0f}" if fit.speed >= 9.5 else f"up to {fit.speed:.1f}"


def _available_json(fit: Fit) -> dict[str, Any]:
    entry, sampling = fit.entry, fit.entry.sampling
    return {
        "name": entry.name,
        "aliases": list(entry.aliases),
        "architecture": entry.architecture,
        "parameters": units.count(entry.parameters),
        "n_parameters": int(entry.parameters),
        "n_active_parameters": int(entry.active_parameters),
        "repository": entry.source if isinstance(entry.source, str) else None,
        "file": entry.file,
        "quantization": entry.quant,
        "bytes": entry.size,
        "license": entry.license,
        "good_for": entry.good_for,
        "embeds": entry.embeds,
        "reasons": entry.reasons,
        "sampling": None if sampling is None else {**sampling.values, "source": sampling.source},
        "bytes_needed": fit.memory,
        "fits": fit.fits,
        "way": fit.way,
        "max_tokens_per_second": None if fit.speed is None else round(fit.speed, 1),
    }


def _as_json(model: InstalledModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "path": str(model.path),
        "bytes": model.size,
        "source": model.source,
        "modified": model.modified,
        "complete": model.complete,
    }


def _list_sessions(as_json: bool) -> None:
    from pestle.sessions import saved_sessions

    console, entries = current(), saved_sessions()
    if as_json:
        listed = [
            {"name": e.name, "path": str(e.path), "bytes": e.size, "modified": e.modified}
            for e in entries
        ]
        console.json({"version": 1, "sessions": listed})
        return
    if not entries:
        console.note("No sessions yet: `pestle chat --session NAME` begins one.")
        return
    rows = [("name", "size", "saved")]
    for entry in entries:
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.modified))
        rows.append((entry.name, units.size(entry.size), day))
    for line in units.aligned(rows, numbers=(1,)):
        console.out(line)


_HEADING = "To be fetched: `pestle chat NAME` does, and `pestle info NAME` tells more."


@click.command("ls", short_help="List the models on this disk, or those to be had.")
@click.option("--all", "with_available", is_flag=True,
              help="Also list what can be fetched by name, and what fits here.")  # fmt: skip
@click.option("--sessions", "of_sessions", is_flag=True,
              help="List the chats that were saved instead.")  # fmt: skip
@json_option
@verbosity
def command(with_available: bool, of_sessions: bool, as_json: bool) -> None:
    """List the models on this disk, and what -m calls them; or the chats that were saved."""
    from pestle import models

    console = current()
    if of_sessions:
        _list_sessions(as_json)
        return
    installed = models.installed()
    entries = [e for e in models.CATALOGUE.values() if not models.is_here(e)]
    if as_json:
        data: dict[str, Any] = {"version": 1, "models": [_as_json(model) for model in installed]}
        if with_available:
            data["available"] = [_available_json(fit) for fit in models.fits_here(entries)]
        console.json(data)
        return
    if installed:
        for line in lines(installed):
            console.out(line)
    else:
        console.note("No models yet: `pestle pull` fetches the default one.")
    if with_available:
        for line in ["", _HEADING, *available_lines(models.fits_here(entries))]:
            console.out(line)
