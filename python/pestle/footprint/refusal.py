"""What somebody is told who has given too little memory: the sum, and what would do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pestle import sizes
from pestle.errors import MemoryLimitError

_NAMES: Final = {
    "text": "tokenizer",
    "kv": "keys and values",
    "workspace": "forward passes",
}
"""Of items, where they are called otherwise."""


def refusal(
    what: str,
    how: str,
    items: Mapping[str, int],
    memory: int,
    *,
    held: int = 0,
    cures: Iterable[str] = (),
) -> MemoryLimitError:
    """An error in one line: `what` takes the sum of `items`, in bytes, and there is `memory`.

    how: what it is the sum of, as in "with a context of 4,096 tokens"; may be empty. held: bytes
    that the program takes besides `items`. cures: what would do besides as much memory, the nearest
    first.
    """
    items = {**items, "program": items["program"] + held}
    needed = sum(items.values())
    parts = ", ".join(
        f"{_NAMES.get(name, name)} {sizes.shown(n)}" for name, n in items.items() if n
    )
    done = ", or ".join([*cures, f"{sizes.shown(_rounded_up(needed))} of memory"])
    said = f"{sizes.shown(needed)} of memory are needed {how}".rstrip()
    return MemoryLimitError(
        f"{what}: {said}, and there are {sizes.shown(memory)}: {parts}; {done} would do"
    )


def _rounded_up(n_bytes: int) -> int:
    """To two digits."""
    step: int = 10 ** max(len(str(n_bytes)) - 2, 0)
    return -(-n_bytes // step) * step
