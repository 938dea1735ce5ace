"""Control tokens: where they stand in a text, and how untrusted text is kept from forming one.

A model is steered by control tokens such as `<|im_end|>`. They are split off here, before the
tokenizer proper sees the text, so that the tokenizer proper never produces one.

A chat template mixes the scaffolding of its author with the words of users. To tell them apart in
the rendered text, a *mark*, a character that occurs nowhere else, is put into the users' words
in front of every character that could begin a control token. `split` recognizes no token behind a
mark and takes the marks away. Whatever a template then does to the words, trimming, splitting or
joining them, no control token can begin within them.
"""

import re
from collections.abc import Callable, Iterator, Mapping

# Tags at which templates split messages, even for models that have no tokens for them.
_TAGS = ("<think>", "</think>")


class ControlTokens:
    """Finds control tokens in text; the longest wins where several begin at one place."""

    def __init__(self, controls: Mapping[str, int], user_defined: Mapping[str, int]) -> None:
        """Both are ids by text. Words of `user_defined` stay unmarked where that is harmless."""
        self._ids = dict(controls)
        self._lengths = sorted({len(text) for text in controls}, reverse=True)
        first = {text[0] for text in controls}
        self._starts = re.compile(_any_of(first)) if first else None
        # Marking every letter, digit or space would change what templates compare and trim.
        openers = {char for char in first if not char.isalnum() and not char.isspace()}
        words = [text for text in controls if text[0] not in openers]
        self._to_mark = self._marking_pattern(openers, words, user_defined) if first else None

    def _marking_pattern(
        self, openers: set[str], words: list[str], user_defined: Mapping[str, int]
    ) -> re.Pattern[str]:
        """Matches a whole harmless tag as `keep`, else what a mark goes before.

        Templates split their messages at tags like `</think>`, most often user-defined tokens,
        and trim what is left, which a mark in front of the tag would prevent. A tag is harmless
        when no control token can begin within it.
        """
        harmless = [
            text
            for text in {*_TAGS, *user_defined}
            if text[0] in openers
            and not any(char in openers for char in text[1:])
            and not any(text.startswith(c) or c.startswith(text) for c in self._ids)
        ]
        parts = [f"(?P<keep>{_any_of(harmless)})"] if harmless else []
        parts += [_any_of(openers)] if openers else []
        parts += [_any_of(words)] if words else []
        return re.compile("|".join(parts))

    def mark(self, text: str, mark: str) -> str:
        """`text` with `mark` in front of every place where a control token could begin."""
        if self._to_mark is None:
            return text
        keeps = "keep" in self._to_mark.groupindex

        def marked(match: re.Match[str]) -> str:
            return match[0] if keeps and match["keep"] else mark + match[0]

        return self._to_mark.sub(marked, text)

    def split(self, text: str, mark: str = "") -> Iterator[str | int]:
        """Cut `text` at its control tokens, which come as ids; the text between without marks."""
        begin = 0
        for at in self._candidates(text, mark):
            token = self._longest_at(text, at) if at >= begin else None
            if token is None:
                continue
            length, token_id = token
            if at > begin:
                yield _without(text[begin:at], mark)
            yield token_id
            begin = at + length
        if begin < len(text):
            yield _without(text[begin:], mark)

    def _candidates(self, text: str, mark: str) -> Iterator[int]:
        if self._starts is None:
            return
        for match in self._starts.finditer(text):
            at = match.start()
            if not (mark and at and text[at - 1] == mark):
                yield at

    def _longest_at(self, text: str, at: int) -> tuple[int, int] | None:
        """The longest control token that begins at `at`: its length and its id."""
        for length in self._lengths:
            token = self._ids.get(text[at : at + length])
            if token is not None and at + length <= len(text):
                return length, token
        return None


def map_strings(value: object, change: Callable[[str], str]) -> object:
    """A copy of JSON-like `value` with every string in it, keys too, put through `change`."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {map_strings(k, change): map_strings(v, change) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [map_strings(item, change) for item in value]
    return value


def _any_of(texts: set[str] | list[str]) -> str:
    return "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))


def _without(text: str, mark: str) -> str:
    return text.replace(mark, "") if mark else text
