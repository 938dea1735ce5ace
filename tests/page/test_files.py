"""Files as text beside a message, and the gauge of the context that they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from .driving import Chat

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Response

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright: .[dev]").expect

Start = Callable[..., Chat]


def pdf(text: str) -> bytes:
    """A file of one page with one line, as small as the format allows."""
    stream = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    end = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return (out + head + end).encode()


def file(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def test_files_go_with_the_message(chat: Start) -> None:
    prompts: list[str] = []
    page = chat("I have read them.", prompts=prompts)
    page.message.fill("What is in there?")
    gauge = page.page.locator(".gauge")
    expect(gauge).to_contain_text("of 8,192 tokens")
    page.page.get_by_label("Files", exact=True).set_input_files(
        [
            file("notes.md", b"# Notes\r\n\r\n```\ncode\n```\n"),
            file("prices.csv", "name;price\nTüte;3\n".encode("cp1252")),
            file("wide.txt", "wide".encode("utf-16")),
            file("letter.pdf", pdf("Dear reader")),
        ]
    )
    attached = page.page.get_by_label("Files that go with the message").get_by_role("listitem")
    expect(attached).to_have_count(4)
    with page.page.expect_response(counts_the_rest) as response:
        page.button("Remove wide.txt").click()
    expect(attached).to_have_count(3)
    counted = response.value.json()["count"]
    expect(gauge).to_contain_text(f"{counted} of 8,192 tokens")
    page.message.press("Enter")
    page.wait_until_answered()
    assert "notes.md:\n````\n# Notes\n\n```\ncode\n```\n````\n\nprices.csv:" in prompts[-1]
    assert "prices.csv:\n```\nname;price\nTüte;3\n```\n\nletter.pdf:" in prompts[-1]
    assert "letter.pdf:\n```\nDear reader\n```\n\nWhat is in there?<|im_end|>" in prompts[-1]
    # What the gauge said is what the model read.
    (answer,) = (each for each in page.kept() if each["role"] == "assistant")
    assert answer["promptTokens"] == counted
    expect(page.questions.locator("summary").first).to_contain_text("notes.md")
    page.page.reload()
    page.questions.locator("summary").filter(has_text="letter.pdf").click()
    expect(page.questions.get_by_text("Dear reader")).to_be_visible()


def counts_the_rest(response: Response) -> bool:
    """Whether it is the count of what is left once wide.txt is gone."""
    asked = response.request.post_data or ""
    return "/tokenize" in response.url and "letter.pdf" in asked and "wide.txt" not in asked


def test_files_are_dropped_anywhere(chat: Start) -> None:
    page = chat("Yes.")
    dropped = page.page.evaluate_handle(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(["print(1)\\n"], "one.py"));
          return data;
        }"""
    )
    page.page.dispatch_event("body", "dragover", {"dataTransfer": dropped})
    expect(page.page.get_by_text("Drop files to add their text")).to_be_visible()
    page.page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    attached = page.page.get_by_label("Files that go with the message")
    expect(attached).to_contain_text("one.py 9 characters")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("photo.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "photo.png is not a text file"),
        ("empty.txt", b" \n", "empty.txt has no text"),
        ("broken.pdf", b"%PDF-1.4 nothing", "broken.pdf cannot be read as PDF"),
        ("scan.pdf", pdf(""), "scan.pdf has no text"),
    ],
)
def test_files_without_text_are_refused(chat: Start, name: str, content: bytes, said: str) -> None:
    page = chat("Yes.")
    page.watched.allowed = ("Warning: ",)  # pdf.js tells of each defect that it meets
    page.page.get_by_label("Files", exact=True).set_input_files([file(name, content)])
    expect(page.page.locator(".notice.failed")).to_contain_text(said)
    expect(page.page.get_by_label("Files that go with the message")).to_have_count(0)
