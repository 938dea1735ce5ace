"""Ends a text at the first of some strings, before any part of that string is shown."""

from collections.abc import Iterable


class StopStrings:
    """Passes text on until a stop string is complete.

    Text that may be the beginning of a stop string is held back. Which stop string ends the text
    does not depend on how it is cut into pieces: the one complete first, the longest of those.
    """

    def __init__(self, stops: Iterable[str]) -> None:
        """Raises ValueError for an empty stop string, which would end every text."""
        self._stops = sorted(set(stops), key=len, reverse=True)
        if "" in self._stops:
            raise ValueError("a stop string is empty")
        self._held = ""
        self._matched: str | None = None

    @property
    def matched(self) -> str | None:
        """The stop string that ended the text, None so far."""
        return self._matched

    def push(self, text: str) -> tuple[str, str | None]:
        """Take the next piece of text.

        Returns what of all text so far can now be shown, and the stop string once one is complete:
        then that is the text before it, and nothing comes after.
        """
        if self._matched is not None:
            return "", self._matched
        held = self._held + text
        found = [(held.find(stop) + len(stop), stop) for stop in self._stops if stop in held]
        if found:
            # The sort above is stable, so the longest comes first among those that end together.
            end, self._matched = min(found, key=lambda match: match[0])
            self._held = ""
            return held[: end - len(self._matched)], self._matched
        keep = self._longest_beginning(held)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep], None

    def flush(self) -> str:
        """The text held back when there is no more to come."""
        held, self._held = self._held, ""
        return held

    def _longest_beginning(self, text: str) -> int:
        """How many last characters of `text` could begin a stop string."""
        longest = min(len(text), max(map(len, self._stops), default=1) - 1)
        for length in range(longest, 0, -1):
            tail = text[-length:]
            if any(stop.startswith(tail) for stop in self._stops):
                return length
        return 0
