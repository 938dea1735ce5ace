"""Tool calls as grammars, in each model's own form: what `pestle.formats` reads, written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pestle.constraints.call_values import COMBINED, CallableTool, TextValues
from pestle.constraints.grammar import json_rule, literal
from pestle.formats import Format
from pestle.formats.model_format import FENCE, MISTRAL, SEPARATED

Spell = Callable[[str], str]
"""A mark as a part of a Lark rule: its token where it is one, else its spelling."""

_ANYTHING = {"type": "object"}


def arguments_grammar(tool: CallableTool) -> str:
    """The arguments of a call as a JSON object, as Lark."""
    return f"start: {_object(tool)}\n"


def calls_grammar(
    form: Format, spell: Spell, tools: Sequence[CallableTool], *, several: bool
) -> str:
    """One call of any of `tools`, or `several`, with all that stands around them, as Lark."""
    write = _FORMS[form.calls or "json"]
    return write(form, spell, tools, several)


def _hermes(form: Format, spell: Spell, tools: Sequence[CallableTool], several: bool) -> str:
    call = rf'{spell("<tool_call>")} "\n" one "\n" {spell("</tool_call>")}'
    return _repeated(call, r'"\n"', several) + _rules(tools, _named("arguments"))


def _xml(form: Format, spell: Spell, tools: Sequence[CallableTool], several: bool) -> str:
    # As Python writes them: the template lets Jinja do it.
    booleans = ("true", "false", "True", "False")
    end, end_after_json = r"\n<\/parameter>", r'"\n</parameter>"'
    text = TextValues(end, end_after_json, lazy=True, booleans=booleans)

    def one(tool: CallableTool) -> str:
        def write(key: str, value: str, bare: bool) -> str:
            return rf'{literal(f"<parameter={key}>")} "\n" {value} "\n"'

        name = literal(f"<function={tool.name}>")
        if tool.schema is None:
            any_key = rf'"<parameter=" /[^>\n]+/ ">\n" {text.any_text()} "\n"'
            return rf'{name} "\n" ({any_key})* "</function>"'
        return rf'{name} "\n" {text.parameters(tool, write)} "</function>"'

    call = rf'{spell("<tool_call>")} "\n" one "\n" {spell("</tool_call>")}'
    return _repeated(call, r'"\n"', several) + _rules(tools, one) + text.rules


def _separated(form: Format, spell: Spell, tools: Sequence[CallableTool], several: bool) -> str:
    begin, end, first, last, sep = map(spell, SEPARATED)
    fenced = FENCE in form.writes

    def one(tool: CallableTool) -> str:
        if not fenced:
            return f"{begin} {literal(tool.name)} {sep} {_object(tool)} {end}"
        head = literal(f"{tool.name}\n```json\n")
        return f'{begin} "function" {sep} {head} {_object(tool)} "\\n```" {end}'

    more = ('("\\n" one)*' if fenced else "one*") if several else ""
    start = f"start: {first} one {more} {last}\n"
    return start + _rules(tools, one)


def _dsml(form: Format, spell: Spell, tools: Sequence[CallableTool], several: bool) -> str:
    dsml = spell("\uff5cDSML\uff5c")
    # Text goes on to the mark, which is not text: it may hold any other end tag.
    text = TextValues(r"<\/", '"</"', lazy=False)

    def one(tool: CallableTool) -> str:
        def write(key: str, value: str, bare: bool) -> str:
            head = literal(f'parameter name="{key}" string="{str(bare).lower()}">')
            return f'"<" {dsml} {head} {value} {dsml} "parameter>\\n"'

        assert tool.schema is not None  # optional calls cannot be told by one token
        head = literal(f'invoke name="{tool.name}">\n')
        return f'"<" {dsml} {head} {text.parameters(tool, write)} "</" {dsml} "invoke>\\n"'

    start = (
        f'start: "<" {dsml} "function_calls>\\n" one{"+" if several else ""} '
        f'"</" {dsml} "function_calls>"\n'
    )
    return start + _rules(tools, one) + text.rules


def _mistral(form: Format, spell: Spell, tools: Sequence[CallableTool], several: bool) -> str:
    begin, call_id, arguments = map(spell, MISTRAL)
    if MISTRAL[2] not in form.writes:
        more = '(", " one)*' if several else ""
        return f'start: {begin} "[" one {more} "]"\n' + _rules(tools, _named("arguments"))
    identity = f"{call_id} /[a-zA-Z0-9]{{9}}/" if MISTRAL[1] in form.writes else ""

    def one(tool: CallableTool) -> str:
        return f"{begin} {literal(tool.name)} {identity} {arguments} {_object(tool)}"

    return f"start: one{'+' if several else ''}\n" + _rules(tools, one)


def _llama(form: Format, spell: Spell, tools: Sequence[CallableTool], several: bool) -> str:
    return "start: one\n" + _rules(tools, _named("parameters"))  # these models know one at a time


def _named(key: str) -> Callable[[CallableTool], str]:
    """A call as an object with its name, and its arguments under `key`."""

    def one(tool: CallableTool) -> str:
        head = literal('{"name": ' + literal(tool.name) + f', "{key}": ')
        return f'{head} {_object(tool)} "}}"'

    return one


_FORMS: dict[str, Callable[[Format, Spell, Sequence[CallableTool], bool], str]] = {
    "json": _hermes,
    "xml": _xml,
    "separated": _separated,
    "dsml": _dsml,
    "mistral": _mistral,
    "llama": _llama,
}


def _repeated(call: str, between: str, several: bool) -> str:
    more = f" ({between} call)*" if several else ""
    return f"start: call{more}\ncall: {call}\n"


def _rules(tools: Sequence[CallableTool], write: Callable[[CallableTool], str]) -> str:
    names = [f"tool_{n}" for n in range(len(tools))]
    each = [f"{name}: {write(tool)}\n" for name, tool in zip(names, tools, strict=True)]
    return f"one: {' | '.join(names)}\n" + "".join(each)


def _object(tool: CallableTool) -> str:
    if tool.schema is None:
        return json_rule(_ANYTHING)
    # A function takes no other arguments, whether or not its schema says so.
    closed = {} if tool.schema.keys() & COMBINED else {"additionalProperties": False}
    return json_rule({**_ANYTHING, **closed, **tool.schema})
