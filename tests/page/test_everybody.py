"""With the keyboard alone, on a phone, by a screen reader, in the dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pestle.server import Disk

from tests.server.scripted import calls, thinks
from tests.server.serving import Client

from .driving import Chat
from .test_chatting import MARKDOWN
from .test_files import file

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright: .[dev]").expect

Start = Callable[..., Chat]

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"


@pytest.fixture
def accessible() -> Callable[[Page], None]:
    """Fails where axe finds anything serious."""
    if not AXE.exists():
        pytest.skip("needs axe-core: npm --prefix web ci")
    source = AXE.read_text()

    def check(page: Page) -> None:
        page.evaluate(source)
        found = page.evaluate("axe.run(document).then((found) => found.violations)")
        assert [
            (each["id"], each["impact"], [node["html"] for node in each["nodes"]])
            for each in found
            if each["impact"] in ("serious", "critical")
        ] == []

    return check


def tab_to(page: Chat, name: str) -> None:
    """Press Tab until the focus is on what has this name."""
    for _ in range(60):
        page.page.keyboard.press("Tab")
        said = page.page.evaluate(
            "document.activeElement.ariaLabel ?? document.activeElement.textContent.trim()"
        )
        if said == name:
            return
    raise AssertionError(f"the keyboard does not get to {name}")


def test_the_keyboard_alone(chat: Start) -> None:
    page = chat(MARKDOWN, "Another.")
    keys = page.page.keyboard
    expect(page.message).to_be_visible()
    keys.press("Tab")
    expect(page.page.get_by_text("To the message")).to_be_focused()
    keys.press("Enter")
    expect(page.message).to_be_focused()
    keys.type("Planets?")
    keys.press("Shift+Enter")
    keys.type("Please.")
    keys.press("Enter")
    page.wait_until_answered()
    expect(page.questions.locator(".said")).to_have_text("Planets?\nPlease.")
    keys.press("Alt+e")
    expect(page.page.locator(".editor textarea")).to_be_focused()
    keys.press("Escape")
    expect(page.page.locator(".editor")).to_have_count(0)
    keys.press("Alt+r")
    expect(page.page.get_by_label("Version 2 of 2")).to_be_visible()
    page.wait_until_answered()
    keys.press("Alt+m")
    expect(page.page.get_by_role("dialog", name="Models")).to_be_visible()
    keys.press("Escape")
    keys.press("Alt+s")
    tab_to(page, "Save as preset")
    keys.press("Escape")
    expect(page.page.get_by_role("dialog")).to_have_count(0)
    keys.press("Alt+n")
    expect(page.message).to_be_focused()
    expect(page.questions).to_have_count(0)
    keys.press("Alt+k")
    expect(page.page.get_by_label("Search the chats")).to_be_focused()
    tab_to(page, "Planets?")
    keys.press("Enter")
    expect(page.questions).to_have_count(1)
    tab_to(page, "Help")
    keys.press("Enter")
    help_dialog = page.page.get_by_role("dialog", name="Help")
    expect(help_dialog).to_contain_text("Everything stays on this machine")
    keys.press("Escape")
    tab_to(page, "Delete from here")
    keys.press("Enter")
    expect(page.questions).to_have_count(0)


def test_on_a_phone(chat: Start, accessible: Callable[[Page], None]) -> None:
    page = chat(MARKDOWN + "\n" + "x" * 300)
    page.page.set_viewport_size({"width": 360, "height": 680})
    page.answered("A question without a break: " + "y" * 300)
    width = "[document.documentElement.scrollWidth, document.querySelector('main').scrollWidth]"
    assert page.page.evaluate(width) == [360, 360]
    expect(page.titles).to_be_hidden()
    accessible(page.page)
    page.button("Chats").click()
    expect(page.titles).to_be_visible()
    accessible(page.page)
    page.titles.click()
    expect(page.titles).to_be_hidden()
    page.button("Settings").click()
    accessible(page.page)
    assert page.page.evaluate("document.querySelector('dialog').scrollWidth") <= 360


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_choice_of_colours(chat: Start, system: str) -> None:
    """The system's, unless another one is chosen."""
    page = chat(["Fine."])
    page.page.emulate_media(color_scheme=system)  # type: ignore[arg-type]
    light, dark = "rgb(255, 255, 255)", "rgb(21, 25, 24)"
    body = page.page.locator("body")
    expect(body).to_have_css("background-color", {"light": light, "dark": dark}[system])
    page.page.keyboard.press("Alt+s")
    for chosen, colour in (("dark", dark), ("light", light)):
        page.page.get_by_label("Colours").select_option(chosen)
        expect(body).to_have_css("background-color", colour)


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_serious(
    chat: Start, accessible: Callable[[Page], None], colours: str
) -> None:
    page = chat([*thinks("Hm."), MARKDOWN, *calls("weather", city="Rome")])
    page.page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
    expect(page.page.get_by_text("Everything stays on this machine")).to_be_visible()
    accessible(page.page)
    page.page.get_by_label("Files", exact=True).set_input_files([file("a.txt", b"text")])
    answer = page.answered("Planets?")
    answer.get_by_text("Thought for").click()
    accessible(page.page)
    answer.get_by_role("button", name="Another answer").click()
    page.wait_until_answered()
    for keys in ("Alt+m", "Alt+s"):
        page.page.keyboard.press(keys)
        expect(page.page.get_by_role("dialog")).to_be_visible()
        accessible(page.page)
        page.page.keyboard.press("Escape")
        expect(page.page.get_by_role("dialog")).to_have_count(0)
    page.button("Export, import, save").click()
    accessible(page.page)
    page.page.keyboard.press("Escape")
    page.button("Help").click()
    accessible(page.page)


def test_choosing_the_first_model_is_accessible(
    disk: Disk,
    serve: Callable[..., Client],
    visit: Callable[[Client], Chat],
    accessible: Callable[[Page], None],
) -> None:
    page = visit(serve({}, disk=disk))
    expect(page.page.get_by_role("heading", name="Choose a model")).to_be_visible()
    expect(page.button("Get smollm2-360m")).to_be_visible()
    accessible(page.page)
