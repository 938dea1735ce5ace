"""A conversation: a chat that keeps its own history."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from pestle.chat.choice import once_called
from pestle.chat.conversation_async import AsyncConversing
from pestle.chat.rounds import REFUSED, check_rounds, requested_calls, result_message
from pestle.chat.sliding import slide
from pestle.chat.tools import Tool, Tools
from pestle.engine.stream import Stream
from pestle.errors import ArgumentError, TemplateError
from pestle.options import (
    ChatOptions,
    GenerateOptions,
    check_bool,
    check_choice,
    explained,
)
from pestle.options.checks import mistyped
from pestle.options.values import ON_FULL
from pestle.results import ChatCompletion, ToolCall

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pestle.chat.requests import ChatRequest
    from pestle.chat.session import Place, Session
    from pestle.engine.run import Run
    from pestle.models import Progress
    from pestle.sessions import RestoredSession, SavedSession


class Conversation(AsyncConversing):
    """Messages and the session that answers them. Made by `LLM.conversation`.

    `messages` is the history, a plain list of dicts that may be saved, loaded and edited between
    two calls. A question and its answer join it when the answer ends. An answer that was ended
    early stays as far as it came; one that has no text yet leaves the history as it was.

    When the next prompt would not fit the context, `on_full` says what happens: "error" raises
    ContextLengthError, "slide" drops the oldest turns, each with all its tool rounds, but never the
    system's messages; `dropped` has what the last call dropped.

    Where the answer calls `tools`, `answer_calls` carries them out and `proceed` lets the model
    go on with their results; `converse` does both until there is an answer without calls. `aask`,
    `aregenerate`, `aproceed`, `aanswer_calls`, `aconverse`, `asave` and `aload` are the same for
    asyncio.
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
    @explained(GenerateOptions, ChatOptions)
    def ask(
        self, text: str, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> ChatCompletion | Stream[ChatCompletion]:
        """Say `text` as the user. Options and errors are those of `LLM.chat`."""
        return _given(self._question(text, options), stream)

    @overload
    def regenerate(
        self, *, stream: Literal[False] = False, **options: Unpack[ChatOptions]
    ) -> ChatCompletion: ...
    @overload
    def regenerate(
        self, *, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> Stream[ChatCompletion]: ...
    @explained(GenerateOptions, ChatOptions)
    def regenerate(
        self, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> ChatCompletion | Stream[ChatCompletion]:
        """Answer the last user message again, replacing the answer it had.

        Raises ArgumentError when nothing was asked yet.
        """
        return _given(self._last_question(options), stream)

    @overload
    def proceed(
        self, *, stream: Literal[False] = False, **options: Unpack[ChatOptions]
    ) -> ChatCompletion: ...
    @overload
    def proceed(
        self, *, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> Stream[ChatCompletion]: ...
    @explained(GenerateOptions, ChatOptions)
    def proceed(
        self, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> ChatCompletion | Stream[ChatCompletion]:
        """Let the model go on from the messages as they are, such as the results of its calls.

        Options and errors are those of `LLM.chat`.
        """
        return _given(self._going_on(options), stream)

    def answer_calls(self, results: Mapping[int, str] | None = None) -> int:
        """Append a result for each call of the last message; return how many there are.

        `results` are those that the caller has, by the number of the call; the others are carried
        out. What goes wrong is a result too (see `pestle.chat.tools.Tools.run`). Raises
        ArgumentTypeError for a coroutine function, which `aanswer_calls` awaits.
        """
        calls = requested_calls(self.messages)
        said = []
        for n, (identity, call) in enumerate(calls):
            given = (results or {}).get(n)
            content = self._tools.run(call) if given is None else given
            said.append(result_message(identity, call, content))
        self.messages += said  # all or none, if one is interrupted
        return len(calls)

    @explained(GenerateOptions, ChatOptions)
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
        is forced once. Raises as `LLM.chat` does.
        """
        most_rounds = check_rounds(approve, most_rounds, options)
        answer = self.ask(text, **options)
        options["tool_choice"] = once_called(options.get("tool_choice"))
        for _ in range(most_rounds):
            refused = {n: REFUSED for n, call in enumerate(answer.tool_calls) if not approve(call)}
            if not self.answer_calls(refused):
                break
            answer = self.proceed(**options)
        return answer

    def save(self, session: Place) -> SavedSession:
        """Save the messages and all that the model has read of them, in place of an earlier save.

        `session` is a name, or a folder as a path object. A name's folder lies in `sessions` in
        PESTLE_DATA, else in the user's data folder. Only what is new since the last save is
        written; until it is on the disk, that one stays valid. Raises SessionError and
        ArgumentTypeError.
        """
        return self.session.save(session, self.messages, self._following())

    def load(self, session: Place, *, progress: Progress | None = None) -> RestoredSession:
        """Take up a saved conversation in place of this one; nothing of it is read again.

        Where the model, an option that decides its numbers or Pestle's version is another one, or
        the saved memory is damaged, the messages are taken up all the same, to be read again; the
        result's `reason` says why. The first time the model's files are read for their digest;
        `progress` hears of it. Raises SessionError where there is no such session or another
        process uses it, FormatError where its messages are damaged, ArgumentTypeError; nothing has
        changed then.
        """
        return self._taken_up(self.session.load(session, progress))

    def clear(self) -> None:
        """Forget everything but the system messages at the start."""
        roles = [message.get("role") for message in self.messages]
        first = next((i for i, role in enumerate(roles) if role != "system"), len(roles))
        del self.messages[first:]

    def __repr__(self) -> str:
        return f"Conversation({len(self.messages)} messages, {self.session!r})"

    def _following(self) -> list[int]:
        """What the next prompt may be."""
        if self.messages:
            question = {"role": "user", "content": "?"}
            with contextlib.suppress(TemplateError, ArgumentError):
                request = self._request([*self.messages, question], self._last_options)
                return self.session.prompt_of(request)
        return []

    def _taken_up(self, found: RestoredSession) -> RestoredSession:
        self.messages[:] = found.saved.messages
        return found

    def _question(self, text: str, options: ChatOptions) -> Run[ChatCompletion]:
        if not isinstance(text, (str, list, tuple)):  # parts, as `chat` takes them
            raise mistyped("text", text, "a string")
        return self._answer([*self.messages, {"role": "user", "content": text}], options)

    def _last_question(self, options: ChatOptions) -> Run[ChatCompletion]:
        asked = [i for i, message in enumerate(self.messages) if message.get("role") == "user"]
        if not asked:
            raise ArgumentError("no question has been asked yet")
        return self._answer(self.messages[: asked[-1] + 1], options)

    def _going_on(self, options: ChatOptions) -> Run[ChatCompletion]:
        return self._answer([*self.messages], options)

    def _answer(self, messages: list[dict[str, Any]], options: ChatOptions) -> Run[ChatCompletion]:
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
        return self.session.chat_run(request, keep)

    def _request(self, messages: list[dict[str, Any]], options: ChatOptions) -> ChatRequest:
        return self.session.chat_request(messages, self._tools, self.template_args, options)


def _given(run: Run[ChatCompletion], stream: bool) -> ChatCompletion | Stream[ChatCompletion]:
    answer = Stream(run)
    return answer if check_bool("stream", stream) else answer.result()
