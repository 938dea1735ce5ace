"""What `pestle serve` says once it listens."""

from __future__ import annotations

import contextlib
import ipaddress
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pestle.cli import units
from pestle.cli.console import Console
from pestle.cli.harmless import escaped

if TYPE_CHECKING:
    from pestle.cli.serve_models import Offer
    from pestle.server import ServerOptions

_HEAD = ("MODEL", "CONTEXT OF EACH", "AT ONCE", "KEYS AND VALUES OF ALL")


def show(
    console: Console,
    where: Sequence[tuple[str, int]],
    offers: Sequence[Offer],
    options: ServerOptions,
) -> None:
    """Say where the server is, what it serves, and what a client is to be told."""
    urls = [_url(host, port) for host, port in where]
    console.out(f"Serving at {' and '.join(urls)}")
    console.out("")
    for line in units.aligned([_HEAD, *(_row(offer) for offer in offers)]):
        console.out(f"  {line}")
    console.out("")
    console.out("A client of OpenAI's API takes:")
    key = f"one of the {len(options.keys)} given" if options.keys else "any text; none is demanded"
    rows = [
        ("base URL", f"{reached(*where[0])}/v1"),
        ("API key", key),
        ("model", " or ".join([*(offer.name for offer in offers), *options.aliases])),
    ]
    for line in units.aligned(rows):
        console.out(f"  {line}")
    console.out("")
    console.out(f"To chat in a browser, open {reached(*where[0])}")
    sys.stdout.flush()


def _row(offer: Offer) -> tuple[str, str, str, str]:
    engine = offer.options.engine
    each = offer.bytes_per_token
    tokens = f", {engine.kv_memory // each:,} tokens" if each else ""
    memory = f"{units.size(engine.kv_memory)}{tokens}"
    at_once = f"{offer.parallel} answers" if offer.parallel else "as many as fit"
    return offer.name, f"{offer.context_length:,} tokens", at_once, memory


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def reached(host: str, port: int) -> str:
    """By which address a client on this machine gets there; `host`: a name, or an address."""
    with contextlib.suppress(ValueError):  # a name
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            host = "127.0.0.1" if address.version == 4 else "::1"
    return _url(escaped(host), port)
