"""Published templates that are known to be wrong, and what is done about each.

A template is the model's own and is used as it is. Only where one that was published is known to
write what the model was not trained on, or nothing at all, is it put right, and its user is told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CALL_FORM = (
    "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>tool_call_name"
    "<\uff5ctool\u2581sep\uff5c>tool_call_arguments<\uff5ctool\u2581call\u2581end\uff5c>"
    "{additional_tool_calls}<\uff5ctool\u2581calls\u2581end\uff5c>"
)
# The description of tools that DeepSeek-V3.1's model card gives; its template has none.
_V31_TOOLS = (
    "{%- if tools is defined and tools -%}"
    "{{ '\n\n## Tools\nYou have access to the following tools:\n' }}"
    "{%- for tool in tools -%}"
    "{{ '\n### ' + tool['function']['name'] + '\nDescription: ' }}"
    "{{ tool['function']['description'] or '' }}"
    "{{ '\n\nParameters: ' + tool['function']['parameters'] | tojson + '\n' }}"
    "{%- endfor -%}"
    "{{ '\nIMPORTANT: ALWAYS adhere to this exact format for tool use:\n"
    + _CALL_FORM
    + "\n\nWhere:\n"
    "- `tool_call_name` must be an exact match to one of the available tools\n"
    "- `tool_call_arguments` must be valid JSON that strictly follows the tool\\'s Parameters "
    "Schema\n- For multiple tool calls, chain them directly without separators or spaces' }}"
    "{%- endif -%}"
)


@dataclass(frozen=True)
class Repair:
    """One known mistake.

    name     of the template that has it
    notice   what is wrong, for its user
    edits    patterns, all of which a template with the mistake has, and what takes their place
    lacks    texts that it does not have
    """

    name: str
    notice: str
    edits: tuple[tuple[re.Pattern[str], str], ...]
    lacks: tuple[str, ...] = ()

    def concerns(self, source: str) -> bool:
        """Whether a template has this mistake."""
        return all(pattern.search(source) for pattern, _ in self.edits) and not any(
            text in source for text in self.lacks
        )

    def apply(self, source: str) -> str:
        """The template without the mistake."""
        for pattern, replacement in self.edits:
            source = pattern.sub(replacement, source)
        return source


REPAIRS = (
    Repair(
        name="DeepSeek V3 and R1",
        notice="it does not end a message with one tool call, and takes the tool calls and results "
        "of a later round for those of the first",
        edits=(
            (
                re.compile(
                    r"(\{\{'<\uff5ctool\u2581calls\u2581end\uff5c><\uff5cend\u2581of\u2581sentence"
                    r"\uff5c>'\}\})(\s*\{%- endif -?%\}\s*\{%- endfor -?%\})"
                ),
                r"\2\1",
            ),
            (
                re.compile(r"(?=\{%- for tool in message\['tool_calls'\]\s*-?%\})"),
                "{%- set ns.is_first = false -%}{%- set ns.is_output_first = true -%}",
            ),
        ),
    ),
    Repair(
        name="DeepSeek V3.1",
        notice="it does not tell the model of its tools; they are described as in the model card",
        edits=(
            (
                re.compile(r"(\{\{\s*bos_token\s*\}\}\{\{\s*ns\.system_prompt\s*\}\})"),
                r"\1" + _V31_TOOLS.replace("\\", "\\\\"),
            ),
            (re.compile(r"(<\uff5ctool\u2581sep\uff5c>'\s*\+\s*tool\['function'\]\['arg)"), r"\1"),
        ),
        lacks=("in tools", "```json"),
    ),
    Repair(
        name="llama.cpp's DeepSeek R1",
        notice="it cannot write its tools as JSON",
        edits=((re.compile(r"(map\(attribute='function'\))( \| tojson)"), r"\1 | list\2"),),
    ),
    Repair(
        name="QwQ and DeepSeek R1 distills for llama.cpp",
        notice="it closes the reasoning where nobody has switched it off",
        edits=(
            (
                re.compile("if not enable_thinking"),
                "if enable_thinking is defined and not enable_thinking",
            ),
        ),
        lacks=("enable_thinking is defined",),
    ),
)


def repaired(source: str) -> tuple[str, tuple[str, ...]]:
    """The template without known mistakes, and what was wrong with it."""
    notices = []
    for repair in REPAIRS:
        if repair.concerns(source):
            source = repair.apply(source)
            notices.append(f"The chat template ({repair.name}) is put right: {repair.notice}.")
    return source, tuple(notices)
