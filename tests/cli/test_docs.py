"""docs/cli.md is what the commands say of themselves."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest


def test_page_is_up_to_date(
    load_tool: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    assert load_tool("make_cli_docs").run(["--check"]) == 0, capsys.readouterr().out
