"""`pestle serve`: models for programs that speak HTTP."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

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


@click.command("serve", short_help="Serve models to programs, over HTTP.")
@choice_options("SmolLM2-135M")
@address_options
@access_options
@engine_options
@unknown_characters_option
@verbosity
def command(
    choice: Choice,
    address: Address,
    access: Access,
    options: ModelOptions,
    unknown_characters: str,
) -> None:
    """Serve models over HTTP, to clients of OpenAI's and Anthropic's APIs, and a page to chat in.

    The first lines on stdout say where, and what a client is to be told. Requests that come
    together are answered together, and each as if it were alone. Nothing but this machine can
    reach the server unless --host says otherwise. -v logs a line for each request.

    The first model is loaded at the start, others when a request names them. Keys and values have
    half of the memory that the weights leave, or all that they leave of --memory, which is for all
    models together, unless --kv-memory says how much; what is kept of earlier texts may have all of
    that, unless --cache-ram says how much.
    """
    options = replace(options, unknown_characters=unknown_characters)
    named = serve_models.names(choice.models)
    screen = partial(serve_screen.show, current())
    server_process.run(named, choice, address, access, options, screen)
