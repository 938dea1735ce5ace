"""Who comes first: which prompt is read next, and which work is set aside where memory runs short.

Nothing here computes or waits; times are seconds of one clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

_PATIENCE = 4.0  # seconds after which a prompt is read, however long it is
_OF_ANSWERS = 2.0  # what a token that is written counts for, in tokens that are read


class Place(NamedTuple):
    """What decides when a piece of work is served.

    remaining  tokens that it has still to read
    since      when it was served last, or came
    number     by arrival: work that came earlier has a lower one
    set_aside  whether it has begun and let go of its memory
    stalled    whether nobody seems to take its results
    """

    client: str
    remaining: int
    since: float
    number: int
    set_aside: bool = False
    stalled: bool = False


class Shares:
    """How much of the engine's work each client has had: virtual token counters.

    Sheng et al. 2024, "Fairness in Serving Large Language Models". A client that comes, or comes
    again, has had as much as the one of the others that has had least, so that nobody saves up.
    """

    def __init__(self) -> None:
        self._had: dict[str, float] = {}

    def join(self, clients: Iterable[str]) -> None:
        """These, and no others, have work now."""
        present = set(clients)
        least = min((self._had[c] for c in present if c in self._had), default=0.0)
        kept = {c: had for c, had in self._had.items() if c in present or had > least}
        self._had = (kept | {c: max(kept.get(c, 0.0), least) for c in present}) if present else {}

    def charge(self, client: str, *, read: int = 0, written: int = 0) -> None:
        """So many tokens were read and written for it."""
        self._had[client] = self._had.get(client, 0.0) + read + _OF_ANSWERS * written

    def of(self, client: str) -> float:
        """What a client has had."""
        return self._had.get(client, 0.0)


def in_order(places: Sequence[Place], shares: Shares, now: float) -> list[int]:
    """The indices of `places`, first to be served first.

    What was set aside comes first, in the order of its arrival. Then the client that has had least;
    of one client's prompts those that have waited too long, and before the others the shortest.
    """

    def key(i: int) -> tuple[bool, float, float, float, int]:
        place = places[i]
        if place.set_aside:
            return (False, 0, 0, 0, place.number)
        starving = now - place.since > _PATIENCE
        urgency = place.since if starving else place.remaining
        return (True, shares.of(place.client), not starving, urgency, place.number)

    return sorted(range(len(places)), key=key)


def to_set_aside(places: Sequence[Place], spared: int) -> int | None:
    """Which of `places`, all of which hold memory, lets go of it; None: there is no other.

    Those whose results nobody takes go first, then the youngest; never the one numbered `spared`.
    """
    others = [i for i, place in enumerate(places) if place.number != spared]
    return max(
        others,
        key=lambda i: (places[i].stalled, places[i].number),
        default=None,
    )
