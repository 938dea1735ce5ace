"""What the page costs, by Chromium's own counters: time to interactive, and a core's share.

python tools/measure_page.py [--rate TOKENS] [--seconds N]

A stand-in for a model says Markdown, so many tokens a second, so that what is measured is the page:
the processor time of its process, the tab's, while it streams, less what it takes while idle.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from page_browser import chromium
from pestle.server import create_app

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LOADS = 7
TEXT = """\
## A part with **bold** and `code`

A paragraph of plain words, as answers mostly are, with a [link](https://example.org) in it, and
some more words behind, so that it takes a few lines on the page.

1. The first item of a list
2. The second item, with *emphasis*

| name | value |
| --- | ---: |
| one | 1 |

```python
def area(width: float, height: float) -> float:
    return width * height  # of a rectangle
```

"""
MODEL = {
    "name": "stand-in", "state": "ready", "loaded": None, "failed": None, "bytes": 1,
    "reasons": False, "context": 32768, "unloadable": False, "running": 1, "waiting": 0,
    "written": 0,
}  # fmt: skip


class StandIn:
    """The server's own page, and the answers of no model."""

    def __init__(self, rate: float) -> None:
        self._page = create_app({})
        self._rate = rate

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path")
        if path == "/v1/chat/completions":
            await self._stream(send)
        elif path == "/page/api/state":
            memory = {"total": 16 << 30, "available": 8 << 30, "used": 1 << 30}
            state = {"version": "0", "seconds": time.monotonic(), "memory": memory}
            await _reply(send, state | {"models": [MODEL], "downloads": []})
        elif path == "/tokenize":
            await _reply(send, {"count": 100})
        else:
            await self._page(scope, receive, send)

    async def _stream(self, send: Any) -> None:
        """Tokens of four characters, until the client leaves."""
        await send(_head("text/event-stream"))
        begun = time.monotonic()
        pieces = itertools.cycle(TEXT[at : at + 4] for at in range(0, len(TEXT), 4))
        for n, piece in enumerate(pieces):
            await asyncio.sleep(max(0.0, begun + n / self._rate - time.monotonic()))
            choice = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
            event = f"data: {json.dumps({'choices': [choice]})}\n\n"
            await send({"type": "http.response.body", "body": event.encode(), "more_body": True})


def _head(kind: str) -> dict[str, Any]:
    return {
        "type": "http.response.start", "status": 200, "headers": [(b"content-type", kind.encode())]
    }  # fmt: skip


async def _reply(send: Any, body: Any) -> None:
    await send(_head("application/json"))
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


@contextmanager
def serving(rate: float) -> Iterator[str]:
    """The stand-in on a free port; its address."""
    server = uvicorn.Server(
        uvicorn.Config(StandIn(rate), port=0, log_level="critical", lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    server.force_exit = True
    thread.join()


def interactive(page: Page, url: str) -> float:
    """Milliseconds from the beginning of a load until one can write to a model that is known."""
    page.goto(url)
    page.get_by_label("Message", exact=True).wait_for()
    page.get_by_role("button", name="stand-in").wait_for()
    answer: float = page.evaluate(
        "Math.max(performance.getEntriesByName('interactive')[0].startTime,"
        " ...performance.getEntriesByType('resource').map((each) => each.responseEnd))"
    )
    return answer


def tab_seconds(browser: Browser) -> float:
    """Processor time of all tabs so far."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return float(sum(each["cpuTime"] for each in processes if each["type"] == "renderer"))


def share(browser: Browser, page: Page, seconds: float) -> float:
    """Of a core, what the tab takes."""
    begun, before = time.monotonic(), tab_seconds(browser)
    page.wait_for_timeout(seconds * 1000)
    return (tab_seconds(browser) - before) / (time.monotonic() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200, help="tokens a second  [200]")
    parser.add_argument("--seconds", type=float, default=20, help="of streaming  [20]")
    given = parser.parse_args()
    with serving(given.rate) as url, chromium() as browser:
        context = browser.new_context(viewport={"width": 1000, "height": 700})
        page = context.new_page()
        cold = interactive(page, url)
        warm = [interactive(page, url) for _ in range(LOADS)]
        print(f"interactive: {cold:.0f} ms cold, {statistics.median(warm):.0f} ms warm "
              f"(median of {LOADS}, at most {max(warm):.0f})")  # fmt: skip
        idle = share(browser, page, given.seconds / 4)
        message = page.get_by_label("Message", exact=True)
        message.fill("Go on.")
        message.press("Enter")
        page.locator("article.answer .markdown > *").first.wait_for()
        busy = share(browser, page, given.seconds)
        said = len(page.locator("article.answer .markdown").text_content() or "")
        print(f"a core's share: {busy:.1%} at {given.rate:.0f} tokens/s, {idle:.1%} idle; "
              f"{said:,} characters were shown")  # fmt: skip


if __name__ == "__main__":
    main()
