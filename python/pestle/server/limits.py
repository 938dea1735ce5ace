"""How much a request may ask for, whatever its dialect."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

from pestle.server.errors import ApiError
from pestle.server.jobs import ChatJob, Job
from pestle.server.options import ServerOptions


def check(job: Job, options: ServerOptions) -> None:
    """Raise ApiError for the first thing of which there is too much.

    What answers are held to is bounded where constraints are made of it.
    """
    asked: dict[str, Any] = dict(job.options)
    if job.n < 1:
        raise ApiError(400, f"n is {job.n}, expected 1 at least", param="n")
    _check("n", job.n, options.n)
    _check("top_logprobs", asked.get("logprobs"), options.top_logprobs)
    if isinstance(job, ChatJob):
        _check_length("messages", job.messages, options.messages)
        _check_length("tools", job.tools, options.tools)
    else:
        _check_length("prompt", job.prompts, options.texts)
    _check_length("logit_bias", asked.get("logit_bias"), options.logit_bias)
    stops = asked.get("stop") or ()
    if isinstance(stops, str):
        stops = (stops,)
    _check_length("stop", stops, options.stops)
    for stop in stops:
        _check_length("stop", stop, options.stop_length, "characters")


def _check(name: str, value: object, most: int) -> None:
    if isinstance(value, int) and value > most:
        raise ApiError(400, f"{name} is {value}, expected {most} at most", param=name)


def _check_length(name: str, value: object, most: int, unit: str = "entries") -> None:
    """What has no length is not judged here: whoever reads it says what is wrong."""
    if isinstance(value, Sized) and len(value) > most:
        raise ApiError(400, f"{name} has {len(value)} {unit}, expected {most} at most", param=name)
