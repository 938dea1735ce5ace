"""Chats that are kept: after a reload, in other tabs, in files, on the server's disk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pestle import LLM, sessions

from tests.server.conftest import tiny_with_bos  # noqa: F401  (fixture)
from tests.server.serving import Client
from tests.server.test_models import until

from .driving import Chat

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright: .[dev]").expect

Start = Callable[..., Chat]
Visit = Callable[[Client], Chat]


def test_search_rename_and_delete(chat: Start) -> None:
    page = chat("A fruit.")
    page.answered("What is an apple?")
    page.button("New chat").click()
    page.answered("What is a pear?")
    expect(page.titles).to_have_text(["What is a pear?", "What is an apple?"])
    search = page.page.get_by_label("Search the chats")
    search.fill("APPLE")
    expect(page.titles).to_have_text(["What is an apple?"])
    search.fill("fruit")  # in what was said, not in a title
    expect(page.titles).to_have_count(2)
    search.fill("nowhere")
    expect(page.page.get_by_text("Nothing found.")).to_be_visible()
    search.fill("")
    page.button("Rename What is an apple?").click()
    page.page.get_by_label("Name of the chat").fill("Apples")
    page.page.get_by_label("Name of the chat").press("Enter")
    expect(page.titles).to_have_text(["What is a pear?", "Apples"])
    page.button("Delete Apples").click()
    page.button("Delete").click()
    until(lambda: len(page.kept()) == 2)  # the messages of the other one
    page.page.reload()
    expect(page.titles).to_have_text(["What is a pear?"])
    expect(page.questions).to_have_count(1)  # the one that was open is open again


def test_what_is_deleted_stays_deleted_for_whoever_leaves_at_once(chat: Start) -> None:
    page = chat("Yes.", "And more.")
    page.answered("One")
    page.answered("Two")
    page.reload_once("article.question", 1)
    with page.page.expect_event("load"):
        page.questions.last.get_by_role("button", name="Delete from here").click()
    expect(page.questions.locator(".said")).to_have_text(["One"])
    page.reload_once("nav .title", 0)
    page.button("Delete One").click()
    with page.page.expect_event("load"):
        page.button("Delete").click()
    expect(page.message).to_be_visible()
    expect(page.titles).to_have_count(0)
    expect(page.questions).to_have_count(0)


def test_an_answer_survives_a_reload_as_far_as_it_came(
    make_llm: Callable[..., LLM], serve: Callable[..., Client], visit: Visit
) -> None:
    llm = make_llm("on and on ", end=False, n_ctx=1 << 20, before=lambda: time.sleep(0.002))
    page = visit(serve(llm))
    page.ask("Never end.")
    expect(page.answers).to_contain_text("on and on on and on")
    until(lambda: any(each["role"] == "assistant" and each["content"] for each in page.kept()))
    page.page.reload()
    expect(page.answers).to_contain_text("on and on")
    expect(page.answers.locator(".ending")).to_contain_text("This answer is not complete")


def test_two_tabs_show_the_same_chats(serve: Callable[..., Client], visit: Visit,
                                      make_llm: Callable[..., LLM]) -> None:  # fmt: skip
    client = serve(make_llm("Good."))
    first, second = visit(client), visit(client)
    first.answered("From the first tab")
    expect(second.titles).to_have_text(["From the first tab"])
    second.titles.click()
    expect(second.answers).to_contain_text("Good.")
    second.answered("From the second tab")
    # The first tab has the new messages; it shows the branch that it chose.
    first.titles.click()
    expect(first.questions.locator(".said")).to_have_text(
        ["From the first tab", "From the second tab"]
    )
    second.button("Delete From the first tab").click()
    second.button("Delete").click()
    expect(first.titles).to_have_count(0)


def test_a_chat_as_markdown_and_as_json_and_back(chat: Start, tmp_path: Path) -> None:
    page = chat("Yes, **indeed**.", "No.")
    page.answered("Is this: a/b?")
    page.answers.get_by_role("button", name="Another answer").click()
    page.wait_until_answered()
    page.button("Export, import, save").click()
    with page.page.expect_download() as markdown:
        page.button("This chat as Markdown").click()
    assert markdown.value.suggested_filename == "Is this a b.md"
    saved = Path(markdown.value.path()).read_text()
    assert saved == "# Is this: a/b?\n\n## You\n\nIs this: a/b?\n\n## fake\n\nYes, **indeed**.\n"
    with page.page.expect_download() as downloaded:
        page.button("This chat as JSON").click()
    path = tmp_path / "chats.json"
    downloaded.value.save_as(path)
    kept = json.loads(path.read_text())
    assert (kept["format"], kept["version"], len(kept["chats"])) == ("pestle-chats", 1, 1)
    assert [each["role"] for each in kept["chats"][0]["messages"]].count("assistant") == 2
    page.page.get_by_label("File of chats").set_input_files(path)
    expect(page.page.get_by_text("One chat was imported.")).to_be_visible()
    page.page.keyboard.press("Escape")
    expect(page.titles).to_have_text(["Is this: a/b?", "Is this: a/b?"])
    page.titles.first.click()
    expect(page.page.get_by_label("Version 2 of 2")).to_be_visible()


def exported(message: str) -> str:
    return (
        '{"format": "pestle-chats", "version": 1, "chats": [{"title": "x", "messages": '
        f"[{{{message}}}]}}]}}"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not JSON", "not JSON"),
        ("[]", "the file is not an object"),
        ('{"format": "other"}', "does not hold chats"),
        ('{"format": "pestle-chats", "version": 9}', "version 9, expected 1"),
        (
            exported('"id": "a", "parent": null, "role": "root", "content": "x"'),
            "chats[0].messages[0].role is root, expected user, assistant, tool",
        ),
        (
            exported('"id": "a", "parent": "b", "role": "user", "content": "x"'),
            "chats[0].messages[0].parent is not in the file",
        ),
    ],
)
def test_files_that_are_no_chats(chat: Start, tmp_path: Path, text: str, said: str) -> None:
    page = chat("Yes.")
    path = tmp_path / "chats.json"
    path.write_text(text)
    page.button("Export, import, save").click()
    page.page.get_by_label("File of chats").set_input_files(path)
    notice = page.page.locator(".notice.failed")
    expect(notice).to_contain_text(said, ignore_case=True)
    expect(page.titles).to_have_count(0)


def test_a_chat_is_saved_on_the_servers_disk_and_opened_again(
    tiny_with_bos: LLM,  # noqa: F811
    serve: Callable[..., Client],
    visit: Visit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PESTLE_DATA", str(tmp_path / "data"))
    page = visit(serve(tiny_with_bos))
    page.page.keyboard.press("Alt+s")
    page.page.get_by_label("Longest answer").fill("4")
    page.page.get_by_label("Seed").fill("1")
    page.page.keyboard.press("Escape")
    answer = page.answered("Good day")
    page.button("Export, import, save").click()
    page.button("Save this chat").click()
    expect(page.page.get_by_text("In a terminal, pestle chat --session good-day-")).to_be_visible()
    (saved,) = sessions.saved_sessions()
    messages = sessions.read(saved.name).messages
    assert [each["role"] for each in messages] == ["user", "assistant"]
    expect(answer.locator(".markdown")).to_have_text(messages[1]["content"].strip())
    page.page.keyboard.press("Escape")
    page.button("Delete Good day").click()
    page.button("Delete").click()
    page.button("Export, import, save").click()
    page.button("Open").click()
    expect(page.questions.locator(".said")).to_have_text(["Good day"])
    expect(page.titles).to_have_text([saved.name])
