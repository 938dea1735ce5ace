"""An interactive chat's state: the conversation, and what `/set` and `/system` changed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import click

from pestle.cli import sessions, units
from pestle.cli.chat_options import ChatSettings, chat_parameters
from pestle.cli.chat_set import NO_LIMIT
from pestle.cli.console import Console
from pestle.cli.refusal import RefusedError
from pestle.errors import SessionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pestle import LLM, ChatOptions, Completion, GenerateOptions, Stream, ToolCall
    from pestle.chat.tools import Tool
    from pestle.cli.attachments import Attachment
    from pestle.cli.chat_model import ModelSeat
    from pestle.cli.tool_calls import Approval
    from pestle.sessions import SessionFolder


_LIMIT, _LIMIT_REASONING = 4096, 16_384  # tokens
_ANOTHER_WAY = 0.7  # temperature


class Dialogue:
    """A conversation with the settings under which it goes on."""

    def __init__(
        self,
        llm: LLM,
        system: str | None,
        sampling: GenerateOptions,
        settings: ChatSettings | None = None,
        tools: Sequence[Tool] = (),
        folder: SessionFolder | None = None,
    ) -> None:
        """`folder`: where the conversation is kept after each turn."""
        self.llm = llm
        self.settings = settings or ChatSettings()
        from pestle.chat.tools import Tools

        self._tools = Tools(tools)
        self.conversation = llm.conversation(system, tools=self._tools)
        self.conversation.template_args = self.settings.template_args or None
        self.conversation.on_full = self.settings.on_full or "error"
        self.folder = folder
        self.seat: ModelSeat | None = None  # where there is one, the model may be changed
        self.console = Console()
        self.guards = self.settings.loop_guard is not False  # whether loops are ended
        self.default_limit: int | None = None  # tokens of an answer, where nobody sets them
        self._limited = True  # whether the default limit holds
        self._attached: list[Attachment] = []
        self._asked: str | None = None  # what the answer in progress is to, and
        self._unanswered: list[dict[str, Any]] = []  # the part of it that waited before
        self._kept: list[dict[str, Any]] = []
        self._options: dict[str, Any] = {**self.settings.options(sampling)}

    def ask(self, text: str) -> Stream[Any]:
        """Say `text` to the model, behind what was attached and what has no answer yet."""
        messages = self.conversation.messages
        unanswered = messages[-1:] if messages and messages[-1]["role"] == "user" else []
        parts = [*(m["content"] for m in unanswered), *(a.message() for a in self._attached), text]
        said = "\n\n".join(parts)
        del messages[len(messages) - len(unanswered) :]
        try:
            stream = self.conversation.ask(said, stream=True, **self._sampling())
        except BaseException:
            messages += unanswered
            raise
        self._asked, self._unanswered = said, unanswered
        self._attached.clear()
        return stream

    def keep_question(self, answer: Completion | None) -> bool:
        """Keep what was asked where the answer was stopped before it began; whether that is so.

        `answer` is None where it was ended at once.
        """
        stopped = answer is None or answer.finish_reason == "cancelled"
        if not stopped or (answer is not None and answer.text):
            self._asked = None
            return False
        return self._put_back([] if self._asked is None else [_user(self._asked)])

    def drop_question(self) -> None:
        """The answer failed: only what had none before the question still waits for one."""
        self._put_back(self._unanswered)

    def _put_back(self, questions: list[dict[str, Any]]) -> bool:
        """Have these at the end again, unless some of an answer came; whether that is so."""
        asked, self._asked = self._asked, None
        messages = self.conversation.messages
        if asked is None or messages[-2:-1] == [_user(asked)]:
            return False
        messages += questions
        return bool(questions)

    def attach(self, file: Attachment) -> int:
        """Have a file go with the next message; how many tokens it has."""
        tokens = len(self.llm.tokenize(file.message(), add_special=False))
        if tokens >= self.llm.n_ctx:
            raise RefusedError(
                f"{file.name} has {tokens:,} tokens, the context holds {self.llm.n_ctx:,}."
            )
        self._attached.append(file)
        return tokens

    def regenerate(self) -> Stream[Any]:
        """Answer the last question again, in another way: a seed that was set is moved on.

        Where the likeliest tokens are taken by default, this answer is drawn.
        """
        if not any(message["role"] == "user" for message in self.conversation.messages):
            raise RefusedError("There is no answer yet.")
        seed = self._options.get("seed")
        self._options["seed"] = None if seed is None else (seed + 1) % 2**64
        options = self._sampling()
        if options.get("temperature") is None and self.llm.sampling.temperature == 0:
            options["temperature"] = _ANOTHER_WAY
        return self.conversation.regenerate(stream=True, **options)

    def change_model(self, name: str) -> None:
        """Go on with another model; what was said stays."""
        if self.seat is None:
            raise RefusedError("The model of this chat cannot be changed.")
        try:
            self._use(self.seat.change(name))
        except click.ClickException as error:
            raise RefusedError(error.message) from error
        finally:
            if self.llm is not self.seat.llm:  # it is the old one, loaded again
                self._use(self.seat.llm)

    def _use(self, llm: LLM) -> None:
        before = self.conversation
        self.llm, self.conversation = llm, llm.conversation(tools=self._tools)
        self.conversation.messages[:] = before.messages
        self.conversation.template_args = before.template_args
        self.conversation.on_full = before.on_full
        if self.default_limit is not None:
            self.default_limit = usual_limit(llm)
        for name in [name for name in self._options if name.startswith("reasoning")]:
            with suppress(RefusedError):
                self._check_switch(**{name: self._options[name]})
                continue
            del self._options[name]  # it was the other model's

    def go_on(self, calls: Sequence[ToolCall], approval: Approval) -> Stream[Any] | None:
        """Carry out what the last answer calls and let the model go on; None without tools.

        Whatever is interrupted, each call has a result: that it was not allowed.
        """
        from pestle.chat.rounds import REFUSED

        if not self._tools.given or not calls:
            return None
        try:
            self.conversation.answer_calls(approval.results(calls, self._tools))
        except KeyboardInterrupt:
            self.conversation.answer_calls(dict.fromkeys(range(len(calls)), REFUSED))
            raise
        return self.conversation.proceed(stream=True, **self._sampling())

    def take_up(self, console: Console) -> None:
        """Go on with what was kept, if anything was; a system message that is given stays."""
        if self.folder is None or not self.folder.exists:
            return
        system = self.system
        sessions.take_up(self.conversation, self.folder, console)
        self._attached.clear()
        self._kept = [*self.conversation.messages]
        if system is not None:
            self.set_system(system)

    def keep(self, console: Console) -> bool:
        """Bring what is kept up to date; False where that cannot be, which is said.

        Raises KeyboardInterrupt, having said what became of it.
        """
        messages = self.conversation.messages
        if self.folder is None or messages == self._kept:
            return True
        try:
            saved = self.conversation.save(self.folder)
        except SessionError as error:
            console.error(str(error))
            return False
        except KeyboardInterrupt:
            console.note("Stopped: the session is as it was before this turn.")
            raise
        self._kept = [*messages]
        if console.verbose:
            console.note(sessions.saved_line(self.folder.name, saved))
        return True

    def clear(self) -> None:
        """Forget what was said; the system message stays."""
        self.conversation.clear()
        self._attached.clear()

    @property
    def system(self) -> str | None:
        """The system message."""
        first = next(iter(self.conversation.messages), None)
        return first["content"] if first is not None and first["role"] == "system" else None

    @property
    def last_answer(self) -> str:
        """What the model said last; nothing, if it has not said anything."""
        answers = [m["content"] for m in self.conversation.messages if m["role"] == "assistant"]
        return answers[-1] if answers else ""

    def set_system(self, text: str | None) -> None:
        """Replace the system message; None removes it. What was said stays."""
        messages = self.conversation.messages
        if self.system is not None:
            del messages[0]
        if text is not None:
            messages.insert(0, {"role": "system", "content": text})

    def set_parameter(self, name: str, value: str) -> None:
        """Set a parameter by its flag's name; "default" unsets it."""
        known = chat_parameters()
        parameter = known.get(name)
        if parameter is None:
            raise RefusedError(f"There is no parameter {name}: {', '.join(known)}.")
        key = str(parameter.name)
        if key == "max_tokens":
            self._limited = value.lower() not in NO_LIMIT
        if value.lower() == "default" or (key == "max_tokens" and not self._limited):
            self._options[key] = None
            return
        try:
            converted = parameter.type.convert(value, parameter, None)
        except click.UsageError as error:
            raise RefusedError(f"{name}: {error.message}") from error
        if key.startswith("reasoning"):
            self._check_switch(**{key: converted})
        self._options[key] = (converted,) if parameter.multiple else converted

    def set_thinking(self, on: bool) -> None:
        """Switch the model's thinking, if it can be switched."""
        self._check_switch(reasoning=on)
        self._options["reasoning"] = on

    def _check_switch(self, **options: Any) -> None:
        try:
            self.llm.check_switches(**options)
        except UnsupportedError as error:
            raise RefusedError(str(error)) from error

    def parameters(self) -> list[str]:
        """Each parameter with the value that is in force, and where it comes from."""
        rows = []
        for name, parameter in chat_parameters().items():
            key = str(parameter.name)
            value = self._options.get(key)
            if key == "max_tokens" and value is None and self._limit is not None:
                rows.append((name, f"{self._limit:,}", "default"))
            elif value is not None:
                rows.append((name, _shown(value), ""))
            elif hasattr(self.llm.sampling, key):
                rows.append((name, _shown(getattr(self.llm.sampling, key)), "default"))
            else:
                rows.append((name, _UNSET[key], "default"))
        rows.append(("on-full", self.conversation.on_full, ""))
        rows.append(("loop-guard", _shown(self.guards), ""))
        if self.llm.sampling_source is not None:
            rows.append(("defaults by", self.llm.sampling_source, ""))
        return units.aligned(rows)

    def facts(self) -> list[str]:
        """The model and the memory it takes."""
        llm = self.llm
        used = self.conversation.session.n_tokens
        rows = (
            ("model", llm.name),
            ("file", llm.path),
            ("architecture", f"{llm.architecture}, {units.count(llm.model.n_params)} parameters"),
            ("weights", units.size(llm.model.weight_bytes)),
            ("context", f"{used:,} of {llm.n_ctx:,} tokens"),
            ("keys and values", _memory(llm)),
            ("threads", f"{llm.engine.threads}, {llm.engine.threads_prefill} to read"),
        )
        return units.aligned(rows)

    @property
    def _limit(self) -> int | None:
        return self.default_limit if self._limited else None

    def _sampling(self) -> ChatOptions:
        options = dict(self._options)
        if options.get("max_tokens") is None and self._limit is not None:
            options["max_tokens"] = self._limit
        return cast("ChatOptions", options)


def usual_limit(llm: LLM) -> int:
    """The tokens that an answer in a chat may have, so that no single one fills the context."""
    return max(min(llm.n_ctx // 2, _LIMIT_REASONING if llm.reasons else _LIMIT), 1)


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _memory(llm: LLM) -> str:
    """What keys and values take, and what of that is kept of texts that are over."""
    kept = llm.engine.kept_bytes
    part = f", {units.size(kept)} of it of earlier texts" if kept else ""
    return units.size(llm.engine.kv_bytes) + part


_UNSET = {
    "max_tokens": "no limit",
    "stop": "none",
    "seed": "random",
    "speculation": "on",
    "reasoning_effort": "the model's",
    "reasoning_budget": "no limit",
}


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(map(repr, value)) if isinstance(value, tuple) else f"{value}"
