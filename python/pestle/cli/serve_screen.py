"""What `pestle serve` says once it listens."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pestle.cli import units
from pestle.cli.console import Console
from pestle.cli.harmless import escaped

if TYPE_CHECKING:
    from pestle import LLM
    from pestle.server import ServerOptions


def show(
    console: Console,
    where: Sequence[tuple[str, int]],
    models: Mapping[str, LLM],
    options: ServerOptions,
) -> None:
    """Say where the server is, what it serves, and what a client is to be told."""
    urls = [_url(host, port) for host, port in where]
    console.out(f"Serving at {' and '.join(urls)}")
    rows = [(name, *_facts(llm)) for name, llm in models.items()]
    console.out("")
    for line in units.aligned([("MODEL", "CONTEXT", "PREFIX CACHE"), *rows]):
        console.out(f"  {line}")
    console.out("")
    console.out("A client of OpenAI's API takes:")
    base = f"{_reached(*where[0])}/v1"
    key = f"one of the {len(options.keys)} given" if options.keys else "any text; none is demanded"
    for line in units.aligned(
        [("base URL", base), ("API key", key), ("model", next(iter(models)))]
    ):
        console.out(f"  {line}")
    sys.stdout.flush()


def _facts(llm: LLM) -> tuple[str, str]:
    kept = llm.options.prefix_cache
    tokens = kept // max(llm.engine.kv_memory.bytes_per_token, 1)
    return f"{llm.n_ctx:,} tokens", f"{units.binary(kept)}, {tokens:,} tokens"


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _reached(host: str, port: int) -> str:
    """By which address a client on this machine gets there."""
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return _url(escaped(host), port)
