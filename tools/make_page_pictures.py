"""Take the pictures of the page that the documentation shows: a real server, a real answer.

python tools/make_page_pictures.py [-m MODEL]

Writes docs/pictures/page-light.png and page-dark.png. Needs Chromium and the model, by default the
default one; what it says is its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from page_browser import chromium, server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
SIZE = {"width": 1000, "height": 640}
EARLIER = ("What is the capital of France?", "Write a haiku about the sea.")
QUESTION = "Write a Python function that reverses a string, and explain it in one sentence."
MOST_BYTES = 150_000


def take(browser: Browser, url: str, colours: str) -> None:
    """Ask, and take a picture of the answer."""
    from playwright.sync_api import expect

    context = browser.new_context(viewport=SIZE, color_scheme=colours, locale="en-GB")  # type: ignore[arg-type]
    context.set_default_timeout(120_000)
    expect.set_options(timeout=120_000)
    page = context.new_page()
    page.goto(url)
    for question in (*EARLIER, QUESTION):
        page.keyboard.press("Alt+n")
        message = page.get_by_label("Message", exact=True)
        expect(message).to_be_focused()
        message.fill(question)
        message.press("Enter")
        expect(page.locator("article.answer .facts")).not_to_be_empty()
    expect(page.get_by_label("What this machine is doing")).to_contain_text("idle")
    page.mouse.move(0, 0)
    path = FOLDER / f"page-{colours}.png"
    page.screenshot(path=path)
    size = path.stat().st_size
    print(f"{path}: {size / 1000:.0f} kB")
    if size > MOST_BYTES:
        raise SystemExit(f"{path} is larger than {MOST_BYTES / 1000:.0f} kB")
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-m", "--model", help="as `pestle serve` takes it  [default: the default]")
    model = parser.parse_args().model
    FOLDER.mkdir(exist_ok=True)
    with server(*(["-m", model] if model else [])) as url, chromium() as browser:
        for colours in ("light", "dark"):
            take(browser, url, colours)


if __name__ == "__main__":
    main()
