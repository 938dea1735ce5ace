"""What `pestle serve` is told of models, of its address, and of who may ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pestle.cli import completion
from pestle.cli.option_groups import Command, collect
from pestle.cli.option_types import COUNT, POSITIVE, Number

if TYPE_CHECKING:
    from pestle.server import ServerOptions

_PORT = Number(int, "from 0 to 65535", lambda value: 0 <= value < 65536)
SECONDS = Number(float, "0 or more", lambda value: 0 <= value < 1e9)
_MOST_KEY_FILE = 1 << 20  # bytes


@dataclass(frozen=True)
class Choice:
    """Which models are served, and how they share the memory; `prefixes`: a folder."""

    models: tuple[str, ...]
    aliases: tuple[str, ...]
    keep_alive: float | None
    parallel: int
    prefixes: str | None


@dataclass(frozen=True)
class Address:
    """Where the server listens, and how long it takes to end."""

    host: str
    port: int
    grace: float


_CHOICE = (
    click.option("--alias", "aliases", multiple=True, metavar="NAME[=MODEL]",
                 help="Another name for a model (the first one, unless =MODEL says which), for "
                      "clients that insist on a name; may be repeated."),
    click.option("--keep-alive", type=SECONDS, metavar="SECONDS",
                 help="Unload a model after so many seconds without a request.  [default: only "
                      "where another one needs the memory]"),
    click.option("--parallel", type=COUNT, default=0, metavar="N",
                 help="Answers that each model writes at once; others wait.  "
                      "[default: as many as memory for keys and values allows]"),
    click.option("--prefix-dir", "prefixes", metavar="FOLDER", type=click.Path(file_okay=False),
                 help="Save keys and values of the last texts there, and use them again after the "
                      "next start."),
)  # fmt: skip

_ADDRESS = (
    click.option("--host", default="127.0.0.1", show_default=True, metavar="NAME",
                 help="The address to listen at; 0.0.0.0 means all of this machine's."),
    click.option("--port", type=_PORT, default=11435, show_default=True, metavar="N",
                 help="The port; 0 takes any free one, and says which."),
    click.option("--grace", type=SECONDS, default=8.0, metavar="SECONDS",
                 help="How long answers may go on after the first Ctrl-C or SIGTERM; a second one "
                      "ends them at once.  [default: 8]"),
)  # fmt: skip

_ACCESS = (
    click.option("--api-key", "api_keys", multiple=True, metavar="KEY", envvar="PESTLE_API_KEY",
                 help="Demand this key; may be repeated. Others on this machine see the command "
                      "line, but not the environment variable PESTLE_API_KEY."),
    click.option("--api-key-file", metavar="FILE", type=click.Path(exists=True, dir_okay=False),
                 help="Demand one of the keys in a file: on each line a key, or a name and a key; "
                      "the names are for the log."),
    click.option("--no-auth", is_flag=True,
                 help="Ask for no key, even though other machines can reach the server."),
    click.option("--allow-host", "hosts", multiple=True, metavar="NAME",
                 help="A name by which clients reach the server; may be repeated. Addresses and "
                      "localhost are allowed anyway."),
    click.option("--cors", "origins", multiple=True, metavar="ORIGIN",
                 help="Let web pages from there use the server, as in https://chat.example.org; "
                      "may be repeated."),
    click.option("--max-connections", "connections", type=POSITIVE, default=10_000, metavar="N",
                 help="Connections that may be open at once.  [default: 10000]"),
    click.option("--max-queue", "queue", type=POSITIVE, default=1024, metavar="N",
                 help="Answers that may wait for their first word; what comes then is refused "
                      "with 429.  [default: 1024]"),
    click.option("--log-prompts", is_flag=True,
                 help="Log what is asked. Without it no log has a word of a prompt."),
)  # fmt: skip


def choice_options(default: str) -> Callable[[Command], Command]:
    """Add what says which models are served, as `choice: Choice`; `default`: without -m."""
    models = click.option(
        "-m", "--model", "models", multiple=True, metavar="[NAME=]FILE|NAME",
        shell_complete=completion.models,
        help="A GGUF file or a name that `pestle ls` lists, and the name by which requests choose "
             "it; may be repeated. The first one answers where a request names none.  "
             f"[default: {default}]")  # fmt: skip

    def add(command: Command) -> Command:
        return collect(command, (models, *_CHOICE), "choice", lambda values: Choice(**values))

    return add


def address_options(command: Command) -> Command:
    """Add what says where to listen, as `address: Address`."""
    return collect(command, _ADDRESS, "address", lambda values: Address(**values))


def access_options(command: Command) -> Command:
    """Add what says who may ask and how much, as `access: Access`."""
    return collect(command, _ACCESS, "access", lambda values: Access(**values))


@dataclass(frozen=True)
class Access:
    """Who may ask, and how much."""

    api_keys: tuple[str, ...]
    api_key_file: str | None
    no_auth: bool
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    connections: int
    queue: int
    log_prompts: bool

    def of_server(self, *, reachable: bool) -> ServerOptions:
        """The server's options. `reachable`: whether other machines can reach it."""
        from pestle.server import ServerOptions

        keys = self._keys()
        if keys and self.no_auth:
            raise click.UsageError("--no-auth and the keys exclude each other.")
        if reachable and not keys and not self.no_auth:
            raise click.UsageError(
                "Other machines can reach this address: demand a key with --api-key-file or "
                "PESTLE_API_KEY, or let everybody in with --no-auth."
            )
        for origin in self.origins:
            _check_origin(origin)
        return ServerOptions(
            keys=keys,
            hosts=self.hosts,
            origins=self.origins,
            connections=self.connections,
            queue=self.queue,
            log_prompts=self.log_prompts,
        )

    def _keys(self) -> dict[str, str]:
        keys = {f"key {number}": key for number, key in enumerate(self.api_keys, 1)}
        if self.api_key_file is not None:
            keys |= _keys_of(self.api_key_file)
        for name, key in keys.items():
            if not key or not key.isascii() or not key.isprintable() or " " in key:
                raise click.UsageError(
                    f"{name} cannot be sent in a header: letters, digits and signs of ASCII are "
                    "expected."
                )
        return keys


def _keys_of(path: str) -> dict[str, str]:
    with Path(path).open("rb") as file:
        raw = file.read(_MOST_KEY_FILE + 1)
    if len(raw) > _MOST_KEY_FILE:
        raise click.ClickException(f"{path} is longer than {_MOST_KEY_FILE} bytes: no key file")
    try:
        lines = raw.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path} is not valid UTF-8: {error.reason}") from error
    keys: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) > 2:
            raise click.ClickException(
                f"{path}: line {number} has {len(words)} words, expected a key, or a name and a key"
            )
        name = words[0] if len(words) == 2 else f"line {number}"
        if name in keys:
            raise click.ClickException(f"{path}: line {number} has the name {name} once more")
        keys[name] = words[-1]
    if not keys:
        raise click.ClickException(f"{path} has no key")
    return keys


def _check_origin(origin: str) -> None:
    scheme, separator, rest = origin.partition("://")
    if not separator or not scheme or not rest or any(sign in rest for sign in "/*?#@ "):
        raise click.UsageError(
            f"--cors {origin}: a scheme and a host are expected, as in https://chat.example.org "
            "or http://localhost:3000."
        )
