"""What a generation gives back: typed, frozen, with usage, timings and the seed that was used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

FinishReason = Literal["stop", "length", "cancelled"]
"""`stop`: the model ended its answer, or a stop string came. `length`: `max_tokens` or the context
was reached. `cancelled`: the caller ended the generation."""


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


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token's natural-log probability under the model itself.

    "Itself" means before temperature, penalties, bias and truncation, which decide only the choice.
    """

    token: int
    piece: bytes  # may be part of a character; a control token's is its spelling
    logprob: float
    top: tuple[TokenLogprob, ...] = ()  # the likeliest tokens there, best first


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


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for.

    `arguments` is JSON, an object, as the model wrote it. A `builtin` tool is one that the model
    was trained with, such as gpt-oss's `python`: its arguments may be any text.
    """

    name: str
    arguments: str
    builtin: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a streamed answer.

    There is one for each sampled token and a last one, which carries no token but the rest of the
    text, the reason why it is the last, and the counts. `text` may be empty: text is held back
    while it is an incomplete character or could become a stop string. In a chat, `text` is what
    the model says to the user; what it thinks is in `reasoning`, and a call comes as a whole.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    reasoning: str = ""  # this and the next two: in a chat only
    tool_calls: tuple[ToolCall, ...] = ()
    warnings: tuple[str, ...] = ()  # what of the text is not as the model's format has it
    logprobs: tuple[TokenLogprob, ...] | None = None  # None unless asked for
    finish_reason: FinishReason | None = None  # this and the next three: in the last chunk only
    stop_reason: str | int | None = None
    usage: Usage | None = None
    timings: Timings | None = None

    @property
    def content(self) -> str:
        """The text, by its name in chats."""
        return self.text


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished generation.

    `token_ids` has every token sampled but the end-of-generation token; `text` is their text, cut
    before the stop string if one came.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    stop_reason: str | int | None  # the stop string, or the id of the end-of-generation token
    usage: Usage
    timings: Timings
    seed: int  # give it again to get the same text again
    logprobs: tuple[TokenLogprob, ...] | None = None  # one for each of token_ids, if asked for
    reuse: Reuse = Reuse(0, 0)


@dataclass(frozen=True, slots=True)
class ChatCompletion(Completion):
    """A finished answer in a chat: `text` is what the model says to the user.

    `reasoning` is what it thought before; empty where its format does not tell that from the rest.
    `tool_calls` are for the caller to carry out: append `message` and, for each call, a message
    {"role": "tool", "tool_call_id": ..., "content": ...}, and ask again. Output that is not of the
    model's format, such as a call that is no JSON, is in `text`, and `warnings` says what is wrong.
    """

    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    warnings: tuple[str, ...] = ()

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
                    "id": f"call{n:05}",  # nine letters and digits: Mistral's templates insist
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for n, call in enumerate(self.tool_calls)
            ]
        return message
