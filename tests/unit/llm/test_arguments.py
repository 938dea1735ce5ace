"""What is wrong with an argument is said in one line, before anything is rendered or read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pestle
import pytest
from pestle import LLM, ArgumentError, ArgumentTypeError, Error
from pestle.template import ChatTemplate

MakeLlm = Callable[..., LLM]
HELLO = [{"role": "user", "content": "Hello"}]
TEMPLATE = (
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{{ m['content'] }}{{ m.mood }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n{{ 'model' }}"
)
NAMED = {"name": "f", "arguments": "{}"}


def answer_with(*calls: Any) -> list[Any]:
    return [*HELLO, {"role": "assistant", "content": "", "tool_calls": [*calls]}]


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch, make_llm: MakeLlm) -> LLM:
    """An LLM that fails when it renders or reads anything."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("an argument that is wrong has come this far")

    llm = make_llm("x", template=TEMPLATE, before=refuse)
    monkeypatch.setattr(ChatTemplate, "encode", refuse)
    return llm


@pytest.mark.parametrize(
    ("messages", "error", "why"),
    [
        ("hi", TypeError, "messages is 'hi', expected a list of messages such as"),
        ({"role": "user"}, TypeError, "messages is {'role': 'user'}, expected a list"),
        (None, TypeError, "messages is None, expected a list"),
        (5, TypeError, "messages is 5, expected a list"),
        ([], ValueError, "messages is empty, expected one at least"),
        ([1], TypeError, "messages[0] is 1, expected a mapping with role and content"),
        (["hi"], TypeError, "messages[0] is 'hi', expected a mapping"),
        ([{"content": "x"}], ValueError, "messages[0] has no role, expected system"),
        ([{"role": 3, "content": "x"}], TypeError, "messages[0]: role is 3"),
        (
            [*HELLO, {"role": "usr", "content": "x"}],
            ValueError,
            "role is 'usr', expected system, developer, user, assistant, tool; did you mean user?",
        ),
        ([{"role": "user"}], ValueError, "messages[0] has no content"),
        ([HELLO], TypeError, "messages is a list of chats, expected one; chat_all takes several"),
        ([{"role": "human", "content": "x"}], ValueError, "'human', expected system, developer,"),
        ([{"role": "human", "content": "x"}], ValueError, "did you mean user?"),
        ([{"role": "AI", "content": "x"}], ValueError, "did you mean assistant?"),
        ([{"from": "user", "content": "x"}], ValueError, "; did you mean role, not from?"),
        ([{"role": "user", "text": "x"}], ValueError, "; did you mean content, not text?"),
        ([{"role": "user", "content": []}], ValueError, "messages[0]: content is empty, expected"),
        (
            [{"role": "user", "content": [{"text": "x"}]}],
            ValueError,
            'messages[0]: content[0] has no type, expected "text"',
        ),
        (
            [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}],
            ValueError,
            "is of the type 'input_text'; only text parts can be read; did you mean text?",
        ),
        (
            [{"role": "user", "contnet": "x"}],
            ValueError,
            "messages[0] has the unknown key 'contnet'; did you mean content?",
        ),
        (
            [{**HELLO[0], "images": ["x.png"]}],
            ValueError,
            "messages[0] has images, which the chat template does not read",
        ),
        (
            [{"role": "tool", "content": "x", "tool_name": "f"}],
            ValueError,
            "messages[0] has the unknown key 'tool_name'; did you mean name?",
        ),
        (
            [*HELLO, {"role": "assistant", "content": "", "tool_call": {}}],
            ValueError,
            "messages[1] has the unknown key 'tool_call'; did you mean tool_calls?",
        ),
        ([{"role": "user", "content": 5}], TypeError, "messages[0]: content is 5, expected a str"),
        ([{"role": "user", "content": b"x"}], TypeError, "messages[0]: content is b'x'"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
            ValueError,
            "messages[0]: content[0] is of the type 'image_url'; only text parts can be read",
        ),
        ([{"role": "user", "content": [7]}], TypeError, "messages[0]: content[0] is 7"),
        (
            [{"role": "user", "content": [{"type": "text"}]}],
            TypeError,
            "messages[0]: content[0]: text is None, expected a string",
        ),
        ([{"role": "user", "content": "x", "name": 1}], TypeError, "messages[0]: name is 1"),
        (
            [{"role": "tool", "content": "x", "tool_call_id": 1}],
            TypeError,
            "messages[0]: tool_call_id is 1",
        ),
        (
            [{"role": "assistant", "content": "", "tool_calls": 5}],
            TypeError,
            "messages[0]: tool_calls is 5, expected a list of calls",
        ),
        (answer_with({}), ValueError, "messages[1]: tool_calls[0] has no function"),
        (answer_with(4), TypeError, "messages[1]: tool_calls[0] is 4, expected a mapping"),
        (answer_with({"function": 3}), ValueError, "tool_calls[0] has the function 3, expected"),
        (answer_with({"function": {}}), ValueError, "tool_calls[0]: the function's name is None"),
        (
            answer_with({"function": {"name": "f", "arguments": [1]}}),
            TypeError,
            "tool_calls[0]: the arguments are [1], expected JSON text or a mapping",
        ),
        (answer_with({"id": 1, "function": NAMED}), TypeError, "tool_calls[0]: id is 1"),
    ],
)
def test_messages_that_are_wrong(
    untouched: LLM, messages: Any, error: type[Exception], why: str
) -> None:
    for call in (untouched.chat, untouched.session().chat, untouched.chat_tokens):
        with pytest.raises(error) as raised:
            call(messages)
        assert isinstance(raised.value, Error)
        assert isinstance(raised.value, ArgumentError)
        assert why in str(raised.value)
        assert "\n" not in str(raised.value)


def test_roles_and_keys_that_the_template_names_are_its_own(make_llm: MakeLlm) -> None:
    llm = make_llm("x", template=TEMPLATE)
    messages = [
        {"role": "model", "content": "a", "mood": "!"},
        {**HELLO[0], "timestamp": 3, "date": "", "audio": None},
    ]
    assert llm.detokenize(llm.chat_tokens(messages)).startswith("model\na!\nuser\nHello\n")  # type: ignore[arg-type]


def test_text_parts_are_joined(make_llm: MakeLlm) -> None:
    llm = make_llm("x")
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    as_parts = llm.chat_tokens([{"role": "user", "content": parts}])
    assert as_parts == llm.chat_tokens([{"role": "user", "content": "one\ntwo"}])
    assert llm.chat([{"role": "user", "content": parts}], temperature=0).text == "x"


@pytest.mark.parametrize(
    ("tools", "error", "why"),
    [
        (len, TypeError, "tools is <built-in function len>, expected a list of tools"),
        (5, TypeError, "tools is 5, expected a list of tools"),
        ([len], TypeError, "len: the parameter obj is positional-only; models give arguments"),
        ("f", TypeError, "tools is 'f', expected a list"),
        ({"name": "f"}, TypeError, "tools is {'name': 'f'}, expected a list"),
        ([3], TypeError, "tools[0] is 3, expected a function or a mapping"),
        (
            [{"type": "function", "function": None}],
            TypeError,
            "tools[0]: function is None, expected a mapping",
        ),
        ([{"type": "web_search"}], ValueError, "tools[0] is of the type 'web_search'"),
        ([{}], ValueError, "tools[0]: the function's name is None, expected a string"),
        ([{"name": "f"}, {"name": "f"}], ValueError, "tools[1]: there is another tool of the name"),
        ([{"name": "f", "parameters": 3}], TypeError, "tools[0] (f): parameters is 3, expected a"),
        ([{"name": "f", "description": 3}], TypeError, "tools[0] (f): description is 3"),
        ([{"name": "f", "strict": "yes"}], TypeError, "tools[0] (f): strict is 'yes'"),
    ],
)
def test_tools_that_are_wrong(untouched: LLM, tools: Any, error: type[Exception], why: str) -> None:
    with pytest.raises(error) as raised:
        untouched.chat(HELLO, tools=tools)
    assert isinstance(raised.value, ArgumentError)
    assert why in str(raised.value)


def test_a_function_alone_is_a_tool(make_llm: MakeLlm) -> None:
    llm = make_llm("x", template=TEMPLATE)
    function = {"name": "f", "parameters": {"type": "object"}}
    whole = {"type": "function", "function": function}
    assert llm.chat_tokens(HELLO, [function]) == llm.chat_tokens(HELLO, [whole])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"temp": 0}, "unknown generation option 'temp'; did you mean temperature?"),
        ({"max_new_tokens": 3}, "'max_new_tokens'; did you mean max_tokens?"),
        ({"temprature": 0}, "'temprature'; did you mean temperature?"),
        ({"qqq": 0}, "unknown generation option 'qqq'"),
        ({"tool": []}, "'tool'; did you mean tools?"),
        ({"functions": []}, "'functions'; did you mean tools?"),
        ({"stop_sequences": []}, "'stop_sequences'; did you mean stop?"),
        ({"system": "x"}, "'system'; a message of the role system says it"),
        ({"n": 2}, "'n'; generate_all and chat_all take a list"),
        ({"system_prompt": "x"}, "'system_prompt'; a message of the role system says it"),
        ({"logprobs": True}, "logprobs is True, expected how many alternatives to report"),
        ({"reasoning": "high"}, "expected True, False or None; did you mean reasoning_effort?"),
        ({"stream": "yes"}, "stream is 'yes', expected True or False"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls is 'no', expected True or False"),
        ({"template_args": 3}, "template_args is 3, expected a mapping"),
        ({"template_args": {3: 4}}, "template_args: the name 3 is not a string"),
        ({"max_tokens": "3"}, "max_tokens is '3', expected an integer"),
        ({"json_schema": 3}, "json_schema is 3, expected a JSON schema"),
    ],
)
def test_options_that_are_wrong(untouched: LLM, options: dict[str, Any], why: str) -> None:
    with pytest.raises(ArgumentTypeError) as raised:
        untouched.chat(HELLO, **options)
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"template_args": {"tools": 4}}, "template_args: tools is not a variable to be set here"),
        ({"tool_choice": "required"}, "tool_choice wants a call, but there are no tools"),
        ({"max_tokens": -1}, "max_tokens is -1, expected 0 or more"),
        ({"json_schema": {}, "regex": "a"}, "json_schema and regex exclude each other"),
        ({"choice": []}, "choice is empty, expected one string at least"),
        ({"choice": ["a", ""]}, "choice has an empty string, which no answer can be"),
    ],
)
def test_values_that_are_wrong(untouched: LLM, options: dict[str, Any], why: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        untouched.chat(HELLO, **options)
    assert why in str(raised.value)


def test_options_of_chats_are_not_those_of_texts(untouched: LLM) -> None:
    with pytest.raises(ArgumentTypeError, match=r"option 'tool_choice'; chat takes it$"):
        untouched.generate("x", tool_choice="none")  # type: ignore[call-overload]
    with pytest.raises(ArgumentTypeError, match=r"option 'tools'; chat and conversation take"):
        untouched.generate("x", tools=[])  # type: ignore[call-overload]


def test_a_call_says_who_takes_what_it_does_not(untouched: LLM) -> None:
    wrong: list[tuple[Any, Any, dict[str, Any], str]] = [
        (untouched.generate_all, ["x"], {"stream": True}, "only generate, chat, ask"),
        (untouched.chat_all, [HELLO], {"stream": True}, "only generate, chat, ask"),
        (untouched.conversation().ask, "x", {"tools": []}, "chat and conversation take them"),
        (untouched.conversation().converse, "x", {"max_rounds": 1}, "it, as most_rounds"),
        (untouched.conversation().ask, 5, {}, "text is 5, expected a string"),
        (untouched.score, "x", {"begin": 1}, "unknown argument 'begin'"),
        (untouched.conversation, None, {"messages": []}, "as its attribute `messages`"),
    ]
    for call, given, options, why in wrong:
        with pytest.raises(ArgumentTypeError) as raised:
            call(given, **options)
        assert why in str(raised.value)


def test_names_that_the_package_does_not_have() -> None:
    with pytest.raises(AttributeError) as raised:
        pestle.Llm  # type: ignore[attr-defined]  # noqa: B018
    # By these Python asks "Did you mean: 'LLM'?" under the traceback.
    assert (raised.value.name, raised.value.obj) == ("Llm", pestle)


@pytest.mark.parametrize(
    ("prompt", "error", "why"),
    [
        (["a", "b"], TypeError, r"^prompt\[0\] is 'a', expected a token id; generate_all takes"),
        (b"ab", TypeError, "^prompt is b'ab', expected text or token ids"),
        (None, TypeError, "^prompt is None, expected text or token ids"),
        (3, TypeError, "^prompt is 3, expected text or token ids"),
        ({"a": 1}, TypeError, "^prompt is {'a': 1}, expected text or token ids"),
        (HELLO, TypeError, r"^prompt\[0\] is .*, expected a token id; chat takes messages$"),
        ([1.5], TypeError, r"^prompt\[0\] is 1.5, expected a token id$"),
        ([1, -1], ValueError, r"^prompt: token -1 is not in \[0, 259\)$"),
    ],
)
def test_prompts_that_are_wrong(
    untouched: LLM, prompt: Any, error: type[Exception], why: str
) -> None:
    for call in (untouched.generate, untouched.logits, untouched.score):
        with pytest.raises(error, match=why) as raised:
            call(prompt)
        assert isinstance(raised.value, ArgumentError)


@pytest.mark.parametrize(
    ("tokens", "error", "why"),
    [
        ([-1], ValueError, r"tokens: token -1 is not in \[0, 259\)"),
        ([259], ValueError, r"tokens: token 259 is not in \[0, 259\)"),
        (["a"], TypeError, r"tokens\[0\] is 'a', expected a token id"),
        ("ab", TypeError, "tokens is 'ab', expected token ids"),
    ],
)
def test_tokens_that_have_no_text(llm: LLM, tokens: Any, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why) as raised:
        llm.detokenize(tokens)
    assert isinstance(raised.value, ArgumentError)


class Person:
    """As a pydantic model class is asked for its schema."""

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        age = {"type": "integer", "minimum": 7, "maximum": 7}
        schema = {"type": "object", "properties": {"age": age}, "required": ["age"]}
        return {**schema, "additionalProperties": False}


@pytest.mark.parametrize("option", ["json_schema", "response_format"])
def test_a_pydantic_model_is_a_schema(llm: Any, option: str) -> None:
    said = llm.chat(HELLO, **{option: Person}, max_tokens=200, seed=1).text
    assert json.loads(said) == {"age": 7}


def test_a_model_without_a_schema(llm: Any) -> None:
    class Broken:
        @classmethod
        def model_json_schema(cls) -> dict[str, Any]:
            raise KeyError("no")

    with pytest.raises(ArgumentError, match=r"^json_schema: Broken has no schema: KeyError: 'no'"):
        llm.chat(HELLO, json_schema=Broken)
    with pytest.raises(ArgumentTypeError, match="json_schema is <class 'int'>, expected a JSON"):
        llm.chat(HELLO, json_schema=int)


def test_both_are_exported() -> None:
    assert issubclass(pestle.ArgumentTypeError, (pestle.ArgumentError, TypeError))
    assert issubclass(pestle.ArgumentError, (pestle.Error, ValueError))


def _nested(depth: int) -> Any:
    found: Any = None
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize("depth", [500, 5000])
def test_values_that_are_nested_deeper_than_python_follows(untouched: LLM, depth: int) -> None:
    deep = _nested(depth)
    user = {"role": "user", "content": "a"}
    for messages in (deep, {"a": deep}, [{"role": deep}], [{"role": "user", "content": deep}]):
        with pytest.raises((ArgumentError, ArgumentTypeError)):
            untouched.chat(messages)  # type: ignore[arg-type]
    for tools in (deep, [{"type": "function", "function": deep}]):
        with pytest.raises((ArgumentError, ArgumentTypeError)):
            untouched.chat([user], tools=tools)
    for name in ("stop", "logit_bias", "max_tokens", "reasoning", "tool_choice"):
        with pytest.raises((ArgumentError, ArgumentTypeError)):
            untouched.chat([user], **{name: deep})


@pytest.mark.parametrize(
    ("given", "options", "why"),
    [
        ((), {"ctx": 5}, "unknown argument 'ctx'; did you mean n_ctx?"),
        ((), {"threads": 1, "kvtype": "f16"}, "unknown argument 'kvtype'; did you mean kv_type?"),
        ((5,), {}, "model is 5, expected a file or a name"),
        ((b"x.gguf",), {}, "model is b'x.gguf', expected a file or a name"),
        (
            (),
            {"device": 5},
            "unknown argument 'device'; Pestle computes on the CPU alone",
        ),
        ((), {"max_model_len": 5}, "unknown argument 'max_model_len'; did you mean n_ctx?"),
        ((), {"hf": 3}, "hf is 3, expected a string"),
        ((), {"chat_template": 3}, "chat_template is 3, expected a string"),
        ((), {"offline": "yes"}, "offline is 'yes', expected True or False"),
        ((), {"progress": 3}, "progress is 3, expected a pestle.models.Progress"),
    ],
)
def test_arguments_of_a_model_that_are_wrong(
    given: tuple[Any, ...], options: dict[str, Any], why: str
) -> None:
    with pytest.raises(ArgumentTypeError) as raised:
        LLM(*given, **options)
    assert str(raised.value) == why


@pytest.mark.parametrize(
    ("call", "given", "options", "why"),
    [
        ("tokenize", (3,), {}, "text is 3, expected a string"),
        ("tokenize", ("x",), {"add_bos": True}, "'add_bos'; did you mean add_special?"),
        ("tokenize", ("x",), {"parse_special": 1}, "parse_special is 1, expected True or False"),
        ("tokenize", ("x",), {"add_specials": True}, "'add_specials'; did you mean add_special?"),
        ("detokenize", ([1],), {"skip_special_tokens": True}, "did you mean skip_special?"),
        ("conversation", (3,), {}, "system is 3, expected a string"),
        ("conversation", (), {"system_prompt": "x"}, "did you mean system?"),
        ("conversation", (), {"tools": len}, "tools is <built-in function len>, expected a list"),
        ("embed", (["a", 3],), {"pooling": "mean"}, "texts[1] is 3, expected text or token ids"),
    ],
)
def test_other_calls(
    untouched: LLM, call: str, given: tuple[Any, ...], options: dict[str, Any], why: str
) -> None:
    with pytest.raises(ArgumentTypeError) as raised:
        getattr(untouched, call)(*given, **options)
    assert why in str(raised.value)


def test_what_an_assistant_or_a_tool_says_may_be_nothing(make_llm: MakeLlm) -> None:
    for role in ("assistant", "tool"):
        messages: list[Any] = [*HELLO, {"role": role, "content": []}, *HELLO]
        assert make_llm("x").chat(messages, temperature=0).text == "x"


def test_a_schema_that_is_a_bool(make_llm: MakeLlm) -> None:
    assert make_llm("[1]").chat(HELLO, temperature=0, json_schema=True).text == "[1]"
    with pytest.raises(pestle.GrammarError, match="json_schema is false, which no JSON fits"):
        make_llm("[1]").chat(HELLO, json_schema=False)
