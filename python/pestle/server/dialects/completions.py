"""OpenAI's text completions: `POST /v1/completions`.

Source: the OpenAI API reference, "Completions". Several prompts have n answers each, in their
order. Text that spells a control token means it, as in other servers: a prompt is all that the
model reads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

from pestle.options import GenerateOptions
from pestle.results import FinishReason, TokenLogprob, Usage
from pestle.server import fields as body_fields
from pestle.server import streams
from pestle.server.answers import Answers
from pestle.server.dialects import openai
from pestle.server.dialects.completion_logprobs import Lists, LogprobLists
from pestle.server.dialects.echoes import Echo, echoes
from pestle.server.dialects.prompts import Prompt, several
from pestle.server.endpoint import Call, Reply, Stream
from pestle.server.errors import ApiError
from pestle.server.jobs import Finished, Piece, TextJob
from pestle.tokenizer import Tokenizer

_LENGTH = 16  # tokens of an answer where a request does not say, as OpenAI's API has it


class Fields(openai.SamplingFields, kw_only=True):
    """What a request may have."""

    prompt: Any = None
    echo: bool = False
    logprobs: int | None = None
    best_of: int | None = None


_REFUSED = {
    "suffix": "a text is gone on with, not filled in",
    "prompt_logprobs": "use echo with logprobs",
    "prompt_embeds": "use prompt",
    "truncate_prompt_tokens": "prompts are never cut",
}


async def answer(call: Call[Fields]) -> Reply | Stream:
    """Answer a request."""
    fields, options = call.fields, call.service.options
    body_fields.refuse(dict(call.raw), _REFUSED)
    prompts = several("prompt", fields.prompt, options.texts)
    job = _job(fields, prompts, options.top_logprobs)
    answers = await call.service.answers(call.served.llm, job, call.client)
    texts = _Texts(call, answers, prompts, job.n)
    if fields.echo and fields.logprobs is not None:
        _check_size(answers.prompts, fields.logprobs, options.logprobs)
    return Stream(texts.frames(options.beat)) if fields.stream else Reply(await texts.whole())


def _job(fields: Fields, prompts: Sequence[Prompt], most: int) -> TextJob:
    n = 1 if fields.n is None else fields.n
    if fields.best_of not in (None, n):
        said = f"best_of is {fields.best_of}, expected n, which is {n}: all answers are given"
        raise ApiError(400, said, param="best_of")
    if fields.logprobs is not None and not 0 <= fields.logprobs <= most:
        said = f"logprobs is {fields.logprobs}, expected 0 to {most}"
        raise ApiError(400, said, param="logprobs")
    asked = {"max_tokens": _LENGTH, **openai.sampling(fields)}
    if fields.logprobs is not None:
        asked["logprobs"] = fields.logprobs
    return TextJob(prompts, parse_special=True, options=cast(GenerateOptions, asked), n=n)


def _check_size(prompts: Sequence[Sequence[int]], logprobs: int, most: int) -> None:
    """Raise ApiError where an answer would have more log probabilities of prompts than `most`."""
    n = sum(map(len, prompts)) * (1 + logprobs)
    if n > most:
        said = f"echo with logprobs would give {n} log probabilities, expected {most} at most"
        raise ApiError(400, said, param="logprobs")


class _Texts:
    """The answer to a request, at once or in frames."""

    def __init__(
        self, call: Call[Fields], answers: Answers, prompts: Sequence[Prompt], n: int
    ) -> None:
        self._call = call
        self._answers = answers
        self._prompts = prompts
        self._n = n
        tokenizer = call.served.llm.tokenizer
        self._choices = [_Choice(index, tokenizer) for index in range(len(prompts) * n)]
        self._head = {
            "id": f"cmpl-{openai.new_key()}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": call.served.name,
        }

    async def whole(self) -> dict[str, Any]:
        """All of it. Raises Error."""
        try:
            begun = [choice.echo(echo) for choice, echo in await self._echoes()]
            results = await self._answers.results()
        finally:
            self._answers.close()
        choices = [
            choice.piece(result.text, result.logprobs, result.finish_reason)
            for choice, result in zip(self._choices, results, strict=True)
        ]
        if begun:
            choices = [_joined(*parts) for parts in zip(begun, choices, strict=True)]
        usage = openai.usage([result.usage for result in results], self._n)
        return {**self._head, "choices": choices, "usage": usage}

    async def frames(self, beat: float) -> AsyncIterator[bytes]:
        """Its chunks; `beat`: seconds of silence after which a comment tells that it goes on."""
        usages: dict[int, Usage] = {}
        echoing = asyncio.ensure_future(self._echoes())
        try:
            while not (await asyncio.wait({echoing}, timeout=beat))[0]:
                yield streams.comment("reading the prompt")
            for choice, echo in echoing.result():
                yield self._chunk([choice.echo(echo)])
            async for event in self._answers:
                if isinstance(event, Piece):
                    chunk = event.chunk
                    if chunk.text or chunk.logprobs or chunk.finish_reason is not None:
                        choice = self._choices[event.index]
                        piece = choice.piece(chunk.text, chunk.logprobs, chunk.finish_reason)
                        yield self._chunk([piece])
                elif isinstance(event, Finished):
                    usages[event.index] = event.result.usage
                elif (comment := openai.silence(event)) is not None:
                    yield comment
        finally:
            echoing.cancel()
            self._answers.close()
        if openai.wants_usage(self._call.fields):
            counts = openai.usage([usages[index] for index in sorted(usages)], self._n)
            yield self._chunk([], usage=counts)
        yield streams.DONE

    async def _echoes(self) -> list[tuple[_Choice, Echo]]:
        """The prompts as they are given back, if they are, each for the choices that it has."""
        fields = self._call.fields
        if not fields.echo:
            return []
        tokens = self._answers.prompts[:: self._n]
        found = await echoes(
            self._call.served.llm, self._prompts, tokens, fields.logprobs, self._call.client
        )
        return [(choice, found[index // self._n]) for index, choice in enumerate(self._choices)]

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return streams.event({**self._head, "choices": choices, **more})


class _Choice:
    """One of the texts, which comes in pieces of one shape."""

    def __init__(self, index: int, tokenizer: Tokenizer) -> None:
        self._index = index
        self._lists = LogprobLists(tokenizer)

    def echo(self, echo: Echo) -> dict[str, Any]:
        scored = echo.scored
        lists = None
        if scored is not None:
            lists = self._lists.of_prompt(echo.text, echo.tokens, scored)
        return self._shaped(echo.text, lists, None)

    def piece(
        self,
        text: str,
        logprobs: tuple[TokenLogprob, ...] | None,
        reason: FinishReason | None,
    ) -> dict[str, Any]:
        lists = None if logprobs is None else self._lists.of_answer(logprobs)
        return self._shaped(text, lists, reason)

    def _shaped(self, text: str, lists: Lists | None, reason: str | None) -> dict[str, Any]:
        return {"index": self._index, "text": text, "logprobs": lists, "finish_reason": reason}


def _joined(first: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    """Two pieces of a choice as one."""
    lists: Lists | None = rest["logprobs"]
    if lists is not None:
        lists = {name: first["logprobs"][name] + values for name, values in lists.items()}
    return {**rest, "text": first["text"] + rest["text"], "logprobs": lists}
