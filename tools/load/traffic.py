"""Requests that come by chance, at a rate: what of them is answered well."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from dataclasses import dataclass

from load.exchange import Address, Answer, ask
from load.speed import PATH, Stream, measured, percentile, prompt, request


@dataclass(frozen=True)
class Traffic:
    """What comes.

    rate      requests a second, on average (a Poisson process)
    words     of a prompt behind its common beginning: at least and at most
    prefixes  how many common beginnings there are, of `common` words each
    leave     share of the clients that break off, at a random moment of `patience` seconds
    unread    share of the clients that never read
    """

    requests: int = 100
    rate: float = 2.0
    words: tuple[int, int] = (5, 200)
    prefixes: int = 4
    common: int = 100
    tokens: int = 64
    leave: float = 0.0
    unread: float = 0.0
    patience: float = 10.0
    seed: int = 0


def run(address: Address, traffic: Traffic, first: float, between: float) -> dict[str, float]:
    """Send it, and report.

    Goodput is the rate of the answers whose first token came within `first` seconds, and whose
    others came within `between` seconds of each other on average.
    """
    began = time.perf_counter()
    answers = asyncio.run(_send(address, traffic))
    seconds = time.perf_counter() - began
    whole = [each for each in answers if each.status == 200 and each.whole]
    found = [measured(each) for each in whole]
    good = [each for each in found if _is_good(each, first, between)]
    gaps = [gap for each in found for gap in each.gaps()]
    firsts = [each.first for each in found]
    return {
        "seconds": seconds,
        "requests": traffic.requests,
        "whole answers": len(found),
        "refused with 429": sum(each.status == 429 for each in answers),
        "errors": sum(each.status not in (0, 200, 429) for each in answers),
        "goodput, answers/s": len(good) / seconds,
        "tokens/s": sum(each.tokens for each in found) / seconds,
        "cached, share of prompts": sum(each.cached_tokens for each in found)
        / max(sum(each.prompt_tokens for each in found), 1),
        **{f"first token, p{p}": _at(firsts, p) for p in (50, 99)},
        **{f"between tokens, p{p}": _at(gaps, p) for p in (50, 99)},
    }


def _is_good(heard: Stream, first: float, between: float) -> bool:
    gaps = heard.gaps()
    return heard.first <= first and (not gaps or statistics.mean(gaps) <= between)


def _at(values: list[float], percent: int) -> float:
    return percentile(values, percent / 100) if values else float("nan")


async def _send(address: Address, traffic: Traffic) -> list[Answer]:
    draw = random.Random(traffic.seed)
    beginnings = [prompt(traffic.common, -1 - i) for i in range(traffic.prefixes)] or [""]
    over = asyncio.Event()
    reading: list[asyncio.Future[Answer]] = []
    unread: list[asyncio.Future[Answer]] = []
    for number in range(traffic.requests):
        text = f"{draw.choice(beginnings)} {prompt(draw.randint(*traffic.words), number)}"
        body = request(text, traffic.tokens, seed=number)
        fate = draw.random()
        if fate < traffic.unread:
            unread.append(asyncio.ensure_future(ask(address, PATH, body, reads=False, until=over)))
        else:
            leaves = fate < traffic.unread + traffic.leave
            leave = draw.uniform(0, traffic.patience) if leaves else None
            reading.append(asyncio.ensure_future(ask(address, PATH, body, leave=leave)))
        await asyncio.sleep(draw.expovariate(traffic.rate))
    answers = await asyncio.gather(*reading)
    over.set()
    await asyncio.gather(*unread)
    return answers
