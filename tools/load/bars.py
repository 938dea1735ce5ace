"""What the server has to keep to, measured: one function each, which gives figures by name.

`llm` is the same model in this process: bare steps and plain calls take turns with the server's, so
that all meet the same machine. Figures are medians over the rounds.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from typing import Any

from bench_together import bare
from pestle import LLM

from load.exchange import Address, ask
from load.servers import Server
from load.speed import (
    PATH,
    Stream,
    measured,
    percentile,
    plain,
    prompt,
    rate,
    request,
    stream,
    together,
)

Figures = dict[str, float]
_TOKENS_BEFORE = 40  # of a running answer, before another's long prompt comes


def words_of(llm: LLM) -> list[int]:
    """The tokens that answers are made of."""
    return plain(lambda text: llm.tokenize(text, add_special=False))


def streams(servers: Sequence[Server], llm: LLM, n: int, *, tokens: int, rounds: int) -> Figures:
    """Tokens a second of n streams at once, beside bare steps of the engine with as many rows."""
    only = words_of(llm)
    found: dict[str, list[float]] = {"bare": []}
    for turn in range(rounds):
        found["bare"].append(bare(llm, n, tokens))
        for server in servers:
            done = asyncio.run(together(server.address, n, tokens, only, turn * 1000 + n))
            found.setdefault(server.name, []).append(rate(done))
    of = {name: statistics.median(values) for name, values in found.items()}
    shares = {f"{server.name} / bare": of[server.name] / of["bare"] for server in servers}
    for peer in servers[1:]:
        first = servers[0].name
        shares[f"{first} / {peer.name}"] = of[first] / of[peer.name]
    return of | shares


def http(server: Server, llm: LLM, *, tokens: int, rounds: int) -> Figures:
    """What HTTP adds to the first token, in seconds, and takes of decoding, as a share."""
    only = words_of(llm)
    never = dict.fromkeys(only, 100.0)
    firsts: dict[str, list[float]] = {"call": [], "http": []}
    rates: dict[str, list[float]] = {"call": [], "http": []}
    for turn in range(rounds):
        text = prompt(30, turn)
        called = list(
            llm.chat(
                [{"role": "user", "content": text}],
                stream=True,
                max_tokens=tokens,
                temperature=0.8,
                logit_bias=never,
            )
        )
        timings = called[-1].timings
        assert timings is not None
        assert timings.first_token_s is not None
        firsts["call"].append(timings.first_token_s)
        rates["call"].append(timings.decode_tokens_per_s)
        heard = asyncio.run(stream(server.address, request(text, tokens, only=only)))
        firsts["http"].append(heard.first)
        rates["http"].append(rate([heard]))
    of = {name: statistics.median(values) for name, values in firsts.items()}
    speed = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "first token of a call": of["call"],
        "first token over HTTP": of["http"],
        "HTTP adds": of["http"] - of["call"],
        "decoding of a call": speed["call"],
        "decoding over HTTP": speed["http"],
        "HTTP takes": 1 - speed["http"] / speed["call"],
    }


def long_prompt(server: Server, llm: LLM, *, length: int, rounds: int) -> Figures:
    """Between the tokens of a running chat, while another's prompt of `length` tokens is read."""
    only = words_of(llm)
    before: list[float] = []
    meanwhile: list[float] = []
    seconds = []
    for turn in range(rounds):
        running, reading = asyncio.run(_disturbed(server.address, only, prompt(length, turn), turn))
        begin, end = reading.began, reading.arrivals[0]
        before += running.gaps(end=begin)
        meanwhile += running.gaps(begin, end)
        seconds.append(reading.first)
    median = statistics.median(before)
    return {
        "prompt": reading.prompt_tokens,
        "read in": statistics.median(seconds),
        "median before": median,
        "p50 meanwhile": statistics.median(meanwhile),
        "p99 meanwhile": percentile(meanwhile, 0.99),
        "longest": max(meanwhile),
        "p99 / median": percentile(meanwhile, 0.99) / median,
        "tokens meanwhile": len(meanwhile),
    }


async def _disturbed(
    address: Address, only: Sequence[int], text: str, seed: int
) -> tuple[Stream, Stream]:
    """A chat that runs for as long as another's prompt is read, and that other one."""
    begun = asyncio.Event()
    body = request(prompt(8, seed + 500), 100_000, only=only)
    over = asyncio.Event()
    running = asyncio.ensure_future(
        ask(address, PATH, body, notice=(_TOKENS_BEFORE, begun), until=over)
    )
    await begun.wait()
    reading = await stream(address, request(text, 1, only=only))
    over.set()
    return measured(await running, whole=False), reading


def short_behind_long(server: Server, llm: LLM, *, length: int, rounds: int) -> Figures:
    """Seconds until a short prompt is answered that comes just behind one of `length` tokens."""
    only = words_of(llm)

    async def both(turn: int) -> tuple[Stream, Stream]:
        long = asyncio.ensure_future(
            stream(server.address, request(prompt(length, turn), 1, only=only))
        )
        await asyncio.sleep(0.5)
        short = await stream(server.address, request(prompt(8, turn + 700), 8, only=only))
        return short, await long

    pairs = [asyncio.run(both(turn)) for turn in range(rounds)]
    return {
        "prompt": pairs[0][1].prompt_tokens,
        "first token of the long one": statistics.median(long.first for _, long in pairs),
        "first token of the short one": statistics.median(short.first for short, _ in pairs),
        "at most": max(short.first for short, _ in pairs),
    }


def second_turn(server: Server, llm: LLM, *, length: int, rounds: int) -> Figures:
    """Of a second turn: its prompt, what of it was kept, and what is new since the first answer."""
    only = words_of(llm)
    read, new = [], []
    for turn in range(rounds):
        first: list[dict[str, Any]] = [{"role": "user", "content": prompt(length, turn)}]
        begun = asyncio.run(_whole(server.address, request("", 20, only=only, messages=first)))
        said = begun["choices"][0]["message"]["content"]
        again = [*first, {"role": "assistant", "content": said}, {"role": "user", "content": "So?"}]
        usage = asyncio.run(_whole(server.address, request("", 1, only=only, messages=again)))[
            "usage"
        ]
        read.append(usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"])
        new.append(usage["prompt_tokens"] - begun["usage"]["total_tokens"])
    return {
        "tokens of the second prompt": usage["prompt_tokens"],
        "new since the first answer": statistics.median(new),
        "read": statistics.median(read),
    }


async def _whole(address: Address, body: dict[str, Any]) -> Any:
    body = {**body, "stream": False}
    del body["stream_options"]
    answer = await ask(address, PATH, body)
    if answer.status != 200:
        raise RuntimeError(f"the answer is {answer.status}: {answer.body[:300]!r}")
    return answer.json
