"""Answers that models give in fact, and the ways in which they get their formats wrong."""

from __future__ import annotations

import pytest
from pestle.formats import Content, Event, Reader, Reasoning, format_of
from pestle.formats.calls import MalformedCallError, arguments_text
from pestle.formats.calls_xml import typed
from pestle.formats.harmony import MARKS
from pestle.results import ToolCall
from pestle.tokenizer import Detokenizer, Tokenizer

from tests.unit.formats.answers import Dialect, merged
from tests.unit.formats.dialects import (
    BEGIN,
    CALL,
    CHANNEL,
    CLOSE,
    CONSTRAIN,
    DIALECTS,
    END,
    END_MESSAGE,
    MESSAGE,
    OPEN,
    RETURN,
    SEPARATED,
    START,
)
from tests.unit.text.toy import byte_level

BY_NAME = {dialect.name: dialect for dialect in DIALECTS}
NO_HEADER = "the message has no header"
NO_MESSAGE = "the header has no message"
NOT_WHOLE = "the arguments of the call of"
CUT_HEADER = "the answer ends within a message's header"
SEP, CALL_BEGIN, CALL_END = (SEPARATED[name] for name in ("sep", "call begin", "call end"))

HARMONY: list[tuple[list[str], list[Event]]] = [
    # A stray channel before the one that counts, as the 20b model writes it.
    ([CHANNEL, "commentary", CHANNEL, "analysis", MESSAGE, "hm"], [Reasoning("hm")]),
    (
        [CHANNEL, "commentary to=assistant", CHANNEL, "final", MESSAGE, "Hi", RETURN],
        [Content("Hi")],
    ),
    # Two messages of one kind are two paragraphs.
    (
        [CHANNEL, "analysis", MESSAGE, "a", END_MESSAGE, START, "assistant", CHANNEL, "analysis",
         MESSAGE, "b", END_MESSAGE, START, "assistant", CHANNEL, "final", MESSAGE, "c"],
        [Reasoning("a\n\nb"), Content("c")],
    ),
    # Built-in tools are called from the analysis too, in any language.
    (
        [CHANNEL, "analysis to=python code", MESSAGE, "print(1)", CALL],
        [ToolCall("python", "print(1)", builtin=True)],
    ),
    (
        [" to=browser.search", CHANNEL, "analysis", MESSAGE, '{"query":"x"}', CALL],
        [ToolCall("browser.search", '{"query":"x"}', builtin=True)],
    ),
    ([CHANNEL, "commentary to=get_weather", MESSAGE, "", CALL], [ToolCall("get_weather", "{}")]),
    (
        [CHANNEL, "commentary to=nobody json", MESSAGE, "{}", CALL],
        [Content("to=nobody {}<|call|>", "there is no recipient 'nobody'")],
    ),
    ([MESSAGE, "Hi", END_MESSAGE], [Content("Hi")]),
    (["Hello there"], [Content("Hello there", NO_HEADER)]),
    (["x" * 300, " and more"], [Content("x" * 300 + " and more", NO_HEADER)]),
    ([" Hello", RETURN], [Content(" Hello", NO_HEADER)]),
    # Cut off within a header.
    ([CHANNEL, "ana"], [Content("", f"{CUT_HEADER}: <|channel|>ana")]),
    (
        [CHANNEL, "final", MESSAGE, "Hi", END_MESSAGE, START, "assi"],
        [Content("Hi"), Content("", f"{CUT_HEADER}: assi")],
    ),
    ([" to=functions.get_wea"], [Content("", f"{CUT_HEADER}: to=functions.get_wea")]),
    ([CHANNEL, "final", MESSAGE, "Hi", END_MESSAGE, START], [Content("Hi")]),
    # Ended within a header.
    ([CHANNEL, "final", RETURN], [Content("<|channel|>final", NO_MESSAGE)]),
    (
        [CHANNEL, "commentary to=functions.f", END_MESSAGE, START, "assistant", CHANNEL, "final",
         MESSAGE, "Hi"],
        [Content("<|channel|>commentary to=functions.f", NO_MESSAGE), Content("Hi")],
    ),
    # Forgotten ends.
    (
        [CHANNEL, "analysis", MESSAGE, "hm", START, "assistant", CHANNEL, "final", MESSAGE, "Hi"],
        [Reasoning("hm"), Content("Hi")],
    ),
    ([CHANNEL, "analysis", MESSAGE, "hm", CHANNEL, "final", MESSAGE, "Hi"],
     [Reasoning("hm"), Content("Hi")]),
    (
        [CHANNEL, "commentary to=functions.f ", CONSTRAIN, "json", MESSAGE, '{"a": ', CALL],
        [Content("", f"{NOT_WHOLE} f are not whole: the call ends within them"),
         ToolCall("f", '{"a": ')],
    ),
    (
        [CHANNEL, "thoughts", MESSAGE, "hm"],
        [Content("hm", "the channel 'thoughts' is none of the format")],
    ),
    (
        [CHANNEL, "final", MESSAGE, "a", END_MESSAGE, START, "functions.f to=assistant", CHANNEL,
         "commentary", MESSAGE, "42"],
        [
            Content("a"),
            Content("\n\n42", "the model wrote a message of the role 'functions.f'"),
        ],
    ),
    (
        [CHANNEL, "final", MESSAGE, "a", MESSAGE, "b"],
        [Content("a"), Content("<|message|>", "<|message|> has no meaning here"), Content("b")],
    ),
]  # fmt: skip

QWEN: list[tuple[list[str], list[Event]]] = [
    ([OPEN, "\n\n", CLOSE, "\n\n", "Hi"], [Content("Hi")]),
    ([OPEN, "\nhm\n"], [Reasoning("hm")]),
    ([BEGIN, '{"name": "f", "arguments": {'],
     [Content('<tool_call>{"name": "f", "arguments": {', "...; the answer ends within it")]),
    ([CLOSE, "\n\nHi"], [Content("Hi")]),
    (["Hi\n\n"], [Content("Hi\n\n")]),
    (["\n", OPEN, "hm", CLOSE, "Hi"], [Reasoning("hm"), Content("Hi")]),
    (
        ["Hi", CLOSE, "there"],
        [Content("Hi"), Content("</think>", "</think> has no meaning here"), Content("there")],
    ),
    (
        [BEGIN, '\n{"name": "f", "arguments": {"a" : 1}}\n', END, "\n"],
        [ToolCall("f", '{"a" : 1}')],
    ),
    ([BEGIN, '{"arguments": "{\\"a\\": 1}", "name": "f"}'], [ToolCall("f", '{"a": 1}')]),
    ([BEGIN, '{"name": "f"}', END], [ToolCall("f", "{}")]),
    ([BEGIN, '{"name": "f", "arguments": {"a": "x\ny"}}', END], [ToolCall("f", '{"a": "x\\ny"}')]),
    # An end tag within a string of the arguments is part of them.
    (
        [BEGIN, '{"name": "f", "arguments": {"a": "', END, '"}}', END],
        [ToolCall("f", '{"a": "</tool_call>"}')],
    ),
    (
        ["So:\n", BEGIN, "{]", END, "ok"],
        [Content("So:\n"), Content("<tool_call>{]</tool_call>", "..."), Content("ok")],
    ),
    (
        [BEGIN, '{"name": "f", "argu'],
        [Content('<tool_call>{"name": "f", "argu', "...; the answer ends within it")],
    ),
    (
        [BEGIN, "[]", END],
        [Content("<tool_call>[]</tool_call>", "the tool call is not a JSON object")],
    ),
    (
        [BEGIN, '{"name": "f", "arguments": [1]}', END],
        [
            Content(
                '<tool_call>{"name": "f", "arguments": [1]}</tool_call>',
                "the arguments of the tool call are not a JSON object",
            )
        ],
    ),
    ([BEGIN, '{"name": 3}', END],
     [Content('<tool_call>{"name": 3}</tool_call>', "the tool call has no name")]),
    # A model that reasons about its format has called nothing.
    (
        [OPEN, "I write ", BEGIN, '{"name": "f"}', END, " then.", CLOSE, "Hi"],
        [Reasoning('I write <tool_call>{"name": "f"}</tool_call> then.'), Content("Hi")],
    ),
    # Unless its reasoning ends with the call: then it has forgotten to end it.
    (
        [OPEN, "hm\n", BEGIN, '{"name": "f"}', END, "\n", BEGIN, '{"name": "g"}', END, "\n"],
        [Reasoning("hm"), ToolCall("f", "{}"), ToolCall("g", "{}")],
    ),
    ([OPEN, "hm", BEGIN, '{"name": "f"}'], [Reasoning("hm"), ToolCall("f", "{}")]),
    (
        [OPEN, "hm\n", BEGIN, '{"name": "f"}', END, "\n", CLOSE, "Hi"],
        [Reasoning('hm\n<tool_call>{"name": "f"}</tool_call>'), Content("Hi")],
    ),
    (
        [OPEN, "a ", BEGIN, ", that is", END, " or ", BEGIN, '{"name', CLOSE, "Hi"],
        [Reasoning('a <tool_call>, that is</tool_call> or <tool_call>{"name'), Content("Hi")],
    ),
    ([OPEN, "hm ", BEGIN, '{"name'], [Reasoning('hm <tool_call>{"name')]),
    (
        [OPEN, BEGIN, '{"name": "f", "arguments": {"a": "', END, '"}}', END],
        [ToolCall("f", '{"a": "</tool_call>"}')],
    ),
    ([BEGIN, "<function=f>\n<parameter=a>\n1\n</parameter>\n", END], [ToolCall("f", '{"a": 1}')]),
    (
        [BEGIN, "<function=f>\n<parameter=a>\n</parameter>\n\n</parameter>\n</function>", END],
        [ToolCall("f", '{"a": "</parameter>\\n"}')],
    ),
    (
        [BEGIN, "<function=f>\n<parameter=a>\n1", END],
        [
            Content(
                "<tool_call><function=f>\n<parameter=a>\n1</tool_call>",
                "a parameter of the tool call is not closed; the answer ends within it",
            )
        ],
    ),
    (
        [BEGIN, "<function=f>what", END],
        [
            Content(
                "<tool_call><function=f>what</tool_call>",
                "a parameter of the tool call is not closed",
            )
        ],
    ),
]  # fmt: skip

DEEPSEEK: list[tuple[list[str], list[Event]]] = [
    # Calls behind reasoning that was not ended.
    (
        ["hm\n", SEPARATED["calls begin"], CALL_BEGIN, "f", SEP, "{}", CALL_END,
         SEPARATED["calls end"]],
        [Reasoning("hm"), ToolCall("f", "{}")],
    ),
    (
        ["hm\n", SEPARATED["calls begin"], "\nno", SEPARATED["calls end"]],
        [Reasoning(f"hm\n{SEPARATED['calls begin']}\nno{SEPARATED['calls end']}")],
    ),
    # V3's form and V3.1's are told apart by what follows the separator.
    (
        [CLOSE, CALL_BEGIN, "function", SEP, 'f\n```json\n{"a": "```"}\n```', CALL_END],
        [ToolCall("f", '{"a": "```"}')],
    ),
    ([CLOSE, CALL_BEGIN, "f", SEP, '{"a": "```"}', CALL_END], [ToolCall("f", '{"a": "```"}')]),
    # Right tags around another model's JSON.
    (
        [CLOSE, CALL_BEGIN, '{"name": "f", "arguments": {"a": 1}}', CALL_END],
        [ToolCall("f", '{"a": 1}')],
    ),
    (
        [CLOSE, CALL_BEGIN, "f", CALL_END],
        [Content(f"{CALL_BEGIN}f{CALL_END}", "the tool call has no separator")],
    ),
    (
        [CLOSE, CALL_BEGIN, "", SEP, "{}", CALL_END],
        [Content(f"{CALL_BEGIN}{SEP}{{}}{CALL_END}", "the tool call has no name")],
    ),
    (
        ["hm\n", CLOSE, SEPARATED["calls begin"], "what", SEPARATED["calls end"]],
        [Reasoning("hm"), Content("what")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "pieces", "expected"),
    [
        *(("harmony", *case) for case in HARMONY),
        *(("qwen3", *case) for case in QWEN),
        *(("deepseek v3.1", *case) for case in DEEPSEEK),
    ],
)
def test_answers(name: str, pieces: list[str], expected: list[Event]) -> None:
    found = BY_NAME[name].events_of(pieces)
    assert [_without_json_errors(event) for event in found] == expected


def _without_json_errors(event: Event) -> Event:
    """Python's own words about bad JSON differ between versions."""
    if not isinstance(event, Content) or event.warning is None:
        return event
    before, found, after = event.warning.partition("the tool call is not valid JSON: ")
    if not found:
        return event
    assert before == ""
    end = "; the answer ends within it"
    return Content(event.text, "..." + (end if after.endswith(end) else ""))


def test_a_vocabulary_without_the_tokens_spells_them() -> None:
    dialect = Dialect("spelled", "llama", "<think></think>", (), lambda *_: [])
    assert dialect.events_of(["\n<th", "ink>\nh", "m\n</", "think>\n\nA <think>", "."]) == [
        Reasoning("hm"),
        Content("A <think>."),
    ]


def test_a_prompt_may_have_begun_any_part_of_a_harmony_message() -> None:
    tokenizer = Tokenizer.from_gguf(byte_level(control=MARKS))
    format_ = format_of("gpt-oss", None, tokenizer)

    def events(prompt: str, answer: str) -> list[Event]:
        tokens = (tokenizer.encode(text, parse_special=True) for text in (prompt, answer))
        parser = format_.parser(next(tokens))
        reader = Reader(Detokenizer(tokenizer), parser)
        read = [event for token in next(tokens) for event in reader.push(token)]
        return merged([*read, *reader.finish()])

    begun = "<|end|><|start|>assistant<|channel|>analysis<|message|>"
    answer = "hm<|end|><|start|>assistant<|channel|>final<|message|>Hi"
    assert events(begun, answer) == [Reasoning("hm"), Content("Hi")]
    assert events("<|start|>assistant<|channel|>fin", "al<|message|>Hi") == [Content("Hi")]
    assert events("no header", "<|channel|>final<|message|>Hi") == [Content("Hi")]


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("3", {"type": "string"}, "3"),
        ("3", {"type": "integer"}, 3),
        ("3", None, 3),
        ("3.5", {"type": "integer"}, "3.5"),
        ("3.5", {"type": ["integer", "number"]}, 3.5),
        ("True", {"type": "boolean"}, True),
        ("None", {"type": ["string", "null"]}, None),
        ("None", {"type": "number"}, None),
        ("None", {"type": ["string", "number"]}, "None"),
        ("true", {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "true"),
        ("true", {"anyOf": [{"type": "string"}, {}]}, True),
        ("1", {"enum": ["1", "2"]}, "1"),
        ("[1, 2]", {"type": "array"}, [1, 2]),
        ('{"a": 1', {"type": "object"}, '{"a": 1'),
        ("x", {"type": 7}, "x"),
    ],
)
def test_values_without_types(text: str, schema: object, value: object) -> None:
    found = typed(text, schema)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a": ' + "1" * 5000 + "}", '{"a": NaN}', '{"a": "\\ud800"}']
)
def test_json_that_nobody_could_use(text: str) -> None:
    with pytest.raises(MalformedCallError):
        arguments_text(text)


def test_half_a_character_belongs_before_the_mark() -> None:
    marks = ("<think>", "</think>", "<tool_call>", "</tool_call>")
    tokenizer = Tokenizer.from_gguf(byte_level(user_defined=marks, control=("<|im_end|>",)))
    dialect = BY_NAME["qwen3"]
    format_ = format_of("qwen3", dialect.template, tokenizer)
    reader = Reader(Detokenizer(tokenizer), format_.parser([]))
    opened, closed = (tokenizer.token_id(mark) for mark in marks[:2])
    assert opened is not None
    assert closed is not None
    events = [
        event
        for token in (opened, *b"caf\xc3", closed, *"\u00e9".encode())
        for event in reader.push(token)
    ]
    assert [*events, *reader.finish()] == [
        *(Reasoning(character) for character in "caf\ufffd"),
        Content("\u00e9"),
    ]
