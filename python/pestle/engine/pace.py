"""How much of a prompt to read in one pass, learned from what passes take on this machine."""

from __future__ import annotations

from pestle.options.checks import INT32_MAX

_FIRST_PIECE = 128  # tokens: enough for the prefill kernels to run near their full speed
_PIECE_SECONDS = 0.5  # how long a cancelled prompt may go on
_STEPS = 2.0  # how long an answer may have to wait for its next token, in passes without a prompt
_LEAST_SECONDS = 0.02
_STRIDE = 16  # pieces are multiples of it: groups of rows that kernels like
_LEAST_ROWS = 16  # of a pass from which the time of a prompt's row is learned


class Pace:
    """The sizes of pieces. They decide when something is computed, never what."""

    def __init__(self, *, streams: bool = False) -> None:
        """`streams`: a pass reads experts from the disk, which takes as long for any piece."""
        self._streams = streams
        self._row_seconds: float | None = None
        self._step_seconds: float | None = None

    def piece(self, *, answering: bool) -> int:
        """Rows of prompts in the next pass; `answering`: it has rows of answers too."""
        if self._streams:
            return INT32_MAX  # as long as there is room: fewer passes read less
        if self._row_seconds is None:
            return _STRIDE if answering else _FIRST_PIECE
        seconds = _PIECE_SECONDS
        if answering and self._step_seconds is not None:
            seconds = min(seconds, max(_STEPS * self._step_seconds, _LEAST_SECONDS))
        return max(int(seconds / self._row_seconds) // _STRIDE, 1) * _STRIDE

    def learn(self, rows: int, seconds: float, *, reads: bool) -> None:
        """Note what a pass took; `reads`: it had rows of prompts."""
        if not reads:
            self._step_seconds = _blend(self._step_seconds, seconds)
        elif rows >= _LEAST_ROWS:
            self._row_seconds = _blend(self._row_seconds, max(seconds / rows, 1e-7))


def _blend(known: float | None, new: float) -> float:
    return new if known is None else (known + new) / 2
