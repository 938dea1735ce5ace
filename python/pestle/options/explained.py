"""Options where `help()` looks for them: in the docstrings of the calls that take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Call = TypeVar("Call", bound=Callable[..., Any])
_SECTION = "    Attributes:\n"


def explained(*kinds: type) -> Callable[[Call], Call]:
    """Add to a call's docstring what `kinds`, TypedDicts of its keyword options, say of each.

    Editors show it at the option itself: there it is the docstring of the TypedDict's field.
    """

    def explain(call: Call) -> Call:
        listed = [(kind.__doc__ or "").partition(_SECTION)[2].rstrip() for kind in kinds]
        if call.__doc__ and all(listed):  # python -OO keeps no docstrings
            lines = "\n".join(f"    {line}" for text in listed for line in text.splitlines())
            call.__doc__ = f"{call.__doc__.rstrip()}\n\n        Options:\n{lines}\n        "
        return call

    return explain
