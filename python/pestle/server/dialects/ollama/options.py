"""From Ollama's options to those of the library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pestle.errors import shown
from pestle.llm import LLM
from pestle.server import fields as body_fields
from pestle.server.dialects.ollama.fields import Answered, Options
from pestle.server.errors import ApiError
from pestle.server.once import tell_once
from pestle.server.thinking import thinking_options

_AS_THEY_ARE = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repeat_last_n",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "stop",
)
_NEUTRAL = {"mirostat": 0, "tfs_z": 1.0, "typical_p": 1.0}  # samplers that are not here


def generation(llm: LLM, fields: Answered, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an answer but for thinking. Raises ApiError."""
    given = fields.options or Options()
    check_context(llm, given)
    for name, neutral in _NEUTRAL.items():
        if getattr(given, name) not in (None, neutral):
            said = f"options.{name} is not supported: there is no such sampler here"
            raise ApiError(400, said, param=f"options.{name}")
    _tell_ignored(raw.get("options"))
    options: dict[str, Any] = {name: getattr(given, name) for name in _AS_THEY_ARE}
    if given.num_predict is not None and given.num_predict >= 0:  # below: without an end
        options["max_tokens"] = given.num_predict
    if given.seed is not None and given.seed >= 0:  # below: a random one
        options["seed"] = given.seed % 2**64
    if fields.logprobs:
        options["logprobs"] = fields.top_logprobs or 0
    options["json_schema"] = _schema(fields.format)
    return {name: value for name, value in options.items() if value is not None}


def check_context(llm: LLM, options: Options) -> None:
    """Raise ApiError for a longer context than the model was loaded with."""
    if options.num_ctx is not None and options.num_ctx > llm.n_ctx:
        said = f"options.num_ctx is {options.num_ctx}, the server's context has {llm.n_ctx} tokens"
        raise ApiError(400, said, param="options.num_ctx")


def thinking(llm: LLM, name: str, fields: Answered) -> dict[str, Any]:
    """The options for `think`. Raises ApiError where the model `name` cannot think."""
    if fields.think is None:
        return {}
    wanted = bool(fields.think)
    if wanted and not llm.reasons:
        raise ApiError(400, f"{name!r} does not support thinking", param="think")
    effort = fields.think if isinstance(fields.think, str) else None
    return dict(thinking_options(llm, wanted=wanted, effort=effort))


def _schema(wanted: str | dict[str, Any] | None) -> dict[str, Any] | None:
    if isinstance(wanted, dict):
        return wanted
    if wanted not in (None, "", "json"):
        said = f"format is {shown(wanted)}, expected 'json' or a schema"
        raise ApiError(400, said, param="format")
    return {"type": "object"} if wanted else None


def _tell_ignored(given: Any) -> None:
    for name in body_fields.unknown(given if isinstance(given, dict) else {}, Options):
        tell_once(f"the option {name[:100]!r} of requests is not known here, and ignored")
