"""How templates want reasoning and tool calls, and the published ones that are put right."""

from __future__ import annotations

from typing import Any

import pytest
from pestle.errors import TemplateError
from pestle.results import ChatCompletion, Timings, ToolCall, Usage
from pestle.template import ChatTemplate
from pestle.template.repairs import REPAIRS

from tests.assets import path_of
from tests.unit.text.conversations import TOOLS
from tests.unit.text.templates import SMOLLM2, TOKENIZER

ARGUMENTS = {"place": "K\u00f6ln"}
AS_TEXT = '{"place": "K\u00f6ln"}'
CALLS = (
    "{% for m in messages %}[{{ m.role }}]{% if m.tool_calls %}{% for c in m.tool_calls %}"
    "{{ c.function.name }}={{ ARGUMENTS }};{% endfor %}{% endif %}{{ m.content }}{% endfor %}"
)


def call(name: str, arguments: Any, number: int = 0) -> dict[str, Any]:
    return {"id": f"call_{number}", "function": {"name": name, "arguments": arguments}}


def result(number: int = 0) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": f"r{number}"}


def chat(*calls: dict[str, Any], **message: Any) -> list[dict[str, Any]]:
    results = [result(n) for n in range(len(calls))]
    said = {"role": "assistant", "content": "", "tool_calls": list(calls), **message}
    return [{"role": "user", "content": "u"}, said, *results]


def written(source: str, messages: list[dict[str, Any]], **variables: Any) -> str:
    template = ChatTemplate(source, TOKENIZER)
    return TOKENIZER.decode(template.encode(messages, **variables), skip_special=False)


@pytest.mark.parametrize("given", [ARGUMENTS, AS_TEXT])
@pytest.mark.parametrize(
    "arguments",
    [
        "c.function.arguments | tojson",  # wants an object
        "'' + c.function.arguments",  # wants text
        "c.function.arguments if c.function.arguments is string else c.function.arguments | tojson",
    ],
)
def test_arguments_come_as_the_template_wants_them(arguments: str, given: Any) -> None:
    source = CALLS.replace("ARGUMENTS", arguments)
    assert written(source, chat(call("f", given))) == f"[user]u[assistant]f={AS_TEXT};[tool]r0"


@pytest.mark.parametrize("given", [ARGUMENTS, AS_TEXT])
def test_arguments_may_be_written_as_tags(given: Any) -> None:
    tags = "{% for k, v in c.function.arguments | items %}<parameter={{ k }}>\n{{ v }}{% endfor %}"
    source = CALLS.replace("{{ ARGUMENTS }}", tags)
    expected = "[user]u[assistant]f=<parameter=place>\nK\u00f6ln;[tool]r0"
    assert written(source, chat(call("f", given))) == expected
    # What an answer that was cut off has of them has to stand somewhere.
    cut = written(source, chat(call("f", '{"place": "K')))
    assert cut == '[user]u[assistant]f=<parameter=arguments>\n{"place": "K;[tool]r0'


def test_arguments_that_are_no_object_are_left_to_the_template() -> None:
    source = CALLS.replace("ARGUMENTS", "c.function.arguments | tojson")
    assert "f=\"{'a'\";" in written(source, chat(call("f", "{'a'")))
    assert "f={};" in written(source, chat(call("f", "")))


def test_templates_may_be_strict_about_ids_and_numbers_of_calls() -> None:
    """As Mistral's and Llama 3.1's are."""
    source = CALLS.replace(
        "{{ ARGUMENTS }}",
        "{% if c.id | length != 9 %}{{ raise_exception('nine letters') }}{% endif %}"
        "{% if m.tool_calls | length > 1 %}{{ raise_exception('one call') }}{% endif %}"
        "{{ c.function.arguments | tojson }}",
    )
    answer = ChatCompletion(
        "", (), "stop", None, Usage(0, 0, 0), Timings(0, 0, 0, 0, None, 0, 0, 0), 0,
        tool_calls=(ToolCall("f", "{}", id="call00001"), ToolCall("g", "{}", id="call00002")),
    )  # fmt: skip
    assert written(source, [{"role": "user", "content": "u"}, answer.message]) == (
        "[user]u[assistant]f={};[assistant]g={};"
    )


def test_content_beside_calls() -> None:
    wants_none = (
        "{% for m in messages %}{% if m.content is none %}"
        "{% for c in m.tool_calls %}{{ c.function.name ~ c.function.arguments }}{% endfor %}"
        "{% else %}{{ m.content }}{% endif %}{% endfor %}"
    )
    assert written(wants_none, chat(call("f", ARGUMENTS))) == f"uf{AS_TEXT}r0"
    wants_text = CALLS.replace("ARGUMENTS", "c.function.arguments ~ '' + m.content")
    assert written(wants_text, chat(call("f", ARGUMENTS), content=None)) == (
        f"[user]u[assistant]f={AS_TEXT};[tool]r0"
    )


def test_text_that_calls_would_hide_goes_before_them() -> None:
    """As DeepSeek's V3 and R1 do: of a message with a text they write no calls."""
    source = CALLS.replace("{% if m.tool_calls %}", "{% if m.tool_calls and not m.content %}")
    source = source.replace("ARGUMENTS", "c.function.arguments")
    messages = chat(call("f", "{}"), content="Well")
    assert written(source, messages) == "[user]u[assistant]Well[assistant]f={};[tool]r0"


def test_one_call_a_message_makes_several_messages() -> None:
    source = (
        "{% for m in messages %}[{{ m.role }}{{ m.thinking }}]{% if m.tool_calls %}"
        "{% set c = m.tool_calls[0].function %}{{ c.name ~ c.arguments | tojson }}{% endif %}"
        "{{ m.content }}{% endfor %}{# message.thinking #}"
    )
    messages = chat(call("f", "{}", 0), call("g", "{}", 1), reasoning_content="hm", content="Well")
    messages[2:] = reversed(messages[2:])  # results find their calls
    assert written(source, messages) == ("[user]u[assistanthm]f{}[tool]r0[assistant]g{}[tool]r1")
    del messages[2:]  # what stands there is the result of one call
    messages.append({"role": "tool", "content": "r"})
    assert written(source, messages) == "[user]u[assistanthm]f{}[tool]r[assistant]g{}"


def test_reasoning_has_the_templates_own_name() -> None:
    messages = [{"role": "assistant", "content": "a", "reasoning_content": "hm"}]
    body = "{% for m in messages %}{{ m.NAME }}{{ m.content }}{% endfor %}"
    thinking = body.replace("NAME", "thinking") + "{# message.thinking #}"
    assert written(thinking, messages) == "hma"
    assert written(body.replace("NAME", "reasoning_content"), messages) == "hma"


def test_nothing_is_left_out_in_silence() -> None:
    with pytest.raises(TemplateError, match=r"^the chat template does not write tool calls$"):
        written(SMOLLM2, chat(call("f", {})))
    with pytest.raises(TemplateError, match=r"^the chat template does not tell the model of tools"):
        written(SMOLLM2, [{"role": "user", "content": "u"}], tools=TOOLS)


def test_messages_are_not_changed() -> None:
    messages = chat(call("f", ARGUMENTS))
    before = repr(messages)
    written(CALLS.replace("ARGUMENTS", "'' + c.function.arguments"), messages)
    assert repr(messages) == before


REPAIRED = {
    "lenml-deepseek_v3": "DeepSeek V3 and R1",
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B": "DeepSeek V3 and R1",
    "deepseek-ai-DeepSeek-V3.1": "DeepSeek V3.1",
    "llama-cpp-deepseek-r1": "llama.cpp's DeepSeek R1",
    "Qwen-QwQ-32B": "QwQ and DeepSeek R1 distills for llama.cpp",
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B": "QwQ and DeepSeek R1 distills for llama.cpp",
}
CALLS_END = "<\uff5ctool\u2581calls\u2581end\uff5c><\uff5cend\u2581of\u2581sentence\uff5c>"


def from_file(source: str) -> ChatTemplate:
    template = ChatTemplate.from_gguf({"tokenizer.chat_template": source}, TOKENIZER)
    assert template is not None
    return template


def test_known_mistakes_are_named_and_others_are_left_alone() -> None:
    found = {}
    for path in path_of("templates").glob("*.jinja"):
        source = path.read_text(encoding="utf-8")
        template = from_file(source)
        if template.notices:
            (notice,) = template.notices
            found[path.stem] = notice.partition("(")[2].partition(")")[0]
            assert not any(repair.concerns(template.source) for repair in REPAIRS)
        else:
            assert template.source == source
    assert found == REPAIRED


@pytest.mark.parametrize(
    "name", [name for name, repair in REPAIRED.items() if repair == "DeepSeek V3 and R1"]
)
def test_deepseek_v3_ends_its_calls_in_every_round(name: str) -> None:
    template = from_file(path_of(f"templates/{name}.jinja").read_text(encoding="utf-8"))
    one, two = chat(call("f", {})), chat(call("f", {}, 0), call("g", {}, 1))
    for messages, n_ends in ((one, 1), (two, 1), ([*one, *two], 2), ([*two, *one], 2)):
        text = template.render(template.prepared(messages))
        assert text.count(CALLS_END) == n_ends
        assert text.count("<\uff5ctool\u2581calls\u2581begin\uff5c>") == n_ends
        assert text.count("<\uff5ctool\u2581outputs\u2581begin\uff5c>") == n_ends


def test_deepseek_v31_hears_of_its_tools() -> None:
    source = path_of("templates/deepseek-ai-DeepSeek-V3.1.jinja").read_text(encoding="utf-8")
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    template = from_file(source)
    assert template.render(messages) == ChatTemplate(source, TOKENIZER).render(messages)
    text = template.render(messages, tools=TOOLS)
    assert text.startswith(
        "<s>Be brief.\n\n## Tools\nYou have access to the following tools:\n\n### get_weather\n"
        'Description: The <weather> of a "place"\n\nParameters: {"type": "object", '
    )
    assert "tool's Parameters Schema\n- For multiple" in text
    assert text.endswith("or spaces<\uff5cUser\uff5c>Hi<\uff5cAssistant\uff5c><think></think>")


def test_reasoning_stays_open_unless_it_is_switched_off() -> None:
    source = path_of("templates/Qwen-QwQ-32B.jinja").read_text(encoding="utf-8")
    messages = [{"role": "user", "content": "Hi"}]
    template = from_file(source)
    assert template.render(messages).endswith("<think>\n")
    assert template.render(messages, enable_thinking=True).endswith("<think>\n")
    assert template.render(messages, enable_thinking=False).endswith("<think>\n</think>")


def test_a_given_template_takes_its_variables() -> None:
    template = ChatTemplate("{{ enable_thinking }}{% if a is defined %}{% endif %}", TOKENIZER)
    assert template.variables == {"enable_thinking", "a"}
    assert ChatTemplate("{% for %}", TOKENIZER).variables == frozenset()
