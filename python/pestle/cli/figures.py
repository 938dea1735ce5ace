"""What a generation cost, as lines for people and as JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pestle.cli import units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pestle import LLM, Completion, Timings, ToolCall

_QUOTED = 24  # characters of what differs


def status_line(llm: LLM, answer: Completion) -> str:
    """The line under an answer in a chat: its length, its speed, and how full the context is."""
    parts = ["stopped"] if answer.finish_reason == "cancelled" else []
    parts.append(_tokens(answer.usage.completion_tokens))
    parts += _speed(llm, answer.timings)[:1]
    parts.append(f"context {answer.usage.total_tokens:,}/{llm.n_ctx:,}")
    return ", ".join(parts)


def statistics(llm: LLM, answer: Completion, *, looped: bool = False) -> list[str]:
    """What `run -v` prints about an answer; `looped`: it was ended as it repeated itself."""
    usage, timings = answer.usage, answer.timings
    prompt = [f"{_tokens(usage.prompt_tokens)} ({usage.cached_tokens} cached)"]
    prompt.append(f"{timings.prefill_s:.2f} s")
    prompt.append(f"{timings.prefill_tokens_per_s:.1f} tok/s")
    said = [_tokens(usage.completion_tokens), f"{timings.decode_s:.2f} s"]
    said += _speed(llm, timings)
    if timings.first_token_s is not None:
        said.append(f"first after {timings.first_token_s:.2f} s")
    rows = (
        ("prompt", ", ".join(prompt)),
        ("answer", ", ".join(said)),
        *_drafts(timings),
        *_streaming(llm),
        ("context", f"{usage.total_tokens:,}/{llm.n_ctx:,}"),
        ("ended by", "its loop" if looped else ended_by(llm, answer)),
        ("seed", str(answer.seed)),
    )
    return [*units.aligned(rows), *reuse_lines(llm, answer)]


def turn_lines(llm: LLM, answer: Completion) -> list[str]:
    """What `chat -v` adds to the line under an answer."""
    timings = answer.timings
    more = [f"{timings.prefill_tokens:,} tokens read at {timings.prefill_tokens_per_s:.1f} tok/s"]
    more += _speed(llm, timings)[1:]
    if timings.first_token_s is not None:
        more.append(f"first token after {timings.first_token_s:.2f} s")
    return [", ".join([*more, f"seed {answer.seed}"]), *reuse_lines(llm, answer)]


def _streaming(llm: LLM) -> list[tuple[str, str]]:
    """Of experts that are read from the disk, since the model was loaded."""
    traffic = llm.expert_traffic
    if traffic is None or traffic.asked == 0:
        return []
    said = [f"{traffic.hits / traffic.asked:.0%} of {traffic.asked:,} in memory"]
    said.append(f"{units.size(traffic.read_bytes / traffic.tokens)} a token read")
    if traffic.stall_seconds > 0:
        rate = units.gigabytes(traffic.stall_bytes / traffic.stall_seconds)
        said.append(f"waited {traffic.stall_seconds:.2f} s at {rate}")
    if llm.model.expert_read_rate > 0:
        said.append(f"the disk gave {units.gigabytes(llm.model.expert_read_rate)}")
    return [("experts", ", ".join(said))]


def reuse_lines(llm: LLM, answer: Completion) -> list[str]:
    """How much of a prompt was there already, and why not more."""
    reuse, n = answer.reuse, answer.usage.prompt_tokens
    if not (reuse.shared or reuse.had):
        return []  # there was nothing
    said = f"prompt: {reuse.reused:,} of {_tokens(n)} reused"
    if reuse.had:
        said += f"; at token {reuse.shared:,} {_quoted(llm, reuse.had)} was read before,"
        said += f" now it is {_quoted(llm, reuse.wanted)}"
    if reuse.reused < reuse.shared:
        said += f"; {_tokens(reuse.shared)} are the same, but what the windows of some layers need"
        said += " to go on from there was given back"
    return [said]


def dropped_lines(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a chat dropped because it outgrew the context."""
    if not messages:
        return []
    turns = sum(message.get("role") == "user" for message in messages)
    what = "oldest turn is" if turns == 1 else f"{turns:,} oldest turns are"
    return [f"The context is full: the {what} dropped ({len(messages):,} messages)."]


def _quoted(llm: LLM, tokens: Sequence[int]) -> str:
    """A short piece of text, on one line, control tokens as they are spelled."""
    known = (token for token in tokens if token < llm.tokenizer.n_vocab)
    text = b"".join(map(llm.tokenizer.token_bytes, known)).decode(errors="replace")
    return f"“{text[:_QUOTED]}”".replace("\n", "\\n")


def context_is_full(llm: LLM, answer: Completion) -> bool:
    """Whether the answer ended only because the context did."""
    return answer.finish_reason == "length" and answer.usage.total_tokens >= llm.n_ctx


def ended_by(llm: LLM, answer: Completion) -> str:
    """Why an answer ended, in words."""
    if answer.finish_reason == "length":
        return "the end of the context" if context_is_full(llm, answer) else "the limit of tokens"
    if answer.finish_reason == "cancelled":
        return "an interrupt"
    return "a stop text" if isinstance(answer.stop_reason, str) else "the model"


def call_line(call: ToolCall) -> str:
    """A call as the line that `run --tools` prints: a JSON object."""
    arguments: Any = call.arguments
    with suppress(ValueError, RecursionError):  # those of built-in tools may be any text
        arguments = json.loads(call.arguments)
    return json.dumps({"name": call.name, "arguments": arguments}, ensure_ascii=False)


def as_json(llm: LLM, answer: Completion) -> dict[str, Any]:
    """An answer as the object that `run --json` prints."""
    return {"version": 2, "model": llm.name, **answer.to_dict()}


def _tokens(n: int) -> str:
    return f"{n:,} token{'' if n == 1 else 's'}"


def _speed(llm: LLM, timings: Timings) -> list[str]:
    tokens_per_s = timings.decode_tokens_per_s
    if tokens_per_s == 0:
        return []
    return [
        f"{tokens_per_s:.1f} tok/s",
        f"{1000 / tokens_per_s:.1f} ms/token",
        # A pass reads the weights once, however many tokens it verifies.
        units.gigabytes(llm.model.decode_bytes * timings.decode_passes / timings.decode_s),
    ]


def _drafts(timings: Timings) -> list[tuple[str, str]]:
    if timings.drafted_tokens == 0:
        return []
    share = f"{timings.accepted_tokens:,} of {_tokens(timings.drafted_tokens)} accepted"
    passes = f"{timings.decode_passes:,} passes for {_tokens(timings.decode_tokens)}"
    return [("drafts", f"{share}, {passes}")]
