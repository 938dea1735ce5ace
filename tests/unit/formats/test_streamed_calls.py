"""Calls while they are being written: what is handed on of them, and when."""

from __future__ import annotations

import json
from random import Random

import pytest
from pestle.formats import CallPiece, Content, Event, Reasoning
from pestle.formats.parser import Parser
from pestle.results import ToolCall

from tests.unit.formats.answers import TOOLS, Dialect, Mark, cut, meant, merged
from tests.unit.formats.dialects import (
    ARGS,
    BEGIN,
    CALL,
    CHANNEL,
    CLOSE,
    DIALECTS,
    DSML,
    END,
    MESSAGE,
    OPEN,
    PYTHON_TAG,
    SEPARATED,
    TOOL_CALLS,
)

CALLING = [dialect for dialect in DIALECTS if dialect.calls]
BY_NAME = {dialect.name: dialect for dialect in DIALECTS}
SENTENCE = "All work and no play. "
SEP, CALL_BEGIN = SEPARATED["sep"], SEPARATED["call begin"]


def parser_of(dialect: Dialect) -> Parser:
    prompt = [token for token, _ in dialect.vocabulary.tokens(dialect.prompt)]
    return dialect.format.parser(prompt, TOOLS)


def json_error(text: str) -> str:
    """Python's own words, which are not the same in every version."""
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    return str(caught.value)


def written(events: list[Event]) -> str:
    """All that events say of calls: pieces as they are, and where calls end."""
    said = ""
    for event in events:
        if isinstance(event, CallPiece):
            said += event.arguments
        elif isinstance(event, ToolCall):
            said += f"<end of {event.name}>"
    return said


def single(pieces: list[str]) -> list[str]:
    """The same in pieces of one character; marks stay whole."""
    return [each for piece in pieces for each in ([piece] if isinstance(piece, Mark) else [*piece])]


@pytest.mark.parametrize("dialect", CALLING, ids=lambda dialect: dialect.name)
def test_what_is_handed_on_depends_on_the_text_alone(dialect: Dialect) -> None:
    random = Random(f"pieces of {dialect.name}")
    vocabulary = dialect.vocabulary
    n_pieces = 0
    for n in range(200):
        pieces = dialect.say(random, meant(random, dialect))
        if n % 2:  # something else in between
            at = random.randint(0, len(pieces))
            pieces[at:at] = [random.choice(("}", '"', "\n", "\\", "x", *map(Mark, dialect.marks)))]
        parser, after, said, length = parser_of(dialect), {0: ""}, "", 0
        for token, text in vocabulary.tokens(single(pieces)):
            events = parser.push(token, text)
            n_pieces += sum(isinstance(event, CallPiece) for event in events)
            said += written(events)
            length += len(text)
            after[length] = said
        end = said + written(parser.finish())
        for _ in range(2):
            parser, said, length = parser_of(dialect), "", 0
            for token, text in vocabulary.tokens(cut(random, pieces)):
                said += written(parser.push(token, text))
                length += len(text)
                assert said == after[length], (n, pieces)
            assert said + written(parser.finish()) == end, (n, pieces)
    assert n_pieces > 500


@pytest.mark.parametrize("dialect", CALLING, ids=lambda dialect: dialect.name)
def test_a_long_argument_comes_as_it_is_written(dialect: Dialect) -> None:
    call = ToolCall("fs.write", json.dumps({"text": SENTENCE * 20, "n": 1}))
    parser, spoken, said = parser_of(dialect), "", ""
    for token, text in dialect.vocabulary.tokens(single(dialect.say(Random(0), [call]))):
        said += written(parser.push(token, text))
        spoken += text
        assert said.count(SENTENCE) >= spoken.count(SENTENCE) - 1
    said += written(parser.finish())
    assert said == f"{call.arguments}<end of fs.write>"


def events_of(name: str, *pieces: str) -> list[Event]:
    """As the parser hands them on, pieces of calls joined."""
    dialect = BY_NAME[name]
    parser, events = parser_of(dialect), list[Event]()
    for token, text in dialect.vocabulary.tokens(pieces):
        events += parser.push(token, text)
    joined: list[Event] = []
    for event in (*events, *parser.finish()):
        last = joined[-1] if joined else None
        if isinstance(event, CallPiece) and isinstance(last, CallPiece):
            joined[-1] = CallPiece(event.name, last.arguments + event.arguments)
        elif event != Content(""):
            joined.append(event)
    return merged(joined)


def cut_call(arguments: str, problem: str, name: str = "fs.write") -> list[Event]:
    said = f"the arguments of the call of {name} are not whole: {problem}"
    return [CallPiece(name, arguments), Content("", said), ToolCall(name, arguments)]


HEAD = '\n{"name": "fs.write", "arguments": '
XML = "\n<function=fs.write>\n"
UNFINISHED = "the answer ends within them"
WHOLE: list[Event] = [CallPiece("fs.write", '{"n": 1}'), ToolCall("fs.write", '{"n": 1}')]
BROKEN: list[tuple[str, list[str], list[Event]]] = [
    # The answer ends within the arguments: the call has what came of them.
    ("qwen3", [BEGIN, HEAD + '{"text": "so f'], cut_call('{"text": "so f', UNFINISHED)),
    ("coder", [BEGIN, XML + "<parameter=text>\nso\nf\n"],
     cut_call('{"text": "so\\nf\\n', UNFINISHED)),
    ("coder", [BEGIN, XML + "<parameter=n>\n12"], cut_call('{"n": ', UNFINISHED)),
    ("coder", [BEGIN, XML + "<parameter=n>\n12\n</parameter>\n<para"],
     cut_call('{"n": 12', UNFINISHED)),
    ("harmony", [" to=functions.fs.write", CHANNEL, "commentary", MESSAGE, '{"n"'],
     cut_call('{"n"', UNFINISHED)),
    ("mistral", [TOOL_CALLS, f'[{HEAD}{{"n"'], cut_call('{"n"', UNFINISHED)),
    ("mistral args", [TOOL_CALLS, "fs.write", ARGS, '{"n"'], cut_call('{"n"', UNFINISHED)),
    ("llama 3", [PYTHON_TAG, HEAD + '{"n"'], cut_call('{"n"', UNFINISHED)),
    ("deepseek v3.1", [CLOSE, CALL_BEGIN, "fs.write", SEP, '{"n"'], cut_call('{"n"', UNFINISHED)),
    ("deepseek v3", [CALL_BEGIN, "function", SEP, "fs.write\n```json\n{"],
     cut_call("{", UNFINISHED)),
    ("deepseek v3.2", [CLOSE, "<", DSML, 'invoke name="fs.write">\n<', DSML,
                       'parameter name="text" string="true">so f'],
     cut_call('{"text": "so f', UNFINISHED)),
    # The call ends within them, or they are not JSON.
    ("qwen3", [BEGIN, HEAD + '{"n": 1, ', END, "\nSo."],
     [*cut_call('{"n": 1, ', "the call ends within them"), Content("\nSo.")]),
    ("harmony", [" to=functions.fs.write", CHANNEL, "commentary", MESSAGE, '{"n"', CALL],
     cut_call('{"n"', "the call ends within them")),
    ("deepseek v3.2", [CLOSE, "<", DSML, 'invoke name="fs.write">\n<', DSML,
                       'parameter name="text" string="true">so f</', DSML, "invoke>"],
     cut_call('{"text": "so f', "the call ends within them")),
    ("qwen3", [BEGIN, HEAD + '{"n": 1,}}\n', END],
     cut_call('{"n": 1,}', "the tool call is not valid JSON: " + json_error('{"n": 1,}'))),
    # A value that is not JSON is text, as it is where a tag has no type.
    ("deepseek v3.2", [CLOSE, "<", DSML, 'invoke name="fs.write">\n<', DSML,
                       'parameter name="n" string="false">[1</', DSML, "parameter>\n</", DSML,
                       "invoke>"],
     [CallPiece("fs.write", '{"n": "[1"}'), ToolCall("fs.write", '{"n": "[1"}')]),
    # What follows the arguments of a whole call, and has no place there, is content.
    ("qwen3", [BEGIN, HEAD + '{"n": 1}', END],
     [*WHOLE, Content("", "behind the call of fs.write: the tool call is not valid JSON: "
                      "Expecting ',' delimiter: line 1 column 7 (char 6)")]),
    ("coder", [BEGIN, XML + "<parameter=n>\n1\n</parameter>\n</function> Or so.", END],
     [*WHOLE, Content(" Or so.", "behind the call of fs.write: "
                      "there is something that is no part of it")]),
    ("mistral", [TOOL_CALLS, f'[{HEAD}{{"n": 1}}}}, 5]'],
     [*WHOLE, Content("}, 5]", "behind the call of fs.write: the tool call is not a JSON object")]),
    ("mistral", [TOOL_CALLS, f'[{HEAD}{{"n": 1}}, "id": "a"}}, {HEAD}{{"n"'],
     [*WHOLE, *cut_call('{"n"', UNFINISHED)]),
    ("mistral", [TOOL_CALLS, f'[{HEAD}{{"n": 1}}}}, {{"name": "f", "arguments": {{}}}}]'],
     [*WHOLE, ToolCall("f", "{}")]),
    # Marks and line ends within strings.
    ("qwen3", [BEGIN, HEAD + '{"text": "a\nb', END, '"}}', END],
     [CallPiece("fs.write", '{"text": "a\\nb</tool_call>"}'),
      ToolCall("fs.write", '{"text": "a\\nb</tool_call>"}')]),
    ("coder", [BEGIN, XML + "<parameter=text>\na</parameter>b", END, "\n\n</parameter>\n",
               "</function>"],
     [CallPiece("fs.write", '{"text": "a</parameter>b</tool_call>\\n"}'),
      ToolCall("fs.write", '{"text": "a</parameter>b</tool_call>\\n"}')]),
    # Heads that are not certain: the call comes as a whole, or is none.
    ("qwen3", [BEGIN, HEAD.replace("fs.write", "unknown") + '{"n": 1}}', END],
     [ToolCall("unknown", '{"n": 1}')]),
    ("qwen3", [BEGIN, '{"arguments": {"n": 1}, "name": "fs.write"}', END], WHOLE[1:]),
    ("qwen3", [BEGIN, '{"name": "fs.write", "arguments": "{\\"n\\": 1}"}', END], WHOLE[1:]),
    ("qwen3", [OPEN, "So: ", BEGIN, HEAD + '{"n": 1}}', END], [Reasoning("So: "), *WHOLE[1:]]),
    ("llama 3", [HEAD + '{"n": 1}}'], WHOLE[1:]),
    ("qwen3", [BEGIN, " " * 600 + HEAD + '{"n": 1}}', END], WHOLE[1:]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "pieces", "expected"), BROKEN)
def test_broken_calls(name: str, pieces: list[str], expected: list[Event]) -> None:
    assert events_of(name, *pieces) == expected


def test_an_answer_that_is_held_to_calls_needs_no_mark() -> None:
    dialect = BY_NAME["llama 3"]
    parser = dialect.format.parser([], TOOLS, must_call=True)
    events = [*parser.text(HEAD + '{"n": 1'), *parser.text("}}"), *parser.finish()]
    assert events == [
        CallPiece("fs.write", '{"n": 1'), CallPiece("fs.write", "}"), WHOLE[1],
    ]  # fmt: skip
