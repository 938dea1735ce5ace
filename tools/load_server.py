#!/usr/bin/env python3
"""Load on a server: how fast it answers, and whether it answers as it would if it were alone.

    python tools/load_server.py traffic --url http://127.0.0.1:11435 --rate 5 --requests 200
    python tools/load_server.py streams FILE.gguf --n 1 4 8 16 [--peer]
    python tools/load_server.py http FILE.gguf
    python tools/load_server.py long-prompt FILE.gguf --length 8000
    python tools/load_server.py short-behind-long FILE.gguf --length 20000
    python tools/load_server.py second-turn FILE.gguf
    python tools/load_server.py storm --chats 1000

`traffic` needs no more than an OpenAI-compatible server. The others start `pestle serve` in a
process of its own (`--command` has another one), and load the same file here too: bare steps of the
engine and plain calls take turns with the server. `--peer` adds llama.cpp's server, which
`pip install xllamacpp` brings. Seconds, tokens a second and shares; `--json` for programs.

`storm` fails where an answer differs from the one that the same request gets alone.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from urllib.parse import urlsplit

from load import bars, storming, traffic
from load.exchange import Address
from load.servers import PEER, PESTLE, Server, running
from pestle import LLM

_OF_A_FILE: dict[str, Callable[..., bars.Figures]] = {
    "http": bars.http,
    "long-prompt": bars.long_prompt,
    "short-behind-long": bars.short_behind_long,
    "second-turn": bars.second_turn,
}


def _streams(given: argparse.Namespace) -> dict[str, bars.Figures]:
    with ExitStack() as stack:
        servers = _started(stack, given)
        llm = stack.enter_context(LLM(given.file, threads=given.threads))
        return {
            f"{n} streams": bars.streams(servers, llm, n, tokens=given.tokens, rounds=given.rounds)
            for n in given.n
        }


def _of_a_file(given: argparse.Namespace) -> dict[str, bars.Figures]:
    name = given.measure
    options = {"tokens": given.tokens} if name == "http" else {"length": given.length}
    with ExitStack() as stack:
        servers = _started(stack, given)
        llm = stack.enter_context(LLM(given.file, threads=given.threads))
        return {
            server.name: _OF_A_FILE[name](server, llm, rounds=given.rounds, **options)
            for server in servers
        }


def _started(stack: ExitStack, given: argparse.Namespace) -> list[Server]:
    values = {"file": given.file, "threads": given.threads}
    servers = [stack.enter_context(running("pestle", given.command, **values))]
    if given.peer is not None:
        servers.append(stack.enter_context(running("peer", given.peer, **values)))
    return servers


def _traffic(given: argparse.Namespace) -> dict[str, bars.Figures]:
    url = urlsplit(given.url)
    key = (("authorization", f"Bearer {given.key}"),) if given.key else ()
    address = Address(url.port or 80, url.hostname or "127.0.0.1", key)
    asked = traffic.Traffic(
        given.requests,
        given.rate,
        (given.words[0], given.words[1]),
        given.prefixes,
        given.common,
        given.tokens,
        given.leave,
        given.unread,
        seed=given.seed,
    )
    return {given.url: traffic.run(address, asked, given.first, given.between)}


def _storm(given: argparse.Namespace) -> dict[str, bars.Figures]:
    return storming.run(
        given.command, given.file, given.chats, given.most, given.rounds, given.seed
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    measures = parser.add_subparsers(dest="measure", required=True)

    of_url = measures.add_parser("traffic", help="requests by chance to any server")
    of_url.add_argument("--url", required=True)
    of_url.add_argument("--key")
    for name, value in vars(traffic.Traffic()).items():
        if name not in ("words", "patience"):
            of_url.add_argument(f"--{name}", type=type(value), default=value)
    of_url.add_argument("--words", type=int, nargs=2, default=[5, 200], metavar=("LEAST", "MOST"))
    of_url.add_argument("--first", type=float, default=2.0, help="s until the first token")
    of_url.add_argument("--between", type=float, default=0.2, help="s between tokens, on average")

    of_file = argparse.ArgumentParser(add_help=False)
    of_file.add_argument("file")
    of_file.add_argument("--threads", type=int, default=2)
    of_file.add_argument("--rounds", type=int, default=3)
    of_file.add_argument("--command", default=PESTLE, help="with {file}, {port} and {threads}")
    of_file.add_argument("--peer", nargs="?", const=PEER, help="another one's command")
    for name in ("streams", *_OF_A_FILE):
        measure = measures.add_parser(name, parents=[of_file])
        if name == "streams":
            measure.add_argument("--n", type=int, nargs="+", default=[1, 4, 8, 16])
        if name in ("streams", "http"):
            measure.add_argument("--tokens", type=int, default=64)
        else:
            lengths = {"long-prompt": 8000, "short-behind-long": 20000, "second-turn": 300}
            measure.add_argument("--length", type=int, default=lengths[name], help="in words")

    storm = measures.add_parser("storm", help="chats of all kinds at once, beside them alone")
    storm.add_argument("--file", help="of the default model unless given")
    storm.add_argument("--chats", type=int, default=1000)
    storm.add_argument("--most", type=int, default=48, help="tokens of an answer")
    storm.add_argument("--rounds", type=int, default=3)
    storm.add_argument("--seed", type=int, default=1)
    storm.add_argument("--command", default=storming.COMMAND)
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the servers are to end too
    measure = {"streams": _streams, "traffic": _traffic, "storm": _storm}
    found = measure.get(given.measure, _of_a_file)(given)
    failed = any(figures.get("wrong") for figures in found.values())
    if given.json:
        print(json.dumps(found, indent=1))
        return int(failed)
    for name, figures in found.items():
        print(name)
        for what, value in figures.items():
            print(f"  {what:30} {value:,.4g}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
