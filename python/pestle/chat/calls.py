"""The generating calls, shared by `LLM` and `Session`, which differ in the sequence they use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from pestle.chat.call_ids import call_ids
from pestle.chat.characters import encoded
from pestle.chat.entry import check_names, check_prompt, checked_variables, prompt_tokens
from pestle.chat.messages import checked_messages
from pestle.chat.structure import plan_of_chat, plan_of_text, told_tools, untaught_calls, wanted_of
from pestle.chat.thinking import lead_out, template_variables
from pestle.chat.tools import Tool
from pestle.chat.tools import described as described_tools
from pestle.engine.answer import Answer
from pestle.engine.run import Lease, R, Run
from pestle.engine.stream import AsyncStream, Stream
from pestle.errors import TemplateError
from pestle.formats import Reader
from pestle.options import ChatOptions, GenerateOptions, Request, decide
from pestle.results import ChatCompletion, Completion
from pestle.tokenizer import Detokenizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pestle.constraints import Plan
    from pestle.engine.runtime import Runtime

Messages: TypeAlias = Sequence[Mapping[str, Any]]
Prompt: TypeAlias = "str | Sequence[int]"
Awaited: TypeAlias = "Coroutine[Any, Any, R]"

_OF_TEXTS = GenerateOptions.__optional_keys__
_OF_CHATS = ChatOptions.__optional_keys__  # those of texts too


class GeneratingCalls(ABC):
    """Text from a prompt or a chat: at once, streamed, or for asyncio.

    All four calls take the keyword options of `pestle.options.GenerateOptions`: max_tokens, stop,
    temperature, top_k, top_p, min_p, repeat_penalty, repeat_last_n, frequency_penalty,
    presence_penalty, seed, logit_bias, logprobs, speculation, and json_schema, grammar, regex or
    choice, which say what the text has to be.

    They check everything before any work. ArgumentError, a ValueError: an option, the prompt, a
    message or a tool is wrong; ArgumentTypeError, a TypeError too, where its type is, or there is
    no such option. GrammarError, a ValueError: a schema or grammar cannot be held.
    ContextLengthError: the prompt is longer than the context; nothing is ever cut to fit. An answer
    that reaches the end of the context has `finish_reason` "length".

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

        A content is text, or a list of text parts as the OpenAI API has them, which are joined
        with line ends. The model file's own chat template lays the messages out; `template_args`
        are further variables for it. Control tokens spelled out in a message's content are plain
        text.

        `tools` are Python functions with type hints, or tools as the OpenAI API has them; what the
        model calls is in the result's `tool_calls`, for the caller to carry out (see
        `Conversation.converse`). A call in another form than the template teaches counts too, and
        `warnings` tells of it: JSON in a fence, on lines of its own or in tags, if it names one of
        the tools. Where the answer is held to a schema, or the tool to its own by `strict`, it
        does not.

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
        check_names(options or {}, _OF_CHATS)
        return self._laid_out(messages, described_tools(tools), template_args, options or {})[0]

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
        loaded = self._runtime.loaded
        check_names(options, _OF_TEXTS)
        request = self._request(options)
        tokens, notes = prompt_tokens(loaded, prompt, parse_special=parse_special)
        plan = plan_of_text(loaded, options)
        tokenizer = loaded.tokenizer  # what makes answers must not keep the model

        def answer() -> Answer:
            # A completion goes on from where its prompt ended.
            reader = Reader(Detokenizer(tokenizer, at_start=False))
            return Answer(reader, request.stop)

        return self._run(tokens, request, Completion, answer, plan=plan, notes=notes)

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
        check_names(options, _OF_CHATS)
        described = described_tools(tools)
        request = self._request(options)
        out = lead_out(loaded, request.reasoning_budget)
        told = told_tools(described, options)
        wanted = wanted_of(options, told)
        tokens, notes = self._laid_out(messages, described, template_args, options)
        check_prompt(loaded, tokens)
        plan = plan_of_chat(loaded, wanted, tokens)
        forced = wanted is not None and wanted.must_call  # the grammar knows how many may come
        one_call = options.get("parallel_tool_calls") is False and not forced
        tokenizer, form = loaded.tokenizer, loaded.format  # as above

        tokenizer, form = (
            loaded.tokenizer,
            loaded.format,
        )  # what makes answers must not keep the model

        def answer() -> Answer:
            parser = None if form is None else form.parser(tokens, described)
            reader = Reader(Detokenizer(tokenizer), parser, untaught_calls(told, wanted))
            return Answer(reader, request.stop, call_ids(messages), one_call)

        return self._run(
            tokens,
            request,
            ChatCompletion,
            answer,
            lead_out=out if plan is None or plan.lead_out is None else plan.lead_out,
            on_end=on_end,
            plan=plan,
            notes=notes,
        )

    def _laid_out(
        self,
        messages: Messages,
        described: Sequence[Mapping[str, Any]] | None,
        template_args: Mapping[str, Any] | None,
        options: ChatOptions,
    ) -> tuple[list[int], tuple[str, ...]]:
        """The tokens of a chat, whose messages and variables are checked before.

        With them, what was replaced in it.
        """
        loaded = self._runtime.loaded
        if loaded.template is None:
            raise TemplateError(f"{loaded.path}: the file has no chat template")
        template = loaded.template
        given = {
            "messages": checked_messages(messages, template.source),
            "tools": told_tools(described, options),
            **checked_variables(template_args),
            **template_variables(loaded, options),
        }
        return encoded(loaded, given, lambda given: template.encode(**given))

    def _request(self, options: Mapping[str, Any]) -> Request:
        loaded = self._runtime.loaded
        return decide(
            options,
            loaded.sampling,
            n_vocab=loaded.n_vocab,
            seed=loaded.seed,
            reasoning_budget=options.get("reasoning_budget"),
        )

    def _run(
        self,
        prompt: list[int],
        request: Request,
        kind: type[R],
        answer: Callable[[], Answer],
        *,
        lead_out: Sequence[int] = (),
        on_end: Callable[[R], None] | None = None,
        plan: Plan | None = None,
        notes: tuple[str, ...] = (),
    ) -> Run[R]:
        return Run(
            self._runtime,
            self._lease,
            prompt,
            request,
            kind,
            answer,
            lead_out,
            on_end,
            None if plan is None else plan.constraint(),
            notes,
        )
