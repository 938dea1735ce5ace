"""`pestle ps`: what a server on this machine has in memory."""

from __future__ import annotations

from typing import Any

import click

from pestle.cli import units
from pestle.cli.console import current
from pestle.cli.options import json_option, verbosity

_PATIENCE_S = 5.0
_PORT = 11435


@click.command("ps", short_help="List the models that a running server has in memory.")
@click.option("--port", default=_PORT, show_default=True, metavar="N", help="The server's port.")
@json_option
@verbosity
def command(port: int, as_json: bool) -> None:
    """List the models that `pestle serve` on this machine has in memory.

    If the server has keys, set PESTLE_API_KEY to one.
    """
    console = current()
    found = _asked(port)
    models = [] if found is None else found["models"]
    if as_json:
        console.json({"version": 1, "running": found is not None, "models": models})
        return
    if found is None:
        console.note(f"No server runs at port {port} here: `pestle serve` starts one.")
        return
    if not models:
        console.note("The server has no model in memory: it loads one when it is asked.")
        return
    rows = [("name", "size", "context")]
    rows += [(m["name"], units.size(m["size"]), f"{m['context_length']:,}") for m in models]
    for line in units.aligned(rows, numbers=(1, 2)):
        console.out(line)


def _asked(port: int) -> dict[str, Any] | None:
    """What the server says; None where there is none."""
    import os
    import urllib.error
    import urllib.request

    from pestle.untrusted_json import parse_object

    address = f"http://127.0.0.1:{port}/api/ps"
    key = os.environ.get("PESTLE_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(address, headers=headers)
    # A proxy has no business with this machine's own server.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_PATIENCE_S) as response:
            answer = parse_object(response.read(1 << 20), address)
    except urllib.error.HTTPError as error:
        raise click.ClickException(f"{address} answers {error.code} {error.reason}") from error
    except urllib.error.URLError:
        return None
    models = answer.get("models")
    if not isinstance(models, list) or not all(map(_is_listed, models)):
        raise click.ClickException(f"{address} does not answer as `pestle serve` does")
    return {"models": models}


def _is_listed(model: object) -> bool:
    return (
        isinstance(model, dict)
        and isinstance(model.get("name"), str)
        and type(model.get("size")) is int
        and type(model.get("context_length")) is int
    )
