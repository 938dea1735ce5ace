"""The generating calls, shared by `LLM` and `Session`, which differ in the sequence they use."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from pestle.chat.structure import GRAMMARS, plan_of_chat, plan_of_text, told_tools
from pestle.chat.thinking import lead_out, template_variables
from pestle.chat.tools import Tool
from pestle.chat.tools import described as described_tools
from pestle.engine.generation import Lease, R, Run
from pestle.engine.stream import AsyncStream, Stream
from pestle.errors import TemplateError, prompt_too_long
from pestle.formats import Reader
from pestle.options import ChatOptions, GenerateOptions, decide
from pestle.results import ChatCompletion, Completion
from pestle.tokenizer import Detokenizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pestle.constraints import Plan
    from pestle.engine.loaded import Loaded
    from pestle.engine.runtime import Runtime

Messages: TypeAlias = Sequence[Mapping[str, Any]]
Prompt: TypeAlias = "str | Sequence[int]"
Awaited: TypeAlias = "Coroutine[Any, Any, R]"

_OF_CHATS = ChatOptions.__optional_keys__ - GenerateOptions.__optional_keys__


class GeneratingCalls(ABC):
    """Text from a prompt or a chat: at once, streamed, or for asyncio.

    All four calls take the keyword options of `pestle.options.GenerateOptions`: max_tokens, stop,
    temperature, top_k, top_p, min_p, repeat_penalty, repeat_last_n, frequency_penalty,
    presence_penalty, seed, logit_bias, logprobs, speculation, and json_schema, grammar, regex or
    choice, which say what the text has to be.

    They check everything before any work. ValueError or TypeError: an option or the prompt is
    wrong. GrammarError, a ValueError: a schema or grammar cannot be held. ContextLengthError: the
    prompt is longer than the context; nothing is ever cut to fit. An answer that reaches the end
    of the context has `finish_reason` "length".

    With `stream=True` they return an iterator of chunks, whose texts joined are the `text` of the
    result. The asynchronous forms compute in worker threads.
    """

    @overload
    def generate(
        self,
        prompt: Prompt,
        *,
        parse_special: bool = False,
        stream: Literal[False] = False,
        **options: Unpack[GenerateOptions],
    ) -> Completion: ...
    @overload
    def generate(
        self,
        prompt: Prompt,
        *,
        parse_special: bool = False,
        stream: Literal[True],
        **options: Unpack[GenerateOptions],
    ) -> Stream[Completion]: ...
    def generate(
        self,
        prompt: Prompt,
        *,
        parse_special: bool = False,
        stream: bool = False,
        **options: Unpack[GenerateOptions],
    ) -> Completion | Stream[Completion]:
        """Continue `prompt`: text, or token ids that are used as they are.

        `parse_special`: text like `<|im_end|>` in the prompt means the control token of that name.
        Leave it off for text that you did not write.
        """
        result = Stream(self._generate_run(prompt, parse_special, options))
        return result if stream else result.result()

    @overload
    def agenerate(
        self,
        prompt: Prompt,
        *,
        parse_special: bool = False,
        stream: Literal[False] = False,
        **options: Unpack[GenerateOptions],
    ) -> Awaited[Completion]: ...
    @overload
    def agenerate(
        self,
        prompt: Prompt,
        *,
        parse_special: bool = False,
        stream: Literal[True],
        **options: Unpack[GenerateOptions],
    ) -> AsyncStream[Completion]: ...
    def agenerate(
        self,
        prompt: Prompt,
        *,
        parse_special: bool = False,
        stream: bool = False,
        **options: Unpack[GenerateOptions],
    ) -> Awaited[Completion] | AsyncStream[Completion]:
        """`generate` for asyncio: await it, or iterate with `async for` when streaming."""
        result = AsyncStream(self._generate_run(prompt, parse_special, options))
        return result if stream else result.result()

    @overload
    def chat(
        self,
        messages: Messages,
        *,
        tools: Sequence[Tool] | None = None,
        template_args: Mapping[str, Any] | None = None,
        stream: Literal[False] = False,
        **options: Unpack[ChatOptions],
    ) -> ChatCompletion: ...
    @overload
    def chat(
        self,
        messages: Messages,
        *,
        tools: Sequence[Tool] | None = None,
        template_args: Mapping[str, Any] | None = None,
        stream: Literal[True],
        **options: Unpack[ChatOptions],
    ) -> Stream[ChatCompletion]: ...
    def chat(
        self,
        messages: Messages,
        *,
        tools: Sequence[Tool] | None = None,
        template_args: Mapping[str, Any] | None = None,
        stream: bool = False,
        **options: Unpack[ChatOptions],
    ) -> ChatCompletion | Stream[ChatCompletion]:
        """Answer the last of `messages`: mappings with "role" and "content".

        The model file's own chat template lays them out; `template_args` are further variables for
        it. Control tokens spelled out in a message's content are plain text. `tools` are Python
        functions with type hints, or tools as the OpenAI API has them; what the model calls is in
        the result's `tool_calls`, for the caller to carry out (see `Conversation.converse`).

        `reasoning`, `reasoning_effort` and `reasoning_budget` are further options, for models that
        think; so are `response_format`, `tool_choice` and `parallel_tool_calls`, as in the OpenAI
        API. A schema holds what comes after the reasoning. See `pestle.options.ChatOptions`.
        Raises TemplateError when the file has no template, or its template fails or refuses the
        messages.
        """
        result = Stream(self.chat_run(messages, tools, template_args, options))
        return result if stream else result.result()

    @overload
    def achat(
        self,
        messages: Messages,
        *,
        tools: Sequence[Tool] | None = None,
        template_args: Mapping[str, Any] | None = None,
        stream: Literal[False] = False,
        **options: Unpack[ChatOptions],
    ) -> Awaited[ChatCompletion]: ...
    @overload
    def achat(
        self,
        messages: Messages,
        *,
        tools: Sequence[Tool] | None = None,
        template_args: Mapping[str, Any] | None = None,
        stream: Literal[True],
        **options: Unpack[ChatOptions],
    ) -> AsyncStream[ChatCompletion]: ...
    def achat(
        self,
        messages: Messages,
        *,
        tools: Sequence[Tool] | None = None,
        template_args: Mapping[str, Any] | None = None,
        stream: bool = False,
        **options: Unpack[ChatOptions],
    ) -> Awaited[ChatCompletion] | AsyncStream[ChatCompletion]:
        """`chat` for asyncio: await it, or iterate with `async for` when streaming."""
        result = AsyncStream(self.chat_run(messages, tools, template_args, options))
        return result if stream else result.result()

    def chat_tokens(
        self,
        messages: Messages,
        tools: Sequence[Tool] | None = None,
        template_args: Mapping[str, Any] | None = None,
        options: ChatOptions | None = None,
    ) -> list[int]:
        """The prompt that `chat` would have the model read. Raises as it does."""
        loaded = self._runtime.loaded
        if loaded.template is None:
            raise TemplateError(f"{loaded.path}: the file has no chat template")
        variables = {**(template_args or {}), **template_variables(loaded, options or {})}
        told = told_tools(described_tools(tools), options or {})
        return loaded.template.encode(messages, tools=told, **variables)

    def check_switches(self, **options: Unpack[ChatOptions]) -> None:
        """Raise as `chat` would for a switch that this model does not have, or a bad grammar."""
        plan_of_text(self._runtime.loaded, options)
        template_variables(self._runtime.loaded, options)
        lead_out(self._runtime.loaded, options.get("reasoning_budget"))

    _runtime: Runtime

    @property
    @abstractmethod
    def _lease(self) -> Lease:
        """Gives a sequence for the time of one generation."""

    def _generate_run(
        self, prompt: Prompt, parse_special: bool, options: GenerateOptions
    ) -> Run[Completion]:
        tokenizer = self._runtime.loaded.tokenizer
        if isinstance(prompt, str):
            tokens = tokenizer.encode(prompt, parse_special=parse_special)
        else:
            tokens = [operator.index(token) for token in prompt]
        # A completion goes on from where its prompt ended.
        reader = Reader(Detokenizer(tokenizer, at_start=False))
        plan = plan_of_text(self._runtime.loaded, options)
        return self._run(tokens, options, Completion, reader, plan=plan)

    def chat_run(
        self,
        messages: Messages,
        tools: Sequence[Tool] | None,
        template_args: Mapping[str, Any] | None,
        options: ChatOptions,
        on_end: Callable[[ChatCompletion], None] | None = None,
    ) -> Run[ChatCompletion]:
        """What `chat` does, not begun; `on_end` hears of its end, early or not."""
        loaded = self._runtime.loaded
        tokens = self.chat_tokens(messages, tools, template_args, options)
        described = described_tools(tools)
        plan = plan_of_chat(loaded, options, told_tools(described, options), tokens)
        budget = options.get("reasoning_budget")
        out = lead_out(loaded, budget)
        parser = None if loaded.format is None else loaded.format.parser(tokens, described)
        return self._run(
            tokens,
            {name: value for name, value in options.items() if name not in _OF_CHATS},
            ChatCompletion,
            Reader(Detokenizer(loaded.tokenizer), parser),
            budget=budget,
            lead_out=out if plan is None or plan.lead_out is None else plan.lead_out,
            on_end=on_end,
            plan=plan,
        )

    def _run(
        self,
        prompt: list[int],
        options: Mapping[str, Any],
        kind: type[R],
        reader: Reader,
        *,
        budget: int | None = None,
        lead_out: Sequence[int] = (),
        on_end: Callable[[R], None] | None = None,
        plan: Plan | None = None,
    ) -> Run[R]:
        loaded = self._runtime.loaded
        request = decide(
            {name: value for name, value in options.items() if name not in GRAMMARS},
            loaded.sampling,
            n_vocab=loaded.n_vocab,
            seed=loaded.seed,
            reasoning_budget=budget,
        )
        check_prompt(loaded, prompt)
        constraint = None if plan is None else plan.constraint()
        return Run(
            self._runtime, self._lease, prompt, request, kind, reader, lead_out, on_end, constraint
        )


def check_prompt(loaded: Loaded, prompt: Sequence[int]) -> None:
    """Raise ValueError or ContextLengthError unless the model can read `prompt`."""
    if not prompt:
        raise ValueError("the prompt has no tokens")
    wrong = next((token for token in prompt if not 0 <= token < loaded.n_vocab), None)
    if wrong is not None:
        raise ValueError(f"prompt: token {wrong} is not in [0, {loaded.n_vocab})")
    if len(prompt) > loaded.engine.n_ctx:
        raise prompt_too_long(len(prompt), loaded.engine.n_ctx)
