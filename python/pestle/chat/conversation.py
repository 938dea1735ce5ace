"""A conversation: a chat that keeps its own history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from pestle.engine.stream import Stream

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pestle.chat.session import Session
    from pestle.options import ChatOptions
    from pestle.results import ChatCompletion


class Conversation:
    """Messages and the session that answers them. Made by `LLM.conversation`.

    `messages` is the history, a plain list of dicts that may be saved, loaded and edited between
    two calls. A question and its answer join it when the answer ends. An answer that was ended
    early stays as far as it came; one that has no text yet leaves the history as it was.
    """

    def __init__(
        self,
        session: Session,
        messages: Sequence[Mapping[str, Any]] = (),
        *,
        tools: Sequence[Any] | None = None,
        template_args: Mapping[str, Any] | None = None,
    ) -> None:
        self.session = session
        self.messages: list[dict[str, Any]] = [dict(message) for message in messages]
        self.tools = tools
        self.template_args = template_args

    @overload
    def ask(
        self, text: str, *, stream: Literal[False] = False, **options: Unpack[ChatOptions]
    ) -> ChatCompletion: ...
    @overload
    def ask(
        self, text: str, *, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> Stream[ChatCompletion]: ...
    def ask(
        self, text: str, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> ChatCompletion | Stream[ChatCompletion]:
        """Say `text` as the user. Options and errors are those of `LLM.chat`."""
        question = {"role": "user", "content": text}
        result = self._answer([*self.messages, question], options)
        return result if stream else result.result()

    @overload
    def regenerate(
        self, *, stream: Literal[False] = False, **options: Unpack[ChatOptions]
    ) -> ChatCompletion: ...
    @overload
    def regenerate(
        self, *, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> Stream[ChatCompletion]: ...
    def regenerate(
        self, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> ChatCompletion | Stream[ChatCompletion]:
        """Answer the last user message again, replacing the answer it had.

        Raises ValueError when nothing was asked yet.
        """
        asked = [i for i, message in enumerate(self.messages) if message.get("role") == "user"]
        if not asked:
            raise ValueError("there is no question to answer again")
        result = self._answer(self.messages[: asked[-1] + 1], options)
        return result if stream else result.result()

    def clear(self) -> None:
        """Forget everything but the system messages at the start."""
        roles = [message.get("role") for message in self.messages]
        first = next((i for i, role in enumerate(roles) if role != "system"), len(roles))
        del self.messages[first:]

    def _answer(
        self, messages: list[dict[str, Any]], options: ChatOptions
    ) -> Stream[ChatCompletion]:
        def keep(answer: ChatCompletion) -> None:
            if answer.text or answer.finish_reason != "cancelled":
                self.messages[:] = [*messages, answer.message]

        return Stream(
            self.session.chat_run(messages, self.tools, self.template_args, options, keep)
        )
