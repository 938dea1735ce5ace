"""A conversation for asyncio."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from pestle.chat.choice import once_called
from pestle.chat.rounds import REFUSED, check_rounds, requested_calls, result_message
from pestle.engine.stream import AsyncStream
from pestle.options import ChatOptions, GenerateOptions, check_bool, explained
from pestle.results import ChatCompletion, ToolCall

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pestle.chat.session import Place, Session
    from pestle.chat.tools import Tools
    from pestle.engine.run import Run
    from pestle.engine.waking import Awaited
    from pestle.models import Progress
    from pestle.sessions import RestoredSession, SavedSession


class AsyncConversing(ABC):
    """The calls of `Conversation` for asyncio, each with an `a` before its name.

    Cancelling one ends its generation before the next forward pass. The history then has what an
    answer that was ended early leaves in it, and the conversation can be used again at once.
    """

    messages: list[dict[str, Any]]
    session: Session
    _tools: Tools

    @overload
    def aask(
        self, text: str, *, stream: Literal[False] = False, **options: Unpack[ChatOptions]
    ) -> Awaited[ChatCompletion]: ...
    @overload
    def aask(
        self, text: str, *, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> AsyncStream[ChatCompletion]: ...
    @explained(GenerateOptions, ChatOptions)
    def aask(
        self, text: str, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> Awaited[ChatCompletion] | AsyncStream[ChatCompletion]:
        """`ask` for asyncio: await it, or iterate with `async for` when streaming."""
        return _given(self._question(text, options), stream)

    @overload
    def aregenerate(
        self, *, stream: Literal[False] = False, **options: Unpack[ChatOptions]
    ) -> Awaited[ChatCompletion]: ...
    @overload
    def aregenerate(
        self, *, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> AsyncStream[ChatCompletion]: ...
    @explained(GenerateOptions, ChatOptions)
    def aregenerate(
        self, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> Awaited[ChatCompletion] | AsyncStream[ChatCompletion]:
        """`regenerate` for asyncio."""
        return _given(self._last_question(options), stream)

    @overload
    def aproceed(
        self, *, stream: Literal[False] = False, **options: Unpack[ChatOptions]
    ) -> Awaited[ChatCompletion]: ...
    @overload
    def aproceed(
        self, *, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> AsyncStream[ChatCompletion]: ...
    @explained(GenerateOptions, ChatOptions)
    def aproceed(
        self, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> Awaited[ChatCompletion] | AsyncStream[ChatCompletion]:
        """`proceed` for asyncio."""
        return _given(self._going_on(options), stream)

    async def aanswer_calls(self, results: Mapping[int, str] | None = None) -> int:
        """`answer_calls` for asyncio; tools may be coroutine functions, which are awaited.

        Others run in a thread, so that the loop goes on. They are carried out one after the other.
        Cancelled, it leaves the history as it was, once a function that runs in a thread is over.
        """
        calls = requested_calls(self.messages)
        said = []
        for n, (identity, call) in enumerate(calls):
            given = (results or {}).get(n)
            content = await self._tools.arun(call) if given is None else given
            said.append(result_message(identity, call, content))
        self.messages += said  # all or none
        return len(calls)

    @explained(GenerateOptions, ChatOptions)
    async def aconverse(
        self,
        text: str,
        *,
        approve: Callable[[ToolCall], bool | Awaitable[bool]] = lambda call: True,
        most_rounds: int = 16,
        **options: Unpack[ChatOptions],
    ) -> ChatCompletion:
        """`converse` for asyncio. `approve` may be a coroutine function, as the tools may."""
        most_rounds = check_rounds(approve, most_rounds, options)
        answer = await self.aask(text, **options)
        options["tool_choice"] = once_called(options.get("tool_choice"))
        for _ in range(most_rounds):
            refused = {}
            for n, call in enumerate(answer.tool_calls):
                approved = approve(call)
                if not (await approved if inspect.isawaitable(approved) else approved):
                    refused[n] = REFUSED
            if not await self.aanswer_calls(refused):
                break
            answer = await self.aproceed(**options)
        return answer

    def asave(self, session: Place) -> Awaited[SavedSession]:
        """`save` for asyncio, in a thread: what was said until now.

        Cancelled, it returns when all is saved.
        """
        return self.session.asave(session, [*self.messages], self._following())

    def aload(
        self, session: Place, *, progress: Progress | None = None
    ) -> Awaited[RestoredSession]:
        """`load` for asyncio, in a thread.

        Cancelled, it returns when all is read, and the messages are still those of before.
        """
        return self._atake_up(self.session.aload(session, progress))

    async def _atake_up(self, loading: Awaited[RestoredSession]) -> RestoredSession:
        return self._taken_up(await loading)

    @abstractmethod
    def _following(self) -> list[int]:
        """What the next prompt may be."""

    @abstractmethod
    def _taken_up(self, found: RestoredSession) -> RestoredSession:
        """Have the messages of what was loaded."""

    @abstractmethod
    def _question(self, text: str, options: ChatOptions) -> Run[ChatCompletion]:
        """The answer to a new question, not begun."""

    @abstractmethod
    def _last_question(self, options: ChatOptions) -> Run[ChatCompletion]:
        """Another answer to the last question, not begun."""

    @abstractmethod
    def _going_on(self, options: ChatOptions) -> Run[ChatCompletion]:
        """What the model says next, not begun."""


def _given(
    run: Run[ChatCompletion], stream: bool
) -> Awaited[ChatCompletion] | AsyncStream[ChatCompletion]:
    answer = AsyncStream(run)
    return answer if check_bool("stream", stream) else answer.result()
