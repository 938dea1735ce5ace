"""How an unknown way to cut text into words differs from the nearest one that GGUF names."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Final, NamedTuple

from pestle.tokenizer.pretokenizers import PRE_TOKENIZERS, PreTokenizer

_ESCAPES: Final = {"\r": r"\r", "\n": r"\n", "\t": r"\t"}
_COMPARED: Final = 10_000
"""Characters of an expression that decide what is near."""
_AROUND: Final = 24
"""Characters shown of an expression before and behind the first difference."""


class Words(NamedTuple):
    """How text is cut before merging: regular expressions in a chain, and what goes before."""

    patterns: tuple[str, ...]
    normalizers: tuple[str, ...]


def words_of(pre: PreTokenizer) -> Words:
    """A pre-tokenizer in these words."""
    return Words(tuple(map(escaped, pre.patterns)), ("NFC",) * pre.nfc)


def escaped(pattern: str) -> str:
    """A pattern with escapes for what can be written in two ways."""
    return "".join(
        _ESCAPES.get(char) or (char if char.isascii() else rf"\x{{{ord(char):04X}}}")
        for char in pattern
    )


def nearest(found: Words) -> str:
    """In what `found`, which has no name, differs from what is nearest, and how to choose that."""
    name = max(PRE_TOKENIZERS, key=lambda name: _likeness(found, words_of(PRE_TOKENIZERS[name])))
    differences = "; ".join(_differences(found, words_of(PRE_TOKENIZERS[name])))
    return (
        f"its way to cut text into words is not known; nearest is `{name}`: {differences}; "
        f"tokenizer_pre={name!r} takes that one all the same"
    )


def _likeness(found: Words, known: Words) -> tuple[bool, int, float, bool]:
    shared = sum(a == b for a, b in zip(found.patterns, known.patterns, strict=False))
    here, there = ("\n".join(words.patterns)[:_COMPARED] for words in (found, known))
    matcher = difflib.SequenceMatcher(None, here, there, autojunk=False)
    same = found.patterns == known.patterns
    return same, shared, matcher.quick_ratio(), found.normalizers == known.normalizers


def _differences(found: Words, known: Words) -> Iterator[str]:
    if found.normalizers != known.normalizers:
        here, there = (" + ".join(words.normalizers) or "none" for words in (found, known))
        yield f"the normalizer is {here:.100}, there {there}"
    if len(found.patterns) != len(known.patterns):
        yield f"it has {len(found.patterns)} expressions, there {len(known.patterns)}"
    for n, (here, there) in enumerate(zip(found.patterns, known.patterns, strict=False), 1):
        if here != there:
            at = next(
                (i for i, (a, b) in enumerate(zip(here, there, strict=False)) if a != b),
                min(len(here), len(there)),
            )
            yield f"expression {n} is {_part(here, at)}, there {_part(there, at)}"


def _part(pattern: str, at: int) -> str:
    begin, end = max(0, at - _AROUND), at + _AROUND
    left, right = "..." * (begin > 0), "..." * (end < len(pattern))
    return f"`{left}{pattern[begin:end]}{right}`"
