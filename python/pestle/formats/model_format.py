"""Which format a model's answers have: decided here, and nowhere else.

The chat template decides first, because it shows the model what its answers look like; the control
tokens of the vocabulary and the architecture decide what the template leaves open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from pestle.formats import harmony
from pestle.formats.calls import Schemas, named_call, schemas_of
from pestle.formats.calls_fenced import separated_call
from pestle.formats.calls_listed import llama_calls, mistral_calls
from pestle.formats.calls_xml import dsml_call, function_call
from pestle.formats.harmony import HarmonyParser
from pestle.formats.marks import Marks
from pestle.formats.parser import Parser, PlainParser
from pestle.formats.streamed import Begun
from pestle.formats.tagged import CLOSE, OPEN, CallTags, TaggedParser
from pestle.formats.trailing import TrailingCalls, TrailingParser
from pestle.results import ToolCall

CallForm: TypeAlias = Literal["json", "xml", "separated", "dsml", "mistral", "llama"]
Name: TypeAlias = Literal["plain", "harmony", "tagged", "trailing"]
Stands: TypeAlias = Literal["start", "reasoning", "reasoned", "within"]
"""At its beginning, within its reasoning, behind it, or within something else."""

_DSML = "\uff5cDSML\uff5c"
SEPARATED = tuple(
    f"<\uff5ctool\u2581{name}\uff5c>"
    for name in ("call\u2581begin", "call\u2581end", "calls\u2581begin", "calls\u2581end", "sep")
)
_TOOL_CALL, _TOOL_CALL_END = "<tool_call>", "</tool_call>"
FENCE = "```json"
MISTRAL = ("[TOOL_CALLS]", "[CALL_ID]", "[ARGS]")
_PYTHON_TAG = "<|python_tag|>"
_TAIL = 32  # tokens at the end of a prompt in which a format looks for what it has begun


class TokenLookup(Protocol):
    """What a format needs of a tokenizer."""

    def token_id(self, text: str) -> int | None: ...
    def token_bytes(self, token: int) -> bytes: ...
    def encode(
        self, text: str, *, add_special: bool = ..., parse_special: bool = ...
    ) -> list[int]: ...


@dataclass(frozen=True)
class Format:
    """How a model's answers are to be read.

    name       "harmony", "tagged" (`<think>`, tags around calls), "trailing" (calls last, without
               an end), or "plain": all is content
    calls      the form of tool calls; None: the model has none that is known
    thinks     whether reasoning can be told from the rest
    lead_out   tokens that end the reasoning as the model itself does; none where it does not think
    writes     which of the parts that calls of one form may have or not the template writes: the
               fence of DeepSeek V3 and R1, Mistral's `[ARGS]` and `[CALL_ID]`
    """

    name: Name
    calls: CallForm | None
    thinks: bool
    lead_out: tuple[int, ...]
    vocabulary: TokenLookup
    writes: frozenset[str] = frozenset()

    def parser(
        self,
        prompt: Sequence[int],
        tools: Sequence[Any] | None = None,
        *,
        must_call: bool = False,
    ) -> Parser:
        """A parser for the answer to `prompt`, the tokens of a whole chat.

        Of calls of `tools` it hands on the arguments as they come, where it is certain that they
        are such calls. `must_call`: the answer is held to calls.
        """
        schemas = schemas_of(tools)
        if self.name == "harmony":
            marks = Marks(self.vocabulary, harmony.MARKS)
            return HarmonyParser(marks, schemas, _last_header(marks, self.vocabulary, prompt))
        if self.name == "plain":
            return PlainParser(Marks(self.vocabulary, ()))
        if self.name == "trailing":
            return self._trailing(Marks(self.vocabulary, self.marks), schemas, must_call)
        marks = Marks(self.vocabulary, _spellings(self.calls, self.thinks))
        return TaggedParser(
            marks,
            thinks=self.thinks,
            calls=None if self.calls is None else _call_tags(self.calls, marks, schemas),
            in_reasoning=self.thinks and _begins_reasoning(marks, self.vocabulary, prompt),
        )

    def _trailing(self, marks: Marks, schemas: Schemas, must_call: bool) -> Parser:
        def listed(text: str, first: bool) -> Begun:
            from pestle.formats import call_heads  # here: answers without calls need none of it

            return call_heads.listed(text, marks, schemas, first=first)

        if self.calls == "llama":
            calls = TrailingCalls(
                marks[_PYTHON_TAG], lambda text: llama_calls(marks.spelled(text)), listed
            )
            return TrailingParser(marks, calls, without_mark=schemas, calling=must_call)
        begin, call_id, arguments = (marks[spelling] for spelling in MISTRAL)

        def read(text: str) -> list[ToolCall]:
            calls = mistral_calls(text, arguments, call_id)
            return [ToolCall(c.name, marks.spelled(c.arguments)) for c in calls]

        def head(text: str, first: bool) -> Begun:
            from pestle.formats import call_heads

            stated = call_heads.stated(text, marks, schemas, arguments, call_id) if first else None
            return stated or listed(text, first)

        return TrailingParser(marks, TrailingCalls(begin, read, head))

    @property
    def marks(self) -> tuple[str, ...]:
        """The spellings of the control tokens that the format gives a meaning."""
        if self.name == "harmony":
            return harmony.MARKS
        if self.name == "trailing":
            return MISTRAL if self.calls == "mistral" else (_PYTHON_TAG,)
        return () if self.name == "plain" else _spellings(self.calls, self.thinks)

    @property
    def first_mark_of_calls(self) -> str | None:
        """The mark with which calls begin, and nothing else does; None where there is none."""
        if self.calls == "mistral":
            return MISTRAL[0]
        if self.name != "tagged" or self.calls in (None, "dsml"):
            return None
        return SEPARATED[2] if self.calls == "separated" else _TOOL_CALL

    @property
    def marks_calls(self) -> bool:
        """Whether tokens tell where calls begin, so that an answer that need not call can be held
        to calls of certain tools.
        """
        if self.name == "harmony":
            return True
        marks = (self.first_mark_of_calls or "", *((OPEN, CLOSE) if self.thinks else ()))
        return all(self.vocabulary.token_id(mark) is not None for mark in marks)

    def stands(self, prompt: Sequence[int]) -> Stands:
        """Where an answer to `prompt` begins."""
        marks = Marks(self.vocabulary, self.marks)
        tail = _written(marks, self.vocabulary, prompt[-_TAIL:])
        if self.name == "harmony":
            if self.parser(prompt).in_reasoning:
                return "reasoning"
            return "start" if tail.endswith(f"{marks[harmony.START]}assistant") else "within"
        if self.thinks and tail.rstrip().endswith(marks[OPEN]):
            return "reasoning"
        return "reasoned" if self.thinks and tail.rstrip().endswith(marks[CLOSE]) else "start"


def format_of(architecture: str, template: str | None, vocabulary: TokenLookup) -> Format:
    """The format of a model, by its file's metadata.

    `architecture` is `general.architecture`, `template` the chat template in use.
    """
    source = template or ""
    if all(vocabulary.token_id(mark) is not None for mark in harmony.MARKS) and (
        harmony.CHANNEL in source or architecture == "gpt-oss"
    ):
        lead_out = f"{harmony.END}{harmony.START}assistant{harmony.CHANNEL}final{harmony.MESSAGE}"
        return Format("harmony", "json", True, _tokens(vocabulary, lead_out), vocabulary)
    calls = _call_form(source)
    thinks = OPEN in source or CLOSE in source
    if calls is None and not thinks and (trailing := _trailing_form(source)) is not None:
        return Format("trailing", trailing, False, (), vocabulary, _parts(source))
    thinks = thinks or _has_tags(vocabulary)
    if calls is None and not thinks:
        return Format("plain", None, False, (), vocabulary)
    lead_out = CLOSE if calls == "dsml" or f"{OPEN}{CLOSE}" in source else f"\n{CLOSE}\n\n"
    tokens = _tokens(vocabulary, lead_out) if thinks else ()
    return Format("tagged", calls, thinks, tokens, vocabulary, _parts(source))


def _call_form(template: str) -> CallForm | None:
    if _DSML in template:
        return "dsml"
    if SEPARATED[0] in template:
        return "separated"
    if "<function=" in template:
        return "xml"
    return "json" if _TOOL_CALL in template else None


def _parts(template: str) -> frozenset[str]:
    return frozenset(part for part in (FENCE, *MISTRAL[1:]) if part in template)


def _trailing_form(template: str) -> CallForm | None:
    if MISTRAL[0] in template:
        return "mistral"
    return "llama" if '"parameters": ' in template and "ipython" in template else None


def _has_tags(vocabulary: TokenLookup) -> bool:
    return vocabulary.token_id(OPEN) is not None and vocabulary.token_id(CLOSE) is not None


def _tokens(vocabulary: TokenLookup, text: str) -> tuple[int, ...]:
    return tuple(vocabulary.encode(text, add_special=False, parse_special=True))


def _spellings(calls: CallForm | None, thinks: bool) -> tuple[str, ...]:
    tags: tuple[str, ...] = (OPEN, CLOSE) if thinks else ()
    if calls == "separated":
        return (*tags, *SEPARATED)
    if calls == "dsml":
        return (*tags, _DSML)
    return tags if calls is None else (*tags, _TOOL_CALL, _TOOL_CALL_END)


def _call_tags(form: CallForm, marks: Marks, schemas: Schemas) -> CallTags:
    def head(text: str) -> Begun:
        from pestle.formats import call_heads  # here: answers without calls need none of it

        if form == "dsml":
            return call_heads.invoke(text, marks, schemas, marks[_DSML], end)
        if form == "separated":
            return call_heads.separated(text, marks, schemas, marks[SEPARATED[4]], end)
        named = call_heads.named(text, marks, schemas, end)
        return named or call_heads.function(text, marks, schemas, end)

    if form == "dsml":
        dsml = marks[_DSML]
        end = f"</{dsml}invoke>"
        return CallTags(
            begin=f'<{dsml}invoke name="',
            end=end,
            around=(f"<{dsml}function_calls>", f"</{dsml}function_calls>"),
            read=lambda text: dsml_call(text, dsml),
            head=head,
        )
    if form == "separated":
        begin, end, first, last, separator = (marks[spelling] for spelling in SEPARATED)
        around = (first, last)
        return CallTags(begin, end, around, lambda text: separated_call(text, separator), head)

    def read(text: str) -> Any:
        spelled = marks.spelled(text)
        if spelled.lstrip().startswith("<"):  # Qwen3-Coder; which of the two, the call itself tells
            return function_call(spelled, schemas)
        return named_call(spelled)

    end = marks[_TOOL_CALL_END]
    return CallTags(marks[_TOOL_CALL], end, (), read, head)


def _begins_reasoning(marks: Marks, vocabulary: TokenLookup, prompt: Sequence[int]) -> bool:
    """Whether the prompt ends with an open `<think>`, and at most blanks after it."""
    tail = _written(marks, vocabulary, prompt[-_TAIL:])
    return tail.rstrip().endswith(marks[OPEN])


def _last_header(marks: Marks, vocabulary: TokenLookup, prompt: Sequence[int]) -> str:
    """What of a harmony message the prompt has begun."""
    _, found, header = _written(marks, vocabulary, prompt[-_TAIL:]).rpartition(marks[harmony.START])
    return header if found else ""


def _written(marks: Marks, vocabulary: TokenLookup, tokens: Sequence[int]) -> str:
    return "".join(
        marks.write(token, vocabulary.token_bytes(token).decode(errors="replace"))
        for token in tokens
    )
