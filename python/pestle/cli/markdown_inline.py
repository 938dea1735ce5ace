"""What stands within a line of Markdown: marks of style, code, links; bit by bit, as it streams."""

from __future__ import annotations

import re

Styled = tuple[str, str]
"""A style, as the parameters of a terminal's SGR sequence, and text in it."""

BOLD, FAINT, ITALIC, LINK, STRUCK, CODE = "1", "2", "3", "4", "9", "36"
_LONGEST = 400  # characters between two marks, or of a link
_STYLES = {
    "`": CODE, "``": CODE, "**": BOLD, "*": ITALIC, "_": ITALIC, "***": f"{BOLD};{ITALIC}",
    "~~": STRUCK,
}  # fmt: skip
"""What is between two of these. `__` is not among them: it is more often part of a name."""
_PLAIN = re.compile(r"[^`*_~\\\[!]+")
_MARKS = re.compile(r"`+|\*+|_+|~+")
_ESCAPED = re.compile(r"\\([`*_#~|>\\])")
_LABEL = r"!?\[((?:[^\[\]\\\n]|\\.)*)"
_LINKED = re.compile(
    _LABEL + r"\]\(\s*<?([^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?"
    r"""(?:\s+(?:"[^"\n]*"|'[^'\n]*'))?\s*\)"""
)
_MAY_BE_LINKED = re.compile(rf"{_LABEL}(?:\\?|\](?:\([^\n]*)?)|!")


def whole(text: str, style: str, before: str = "") -> list[Styled]:
    """All of a text that is whole."""
    runs: list[Styled] = []
    while text:
        taken, length = take(text, before, style, final=True)
        runs += taken
        before, text = text[length - 1], text[length:]
    return runs


def take(text: str, before: str, style: str, *, final: bool) -> tuple[list[Styled], int]:
    """What `text` begins with, in runs, and its length; 0 where more text has to tell.

    `before`: the character that stands before it. `final`: the line ends with it.
    """
    if plain := _PLAIN.match(text):
        return [(style, plain[0])], plain.end()
    if text[0] in "[!":
        return _link(text, style, final)
    if text == "\\" and not final:
        return [], 0
    if escaped := _ESCAPED.match(text):
        return [(style, escaped[1])], 2
    found = _MARKS.match(text)
    if found is None:
        return [(style, text[0])], 1
    marks, begin = found[0], found.end()
    if begin == len(text) and not final:
        return [], 0  # there may be more of them
    own = _STYLES.get(marks)
    opens = own == CODE or not (before.isalnum() or text[begin : begin + 1].isspace())
    if own is not None and opens and begin < len(text):
        end = _closing(text, marks, begin, final)
        if end > 0:
            return _within(text[begin:end], _and(style, own), own), end + len(marks)
        if end < 0 and len(text) < _LONGEST:
            return [], 0
    return [(style, marks)], begin


def _and(style: str, other: str) -> str:
    return f"{style};{other}" if style else other


def _within(text: str, style: str, own: str) -> list[Styled]:
    """What stands between two marks."""
    return [(style, text)] if own == CODE else whole(text, style)


def _link(text: str, style: str, final: bool) -> tuple[list[Styled], int]:
    """A link shows its text and where it leads, which nobody has to guess."""
    found = _LINKED.match(text[:_LONGEST])
    if found is not None:
        label, address = found[1], found[2]
        runs = whole(label, _and(style, LINK))
        if address and address != label:
            runs.append((_and(style, FAINT), f" ({address})" if label else address))
        return runs, found.end()
    if not final and len(text) < _LONGEST and _MAY_BE_LINKED.fullmatch(text):
        return [], 0
    return [(style, text[0])], 1


def _closing(text: str, marks: str, begin: int, final: bool) -> int:
    """Where the same marks come again and close; 0 if nowhere, -1 where more text has to tell.

    What comes late is not looked for, so that the answer does not depend on when it is asked.
    """
    position = begin
    while found := _MARKS.search(text, position):
        start, position = found.span()
        if start >= _LONGEST - len(marks):
            return 0
        if position == len(text) and not final:
            return -1
        if found[0] == marks and (marks[0] == "`" or _closes(text, start, position)):
            return start
        if found[0][0] == "`" and marks[0] != "`":  # code within: its marks mean nothing
            end = _closing(text, found[0], position, final)
            if end < 0:
                return -1
            position = end + len(found[0]) if end else position
    return 0 if final else -1


def _closes(text: str, start: int, end: int) -> bool:
    return not text[start - 1].isspace() and not text[end : end + 1].isalnum()
