"""From texts to the tokens that a model reads: each text in windows, every window on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from pestle.errors import Error, FormatError, TemplateError
from pestle.quality.divergence import Tokens
from pestle.quality.text_set import Text, TextSet
from pestle.template import ChatTemplate
from pestle.tokenizer import Tokenizer


def fixed_now() -> datetime:
    """The date that templates write: figures must not depend on the day."""
    return datetime(2026, 1, 1, 12)


@dataclass(frozen=True)
class Window:
    """Tokens that are read from an empty context on; all but the first are to be foreseen."""

    category: str
    tokens: Tokens

    @property
    def positions(self) -> int:
        """At which the model foresees a token."""
        return len(self.tokens) - 1


@dataclass(frozen=True)
class Windows:
    """`left_out`: the names of texts that the model has no way to read, and why."""

    windows: tuple[Window, ...]
    left_out: tuple[str, ...]

    @property
    def n_tokens(self) -> int:
        return sum(len(window.tokens) for window in self.windows)


def windows_of(
    texts: TextSet, tokenizer: Tokenizer, template: ChatTemplate | None, size: int
) -> Windows:
    """Tokenize the texts and cut each into windows of at most `size` tokens.

    A model that wants BOS before a text gets it before every window. FormatError: nothing is left.
    """
    if size < 2:
        raise ValueError(f"the context is {size} tokens, expected 2 or more")
    found: list[Window] = []
    left_out: list[str] = []
    for text in texts.texts:
        try:
            tokens = _tokens(text, tokenizer, template)
        except Error as error:  # of the template, or the vocabulary lacks a character
            left_out.append(f"{text.category}/{text.name}: {error}")
            continue
        found += [Window(text.category, window) for window in _cut(tokens, tokenizer, size)]
    if not found:
        raise FormatError(f"{texts.name}: no text is left that has two tokens")
    return Windows(tuple(found), tuple(left_out))


def _tokens(text: Text, tokenizer: Tokenizer, template: ChatTemplate | None) -> list[int]:
    if not text.messages:
        return tokenizer.encode(text.content, add_special=True)
    if template is None:
        raise TemplateError("the model has no chat template")
    return template.encode(text.messages, tools=text.tools or None, add_generation_prompt=False)


def _cut(tokens: Sequence[int], tokenizer: Tokenizer, size: int) -> list[Tokens]:
    bos = [tokenizer.bos_id] if tokenizer.add_bos and tokenizer.bos_id is not None else []
    if bos and list(tokens[:1]) == bos:
        tokens = tokens[1:]
    step = size - len(bos)
    windows = [[*bos, *tokens[at : at + step]] for at in range(0, len(tokens), step)]
    return [np.array(window, np.int32) for window in windows if len(window) > 1]
