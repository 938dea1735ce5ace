"""Tool calls as DeepSeek V3, R1 and V3.1 write them."""

from __future__ import annotations

from pestle.formats.calls import MalformedCallError, arguments_text, named_call
from pestle.results import ToolCall

_FENCE = "```"


def separated_call(text: str, separator: str) -> ToolCall:
    """The call in `function SEPARATOR NAME`, then its arguments as fenced JSON: V3, R1.

    V3.1 writes `NAME SEPARATOR` and its arguments without a fence. What stands behind the separator
    tells the two apart.
    """
    head, found, rest = text.partition(separator)
    if not found and text.lstrip().startswith("{"):
        return named_call(text)  # the tags are right, what they hold is another model's
    if not found:
        raise MalformedCallError("the tool call has no separator")
    name, fence, arguments = rest.partition(_FENCE)
    if not fence or rest.lstrip().startswith("{"):
        name, arguments = head, rest
    else:
        arguments = arguments.removeprefix("json").rstrip().removesuffix(_FENCE)
    name = name.strip()
    if not name or "\n" in name:
        raise MalformedCallError("the tool call has no name")
    return ToolCall(name, arguments_text(arguments))
