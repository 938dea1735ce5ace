"""Prompts as completions give them back: their text, and what the model thinks of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from pestle.engine.together import AT_ONCE
from pestle.llm import LLM
from pestle.results import ScoredToken
from pestle.server.dialects.prompts import Prompt


@dataclass(frozen=True)
class Echo:
    """A prompt; `scored` has its tokens but the first, and is None where nobody asks for them."""

    text: str
    tokens: list[int]
    scored: tuple[ScoredToken, ...] | None


async def echoes(
    llm: LLM,
    prompts: Sequence[Prompt],
    tokens: Sequence[list[int]],
    logprobs: int | None,
    client: str,
) -> list[Echo]:
    """Those of `prompts`, which the model reads as `tokens`; with `logprobs` alternatives."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(prompt: Prompt, ids: list[int]) -> Echo:
        text = prompt if isinstance(prompt, str) else llm.detokenize(ids, skip_special=False)
        if logprobs is None:
            return Echo(text, ids, None)
        async with turns:
            return Echo(text, ids, await llm.ascore(ids, logprobs=logprobs, client=client))

    tasks = [asyncio.ensure_future(one(*each)) for each in zip(prompts, tokens, strict=True)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
