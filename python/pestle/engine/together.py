"""Several generations at once, for a caller who wants all their results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from pestle.engine.run import R, Run
from pestle.engine.stream import AsyncStream, Stream
from pestle.engine.ticket import patience

AT_ONCE = 16
"""Generations whose passes are shared. More gain little on a CPU, and each holds memory."""


def results(
    runs: Sequence[Run[R]], progress: Callable[[int, int], object] | None = None
) -> list[R]:
    """The results of all, in their order. Raises what the first failing one raises.

    `progress` is told in the caller's thread how many are done, and of how many. Where a
    generation or `progress` fails, or Ctrl-C comes, the others end early.
    """
    streams = [Stream(run) for run in runs]
    with ThreadPoolExecutor(min(AT_ONCE, max(len(runs), 1)), "pestle-together") as waiting:
        try:
            futures = [waiting.submit(stream.result) for stream in streams]
            left, done = set(futures), 0
            while left:
                ended, left = wait(left, patience(), FIRST_COMPLETED)
                for future in ended:
                    future.result()  # raises what went wrong
                    done += 1
                    if progress is not None:
                        progress(done, len(futures))
            return [future.result() for future in futures]
        except BaseException:
            waiting.shutdown(wait=False, cancel_futures=True)
            for run in runs:
                run.abandon()
            raise


async def aresults(
    runs: Sequence[Run[R]], progress: Callable[[int, int], object] | None = None
) -> list[R]:
    """The same for asyncio. Cancelled, it returns when the passes in progress have ended."""
    import asyncio  # here: `import pestle` does without it

    places = asyncio.Semaphore(AT_ONCE)

    async def result(run: Run[R]) -> R:
        async with places:
            return await AsyncStream(run).result()

    tasks = [asyncio.ensure_future(result(run)) for run in runs]
    try:
        for done, ended in enumerate(asyncio.as_completed(tasks), 1):
            await ended
            if progress is not None:
                progress(done, len(tasks))
        return [task.result() for task in tasks]
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
