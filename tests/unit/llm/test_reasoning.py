"""Reasoning, content and calls through the API, the switches, and the budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pestle import LLM, ToolCall, UnsupportedError
from pestle._core import Drafter
from pestle.formats.harmony import MARKS

MakeLlm = Callable[..., LLM]
HELLO = [{"role": "user", "content": "Hi"}]
OPEN, CLOSE, CALL, CALL_END = 259, 260, 261, 262
QWEN = ("<think>", "</think>", "<tool_call>", "</tool_call>")
BODY = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)
OFF = "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
TEMPLATE = "{# <tool_call> #}" + BODY + OFF
HARMONY_TEMPLATE = (
    "<|start|>system<|message|>Reasoning: {{ reasoning_effort }}<|end|>"
    "{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}"
    "<|start|>assistant"
    "{# <|channel|> #}"
)


def scripted(*script: str | int) -> Callable[[list[int]], NDArray[np.float32]]:
    """A model that says this after the prompt, whatever stands there already."""
    answer: list[int] = []
    for part in script:
        answer += [part] if isinstance(part, int) else part.encode()

    def logits(tokens: list[int]) -> NDArray[np.float32]:
        header = [256, *b"assistant\n"]
        ends = [i for i in range(len(tokens)) if tokens[i : i + len(header)] == header]
        values = np.zeros(263, np.float32)
        values[[*answer, 257][(len(tokens) - ends[-1] - len(header)) % (len(answer) + 1)]] = 20
        return values

    return logits


def ponders() -> Callable[[list[int]], NDArray[np.float32]]:
    """A model that reasons for ever, "hm, hm, ", but answers "So." once it is led out of it."""

    def logits(tokens: list[int]) -> NDArray[np.float32]:
        values = np.zeros(263, np.float32)
        if CLOSE in tokens:
            said = [t for t in tokens[tokens.index(CLOSE) + 1 :] if t != 10]
            token = (*b"So.", 257, 0)[min(len(said), 4)]
        elif OPEN in tokens:
            token = b"hm, "[(len(tokens) - tokens.index(OPEN) - 1) % 4]
        else:
            token = OPEN
        values[token] = 20
        return values

    return logits


def qwen(make_llm: MakeLlm, model: Any, **options: Any) -> LLM:
    return make_llm(marks=QWEN, template=TEMPLATE, architecture="qwen3", model=model, **options)


def test_an_answer_has_its_parts(make_llm: MakeLlm) -> None:
    call = '\n{"name": "f", "arguments": {"a": 1}}\n'
    llm = qwen(
        make_llm,
        scripted(OPEN, "\nWhy?\n", CLOSE, "\n\nSo.\n", CALL, call, CALL_END),
    )
    answer = llm.chat(HELLO, temperature=0)
    assert (answer.reasoning, answer.text) == ("Why?", "So.")
    assert answer.content == answer.text
    assert answer.tool_calls == (ToolCall("f", '{"a": 1}'),)
    assert answer.warnings == ()
    assert answer.usage.reasoning_tokens == 6
    assert answer.message == {
        "role": "assistant",
        "content": "So.",
        "reasoning_content": "Why?",
        "tool_calls": [
            {
                "id": answer.tool_calls[0].id,
                "type": "function",
                "function": {"name": "f", "arguments": '{"a": 1}'},
            }
        ],
    }
    chunks = list(llm.chat(HELLO, temperature=0, stream=True))
    assert "".join(chunk.content for chunk in chunks) == answer.text
    assert "".join(chunk.reasoning for chunk in chunks) == answer.reasoning
    assert [call for chunk in chunks for call in chunk.tool_calls] == list(answer.tool_calls)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.reasoning_tokens == 6


def test_what_is_wrong_is_said(make_llm: MakeLlm) -> None:
    llm = qwen(make_llm, scripted("Hi", CALL_END, "!", CALL_END))
    answer = llm.chat(HELLO, temperature=0)
    assert answer.text == "Hi</tool_call>!</tool_call>"
    assert answer.warnings == ("</tool_call> has no meaning here",)
    warned = [chunk.warnings for chunk in llm.chat(HELLO, temperature=0, stream=True)]
    assert warned.count(answer.warnings) == 2


def test_stop_strings_are_of_the_content(make_llm: MakeLlm) -> None:
    llm = qwen(make_llm, scripted(OPEN, "END of it", CLOSE, "So. END more"))
    answer = llm.chat(HELLO, temperature=0, stop="END")
    assert (answer.reasoning, answer.text, answer.stop_reason) == ("END of it", "So. ", "END")


def test_a_completion_has_no_parts(make_llm: MakeLlm) -> None:
    llm = qwen(make_llm, scripted(OPEN, "hm", CLOSE, "So."))
    prompt = llm.tokenize("<|im_start|>assistant\n", parse_special=True)
    assert llm.generate(prompt, temperature=0).text == "hmSo."


@pytest.mark.parametrize("budget", [0, 1, 2, 3, 7, 50])
@pytest.mark.parametrize("drafter", [None, Drafter])
@pytest.mark.parametrize("opened", [False, True])
def test_a_budget_is_exact(make_llm: MakeLlm, budget: int, drafter: Any, opened: bool) -> None:
    template = TEMPLATE + ("<think>" if opened else "")
    llm: Any = make_llm(
        marks=QWEN, template=template, architecture="qwen3", model=ponders(), drafter=drafter
    )
    session = llm.session()
    answer = session.chat(HELLO, temperature=0, reasoning_budget=budget)
    assert answer.usage.reasoning_tokens == budget
    reasoned = ("hm, " * 15)[:budget]
    assert answer.reasoning == reasoned
    assert (answer.text, answer.finish_reason) == ("So.", "stop")
    led_out = [10, CLOSE, 10, 10]
    expected = [*([] if opened else [OPEN]), *reasoned.encode(), *led_out, *b"So."]
    assert list(answer.token_ids) == expected
    # As without a budget, the session holds all that it has said.
    assert session.tokens[-len(expected) :] == expected
    streamed = llm.chat(HELLO, temperature=0, reasoning_budget=budget, stream=True)
    assert [t for chunk in streamed for t in chunk.token_ids] == expected


def test_a_budget_that_suffices_changes_nothing(make_llm: MakeLlm) -> None:
    llm = qwen(make_llm, scripted(OPEN, "\nWhy?\n", CLOSE, "\n\nSo."))
    plain = llm.chat(HELLO, temperature=0)
    answer = llm.chat(HELLO, temperature=0, reasoning_budget=7)
    assert answer.token_ids == plain.token_ids
    assert llm.chat(HELLO, temperature=0, reasoning_budget=6).reasoning == "Why?"


def test_forced_tokens_count_and_have_the_models_own_probability(make_llm: MakeLlm) -> None:
    llm = qwen(make_llm, ponders())
    answer = llm.chat(HELLO, temperature=0, reasoning_budget=2, max_tokens=5, logprobs=1)
    assert answer.token_ids == (OPEN, *b"hm", 10, CLOSE)
    assert answer.finish_reason == "length"
    assert answer.logprobs is not None
    logprobs = [each.logprob for each in answer.logprobs]
    assert logprobs[2] == pytest.approx(0, abs=1e-3)
    assert logprobs[3] == pytest.approx(-20, abs=1e-3)  # the model would have gone on with ","
    assert answer.logprobs[3].top[0].piece == b","


def test_harmony_is_led_to_its_final_channel(make_llm: MakeLlm) -> None:
    channel, message, end, start = (259 + MARKS.index(mark) for mark in
        ("<|channel|>", "<|message|>", "<|end|>", "<|start|>"))  # fmt: skip

    def model(tokens: list[int]) -> NDArray[np.float32]:
        values = np.zeros(259 + len(MARKS), np.float32)
        last = len(tokens) - 1 - tokens[::-1].index(message)
        begun = [channel, *b"analysis", message]
        header = [start, *b"assistant"]
        if tokens[-len(header) :] == header:
            values[channel] = 20
        elif tokens[last - 9 : last + 1] == begun:
            values[b"hm, "[(len(tokens) - last - 1) % 4]] = 20
        elif tokens[last - 6 : last + 1] == [channel, *b"final", message]:
            values[(*b"So.", 257)[len(tokens) - last - 1]] = 20
        else:
            at = len(tokens) - 1 - tokens[::-1].index(channel)
            values[begun[len(tokens) - at]] = 20
        return values

    llm = make_llm(marks=MARKS, template=HARMONY_TEMPLATE, architecture="gpt-oss", model=model)
    answer = llm.chat(HELLO, temperature=0, reasoning_budget=5, reasoning_effort="high")
    assert (answer.reasoning, answer.text) == ("hm, h", "So.")
    assert answer.usage.reasoning_tokens == 5
    expected = [channel, *b"analysis", message, *b"hm, h"]
    expected += [end, start, *b"assistant", channel, *b"final", message, *b"So."]
    assert list(answer.token_ids) == expected


def test_the_token_that_ends_a_harmony_call_ends_the_answer(make_llm: MakeLlm) -> None:
    said: list[int] = []
    for part in (
        "<|channel|>",
        "commentary to=functions.f ",
        "<|message|>",
        '{"a": 1}',
        "<|call|>",
    ):
        said += [259 + MARKS.index(part)] if part in MARKS else part.encode()
    start = 259 + MARKS.index("<|start|>")

    def model(tokens: list[int]) -> NDArray[np.float32]:
        values = np.zeros(259 + len(MARKS), np.float32)
        begin = len(tokens) - tokens[::-1].index(start) + len("assistant")
        values[said[len(tokens) - begin]] = 20
        return values

    llm = make_llm(marks=MARKS, template=HARMONY_TEMPLATE, architecture="gpt-oss", model=model)
    answer = llm.chat(HELLO, temperature=0)
    assert answer.tool_calls == (ToolCall("f", '{"a": 1}'),)
    assert (answer.text, answer.stop_reason) == ("", 259 + MARKS.index("<|call|>"))


def test_switches_are_the_templates(make_llm: MakeLlm) -> None:
    llm = qwen(make_llm, scripted("So."))
    prompts = [
        llm.chat(HELLO, temperature=0, max_tokens=1, reasoning=wanted).usage.prompt_tokens
        for wanted in (True, None, False)
    ]
    assert prompts[0] == prompts[1] == prompts[2] - 6  # "<think>\n\n</think>\n\n"
    with pytest.raises(UnsupportedError, match=r"^fake has no reasoning effort to set\.$"):
        llm.chat(HELLO, reasoning_effort="low")


def test_a_switch_that_the_model_does_not_have_is_an_error(make_llm: MakeLlm) -> None:
    plain = make_llm("Hi")
    with pytest.raises(UnsupportedError, match=r"^fake has no switch for reasoning\.$"):
        plain.chat(HELLO, reasoning=True)
    with pytest.raises(UnsupportedError, match=r"^fake does not reason, so there is no budget"):
        plain.chat(HELLO, reasoning_budget=3)
    harmony = make_llm("Hi", marks=MARKS, template=HARMONY_TEMPLATE, architecture="gpt-oss")
    with pytest.raises(UnsupportedError, match=r"for reasoning\. It has reasoning_effort\.$"):
        harmony.chat(HELLO, reasoning=False)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"reasoning": "on"}, TypeError, "reasoning is 'on', expected True, False or None"),
        ({"reasoning_effort": "huge"}, ValueError, "'huge', expected low, medium, high"),
        ({"reasoning_budget": -1}, ValueError, "reasoning_budget is -1, expected 0 or more"),
    ],
)
def test_values_that_no_model_takes(
    make_llm: MakeLlm, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        qwen(make_llm, scripted("So.")).chat(HELLO, **options)


def test_completions_have_no_such_options(llm: Any) -> None:
    with pytest.raises(TypeError, match="unknown generation option 'reasoning_budget'"):
        llm.generate("\x02", reasoning_budget=3)


def test_a_conversation_keeps_reasoning_and_calls(make_llm: MakeLlm) -> None:
    chat = qwen(make_llm, scripted(OPEN, "\nWhy?\n", CLOSE, "\n\nSo.")).conversation()
    chat.ask("Hi", temperature=0)
    assert chat.messages[-1] == {
        "role": "assistant",
        "content": "So.",
        "reasoning_content": "Why?",
    }
