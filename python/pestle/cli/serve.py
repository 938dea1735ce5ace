"""`pestle serve`: models for programs that speak HTTP."""

from __future__ import annotations

import ipaddress
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from pestle.cli import loading, serve_screen
from pestle.cli.console import current
from pestle.cli.options import ModelOptions, engine_options, verbosity
from pestle.cli.serve_log import logged
from pestle.cli.serve_options import Access, Address, access_options, address_options

if TYPE_CHECKING:
    from pestle.server.listening import Listener

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


@click.command("serve")
@click.option("-m", "--model", "models", multiple=True, metavar="[NAME=]FILE|NAME",
              help="A GGUF file or a name that `pestle ls` lists, and the name by which requests "
                   "choose it; may be repeated. The first one answers where a request names none."
                   "  [default: SmolLM2-135M]")  # fmt: skip
@address_options
@access_options
@engine_options
@verbosity
def command(
    models: tuple[str, ...], address: Address, access: Access, options: ModelOptions
) -> None:
    """Serve models over HTTP, to clients of OpenAI's API.

    The first lines on stdout say where, and what a client is to be told. Requests that come
    together are answered together, and each as if it were alone. Nothing but this machine can
    reach the server unless --host says otherwise. -v logs a line for each request.
    """
    from pestle.server import create_app
    from pestle.server.listening import Listener, bind

    console = current()
    named = dict(_named(models))
    server_options = access.of_server(reachable=not _is_loopback(address.host))
    with ExitStack() as held, logged(console):
        sockets = bind(address.host, address.port)  # before the models, which take longer
        for each in sockets:
            held.enter_context(each)
        served = {
            name: held.enter_context(loading.load(replace(options, model=model), console))
            for name, model in named.items()
        }
        where = [each.getsockname()[:2] for each in sockets]
        app = create_app(served, server_options)
        listener = Listener(
            app,
            address.grace,
            lambda: serve_screen.show(console, where, served, server_options),
        )
        with _stopped_by_signals(listener) as ended_by:
            listener.run(sockets)
        if ended_by:
            click.get_current_context().exit(128 + ended_by[0])


def _named(models: tuple[str, ...]) -> Iterator[tuple[str, str | None]]:
    """The names by which models are chosen, and what they are."""
    from pestle.models import DEFAULT_NAME

    names = set()
    for model in models or (None,):
        name, equals, file = (model or "").partition("=")
        if model is None:
            name, file = DEFAULT_NAME, ""
        elif not equals or "/" in name or "\\" in name or Path(model).is_file():
            name, file = Path(model).name.removesuffix(".gguf"), model
        if not name or (model is not None and not file):
            raise click.UsageError(f"-m {model}: NAME=FILE is expected.")
        if name in names:
            raise click.UsageError(f"Two models are named {name}: NAME=FILE gives another name.")
        names.add(name)
        yield name, file or None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name: who knows what it stands for


@contextmanager
def _stopped_by_signals(listener: Listener) -> Iterator[list[int]]:
    """The first signal stops the listener, and a second one ends the process at once.

    Yields a list, which has the first one once it has come.
    """
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if came:
            os._exit(128 + number)
        came.append(number)
        listener.stop()

    before = {}
    for name in _ENDING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, stop)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
