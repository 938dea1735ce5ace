"""Several generations at once, for a caller who wants all their results."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from pestle.engine.run import R, Run
from pestle.engine.stream import Stream
from pestle.engine.ticket import patience

AT_ONCE = 16
"""Generations whose passes are shared. More gain little on a CPU, and each holds memory."""


def results(runs: Sequence[Run[R]]) -> list[R]:
    """The results of all, in their order. Raises what the first failing one raises.

    Where one fails, or Ctrl-C comes, the others end early.
    """
    streams = [Stream(run) for run in runs]
    with ThreadPoolExecutor(min(AT_ONCE, max(len(runs), 1)), "pestle-together") as waiting:
        try:
            futures = [waiting.submit(stream.result) for stream in streams]
            while True:
                done, left = wait(futures, patience(), FIRST_EXCEPTION)
                if not left or any(future.exception() is not None for future in done):
                    return [future.result() for future in futures if future in done or not left]
        except BaseException:
            waiting.shutdown(wait=False, cancel_futures=True)
            for run in runs:
                run.abandon()
            raise
