"""The chat template of a model file: from messages to the text, or the tokens, of a prompt."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Any

import jinja2

from pestle.errors import TemplateError
from pestle.template.conventions import Conventions, conventions_of
from pestle.template.meter import SECONDS, VALUE_CHARS, Meter, metered
from pestle.template.repairs import repaired
from pestle.template.sandbox import RaisedByTemplateError, TemplateSandbox
from pestle.tokenizer import Metadata, Tokenizer

KEY = "tokenizer.chat_template"
TOOL_USE = "tool_use"
_LONGEST_SOURCE = 1 << 18  # characters; the longest in use have some 20,000

Messages = Sequence[Mapping[str, Any]]
Tools = Sequence[Any]


class ChatTemplate:
    """Lays a conversation out as its model was trained to read it.

    A template is a program in Jinja that comes with the model file. It runs in a sandbox without
    access to Python, and within limits of time and size.
    """

    def __init__(
        self,
        source: str,
        tokenizer: Tokenizer,
        *,
        tool_source: str | None = None,
        notices: tuple[str, ...] = (),
        now: Callable[[], datetime] = datetime.now,
        seconds: float = SECONDS,
    ) -> None:
        """`tool_source` is used instead of `source` when there are tools.

        `notices` say what of the file's template was put right, for whoever uses it.
        `now` tells templates the date; `seconds` of processor time are what a rendering may take.
        """
        self.source = source
        self.tool_source = tool_source
        self.notices = notices
        self._tokenizer = tokenizer
        self._now = now
        self._seconds = seconds

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
            names = ", ".join(metadata.get("tokenizer.chat_templates") or ()) or "none"
            raise TemplateError(f"the file has no chat template `{name}`; others it has: {names}")
        if source is None:
            return None
        source, notices = repaired(source)
        if tool_source is not None:
            tool_source, more = repaired(tool_source)
            notices = tuple(dict.fromkeys((*notices, *more)))
        return cls(source, tokenizer, tool_source=tool_source, notices=notices, now=now)

    @cached_property
    def variables(self) -> frozenset[str]:
        """The names that the template takes from outside, such as `enable_thinking`.

        Those that it sets itself in some cases only are among them.
        """
        sources = (self.source, self.tool_source or "")
        return frozenset().union(*(TemplateSandbox(self._now).undeclared(s) for s in sources))

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
        return self._render(
            {
                "documents": None,
                **variables,
                "messages": messages,
                "tools": tools,
                "add_generation_prompt": add_generation_prompt,
            }
        )

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
        if tools and not self._conventions.announces:
            raise TemplateError(
                "the chat template does not tell the model of tools; another one may do"
            )
        given = {"messages": self.prepared(messages), "tools": tools, **variables}
        mark = self._unused_character(given)
        marked = self._tokenizer.mark_untrusted(given, mark)
        text = self.render(**marked, add_generation_prompt=add_generation_prompt)
        # A template may also write messages as ASCII-only JSON.
        return self._tokenizer.encode_marked(text.replace(_as_ascii(mark), mark), mark)

    def prepared(self, messages: Messages) -> list[dict[str, Any]]:
        """The messages as this template wants reasoning and tool calls.

        Raises TemplateError for tool calls that it would leave out.
        """
        plain = not any(m.get("tool_calls") or m.get("reasoning_content") for m in messages)
        return [dict(m) for m in messages] if plain else self._conventions.apply(messages)

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
        template = self._with_tools if variables["tools"] and self.tool_source else self._plain
        try:
            with metered(Meter(variables, self._seconds)):
                return _limited(template.generate({**tokens, **variables}))
        except RaisedByTemplateError as error:
            raise TemplateError(f"the chat template refused the messages: {error}") from error
        except jinja2.TemplateError as error:
            raise TemplateError(f"the chat template failed: {error}") from error
        # Templates run into every kind of Python's errors: None + "text", missing arguments ...
        except Exception as error:
            kind = type(error).__name__
            raise TemplateError(f"the chat template failed: {kind}: {error}") from error

    @cached_property
    def _plain(self) -> jinja2.Template:
        return self._compile(self.source)

    @cached_property
    def _with_tools(self) -> jinja2.Template:
        return self._compile(self.tool_source or self.source)

    def _compile(self, source: str) -> jinja2.Template:
        if len(source) > _LONGEST_SOURCE:
            raise TemplateError(
                f"the chat template has {len(source)} characters, at most {_LONGEST_SOURCE} allowed"
            )
        try:
            return TemplateSandbox(self._now).from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(
                f"the chat template is no valid Jinja: line {error.lineno}: {error.message}"
            ) from error
        # Deep nesting overflows the parsers of Jinja and Python, each with errors of its own.
        except Exception as error:
            raise TemplateError(f"the chat template is no valid Jinja: {error!r:.200}") from error


def _source(metadata: Metadata, key: str) -> str | None:
    source = metadata.get(key)
    if source is not None and not isinstance(source, str):
        raise TemplateError(f"{key} is {source!r:.40}, expected a string")
    return source


def _as_ascii(character: str) -> str:
    return json.dumps(character)[1:-1]


def _limited(pieces: Any) -> str:
    written = []
    chars = 0
    for piece in pieces:
        written.append(piece)
        chars += len(piece)
        if chars > VALUE_CHARS:
            raise jinja2.TemplateError(f"it writes more than {VALUE_CHARS} characters")
    return "".join(written)
