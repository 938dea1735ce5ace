"""Markdown as it streams: what it looks like, and that it does not depend on how it is cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pestle.cli.markdown import BOLD, CODE, FAINT, ITALIC, Markdown, Piece, Rule, Run, Table
from pestle.cli.markdown_inline import LINK, STRUCK
from pestle.cli.markdown_tables import rendered
from pestle.cli.wrapping import WordWrap

ALPHABET = st.sampled_from(
    [*"ab1 \n*_`#-~\\>.([]|!)é", "**", "```", "\n\n", "* ", "## ", "](", "|\n", "|-|\n", "|a|\n"]
)


def pieces(*parts: str) -> list[Piece]:
    """All that comes of a text in parts."""
    markdown = Markdown()
    return [piece for part in parts for piece in markdown.feed(part)] + markdown.finish()


def runs(*parts: str) -> list[tuple[str, str]]:
    """Neighbours of one style joined; rules, and tables that are whole, stand for themselves."""
    joined: list[tuple[str, str]] = []
    for piece in pieces(*parts):
        if isinstance(piece, Table):
            found = [("table", "".join(piece.lines))] if piece.done else []
        else:
            found = [("rule", "\n")] if isinstance(piece, Rule) else [(piece.style, piece.text)]
        for style, text in found:
            if joined and joined[-1][0] == style:
                joined[-1] = (style, joined[-1][1] + text)
            elif text:
                joined.append((style, text))
    return joined


def lines(text: str, columns: int) -> list[str]:
    """What a terminal shows of a text without its styles."""
    wrap = WordWrap()
    shown = ""
    for piece in pieces(*text):
        if isinstance(piece, Run):
            shown += wrap.feed(piece.text, columns, piece.style, piece.hang)
        elif isinstance(piece, Table):
            shown += rendered(piece, columns) if piece.done else ""
    screen, column = [""], 0
    for part in re.findall(r"\x1b\[\d+D|\x1b\[K|\x1b\[[\d;]*m|[^\x1b]", shown):
        if part == "\n":
            screen.append("")
            column = 0
        elif part == "\x1b[K":
            screen[-1] = screen[-1][:column]
        elif part.endswith("D") and part.startswith("\x1b"):
            column -= int(part[2:-1])
        elif not part.startswith("\x1b"):
            screen[-1] = screen[-1][:column] + part
            column += 1
    return [line.rstrip() for line in screen]


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
        ("1. one\n2) two\n-- x\n3.14 is pi\n| a | b |\n| c |", None),
        ("> quoted *so*\n>> twice", [(FAINT, "\u2502 "), ("", "quoted "), (ITALIC, "so"),
                                     ("", "\n"),
                                     (FAINT, "\u2502 \u2502 "), ("", "twice")]),
        ("a\n---\n* * *\nb", [("", "a\n"), ("rule", "\n\n"), ("", "b")]),
        ("- [ ] to do\n- [x] done\n- [y]",
         [("", "\u2022 \u2610 to do\n\u2022 \u2611 done\n\u2022 [y]")]),
        ("see [the *docs*](https://a.b/c_(d)) now",
         [("", "see "), (LINK, "the "), (f"{LINK};{ITALIC}", "docs"), (FAINT, " (https://a.b/c_(d))"),
          ("", " now")]),
        ("![a cat](cat.png \"x\"), [x] [1], [a](b c), f[0](1 2)",
         [(LINK, "a cat"), (FAINT, " (cat.png)"), ("", ", [x] [1], [a](b c), f[0](1 2)")]),
        ("[https://a.b](https://a.b) [](https://c.d)",
         [(LINK, "https://a.b"), ("", " "), (FAINT, "https://c.d")]),
        ("~~gone~~ ~5 ~~ open ***both*** !", [(STRUCK, "gone"), ("", " ~5 ~~ open "),
                                            (f"{BOLD};{ITALIC}", "both"), ("", " !")]),
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
    assert markdown.feed("some wor") == [Run("", "some wor")]
    assert markdown.feed("ds and **bo") == [Run("", "ds and ")]
    assert markdown.feed("ld** ") == [Run(BOLD, "bold"), Run("", " ")]
    assert markdown.feed("and *open") == [Run("", "and ")]
    assert markdown.finish() == [Run("", "*"), Run("", "open")]


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
    kept = re.compile(r"[ab1é.(\n]")
    assert kept.findall(said) == kept.findall(text)


TABLE = "| Name | Qty |\n|:-----|----:|\n| **Figs** | 12 |\n| `a|b` and more |\n"


def test_a_table_comes_row_by_row() -> None:
    markdown = Markdown()
    assert markdown.feed("Look:\n| Name | Q") == [Run("", "Look:"), Run("", "\n")]
    assert markdown.feed("ty |\n|:-----|----") == []
    (begun,) = markdown.feed(":|\n")
    assert begun == Table(("| Name | Qty |\n", "|:-----|----:|\n"), done=False)
    (more,) = markdown.feed("| **Figs** | 12 |\n| Da")
    assert isinstance(more, Table)
    assert (len(more.lines), more.done) == (3, False)
    (whole, *rest) = markdown.feed("tes |\nand on")[1:]
    assert isinstance(whole, Table)
    assert (len(whole.lines), whole.done) == (4, True)
    assert rest == [Run("", "and on")]


def test_what_a_table_looks_like() -> None:
    shown = lines(f"{TABLE}\nEnd.", 40)
    assert shown[1].strip("\u2502").split() == ["Name", "\u2502", "Qty"]
    assert shown[3].startswith("\u2502 Figs ")
    assert shown[3].endswith(" 12 \u2502")  # to the right, as its column says
    assert shown[-1] == "End."
    assert len({len(line) for line in shown[:-2]}) == 1


@pytest.mark.parametrize("columns", [12, 20, 33, 80])
def test_any_width(columns: int) -> None:
    """Nothing is wider than the screen but a word that is, and no word is lost."""
    text = (
        "A first paragraph of several words.\n\n- one item that goes on for a while\n"
        "  - another one below it, longer too\n12. a numbered one that goes on as well\n"
        "> a quotation that is longer than a line\n\n" + TABLE
    )
    shown = lines(text, columns)
    assert max(map(len, shown)) < columns or columns < 20  # where a word and its indent fill it
    words = set(re.findall(r"[a-z]{3,}", text))
    assert words <= set(re.findall(r"[a-z]+", " ".join(shown))) or columns < 20


def test_lists_and_quotations_keep_their_indent() -> None:
    text = (
        "- one item that goes on\n3. and a numbered one\n> quoted for long enough\n"
        "  in by two blanks"
    )
    assert lines(text, 14) == [
        "\u2022 one item", "  that goes", "  on", "3. and a", "   numbered", "   one",
        "\u2502 quoted for", "\u2502 long enough", "  in by two", "  blanks",
    ]  # fmt: skip


def test_a_hostile_table() -> None:
    """What a terminal would act on is replaced in it, as everywhere."""
    text = "| a\x1b]52;c;aGk=\x07 | b |\n|---|---|\n| \x1b[2J | [red]x[/red] |\n"
    (table,) = [piece for piece in pieces(text) if isinstance(piece, Table) and piece.done]
    shown = rendered(table, 60)
    assert set(re.findall(r"\x1b\[[^m]*m", shown)) == set(re.findall(r"\x1b[^m]*m", shown))
    assert "\x07" not in shown
    assert "[red]x[/red]" in shown
