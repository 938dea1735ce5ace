"""docs/serving.md: the first screen is what comes, and the files for systemd and nginx are true."""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from pestle.cli import main

from tests.real.pages import ADDRESS, DOCS, of

PAGE = DOCS / "serving.md"


def known_options(line: list[str]) -> bool:
    """Whether `pestle serve` has all of a line's options."""
    command = main.get_command(click.Context(main), "serve")
    assert command is not None
    known = {flag for each in command.params for flag in each.opts}
    return all(word in known for word in line if re.match("--?[a-z]", word))


@pytest.mark.real
def test_the_first_screen(default_model: Path) -> None:
    """But for the port, the spaces of its table and what the machine's memory decides."""
    (block,) = of(PAGE, "console")
    first, _, expected = block.code.partition("\n")
    command = shlex.split(first.removeprefix("$ pestle "))
    with subprocess.Popen(
        [sys.executable, "-m", "pestle", *command, "--port", "0"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "in a browser" in line:
                break
        process.terminate()
    assert plain(said) == plain(expected)


def plain(screen: str) -> list[str]:
    port = re.search(r":(\d+)\n", screen)
    assert port is not None, screen
    screen = re.sub(r"[\d,.]+ [MG]B, [\d,]+ tokens", "SIZES", screen.replace(port[1], "PORT"))
    return [" ".join(line.split()) for line in screen.splitlines()]


def test_systemd_starts_what_there_is() -> None:
    (block,) = of(PAGE, "ini")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # case counts
    unit.read_string(block.code)
    service = unit["Service"]
    _, command, *rest = shlex.split(service["ExecStart"])
    assert command == "serve"
    assert known_options(rest)
    assert service["Type"] == "notify"
    assert service["SuccessExitStatus"] == "143"  # as of every command that SIGTERM ends


def test_nginx_asks_where_the_server_is() -> None:
    (block,) = of(PAGE, "nginx")
    assert block.code.count("{") == block.code.count("}")
    assert f"proxy_pass {ADDRESS};" in block.code
    options = re.findall(r"`(--[^`]*)`", block.code)
    assert options
    assert all(known_options(each.split()) for each in options)
