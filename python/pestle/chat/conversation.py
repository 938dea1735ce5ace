"""A conversation: a chat that keeps its own history."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from pestle.chat.choice import once_called
from pestle.chat.messages import check_calls
from pestle.chat.sliding import slide
from pestle.chat.tools import Tool, Tools
from pestle.engine.stream import Stream
from pestle.errors import ArgumentError, TemplateError
from pestle.options import check_choice
from pestle.options.values import ON_FULL
from pestle.results import ToolCall

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pestle.chat.requests import ChatRequest
    from pestle.chat.session import Session
    from pestle.models import Progress
    from pestle.options import ChatOptions
    from pestle.results import ChatCompletion
    from pestle.sessions import RestoredSession, SavedSession, SessionFolder


REFUSED = "error: the user does not allow this call"


class Conversation:
    """Messages and the session that answers them. Made by `LLM.conversation`.

    `messages` is the history, a plain list of dicts that may be saved, loaded and edited between
    two calls. A question and its answer join it when the answer ends. An answer that was ended
    early stays as far as it came; one that has no text yet leaves the history as it was.

    When the next prompt would not fit the context, `on_full` says what happens: "error" raises
    ContextLengthError, "slide" drops the oldest turns, each with all its tool rounds, but never the
    system's messages; `dropped` has what the last call dropped.

    Where the answer calls `tools`, `answer_calls` carries them out and `proceed` lets the model
    go on with their results; `converse` does both until there is an answer without calls.
    """

    def __init__(
        self,
        session: Session,
        messages: Sequence[Mapping[str, Any]] = (),
        *,
        tools: Tools | Sequence[Tool] | None = None,
        template_args: Mapping[str, Any] | None = None,
        on_full: str = "error",
    ) -> None:
        """`on_full`: "error" or "slide"; ArgumentError for anything else."""
        check_choice("on_full", on_full, ON_FULL)
        self.session = session
        self.messages: list[dict[str, Any]] = [dict(message) for message in messages]
        self._tools = Tools.of(tools)
        self.template_args = template_args
        self.on_full = on_full
        self.dropped: list[dict[str, Any]] = []
        self._last_options: ChatOptions = {}

    @property
    def tools(self) -> Sequence[Tool] | None:
        """What the model may call. Setting it raises as `LLM.conversation` does."""
        return self._tools.given or None

    @tools.setter
    def tools(self, tools: Sequence[Tool] | None) -> None:
        self._tools = Tools.of(tools)

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

        Raises ArgumentError when nothing was asked yet.
        """
        asked = [i for i, message in enumerate(self.messages) if message.get("role") == "user"]
        if not asked:
            raise ArgumentError("there is no question to answer again")
        result = self._answer(self.messages[: asked[-1] + 1], options)
        return result if stream else result.result()

    @overload
    def proceed(
        self, *, stream: Literal[False] = False, **options: Unpack[ChatOptions]
    ) -> ChatCompletion: ...
    @overload
    def proceed(
        self, *, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> Stream[ChatCompletion]: ...
    def proceed(
        self, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> ChatCompletion | Stream[ChatCompletion]:
        """Let the model go on from the messages as they are, such as the results of its calls."""
        result = self._answer([*self.messages], options)
        return result if stream else result.result()

    def answer_calls(self, results: Mapping[int, str] | None = None) -> int:
        """Append a result for each call of the last message; return how many there are.

        `results` are those that the caller has, by the number of the call; the others are carried
        out. What goes wrong is a result too (see `pestle.chat.tools.Tools.run`).
        """
        last = self.messages[-1] if self.messages else {}
        calls = last.get("tool_calls") or ()
        check_calls("tool_calls of the last message", calls)
        said = []
        for n, call in enumerate(calls):
            arguments = call["function"].get("arguments", "")
            if not isinstance(arguments, str):
                arguments = json.dumps(arguments, ensure_ascii=False)
            asked = ToolCall(call["function"]["name"], arguments)
            given = (results or {}).get(n)
            content = self._tools.run(asked) if given is None else given
            named = {"tool_call_id": call["id"]} if call.get("id") else {}
            said.append({"role": "tool", **named, "name": asked.name, "content": content})
        self.messages += said  # all or none, if one is interrupted
        return len(calls)

    def converse(
        self,
        text: str,
        *,
        approve: Callable[[ToolCall], bool] = lambda call: True,
        most_rounds: int = 16,
        **options: Unpack[ChatOptions],
    ) -> ChatCompletion:
        """Say `text` as the user, and carry out what the model calls until it answers without.

        Each call is put to `approve` before; one that is refused is told so to the model. After
        `most_rounds` of calls the answer is given back as it is. A call that `tool_choice` forces
        is forced once.
        """
        answer = self.ask(text, **options)
        options["tool_choice"] = once_called(options.get("tool_choice"))
        for _ in range(most_rounds):
            refused = {n: REFUSED for n, call in enumerate(answer.tool_calls) if not approve(call)}
            if not self.answer_calls(refused):
                break
            answer = self.proceed(**options)
        return answer

    def save(self, session: str | os.PathLike[str] | SessionFolder) -> SavedSession:
        """Save the messages and all that the model has read of them, in place of an earlier save.

        `session` is a name, or a folder as a path object. A name's folder lies in `sessions` in
        PESTLE_DATA, else in the user's data folder. Only what is new since the last save is
        written; until it is on the disk, that one stays valid. Raises SessionError.
        """
        following: list[int] = []
        if self.messages:
            question = {"role": "user", "content": "?"}
            with contextlib.suppress(TemplateError, ArgumentError):
                request = self._request([*self.messages, question], self._last_options)
                following = self.session.prompt_of(request)
        return self.session.save(_folder(session), self.messages, following)

    def load(
        self,
        session: str | os.PathLike[str] | SessionFolder,
        *,
        progress: Progress | None = None,
    ) -> RestoredSession:
        """Take up a saved conversation in place of this one; nothing of it is read again.

        Where the model, an option that decides its numbers or Pestle's version is another one, or
        the saved memory is damaged, the messages are taken up all the same, to be read again; the
        result's `reason` says why. The first time the model's files are read for their digest;
        `progress` hears of it. Raises SessionError where there is no such session or another
        process uses it, FormatError where its messages are damaged; nothing has changed then.
        """
        found = self.session.load(_folder(session), progress)
        self.messages[:] = found.saved.messages
        return found

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

        request = self._request(messages, options)
        self._last_options = options
        self.dropped = []
        if self.on_full == "slide":
            messages, self.dropped = slide(
                messages,
                lambda kept: len(self.session.prompt_of(request.with_messages(kept))),
                self.session.n_ctx,
                request.options.generation.max_tokens,
            )
            request = request.with_messages(messages)
        return Stream(self.session.chat_run(request, keep))

    def _request(self, messages: list[dict[str, Any]], options: ChatOptions) -> ChatRequest:
        return self.session.chat_request(messages, self._tools, self.template_args, options)


def _folder(session: str | os.PathLike[str] | SessionFolder) -> SessionFolder:
    from pestle.sessions import SessionFolder

    return session if isinstance(session, SessionFolder) else SessionFolder(session)
