"""How harmony tells a model of its tools: TypeScript declarations of a JSON schema.

Source: OpenAI, `docs/format.md` of openai/harmony, "Function calling" and "Built-in tools"; the
tests compare with the `openai-harmony` package.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

FUNCTIONS = "functions"
_PLAIN = {"number": "number", "integer": "number", "boolean": "boolean"}

_BROWSER = (
    "Tool for browsing.",
    "The `cursor` appears in brackets before each browsing display: `[{cursor}]`.",
    "Cite information from the tool using the following format:",
    (
        "`\u3010{cursor}\u2020L{line_start}(-L{line_end})?\u3011`, for example: "
        "`\u30106\u2020L9-L11\u3011` or `\u30108\u2020L3\u3011`."
    ),
    "Do not quote more than 10 words directly from the tool output.",
    "sources=web (default: web)",
)
_PYTHON = (
    "Use this tool to execute Python code in your chain of thought. The code will not be shown to "
    "the user. This tool should be used for internal reasoning, but not for code that is intended "
    "to be visible to the user (e.g. when creating plots, tables, or files).\n\n"
    "When you send a message containing Python code to python, it will be executed in a stateful "
    "Jupyter notebook environment. python will respond with the output of the execution or time "
    "out after 120.0 seconds. The drive at '/mnt/data' can be used to save and persist user files. "
    "Internet access for this session is UNKNOWN. Depends on the cluster."
)


def _number(default: int | None = None) -> dict[str, Any]:
    return {"type": "number"} if default is None else {"type": "number", "default": default}


_BROWSER_TOOLS: tuple[dict[str, Any], ...] = (
    {
        "name": "search",
        "description": "Searches for information related to `query` and displays `topn` results.",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": "string"},
                "topn": _number(10),
                "source": {"type": "string"},
            },
            "required": ["query"],
        },
    },
    {
        "name": "open",
        "description": "Opens the link `id` from the page indicated by `cursor` starting at line "
        "number `loc`, showing `num_lines` lines.\n"
        "Valid link ids are displayed with the formatting: `\u3010{id}\u2020.*\u3011`.\n"
        "If `cursor` is not provided, the most recent page is implied.\n"
        "If `id` is a string, it is treated as a fully qualified URL associated with `source`.\n"
        "If `loc` is not provided, the viewport will be positioned at the beginning of the "
        "document or centered on the most relevant passage, if available.\n"
        "Use this function without `id` to scroll to a new location of an opened page.",
        "parameters": {
            "type": "object",
            "properties": {
                "id": {"type": ["number", "string"], "default": -1},
                "cursor": _number(-1),
                "loc": _number(-1),
                "num_lines": _number(-1),
                "view_source": {"type": "boolean", "default": False},
                "source": {"type": "string"},
            },
        },
    },
    {
        "name": "find",
        "description": "Finds exact matches of `pattern` in the current page, or the page given by "
        "`cursor`.",
        "parameters": {
            "type": "object",
            "properties": {"pattern": {"type": "string"}, "cursor": _number(-1)},
            "required": ["pattern"],
        },
    },
)


def tools_section(functions: Sequence[Any], builtin: Sequence[str] = ()) -> str:
    """The `# Tools` section of a system message (built-in tools) or a developer message.

    `functions` are tools as the OpenAI API has them, `builtin` names: "browser", "python".
    """
    sections = ["# Tools"]
    if "browser" in builtin:
        sections.append(_namespace("browser", _BROWSER_TOOLS, _BROWSER))
    if "python" in builtin:
        sections.append(f"## python\n\n{_PYTHON}")
    if functions:
        declared = [tool.get("function", tool) for tool in functions]
        sections.append(_namespace(FUNCTIONS, declared))
    return "\n\n".join(sections)


def _namespace(name: str, tools: Sequence[Mapping[str, Any]], about: Sequence[str] = ()) -> str:
    head = "".join(f"// {line}\n" for line in about)
    declarations = "".join(f"{_declaration(tool)}\n\n" for tool in tools)
    return f"## {name}\n\n{head}namespace {name} {{\n\n{declarations}}} // namespace {name}"


def _declaration(tool: Mapping[str, Any]) -> str:
    comment = "".join(f"// {line}\n" for line in str(tool.get("description") or "").split("\n"))
    parameters = tool.get("parameters")
    taken = ""
    if isinstance(parameters, Mapping) and "type" in parameters:
        taken = f"_: {_type(parameters, '')}"
    return f"{comment}type {tool['name']} = ({taken}) => any;"


def _type(schema: Any, indent: str) -> str:
    """A schema as a TypeScript type."""
    if not isinstance(schema, Mapping):
        return "any"
    if isinstance(options := schema.get("oneOf"), list):
        inside = f"{indent}   "
        return "".join(f"\n{indent} | {_option(option, inside)}" for option in options)
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_PLAIN.get(name, name) for name in map(str, kind))
    if kind == "object":
        return _object(schema, indent)
    if kind == "array":
        items = schema.get("items")
        return "Array<any>" if items is None else f"{_type(items, indent)}[]"
    if kind == "string":
        values = _enum(schema)
        return " | ".join(f'"{value}"' for value in values) if values else "string"
    return _PLAIN.get(str(kind), "any")


def _object(schema: Mapping[str, Any], indent: str) -> str:
    about = f"{indent}// {schema['description']}\n" if "description" in schema else ""
    required = schema.get("required") or ()
    lines = [
        line
        for name, property_ in (schema.get("properties") or {}).items()
        for line in _property(f"{name}{'' if name in required else '?'}", property_, indent)
    ]
    return f"{about}{{\n" + "".join(f"{indent}{line}\n" for line in lines) + f"{indent}}}"


def _property(name: str, schema: Any, indent: str) -> Iterator[str]:
    """The lines of a property, its comments before it."""
    known = schema if isinstance(schema, Mapping) else {}
    if "title" in known:
        yield f"// {known['title']}"
        yield "//"
    options = known.get("oneOf")
    described = [f"// {known['description']}"] if "description" in known else []
    if not isinstance(options, list):
        yield from described
    if examples := known.get("examples"):
        yield "// Examples:"
        yield from (f'// - "{example}"' for example in examples if isinstance(example, str))
    if isinstance(options, list):
        first = options[0] if options else None
        again = isinstance(first, Mapping) and first.get("description") == known.get("description")
        yield from () if again else described
        if "default" in known:
            yield f"// {_default(known)}"
        yield f"{name}:"
        for n, option in enumerate(options):
            # The first one's own description gives way to the property's.
            kept = n > 0 or "description" not in known
            yield f" | {_option(option, f'{indent}   ', known.get('description'), kept)}"
        yield ","
        return
    default = f" // {_default(known)}" if "default" in known else ""
    yield f"{name}: {_nullable(_type(schema, f'{indent}    '), known)},{default}"


def _option(schema: Any, indent: str, described: Any = None, kept: bool = True) -> str:
    """One of several types, with its comment; its description only if it is `kept` and new."""
    known = schema if isinstance(schema, Mapping) else {}
    new = kept and known.get("description") not in (None, described)
    comments = [known["description"]] if new else []
    comments += [_default(known)] if "default" in known else []
    comment = f" // {' '.join(comments)}" if comments else ""
    return _nullable(_type(schema, indent), known) + comment


def _nullable(type_: str, schema: Mapping[str, Any]) -> str:
    return f"{type_} | null" if schema.get("nullable") is True and "null" not in type_ else type_


def _default(schema: Mapping[str, Any]) -> str:
    value = schema["default"]
    if isinstance(value, str):
        return f"default: {value}" if _enum(schema) else f'default: "{value}"'
    return f"default: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}"


def _enum(schema: Mapping[str, Any]) -> list[Any]:
    values = schema.get("enum")
    return values if isinstance(values, list) else []
