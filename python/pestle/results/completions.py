"""What a generation gives back: pieces while it is written, and all of it at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from pestle.results.counts import Reuse, Timings, Usage
from pestle.results.tokens import TokenLogprob
from pestle.results.tool_calls import CallDelta, ToolCall

FinishReason = Literal["stop", "length", "cancelled"]
"""`stop`: the model ended its answer, a stop string came, or the one call that it may make.
`length`: `max_tokens` or the context was reached. `cancelled`: the caller ended the generation."""

_SHOWN = 60  # characters of a text in a repr


@dataclass(frozen=True, slots=True, repr=False)
class Chunk:
    """A piece of a streamed answer.

    There is one for each sampled token and a last one, which carries no token but the rest of the
    text, the reason why it is the last, and the counts.

    Attributes:
        text: May be empty: text is held back while it is an incomplete character or could become a
            stop string. In a chat it is what the model says to the user.
        token_ids: The token, if it has one.
        reasoning: In a chat, what the model thinks.
        tool_calls: In a chat, calls that have ended, whole.
        warnings: As in `Completion`.
        logprobs: One for each of `token_ids`; None unless asked for.
        finish_reason: In the last chunk only, like the next three; as in `Completion`.
        stop_reason: As in `Completion`.
        usage: The counts.
        timings: Where the time went.
        call_deltas: In a chat, pieces of calls that are being written.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    warnings: tuple[str, ...] = ()
    logprobs: tuple[TokenLogprob, ...] | None = None
    finish_reason: FinishReason | None = None
    stop_reason: str | int | None = None
    usage: Usage | None = None
    timings: Timings | None = None
    call_deltas: tuple[CallDelta, ...] = ()

    @property
    def content(self) -> str:
        """The text, by its name in chats."""
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON has them: numbers, texts, lists and dicts."""
        return {
            "text": self.text,
            "token_ids": list(self.token_ids),
            "reasoning": self.reasoning,
            "tool_calls": [call.to_dict() for call in self.tool_calls],
            "warnings": list(self.warnings),
            "logprobs": _dicts(self.logprobs),
            "finish_reason": self.finish_reason,
            "stop_reason": self.stop_reason,
            "usage": None if self.usage is None else self.usage.to_dict(),
            "timings": None if self.timings is None else self.timings.to_dict(),
            "call_deltas": [delta.to_dict() for delta in self.call_deltas],
        }

    def __repr__(self) -> str:
        return _short(self, "reasoning", "tool_calls", "warnings", "finish_reason")


@dataclass(frozen=True, slots=True, repr=False)
class Completion:
    """A finished generation.

    Attributes:
        text: The tokens' text, cut before the stop string if one came.
        token_ids: Every token sampled but the end-of-generation token.
        finish_reason: "stop": the model ended its answer, a stop string came, or the one call that
            it may make. "length": `max_tokens` or the context was reached. "cancelled": the caller
            ended it.
        stop_reason: The stop string, the id of the end-of-generation token, or None.
        usage: How many tokens it took.
        timings: Where the time went.
        seed: Give it again to get the same text again.
        logprobs: One for each of `token_ids`; None unless asked for.
        reuse: What of the prompt did not have to be read again.
        warnings: What is not as it was meant: characters that the prompt lost, or output that is
            not of the model's format.
        parser: What `parsed` reads the text with.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    stop_reason: str | int | None
    usage: Usage
    timings: Timings
    seed: int
    logprobs: tuple[TokenLogprob, ...] | None = None
    reuse: Reuse = field(default=Reuse(0, 0))
    warnings: tuple[str, ...] = ()
    parser: Callable[[str], Any] | None = field(default=None, repr=False, compare=False)

    @property
    def parsed(self) -> Any:
        """The answer's values, where it was to be JSON.

        Where the schema was a class, such as a pydantic model, one of its instances; of other
        schemas the dicts, lists, texts and numbers of the JSON. None where no JSON was asked for,
        or calls of tools came in its place. Raises ParseError where the answer ended before its
        JSON did (`finish_reason` is not "stop"), or where a validator of the class refuses it.
        """
        if self.parser is None or (not self.text and getattr(self, "tool_calls", None)):
            return None
        try:
            return self.parser(self.text)
        except (ValueError, RecursionError) as error:  # pydantic's is a ValueError
            raise _parse_error(self, error) from error

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON has it: numbers, texts, lists and dicts, by the fields' names.

        `usage` and `timings` have their totals and speeds too, `reuse` its two counts.
        """
        return {
            "text": self.text,
            "token_ids": list(self.token_ids),
            "finish_reason": self.finish_reason,
            "stop_reason": self.stop_reason,
            "seed": self.seed,
            "reuse": self.reuse.to_dict(),
            "usage": self.usage.to_dict(),
            "timings": self.timings.to_dict(),
            "logprobs": _dicts(self.logprobs),
            "warnings": list(self.warnings),
        }

    def __repr__(self) -> str:
        return _short(self, "warnings", "finish_reason")


@dataclass(frozen=True, slots=True, repr=False)
class ChatCompletion(Completion):
    """A finished answer in a chat: `text` is what the model says to the user.

    Output that is not of the model's format, such as a call without a name, is in `text`, and
    `warnings` says what is wrong. The other fields are those of `Completion`.

    Attributes:
        reasoning: What it thought before; empty where its format does not tell that from the rest.
        tool_calls: For the caller to carry out: append `message` and, for each call, a message
            {"role": "tool", "tool_call_id": ..., "content": ...}, and ask again.
    """

    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()

    @property
    def content(self) -> str:
        """The text, by its name in chats."""
        return self.text

    @property
    def message(self) -> dict[str, Any]:
        """The answer as a message, ready to be appended to the chat's messages.

        What of its reasoning the model reads again is for its chat template to say.
        """
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        if self.tool_calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in self.tool_calls
            ]
        return message

    def to_dict(self) -> dict[str, Any]:
        """As `Completion.to_dict`, with `reasoning` and `tool_calls`."""
        return {
            **Completion.to_dict(self),
            "reasoning": self.reasoning,
            "tool_calls": [call.to_dict() for call in self.tool_calls],
        }

    def __repr__(self) -> str:
        return _short(self, "reasoning", "tool_calls", "warnings", "finish_reason")


def _parse_error(answer: Completion, error: Exception) -> Exception:
    from pestle.errors import ParseError  # brings the core

    if answer.finish_reason != "stop":
        return ParseError(
            f"the answer is not whole, as its finish_reason is {answer.finish_reason!r}: "
            f"{_begun(answer.text)}"
        )
    said = " ".join(str(error).split())  # pydantic writes several lines
    return ParseError(f"the answer is not what was asked for: {said}")


def _dicts(tokens: tuple[TokenLogprob, ...] | None) -> list[dict[str, Any]] | None:
    return None if tokens is None else [token.to_dict() for token in tokens]


def _short(result: Chunk | Completion, *names: str) -> str:
    """A repr of one line: the text, how many tokens it has, and those of `names` that say more."""
    stated = {name: value for name in names if (value := getattr(result, name))}
    parts = [
        _begun(result.text),
        f"{len(result.token_ids)} tokens",
        *(f"{n}={_begun(v) if isinstance(v, str) else repr(v)}" for n, v in stated.items()),
    ]
    return f"{type(result).__name__}({', '.join(parts)})"


def _begun(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}\N{HORIZONTAL ELLIPSIS}")
