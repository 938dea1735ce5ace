"""What a generation gives back: typed, frozen, with usage, timings and the seed that was used."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

FinishReason = Literal["stop", "length", "cancelled"]
"""`stop`: the model ended its answer, a stop string came, or the one call that it may make.
`length`: `max_tokens` or the context was reached. `cancelled`: the caller ended the generation."""

_SHOWN = 60  # characters of a text in a repr


@dataclass(frozen=True, slots=True)
class Usage:
    """How many tokens a call took."""

    prompt_tokens: int
    cached_tokens: int  # of the prompt's; their keys and values were still there from before
    completion_tokens: int
    reasoning_tokens: int = 0  # of the completion's; the control tokens around them not counted

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def to_dict(self) -> dict[str, Any]:
        """The counts, `total_tokens` too, as JSON has them."""
        return {**asdict(self), "total_tokens": self.total_tokens}


@dataclass(frozen=True, slots=True)
class Reuse:
    """What of a prompt did not have to be read again, and what of it had to.

    Of all texts whose keys and values are kept, the one that has most in common with the prompt
    has `shared` tokens. Where `reused` is less, layers with a window have given back what going on
    from there would need. `had` are some tokens with which that text goes on, `wanted` those of the
    prompt in their place.
    """

    reused: int
    shared: int
    had: tuple[int, ...] = ()
    wanted: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The two counts, as JSON has them."""
        return {"reused": self.reused, "shared": self.shared}


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time went. Seconds; the consumer's own time between two chunks is not counted."""

    prefill_s: float
    prefill_tokens: int  # prompt tokens that were computed, not taken from the cache
    decode_s: float
    decode_tokens: int  # sampled after the first; without speculation, one for each forward pass
    first_token_s: float | None  # from the start until the first token was sampled
    decode_passes: int  # forward passes after the prompt's
    drafted_tokens: int  # tokens that speculation had such passes verify beside the next one,
    accepted_tokens: int  # and those of them that were right; both depend on the machine's speed

    @property
    def prefill_tokens_per_s(self) -> float:
        """Speed of reading the prompt; 0 when nothing was read."""
        return self.prefill_tokens / self.prefill_s if self.prefill_s > 0 else 0.0

    @property
    def decode_tokens_per_s(self) -> float:
        """Speed of writing the answer; 0 when it has fewer than two tokens."""
        return self.decode_tokens / self.decode_s if self.decode_s > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The fields and both speeds, as JSON has them."""
        return {
            **asdict(self),
            "prefill_tokens_per_s": self.prefill_tokens_per_s,
            "decode_tokens_per_s": self.decode_tokens_per_s,
        }


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token's natural-log probability under the model itself.

    "Itself" means before temperature, penalties, bias and truncation, which decide only the choice.
    """

    token: int
    piece: bytes  # may be part of a character; a control token's is its spelling
    logprob: float
    top: tuple[TokenLogprob, ...] = ()  # the likeliest tokens there, best first

    def to_dict(self) -> dict[str, Any]:
        """The token as JSON has it: its bytes as numbers, and as the text that they are or nearly.

        Those of `top` are given alike.
        """
        return {
            "token": self.token,
            "text": self.piece.decode("utf-8", errors="replace"),
            "bytes": list(self.piece),
            "logprob": self.logprob,
            "top": [other.to_dict() for other in self.top],
        }


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A token of a prompt, as the model sees it after all tokens before it.

    `logprob` and `top` are as in `TokenLogprob`.
    """

    token: int
    piece: bytes
    logprob: float
    is_greedy: bool  # it is the likeliest one; of equal ones the lowest id is
    top: tuple[TokenLogprob, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As `TokenLogprob.to_dict`, with `is_greedy`."""
        token = TokenLogprob(self.token, self.piece, self.logprob, self.top)
        return {**token.to_dict(), "is_greedy": self.is_greedy}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for.

    `arguments` is JSON, an object, as the model wrote it. Where the answer ends within them, or
    they are not JSON, they are what there is, and `warnings` tell of it. A `builtin` tool is one
    that the model was trained with, such as gpt-oss's `python`: its arguments may be any text. `id`
    is one that no other call of the chat has; it does not count when calls are compared.
    """

    name: str
    arguments: str
    builtin: bool = False
    id: str = field(default="", compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON has them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CallDelta:
    """A piece of a tool call, as it is being written.

    The first piece of a call has its `id` and `name`, and perhaps the beginning of its arguments;
    in the others both are empty. `index` numbers the calls of an answer from 0, and they do not
    overlap. The `arguments` of a call's pieces, joined, are those of its `ToolCall`.
    """

    index: int
    id: str
    name: str
    arguments: str

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON has them."""
        return asdict(self)


@dataclass(frozen=True, slots=True, repr=False)
class Chunk:
    """A piece of a streamed answer.

    There is one for each sampled token and a last one, which carries no token but the rest of the
    text, the reason why it is the last, and the counts. `text` may be empty: text is held back
    while it is an incomplete character or could become a stop string. In a chat, `text` is what
    the model says to the user; what it thinks is in `reasoning`, and a call comes as a whole.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    reasoning: str = ""  # this and the next: in a chat only
    tool_calls: tuple[ToolCall, ...] = ()
    warnings: tuple[str, ...] = ()  # see `Completion`
    logprobs: tuple[TokenLogprob, ...] | None = None  # None unless asked for
    finish_reason: FinishReason | None = None  # this and the next three: in the last chunk only
    stop_reason: str | int | None = None
    usage: Usage | None = None
    timings: Timings | None = None
    call_deltas: tuple[CallDelta, ...] = ()  # in a chat only

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

    `token_ids` has every token sampled but the end-of-generation token; `text` is their text, cut
    before the stop string if one came. `warnings` say what is not as it was meant: characters that
    the prompt lost, or output that is not of the model's format.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    stop_reason: str | int | None  # the stop string, the id of the end-of-generation token, or None
    usage: Usage
    timings: Timings
    seed: int  # give it again to get the same text again
    logprobs: tuple[TokenLogprob, ...] | None = None  # one for each of token_ids, if asked for
    reuse: Reuse = Reuse(0, 0)
    warnings: tuple[str, ...] = ()

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

    `reasoning` is what it thought before; empty where its format does not tell that from the rest.
    `tool_calls` are for the caller to carry out: append `message` and, for each call, a message
    {"role": "tool", "tool_call_id": ..., "content": ...}, and ask again. Output that is not of the
    model's format, such as a call without a name, is in `text`, and `warnings` says what is
    wrong.
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
