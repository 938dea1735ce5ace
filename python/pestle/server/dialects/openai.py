"""What OpenAI's endpoints have in common: errors, usage, log probabilities, sampling, limits."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from pestle.results import TokenLogprob, Usage
from pestle.server import streams
from pestle.server.errors import ApiError
from pestle.server.jobs import Event, Quiet, Reading, Waiting

_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_MOST_DIGITS = 20  # of a token id: far more than any has, far fewer than `int` refuses


class OpenAi:
    """How OpenAI tells of errors."""

    id_header = "x-request-id"

    def status(self, error: ApiError) -> int:
        """The status as it is."""
        return error.status

    def body(self, error: ApiError, request_id: str) -> dict[str, Any]:
        """The object with `error`."""
        kind = "server_error" if error.status >= 500 else "invalid_request_error"
        return {
            "error": {
                "message": error.message,
                "type": _KINDS.get(error.status, kind),
                "param": error.param,
                "code": error.code,
                **error.details,
            }
        }

    def in_stream(self, error: ApiError, request_id: str) -> bytes:
        """A chunk with `error`, at which clients raise."""
        return streams.event(self.body(error, request_id))


class SamplingFields(msgspec.Struct, kw_only=True):
    """The fields that say how tokens are chosen and how long a text gets.

    From `top_k` on they are extensions, with the names that llama.cpp and vLLM have for them.
    """

    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    logit_bias: dict[str, float] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    n: int | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    user: str | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    repetition_penalty: float | None = None
    repeat_last_n: int | None = None
    grammar: str | None = None
    regex: str | None = None
    choice: list[str] | None = None


_AS_THEY_ARE = (
    "temperature",
    "top_p",
    "max_tokens",
    "stop",
    "frequency_penalty",
    "presence_penalty",
    "top_k",
    "min_p",
    "repeat_penalty",
    "repeat_last_n",
    "grammar",
    "regex",
    "choice",
)


def sampling(fields: SamplingFields) -> dict[str, Any]:
    """The options of generation that these fields ask for. Raises ApiError."""
    options = {name: getattr(fields, name) for name in _AS_THEY_ARE}
    if fields.seed is not None:
        options["seed"] = fields.seed % 2**64  # a negative one is as good as any
    if fields.repetition_penalty is not None:
        options["repeat_penalty"] = fields.repetition_penalty
    if fields.logit_bias is not None:
        options["logit_bias"] = _bias(fields.logit_bias)
    return {name: value for name, value in options.items() if value is not None}


def _bias(given: Mapping[str, float]) -> dict[int, float]:
    found: dict[int, float] = {}
    for token, bias in given.items():
        if not (token.isascii() and token.isdigit() and len(token) <= _MOST_DIGITS):
            said = f"logit_bias: {token[:40]!r} is not a token id"
            raise ApiError(400, said, param="logit_bias")
        # OpenAI's -100 is a ban.
        found[int(token)] = float("-inf") if bias <= -100 else bias
    return found


def wants_usage(fields: SamplingFields) -> bool:
    """Whether a stream is to end with its usage."""
    return bool((fields.stream_options or {}).get("include_usage"))


def new_key() -> str:
    """What makes the id of an answer unlike all others."""
    return secrets.token_hex(12)


def take_format(wanted: Mapping[str, Any] | None, options: dict[str, Any]) -> None:
    """Add the format of a text, as chat completions have it, to the options of a generation."""
    if wanted is None or wanted.get("type") == "text":
        return
    if wanted.get("type") == "json_object":
        options["json_schema"] = {"type": "object"}
    else:  # the library knows json_schema, and names what it does not know
        options["response_format"] = wanted


def usage(parts: list[Usage], n: int | None = None) -> dict[str, Any]:
    """The counts of several answers, `n` to each prompt, which counts once; None: to one prompt."""
    prompts = parts[:: n or len(parts)]
    prompt = sum(part.prompt_tokens for part in prompts)
    completion = sum(part.completion_tokens for part in parts)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": sum(part.cached_tokens for part in prompts)},
        "completion_tokens_details": {
            "reasoning_tokens": sum(part.reasoning_tokens for part in parts)
        },
    }


def chat_logprobs(tokens: tuple[TokenLogprob, ...] | None) -> dict[str, Any] | None:
    """Log probabilities as chat completions have them."""
    if tokens is None:
        return None
    return {"content": [logprob(token) for token in tokens], "refusal": None}


def logprob(token: TokenLogprob) -> dict[str, Any]:
    """A token's log probability, and those of the likeliest ones in its place."""
    return {**_one_logprob(token), "top_logprobs": [_one_logprob(other) for other in token.top]}


def _one_logprob(token: TokenLogprob) -> dict[str, Any]:
    return {
        "token": token.piece.decode("utf-8", errors="replace"),
        "logprob": token.logprob,
        "bytes": list(token.piece),
    }


def silence(event: Event) -> bytes | None:
    """The comment that tells of an event without a piece; None for the others."""
    if isinstance(event, Waiting):
        return streams.comment(f"in the queue, {event.ahead} before this one")
    if isinstance(event, Reading):
        return streams.comment(f"reading the prompt, {event.done} of {event.total} tokens")
    if isinstance(event, Quiet):
        return streams.comment("still at it")
    return None
