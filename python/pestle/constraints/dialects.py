"""Regular expressions as people mean them, in the syntax of Rust's `regex`, which grammars take.

In Rust `\\d`, `\\w`, `\\s` and `(?i)` are Unicode's: `\\d` is a digit of any script. In a JSON
schema (ECMA-262), in Python's bytes and in grep they are ASCII. So they are rewritten, token by
token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pestle.constraints.bounds import MOST_REGEX_CHARS, check_length
from pestle.errors import GrammarError

_ESCAPE = re.compile(
    r"\\(?:[pP](?:\{[^}]*\}|[^{])|[xuU]\{(?P<braced>[0-9A-Fa-f]*)\}|x(?P<x>[0-9A-Fa-f]{2})"
    r"|u(?P<u>[0-9A-Fa-f]{4})|U(?P<U>[0-9A-Fa-f]{8})|c(?P<control>[A-Za-z])|.)",
    re.DOTALL,
)
_GROUP = re.compile(r"\(\?(?P<flags>[a-zA-Z]*(?:-[a-zA-Z]+)?)(?P<end>[:)])")
_NAMED = re.compile(r"\(\?P?<[A-Za-z_][^>]*>")
_LOOK = re.compile(r"\(\?<?[=!]")
_POSIX = re.compile(r"\[:\^?[a-z]+:\]")
_DIGITS, _WORDS, _BLANKS = "0-9", "0-9A-Za-z_", r"\t\n\x0B\x0C\r\x20"
_ALL_BLANKS = _BLANKS + r"\xA0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000\uFEFF"
_REPEATED = re.compile(r"\{(\d{1,12})(?:,(\d{0,12}))?\}")
_DEEPEST_CLASS = 40
_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "a": 7}


def ascii_dialect(pattern: str) -> str:
    r"""A pattern in Rust's syntax in which `\d`, `\w`, `\s`, `\D`, `\W`, `\S` and `(?i)` are ASCII.

    They are Unicode's behind `(?u)`, and within `(?u:...)`. Raises GrammarError for what looks
    around (`\b`, `(?=...)`), which no grammar can hold.
    """
    return _Rewriter(pattern, ecma=False).rewritten()


def ecma_dialect(pattern: str) -> str:
    r"""A pattern as ECMA-262 has it, in Rust's syntax. Raises as `ascii_dialect`.

    `.` matches no end of a line, of which ECMA-262 has four; `[` within a class is a character.
    `\s` matches ASCII blanks, and `\S` nothing that ECMA-262 calls white space: each is the
    narrower one, so that what is written is right for validators of either mind.
    """
    return _Rewriter(pattern, ecma=True).rewritten()


@dataclass(frozen=True)
class _Flags:
    """Those that decide what is written."""

    ignore_case: bool = False
    unicode: bool = False
    verbose: bool = False

    @property
    def folds(self) -> bool:
        """Whether ASCII letters are to be written in both cases."""
        return self.ignore_case and not self.unicode


class _Rewriter:
    def __init__(self, pattern: str, *, ecma: bool) -> None:
        self._text, self._ecma = pattern, ecma
        self._at = 0
        self._flags = _Flags()

    def rewritten(self) -> str:
        said: list[str] = []
        outer: list[_Flags] = []
        check_length("it", len(self._text), MOST_REGEX_CHARS)
        self._sizes = [[0, 0]]  # of each open group, and of its last part: as if written out
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "{" and (times := _REPEATED.match(self._text, self._at)):
                self._at = times.end()
                self._repeat(max(1, *(int(n) for n in times.groups() if n)))
                said.append(times[0])
                continue
            self._grow(char)
            if char == "\\":
                said.append(self._escape())
            elif char == "[":
                said.append(self._class())
            elif char == "(":
                said.append(self._group(outer))
            elif self._flags.verbose and (char == "#" or char.isspace()):
                self._skip(char)
            else:
                self._at += 1
                if char == ")" and outer:
                    self._flags = outer.pop()
                if char == "." and self._ecma:
                    char = r"[^\n\r\u2028\u2029]"
                said.append(_both_cases(char) if self._flags.folds else char)
        return "".join(said)

    def _skip(self, char: str) -> None:
        """Leave out a blank or a comment: a line's end would not be one in a grammar."""
        end = self._text.find("\n", self._at) if char == "#" else self._at
        self._at = len(self._text) if end < 0 else end + 1

    def _grow(self, char: str) -> None:
        if char == "(":
            self._sizes.append([0, 0])
        elif char == ")" and len(self._sizes) > 1:
            self._append(sum(self._sizes.pop()))
        elif char not in "*+?|^$":
            self._append(1)

    def _append(self, size: int) -> None:
        before, last = self._sizes[-1]
        self._sizes[-1] = [before + last, size]

    def _repeat(self, times: int) -> None:
        self._sizes[-1][1] *= times
        check_length(
            "it, its repetitions written out,", sum(map(sum, self._sizes)), MOST_REGEX_CHARS
        )

    def _group(self, outer: list[_Flags]) -> str:
        if look := _LOOK.match(self._text, self._at):
            raise GrammarError(f"`{look[0]}` is a look-around, which cannot be held")
        if named := _NAMED.match(self._text, self._at):
            outer.append(self._flags)
            self._at = named.end()
            return "("
        match = _GROUP.match(self._text, self._at)
        if match is None:
            outer.append(self._flags)
            self._at += 1
            return "("
        self._at = match.end()
        before = self._flags
        on, _, off = match["flags"].partition("-")
        for flag, letter in (("ignore_case", "i"), ("unicode", "u"), ("verbose", "x")):
            if letter in on or letter in off:
                self._flags = replace(self._flags, **{flag: letter in on})
        if match["end"] == ":":
            outer.append(before)
        return _flags(on, off, before, self._flags, match["end"])

    def _escape(self) -> str:
        match = self._next_escape()
        letter = match[0][1]
        if letter in "bB" and not match["braced"]:
            raise GrammarError(rf"`\{letter}` is a look-around, which cannot be held")
        if (known := self._set_of(letter)) is not None:
            return known
        code = _code(match, self._ecma)
        if code is None:
            return match[0]
        folded = self._flags.folds and chr(code).isascii() and chr(code).isalpha()
        return _both_cases(chr(code)) if folded else _written(match, code)

    def _next_escape(self) -> re.Match[str]:
        match = _ESCAPE.match(self._text, self._at)
        if match is None:
            raise GrammarError("it ends with a backslash")
        self._at = match.end()
        return match

    def _set_of(self, letter: str, *, negated: bool = False) -> str | None:
        r"""`\d` and the like as a class of their own; None for other escapes, and in Unicode."""
        if self._flags.unicode:
            return None
        blanks = _ALL_BLANKS if self._ecma else _BLANKS
        sets = {"d": _DIGITS, "w": _WORDS, "s": blanks if negated else _BLANKS}
        if letter in sets:
            return f"[{sets[letter]}]"
        excluded = {"D": _DIGITS, "W": _WORDS, "S": blanks}
        return f"[^{excluded[letter]}]" if letter in excluded else None

    def _class(self, depth: int = 0) -> str:
        if depth > _DEEPEST_CLASS:
            raise GrammarError(f"its classes are more than {_DEEPEST_CLASS} levels deep")
        self._at += 1
        said = ["["]
        negated = self._text.startswith("^", self._at)
        if negated:
            said.append("^")
            self._at += 1
        if self._ecma and self._text.startswith("]", self._at):
            self._at += 1
            return r"[\s\S]" if negated else r"[^\s\S]"
        first = True
        while True:
            if self._at >= len(self._text):
                raise GrammarError("unclosed character class: a `[` without its `]`")
            char = self._text[self._at]
            if char == "]" and not first:
                self._at += 1
                return "".join([*said, "]"])
            said.append(self._part(negated, depth))
            first = False

    def _part(self, negated: bool, depth: int) -> str:
        """A part of a class: one character, a range, a class within it, or an operator."""
        begin = self._at
        if not self._ecma:
            if posix := _POSIX.match(self._text, begin):
                self._at = posix.end()
                return posix[0]
            if self._text[begin] == "[":
                return self._class(depth + 1)
            if self._text[begin : begin + 2] in ("&&", "--", "~~"):
                self._at += 2
                return self._text[begin : begin + 2]
            if self._flags.verbose and (self._text[begin] == "#" or self._text[begin].isspace()):
                self._skip(self._text[begin])
                return ""
        known, first = self._member(negated)
        if first is None or not self._is_range():
            return known + (_other_cases(first, first) if self._flags.folds and first else "")
        place = self._at
        self._at += 1
        written, last = self._member(negated)
        if last is None:  # `a-\d`: the minus is a character
            self._at = place + 1
            return rf"{known}\-"
        more = _other_cases(first, last) if self._flags.folds else ""
        return f"{known}-{written}{more}"

    def _is_range(self) -> bool:
        following = self._text[self._at : self._at + 2]
        return len(following) == 2 and following[0] == "-" and following[1] not in "]-["

    def _member(self, negated: bool) -> tuple[str, int | None]:
        """A character of a class as it is written, and its code; None for a set of them."""
        char = self._text[self._at]
        if char != "\\":
            self._at += 1
            return (rf"\{char}" if self._ecma and char in "[&~-" else char), ord(char)
        match = self._next_escape()
        if (known := self._set_of(match[0][1], negated=negated)) is not None:
            return known, None
        if match[0] == r"\b" and self._ecma:
            return r"\x08", 8
        code = _code(match, self._ecma)
        return (match[0], None) if code is None else (_written(match, code), code)


def _flags(on: str, off: str, before: _Flags, after: _Flags, end: str) -> str:
    """The flags of a group as Rust is to see them: without those that are carried out here."""
    added = "".join(letter for letter in on if letter not in "iux")
    taken = "".join(letter for letter in off if letter not in "iux")
    folded, folds = (flags.ignore_case and flags.unicode for flags in (before, after))
    added += "i" * (folds and not folded)
    taken += "i" * (folded and not folds)
    if end == ")" and not added and not taken:
        return ""
    return f"(?{added}{'-' * bool(taken)}{taken}{end}"


def _both_cases(char: str) -> str:
    return f"[{char}{char.swapcase()}]" if char.isascii() and char.isalpha() else char


def _other_cases(first: int, last: int) -> str:
    """The ASCII letters between two characters, in the other case."""
    letters = map(chr, range(max(first, ord("A")), min(last, ord("z")) + 1))
    return "".join(letter.swapcase() for letter in letters if letter.isalpha())


def _code(match: re.Match[str], ecma: bool) -> int | None:
    """The character that an escape stands for, if it stands for one."""
    for digits in (match["braced"], match["x"], match["u"], match["U"]):
        if digits:
            return int(digits, 16)
    if match["control"]:
        return ord(match["control"]) % 32 if ecma else None
    letter = match[0][1]
    if letter == "0" and ecma:
        return 0
    if letter in _CONTROLS:
        return _CONTROLS[letter]
    return None if letter.isalnum() else ord(letter)


def _written(match: re.Match[str], code: int) -> str:
    """An escape as Rust knows it: ECMA-262 has two more."""
    return rf"\x{code:02X}" if match["control"] or match[0] == r"\0" else match[0]


_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_SINGLE = (
    *("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"),
    *("additionalItems", "unevaluatedItems", "unevaluatedProperties"),
)


def ecma_schema(schema: Any) -> Any:
    """A JSON schema with its patterns in Rust's syntax. Raises GrammarError, which names one."""
    if not isinstance(schema, Mapping):
        return schema
    said = dict(schema)
    for key, value in schema.items():
        if key == "pattern" and isinstance(value, str):
            said[key] = _pattern(value)
        elif key in _MAPS and isinstance(value, Mapping):
            renames = key == "patternProperties"
            said[key] = {
                _pattern(name) if renames else name: ecma_schema(inside)
                for name, inside in value.items()
            }
        elif key in _LISTS and isinstance(value, (list, tuple)):
            said[key] = [ecma_schema(inside) for inside in value]
        elif key in _SINGLE:
            said[key] = ecma_schema(value)
    return said


def _pattern(pattern: str) -> str:
    check_length(f"the pattern {pattern[:40]!r}", len(pattern), MOST_REGEX_CHARS)
    try:
        return ecma_dialect(pattern)
    except GrammarError as error:
        raise GrammarError(f"the pattern {pattern[:200]!r}: {error}") from error
