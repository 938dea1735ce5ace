"""A server as a process: models found, addresses taken, requests answered until a signal comes."""

from __future__ import annotations

import ipaddress
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, TypeAlias

import click
from click.core import ParameterSource

from pestle.cli import serve_memory, serve_models
from pestle.cli.console import current
from pestle.cli.model_options import ModelOptions
from pestle.cli.serve_log import logged
from pestle.cli.serve_options import Access, Address, Choice

if TYPE_CHECKING:
    from pestle.server import ServerOptions
    from pestle.server.listening import Listener

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")

Screen: TypeAlias = (
    "Callable[[Sequence[tuple[str, int]], Sequence[serve_models.Offer], ServerOptions], None]"
)
"""What is said once it listens: hosts and ports, models, and how the server is set up."""


def run(
    named: Mapping[str, str | None],
    choice: Choice,
    address: Address,
    access: Access,
    options: ModelOptions,
    screen: Screen,
) -> None:
    """Serve the models in `named` until a signal ends it. The first one is loaded before.

    The page may add others that lie on this disk.
    """
    from pestle.server import Disk, create_app
    from pestle.server.listening import Listener, bind

    console = current()
    server_options = access.of_server(reachable=not _is_loopback(address.host))
    server_options = replace(
        server_options,
        aliases=_aliases(choice.aliases, named),
        keep_alive=choice.keep_alive,
        memory=options.engine.memory,
    )
    given = _given(choice.parallel)
    with ExitStack() as held, logged(console):
        sockets = bind(address.host, address.port)  # before the models, which take longer
        for each in sockets:
            held.enter_context(each)
        offers = serve_models.find(named, options, given, console)
        served = serve_models.sources(offers, choice.prefixes, console, held)
        offers = serve_models.as_loaded(offers, served)
        where = [each.getsockname()[:2] for each in sockets]
        opening = serve_models.opening(options, given, choice.prefixes)
        app = create_app(served, server_options, Disk(opening, options.offline))
        listener = Listener(app, address.grace, lambda: screen(where, offers, server_options))
        with _stopped_by_signals(listener) as ended_by:
            listener.run(sockets)
        if ended_by:
            click.get_current_context().exit(128 + ended_by[0])


def _given(parallel: int) -> serve_memory.Given:
    """What the command line says of memory and of how many share it."""
    ctx = click.get_current_context()
    said = {
        name: ctx.params[name]
        for name in ("kv_memory", "prefix_cache")
        if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    return serve_memory.Given(said.get("kv_memory") or None, said.get("prefix_cache"), parallel)


def _aliases(given: tuple[str, ...], named: Mapping[str, object]) -> dict[str, str]:
    """Which model each further name stands for."""
    found = {}
    for alias in given:
        name, equals, model = alias.partition("=")
        model = model if equals else next(iter(named), "")
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
