"""Lines of an answer break between words."""

from __future__ import annotations

import re

import pytest
from pestle.cli.wrapping import WordWrap


def screen(text: str, columns: int) -> list[str]:
    """The lines that a terminal of so many columns shows after `text`, fed by the character."""
    wrap = WordWrap()
    lines, column = [""], 0
    written = "".join(wrap.feed(character, columns) for character in text)
    for part in re.findall(r"\x1b\[\d+D|\x1b\[K|[^\x1b]", written):
        if part == "\n":
            lines.append("")
            column = 0
        elif part == "\x1b[K":
            lines[-1] = lines[-1][:column]
        elif part.startswith("\x1b"):
            column -= int(part[2:-1])
        else:
            lines[-1] = lines[-1][:column] + part
            column += 1
    return [line.rstrip() for line in lines]


def test_words_stay_whole() -> None:
    assert screen("The quick brown fox jumps", 10) == ["The quick", "brown fox", "jumps"]


def test_a_word_that_fits_exactly() -> None:
    assert screen("abcd efgh ij", 10) == ["abcd efgh", "ij"]


def test_lines_of_the_answer_stay() -> None:
    assert screen("a\n\nbcd\n", 10) == ["a", "", "bcd", ""]


def test_a_word_longer_than_the_line_is_not_broken() -> None:
    assert screen("see https://example.org/abc now", 10) == [
        "see",
        "https://example.org/abc",
        "now",
    ]


def test_code_is_left_alone() -> None:
    code = "```py\nx = some_function(1, 2)\n```"
    assert screen(f"{code}\nafter the code it goes on", 10) == [
        *code.split("\n"), "after the", "code it", "goes on",
    ]  # fmt: skip


def test_wide_characters_break_anywhere() -> None:
    assert WordWrap().feed("一二三四五六", 10) == "一二三四\n五六"


def test_pieces_make_no_difference() -> None:
    text = "Some words that are fed in pieces of any length, and one\tafter a tab."
    whole = WordWrap().feed(text, 16)
    wrap = WordWrap()
    assert "".join(wrap.feed(text[i : i + 7], 16) for i in range(0, len(text), 7)) == whole


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_a_terminal_too_narrow_for_anything(columns: int) -> None:
    text = "some words\n一 ```\n"
    written = WordWrap().feed(text, columns)
    assert re.sub(r"\x1b\[\d+D\x1b\[K|\s", "", written) != ""


def test_a_terminal_that_changes_its_size() -> None:
    """What it has broken itself is not erased; the words that follow fit the new size."""
    wrap = WordWrap()
    assert wrap.feed("The quick brown", 20) == "The quick brown"
    said = wrap.feed("ie fox jumps", 8)  # it shows "The quic", "k brown"
    assert "\x1b" not in said
    assert said == "\nie fox \njumps"
    assert wrap.feed(" over the lazy dog", 40) == " over the lazy dog"


def test_a_word_that_moves_keeps_its_styles() -> None:
    wrap = WordWrap()
    said = wrap.feed("some ", 10) + wrap.feed("b", 10) + wrap.feed("old", 10, "1")
    assert said == "some b\x1b[1mold"
    assert wrap.feed("ly", 10) == "\x1b[0m\x1b[4D\x1b[K\nb\x1b[1mold\x1b[0mly"
    assert wrap.feed("!", 10, "3") + wrap.close() == "\x1b[3m!\x1b[0m"
