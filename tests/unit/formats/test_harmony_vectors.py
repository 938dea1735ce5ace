"""OpenAI's own vectors of harmony, and the `openai-harmony` package where it is installed."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import datetime
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pestle.formats import Content, Event, Reader, Reasoning, format_of
from pestle.results import ToolCall
from pestle.template import template_of
from pestle.template.harmony import HarmonyTemplate, System, developer, message
from pestle.template.harmony_tools import tools_section
from pestle.tokenizer import Detokenizer, Tokenizer
from pestle.tokenizer.byte_alphabet import BYTE_OF_CHAR

from tests.assets import metadata_of_json, path_of, tokenizer_json, tokenizer_of_json
from tests.unit.formats.answers import Mark, cut, meant, merged, without_pieces
from tests.unit.formats.dialects import DIALECTS
from tests.unit.text.conversations import conversation

PROMPT = "<|start|>assistant"
BASIC: dict[str, Any] = {"channels": ("analysis", "final")}
DATED = "2025-06-28"
CITY = {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"}
FUNCTIONS: list[dict[str, Any]] = [
    {"name": "get_location", "description": "Gets the location of the user."},
    {
        "name": "get_current_weather",
        "description": "Gets the current weather in the provided location.",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {
                    "type": "string",
                    "description": "The city and state, e.g. San Francisco, CA",
                },
                "format": CITY,
            },
            "required": ["location"],
        },
    },
    {
        "name": "get_multiple_weathers",
        "description": "Gets the current weather in the provided list of locations.",
        "parameters": {
            "type": "object",
            "properties": {
                "locations": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": 'List of city and state, e.g. ["San Francisco, CA", "New York, '
                    'NY"]',
                },
                "format": CITY,
            },
            "required": ["locations"],
        },
    },
    {
        "name": "kitchensink",
        "description": "A function with various complex schemas.",
        "parameters": {
            "description": "params object",
            "type": "object",
            "properties": {
                "string": {
                    "type": "string",
                    "title": "STRING",
                    "description": "A string",
                    "examples": ["hello", "world"],
                },
                "string_nullable": {
                    "type": "string",
                    "nullable": True,
                    "description": "A nullable string",
                    "default": "the default",
                },
                "string_enum": {"type": "string", "enum": ["a", "b", "c"]},
                "oneof_string_or_number": {
                    "oneOf": [
                        {"type": "string", "default": "default_string_in_oneof"},
                        {"type": "number", "description": "numbers can happen too"},
                    ],
                    "description": "a oneof",
                    "default": 20,
                },
            },
        },
    },
]
LOOKUP: dict[str, Any] = {
    "name": "lookup_weather",
    "description": "Use this tool to lookup the weather in a given location. Call it with the "
    "parameter 'location', can be any textual description of a location.",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
    },
}
TWO, NINE = "What is 2 + 2?", "What about 9 / 2?"
FOUR = "2 + 2 equals 4."
RIDDLE = "What is the capital of the largest country in the world?"
ROBOT = "Answer the user's questions like a robot."
ANALYSIS = 'User asks a simple question: "What is 2 + 2?" The answer: 4.'


def user(text: str) -> str:
    return message("user", text)


def effort(level: str, instructions: str | None = ROBOT) -> str:
    return System(effort=level).text() + developer(instructions) + user(RIDDLE) + PROMPT


def talk(*messages: dict[str, Any], prompt: bool = True) -> str:
    """What the template writes for a chat, without its system message."""
    template = HarmonyTemplate("", tokenizer_of_json("gptoss", "gpt-4o"))
    text = template.render(list(messages), add_generation_prompt=prompt)
    return text.partition("for every message.<|end|>")[2]


def says(role: str, content: str = "", **others: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **others}


CALL = {
    "id": "call_0",
    "function": {"name": "lookup_weather", "arguments": '{"location": "San Francisco"}'},
}
ANSWERED = (says("user", TWO), says("assistant", FOUR, reasoning_content=ANALYSIS))
RENDERED = {
    "test_no_tools": lambda: System(date=DATED).text() + PROMPT,
    "test_browser_tool_only": lambda: System(date=DATED, builtin=["browser"]).text() + PROMPT,
    "test_browser_and_python_tool": lambda: (
        System(date=DATED, builtin=["browser", "python"]).text() + PROMPT
    ),
    "test_browser_and_function_tool": lambda: (
        System(date=DATED, builtin=["browser"], functions=True).text()
        + developer(None, [LOOKUP])
        + PROMPT
    ),
    "test_render_functions_with_parameters": lambda: (
        System(date=DATED, effort="high", functions=True).text()
        + developer("Always respond in riddles", FUNCTIONS)
        + user("What is the weather like in SF?")
        + PROMPT
    ),
    "test_simple_convo": lambda: System().text() + user(TWO) + PROMPT,
    **{
        f"test_simple_convo_{level}_effort": lambda level=level: effort(level)  # type: ignore[misc]
        for level in ("low", "medium", "high")
    },
    **{
        f"test_simple_convo_{level}_effort_no_instruction": lambda level=level: effort(level, None)  # type: ignore[misc]
        for level in ("low", "medium", "high")
    },
    "test_reasoning_system_message": lambda: System(**BASIC).text() + user(TWO) + PROMPT,
    "test_reasoning_system_message_no_instruction": lambda: (
        System(effort="high", **BASIC).text()
        + user("What is the best place to eat candy in the world?")
        + PROMPT
    ),
    "test_reasoning_system_message_with_dates": lambda: (
        System(cutoff="2021-01", date="2021-01-01", **BASIC).text()
        + user("What is 42 * pi?")
        + PROMPT
    ),
    "test_dropping_cot_by_default": lambda: talk(*ANSWERED, says("user", NINE)),
    "test_preserve_cot": lambda: (
        user(TWO)
        + message("assistant", ANALYSIS, channel="analysis")
        + message("assistant", FOUR, channel="final")
        + user(NINE)
        + PROMPT
    ),
    "test_keep_analysis_between_finals": lambda: talk(
        says("user", TWO),
        says("assistant", "4", reasoning_content="thinking 2+2"),
        says("user", "What is 3 + 5?"),
        says("assistant", "8", reasoning_content="thinking 3+5"),
        prompt=False,
    ),
    "test_does_not_drop_if_ongoing_analysis": lambda: (
        talk(
            says("user", "What is the weather in SF?"),
            says(
                "assistant",
                reasoning_content="User asks: \u201cWhat is the weather in SF?\u201d We need to "
                "use lookup_weather tool.",
                tool_calls=[CALL],
            ),
            prompt=False,
        )
        # Here the format's own tests leave out whom a result is for.
        + message("functions.lookup_weather", '{"temperature": 20, "description": "sunny"}')
        + PROMPT
    ),
}
PARSED: dict[str, list[Event]] = {
    "test_simple_tool_call": [
        Reasoning('User asks: "What is the weather in Tokyo?" We need to use lookup_weather tool.'),
        ToolCall("lookup_weather", '{"location": "Tokyo"}'),
    ],
    "test_simple_reasoning_response": [
        Reasoning('User asks: "What is 2 + 2?" Simple arithmetic. Provide answer.'),
        Content("2 + 2 = 4."),
    ],
    "test_streamable_parser": [
        Reasoning(
            'User asks "Who is the current US president?" It\'s 2025, presumably current '
            "president is Joe Biden? Actually as of 2025-07-28, there was a 2024 election. In "
            "2024, President is probably President Biden still? But w\ne need up to date info. "
            "Let's browse to confirm."
        ),
        ToolCall(
            "browser.search",
            '{"query": "current US president July 2025", "topn": 10, "source": "news"}',
            builtin=True,
        ),
        Content(
            '{"result": "https://openai.com/"}',
            "the model wrote a message of the role 'browser.search'",
        ),
    ],
    "test_tool_response_parsing": [
        Content(
            '{"result": "https://openai.com/"}',
            "the model wrote a message of the role 'browser.search'",
        ),
    ],
}


def vector(name: str) -> str:
    return path_of(f"harmony/{name}.txt").read_text(encoding="utf-8")


def gpt_oss() -> Tokenizer:
    return tokenizer_of_json("gptoss", "gpt-4o")


def test_every_vector_is_used() -> None:
    names = {path.stem for path in path_of("harmony").glob("*.txt")}
    assert names == {*RENDERED, *PARSED}
    assert len(names) == 23


@pytest.mark.parametrize("name", RENDERED)
def test_rendered_vectors(name: str) -> None:
    text, expected = RENDERED[name](), vector(name).rstrip("\n")  # type: ignore[no-untyped-call]
    assert text == expected
    tokenizer = gpt_oss()
    assert tokenizer.encode(text, parse_special=True) == _package_tokens(expected, tokenizer)


def _package_tokens(text: str, tokenizer: Tokenizer) -> list[int]:
    """The tokens by openai-harmony, else by our tokenizer."""
    try:
        encoding = package()
    except pytest.skip.Exception:
        return tokenizer.encode(text, parse_special=True)
    return list(encoding.encode(text, allowed_special="all"))


@cache
def package() -> Any:
    """openai-harmony's encoding; skips the test where it is not installed."""
    harmony = pytest.importorskip("openai_harmony", reason="needs openai-harmony (.[oracle])")
    vocabulary = tokenizer_json("gptoss")["model"]["vocab"]
    lines = (
        f"{b64encode(bytes(BYTE_OF_CHAR[char] for char in text)).decode()} {rank}\n"
        for text, rank in vocabulary.items()
    )
    with TemporaryDirectory() as folder:
        (Path(folder) / "o200k_base.tiktoken").write_text("".join(lines), encoding="ascii")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TIKTOKEN_ENCODINGS_BASE", folder)
            return harmony.load_harmony_encoding(harmony.HarmonyEncodingName.HARMONY_GPT_OSS)


@pytest.mark.parametrize("name", PARSED)
def test_parsed_vectors(name: str) -> None:
    tokenizer, text = gpt_oss(), vector(name)
    if text[0].isdigit():
        tokens = [int(token) for token in text.split()]
    else:
        tokens = tokenizer.encode(text.rstrip(), parse_special=True)
    prompt = tokenizer.encode("" if text.startswith("<|start|>") else PROMPT, parse_special=True)
    assert events(tokenizer, prompt, tokens) == PARSED[name]


def events(tokenizer: Tokenizer, prompt: list[int], tokens: list[int]) -> list[Event]:
    reader = Reader(
        Detokenizer(tokenizer), format_of("gpt-oss", None, tokenizer).parser(prompt, [LOOKUP])
    )
    found = [event for token in tokens for event in reader.push(token)]
    return merged(without_pieces([*found, *reader.finish()]))


@pytest.mark.live
def test_valid_answers_are_parsed_as_by_the_package() -> None:
    encoding = package()
    from openai_harmony import Role

    tokenizer, random = gpt_oss(), Random("valid answers")
    (dialect,) = (dialect for dialect in DIALECTS if dialect.name == "harmony")
    prompt = tokenizer.encode(PROMPT, parse_special=True)
    for _ in range(1000):
        wanted = meant(random, dialect) or [Content("Hi")]  # nothing is no valid answer
        tokens: list[int] = []
        for piece in cut(random, dialect.say(random, wanted)):
            known = tokenizer.token_id(piece) if isinstance(piece, Mark) else None
            tokens += [known] if known is not None else tokenizer.encode(piece, add_special=False)
        theirs = encoding.parse_messages_from_completion_tokens(tokens, Role.ASSISTANT)
        assert events(tokenizer, prompt, tokens) == merged(_events_of(theirs))


def _events_of(messages: list[Any]) -> list[Event]:
    """The package's messages as events; messages of one kind are paragraphs."""
    found: list[Event] = []
    for each in messages:
        text = "".join(content.text for content in each.content)
        if each.recipient is not None:
            found.append(ToolCall(each.recipient.removeprefix("functions."), text))
            continue
        kind = Reasoning if each.channel == "analysis" else Content
        again = any(isinstance(event, kind) for event in found)
        found.append(kind(f"\n\n{text}" if again else text))
    return found


@pytest.mark.live
def test_tools_are_told_of_as_by_the_package() -> None:
    encoding = package()
    from openai_harmony import DeveloperContent, Message, Role, ToolDescription

    random = Random("schemas")
    for n in range(300):
        properties = {name: _schema(random) for name in random.sample("pqrs", 3)}
        parameters = random.choice((None, {"type": "object", "properties": properties}))
        tool = {"name": "f", "description": f"does\n{n}", "parameters": parameters}
        content = DeveloperContent.new().with_function_tools(
            [ToolDescription.new("f", f"does\n{n}", parameters=parameters)]
        )
        theirs = encoding.render(Message.from_role_and_content(Role.DEVELOPER, content))
        assert message("developer", tools_section([tool])) == encoding.decode_utf8(theirs)


def _schema(random: Random, depth: int = 0) -> dict[str, Any]:
    kinds = ("string", "number", "integer", "boolean", "array", "object", "list", "one", "any")
    kind = random.choice(kinds if depth < 3 else kinds[:4])
    schema: dict[str, Any] = {"type": kind}
    if kind == "any":
        schema = {}
    elif kind == "list":
        schema = {"type": random.sample(["number", "string", "integer", "null"], 2)}
    elif kind == "one":
        schema = {"oneOf": [_schema(random, depth + 1) for _ in range(2)]}
    elif kind == "array":
        schema |= {"items": _schema(random, depth + 1)} if random.random() < 0.8 else {}
    elif kind == "object":
        names = random.sample("abc", random.randint(0, 3))
        schema["properties"] = {name: _schema(random, depth + 1) for name in names}
        schema["required"] = names[:1]
    elif kind == "string" and random.random() < 0.4:
        schema["enum"] = ["a", "b"]
    for key, values in (
        ("description", ["one", "two"]),
        ("title", ["T"]),
        ("nullable", [True, False]),
        ("default", ["a", 1, 1.5, True, None, [1, 2], {"x": 1}, "\u00fc"]),
        ("examples", [["e"], [1], [], ["x", 2]]),
    ):
        if random.random() < 0.25:
            schema[key] = random.choice(values)
    return schema


def published() -> HarmonyTemplate:
    source = path_of("templates/openai-gpt-oss-120b.jinja").read_text(encoding="utf-8")
    metadata = metadata_of_json("gptoss", "gpt-4o") | {"tokenizer.chat_template": source}
    template = template_of(metadata, gpt_oss())
    assert isinstance(template, HarmonyTemplate)
    assert len(template.notices) == 1
    return template


def test_chats_of_gpt_oss() -> None:
    template = published()
    calls = [CALL, {"id": "call_1", "function": {"name": "f", "arguments": {}}}]
    text = template.render(
        [
            says("system", "Be brief."),
            says("user", "Hi"),
            says("assistant", "Well.", reasoning_content="hm", tool_calls=calls),
            says("tool", "no", tool_call_id="call_1"),
            says("tool", "sunny", tool_call_id="call_0"),
        ],
        tools=[{"type": "function", "function": LOOKUP}],
        reasoning_effort="low",
    )
    today = datetime.now().strftime("%Y-%m-%d")
    assert text == (
        System(date=today, effort="low", functions=True).text()
        + developer("Be brief.", [LOOKUP])
        + "<|start|>user<|message|>Hi<|end|>"
        "<|start|>assistant<|channel|>analysis<|message|>hm<|end|>"
        "<|start|>assistant<|channel|>commentary<|message|>Well.<|end|>"
        "<|start|>assistant to=functions.lookup_weather<|channel|>commentary <|constrain|>json"
        '<|message|>{"location": "San Francisco"}<|call|>'
        "<|start|>assistant to=functions.f<|channel|>commentary <|constrain|>json<|message|>{}"
        "<|call|><|start|>functions.f to=assistant<|channel|>commentary<|message|>no<|end|>"
        "<|start|>functions.lookup_weather to=assistant<|channel|>commentary<|message|>sunny<|end|>"
        "<|start|>assistant"
    )


@pytest.mark.live
def test_chats_are_written_as_by_the_package() -> None:
    encoding = package()
    import openai_harmony as oh

    template, random = published(), Random("chats")
    for _ in range(300):
        messages = conversation(random, tools=True)
        theirs = _conversation(oh, messages, template)
        expected = encoding.render_conversation_for_completion(
            theirs, oh.Role.ASSISTANT, oh.RenderConversationConfig(auto_drop_analysis=False)
        )
        assert template.encode(messages) == expected


def _conversation(oh: Any, messages: list[dict[str, Any]], template: HarmonyTemplate) -> Any:
    """The chat in the package's terms, without the reasoning of turns that were answered."""
    today = template._now().strftime("%Y-%m-%d")
    system = oh.SystemContent.new().with_conversation_start_date(today)
    said = [oh.Message.from_role_and_content(oh.Role.SYSTEM, system)]
    users = [n for n, each in enumerate(messages) if each["role"] == "user"]
    finals = [
        n
        for n, each in enumerate(messages[: users[-1]])
        if each["role"] == "assistant" and "tool_calls" not in each
    ]
    for n, each in enumerate(messages):
        role, text = each["role"], each["content"]
        if role == "system":
            content = oh.DeveloperContent.new().with_instructions(text)
            said.append(oh.Message.from_role_and_content(oh.Role.DEVELOPER, content))
        elif role == "user":
            said.append(oh.Message.from_role_and_content(oh.Role.USER, text))
        elif role == "tool":
            author = oh.Author.new(oh.Role.TOOL, f"functions.{each['name']}")
            result = oh.Message.from_author_and_content(author, text)
            said.append(result.with_recipient("assistant").with_channel("commentary"))
        else:
            if "reasoning_content" in each and not (finals and n <= finals[-1]):
                thought = oh.Message.from_role_and_content(
                    oh.Role.ASSISTANT, each["reasoning_content"]
                )
                said.append(thought.with_channel("analysis"))
            if text:
                final = oh.Message.from_role_and_content(oh.Role.ASSISTANT, text)
                said.append(final.with_channel("final"))
            for call in each.get("tool_calls", ()):
                arguments = json.dumps(call["function"]["arguments"], ensure_ascii=False)
                asked = oh.Message.from_role_and_content(oh.Role.ASSISTANT, arguments)
                asked = asked.with_recipient(f"functions.{call['function']['name']}")
                said.append(asked.with_channel("commentary").with_content_type("<|constrain|>json"))
    return oh.Conversation.from_messages(said)
