"""Lists of prompts and chats, which share the forward passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from pestle.chat.calls import GeneratingCalls
from pestle.chat.entry import about, several
from pestle.chat.requests import checked_options, text_options, text_request
from pestle.chat.tools import Tool, Tools
from pestle.engine.together import aresults, results
from pestle.errors import ArgumentTypeError, shown
from pestle.options import ChatOptions, GenerateOptions, explained

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pestle.chat.calls import Messages, Prompt
    from pestle.chat.requests import ChatRequest
    from pestle.engine.run import Run
    from pestle.engine.waking import Awaited
    from pestle.results import ChatCompletion, Completion

Done: TypeAlias = Callable[[int, int], object]
"""Is told how many of a list are done, and of how many, each time that one is."""


class ListCalls(GeneratingCalls):
    """`generate` and `chat` for each of a list, up to 16 at once."""

    @explained(GenerateOptions)
    def generate_all(
        self,
        prompts: Sequence[Prompt],
        *,
        parse_special: bool = False,
        progress: Done | None = None,
        **options: Unpack[GenerateOptions],
    ) -> list[Completion]:
        """What `generate` gives for each of `prompts`, to the bit, in less time than one by one.

        Up to 16 are worked on at once, and their forward passes are shared. `progress` is called
        with how many are done and how many there are, each time that one is. All prompts are
        checked before any work; where one fails later, the others end, and its error is raised.
        An empty list gives an empty list. Raises as `generate` does.
        """
        return results(self._texts(prompts, parse_special, progress, options), progress)

    @explained(GenerateOptions)
    def agenerate_all(
        self,
        prompts: Sequence[Prompt],
        *,
        parse_special: bool = False,
        progress: Done | None = None,
        **options: Unpack[GenerateOptions],
    ) -> Awaited[list[Completion]]:
        """`generate_all` for asyncio. Cancelling it ends all before their next forward pass."""
        return aresults(self._texts(prompts, parse_special, progress, options), progress)

    @explained(GenerateOptions, ChatOptions)
    def chat_all(
        self,
        chats: Sequence[Messages],
        *,
        tools: Sequence[Tool] | None = None,
        template_args: Mapping[str, Any] | None = None,
        progress: Done | None = None,
        **options: Unpack[ChatOptions],
    ) -> list[ChatCompletion]:
        """What `chat` gives for each of `chats`, as `generate_all` does for prompts."""
        return results(self._chats(chats, tools, template_args, progress, options), progress)

    @explained(GenerateOptions, ChatOptions)
    def achat_all(
        self,
        chats: Sequence[Messages],
        *,
        tools: Sequence[Tool] | None = None,
        template_args: Mapping[str, Any] | None = None,
        progress: Done | None = None,
        **options: Unpack[ChatOptions],
    ) -> Awaited[list[ChatCompletion]]:
        """`chat_all` for asyncio. Cancelling it ends all before their next forward pass."""
        return aresults(self._chats(chats, tools, template_args, progress, options), progress)

    def _texts(
        self, prompts: Any, parse_special: bool, progress: Any, options: GenerateOptions
    ) -> list[Run[Completion]]:
        _check_progress(progress)
        loaded = self._runtime.loaded
        text_options(loaded, options)  # what is wrong with them is not the first prompt's fault
        requests = []
        for n, prompt in enumerate(several("prompts", prompts, "a list of prompts")):
            name = f"prompts[{n}]"
            with about(name):
                requests.append(
                    text_request(loaded, prompt, options, parse_special=parse_special, name=name)
                )
        return [self.text_run(request) for request in requests]

    def _chats(
        self,
        chats: Any,
        tools: Sequence[Tool] | None,
        template_args: Mapping[str, Any] | None,
        progress: Any,
        options: ChatOptions,
    ) -> list[Run[ChatCompletion]]:
        _check_progress(progress)
        known = Tools.of(tools)
        checked_options(self._runtime.loaded, known, options)  # as above
        requests: list[ChatRequest] = []
        for n, chat in enumerate(several("chats", chats, "a list of chats")):
            with about(f"chats[{n}]"):
                if isinstance(chat, Mapping):
                    raise ArgumentTypeError(
                        f"chats[{n}] is {shown(chat)}, expected a list of messages; chat takes one"
                    )
                requests.append(self.chat_request(chat, known, template_args, options))
        return [self._chat_run(n, request) for n, request in enumerate(requests)]

    def _chat_run(self, n: int, request: ChatRequest) -> Run[ChatCompletion]:
        with about(f"chats[{n}]"):  # whether it fits shows when it is laid out
            return self.chat_run(request)


def _check_progress(progress: object) -> None:
    if progress is not None and not callable(progress):
        raise ArgumentTypeError(
            f"progress is {shown(progress)}, expected a function of how many are done, of how many"
        )
