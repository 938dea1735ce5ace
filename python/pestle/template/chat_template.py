"""The chat template of a model file: from messages to the text, or the tokens, of a prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError

from pestle.errors import TemplateError
from pestle.template.conventions import Conventions, conventions_of
from pestle.template.meter import MEMORY, SECONDS, Meter, metered, running
from pestle.template.repairs import repaired
from pestle.template.roles import Roles, roles_of
from pestle.template.sandbox import RaisedByTemplateError, compiled
from pestle.tokenizer import Metadata, Tokenizer

KEY = "tokenizer.chat_template"
TOOL_USE = "tool_use"
NAME = re.compile(r"[\w.-]{1,60}")
"""What names a template of a file: text of which no template consists."""
_MOST_NAMES = 16
_LONGEST_SOURCE = 1 << 18  # characters; the longest in use have some 20,000
_LONGEST_MESSAGE = 2000  # characters

Messages = Sequence[Mapping[str, Any]]
Tools = Sequence[Any]


class ChatTemplate:
    """Lays a conversation out as its model was trained to read it.

    A template is a program in Jinja that comes with the model file. It runs in a sandbox without
    access to Python, and a whole chat has one budget of time and memory: see `template.meter`.
    """

    def __init__(
        self,
        source: str,
        tokenizer: Tokenizer,
        *,
        tool_source: str | None = None,
        notices: tuple[str, ...] = (),
        others: tuple[str, ...] = (),
        now: Callable[[], datetime] = datetime.now,
        seconds: float = SECONDS,
        memory: int = MEMORY,
    ) -> None:
        """`tool_source` is used instead of `source` when there are tools.

        `notices` say what of the file's template was put right, for whoever uses it. `others` are
        the names of further templates of the file that know tools.
        `now` tells templates the date. `seconds` of processor time and `memory` bytes are what a
        chat may take: all that is done for one `encode` or `render`, and what `variables` took.
        """
        self.source = source
        self.tool_source = tool_source
        self.notices = notices
        self.others = others
        self._tokenizer = tokenizer
        self._now = now
        self._seconds, self._memory = seconds, memory
        self._spent = 0.0  # by `variables`, which is asked before a chat

    @classmethod
    def from_gguf(
        cls,
        metadata: Metadata,
        tokenizer: Tokenizer,
        *,
        name: str | None = None,
        now: Callable[[], datetime] = datetime.now,
    ) -> ChatTemplate | None:
        """The file's template, or its template `name`; None for a file without templates.

        Known mistakes of published templates are put right; `notices` tells of it.
        Raises TemplateError when there is no template of that name.
        """
        source = _source(metadata, KEY if name is None else f"{KEY}.{name}")
        tool_source = _source(metadata, f"{KEY}.{TOOL_USE}") if name is None else None
        if source is None and name is not None:
            names = ", ".join(_names(metadata)) or "none"
            raise TemplateError(f"the file has no chat template `{name}`; others it has: {names}")
        if source is None:
            return None
        _check_length(source)
        _check_length(tool_source or "")
        source, notices = repaired(source)
        if tool_source is not None:
            tool_source, more = repaired(tool_source)
            notices = tuple(dict.fromkeys((*notices, *more)))
        others = tuple(
            other
            for other in _names(metadata)
            if other not in (name, TOOL_USE) and _knows_tools(metadata.get(f"{KEY}.{other}"))
        )
        return cls(
            source, tokenizer, tool_source=tool_source, notices=notices, others=others, now=now
        )

    @cached_property
    def variables(self) -> frozenset[str]:
        """The names that the template takes from outside, such as `enable_thinking`.

        Those that it sets itself in some cases only are among them.
        """
        names = frozenset[str]()
        with self._account() as account:
            for with_tools in (False, True):
                # What is wrong with it, whoever renders it is told.
                with suppress(TemplateError):
                    names |= self._compiled(with_tools)[1]
        self._spent = account.spent
        return names

    @property
    def announces_tools(self) -> bool:
        """Whether it tells the model of tools. Raises TemplateError where that costs too much."""
        with self._account():
            return self._conventions.announces

    def render(
        self,
        messages: Messages,
        *,
        tools: Tools | None = None,
        add_generation_prompt: bool = True,
        **variables: Any,
    ) -> str:
        """The text of a prompt. It cannot tell control tokens from a user's spelling of them.

        `messages` are handed to the template as they are: see `prepared`.

        `variables` are further variables of the template, such as `enable_thinking`.
        Raises TemplateError when the template is faulty, refuses its input or costs too much.
        """
        given = {
            "documents": None,
            **variables,
            "messages": messages,
            "tools": tools,
            "add_generation_prompt": add_generation_prompt,
        }
        with self._account() as account:
            _admit(account, given)
            return self._render(given)

    def encode(
        self,
        messages: Messages,
        *,
        tools: Tools | None = None,
        add_generation_prompt: bool = True,
        **variables: Any,
    ) -> list[int]:
        """The tokens of a prompt, BOS included where the model wants it.

        `messages` and `tools` are as the OpenAI API has them, `reasoning_content` included; they
        are `prepared` first. Raises TemplateError where the template would leave tools out.

        Control tokens come from the template alone: whatever in `messages`, `tools` and
        `variables` spells one stays text (see `pestle.tokenizer.special`). What this cannot
        undo is a template that composes a control token of single characters of a message.
        Raises as `render` does.
        """
        with self._account() as account:
            if tools and not self._conventions.announces:
                raise TemplateError(
                    f"the chat template does not tell the model of tools; {self._instead}"
                )
            given = {"messages": self.prepared(messages), "tools": tools, **variables}
            _admit(account, given)  # before anything walks through it
            mark = self._unused_character(given)
            # Not the names: a control token may be spelled `messages`.
            marked = {n: self._tokenizer.mark_untrusted(v, mark) for n, v in given.items()}
            text = self.render(**marked, add_generation_prompt=add_generation_prompt)
        # A template may also write messages as ASCII-only JSON.
        return self._tokenizer.encode_marked(text.replace(_as_ascii(mark), mark), mark)

    def prepared(self, messages: Messages) -> list[dict[str, Any]]:
        """The messages as this template wants reasoning and tool calls.

        Raises TemplateError for tool calls that it would leave out.
        """
        plain = not any(m.get("tool_calls") or m.get("reasoning_content") for m in messages)
        if plain:
            return [dict(m) for m in messages]
        with self._account():
            return self._conventions.apply(messages)

    @cached_property
    def roles(self) -> Roles:
        """Which roles it writes, and in which order."""
        with self._account():
            return roles_of(lambda messages: self.render(messages, add_generation_prompt=False))

    @property
    def _instead(self) -> str:
        """What may tell the model of tools where this template does not."""
        if self.others:
            uses = " or ".join(f"chat_template={name!r}" for name in self.others)
            return f"another one of the file knows them: {uses}"
        return (
            "models that were trained to call them have one that does, such as qwen3-4b-2507; "
            "chat_template=... gives this model another one"
        )

    @cached_property
    def _conventions(self) -> Conventions:
        def rendered(messages: Messages, tools: Tools | None) -> str:
            return self.render(messages, tools=tools, add_generation_prompt=False)

        return conventions_of(self.tool_source or self.source, rendered)

    def _unused_character(self, given: Mapping[str, Any]) -> str:
        """A character that neither the template nor `given` has: most often U+FDD0.

        Unicode keeps it, and 31 others, for such inner use. Where they all occur, other characters
        do: there are more than any text has.
        """
        text = json.dumps(given, ensure_ascii=False, default=str)
        texts = (text, self.source, self.tool_source or "")
        return next(
            mark
            for mark in map(chr, chain(range(0xFDD0, 0xFDF0), range(0xF0000, 0xFFFFE)))
            if not any(form in text for text in texts for form in (mark, _as_ascii(mark)))
        )

    def _render(self, variables: dict[str, Any]) -> str:
        tokenizer = self._tokenizer
        tokens = {
            "bos_token": "" if tokenizer.bos_id is None else tokenizer.token_text(tokenizer.bos_id),
            "eos_token": "" if tokenizer.eos_id is None else tokenizer.token_text(tokenizer.eos_id),
        }
        with self._account() as account:
            template, _ = self._compiled(bool(variables["tools"]))
            try:
                return _limited(template.generate({**tokens, **variables}), account)
            except RaisedByTemplateError as error:
                said = _short(error)
                raise TemplateError(f"the chat template refused the messages: {said}") from error
            except jinja2.TemplateError as error:
                raise TemplateError(f"the chat template failed: {_short(error)}") from error
            except RecursionError as error:
                raise TemplateError("the chat template failed: it is nested too deeply") from error
            # Templates run into every kind of Python's errors: None + "text", missing arguments ...
            except Exception as error:
                kind = type(error).__name__
                raise TemplateError(f"the chat template failed: {kind}: {_short(error)}") from error

    @contextmanager
    def _account(self) -> Iterator[Meter]:
        """What this chat may take: one account, however many renderings it has."""
        if (account := running()) is not None:
            yield account
            return
        spent, self._spent = self._spent, 0.0
        with metered(Meter(self._seconds, self._memory, spent=spent)) as account:
            yield account

    def _compiled(self, with_tools: bool) -> tuple[jinja2.Template, frozenset[str]]:
        return self._with_tools if with_tools and self.tool_source else self._plain

    @cached_property
    def _plain(self) -> tuple[jinja2.Template, frozenset[str]]:
        return self._compile(self.source)

    @cached_property
    def _with_tools(self) -> tuple[jinja2.Template, frozenset[str]]:
        return self._compile(self.tool_source or self.source)

    def _compile(self, source: str) -> tuple[jinja2.Template, frozenset[str]]:
        _check_length(source)
        try:
            return compiled(source, self._now)
        except jinja2.TemplateSyntaxError as error:
            said = f"line {error.lineno}: {_short(error.message)}"
            raise TemplateError(f"the chat template is not valid Jinja: {said}") from error
        except jinja2.TemplateError as error:  # of the meter
            raise TemplateError(f"the chat template cannot be used: {_short(error)}") from error
        except RecursionError as error:
            raise TemplateError(
                "the chat template cannot be used: it is nested too deeply"
            ) from error
        # Deep nesting overflows the parsers of Jinja and Python, each with errors of its own.
        except Exception as error:
            raise TemplateError(f"the chat template is not valid Jinja: {error!r:.200}") from error


def _source(metadata: Metadata, key: str) -> str | None:
    source = metadata.get(key)
    if source is not None and not isinstance(source, str):
        raise TemplateError(f"{key} is {source!r:.40}, expected a string")
    return source


def _names(metadata: Metadata) -> list[str]:
    """The names of the file's further templates, as far as they are names."""
    names = metadata.get("tokenizer.chat_templates")
    if not isinstance(names, list):
        return []
    return [name for name in names if isinstance(name, str) and NAME.fullmatch(name)][:_MOST_NAMES]


def _knows_tools(source: Any) -> bool:
    return isinstance(source, str) and "tools" in source


def _as_ascii(character: str) -> str:
    return json.dumps(character)[1:-1]


def _limited(pieces: Iterable[str], account: Meter) -> str:
    written = []
    chars = 0
    for piece in pieces:
        written.append(piece)
        chars += len(piece)
        if chars > account.longest_prompt:
            raise SecurityError(
                f"a prompt of {account.given_chars:,} given characters may have "
                f"{account.longest_prompt:,}, not more"
            )
    return "".join(written)


def _admit(account: Meter, given: object) -> None:
    try:
        account.admit(given)
    except SecurityError as error:
        raise TemplateError(f"the chat template cannot be used: {error}") from error


def _check_length(source: str) -> None:
    if len(source) > _LONGEST_SOURCE:
        raise TemplateError(
            f"the chat template has {len(source):,} characters, at most {_LONGEST_SOURCE:,} allowed"
        )


def _short(message: object) -> str:
    """A message whose length a template may have chosen."""
    text = str(message)
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]} ..."
