"""`pestle ui`: the page to chat in, in the browser."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from pestle.cli import serve_models, serve_screen, server_process
from pestle.cli.console import current
from pestle.cli.model_options import ModelOptions, engine_options
from pestle.cli.options import unknown_characters_option, verbosity
from pestle.cli.serve_options import (
    Access,
    Address,
    Choice,
    access_options,
    address_options,
    choice_options,
)

if TYPE_CHECKING:
    from pestle.server import ServerOptions

_ANSWER_S = 3.0  # in which a server that runs already says that it is one
_MARK = b"<title>Pestle</title>"


@click.command("ui")
@click.option("--no-browser", is_flag=True, help="Only say where the page is.")
@choice_options("the page asks")
@address_options
@access_options
@engine_options
@unknown_characters_option
@verbosity
def command(
    no_browser: bool,
    choice: Choice,
    address: Address,
    access: Access,
    options: ModelOptions,
    unknown_characters: str,
) -> None:
    """Open a page to chat in, in your browser.

    Starts the server of `pestle serve`, with the same options, and shows its page; where one runs
    already at this address, its page is shown. Without -m, the page lets you choose among the
    models on this disk and those that can be fetched. Everything that you write stays on this
    machine. Ctrl-C ends the server.
    """
    url = serve_screen.reached(address.host, address.port)
    if address.port != 0 and _runs(address):
        if choice.models:
            current().note("The server that runs there already keeps the models that it has.")
        _show(url, no_browser)
        return
    options = replace(options, unknown_characters=unknown_characters)
    named = serve_models.names(choice.models) if choice.models else {}

    def screen(
        where: Sequence[tuple[str, int]],
        offers: Sequence[serve_models.Offer],
        server_options: ServerOptions,
    ) -> None:
        _show(serve_screen.reached(*where[0]), no_browser)
        current().note("Ctrl-C ends it.")

    server_process.run(named, choice, address, access, options, screen)


def _show(url: str, no_browser: bool) -> None:
    """Say where the page is, and open it unless that is not wanted or not possible."""
    console = current()
    console.out(f"The page is at {url}")
    sys.stdout.flush()
    if no_browser:
        return
    from pestle.cli import browser

    if browser.is_here():
        browser.open_page(url)
    else:
        console.note("There is no browser here to open it in: type the address into one.")


def _runs(address: Address) -> bool:
    """Whether a server of Pestle listens at the address already."""
    import http.client  # here: the help of all commands imports this module

    connection = http.client.HTTPConnection(address.host, address.port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/", headers={"accept": "text/html", "host": "localhost"})
        answer = connection.getresponse()
        return answer.status == 200 and _MARK in answer.read(1 << 16)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
