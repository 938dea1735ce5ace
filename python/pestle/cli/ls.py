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

    from pestle.models import CatalogueEntry, InstalledModel


def lines(models: Sequence[InstalledModel]) -> list[str]:
    """One line for each model: what -m takes, its size, the day it came."""
    rows = [("name", "size", "fetched", "")]
    for model in models:
        day = time.strftime("%Y-%m-%d", time.localtime(model.modified))
        state = "" if model.complete else "incomplete: `pestle pull` goes on"
        rows.append((model.name, units.size(model.size), day, state))
    return units.aligned(rows, numbers=(1,))


def available_lines(entries: Sequence[CatalogueEntry]) -> list[str]:
    """One line for each name that could be fetched."""
    rows = [("name", "parameters", "quantization")]
    rows += [(entry.name, entry.parameters, entry.quant) for entry in entries]
    return units.aligned(rows, numbers=(1,))


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


@click.command("ls")
@click.option("--all", "with_available", is_flag=True,
              help="Also list the names that `pestle pull` knows.")  # fmt: skip
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
    here = {model.name for model in installed}
    entries = [entry for entry in models.CATALOGUE.values() if entry.name not in here]
    if as_json:
        data: dict[str, Any] = {"version": 1, "models": [_as_json(model) for model in installed]}
        if with_available:
            data["available"] = [
                {"name": e.name, "parameters": e.parameters, "quantization": e.quant}
                for e in entries
            ]
        console.json(data)
        return
    if installed:
        for line in lines(installed):
            console.out(line)
    else:
        console.note("No models yet: `pestle pull` fetches the default one.")
    if with_available:
        for line in ["", "to be fetched with `pestle pull NAME`:", *available_lines(entries)]:
            console.out(line)
