"""How each family of models says what it means, as its chat template shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from pestle.formats import Content, Event, Reasoning
from pestle.formats.harmony import MARKS
from pestle.results import ToolCall

from tests.unit.formats.answers import Dialect, Mark

BAR, LOW = "\uff5c", "\u2581"
SEPARATED = {
    name: Mark(f"<{BAR}tool{LOW}{name.replace(' ', LOW)}{BAR}>")
    for name in ("calls begin", "calls end", "call begin", "call end", "sep")
}
DSML = Mark(f"{BAR}DSML{BAR}")
HERMES = BEGIN, END = Mark("<tool_call>"), Mark("</tool_call>")
MISTRAL = TOOL_CALLS, CALL_ID, ARGS = Mark("[TOOL_CALLS]"), Mark("[CALL_ID]"), Mark("[ARGS]")
PYTHON_TAG = Mark("<|python_tag|>")
THINK = OPEN, CLOSE = Mark("<think>"), Mark("</think>")
START, CHANNEL, MESSAGE, CONSTRAIN, END_MESSAGE, RETURN, CALL = map(Mark, MARKS)


def harmony(random: Random, events: list[Event]) -> list[str]:
    said: list[str] = []
    for event in events:
        if said:
            said += [START, "assistant"]
        if isinstance(event, Reasoning):
            said += [CHANNEL, "analysis", MESSAGE, event.text, END_MESSAGE]
        elif isinstance(event, Content):
            channel = random.choice(("final", "commentary"))
            said += [CHANNEL, channel, MESSAGE, event.text, END_MESSAGE]
        else:
            to = f" to=functions.{event.name}"
            kind = random.choice(([CONSTRAIN, "json"], ["json"], []))
            header = random.choice(
                (
                    [to, CHANNEL, "commentary ", *kind],
                    [CHANNEL, f"commentary{to} ", *kind],
                )
            )
            said += [*header, MESSAGE, event.arguments, CALL]
    return said


def tagged(
    calls: Callable[[list[ToolCall]], list[str]], *, opened: bool = False
) -> Callable[[Random, list[Event]], list[str]]:
    def say(random: Random, events: list[Event]) -> list[str]:
        said: list[str] = []
        if opened and not any(isinstance(event, Reasoning) for event in events):
            said.append(CLOSE)
        for event in events:
            if isinstance(event, Reasoning):
                begin = [] if opened else [OPEN, "\n"]
                said += [*begin, event.text, "\n", CLOSE, "\n\n"]
            elif isinstance(event, Content):
                said.append(event.text)
        wanted = [event for event in events if isinstance(event, ToolCall)]
        if wanted:
            said += ["\n"] if any(isinstance(event, Content) for event in events) else []
            said += calls(wanted)
        return said

    return say


def hermes(calls: list[ToolCall]) -> list[str]:
    said: list[str] = []
    for call in calls:
        body = f'\n{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}\n'
        said += [*(["\n"] if said else []), BEGIN, body, END]
    return said


def coder(calls: list[ToolCall]) -> list[str]:
    said: list[str] = []
    for call in calls:
        values = "".join(
            f"<parameter={key}>\n{_as_jinja_writes(value)}\n</parameter>\n"
            for key, value in json.loads(call.arguments).items()
        )
        body = f"\n<function={call.name}>\n{values}</function>\n"
        said += ["\n", BEGIN, body, END]
    return said


def _as_jinja_writes(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def v3(calls: list[ToolCall]) -> list[str]:
    said: list[str] = [SEPARATED["calls begin"]]
    for n, call in enumerate(calls):
        body = f"{call.name}\n```json\n{call.arguments}\n```"
        said += ["\n"] if n else []
        said += [SEPARATED["call begin"], "function", SEPARATED["sep"], body, SEPARATED["call end"]]
    return [*said, SEPARATED["calls end"]]


def v31(calls: list[ToolCall]) -> list[str]:
    said: list[str] = [SEPARATED["calls begin"]]
    for call in calls:
        said += [SEPARATED["call begin"], call.name, SEPARATED["sep"]]
        said += [call.arguments, SEPARATED["call end"]]
    return [*said, SEPARATED["calls end"]]


def v32(calls: list[ToolCall]) -> list[str]:
    said = ["\n\n", "<", DSML, "function_calls>\n"]
    for call in calls:
        said += ["<", DSML, f'invoke name="{call.name}">\n']
        for key, value in json.loads(call.arguments).items():
            string = isinstance(value, str)
            written = value if string else json.dumps(value, ensure_ascii=False)
            said += ["<", DSML, f'parameter name="{key}" string="{str(string).lower()}">']
            said += [written, "</", DSML, "parameter>\n"]
        said += ["</", DSML, "invoke>\n"]
    return [*said, "</", DSML, "function_calls>"]


def plain(random: Random, events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Content)]


def trailing(
    calls: Callable[[list[ToolCall]], list[str]],
) -> Callable[[Random, list[Event]], list[str]]:
    def say(random: Random, events: list[Event]) -> list[str]:
        said = [event.text for event in events if isinstance(event, Content)]
        wanted = [event for event in events if isinstance(event, ToolCall)]
        return [*said, *(calls(wanted) if wanted else [])]

    return say


def mistral_list(calls: list[ToolCall]) -> list[str]:
    each = [f'{{"name": {json.dumps(c.name)}, "arguments": {c.arguments}}}' for c in calls]
    return [TOOL_CALLS, f"[{', '.join(each)}]"]


def mistral_args(calls: list[ToolCall]) -> list[str]:
    said: list[str] = []
    for n, call in enumerate(calls):
        identity = [CALL_ID, f"call{n:05}"] if n % 2 else []
        said += [TOOL_CALLS, call.name, *identity, ARGS, call.arguments]
    return said


def llama(calls: list[ToolCall]) -> list[str]:
    each = [f'{{"name": {json.dumps(c.name)}, "parameters": {c.arguments}}}' for c in calls]
    return [PYTHON_TAG, "; ".join(each)]


SEPARATED_TEMPLATE = "</think>" + "".join(SEPARATED.values())
DIALECTS = [
    Dialect("harmony", "gpt-oss", "", MARKS, harmony, prompt=(START, "assistant")),
    Dialect("qwen3", "qwen3", "<think></think>\n\n<tool_call>", (*THINK, *HERMES), tagged(hermes)),
    Dialect(
        "qwen3 thinking",
        "qwen3",
        "<think>\n</think><tool_call>",
        (*THINK, *HERMES),
        tagged(hermes, opened=True),
        prompt=(OPEN, "\n"),
    ),
    Dialect("qwen2.5", "qwen2", "<tool_call>", HERMES, tagged(hermes), thinks=False),
    Dialect("coder", "qwen3moe", "<tool_call><function=", (*THINK, *HERMES), tagged(coder)),
    Dialect(
        "deepseek v3",
        "deepseek2",
        "".join(SEPARATED.values()),
        tuple(SEPARATED.values()),
        tagged(v3),
        thinks=False,
    ),
    Dialect(
        "deepseek r1",
        "deepseek2",
        SEPARATED_TEMPLATE,
        (*THINK, *SEPARATED.values()),
        tagged(v3, opened=True),
        prompt=(OPEN, "\n"),
    ),
    Dialect(
        "deepseek v3.1",
        "deepseek2",
        SEPARATED_TEMPLATE,
        (*THINK, *SEPARATED.values()),
        tagged(v31, opened=True),
        prompt=(OPEN,),
    ),
    Dialect(
        "deepseek v3.2",
        "deepseek2",
        f"<think></think>{DSML}",
        (*THINK, DSML),
        tagged(v32, opened=True),
        prompt=(OPEN,),
    ),
    Dialect("mistral", "llama", "[TOOL_CALLS]", MISTRAL, trailing(mistral_list), thinks=False),
    Dialect("mistral args", "llama", "[TOOL_CALLS]", MISTRAL, trailing(mistral_args), thinks=False),
    Dialect(
        "llama 3",
        "llama",
        'ipython "parameters": ',
        (PYTHON_TAG,),
        trailing(llama),
        thinks=False,
    ),
    Dialect("plain", "llama", "", (), plain, thinks=False, calls=False),
]
