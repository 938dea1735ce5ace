"""`pestle serve`: models for programs that speak HTTP."""

from __future__ import annotations

import ipaddress
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from pestle.cli import serve_models, serve_screen
from pestle.cli.console import current
from pestle.cli.options import (
    COUNT,
    ModelOptions,
    engine_options,
    unknown_characters_option,
    verbosity,
)
from pestle.cli.serve_log import logged
from pestle.cli.serve_options import SECONDS, Access, Address, access_options, address_options

if TYPE_CHECKING:
    from pestle.server.listening import Listener

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


@click.command("serve", short_help="Serve models to programs, over HTTP.")
@click.option("-m", "--model", "models", multiple=True, metavar="[NAME=]FILE|NAME",
              help="A GGUF file or a name that `pestle ls` lists, and the name by which requests "
                   "choose it; may be repeated. The first one answers where a request names none."
                   "  [default: SmolLM2-135M]")  # fmt: skip
@click.option("--alias", "aliases", multiple=True, metavar="NAME[=MODEL]",
              help="A further name of a model, of the first one if it does not say which: for "
                   "clients that insist on a name. May be repeated.")  # fmt: skip
@click.option("--keep-alive", type=SECONDS, metavar="SECONDS",
              help="Unload a model that nobody has asked for so long.  [default: only where the "
                   "memory is needed for another one]")  # fmt: skip
@click.option("--parallel", type=COUNT, default=0, metavar="N",
              help="Answers that each model writes at once; others wait.  "
                   "[default: as many as memory for keys and values allows]")  # fmt: skip
@click.option("--prefix-dir", "prefixes", metavar="FOLDER", type=click.Path(file_okay=False),
              help="Save keys and values of the last texts there, and use them again after the "
                   "next start.")  # fmt: skip
@address_options
@access_options
@engine_options
@unknown_characters_option
@verbosity
def command(
    models: tuple[str, ...],
    aliases: tuple[str, ...],
    keep_alive: float | None,
    parallel: int,
    prefixes: str | None,
    address: Address,
    access: Access,
    options: ModelOptions,
    unknown_characters: str,
) -> None:
    """Serve models over HTTP, to clients of OpenAI's and Anthropic's APIs.

    The first lines on stdout say where, and what a client is to be told. Requests that come
    together are answered together, and each as if it were alone. Nothing but this machine can
    reach the server unless --host says otherwise. -v logs a line for each request.

    The first model is loaded at the start, others when a request names them. Keys and values have
    half of the memory that the weights leave, unless --kv-memory says how much; what is kept of
    earlier texts may have all of that, unless --cache-ram says how much.
    """
    from pestle.server import create_app
    from pestle.server.listening import Listener, bind

    console = current()
    options = replace(options, unknown_characters=unknown_characters)
    named = serve_models.names(models)
    server_options = access.of_server(reachable=not _is_loopback(address.host))
    server_options = replace(
        server_options, aliases=_aliases(aliases, named), keep_alive=keep_alive
    )
    with ExitStack() as held, logged(console):
        sockets = bind(address.host, address.port)  # before the models, which take longer
        for each in sockets:
            held.enter_context(each)
        offers = serve_models.find(named, options, _given(parallel), console)
        served = serve_models.sources(offers, prefixes, console, held)
        where = [each.getsockname()[:2] for each in sockets]
        app = create_app(served, server_options)
        listener = Listener(
            app,
            address.grace,
            lambda: serve_screen.show(console, where, offers, server_options),
        )
        with _stopped_by_signals(listener) as ended_by:
            listener.run(sockets)
        if ended_by:
            click.get_current_context().exit(128 + ended_by[0])


def _given(parallel: int) -> serve_models.Given:
    """What the command line says of memory and of how many share it."""
    ctx = click.get_current_context()
    said = {
        name: ctx.params[name]
        for name in ("kv_memory", "prefix_cache")
        if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    return serve_models.Given(said.get("kv_memory") or None, said.get("prefix_cache"), parallel)


def _aliases(given: tuple[str, ...], named: Mapping[str, object]) -> dict[str, str]:
    """Which model each further name stands for."""
    found = {}
    for alias in given:
        name, equals, model = alias.partition("=")
        model = model if equals else next(iter(named))
        if not name or model not in named:
            known = ", ".join(named)
            raise click.UsageError(f"--alias {alias}: NAME=MODEL is expected, MODEL of {known}.")
        if name in named or name in found:
            raise click.UsageError(f"--alias {alias}: {name} is a name already.")
        found[name] = model
    return found


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
