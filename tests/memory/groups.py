"""A control group for a test, which is skipped where there can be none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import control_group as made
import pytest
from control_group import ControlGroup, NoControlGroupError


@contextmanager
def control_group(name: str) -> Iterator[ControlGroup]:
    """A group of its own."""
    with ExitStack() as held:
        try:
            group = held.enter_context(made.control_group(name))
        except NoControlGroupError as error:
            pytest.skip(str(error))
        yield group
