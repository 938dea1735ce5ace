"""The whole storm: a server in a process of its own, alone first, then some rounds in company."""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from pestle.models import resolve

from load import storm
from load.heard import Heard
from load.servers import Server, running

COMMAND = f"{sys.executable} {Path(__file__).parent / 'storm_server.py'} {{file}} --port {{port}}"
_METRICS = [
    "num_requests_running",
    "num_requests_waiting",
    "kv_cache_bytes",
    "num_preemptions_total",
]
_REST = 2.0  # seconds in which the server notices that everybody has gone
DIALECTS = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/responses",
    "/api/chat",
    "/api/generate",
]


def run(
    command: str, file: str | None, n: int, most: int, rounds: int, seed: int
) -> dict[str, storm.Figures]:
    """Figures of each round of n chats, with answers of up to `most` tokens.

    What is wrong is told on stderr, and counted.
    """
    # A connection of each here, and one of each there.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * n + 256), hard))
    asked = storm.chats(n, seed, dialects=DIALECTS, most=most)
    path = file or str(resolve())
    found: dict[str, storm.Figures] = {}
    with running("pestle", command, file=path) as server:
        expected = _alone(server, asked)
    # A server of its own: what it holds afterwards is the storm's.
    with running("pestle", command, file=path) as server:
        for turn in range(rounds):
            report = asyncio.run(storm.together(server.address, asked, expected))
            for line in report.wrong:
                print(f"round {turn + 1}: {line}", file=sys.stderr)
            time.sleep(_REST)
            found[f"round {turn + 1}"] = report.figures() | _left_over(server)
            print(json.dumps(found[f"round {turn + 1}"]), file=sys.stderr, flush=True)
    return found


def _alone(server: Server, asked: list[storm.Chat]) -> dict[int, Heard]:
    began = time.perf_counter()
    expected = asyncio.run(storm.alone(server.address, asked))
    seconds = time.perf_counter() - began
    print(f"{len(asked)} chats alone took {seconds:.0f} s", file=sys.stderr, flush=True)
    return expected


def _left_over(server: Server) -> storm.Figures:
    """What the server has and holds once everybody has gone; memory in bytes."""
    text = Path(f"/proc/{server.pid}/smaps_rollup").read_text(encoding="ascii")
    fields = dict(line.split(":", 1) for line in text.splitlines() if ": " in line)
    held: storm.Figures = {"anonymous": int(fields["Anonymous"].split()[0]) * 1024}
    url = f"http://{server.address.host}:{server.address.port}/metrics"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return held  # it has no metrics
    for name in _METRICS:
        values = [line.rsplit(" ", 1)[1] for line in lines if re.match(rf"\w+[:_]{name}\b", line)]
        held[name] = sum(map(float, values))
    return held
