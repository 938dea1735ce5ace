"""Where a schema or a call begins in an answer: models that say what a script has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pestle import LLM, Conversation, TemplateError, ToolCall, UnsupportedError
from pestle.formats.harmony import MARKS

from .conftest import TEMPLATE as PLAIN
from .test_reasoning import CALL, CALL_END, CLOSE, HARMONY_TEMPLATE, HELLO, OPEN, QWEN, scripted
from .test_reasoning import TEMPLATE as TELLS_NOTHING

MakeLlm = Callable[..., LLM]
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
FUNCTION = {"name": "f", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}
STRICT = {"type": "function", "function": FUNCTION | {"strict": True}}
TELLS = "{% for tool in tools or () %}{{ tool | tojson }}{% endfor %}"
START, CHANNEL, MESSAGE, CONSTRAIN, END, RETURN, CALLS = range(259, 266)


def qwen(
    make_llm: MakeLlm, model: Any, template: str = TELLS + TELLS_NOTHING, n_ctx: int = 256
) -> LLM:
    return make_llm(marks=QWEN, template=template, architecture="qwen3", model=model, n_ctx=n_ctx)


def insists(n_vocab: int, *script: str | int) -> Callable[[list[int]], NDArray[np.float32]]:
    """A model that goes on with this, from wherever what it has said agrees with it furthest."""
    wanted: list[int] = []
    for part in script:
        wanted += [part] if isinstance(part, int) else part.encode()

    def logits(tokens: list[int]) -> NDArray[np.float32]:
        n = max(n for n in range(len(wanted)) if n == 0 or tokens[-n:] == wanted[:n])
        values = np.zeros(n_vocab, np.float32)
        values[[ord("}"), ord("7")]] = 5, 4
        values[wanted[n]] = 20
        return values

    return logits


def test_a_model_that_thinks_may(make_llm: MakeLlm) -> None:
    said = '{"n": 12}'
    llm = qwen(make_llm, scripted(OPEN, "\nhm {\n", CLOSE, "\n\n", said))
    answer = llm.chat(HELLO, json_schema=SCHEMA, temperature=0)
    assert (answer.reasoning, answer.text) == ("hm {", said)
    assert answer.finish_reason == "stop"


def test_a_model_that_does_not_need_not(make_llm: MakeLlm) -> None:
    llm = qwen(make_llm, scripted('{"n": 12}'))
    answer = llm.chat(HELLO, json_schema=SCHEMA, temperature=0)
    assert (answer.reasoning, answer.text) == ("", '{"n": 12}')


def test_reasoning_that_is_off_or_over_does_not_begin(make_llm: MakeLlm) -> None:
    llm = qwen(make_llm, scripted(OPEN, '"n": 12}'))
    off = llm.chat(HELLO, json_schema=SCHEMA, reasoning=False, temperature=0, max_tokens=3)
    assert OPEN not in off.token_ids
    assert off.text.startswith("{")
    behind = qwen(make_llm, scripted(CLOSE, OPEN, '{"n": 1}'))
    answer = behind.chat(HELLO, regex="[{].*", reasoning=True, temperature=0, max_tokens=30)
    assert answer.token_ids[0] == OPEN


def test_an_answer_does_not_end_within_its_reasoning(make_llm: MakeLlm) -> None:
    llm = qwen(make_llm, scripted(OPEN, "hm"))  # and then it would end
    answer = llm.chat(HELLO, json_schema=SCHEMA, temperature=0, max_tokens=20)
    assert answer.finish_reason == "length"
    assert answer.reasoning.startswith("hm")


def test_a_strict_call_fits_its_schema(make_llm: MakeLlm) -> None:
    wrong = '\n{"name": "f", "arguments": {"n": "'
    llm = qwen(make_llm, scripted("So.\n", CALL, wrong, 'x"}}\n', CALL_END))
    free = llm.chat(HELLO, tools=[TOOL], temperature=0)
    assert free.tool_calls == (ToolCall("f", '{"n": "x"}'),)
    model = insists(263, OPEN, CLOSE, "So.\n", CALL, wrong, 'x"}}')
    held = qwen(make_llm, model).chat(HELLO, tools=[STRICT], temperature=0, max_tokens=60)
    assert held.tool_calls == (ToolCall("f", '{"n": 7}'),)
    assert held.text.startswith("So.")


def test_a_schema_beside_tools(make_llm: MakeLlm) -> None:
    call = '\n{"name": "f", "arguments": {"n": 3}}\n'
    llm = qwen(make_llm, scripted(OPEN, "hm", CLOSE, "\n\n", CALL, call, CALL_END))
    answer = llm.chat(HELLO, tools=[TOOL], json_schema=SCHEMA, temperature=0)
    assert (answer.text, answer.tool_calls) == ("", (ToolCall("f", '{"n": 3}'),))
    llm = qwen(make_llm, scripted(OPEN, "hm", CLOSE, "\n\n", '{"n": 3}'))
    answer = llm.chat(HELLO, tools=[TOOL], json_schema=SCHEMA, temperature=0)
    assert (answer.text, answer.tool_calls) == ('{"n": 3}', ())


def test_tools_that_are_not_to_be_called_are_not_told(make_llm: MakeLlm) -> None:
    llm = qwen(make_llm, scripted("Hi"), TELLS_NOTHING)
    with pytest.raises(TemplateError, match="does not tell the model of tools"):
        llm.chat(HELLO, tools=[TOOL], tool_choice="auto")
    assert llm.chat(HELLO, tools=[TOOL], tool_choice="none", temperature=0).text == "Hi"
    llm = qwen(make_llm, scripted(CALL, '{"n": 1}'))
    held = llm.chat(
        HELLO, tools=[TOOL], tool_choice="none", json_schema=SCHEMA, temperature=0, max_tokens=2
    )
    assert CALL not in held.token_ids


def test_a_call_is_forced_once(make_llm: MakeLlm) -> None:
    def f() -> int:
        """A function."""
        return 1

    writes = TELLS_NOTHING.replace(
        "{{ m.content }}",
        "{{ m.content }}{% for c in m.tool_calls or () %}<tool_call>{{ c.function | tojson }}"
        "</tool_call>{% endfor %}",
    )
    llm = qwen(make_llm, scripted("So."), TELLS + writes, n_ctx=1000)
    conversation = Conversation(llm.session(), tools=[f])
    answer = conversation.converse(
        "Hi",
        tool_choice="required",
        reasoning=False,
        temperature=0,
        max_tokens=150,
        parallel_tool_calls=False,
    )
    roles = [message["role"] for message in conversation.messages]
    assert roles == ["user", "assistant", "tool", "assistant"]
    assert answer.tool_calls == ()


def test_harmony_holds_the_final_message_only(make_llm: MakeLlm) -> None:
    def harmony(*script: str | int) -> LLM:
        return make_llm(
            marks=MARKS,
            template=HARMONY_TEMPLATE,
            architecture="gpt-oss",
            model=insists(266, *script),
        )

    said = [CHANNEL, "analysis", MESSAGE, "{ hm", END, START, "assistant", CHANNEL, "final"]
    kinds: list[list[str | int]] = [[], [" ", CONSTRAIN, "json"]]
    for kind in kinds:
        llm = harmony(*said, *kind, MESSAGE, '{"n": 3}', RETURN)  # type: ignore[arg-type]
        answer = llm.chat(HELLO, json_schema=SCHEMA, temperature=0)
        assert (answer.reasoning, answer.text) == ("{ hm", '{"n": 3}')
        assert (answer.stop_reason, answer.warnings) == (RETURN, ())
    # A channel or a role that the format does not have cannot come.
    llm = harmony(*said[:-1], "finally", MESSAGE, '{"n": 3}', RETURN)  # type: ignore[arg-type]
    assert llm.chat(HELLO, json_schema=SCHEMA, temperature=0, max_tokens=60).warnings == ()


def test_a_format_without_calls(make_llm: MakeLlm) -> None:
    with pytest.raises(UnsupportedError, match="does not know the form of this model's tool calls"):
        make_llm("Hi", template=TELLS + PLAIN).chat(HELLO, tools=[TOOL], tool_choice="required")
