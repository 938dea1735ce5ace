"""Options where `help()` looks for them: in the docstrings of the calls that take them."""

from __future__ import annotations

from collections.abc import Callable
from inspect import cleandoc
from typing import Any, TypeVar

Call = TypeVar("Call", bound=Callable[..., Any])
_SECTION = "Attributes:\n"


def explained(*kinds: type) -> Callable[[Call], Call]:
    """Add to a call's docstring what `kinds`, TypedDicts of its keyword options, say of each.

    Editors show it at the option itself: there it is the docstring of the TypedDict's field.
    """

    def explain(call: Call) -> Call:
        # From Python 3.13 on a docstring has lost its indentation, before it has not.
        listed = [cleandoc(kind.__doc__ or "").partition(_SECTION)[2] for kind in kinds]
        if call.__doc__ and all(listed):  # python -OO keeps no docstrings
            call.__doc__ = "\n".join([cleandoc(call.__doc__), "", "Options:", *listed])
        return call

    return explain
