"""Markdown as it streams: what it looks like, and that it does not depend on how it is cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pestle.cli.markdown import BOLD, CODE, FAINT, ITALIC, Markdown, Run

ALPHABET = st.sampled_from([*"ab1 \n*_`#-~\\>.(", "**", "```", "\n\n", "* ", "## ", "é"])


def runs(*pieces: str) -> list[Run]:
    """Neighbours of one style joined."""
    markdown = Markdown()
    said = [run for piece in pieces for run in markdown.feed(piece)] + markdown.finish()
    joined: list[Run] = []
    for style, text in said:
        if joined and joined[-1][0] == style:
            joined[-1] = (style, joined[-1][1] + text)
        elif text:
            joined.append((style, text))
    return joined


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, 5*x + 3*y, a_b_c, 2 * 3 ** 4", None),
        ("*args and **kwargs, __init__.py and snake_case_names", None),
        ("a **bold** word", [("", "a "), (BOLD, "bold"), ("", " word")]),
        ("*so* and _so_, __not so__", [(ITALIC, "so"), ("", " and "), (ITALIC, "so"),
                                        ("", ", __not so__")]),
        ("**use `f(**x)` here**", [(BOLD, "use "), (f"{BOLD};{CODE}", "f(**x)"), (BOLD, " here")]),
        ("`a*b*c` and ``x`y``", [(CODE, "a*b*c"), ("", " and "), (CODE, "x`y")]),
        ("# A *title*\ntext", [(BOLD, "A "), (f"{BOLD};{ITALIC}", "title"), (BOLD, "\n"),
                               ("", "text")]),
        ("#hashtag #1", None),
        ("- one\n  * two\n-3", [("", "\N{BULLET} one\n  \N{BULLET} two\n-3")]),
        ("1. one\n> quoted\n---\n| a | b |", None),
        ("an open ** bold\nand `code", None),
        (r"\*not\* this, \(x\)", [("", r"*not* this, \(x\)")]),
    ],
)  # fmt: skip
def test_looks(text: str, expected: list[Run] | None) -> None:
    assert runs(text) == ([("", text)] if expected is None else expected)


def test_code_is_what_was_said() -> None:
    """Line for line, whatever it holds: without frames, margins or marks that go missing."""
    code = "def f(*args, **kwargs):\n\n    # `x` is *not* **bold**\n    return '``' + \"~~~\"\n"
    for fence in ("```", "~~~~"):
        text = f"Look:\n{fence}py\n{code}{fence}\nand **on**"
        said = runs(text)
        assert (CODE, code) in said
        assert "".join(piece for style, piece in said if style == FAINT) == f"{fence}py\n{fence}\n"
        assert said[-1] == (BOLD, "on")
    assert runs("```\n**x**\n") == [(FAINT, "```\n"), (CODE, "**x**\n")]  # never ended


def test_nothing_waits_that_is_sure() -> None:
    markdown = Markdown()
    assert markdown.feed("some wor") == [("", "some wor")]
    assert markdown.feed("ds and **bo") == [("", "ds and ")]
    assert markdown.feed("ld** ") == [(BOLD, "bold"), ("", " ")]
    assert markdown.feed("and *open") == [("", "and ")]
    assert markdown.finish() == [("", "*"), ("", "open")]


@given(st.lists(ALPHABET, max_size=40).map("".join), st.data())
def test_any_pieces_are_the_same(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = runs(text)
    assert runs(*pieces) == whole
    assert runs(*text) == whole


@given(st.lists(ALPHABET, max_size=40).map("".join))
def test_only_marks_go(text: str) -> None:
    """Letters, digits, blanks between words and lines stay, in their order."""
    said = "".join(piece for _, piece in runs(text))
    kept = re.compile(r"[ab1é.>(\n]")
    assert kept.findall(said) == kept.findall(text)
