"""Questions and answers: streamed, stopped, asked again, edited, deleted."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pestle import LLM

from tests.server.scripted import calls, thinks
from tests.server.serving import Client
from tests.server.test_models import until

from .driving import Chat

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright: .[dev]").expect

Start = Callable[..., Chat]

MARKDOWN = """\
# Planets

There are **eight**, and `Pluto`:

| name | moons |
| --- | ---: |
| Mars | 2 |

1. Mercury
2. Venus

```python
def moons(planet):
    return 2
```

Mass is $m = \\frac{F}{a}$.
"""


def test_an_answer_and_how_it_looks(chat: Start) -> None:
    page = chat(MARKDOWN)
    answer = page.answered("Which planets are there?")
    expect(answer.get_by_role("heading", name="Planets")).to_be_visible()
    expect(answer.locator("strong")).to_have_text("eight")
    expect(answer.locator("td.right")).to_have_text("2")
    expect(answer.locator("ol > li")).to_have_text(["Mercury", "Venus"])
    expect(answer.locator(".code .hljs-keyword").first).to_have_text("def")
    expect(answer.locator(".math math mfrac")).to_have_count(1)
    expect(answer.locator(".facts")).to_contain_text(f"{len(MARKDOWN)} tokens")
    expect(page.titles).to_have_text(["Which planets are there?"])
    answer.get_by_role("button", name="Copy python code").click()
    copied = page.page.evaluate("navigator.clipboard.readText()")
    assert copied == "def moons(planet):\n    return 2\n"


def test_an_answer_is_shown_while_it_is_written(chat: Start) -> None:
    said = ["First.\n\n", "Second.\n\n", "Third."]
    shown = 0
    passes = 0

    def before() -> None:
        """Write on only as far as the page has been seen to show what there is."""
        nonlocal passes
        passes += 1
        limit = 5 + sum(map(len, said[: shown + 1]))
        while passes > limit and shown < len(said) - 1:
            time.sleep(0.001)
            limit = 5 + sum(map(len, said[: shown + 1]))

    page = chat("".join(said), before=before)
    page.ask("Count.")
    for text in said:
        expect(page.answers.locator("p").filter(has_text=text.strip()[:4])).to_be_visible()
        shown += 1
    page.wait_until_answered()
    expect(page.answers.locator(".markdown > p")).to_have_text(["First.", "Second.", "Third."])


def test_stop(
    make_llm: Callable[..., LLM], serve: Callable[..., Client], visit: Callable[[Client], Chat]
) -> None:
    llm = make_llm("on and on ", end=False, n_ctx=1 << 20, before=lambda: time.sleep(0.002))
    page = visit(serve(llm))
    page.ask("Never end.")
    expect(page.answers).to_contain_text("on and on")
    page.button("Stop").click()
    expect(page.answers.locator(".ending")).to_have_text("Stopped.")
    until(lambda: llm.activity().running == 0)
    page.page.keyboard.press("Alt+r")
    expect(page.answers).to_contain_text("on and on")
    page.page.keyboard.press("Escape")
    expect(page.answers.locator(".ending")).to_have_text("Stopped.")
    expect(page.page.get_by_label("Version 2 of 2")).to_be_visible()
    until(lambda: llm.activity().running == 0)


def parrot(prompt: str) -> list[str | int]:
    """An answer that says what the question was."""
    question = prompt.rpartition("user\n")[2].partition("<|im_end|>")[0]
    return [f"You said: {question}"]


def test_another_answer_and_back(chat: Start) -> None:
    page = chat(lambda prompt: [f"{prompt.count('user')} said."])
    page.answered("One")
    page.answers.get_by_role("button", name="Another answer").click()
    page.wait_until_answered()
    expect(page.answers).to_have_count(1)
    expect(page.page.get_by_label("Version 2 of 2")).to_be_visible()
    page.button("Previous version").click()
    expect(page.page.get_by_label("Version 1 of 2")).to_be_visible()
    # The chat goes on from the version that is shown.
    page.answered("Two")
    expect(page.answers).to_have_count(2)
    page.button("Next version").click()
    expect(page.answers).to_have_count(1)
    page.button("Previous version").click()
    expect(page.answers).to_have_count(2)


def test_an_edited_question_is_a_branch(chat: Start) -> None:
    page = chat(parrot)
    expect(page.answered("Alpha")).to_contain_text("You said: Alpha")
    page.answered("Beta")
    page.questions.first.get_by_role("button", name="Edit the question").click()
    editor = page.page.get_by_label("Edit the question")
    editor.and_(page.page.locator("textarea")).fill("Gamma")
    page.button("Ask again").click()
    page.wait_until_answered()
    expect(page.questions).to_have_count(1)
    expect(page.answers).to_contain_text("You said: Gamma")
    page.button("Previous version").click()
    expect(page.questions.locator(".said")).to_have_text(["Alpha", "Beta"])
    expect(page.answers.first).to_contain_text("You said: Alpha")


def test_copy_and_delete(chat: Start) -> None:
    page = chat("Yes, *indeed*.", "And more.")
    page.answered("One")
    page.answered("Two")
    page.answers.first.get_by_role("button", name="Copy the answer").click()
    expect(page.page.get_by_text("Copied.")).to_be_visible()
    assert page.page.evaluate("navigator.clipboard.readText()") == "Yes, *indeed*."
    page.questions.last.get_by_role("button", name="Delete from here").click()
    expect(page.questions).to_have_count(1)
    expect(page.answers).to_have_count(1)
    page.page.reload()
    expect(page.questions.locator(".said")).to_have_text(["One"])


def test_reasoning_is_folded_with_its_time(chat: Start) -> None:
    page = chat([*thinks("It may be **four**."), "Four."])
    answer = page.answered("2 + 2?")
    expect(answer.locator(".markdown").last).to_have_text("Four.")
    summary = answer.get_by_text("Thought for")
    expect(summary).to_be_visible()
    expect(answer.get_by_text("It may be")).to_be_hidden()
    summary.click()
    expect(answer.locator("details strong")).to_have_text("four")


def test_calls_are_shown_and_given_results(chat: Start) -> None:
    prompts: list[str] = []
    page = chat(calls("weather", city="Rome"), "Sunny in Rome.", prompts=prompts)
    page.page.keyboard.press("Alt+s")
    page.page.get_by_text("Tools, for developers").click()
    page.page.get_by_label("Functions that the model may call").fill(
        '[{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", '
        '"properties": {"city": {"type": "string"}}, "required": ["city"]}}}]'
    )
    page.page.keyboard.press("Escape")
    answer = page.answered("Weather in Rome?")
    call = answer.get_by_label("Call of weather")
    expect(call.locator("pre")).to_have_text('{\n  "city": "Rome"\n}')
    call.get_by_text("Give the result").click()
    call.get_by_label("Result of weather").fill("31 degrees")
    call.get_by_role("button", name="Go on with this result").click()
    page.wait_until_answered()
    expect(page.answers.last).to_contain_text("Sunny in Rome.")
    assert "<tool_response>\n31 degrees\n</tool_response>" in prompts[-1]


def test_instructions_and_presets_reach_the_model(chat: Start) -> None:
    prompts: list[str] = []
    page = chat("Ja.", prompts=prompts)
    page.page.keyboard.press("Alt+s")
    page.page.get_by_label("Instructions").fill("Answer in German.")
    page.page.get_by_label("Longest answer").fill("2")
    page.page.get_by_label("Name of a new preset").fill("German")
    page.button("Save as preset").click()
    expect(page.page.get_by_label("Preset", exact=True)).to_have_value("German")
    page.page.keyboard.press("Escape")
    answer = page.answered("Yes?")
    assert "<|im_start|>system\nAnswer in German." in prompts[-1]
    expect(answer.locator(".ending")).to_contain_text("greatest length")
    page.page.reload()
    page.page.keyboard.press("Alt+s")
    page.page.get_by_label("Preset", exact=True).select_option("As the model has it")
    expect(page.page.get_by_label("Instructions")).to_have_value("")


def test_a_chat_that_is_too_long_is_refused_and_told(chat: Start) -> None:
    page = chat("Yes.", n_ctx=300)
    page.message.fill("word " * 100)
    expect(page.page.get_by_text("too much for this model")).to_be_visible()
    page.message.press("Enter")
    alert = page.answers.get_by_role("alert")
    expect(alert).to_contain_text("begin a new chat")
    page.watched.allowed = ("400 (Bad Request)",)
