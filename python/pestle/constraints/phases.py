"""The parts of an answer: which tokens may come in each, and which part comes then.

A phase is fixed; where an answer stands in it is for `constraint`. Phases may follow each other in
circles, so what comes after one is set once they exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy import uint32
from numpy.typing import NDArray

from pestle.constraints.matcher import Matcher

Words: TypeAlias = NDArray[uint32]
"""A mask: uint32 [ceil(n_vocab / 32)]."""


@dataclass(eq=False)
class Free:
    """Any token but those of `banned`; one of `ends` ends it.

    Where a body follows, the token that ends this part is the first of the body's text.
    """

    banned: Words
    ends: dict[int, Phase] = field(default_factory=dict)


@dataclass(eq=False)
class Opening:
    """Any token but those of `banned`, until one says something: then it is `rest`."""

    banned: Words
    rest: Free
    is_blank: Callable[[int], bool]


@dataclass(eq=False)
class Fixed:
    """One of the tokens of `children`, or what may come in `otherwise`."""

    children: dict[int, Phase]
    otherwise: Phase | None = None


@dataclass(eq=False)
class Body:
    """A text that follows the grammar of `beginning`, and then `rest`."""

    beginning: Matcher
    rest: Phase


Phase: TypeAlias = Free | Opening | Fixed | Body


def sequences(each: Mapping[tuple[int, ...], Phase], otherwise: Phase | None = None) -> Fixed:
    """One of several sequences of tokens, each with the phase after it.

    A sequence may be the beginning of another. `otherwise`: what may come in place of all of them.
    """
    root = Fixed({}, otherwise)
    for tokens, rest in each.items():
        node = root
        for token in tokens[:-1]:
            child = node.children.setdefault(token, Fixed({}))
            if not isinstance(child, Fixed):
                child = node.children[token] = Fixed({}, child)
            node = child
        last = node.children.get(tokens[-1])
        if isinstance(last, Fixed) and last.otherwise is None:
            last.otherwise = rest
        else:
            node.children[tokens[-1]] = rest
    return root


def words_of(n_vocab: int, tokens: Iterable[int]) -> Words:
    """The mask of some tokens."""
    words = np.zeros((n_vocab + 31) // 32, np.uint32)
    for token in tokens:
        words[token // 32] |= np.uint32(1 << token % 32)
    return words
