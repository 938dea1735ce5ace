"""The generating calls, shared by `LLM` and `Session`, which differ in the sequence they use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from pestle.chat.adapting import adapted
from pestle.chat.requests import (
    ChatRequest,
    TextRequest,
    chat_request,
    checked_options,
    template_of,
    text_request,
)
from pestle.chat.runs import chat_run, chat_tokens, text_run
from pestle.chat.tools import Tool, Tools
from pestle.engine.run import Lease, Run
from pestle.engine.stream import AsyncStream, Stream
from pestle.options import ChatOptions, GenerateOptions, check_bool, explained
from pestle.results import ChatCompletion, Completion

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pestle.engine.runtime import Runtime
    from pestle.engine.waking import Awaited

Messages: TypeAlias = Sequence[Mapping[str, Any]]
Prompt: TypeAlias = "str | Sequence[int]"


class GeneratingCalls(ABC):
    """Text from a prompt or a chat: at once, streamed, or for asyncio.

    All four calls take the keyword options of `GenerateOptions`, those of chats of `ChatOptions`
    too; `help()` of each call lists them.

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
    @explained(GenerateOptions)
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
        Leave it off for text that you did not write. With `stream=True` it gives a `Stream` of
        chunks, which closes as a context manager does. Raises ArgumentError, ArgumentTypeError,
        GrammarError, ContextLengthError and MemoryLimitError, all before any work.
        """
        streams = check_bool("stream", stream)
        result = Stream(self.text_run(self.text_request(prompt, parse_special, options)))
        return result if streams else result.result()

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
    @explained(GenerateOptions)
    def agenerate(
        self,
        prompt: Prompt,
        *,
        parse_special: bool = False,
        stream: bool = False,
        **options: Unpack[GenerateOptions],
    ) -> Awaited[Completion] | AsyncStream[Completion]:
        """`generate` for asyncio: await it, or iterate with `async for` when streaming."""
        streams = check_bool("stream", stream)
        result = AsyncStream(self.text_run(self.text_request(prompt, parse_special, options)))
        return result if streams else result.result()

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
    @explained(GenerateOptions, ChatOptions)
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

        The options are those of `GenerateOptions` and `ChatOptions`. A schema holds what comes
        after the reasoning. Raises as `generate` does, TemplateError when the file has no template,
        or its template fails or refuses the messages, and UnsupportedError for a switch that the
        model does not have.
        """
        streams = check_bool("stream", stream)
        result = Stream(self.chat_run(self.chat_request(messages, tools, template_args, options)))
        return result if streams else result.result()

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
    @explained(GenerateOptions, ChatOptions)
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
        streams = check_bool("stream", stream)
        result = AsyncStream(
            self.chat_run(self.chat_request(messages, tools, template_args, options))
        )
        return result if streams else result.result()

    def chat_tokens(
        self,
        messages: Messages,
        tools: Tools | Sequence[Tool] | None = None,
        template_args: Mapping[str, Any] | None = None,
        options: ChatOptions | None = None,
    ) -> list[int]:
        """The prompt that `chat` would have the model read. Raises as it does."""
        return self.prompt_of(self.chat_request(messages, tools, template_args, options or {}))

    def adapted(self, messages: Messages) -> list[dict[str, Any]]:
        """The messages in the nearest form that the model file's chat template can write.

        `chat` is strict: what a template refuses is an error. This is for programs that have to
        take chats of all shapes, as servers do; see `pestle.chat.adapting.adapted` for what it
        changes. Raises as `chat` does for what is wrong with messages.
        """
        return adapted(messages, template_of(self._runtime.loaded))

    def check_switches(self, **options: Unpack[ChatOptions]) -> None:
        """Raise as `chat` would for options that this model does not have, or a bad grammar."""
        checked_options(self._runtime.loaded, None, options)

    def chat_request(
        self,
        messages: Messages,
        tools: Tools | Sequence[Tool] | None,
        template_args: Mapping[str, Any] | None,
        options: ChatOptions,
    ) -> ChatRequest:
        """What `chat` is given, read and checked; `chat_run` takes it. Raises as `chat` does."""
        return chat_request(self._runtime.loaded, messages, tools, template_args, options)

    def prompt_of(self, request: ChatRequest) -> list[int]:
        """The tokens that the model reads for a request. Raises TemplateError."""
        return chat_tokens(self._runtime.loaded, request)[0]

    def chat_run(
        self,
        request: ChatRequest,
        on_end: Callable[[ChatCompletion], None] | None = None,
        *,
        client: str = "",
    ) -> Run[ChatCompletion]:
        """What `chat` does, not begun; `on_end` hears of its end, early or not.

        `client` is whom it is for: any name. Between clients the engine's time is shared fairly.
        """
        return chat_run(self._runtime, self._lease, request, on_end, client=client)

    _runtime: Runtime

    @property
    @abstractmethod
    def _lease(self) -> Lease:
        """Gives a sequence for the time of one generation."""

    def text_request(
        self, prompt: Prompt, parse_special: bool, options: GenerateOptions
    ) -> TextRequest:
        """What `generate` is given, read and checked; `text_run` takes it. Raises as it does."""
        return text_request(self._runtime.loaded, prompt, options, parse_special=parse_special)

    def text_run(self, request: TextRequest, *, client: str = "") -> Run[Completion]:
        """What `generate` does, not begun; `client` as in `chat_run`."""
        return text_run(self._runtime, self._lease, request, client=client)
